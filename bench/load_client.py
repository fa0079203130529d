"""The HTTP client of the load measurements: aiohttp sessions of one connection each, thousands of them in one thread.

A visit is a coroutine function that gets a Connection and sends requests over it. `run_visits` runs many of them at once.
"""

import asyncio
import ipaddress
import itertools
import json
import resource
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import aiohttp
from msgspec import Struct
from yarl import URL

REQUEST_SECONDS = 60.0  # a request without a complete response by then has failed
SPARE_FILES = 100  # open files besides connections

_HEADERS = {"User-Agent": "fairgate-bench"}


class Response(Struct, frozen=True):
    """`seconds` is the time from the start of the request, including a new connection, to the last byte of the response."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body or b"null")


class RequestFailed(Exception):
    """The request got no complete HTTP response: no connection, a lost connection, or none within a minute."""


class Connection:
    """Sends requests to one API over one connection, which stays open between requests. An async context manager.

    `address` is the source address; None leaves the choice to the system.
    """

    def __init__(self, base_url: URL, address: str | None = None) -> None:
        self._base_url = str(base_url)
        source, family = ((address, 0), socket.AF_INET) if address else (None, socket.AF_UNSPEC)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, local_addr=source, family=family),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            skip_auto_headers=["Accept-Encoding"],
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
        """Send a request, with a JSON body unless `body` is None; `path` follows the base URL. Raises RequestFailed."""
        url = URL(self._base_url + path, encoded=True)
        began = time.perf_counter()
        try:
            async with self._session.request(method, url, json=body, headers=headers, allow_redirects=False) as reply:
                content = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise RequestFailed(str(error) or type(error).__name__) from error
        return Response(reply.status, content, time.perf_counter() - began)


Visit = Callable[[Connection], Awaitable[None]]


def parse_base_url(text: str) -> URL:
    """Return the base URL of an API. Raises ValueError for anything else."""
    with suppress(ValueError):
        url = URL(text.rstrip("/"))
        if url.scheme in ("http", "https") and url.host:
            return url
    raise ValueError(f"{text!r} is not a URL such as http://127.0.0.1:8000/api/v1")


def run_visits(
    base_url: URL, visits: Iterator[Visit], connections: int, *, own_addresses: bool = False, fresh_connections: bool = False
) -> None:
    """Run all visits, as many at once as there are connections.

    With `fresh_connections` each visit opens a connection of its own. With `own_addresses` each connection has its own source address,
    if the API is on this machine and the system allows it. An exception in a visit stops the run and is raised here.
    """
    _raise_file_limit(connections + SPARE_FILES)
    addresses: Iterator[str | None] = itertools.repeat(None)
    if own_addresses and _is_loopback(base_url) and _has_loopback_addresses():
        addresses = map(loopback_address, itertools.count())

    async def work() -> None:
        while visit := next(visits, None):
            async with Connection(base_url, next(addresses)) as connection:
                await visit(connection)
                while not fresh_connections and (visit := next(visits, None)):
                    await visit(connection)

    async def run() -> None:
        await asyncio.gather(*(work() for _ in range(connections)))

    asyncio.run(run())


def loopback_address(number: int) -> str:
    """Return a different address of this machine for each number, from 127.0.0.2 on: Linux has them all."""
    return str(ipaddress.IPv4Address("127.0.0.2") + number % 16_000_000)


def _is_loopback(url: URL) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(url.host or "").is_loopback
    return url.host == "localhost"


def _has_loopback_addresses() -> bool:
    """Whether connections can come from more addresses than 127.0.0.1; on macOS they cannot."""
    with socket.socket() as probe:
        try:
            probe.bind((loopback_address(0), 0))
        except OSError:
            return False
    return True


def _raise_file_limit(count: int) -> None:
    """Raise this process's limit of open files, which may be as low as 256, to `count` or to what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
