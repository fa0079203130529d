"""HTTP/1.1 on one connection: parse the client's bytes into requests, and encode responses.

llhttp, the parser of Node.js that httptools contains, finds the requests and their ends. Requests can be smuggled if two programs read one
message differently; therefore llhttp's lenient modes are off, and this module refuses ambiguous requests that llhttp accepts.
"""

import re
import time
from collections import deque
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import msgspec
from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
_CACHED_HEAD_BYTES = 2048  # clients send the same headers again and again

_ORIGIN = re.compile(r"https?://[^/?]*", re.IGNORECASE)  # precedes the path in requests to a proxy
_NO_BODY = frozenset({204, 304})


class Request(msgspec.Struct, frozen=True):
    """`target` is the raw path with its query. `is_last` means that the connection closes, and further bytes are not read as a request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_last: bool


class BadRequest(Exception):
    """The client sent bytes that are not an acceptable request. The connection must be closed after the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Headers(msgspec.Struct, frozen=True):
    pairs: tuple[tuple[str, str], ...]
    codings: tuple[str, ...]  # of the body
    expects_continue: bool


class RequestReader:
    """Reads the requests of one connection. Stops reading a body as soon as it exceeds `max_body_bytes`, which makes the request the last.

    `state` tells what comes next: "start" (no part of the next request has arrived), "head" (a part of the head has arrived) or "body".
    """

    def __init__(self, max_body_bytes: int, max_head_bytes: int = MAX_HEAD_BYTES) -> None:
        self._max_body_bytes, self._max_head_bytes = max_body_bytes, max_head_bytes
        self._parser = HttpRequestParser(self)  # calls the methods on_...; one `feed` may contain several requests
        self._found = deque[Request | BadRequest]()
        self._has_ended = False  # further input is not read
        self._part_bytes = 0  # bytes of an incomplete head, or of incomplete framing of chunks
        self._target, self._raw_headers, self._head_bytes, self._body = b"", list[tuple[bytes, bytes]](), 0, bytearray()
        self._headers = _parse_headers(())
        self.state = "start"
        self.expects_continue = False  # the client waits for permission to send its body

    @property
    def has_input(self) -> bool:
        return bool(self._found) or self.state != "start"

    def feed(self, data: bytes) -> None:
        if self._has_ended:
            return
        self._part_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as stop:
            self._read_without_upgrade(data[stop.args[0] :])
        except HttpParserCallbackError:  # a fault of this class
            raise
        except HttpParserError as error:
            self._refuse(400, f"This is not a request of HTTP/1.1: {error}.")
        if self._part_bytes > self._max_head_bytes:
            self._refuse(431 if self.state == "head" else 400, f"The {self.state} of the request is too long.")

    def next_request(self) -> Request | None:
        """Return the next request that has arrived completely, or None. Raises BadRequest."""
        found = self._found.popleft() if self._found else None
        if isinstance(found, BadRequest):
            raise found
        return found

    def on_message_begin(self) -> None:
        self._target, self._raw_headers, self._head_bytes, self._body = b"", [], 0, bytearray()
        self.state = "head"

    def on_url(self, part: bytes) -> None:
        self._target += part
        self._head_bytes += len(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw_headers.append((name, value))  # also called for trailers, which come too late to have an effect
        self._head_bytes += len(name) + len(value)

    def on_headers_complete(self) -> None:
        self.state, self._part_bytes = "body", 0
        if self._head_bytes > self._max_head_bytes or len(self._raw_headers) > MAX_HEADERS:
            self._refuse(431, "The request has too many headers, or they are too long.")
            return
        parse = _cached_headers if self._head_bytes <= _CACHED_HEAD_BYTES else _parse_headers
        headers = self._headers = parse(tuple(self._raw_headers))
        version = self._parser.get_http_version()
        self.expects_continue = headers.expects_continue and version == "1.1"
        if version not in ("1.0", "1.1"):
            self._refuse(400, "This server speaks HTTP/1.1.")
        elif headers.codings and (headers.codings != ("chunked",) or version == "1.0"):
            self._refuse(400, "The request's body has a coding that this server does not know.")

    def on_body(self, part: bytes) -> None:
        if self._has_ended:
            return
        self._part_bytes = 0
        self._body += part
        if len(self._body) > self._max_body_bytes:
            self._complete(is_last=True)

    def on_message_complete(self) -> None:
        if not self._parser.should_upgrade():
            self._complete(is_last=not self._parser.should_keep_alive())
        elif self._parser.get_method() == b"CONNECT":
            self._complete(is_last=True)

    def _complete(self, *, is_last: bool) -> None:
        target = self._target.decode("ascii")
        if not target.startswith("/") and (origin := _ORIGIN.match(target)):
            target = "/" + target[origin.end() :].removeprefix("/")
        self._add(Request(self._parser.get_method().decode(), target, self._headers.pairs, bytes(self._body), is_last), is_last=is_last)
        self.state, self._part_bytes, self.expects_continue = "start", 0, False

    def _refuse(self, status: int, message: str) -> None:
        self._add(BadRequest(status, message), is_last=True)

    def _add(self, found: Request | BadRequest, *, is_last: bool) -> None:
        if not self._has_ended:
            self._found.append(found)
            self._has_ended = is_last

    def _read_without_upgrade(self, rest: bytes) -> None:
        """Continue in HTTP/1.1 after a head that proposes another protocol, where llhttp stops. A server may ignore such a proposal."""
        start = f"{self._parser.get_method().decode()} {self._target.decode()} HTTP/{self._parser.get_http_version()}"
        lines = [start, *(f"{name}: {value}" for name, value in self._headers.pairs if name != "Upgrade"), "", ""]
        self._parser = HttpRequestParser(self)
        self.feed("\r\n".join(lines).encode("latin-1") + rest)


def _parse_headers(raw: tuple[tuple[bytes, bytes], ...]) -> _Headers:
    pairs = tuple((name.decode("ascii").title(), value.decode("latin-1").rstrip(" \t")) for name, value in raw)
    codings = tuple(value.lower() for name, value in pairs if name == "Transfer-Encoding")
    return _Headers(pairs, codings, any(name == "Expect" and value.lower() == "100-continue" for name, value in pairs))


_cached_headers = lru_cache(maxsize=1024)(_parse_headers)


def encode_response(
    status: int, headers: dict[str, str], body: bytes, *, cookies: Sequence[str] = (), has_body: bool = True, closes: bool = False
) -> bytes:
    """Return the bytes of a response. `has_body` is False for the response to HEAD. Raises ValueError for a header with a line break."""
    lines = [f"{name}: {value}\r\n" for name, value in (*headers.items(), *(("Set-Cookie", cookie) for cookie in cookies))]
    if status not in _NO_BODY:
        lines.append(f"Content-Length: {len(body)}\r\n")
    if closes:
        lines.append("Connection: close\r\n")
    text = "".join(lines)
    if text.count("\n") != len(lines) or text.count("\r") != len(lines):
        raise ValueError("A header of a response has a line's end in it.")
    head = f"{_status_line(status)}Date: {_date(int(time.time()))}\r\n{text}\r\n".encode("latin-1")
    return head + body if has_body and status not in _NO_BODY else head


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
