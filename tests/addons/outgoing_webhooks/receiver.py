"""An endpoint of a promoter: a real HTTP server on 127.0.0.1, which verifies what it gets with the library of the scheme."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from unittest import mock

from msgspec import Struct
from standardwebhooks import Webhook, webhooks

from chalicelib.foundation import clock


class ProductDatetime(datetime):
    """Lets the library compare timestamps with the clock of the product, which tests move."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.fromtimestamp(clock.now(), tz)


class Received(Struct, frozen=True):
    """A request as it came; the names of headers are in small letters."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """What it says, if it is signed with this secret; raises WebhookVerificationError."""
        with mock.patch.object(webhooks, "datetime", ProductDatetime):
            return Webhook(secret).verify(self.body, dict(self.headers))


class Answer(Struct, frozen=True):
    """How the receiver answers. `wait` is how long at most it waits for `Receiver.go_on` before."""

    status: int = 200
    body: bytes = b"thanks"
    headers: Mapping[str, str] = {}
    wait: float = 0


class Receiver:
    """`answer` decides about each request; `received` has them all."""

    def __init__(self) -> None:
        self.answer: Callable[[Received], Answer] = lambda _: Answer()
        self.received: list[Received] = []
        self.go_on = Event()
        self.most_at_once = 0
        self.port = 0
        self._at_once = 0
        self._lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.received]

    def take(self, request: Received) -> Answer:
        with self._lock:
            self.received.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        answer = self.answer(request)
        if answer.wait:
            self.go_on.wait(answer.wait)
        with self._lock:
            self._at_once -= 1
        return answer


@contextmanager
def open_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that answers while the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.take(Received(self.path, headers, body))
            try:
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                self.close_connection = True  # the sender has read enough

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
