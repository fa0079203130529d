"""A Lambda function in a process of its own, with the interface of AWS's runtime: awslambdaric requests events from this server.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. The process can import only the files of the zip, the layers,
awslambdaric and the standard library.
"""

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, Queue
from time import time
from typing import Any, Self
from uuid import uuid4

from infra.emulation.aws import HOST, POLL_SECONDS, EmulationFailed, end

API_VERSION = "2018-06-01"
START_SECONDS = 10  # how long AWS lets a function start, besides its timeout
# awslambdaric and its requirements, which AWS's runtime image has outside of the zip.
_RUNTIME_MODULES = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
_START = "import sys; sys.path[:0] = [*sys.argv[1:3], sys.argv[1] + '/python']; from awslambdaric.__main__ import main; main(sys.argv[2:])"


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Ignore the broken connection of a process that ended; `_watch` reports the reason."""


class FunctionFailed(EmulationFailed):
    """The function raised an exception, or its process ended."""


class LambdaFunction:
    """A function that handles one event after another, within a `with` block. `log` is the file for its output."""

    def __init__(
        self, name: str, handler: str, folder: Path, arn: str, timeout_seconds: int, environment: dict[str, str], log: Path
    ) -> None:
        self.name, self._handler, self._folder, self._arn = name, handler, folder, arn
        self._timeout, self._environment, self._log = timeout_seconds, environment, log
        self._events: Queue[tuple[str, bytes]] = Queue()
        self._replies: Queue[tuple[bool, bytes]] = Queue()
        self._one_at_a_time = threading.Lock()
        self._end = ""  # the reason why the process ended; empty while it runs
        self._server = _Server((HOST, 0), self._handler_class())

    def call(self, event: Any) -> Any:
        """Call the function and return its reply. Raises FunctionFailed, also if the function exceeds its timeout."""
        with self._one_at_a_time:
            if self._end:
                raise FunctionFailed(self._end)
            self._events.put((str(uuid4()), json.dumps(event, default=_base64_text).encode()))
            try:
                has_succeeded, body = self._replies.get(timeout=START_SECONDS + self._timeout)
            except Empty:
                self._process.kill()
                raise FunctionFailed(f"{self.name} did not reply within its {self._timeout} seconds") from None
        if not has_succeeded:
            raise FunctionFailed(f"{self.name} failed: {body.decode()}")
        return json.loads(body)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(POLL_SECONDS,), name=f"runtime-api-{self.name}", daemon=True).start()
        runtime = self._folder.parent / f"{self._folder.name}-runtime"
        _link_runtime(runtime)
        api = f"{HOST}:{self._server.server_port}"
        command = [sys.executable, "-I", "-S", "-c", _START, str(self._folder), str(runtime), self._handler, api]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env={**self._environment, "AWS_LAMBDA_RUNTIME_API": api}, stdout=log, stderr=log
            )
        threading.Thread(target=self._watch, name=f"watch-{self.name}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)
        self._events.put(("", b""))  # answers the last request for an event
        self._server.shutdown()
        self._server.server_close()

    def _watch(self) -> None:
        code = self._process.wait()
        self._end = f"{self.name} ended with exit code {code}; the end of its log: {self._log.read_text()[-2000:]}"
        self._replies.put((False, self._end.encode()))

    def _handler_class(function) -> type[BaseHTTPRequestHandler]:  # `self` is the request below
        class RuntimeApi(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """`/runtime/invocation/next`: wait for an event."""
                request_id, event = function._events.get()
                if not request_id:  # the function must stop
                    self.close_connection = True
                    return
                deadline = int((time() + function._timeout) * 1000)
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": str(deadline),
                    "Lambda-Runtime-Invoked-Function-Arn": function._arn,
                    "Lambda-Runtime-Trace-Id": f"Root=1-{int(time()):08x}-{uuid4().hex[:24]};Sampled=0",
                    "Content-Type": "application/json",
                }
                self._respond(200, event, headers)

            def do_POST(self) -> None:
                """`/runtime/invocation/ID/response` or `/error`, or `/runtime/init/error`."""
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = _read_chunks(self.rfile)
                function._replies.put((self.path.endswith("/response"), body))
                self._respond(202, b'{"status": "OK"}', {"Content-Type": "application/json"})

            def _respond(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing, because the function has its own log."""

        return RuntimeApi


def runtime_environment(name: str, region: str, memory_megabytes: int, folder: Path) -> dict[str, str]:
    """Return the variables that AWS sets in the environment of each function."""
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_megabytes),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "emulated",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
        "LAMBDA_TASK_ROOT": str(folder),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": os.environ.get("PATH", ""),
    }


def _read_chunks(stream: Any) -> bytes:
    body = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


def _link_runtime(folder: Path) -> None:
    """Create a folder with links to awslambdaric and its requirements only."""
    folder.mkdir(exist_ok=True)
    for name in _RUNTIME_MODULES:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise EmulationFailed(f"the package {name} is not installed; AWS provides it for Linux only")
        source = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
        link = folder / source.name
        if not link.exists():
            link.symlink_to(source)


def _base64_text(value: bytes) -> str:
    """Encode a binary value of a change record like Lambda."""
    return base64.b64encode(value).decode()
