"""The HTTP server of a local run: the API under /api, the files of web/ under /, on one port of 127.0.0.1."""

import logging
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from devtools.http_messages import Request
from infra.local.api_page import api_page_response
from infra.local.connections import Connection, Connections
from infra.local.gateway import Gateway, GatewayResponse
from infra.local.images import LocalImages
from infra.local.mailbox import Mailbox, with_link
from infra.local.pages import compressed, has_pages, page_response, text_response, words_response, words_target
from infra.local.workers import Workers

HOST = "127.0.0.1"
HEALTH = "/api/v1/health"
THREADS = 32  # most threads wait, for the journal or for Stripe
BACKLOG = 1024  # clients that wait to be accepted
MAX_CONNECTIONS = 8192
RESERVED_FILES = 128  # open files besides connections: the store, logs, the fake Stripe
STOP_SECONDS = 10  # for the requests that are being handled


class PortInUse(Exception):
    """Another program uses the port."""


class LocalServer:
    """The HTTP server. The constructor takes the port, so that a port in use is noticed before anything else starts; `start` serves.

    Raises PortInUse. Clients that connect before `start` wait.
    """

    def __init__(self, port: int) -> None:
        try:
            self._listener = socket.create_server((HOST, port), backlog=BACKLOG)
        except OSError as error:
            raise PortInUse(str(error)) from None
        self.port = int(self._listener.getsockname()[1])
        self.workers = Workers[tuple[Connection, Request], GatewayResponse](
            THREADS, self._receive, self._respond, self._send, wake=lambda: self._connections.wake()
        )
        self._connections = Connections(self._listener, _max_connections(), self.workers.find_input)
        self._gateway: Gateway | None = None
        self._web: Path | None = None
        self._images: LocalImages | None = None
        self._mailbox: Mailbox | None = None
        self._failure: Callable[[], str | None] = lambda: None

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(
        self,
        gateway: Gateway,
        web: Path,
        failure: Callable[[], str | None] = lambda: None,
        images: LocalImages | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        """Serve from now on, in threads.

        `web` is the folder of the pages, which link to the `mailbox`, if any. `failure` returns why the store has failed, or None.
        """
        self._gateway, self._web, self._failure, self._images, self._mailbox = gateway, web, failure, images, mailbox
        self.workers.start()

    def stop(self) -> None:
        """Finish the requests that are being handled; later ones get no response."""
        if self._gateway is not None:
            self._connections.stop()
            self.workers.join(STOP_SECONDS)
        self._listener.close()

    def _receive(self) -> tuple[Connection, Request] | None:
        return self._connections.next_request()

    def _respond(self, task: tuple[Connection, Request]) -> GatewayResponse:
        connection, request = task
        target = request.target
        try:
            assert self._gateway is not None
            assert self._web is not None
            words = words_target(request.method, target, request.headers)
            if words is not None and has_pages(self._web):
                page = words_response(self._gateway.handle("GET", words, source_ip=connection.address))
                return self._finish(page or page_response(self._web, request.method, target), request)
            if target.partition("?")[0] == HEALTH and (failure := self._failure()):
                return _failed_response(failure)
            if target.startswith(("/api/", "/api?")) or target == "/api":
                return self._gateway.handle(request.method, target, request.headers, request.body, connection.address)
            if self._images is not None and (shown := self._images.response(request.method, target, request.headers, request.body)):
                return shown
            if self._mailbox is not None and (shown := self._mailbox.response(request.method, target)):
                return shown
            page = api_page_response(request.method, target) or page_response(self._web, request.method, target)
            return self._finish(page, request)
        except Exception:
            logging.getLogger(__name__).exception("a request failed")
            return text_response(500, "Something went wrong. Try again; if it happens again, read the log.")

    def _finish(self, page: GatewayResponse, request: Request) -> GatewayResponse:
        return compressed(page if self._mailbox is None else with_link(page), request.headers)

    def _send(self, task: tuple[Connection, Request], response: GatewayResponse | None) -> None:
        self._connections.send_response(*task, response or _failed_response(self._failure() or ""))


def _failed_response(failure: str) -> GatewayResponse:
    """Return 503, because only a person can help. On AWS an instance without its store is healthy: other instances would not help."""
    body = {"status": "failed", "error": "store_failed", "message": failure}
    return GatewayResponse(503, {"Content-Type": "application/json", "Cache-Control": "no-store"}, msgspec.json.encode(body))


def _max_connections() -> int:
    """Return how many connections may be open at once. Raises the limit of open files, 256 on macOS, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(16, allowed - RESERVED_FILES)
