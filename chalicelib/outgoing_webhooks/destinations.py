"""Where messages may be sent: to public addresses only, so that nobody reaches through us what only we can reach.

A name is looked up and its addresses are checked before each attempt, and the connection goes to the address that was checked: a name that
has another address a moment later changes nothing.
"""

import queue
import re
import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct

from chalicelib.foundation import settings

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
