"""Requests to third-party hosts. The hosts may be hostile, so addresses are checked, and time and reply size are limited.

Requests are sent only to public addresses, so that nobody can use this service to reach internal hosts. Each attempt looks up the name,
checks its addresses and connects to a checked address, so a later change to the name's address has no effect. Redirects are not followed,
and proxies are not used. Socket timeouts restart with each byte, so a separate limit applies to the whole request.
"""

import http.client
import io
import queue
import re
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.foundation import clock, settings

# Destinations: which addresses are allowed.

HTTPS_PORT, HTTP_PORT, MIN_FREE_PORT, MAX_PORT = 443, 80, 1024, 65_535
MAX_URL_LENGTH = 2000
LOOKUP_SECONDS = 2.0
LOCAL = IPv4Address("127.0.0.1")

# All public IPv6 addresses are in this network ...
_PUBLIC_IPV6 = ip_network("2000::/3")
# ... except these networks, which lead to IPv4 addresses (Teredo, 6to4) or are reserved for documentation and benchmarks.
_REFUSED = tuple(
    map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"))
)
_HOST = re.compile(r"[A-Za-z0-9._:-]+")  # a name (in ASCII form) or an address
_PRINTABLE = re.compile(r"[!-~]*")


class DestinationRefused(Exception):
    """The address is not allowed, for the reason in the message. `rule` names the broken rule (see `InvalidInput`)."""

    def __init__(self, message: str, *, rule: str) -> None:
        super().__init__(message)
        self.rule = rule

    @property
    def unresolved(self) -> bool:
        """Return whether the host name currently has no address."""
        return self.rule == "url_host_not_found"


class Destination(Struct, frozen=True):
    """The parts of an address. `target` is the path and query."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: str


def parse(url: str) -> Destination:
    """Parse a URL and check its form. Does not look up the host name. Raises DestinationRefused."""
    if len(url) > MAX_URL_LENGTH or not _PRINTABLE.fullmatch(url):  # checked first, because urlsplit drops line feeds
        raise DestinationRefused(
            f"Send an address of at most {MAX_URL_LENGTH} characters, without spaces or accented letters: https://example.com/tickets",
            rule="url_characters",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise DestinationRefused("This is not a valid address.", rule="url_malformed") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _allows_local()):
        raise DestinationRefused("The address must begin with https://.", rule="url_not_https")
    if "@" in parts.netloc or parts.fragment:
        raise DestinationRefused("The address must not contain a user, a password or a fragment.", rule="url_extra_parts")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise DestinationRefused("The address must name a host in ASCII letters.", rule="url_host")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    standard = HTTPS_PORT if parts.scheme == "https" else HTTP_PORT
    port = standard if port is None else port
    if port != standard and not MIN_FREE_PORT <= port <= MAX_PORT:
        raise DestinationRefused(f"The port must be {standard}, or {MIN_FREE_PORT} or higher.", rule="url_port")
    return Destination("https" if parts.scheme == "https" else "http", parts.hostname, port, target)


def resolve(destination: Destination) -> list[str]:
    """Look up the addresses of a destination, IPv4 first. Raises DestinationRefused if there is no address or an address is not public."""
    found = look_up(destination.host, destination.port)
    if not found:
        raise DestinationRefused("The host name in the address could not be found.", rule="url_host_not_found")
    addresses = [_address(text) for text in found]
    for address in addresses:
        is_local = address == LOCAL and _allows_local()
        # Unencrypted requests may only go to this machine.
        if not is_local and (not is_public(address) or destination.scheme == "http"):
            raise DestinationRefused("The address must point to a host on the public internet.", rule="url_not_public")
    return [str(address) for address in sorted(addresses, key=lambda address: address.version)]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether the address is public and in none of the refused networks."""
    if address.version == 6 and address not in _PUBLIC_IPV6:
        return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)


