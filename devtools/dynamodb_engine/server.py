"""The engine as an HTTP server on loopback, for boto3, the AWS CLI and every other SDK.

One thread serves all connections. It never waits for the disk: it holds an answer back until the entries that the answer rests on are in
the journal, and processes other requests meanwhile, whose entries the next write of the journal takes together.

Signatures are not checked: a program that can reach loopback can read the files of the store too. Web pages cannot call the server: its
target header makes a browser ask for permission first, which is never given, and a page whose host name was rebound to this
address is refused by its Host header.
"""

import asyncio
import logging
import re
import threading
import time
import zlib
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NamedTuple, Self

import msgspec

from devtools.dynamodb_engine.engine import Engine, Pending
from devtools.dynamodb_engine.journal import Journal
from devtools.dynamodb_engine.journal_files import StoreFailed
from devtools.dynamodb_engine.values import ApiError

HOST = "127.0.0.1"
MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_HEADER_BYTES = 16 * 1024
STOP_SECONDS = 5
EXPIRY_SECONDS = 60  # between two searches for items whose time to live is over

_is_allowed_host = re.compile(rb"(127\.0\.0\.1|localhost)(:\d+)?", re.IGNORECASE).fullmatch
_SERVICES = frozenset({"DynamoDB_20120810", "DynamoDBStreams_20120810"})
_STREAM_OPERATIONS = frozenset({"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"})
_WITHOUT_OUTPUT = frozenset({"TagResource", "UntagResource"})  # their responses have no body
_CORAL_ERRORS = frozenset({"SerializationException", "UnknownOperationException"})  # raised by AWS's framework, before DynamoDB

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class _Request(NamedTuple):
    method: bytes
    path: bytes
    headers: dict[bytes, bytes]
    length: int  # of the body
    closes: bool  # whether the connection closes after the response


class _BadRequest(Exception):
    """What came is not a request that can be answered; the connection closes after the response with this HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class _Held(NamedTuple):
    """A response that is held back until this entry is on disk: the changes that it rests on are then too."""

    entry: int
    changes: list[Pending]
    connection: "_Connection"
    response: bytes


class Server:
    """Serves from the moment it is made until `close`. Port 0 takes any free port. Raises OSError when the port is in use."""

    def __init__(self, engine: Engine, journal: Journal | None = None, port: int = 0) -> None:
        self._engine, self._journal = engine, journal
        self._connections: set[_Connection] = set()
        self._held: list[_Held] = []
        self._resting_on: list[Pending] | None = None  # the changes that the present call rests on
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
        self._threads = [
            threading.Thread(target=target, name=f"dynamodb-{name}", daemon=True)
            for name, target in (("server", self._run), ("expiry", self._delete_expired), ("journal", self._flush))
        ]
        if journal is not None:
            engine.hold_back = self._hold_back
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, after the requests that are under way."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._is_closed.set()
        self._start_flush.release()
        for thread in reversed(self._threads):  # the server's thread ends last, which the others call
            if thread is self._threads[0]:
                self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
        self._loop.close()
        self._engine.hold_back = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, connection: "_Connection") -> None:
        self._connections.add(connection)

    def remove(self, connection: "_Connection") -> None:
        self._connections.discard(connection)

    def process(self, connection: "_Connection", request: _Request, body: bytes) -> None:
        """Call the engine, and send the response through the connection, now or when the journal allows it."""
        changes: list[Pending] = []
        self._resting_on = changes
        if request.method == b"GET" and request.path == b"/":
            response = self.response(HTTPStatus.OK, f"healthy: dynamodb.{self._engine.region}.amazonaws.com ".encode(), b"text/plain")
        else:
            response = self.response(*self._call(request, body))
        self._resting_on = None
        if self._journal is None or not changes:
            connection.send(response)
        else:
            connection.is_waiting = True
            self._held.append(_Held(self._journal.last, changes, connection, response))
            self._request_flush()

    def response(self, status: int, body: bytes, kind: bytes = b"application/x-amz-json-1.0") -> bytes:
        self._request_count += 1
        return (
            b"HTTP/1.1 %d %s\r\nServer: Server\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nx-amzn-RequestId: %052X\r\n"
            b"x-amz-crc32: %d\r\n\r\n%s"
        ) % (status, _phrase(status), _date(), kind, len(body), self._request_count, zlib.crc32(body), body)

    def _call(self, request: _Request, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body of the response."""
        try:
            if not _is_allowed_host(request.headers.get(b"host", b"")):
                raise ApiError("AccessDeniedException", "The local DynamoDB only accepts requests to 127.0.0.1 and localhost.", 403)
            service, _, operation = request.headers.get(b"x-amz-target", b"").decode("latin-1").partition(".")
            if (
                request.method != b"POST"
                or service not in _SERVICES
                or (operation in _STREAM_OPERATIONS) != service.startswith("DynamoDBStreams")
            ):
                raise ApiError("UnknownOperationException", "")
            response = self._engine.call(operation, _decoded(request, body))
            return HTTPStatus.OK, b"" if operation in _WITHOUT_OUTPUT else _encode(response)
        except ApiError as error:
            return error.status, _error_body(error)
        except StoreFailed as failure:
            return HTTPStatus.INTERNAL_SERVER_ERROR, _error_body(ApiError("InternalServerError", str(failure)))
        except Exception as fault:
            _log.exception("the engine failed in %s", request.headers.get(b"x-amz-target"))
            return HTTPStatus.INTERNAL_SERVER_ERROR, _error_body(ApiError("InternalServerError", f"{type(fault).__name__}: {fault}"))

    def _hold_back(self, change: Pending) -> bool:
        """The engine asks whether the calling thread can go on before this change is on disk."""
        if threading.current_thread() is not self._threads[0] or self._resting_on is None:
            return False
        self._resting_on.append(change)
        return True

    def _request_flush(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._start_flush.release)  # after the requests that have come already

    def _flush(self) -> None:
        """The flusher's thread: write the journal when it is asked to, until the server is closed."""
        while self._start_flush.acquire() and not self._is_closed.is_set():
            try:
                assert self._journal is not None
                self._journal.flush()
            except StoreFailed as failure:
                _log.error("%s", failure)
            self._loop.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        """Send the responses whose entries are on disk; all of them as errors if the journal has failed."""
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
                error = _error_body(ApiError("InternalServerError", failure))
                connection.release(self.response(HTTPStatus.INTERNAL_SERVER_ERROR, error))
            else:
                self._held.append(_Held(entry, changes, connection, response))
        if self._held:
            self._request_flush()

    def _delete_expired(self) -> None:
        """A thread of its own: delete items whose time to live is over, until the server is closed."""
        with suppress(StoreFailed):
            while not self._is_closed.wait(EXPIRY_SECONDS):
                self._engine.delete_expired()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _stop(self) -> None:
        self._server.close()
        end = self._loop.time() + STOP_SECONDS
        while self._held and self._loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0)  # the connections close in the loop


