"""An HTTP client for load: it plays scripts over connections that stay open, and costs the machine that it measures as little as it can.

A script is a generator that yields a request (bytes, see `request_bytes`) and gets its Response, or yields a number of seconds to wait.
One thread plays thousands of them.
"""

import asyncio
import ipaddress
import itertools
import json
import resource
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

REQUEST_SECONDS = 60.0  # a server that sends nothing for so long is taken for dead
WATCH_SECONDS = 1.0
MAX_HEAD_BYTES = 64 * 1024
OTHER_FILES = 100  # open files beside connections

Script = Generator[bytes | float, "Response", None]


class Response(Struct):
    """`seconds` is the time from the request's first byte to the response's last one."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body or b"null")


class Target(Struct, frozen=True):
    """Where requests go: the base URL `http(s)://host:port/path` in parts."""

    host: str
    port: int
    path: str
    is_tls: bool

    @property
    def is_loopback(self) -> bool:
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"

    @property
    def authority(self) -> str:
        return self.host if self.port == (443 if self.is_tls else 80) else f"{self.host}:{self.port}"


class RequestFailed(Exception):
    """No complete response came: the connection was refused or lost, nothing was sent for a minute, or it was not HTTP."""


def parse_target(url: str) -> Target:
    """Raises ValueError for what is not the URL of a server."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:8000/api/v1")
    is_tls = parts.scheme == "https"
    return Target(parts.hostname, parts.port or (443 if is_tls else 80), parts.path.rstrip("/"), is_tls)


