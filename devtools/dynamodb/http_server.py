"""The store as an HTTP server on loopback, for the AWS CLI, NoSQL Workbench and other processes.

Signatures are not checked: a program that can reach loopback can read the files of the store too. Web pages cannot call the server: its
target header makes a browser ask for permission first, which is never given, and a page whose host name was rebound to this
address is refused by its Host header.
"""

import threading
import zlib
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import urlsplit

import waitress

from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.responses import error_response
from devtools.dynamodb.store import DYNAMODB, STREAMS, LocalStore

HOST = "127.0.0.1"
THREADS = 16
STOP_SECONDS = 5
MAX_REQUEST_BYTES = 16 * 1024 * 1024  # "BatchWriteItem can transmit up to 16 MB"

_SERVICES = {"DynamoDB_20120810": DYNAMODB, "DynamoDBStreams_20120810": STREAMS}
_ALLOWED_HOSTS = frozenset({"127.0.0.1", "localhost"})

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


class StoreHttpServer:
    """Serves from the moment it is made until `close`. Port 0 takes any free port. Raises OSError when the port is in use."""

    def __init__(self, store: LocalStore, port: int = 0) -> None:
        self._store = store
        self._server: Any = waitress.create_server(
            self._respond, host=HOST, port=port, threads=THREADS, ident=None, max_request_body_size=MAX_REQUEST_BYTES
        )
        self.port = int(self._server.effective_port)
        self.url = f"http://{HOST}:{self.port}"
        threading.Thread(target=self._server.run, name="store-http-server", daemon=True).start()

    def close(self) -> None:
        """Stop, after the requests that are under way."""
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=STOP_SECONDS)
        self._server.trigger.pull_trigger(self._close_connections)  # in the server's thread, which ends when nothing is open any more

    def _close_connections(self) -> None:
        for channel in list(self._server.active_channels.values()):
            channel.handle_close()
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _respond(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        status, body = self._call(environ)
        headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("Content-Length", str(len(body))),
            ("x-amz-crc32", str(zlib.crc32(body))),
            ("x-amzn-RequestId", f"{id(environ):052X}"),
        ]
        start_response(f"{status} {HTTPStatus(status).phrase}", headers)
        return [body]

    def _call(self, environ: Environ) -> tuple[int, bytes]:
        if urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname not in _ALLOWED_HOSTS:
            return error_response(403, "AccessDeniedException", "The local store only accepts requests to 127.0.0.1 and localhost.")
        version, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if environ["REQUEST_METHOD"] != "POST" or version not in _SERVICES:
            message = "This server speaks DynamoDB's JSON protocol: send a POST request with an X-Amz-Target header."
            return error_response(400, "UnknownOperationException", message)
        body = environ["wsgi.input"].read()
        try:
            return self._store.call(_SERVICES[version], operation, body)
        except StoreFailed as failure:
            return error_response(500, "InternalServerError", str(failure))
