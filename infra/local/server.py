"""The HTTP server of a local run: the API under /api, the files of web/ under /, on one port of 127.0.0.1."""

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
    """Another program uses the port."""


class LocalServer:
    """Takes its port when it is created, so that a port in use is noticed before anything else starts; serves after `start`.

    Raises PortInUse.
    """

    def __init__(self, port: int) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # its warnings only report a long queue
        self._handle: Callable[[Environ, StartResponse], Iterable[bytes]] | None = None
        try:
            self._server: Any = waitress.create_server(
                self._respond,
                host=HOST,
                port=port,
                threads=THREADS,
                ident=None,
                connection_limit=1000,
                # Above the gateway's limit, so that callers see the gateway's error.
                max_request_body_size=4 * MAX_PAYLOAD_BYTES,
            )
        except OSError as error:
            raise PortInUse(str(error)) from None
        self.port = int(self._server.effective_port)

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self, gateway: Gateway, web: Path) -> None:
        """Serve in a thread; `web` is the folder of the pages."""
        self._handle = wsgi_application(gateway, web)
        threading.Thread(target=self._server.run, name="server", daemon=True).start()

    def stop(self) -> None:
        """Finish the requests that are being handled; later ones get no response."""
        if self._handle is not None:
            self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=STOP_SECONDS)

    def _respond(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        assert self._handle is not None, "connections are accepted only after start"
        return self._handle(environ, start_response)


def wsgi_application(gateway: Gateway, web: Path) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """A WSGI application that serves the API and the pages."""

    def respond(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        target = environ["REQUEST_URI"]
        if target.startswith("/api/") or target == "/api":
            return _serve_api(gateway, environ, target, start_response)
        return _serve_file(web, environ["REQUEST_METHOD"], target, start_response)

    return respond


def _serve_api(gateway: Gateway, environ: Environ, target: str, start_response: StartResponse) -> Iterable[bytes]:
    headers = [(name[5:].replace("_", "-").title(), value) for name, value in environ.items() if name.startswith("HTTP_")]
    if environ.get("CONTENT_TYPE"):
        headers.append(("Content-Type", environ["CONTENT_TYPE"]))
    body = environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else b""
    reply = gateway.handle(environ["REQUEST_METHOD"], target, headers, body, environ["REMOTE_ADDR"])
    start_response(_status(reply.status), [*reply.headers.items()])
    return [reply.body]


def _serve_file(web: Path, method: str, target: str, start_response: StartResponse) -> Iterable[bytes]:
    if method not in ("GET", "HEAD"):
        return _text_response(start_response, 405, "Pages can only be read: use GET. The API is under /api/v1.")
    path = unquote(target.partition("?")[0]).lstrip("/")
    root = web.resolve()
    file = (root / path).resolve() if "\0" not in path else root / "missing"
    if file.is_dir():
        file /= "index.html"
    if not file.is_relative_to(root) or not file.is_file():
        return _text_response(start_response, 404, "There is no such page. The start page is /, the API is under /api/v1.")
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


def _text_response(start_response: StartResponse, status: int, text: str) -> Iterable[bytes]:
    start_response(_status(status), [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def _status(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"
