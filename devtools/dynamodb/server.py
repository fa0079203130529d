"""The engine as an HTTP server on loopback, for boto3, the AWS CLI and every other SDK.

One thread serves all connections. It never waits for the disk: it holds a response back until the changes behind the response are in the
journal, and processes other requests meanwhile. The next write of the journal takes all their changes together.

Signatures are not checked: a program that can reach loopback can read the files of the store too. Web pages cannot call the server: its
target header makes a browser ask for permission first, which is never given, and the Host header reveals a page whose host name was
rebound to this address.
"""

import asyncio
import re
import threading
import time
import zlib
from collections import deque
from contextlib import AbstractContextManager, suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import httptools
import msgspec

from devtools.dynamodb.engine import Engine, Pending, respond
from devtools.dynamodb.journal import Journal, StoreFailed
from devtools.dynamodb.values import ApiError, malformed

HOST = "127.0.0.1"
MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
STOP_SECONDS = 5
EXPIRY_SECONDS = 60  # between two searches for expired items

_is_allowed_host = re.compile(rb"(127\.0\.0\.1|localhost)(:\d+)?", re.IGNORECASE).fullmatch
_DYNAMODB, _STREAMS = "DynamoDB_20120810", "DynamoDBStreams_20120810"
_STREAM_OPERATIONS = frozenset({"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"})

_encode = msgspec.json.Encoder().encode
_HEADERS = (
    b"HTTP/1.1 %d %s\r\nServer: Server\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nx-amzn-RequestId: %052X\r\n"
    b"x-amz-crc32: %d\r\n\r\n"
)


Headers = dict[bytes, bytes]  # of a request, by names in lower case; the empty name has the method and the target
_Held = tuple[int, list[Pending], "_Connection", bytes]  # last entry, changes, and the response that waits for them