def request_bytes(target: Target, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> bytes:
    """A request with a JSON body, or with none; `path` begins after the base URL."""
    lines = [f"{method} {target.path}{path} HTTP/1.1", f"Host: {target.authority}", "Accept: */*", "User-Agent: fairgate-bench"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    elif method != "GET":
        lines.append("Content-Length: 0")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def loopback_address(number: int) -> str:
    """A different address of this machine for each number, from 127.0.0.2 on: Linux has them all."""
    return str(ipaddress.IPv4Address("127.0.0.2") + number % 16_000_000)


def _has_loopback_addresses() -> bool:
    """Whether connections can come from more addresses than 127.0.0.1; macOS has no others."""
    with socket.socket() as probe:
        try:
            probe.bind((loopback_address(0), 0))
        except OSError:
            return False
    return True


def _allow_files(count: int) -> None:
    """Raise this process's limit of open files, which may be 256, as far as that is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def play(
    target: Target, scripts: Iterator[Script], connections: int, *, own_addresses: bool = False, fresh_connections: bool = False
) -> None:
    """Play the scripts, each on one of the connections, until there are none left.

    With `fresh_connections` each script opens a connection of its own. With `own_addresses` each connection comes from an address of its
    own, if the target is this machine and it has them. An exception that a script does not catch ends the play and is raised here.
    """
    own_addresses = own_addresses and target.is_loopback and _has_loopback_addresses()
    run = _Play(target, scripts, own_addresses=own_addresses, fresh_connections=fresh_connections)
    _allow_files(connections + OTHER_FILES)
    asyncio.run(run.play(connections))


class _Play:
    """The scripts that are left, and the end of it all."""

    def __init__(self, target: Target, scripts: Iterator[Script], *, own_addresses: bool, fresh_connections: bool) -> None:
        self.target, self.scripts, self.fresh_connections = target, scripts, fresh_connections
        self.context = ssl.create_default_context() if target.is_tls else None
        self._addresses = map(loopback_address, itertools.count()) if own_addresses else itertools.repeat(None)

    def next_address(self) -> str | None:
        """Where the next connection comes from; None leaves it to the system."""
        return next(self._addresses)

    async def play(self, count: int) -> None:
        self.loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self.loop.create_future()
        self._playing = count
        connections = [_Connection(self) for _ in range(count)]
        watch = self.loop.create_task(_watch(connections))
        try:
            await self._done
        finally:
            watch.cancel()
            for connection in connections:
                connection.close()

    def end_connection(self) -> None:
        self._playing -= 1
        if not self._playing and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)


async def _watch(connections: list["_Connection"]) -> None:
    """Give up requests that get no response."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        now = time.perf_counter()
        for connection in connections:
            connection.check_time(now)


class _Connection(asyncio.Protocol):
    """Plays one script after the other. It connects when a request needs it: for the first one, and when the server has closed."""

    def __init__(self, play: _Play) -> None:
        self._play = play
        self._transport: asyncio.Transport | None = None
        self._script: Script | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._began = 0.0
        self._is_waiting = False
        self._received = b""
        play.loop.call_soon(self._start_script)

    def close(self) -> None:
        self._is_waiting = False
        if self._script is not None:
            self._script.close()
        self._drop_transport()

    def check_time(self, now: float) -> None:
        if self._is_waiting and self._transport is not None and now - self._began > REQUEST_SECONDS:  # _connect has its own limit
            self._give_up(f"no response within {REQUEST_SECONDS:g} s")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._is_waiting:  # such as a 408 on a connection that the server is about to close
            return self._drop_transport()
        received = self._received + data if self._received else data
        try:
            parsed = parse_response(received)
        except ValueError as error:
            return self._give_up(str(error))
        if parsed is None:
            self._received = received
            return None
        self._received, self._is_waiting = b"", False
        status, body, stays_open = parsed
        if not stays_open:
            self._drop_transport()
        assert self._script is not None
        return self._advance(self._script.send, Response(status, body, time.perf_counter() - self._began))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._is_waiting:
            self._give_up(f"the connection was closed before the response was complete{f' ({error})' if error else ''}")

    def _start_script(self) -> None:
        if self._play.fresh_connections:
            self._drop_transport()
        self._script = next(self._play.scripts, None)
        if self._script is not None:
            self._advance(self._script.send, None)
        else:
            self._play.end_connection()

    def _advance(self, resume: Callable[[Any], bytes | float], value: Any) -> None:
        """Continue the script with a response, with an exception or after a wait, and do what it wants next."""
        try:
            wanted = resume(value)
        except StopIteration:
            self._play.loop.call_soon(self._start_script)
        except BaseException as error:
            self._play.fail(error)
        else:
            if isinstance(wanted, bytes):
                self._send(wanted)
            else:
                assert self._script is not None
                self._play.loop.call_later(wanted, self._advance, self._script.send, None)

    def _send(self, request: bytes) -> None:
        self._began, self._is_waiting = time.perf_counter(), True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(request)
        else:
            self._drop_transport()
            self._connecting = self._play.loop.create_task(self._connect(request))

    async def _connect(self, request: bytes) -> None:
        address = self._play.next_address()
        local = (address, 0) if address else None
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                transport, _ = await self._play.loop.create_connection(
                    lambda: self, self._play.target.host, self._play.target.port, ssl=self._play.context, local_addr=local
                )
        except (OSError, TimeoutError) as error:
            self._give_up(f"no connection: {error or 'time is up'}")
        else:
            transport.write(request)

    def _give_up(self, reason: str) -> None:
        """End the request in the script with RequestFailed, and the connection."""
        self._received, self._is_waiting = b"", False
        self._drop_transport()
        if self._script is not None:
            self._advance(self._script.throw, RequestFailed(reason))

    def _drop_transport(self) -> None:
        """End the TCP connection, if there is one, and hear no more of it: the next one may be open before its end is reported."""
        if self._transport is not None:
            self._transport.set_protocol(asyncio.Protocol())
            self._transport.abort()
            self._transport = None


def parse_response(received: bytes) -> tuple[int, bytes, bool] | None:
    """Status and body of a response, and whether the connection stays open; None while it is incomplete.

    Raises ValueError for what is no response to a single request.
    """
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        if len(received) > MAX_HEAD_BYTES:
            raise ValueError("the headers have no end")
        return None
    head, start = received[:head_end].lower(), head_end + 4
    if not head.startswith(b"http/1.") or not head[9:12].isdigit():
        raise ValueError(f"this is not HTTP: {received[:40]!r}")
    status = int(head[9:12])
    position = head.find(b"\r\ncontent-length:")
    if position >= 0:
        end = start + int(head[position + 17 :].split(b"\r\n", 1)[0])
        body = received[start:end]
    elif b"\r\ntransfer-encoding: chunked" in head:
        chunks = _join_chunks(received, start)
        if chunks is None:
            return None
        body, end = chunks
    elif status in (204, 304):
        body, end = b"", start
    else:
        raise ValueError("the response does not say how long it is")
    if len(received) < end:
        return None
    if len(received) > end:
        raise ValueError("there are bytes behind the response")
    return status, body, b"\r\nconnection: close" not in head and head[7:8] != b"0"


def _join_chunks(received: bytes, position: int) -> tuple[bytes, int] | None:
    """The body that begins at the position in chunks, and where it ends; None while it is incomplete."""
    parts: list[bytes] = []
    while True:
        line_end = received.find(b"\r\n", position)
        if line_end < 0:
            return None
        size = int(received[position:line_end].partition(b";")[0], 16)
        start = line_end + 2
        if size == 0:
            return (b"".join(parts), start + 2) if len(received) >= start + 2 else None
        if len(received) < start + size + 2:
            return None
        parts.append(received[start : start + size])
        position = start + size + 2
