"""A request and its response on a connection that botocore's HTTP session has open, at an eighth of the CPU that the session takes.

The session, which is urllib3's pool and http.client, opens connections and does all that is unusual; an open connection is lent from its
pool. What goes wrong raises the exceptions that the session raises.
"""

import io
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError, SSLError
from botocore.httpsession import URLLib3Session
from urllib3 import HTTPHeaderDict

_STATUS = re.compile(r"[2-5][0-9]{2}(?<!204)(?<!304)")  # those two have no body, whatever their length says
_NAME = re.compile(r"[a-z0-9-]+")
_LENGTH = re.compile(r"[0-9]{1,9}")
_RECEIVED_AT_ONCE = 65_536  # bytes
_MAX_HEAD = 65_536  # bytes of a response before its body; what has more is left to http.client


class SignedRequest(AWSPreparedRequest):
    """A signed request. `fields` are its headers in order; `headers` are made of them when they are asked for, and then hold."""

    def __init__(self, url: str, host: str, fields: list[tuple[str, str]], body: bytes, context: dict[str, Any]) -> None:
        self.method, self.url, self.body, self.stream_output, self.context = "POST", url, body, False, context
        self._start, self._fields = f"POST {_path(url)} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n", fields
        self._headers: HeadersDict | None = None

    @property
    def headers(self) -> Any:  # type: ignore[override]
        if self._headers is None:
            self._headers = HeadersDict(self._fields)
        return self._headers

    @property
    def message(self) -> bytes:
        """The request as it is sent."""
        fields = self._fields if self._headers is None else self._headers.items()
        lines = [self._start, *[f"{name}: {value}\r\n" for name, value in fields], "\r\n"]
        body: Any = self.body
        return "".join(lines).encode() + body  # type: ignore[no-any-return]


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3]


class HttpExchange:
    """Sends signed requests by the session of a botocore endpoint, or on a connection that it has open."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint
        self._pools: dict[str, Any] = {}

    def send(self, request: SignedRequest) -> AWSResponse:
        """The response to a request. Raises what botocore's session raises, which is a HTTPClientError or a ConnectionError of botocore."""
        pool = self._find_pool(request.url)
        connection = _lend_open(pool) if pool is not None else None
        if connection is None:
            whole: AWSResponse = self._endpoint._send(request)
            return whole
        is_reusable = False
        try:
            response, is_reusable = _exchange(connection.sock, request, pool.timeout.read_timeout)
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=request.url, error=error) from error
        except (OSError, HTTPException) as error:
            raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
        finally:
            if not is_reusable:
                connection.close()
            pool._put_conn(connection)
        return response

    def close(self) -> None:
        """Give back the pools of a session that is to be closed."""
        self._pools.clear()

    def _find_pool(self, url: str) -> Any:
        """The session's pool for the URL, which has no connection if the session uses a proxy; None if the session is not botocore's."""
        if not isinstance(self._endpoint.http_session, URLLib3Session):
            return None
        pool = self._pools.get(url)
        if pool is None:
            session: Any = self._endpoint.http_session
            pool = self._pools[url] = session._manager.connection_from_url(url)
        return pool


def _lend_open(pool: Any) -> Any:
    """An open connection of the pool, which is to be given back; None if it has none."""
    connection = pool._get_conn()
    if connection.sock is not None:
        return connection
    pool._put_conn(connection)
    return None


def _exchange(sock: Any, request: SignedRequest, seconds: float) -> tuple[AWSResponse, bool]:
    """The response, and whether the connection may be used again. Raises OSError or HTTPException."""
    sock.settimeout(seconds)
    with suppress(BrokenPipeError):  # as in urllib3: a server may answer and close before it has read everything
        sock.sendall(request.message)
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0 and len(received) < _MAX_HEAD:
        part = sock.recv(_RECEIVED_AT_ONCE)
        if not part:
            break
        received += part
        if b"\n\n" in received:
            break
    head = _parse_head(received[:end]) if end >= 0 else None
    if head is None:
        return _read_unusual(sock, request, received), False
    status, headers, length = head
    parts, missing = [received[end + 4 :]], length - (len(received) - end - 4)
    while missing > 0:
        part = sock.recv(min(missing, _RECEIVED_AT_ONCE))
        if not part:
            raise ConnectionError("the connection was closed in the middle of a response")
        parts.append(part)
        missing -= len(part)
    is_reusable = missing == 0 and headers.get("connection", "keep-alive").lower() == "keep-alive"
    return _response(request, status, headers, b"".join(parts)[:length]), is_reusable


def _parse_head(head: bytes) -> tuple[int, dict[str, str], int] | None:
    """Status, headers (names in lower case) and length of the body; None for what is not quite usual, which http.client reads."""
    first, *lines = head.decode("iso-8859-1").split("\r\n")
    status = first[9:12]
    if first[:9] != "HTTP/1.1 " or not _STATUS.fullmatch(status):
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not _NAME.fullmatch(name) or name in headers:
            return None
        headers[name] = value.lstrip(" \t")
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or not _LENGTH.fullmatch(length):
        return None
    return int(status), headers, int(length)


def _read_unusual(sock: Any, request: SignedRequest, received: bytes) -> AWSResponse:
    """Let http.client read a response, of which a part was received already."""
    response = HTTPResponse(_Received(sock, received), method="POST")  # type: ignore[arg-type]
    response.begin()
    if len(response.msg.get_all("content-length", [])) > 1:
        raise HTTPException("the response has several lengths")
    return _response(request, response.status, HTTPHeaderDict(response.msg.items()), response.read())


def _response(request: SignedRequest, status: int, headers: Mapping[str, str], content: bytes) -> AWSResponse:
    response: Any = AWSResponse(request.url, status, headers, None)  # type: ignore[arg-type]
    response._content = content  # what it would have read from the connection
    return response  # type: ignore[no-any-return]


class _Received(io.RawIOBase):
    """What was received from a socket, and then what it still receives; in the place of a socket for http.client."""

    def __init__(self, sock: Any, received: bytes) -> None:
        self._sock, self._received = sock, received

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._received:
            return int(self._sock.recv_into(buffer))
        part, self._received = self._received[: len(buffer)], self._received[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
