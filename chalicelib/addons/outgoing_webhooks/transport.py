"""One HTTP request to an endpoint, which may be hostile: to an address that was checked, in limited time, and little of the reply is read.

Neither redirects nor proxies are followed. Timeouts of sockets count from each byte, so the time is measured for the whole request.
"""

import hmac
import http.client
import io
import queue
import re
import secrets
import socket
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.addons.outgoing_webhooks.model import AttemptError
from chalicelib.foundation import clock, settings

# The signatures of the scheme Standard Webhooks (https://www.standardwebhooks.com), version `v1`: HMAC-SHA256 with a shared secret.

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """A random secret, as receivers' libraries take it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signed_headers(message_id: str, timestamp: int, body: bytes, secrets_of_endpoint: Iterable[str]) -> dict[str, str]:
    """The headers that identify and sign a message sent at `timestamp` (epoch seconds), with a signature by each secret."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{b64encode(hmac.digest(_key(secret), content, 'sha256')).decode()}" for secret in secrets_of_endpoint]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def _key(secret: str) -> bytes:
    return b64decode(secret.removeprefix(PREFIX))


# Where messages may be sent: to public addresses only, so that nobody reaches through us what only we can reach.
#
# A name is looked up and its addresses are checked before each attempt, and the connection goes to the address that was checked: a name
# that has another address a moment later changes nothing.

HTTPS_PORT, HTTP_PORT, MIN_FREE_PORT, MAX_PORT = 443, 80, 1024, 65_535
MAX_URL_LENGTH = 2000
LOOKUP_SECONDS = 2.0
LOCAL = IPv4Address("127.0.0.1")

# All public IPv6 addresses are in here ...
_PUBLIC_IPV6 = ip_network("2000::/3")
# ... and so are these, which lead to IPv4 addresses (Teredo, 6to4), or are for documents and benchmarks.
_REFUSED = tuple(
    map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"))
)
_HOST = re.compile(r"[A-Za-z0-9._:-]+")  # a name (of other letters in its ASCII form) or an address
_PRINTABLE = re.compile(r"[!-~]*")


class DestinationRefused(Exception):
    """Nothing may be sent there. The message says why, in a sentence for the promoter; `unresolved`: the name has no address now."""

    def __init__(self, message: str, *, unresolved: bool = False) -> None:
        super().__init__(message)
        self.unresolved = unresolved


class Destination(Struct, frozen=True):
    """The parts of an endpoint's address; `target` is its path and query."""

    scheme: Literal["https", "http"]
    host: str
    port: int
    target: str


def parse(url: str) -> Destination:
    """The parts of an address whose form is allowed. Raises DestinationRefused. Nothing is looked up."""
    if len(url) > MAX_URL_LENGTH or not _PRINTABLE.fullmatch(url):  # first, because urlsplit drops line feeds
        raise DestinationRefused(
            f"Send an address of at most {MAX_URL_LENGTH} characters, without spaces or accented letters: https://example.com/tickets"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise DestinationRefused("This is not a valid address.") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _allows_local()):
        raise DestinationRefused("The address must begin with https://.")
    if "@" in parts.netloc or parts.fragment:
        raise DestinationRefused("The address must not contain a user, a password or a fragment.")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise DestinationRefused("The address must name a host in ASCII letters.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    standard = HTTPS_PORT if parts.scheme == "https" else HTTP_PORT
    port = standard if port is None else port
    if port != standard and not MIN_FREE_PORT <= port <= MAX_PORT:
        raise DestinationRefused(f"The port must be {standard}, or {MIN_FREE_PORT} or higher.")
    return Destination("https" if parts.scheme == "https" else "http", parts.hostname, port, target)


def resolve(destination: Destination) -> list[str]:
    """The addresses of the destination, IPv4 first. Raises DestinationRefused if there is none, or if one of them is not public."""
    found = look_up(destination.host, destination.port)
    if not found:
        raise DestinationRefused("The host name in the address could not be found.", unresolved=True)
    addresses = [_address(text) for text in found]
    for address in addresses:
        is_local = address == LOCAL and _allows_local()
        # Without encryption only to this machine.
        if not is_local and (not is_public(address) or destination.scheme == "http"):
            raise DestinationRefused("The address must point to a host on the public internet.")
    return [str(address) for address in sorted(addresses, key=lambda address: address.version)]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the internet can reach the address, and it stands for no other address."""
    if address.version == 6 and address not in _PUBLIC_IPV6:
        return False
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    return not any(address.version == network.version and address in network for network in _REFUSED)


def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host; none if it has none, or if the answer does not come in time."""
    answer: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put([str(address[0]) for *_, address in found])
        except (OSError, UnicodeError):
            answer.put([])

    # In a thread, because getaddrinfo takes as long as the slowest server of names wants.
    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=LOOKUP_SECONDS)
    except queue.Empty:
        return []


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise DestinationRefused("The address must point to a host on the public internet.") from None


def _allows_local() -> bool:
    return settings.current().webhook_targets == "local"


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