class Server(AbstractContextManager["Server"]):
    """Serves from its creation until `close`. Port 0 takes any free port. Raises OSError when the port is in use."""

    def __init__(self, engine: Engine, journal: Journal | None = None, port: int = 0) -> None:
        self._engine, self._journal = engine, journal
        self.connections: set[_Connection] = set()
        self._held: list[_Held] = []
        self._resting_on: list[Pending] | None = None  # the changes behind the present response
        self._request_count = 0
        self._is_flushing, self._is_closed = False, threading.Event()
        self._start_flush = threading.Semaphore(0)
        self._loop = asyncio.new_event_loop()
        try:
            server = self._loop.run_until_complete(self._loop.create_server(lambda: _Connection(self), HOST, port, backlog=1024))
        except BaseException:
            self._loop.close()
            raise
        self._server = server
        self.port = int(server.sockets[0].getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(target=self._loop.run_forever, name="dynamodb-server", daemon=True)
        self._helpers = [
            threading.Thread(target=target, name="dynamodb-server-helper", daemon=True) for target in (self._delete_expired, self._flush)
        ]
        if journal is not None:
            engine.hold_back = self._hold_back
        for thread in (self._thread, *self._helpers):
            thread.start()

    def close(self) -> None:
        """Stop after the requests in progress."""
        self._is_closed.set()
        self._start_flush.release()
        for helper in self._helpers:
            helper.join()
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()
        self._loop.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def process(self, connection: "_Connection", headers: Headers, body: bytes) -> None:
        """Call the engine, and send the response through the connection, now or when the journal allows it."""
        changes: list[Pending] = []
        self._resting_on = changes
        try:
            response = self._response(headers, body)
        except ApiError as error:
            response = self.error(error)
        self._resting_on = None
        if self._journal is None or not changes:
            connection.send(response)
        else:
            connection.is_waiting = True
            self._held.append((self._journal.last, changes, connection, response))
            self._request_flush()

    def _response(self, headers: Headers, body: bytes) -> bytes:
        """Call the engine, and return the response. Raises ApiError."""
        if headers[b""] == b"GET /":
            return self.response(200, f"healthy: dynamodb.{self._engine.region}.amazonaws.com ".encode(), b"text/plain")
        if not _is_allowed_host(headers.get(b"host", b"")):
            raise ApiError("AccessDeniedException", "The local DynamoDB only accepts requests to 127.0.0.1 and localhost.", 403)
        if headers[b""] != b"POST /":
            raise ApiError("UnknownOperationException", "", 404)
        service, _, operation = headers.get(b"x-amz-target", b"").decode("latin-1").partition(".")
        if service != (_STREAMS if operation in _STREAM_OPERATIONS else _DYNAMODB):
            raise ApiError("UnknownOperationException", "")
        return self.response(*respond(self._engine, operation, body))

    def error(self, error: ApiError) -> bytes:
        return self.response(error.status, _encode(error.body()))

    def response(self, status: int, body: bytes, kind: bytes = b"application/x-amz-json-1.0") -> bytes:
        self._request_count += 1
        values = status, HTTPStatus(status).phrase.encode(), _date(int(time.time())), kind, len(body), self._request_count, zlib.crc32(body)
        return _HEADERS % values + body

    def _hold_back(self, change: Pending) -> bool:
        """Return whether the calling thread can continue before this change is on disk."""
        if threading.current_thread() is not self._thread or self._resting_on is None:
            return False
        self._resting_on.append(change)
        return True

    def _request_flush(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._start_flush.release)  # after the requests that have come already

    def _flush(self) -> None:
        """Write the journal at each request, in a thread, until the server is closed."""
        while self._start_flush.acquire() and not self._is_closed.is_set():
            with suppress(StoreFailed):  # the responses report it
                assert self._journal is not None
                self._journal.flush()
            self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        """Send the responses whose changes are on disk; all as errors if the journal has failed."""
        assert self._journal is not None
        durable, failure = self._journal.durable, self._journal.failure
        self._is_flushing = False
        held, self._held = self._held, []
        for entry, changes, connection, response in held:
            if entry <= durable:
                for change in changes:
                    self._engine.settle(change)
                connection.release(response)
            elif failure is not None:
                connection.release(self.error(ApiError("InternalServerError", failure, 500)))
            else:
                self._held.append((entry, changes, connection, response))
        if self._held:
            self._request_flush()

    def _delete_expired(self) -> None:
        """Delete expired items, in a thread, until the server is closed."""
        with suppress(StoreFailed):
            while not self._is_closed.wait(EXPIRY_SECONDS):
                self._engine.delete_expired()

    def _end(self) -> None:
        self._server.close()
        if self._journal is not None:
            with suppress(StoreFailed):
                self._journal.flush()
            self._release()
            self._engine.hold_back = None
        for connection in self.connections:
            connection.transport.close()
        self._loop.call_soon(self._loop.stop)  # when the connections are closed


class _Connection(asyncio.Protocol):
    """Processes one request after the other. The parser calls the methods whose names begin with `on_`.

    `is_waiting` is true while a response is held back, or the client does not read what was sent.
    """

    def __init__(self, server: Server) -> None:
        self.is_waiting = False
        self.transport: Any = None
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._requests: deque[tuple[Headers, bytes] | ApiError] = deque()  # not processed yet
        self._is_ended = False
        self.on_message_begin()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._server.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_ended = True
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if not self._has_headers and self._header_bytes > MAX_HEADER_BYTES:
                raise malformed("The headers are too long.")
        except (httptools.HttpParserError, ApiError) as fault:
            error = fault if isinstance(fault, ApiError) else fault.__context__
            self._requests.append(error if isinstance(error, ApiError) else malformed("The request is not valid HTTP."))
        if self.is_waiting:
            self.transport.pause_reading()
        else:
            self._process()

    def on_message_begin(self) -> None:
        self._headers: Headers = {}
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
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        self._check_size(len(self._body))

    def on_message_complete(self) -> None:
        self._headers[b""] = self._parser.get_method() + b" " + self._target
        if not self._parser.should_keep_alive():
            self._headers[b"connection"] = b"close"
        self._requests.append((self._headers, bytes(self._body)))

    def _check_size(self, size: int) -> None:
        if size > MAX_REQUEST_BYTES:
            raise ApiError("SerializationException", f"A request may have {MAX_REQUEST_BYTES} bytes at most.", 413)

    def _process(self) -> None:
        """Process the complete requests, until one must wait."""
        while self._requests and not self.is_waiting and not self._is_ended:
            request = self._requests.popleft()
            if isinstance(request, ApiError):
                self._is_ended = True
                self.send(self._server.error(request))
            else:
                self._is_ended = request[0].get(b"connection") == b"close"
                self._server.process(self, *request)

    def send(self, response: bytes) -> None:
        if not self._is_ended:
            self.transport.write(response)
        else:  # later data is discarded: a client that is sending would not see the response if its data were refused
            self.transport.write(response.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            self.transport.write_eof()
            asyncio.get_running_loop().call_later(STOP_SECONDS, self.transport.abort)

    def release(self, response: bytes) -> None:
        """Send a response that was held back, and process the requests that came meanwhile."""
        if not self.transport.is_closing():
            self.is_waiting = False
            self.send(response)
            if not self.is_waiting:
                self.resume_writing()

    def pause_writing(self) -> None:
        self.is_waiting = True

    def resume_writing(self) -> None:
        self.is_waiting = False
        self.transport.resume_reading()
        self._process()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