def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Returns an empty list if the host has no address or the answer takes too long."""
    answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put([str(address[0]) for *_, address in found])
        except (OSError, UnicodeError):
            answer.put([])

    # Use a thread, because getaddrinfo has no timeout of its own.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=LOOKUP_SECONDS)
    except queue.Empty:
        return []


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise DestinationRefused("The address must point to a host on the public internet.", rule="url_not_public") from None


def _allows_local() -> bool:
    return settings.current().webhook_targets == "local"


# Requests with a time limit.

SECONDS = 5.0
MAX_REPLY_BYTES = 1024
MAX_ADDRESSES = 2  # to try for each host

SendError = Literal["timeout", "connection_failed", "tls_failed", "bad_reply"]


class SendFailed(Exception):
    """There was no valid reply. `error` is the reason."""

    def __init__(self, error: SendError) -> None:
        super().__init__(error)
        self.error = error


class HostReply(Struct, frozen=True):
    """The reply of a host. `body` is only the beginning of the body; `retry_after` is the requested pause in seconds."""

    status: int
    body: bytes
    retry_after: int | None

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def post(
    destination: Destination,
    addresses: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    seconds: float = SECONDS,
    max_reply_bytes: int = MAX_REPLY_BYTES,
    method: Literal["POST", "PATCH"] = "POST",
) -> HostReply:
    """Send `body` to the first of `addresses` that accepts a connection. Raises SendFailed if no valid reply begins within `seconds`."""
    return _exchange(method, destination, addresses, headers, body, seconds, max_reply_bytes)


def get(destination: Destination, addresses: Sequence[str], seconds: float = SECONDS, max_reply_bytes: int = MAX_REPLY_BYTES) -> HostReply:
    """Request a short document from the first of `addresses` that accepts a connection. Raises SendFailed as `post` does."""
    return _exchange("GET", destination, addresses, {"Accept": "application/json"}, None, seconds, max_reply_bytes)


def _exchange(
    method: str,
    destination: Destination,
    addresses: Sequence[str],
    headers: Mapping[str, str],
    body: bytes | None,
    seconds: float,
    max_reply_bytes: int = MAX_REPLY_BYTES,
) -> HostReply:
    ends_at = clock.monotonic() + seconds
    connection = _Connection(destination, addresses[:MAX_ADDRESSES], ends_at)
    try:
        connection.request(method, destination.target, body, dict(headers))
        reply = connection.getresponse()
        return HostReply(reply.status, _beginning(reply, max_reply_bytes), _retry_after(reply.headers.get("Retry-After")))
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
    """A connection to one of the given addresses. The `Host` header and the certificate check use the destination's name."""

    def __init__(self, destination: Destination, addresses: Sequence[str], ends_at: float) -> None:
        super().__init__(destination.host, destination.port)
        if destination.scheme == "https":
            self.default_port = http.client.HTTPS_PORT  # the `Host` header then omits the port
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
    """The part of a socket that HTTPConnection needs, usable until `ends_at`."""

    def __init__(self, connected: socket.socket, ends_at: float) -> None:
        self._socket, self._ends_at = connected, ends_at

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_remaining(self._ends_at))
        self._socket.sendall(data)

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._socket, self._ends_at), MAX_REPLY_BYTES)

    def close(self) -> None:
        """Do nothing: HTTPConnection may call this before the reply is read. `hang_up` closes the socket."""


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
    """Return the TLS context, which checks certificates against the system's trusted certificates."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _remaining(ends_at: float) -> float:
    """Return the seconds until `ends_at`. Raises TimeoutError if it has passed."""
    if (seconds := ends_at - clock.monotonic()) <= 0:
        raise TimeoutError
    return seconds


def _beginning(reply: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Read the beginning of the body. The status has already arrived, so a missing body is not a failure."""
    try:
        return reply.read(max_bytes)
    except (OSError, http.client.HTTPException, ValueError):
        return b""


def _retry_after(text: str | None) -> int | None:
    """Parse a `Retry-After` header in seconds. A date is ignored, because dates are rare."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else None
