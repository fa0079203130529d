"""The engine as an HTTP server on loopback, for boto3, the AWS CLI and every other SDK.

Each connection has a thread. A response waits until the changes behind it are in the journal; the journal writes the changes of all waiting
threads together.

Signatures are not checked: a program that can reach loopback can read the files of the store too. Web pages cannot call the server: its
target header makes a browser ask for permission first, which is never given, and the Host header reveals a page whose host name was
rebound to this address.
"""

import re
import socket
import threading
import time
import zlib
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from itertools import count
from socketserver import BaseRequestHandler, ThreadingTCPServer

import httptools
import msgspec

from devtools.dynamodb.engine import Engine, StoreFailed, respond
from devtools.dynamodb.values import ApiError, malformed

HOST = "127.0.0.1"
MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
READ_BYTES = 64 * 1024
STOP_SECONDS = 5  # for the last response of a connection
EXPIRY_SECONDS = 60  # between two searches for expired items

_is_allowed_host = re.compile(rb"(127\.0\.0\.1|localhost)(:\d+)?", re.IGNORECASE).fullmatch
_DYNAMODB, _STREAMS = "DynamoDB_20120810", "DynamoDBStreams_20120810"
_STREAM_OPERATIONS = frozenset({"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"})

_encode = msgspec.json.Encoder().encode
_HEADERS = (
    b"HTTP/1.1 %d %s\r\nServer: Server\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nx-amzn-RequestId: %052X\r\n"
    b"x-amz-crc32: %d\r\n%s\r\n"
)


class Server(ThreadingTCPServer):
    """Serves from its creation until `close`. Port 0 takes any free port. Raises OSError when the port is in use."""

    allow_reuse_address, daemon_threads, request_queue_size = True, True, 1024

    def __init__(self, engine: Engine, port: int = 0) -> None:
        self.engine = engine
        super().__init__((HOST, port), _Connection)
        self.port = int(self.server_address[1])
        self.url = f"http://{HOST}:{self.port}"
        self.connections: dict[socket.socket, threading.Thread] = {}
        self.request_numbers = count(1)
        self._is_closed = threading.Event()
        targets = self._accept, self._delete_expired
        self._helpers = [threading.Thread(target=target, name="dynamodb-server", daemon=True) for target in targets]
        for thread in self._helpers:
            thread.start()

    def close(self) -> None:
        """Stop after the requests in progress."""
        self._is_closed.set()
        socket.create_connection((HOST, self.port)).close()  # wakes the thread that waits for clients
        for thread in self._helpers:
            thread.join()
        connections = list(self.connections.items())
        for connection, _ in connections:
            with suppress(OSError):  # the client has closed it
                connection.shutdown(socket.SHUT_RD)
        for _, thread in connections:
            thread.join(STOP_SECONDS)
        self.server_close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        """Start a thread for each client, in a thread, until the server is closed."""
        while not self._is_closed.is_set():
            self.handle_request()

    def verify_request(self, *_: object) -> bool:
        return not self._is_closed.is_set()

    def _delete_expired(self) -> None:
        """Delete expired items, in a thread, until the server is closed."""
        with suppress(StoreFailed):
            while not self._is_closed.wait(EXPIRY_SECONDS):
                self.engine.delete_expired()


class _Connection(BaseRequestHandler):
    """Processes one request after the other. The parser calls the methods whose names begin with `on_`."""

    server: Server

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.connections[self.request] = threading.current_thread()
        self._parser = httptools.HttpRequestParser(self)
        self._is_ended = False
        self.on_message_begin()

    def handle(self) -> None:
        with suppress(OSError):  # the client is gone
            while not self._is_ended and (data := self.request.recv(READ_BYTES)):
                self._feed(data)
            if self._is_ended:  # later data is discarded: a client that is sending would not see the response if its data were refused
                self.request.shutdown(socket.SHUT_WR)
                self.request.settimeout(STOP_SECONDS)
                end = time.monotonic() + STOP_SECONDS
                while self.request.recv(READ_BYTES) and time.monotonic() < end:
                    pass

    def finish(self) -> None:
        del self.server.connections[self.request]

    def _feed(self, data: bytes) -> None:
        self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if not self._has_headers and self._header_bytes > MAX_HEADER_BYTES:
                raise malformed("The headers are too long.")
        except (httptools.HttpParserError, ApiError) as fault:
            error = fault if isinstance(fault, ApiError) else fault.__context__
            if not self._is_ended:
                self._is_ended = True
                self._send_error(error if isinstance(error, ApiError) else malformed("The request is not valid HTTP."))

    def on_message_begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}  # by names in lower case
        self._target, self._body = b"", bytearray()
        self._header_bytes, self._has_headers = 0, False

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._has_headers = True
        if len(self._target) + sum(map(len, self._headers.values())) > MAX_HEADER_BYTES:
            raise malformed("The headers are too long.")
        self._check_size(int(self._headers.get(b"content-length", 0)))
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        self._check_size(len(self._body))

    def _check_size(self, size: int) -> None:
        if size > MAX_REQUEST_BYTES:
            raise ApiError("SerializationException", f"A request may have {MAX_REQUEST_BYTES} bytes at most.", 413)

    def on_message_complete(self) -> None:
        if not self._is_ended:
            self._is_ended = not self._parser.should_keep_alive()
            try:
                self._respond(self._parser.get_method() + b" " + self._target)
            except ApiError as error:
                self._send_error(error)

    def _respond(self, line: bytes) -> None:
        """Call the engine, and send the response. Raises ApiError."""
        engine = self.server.engine
        if line == b"GET /":
            self._send(200, f"healthy: dynamodb.{engine.region}.amazonaws.com ".encode(), b"text/plain")
            return
        if not _is_allowed_host(self._headers.get(b"host", b"")):
            raise ApiError("AccessDeniedException", "The local DynamoDB only accepts requests to 127.0.0.1 and localhost.", 403)
        if line != b"POST /":
            raise ApiError("UnknownOperationException", "", 404)
        service, _, operation = self._headers.get(b"x-amz-target", b"").decode("latin-1").partition(".")
        if service != (_STREAMS if operation in _STREAM_OPERATIONS else _DYNAMODB):
            raise ApiError("UnknownOperationException", "")
        self._send(*respond(engine, operation, bytes(self._body)))

    def _send_error(self, error: ApiError) -> None:
        self._send(error.status, _encode(error.body()))

    def _send(self, status: int, body: bytes, kind: bytes = b"application/x-amz-json-1.0") -> None:
        phrase, date, number = HTTPStatus(status).phrase.encode(), _date(int(time.time())), next(self.server.request_numbers)
        ending = b"Connection: close\r\n" if self._is_ended else b""
        self.request.sendall(_HEADERS % (status, phrase, date, kind, len(body), number, zlib.crc32(body), ending) + body)


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