class _Connection(asyncio.Protocol):
    """Processes one request after the other. `is_waiting`: a response is held back, or the client does not read what was sent."""

    def __init__(self, server: Server) -> None:
        self.is_waiting = False
        self._server = server
        self._transport: Any = None
        self._received = bytearray()
        self._request: _Request | None = None  # the one whose body has not come yet
        self._is_ended = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_ended = True
        self._server.remove(self)

    def data_received(self, data: bytes) -> None:
        if self._is_ended:
            return
        self._received += data
        if not self.is_waiting:
            self._process()
        elif len(self._received) > MAX_HEADER_BYTES:
            self._transport.pause_reading()

    def send(self, response: bytes) -> None:
        self._transport.write(response)
        if self._is_ended:  # what still comes is discarded: a client that is sending would not see the response if its data were refused
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(STOP_SECONDS, self._transport.abort)

    def release(self, response: bytes) -> None:
        """Send a response that was held back, and process what came meanwhile."""
        if not self._transport.is_closing():
            self.is_waiting = False
            self.send(response)
            if not self.is_waiting:
                self.resume_writing()

    def pause_writing(self) -> None:
        self.is_waiting = True

    def resume_writing(self) -> None:
        self.is_waiting = False
        self._transport.resume_reading()
        self._process()

    def close(self) -> None:
        self._transport.close()

    def _process(self) -> None:
        """Process the requests that have come as a whole, until one must wait."""
        try:
            while not self.is_waiting and not self._is_ended:
                if self._request is None:
                    self._request = self._next_request()
                request = self._request
                if request is None or len(self._received) < request.length:
                    if request and request.headers.pop(b"expect", b"").lower() == b"100-continue":
                        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    return
                body = bytes(self._received[: request.length])
                del self._received[: request.length]
                self._request = None
                self._is_ended = request.closes
                self._server.process(self, request, body)
        except _BadRequest as fault:
            self._is_ended = True
            self.send(self._server.response(fault.status, _error_body(ApiError("SerializationException", fault.message))))

    def _next_request(self) -> _Request | None:
        """Take the head of the next request; None if it has not come as a whole."""
        end = self._received.find(b"\r\n\r\n", 0, MAX_HEADER_BYTES)
        if end < 0:
            if len(self._received) >= MAX_HEADER_BYTES:
                raise _BadRequest(400, "The headers are too long.")
            return None
        first, *lines = bytes(self._received[:end]).split(b"\r\n")
        del self._received[: end + 4]
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        words, length = first.split(b" "), headers.get(b"content-length", b"0")
        if len(words) != 3 or not length.isdigit():
            raise _BadRequest(400, "The request is not valid HTTP.")
        if b"transfer-encoding" in headers:
            raise _BadRequest(411, "Send the length of the body; chunks are not supported.")
        if int(length) > MAX_REQUEST_BYTES:
            raise _BadRequest(413, f"A request may have {MAX_REQUEST_BYTES} bytes at most.")
        closes = words[2] == b"HTTP/1.0" or headers.get(b"connection", b"").lower() == b"close"
        return _Request(words[0], words[1], headers, int(length), closes)


def _decoded(request: _Request, body: bytes) -> dict[str, Any]:
    """The body of a request, whose size is limited before it is parsed."""
    try:
        if request.headers.get(b"content-encoding") == b"gzip":
            stream = zlib.decompressobj(wbits=31)
            body = stream.decompress(body, MAX_REQUEST_BYTES)
            if stream.unconsumed_tail:
                raise ApiError("SerializationException", f"A request may have {MAX_REQUEST_BYTES} bytes at most.", 413)
        return _decode(body)
    except (msgspec.DecodeError, zlib.error, RecursionError, UnicodeDecodeError) as fault:
        raise ApiError("SerializationException", str(fault)) from None


def _error_body(error: ApiError) -> bytes:
    if error.code in _CORAL_ERRORS:
        message = {"Message": error.message} if error.message else {}
        return _encode({"__type": f"com.amazon.coral.service#{error.code}", **message})
    return _encode(error.body())


_phrases = {status.value: status.phrase.encode() for status in HTTPStatus}
_date_now = (0, b"")


def _phrase(status: int) -> bytes:
    return _phrases.get(status, b"Error")


def _date() -> bytes:
    """The time for the Date header, formatted once a second."""
    global _date_now
    now = int(time.time())
    if _date_now[0] != now:
        _date_now = now, formatdate(now, usegmt=True).encode()
    return _date_now[1]
