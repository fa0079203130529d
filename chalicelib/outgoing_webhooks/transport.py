"""One HTTP request to an endpoint, which may be hostile: to an address that was checked, in limited time, and little of the reply is read.

Neither redirects nor proxies are followed. Timeouts of sockets count from each byte, so the time is measured for the whole request.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from chalicelib.foundation import clock
from chalicelib.outgoing_webhooks.destinations import Destination
from chalicelib.outgoing_webhooks.model import AttemptError

SECONDS = 5.0
MAX_REPLY_BYTES = 1024
MAX_ADDRESSES = 2  # of a host, that are tried


class SendFailed(Exception):
    """There was no reply; `error` says why."""

    def __init__(self, error: AttemptError) -> None:
        super().__init__(error)
        self.error = error


class EndpointReply(Struct, frozen=True):
    """What an endpoint has replied; `body` is the beginning, `retry_after` in seconds if it asks for a pause."""

    status: int
    body: bytes
    retry_after: int | None

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def post(
    destination: Destination, addresses: Sequence[str], headers: Mapping[str, str], body: bytes, seconds: float = SECONDS
) -> EndpointReply:
    """Send `body` to the first of `addresses` that takes a connection. Raises SendFailed after `seconds` at most."""
    ends_at = clock.monotonic() + seconds
    connection = _Connection(destination, addresses[:MAX_ADDRESSES], ends_at)
    try:
        connection.request("POST", destination.target, body, dict(headers))
        reply = connection.getresponse()
        return EndpointReply(reply.status, _beginning(reply), _retry_after(reply.headers.get("Retry-After")))
    except TimeoutError:
        raise SendFailed("timeout") from None
    except ssl.SSLError:
        raise SendFailed("tls_failed") from None
    except OSError:
        raise SendFailed("connection_failed") from None
    except (http.client.HTTPException, ValueError):
        raise SendFailed("bad_reply") from None
    finally:
        connection.hang_up()


class _Connection(http.client.HTTPConnection):
    """A connection to one of the given addresses. Host and certificate are those of the destination's name."""

    def __init__(self, destination: Destination, addresses: Sequence[str], ends_at: float) -> None:
        super().__init__(destination.host, destination.port)
        if destination.scheme == "https":
            self.default_port = http.client.HTTPS_PORT  # which Host leaves out
        self._destination, self._addresses, self._ends_at = destination, addresses, ends_at
        self._connected: socket.socket | None = None

    def connect(self) -> None:
        self._connected = self._connect_to_first()
        if self._destination.scheme == "https":
            self._connected = tls_context().wrap_socket(self._connected, server_hostname=self._destination.host)
        self.sock: Any = _TimedSocket(self._connected, self._ends_at)

    def hang_up(self) -> None:
        if self._connected is not None:
            self._connected.close()

    def _connect_to_first(self) -> socket.socket:
        for number, address in enumerate(self._addresses, start=1):
            try:
                return socket.create_connection((address, self._destination.port), _remaining(self._ends_at) / (1 if number > 1 else 2))
            except OSError:
                if number == len(self._addresses):
                    raise
        raise ConnectionError


class _TimedSocket:
    """What HTTPConnection needs of a socket, until a time."""

    def __init__(self, connected: socket.socket, ends_at: float) -> None:
        self._socket, self._ends_at = connected, ends_at

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_remaining(self._ends_at))
        self._socket.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._socket, self._ends_at), MAX_REPLY_BYTES)

    def close(self) -> None:
        """Called before the reply is read, if the endpoint keeps no connections; `hang_up` closes."""


class _TimedReader(io.RawIOBase):
    def __init__(self, connected: socket.socket, ends_at: float) -> None:
        self._socket, self._ends_at = connected, ends_at

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(_remaining(self._ends_at))
        return self._socket.recv_into(buffer)


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates are checked against those that the system trusts."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _remaining(ends_at: float) -> float:
    """Seconds until then; raises TimeoutError if there are none."""
    if (seconds := ends_at - clock.monotonic()) <= 0:
        raise TimeoutError
    return seconds


def _beginning(reply: http.client.HTTPResponse) -> bytes:
    """What the body begins with. The status is there already, so a body that does not come is no failure."""
    try:
        return reply.read(MAX_REPLY_BYTES)
    except (OSError, http.client.HTTPException, ValueError):
        return b""


def _retry_after(text: str | None) -> int | None:
    """Seconds; a date, which is rare, counts as nothing."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None
