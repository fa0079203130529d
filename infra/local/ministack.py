"""MiniStack, a DynamoDB-compatible store, as a child process on loopback."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 120  # it writes its whole state when it stops

# What AWS clients insist on having; MiniStack accepts anything.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

_PR_SET_PDEATHSIG = 1
_direct = build_opener(ProxyHandler({}))


class StoreFailed(Exception):
    """The store did not start, or ended when nobody asked it to; the message says where its log is."""


class MiniStack:
    """One running MiniStack; `state` is the folder it loads from and saves to, None keeps everything in memory."""

    def __init__(self, log: Path, state: Path | None = None) -> None:
        self._log = log
        port = _free_port()
        self.endpoint = f"http://{HOST}:{port}"
        environment = {
            **os.environ,
            **CREDENTIALS,
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "SERVICES": "dynamodb",
            "LOG_LEVEL": "WARNING",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "PERSIST_STATE": "1" if state else "0",
            **({"STATE_DIR": str(state)} if state else {}),
        }
        with log.open("ab") as out:
            # A session of its own: Ctrl-C goes to every process of the terminal's group, and this one must end last.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env=environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        self.pid = self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                raise StoreFailed(f"The store ended while starting; see {self._log}.")
            with contextlib.suppress(URLError, OSError), _direct.open(f"{self.endpoint}/_ministack/health", timeout=1):
                return
            time.sleep(0.05)
        raise StoreFailed(f"The store did not answer within {START_SECONDS} s; see {self._log}.")

    def stop(self) -> bool:
        """Let it save its state and end; True when it ended by itself and in time."""
        if not self.running:
            return False
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def in_memory(log: Path) -> Iterator[MiniStack]:
    """A store that forgets everything at the end; for tests and measures."""
    store = MiniStack(log)
    try:
        store.wait_until_ready()
        yield store
    finally:
        store.kill()


def _end_with_parent() -> None:
    """Linux: save and end (SIGTERM) when the process that started this one dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
