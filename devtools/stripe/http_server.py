"""The HTTP server on 127.0.0.1: one thread per connection; each response is sent at once, in one packet."""

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from devtools.stripe.pages import Page
from devtools.stripe.request_handler import StripeRequest, StripeResponse

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1_000_000
IDLE_SECONDS = 120
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
# As at Stripe, browsers of any shop may call: access depends on a key or a client secret.
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Stripe-Version",
    "Access-Control-Expose-Headers": "Request-Id, Idempotent-Replayed",
    "Access-Control-Max-Age": "300",
}

HandleRequest = Callable[[StripeRequest], StripeResponse]
FindPage = Callable[[str, str, str], Page | None]


class StripeHttpServer(ThreadingHTTPServer):
    """Binds its port when it is created, and serves after `start`. `stop` ends all connections, also those that a fault keeps silent."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_port = False  # a port in use must raise an error
    request_queue_size = 256

    def __init__(self, port: int, handle_api_request: HandleRequest, find_page: FindPage) -> None:
        self.handle_api_request, self.find_page = handle_api_request, find_page
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__((HOST, port), _Handler)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="fake-stripe", daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: clients may close their connection at any time."""


class _Handler(BaseHTTPRequestHandler):
    server: StripeHttpServer
    protocol_version = "HTTP/1.1"
    # Without this option, each response waits 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self._respond("GET", path, query)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(413, "", {"Content-Type": "text/plain"})
            return
        body = self.rfile.read(int(length)).decode("utf-8", "replace")
        self._respond("POST", self.path.partition("?")[0], body)

    def do_DELETE(self) -> None:
        path, _, query = self.path.partition("?")
        self._respond("DELETE", path, query)

    def do_OPTIONS(self) -> None:
        self._send(204, "", _CORS_HEADERS)

    def _respond(self, method: str, path: str, encoded: str) -> None:
        if path.startswith("/v1/"):
            self._respond_as_api(StripeRequest(method, path, encoded, {name.lower(): value for name, value in self.headers.items()}))
            return
        page = self.server.find_page(method, path, encoded)
        if page is None:
            self._send(404, "This page does not exist.", {"Content-Type": "text/plain; charset=utf-8"})
        elif page.location:
            self._send(page.status, "", {"Location": page.location, "Cache-Control": "no-store"})
        else:
            headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Content-Security-Policy": _PAGE_POLICY}
            self._send(page.status, page.html, {**headers, "Referrer-Policy": "no-referrer"})

    def _respond_as_api(self, request: StripeRequest) -> None:
        response = self.server.handle_api_request(request)
        if response.lost:
            self.close_connection = True
            if response.lost == "hang":
                self.server.stopping.wait()
            return
        self._send(response.status, response.body, {"Content-Type": "application/json", **_CORS_HEADERS, **response.headers})

    def _send(self, status: int, body: str, headers: dict[str, str]) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Do nothing: the request log is kept elsewhere."""
