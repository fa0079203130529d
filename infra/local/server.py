"""The HTTP server of a local run: the API under /api, the files of web/ under /, on one port of 127.0.0.1.

Granian's compiled core (hyper) accepts connections and parses requests, also hostile ones; an event loop in a thread of ours reads the
bodies, so that a slow client keeps no other waiting; a few threads run the app.
"""

import asyncio
import logging
import resource
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from infra.local.gateway import MAX_PAYLOAD_BYTES, Gateway, GatewayResponse
from infra.local.pages import page_response, text_response

HOST = "127.0.0.1"
THREADS = 16  # most of them wait: for the journal, or for Stripe
MAX_CONNECTIONS = 8192
RESERVED_FILES = 128  # open files beside connections: the store, logs, the fake Stripe
MAX_HEADER_BYTES = 64 * 1024
HEADER_SECONDS = 10
BODY_SECONDS = 30
START_SECONDS = 10
STOP_SECONDS = 10  # for the requests that are being handled
CLOSE_SECONDS = 1  # for their responses to be sent, then for clients that have sent half a request

Respond = Callable[[str, str, list[tuple[str, str]], bytes, str], GatewayResponse]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class PortInUse(Exception):
    """Another program uses the port."""


class LocalServer:
    """Takes its port when it is created, so that a port in use is noticed before anything else starts; serves after `start`.

    Raises PortInUse.
    """

    def __init__(self, port: int) -> None:
        self._reservation = _reserve(port)
        self.port = int(self._reservation.getsockname()[1])
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._handled: set[Future[GatewayResponse]] = set()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._failure: BaseException | None = None

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self, gateway: Gateway, web: Path) -> None:
        """Serve from now on, in threads; `web` is the folder of the pages."""
        respond = partial(_respond, gateway, web)
        self._thread = threading.Thread(target=self._run, args=(partial(self._answer, respond),), name="server", daemon=True)
        self._thread.start()
        asyncio.run(self._wait_until_it_accepts())

    def stop(self) -> None:
        """Finish the requests that are being handled; later ones get no response."""
        if self._thread is not None and self._loop is not None and self._server is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._server.stop)
            wait(list(self._handled), STOP_SECONDS)
            self._thread.join(CLOSE_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reservation.close()

    def _run(self, application: Application) -> None:
        try:
            asyncio.run(self._serve(application))
        except BaseException as error:
            self._failure = error
            raise

    async def _serve(self, application: Application) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = Server(
            application,
            address=HOST,
            port=self.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000, max_buffer_size=MAX_HEADER_BYTES),
            websockets=False,
            backlog=1024,
            backpressure=_max_connections(),
            log_enabled=False,
        )
        await self._server.serve()

    async def _wait_until_it_accepts(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            while self._failure is None:
                try:
                    _, writer = await asyncio.open_connection(HOST, self.port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    return
        raise RuntimeError("the HTTP server could not start") from self._failure

    async def _answer(self, respond: Respond, scope: Message, receive: Receive, send: Send) -> None:
        """The ASGI application: reads a request's body in the event loop and handles it in a thread of the pool."""
        body = await _read_body(receive)
        if body is None:
            response = text_response(400, "The request's body did not arrive completely. Send the request again.")
        else:
            target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
            headers = [(name.decode("latin-1").title(), value.decode("latin-1")) for name, value in scope["headers"]]
            handled = self._pool.submit(respond, scope["method"], target.decode("latin-1"), headers, body, scope["client"][0])
            self._handled.add(handled)
            try:
                response = await asyncio.wrap_future(handled)
            finally:
                self._handled.discard(handled)
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": encoded})
        await send({"type": "http.response.body", "body": response.body})


async def _read_body(receive: Receive) -> bytes | None:
    """The request's body; None if it was not complete in time. Of one that is too large only as much as shows that it is."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while size <= MAX_PAYLOAD_BYTES:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message["body"])
                size += len(message["body"])
                if not message["more_body"]:
                    break
    except TimeoutError:
        return None
    return b"".join(parts)


def _respond(
    gateway: Gateway, web: Path, method: str, target: str, headers: list[tuple[str, str]], body: bytes, address: str
) -> GatewayResponse:
    try:
        if target.startswith(("/api/", "/api?")) or target == "/api":
            return gateway.handle(method, target, headers, body, address)
        return page_response(web, method, target)
    except Exception:
        logging.getLogger(__name__).exception("a request failed")
        return text_response(500, "Something went wrong. Try again; if it happens again, read the log.")


def _reserve(port: int) -> socket.socket:
    """A socket that is bound to the port and never listens; raises PortInUse.

    Granian binds the port with SO_REUSEPORT, which would share it with any other program that does so too. Therefore it is first bound
    without that option, which fails if anybody has the port, and then kept by a socket that only one with that option may join.
    """
    try:
        with _bind(port, socket.SO_REUSEADDR) as probe:
            port = probe.getsockname()[1]
        try:
            return _bind(port, socket.SO_REUSEPORT)
        except OSError:  # connections to another program have just ended (TIME_WAIT)
            return _bind(port, socket.SO_REUSEPORT, socket.SO_REUSEADDR)
    except OSError as error:
        raise PortInUse(str(error)) from None


def _bind(port: int, *options: int) -> socket.socket:
    bound = socket.socket()
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound


def _max_connections() -> int:
    """How many connections may be open at once. Raises the limit of open files, which is 256 on macOS, as far as that is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + RESERVED_FILES
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(16, allowed - RESERVED_FILES)
