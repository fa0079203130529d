"""HTTP/1.1 on one connection: requests out of the bytes that a client sends, and responses as bytes. Strict: what is unclear is refused.

Two programs that read one message differently are how requests are smuggled. Therefore lines end with CRLF alone, a header has no space
before its colon and no line of continuation, and a body has one length: that of one Content-Length, or of chunks.
"""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

import msgspec

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
MAX_CHUNK_LINE_BYTES = 1024
_CACHED_BLOCK_BYTES = 2048  # clients send the same headers again and again

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP/1\.([01])")
_ORIGIN = re.compile(r"https?://[^/?]*", re.IGNORECASE)  # before the path, in requests to a proxy
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_LINE_END = b"\r\n"
_NO_BODY = frozenset({204, 304})


class Request(msgspec.Struct, frozen=True):
    """`target` is the raw path with its query; `is_last`: the client's next bytes, if there are any, are not read as another request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_last: bool


class BadRequest(Exception):
    """The client sent something that is no acceptable request. Its connection must be closed after the response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Headers(msgspec.Struct, frozen=True):
    """The headers of a request, and what they say about its body. `length` is None for chunks."""

    pairs: tuple[tuple[str, str], ...]
    length: int | None
    connection: str
    expects_continue: bool


class RequestReader:
    """Reads the requests of one connection. Of a body above `max_body_bytes` only as much is read as shows that it is too large."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._buffer = b""
        self._head: tuple[str, str, _Headers, bool] | None = None  # of the request whose body is being read
        self._body = bytearray()
        self._chunk_bytes = 0  # still to come of the chunk that is being read, with the line's end after it
        self._in_trailer = False
        self.expects_continue = False  # the client waits for permission to send its body

    @property
    def state(self) -> str:
        """What comes next: "start" (of a request, nothing of it has arrived), "head" (the rest of it) or "body"."""
        return "body" if self._head is not None else "head" if self._buffer else "start"

    @property
    def has_input(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data

    def next_request(self) -> Request | None:
        """The next request that has arrived completely. Raises BadRequest."""
        if self._head is None and not self._read_head():
            return None
        assert self._head is not None
        method, target, headers, is_last = self._head
        if headers.length == 0:
            body = b""
        elif not (self._read_chunks() if headers.length is None else self._read_length(headers.length)):
            return None
        else:
            body = bytes(self._body)
            is_last = is_last or len(body) > self._max_body_bytes
            self._body = bytearray()
        self._head = None
        self.expects_continue = False
        return Request(method, target, headers.pairs, body, is_last)

    def _read_head(self) -> bool:
        # Old clients send an empty line after a body.
        buffer = self._buffer = self._buffer.lstrip(b"\r\n")
        end = buffer.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD_BYTES:
            if len(buffer) > MAX_HEAD_BYTES:
                raise BadRequest(431, "The request's headers are too long.")
            if b"\r\n" in buffer:
                _parse_request_line(buffer[: buffer.index(b"\r\n")])
            return False
        self._buffer = buffer[end + 4 :]
        line, _, block = buffer[:end].partition(b"\r\n")
        method, target, is_version_1_0 = _parse_request_line(line)
        headers = _cached_headers(block) if len(block) <= _CACHED_BLOCK_BYTES else _parse_headers(block)
        if is_version_1_0:
            if headers.length is None:
                raise BadRequest(400, "HTTP/1.0 has no chunks.")
            is_last = "keep-alive" not in headers.connection
        else:
            is_last = "close" in headers.connection
            self.expects_continue = headers.expects_continue and headers.length != 0
        self._head = (method, target, headers, is_last)
        return True

    def _read_length(self, length: int) -> bool:
        missing = length - len(self._body)
        self._body += self._buffer[:missing]
        self._buffer = self._buffer[missing:]
        return len(self._body) >= min(length, self._max_body_bytes + 1)

    def _read_chunks(self) -> bool:
        while not self._in_trailer:
            if self._chunk_bytes:
                part = self._buffer[: self._chunk_bytes]
                self._body += part
                self._buffer = self._buffer[len(part) :]
                self._chunk_bytes -= len(part)
                if len(self._body) - max(0, len(_LINE_END) - self._chunk_bytes) > self._max_body_bytes:
                    return True
                if self._chunk_bytes:
                    return False
                if not self._body.endswith(_LINE_END):
                    raise BadRequest(400, "A chunk of the request's body is longer than its size.")
                del self._body[-len(_LINE_END) :]
            line = self._read_line()
            if line is None:
                return False
            size = _CHUNK_SIZE.fullmatch(line)
            if size is None:
                raise BadRequest(400, "The size of a chunk of the request's body is not a number.")
            self._in_trailer = int(size[1], 16) == 0
            self._chunk_bytes = 0 if self._in_trailer else int(size[1], 16) + len(_LINE_END)
        while (line := self._read_line()) is not None:  # trailers mean nothing here
            if not line:
                self._in_trailer = False
                return True
        return False

    def _read_line(self) -> bytes | None:
        line, end, rest = self._buffer.partition(b"\r\n")
        if len(line) > MAX_CHUNK_LINE_BYTES:
            raise BadRequest(400, "A line between the chunks of the request's body is too long.")
        if not end:
            return None
        self._buffer = rest
        return line


@lru_cache(maxsize=4096)
def _parse_request_line(line: bytes) -> tuple[str, str, bool]:
    """Method, target, and whether the version is HTTP/1.0."""
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise BadRequest(400, "This server speaks HTTP/1.1.")
    target = found[2].decode("ascii")
    if origin := _ORIGIN.match(target):
        target = target[origin.end() :]
        target = target if target.startswith("/") else f"/{target}"
    return found[1].decode("ascii"), target, found[3] == b"0"


def _parse_headers(block: bytes) -> _Headers:
    lines = block.split(b"\r\n") if block else []
    if len(lines) > MAX_HEADERS:
        raise BadRequest(431, "The request has too many headers.")
    pairs, framing = [], dict[str, list[str]]()
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        if not colon or _NAME.fullmatch(raw_name) is None or _NOT_IN_VALUES.search(raw_value) is not None:
            raise BadRequest(400, "A header of the request is malformed.")
        name, value = raw_name.decode("ascii").title(), raw_value.strip(b" \t").decode("latin-1")
        pairs.append((name, value))
        if name in ("Content-Length", "Transfer-Encoding", "Connection", "Expect"):
            framing.setdefault(name, []).append(value.lower())
    connection, expect = ", ".join(framing.get("Connection", [])), framing.get("Expect", [])
    return _Headers(tuple(pairs), _body_length(framing), connection, expect == ["100-continue"])


_cached_headers = lru_cache(maxsize=1024)(_parse_headers)


def _body_length(framing: dict[str, list[str]]) -> int | None:
    lengths, codings = framing.get("Content-Length", []), framing.get("Transfer-Encoding", [])
    if codings:
        if lengths or codings != ["chunked"]:
            raise BadRequest(400, "The length of the request's body is unclear.")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not lengths[0].isascii() or not lengths[0].isdecimal() or len(lengths[0]) > 15:
        raise BadRequest(400, "The length of the request's body is unclear.")
    return int(lengths[0])


def encode_response(status: int, headers: dict[str, str], body: bytes, *, has_body: bool = True, closes: bool = False) -> bytes:
    """The bytes of a response. `has_body` is False for the response to HEAD. Raises ValueError for a header that has a line's end."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
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
