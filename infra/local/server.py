"""The HTTP server: the API under /api, the files of web/ under /, on one port of loopback."""

import logging
import mimetypes
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import waitress

from infra.local.gateway import MAX_PAYLOAD_BYTES, Gateway

HOST = "127.0.0.1"
THREADS = 32
STOP_SECONDS = 10

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml"}
_PAGE_POLICY = "default-src 'self'; img-src 'self' https: data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'"


class PortInUse(Exception):
    """Something else listens on the port."""


class Server:
    """Bound at once, so that a port in use is noticed before anything else starts; serves after `start`."""

    def __init__(self, port: int) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # its warnings only say that there is much to do
        self._handle: Callable[[Environ, StartResponse], Iterable[bytes]] | None = None
        try:
            self._server: Any = waitress.create_server(
                self._answer,
                host=HOST,
                port=port,
                threads=THREADS,
                ident=None,
                connection_limit=1000,
                # Above what the gateway refuses, so that its answer is the one that callers see.
                max_request_body_size=4 * MAX_PAYLOAD_BYTES,
            )
        except OSError as error:
            raise PortInUse(str(error)) from None
        self.port = int(self._server.effective_port)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self, gateway: Gateway, web: Path) -> None:
        self._handle = application(gateway, web)
        threading.Thread(target=self._server.run, name="server", daemon=True).start()

    def stop(self) -> None:
        """Finish the requests that are being handled; later ones wait in vain."""
        if self._handle is not None:
            self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=STOP_SECONDS)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        assert self._handle is not None, "connections are accepted only after start"
        return self._handle(environ, start_response)


def application(gateway: Gateway, web: Path) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """A WSGI application."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        target = environ["REQUEST_URI"]
        if target.startswith("/api/") or target == "/api":
            return _api(gateway, environ, target, start_response)
        return _file(web, environ["REQUEST_METHOD"], target, start_response)

    return answer


def _api(gateway: Gateway, environ: Environ, target: str, start_response: StartResponse) -> Iterable[bytes]:
    headers = [(name[5:].replace("_", "-").title(), value) for name, value in environ.items() if name.startswith("HTTP_")]
    if environ.get("CONTENT_TYPE"):
        headers.append(("Content-Type", environ["CONTENT_TYPE"]))
    body = environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else b""
    reply = gateway.handle(environ["REQUEST_METHOD"], target, headers, body, environ["REMOTE_ADDR"])
    start_response(_status(reply.status), [*reply.headers.items()])
    return [reply.body]


def _file(web: Path, method: str, target: str, start_response: StartResponse) -> Iterable[bytes]:
    if method not in ("GET", "HEAD"):
        return _plain(start_response, 405, "Only GET.")
    path = unquote(target.partition("?")[0]).lstrip("/")
    root = web.resolve()
    file = (root / path).resolve() if "\0" not in path else root / "missing"
    if file.is_dir():
        file /= "index.html"
    if not file.is_relative_to(root) or not file.is_file():
        return _plain(start_response, 404, "There is no such page.")
    content = file.read_bytes()
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = [
        ("Content-Type", f"{kind}; charset=utf-8" if kind.startswith("text/") else kind),
        ("Content-Length", str(len(content))),
        ("Cache-Control", "no-cache"),
        ("Content-Security-Policy", _PAGE_POLICY),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(_status(200), headers)
    return [content] if method == "GET" else []


def _plain(start_response: StartResponse, status: int, text: str) -> Iterable[bytes]:
    start_response(_status(status), [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
