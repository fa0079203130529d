"""The load client: it reads every framing of a response, keeps its connections, and ends a request that gets no whole response."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench import http_client
from bench.http_client import RequestFailed, Script, Target, loopback_address, parse_response, parse_target, play, request_bytes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def tiny_server(respond: Callable[[int, socket.socket], None]) -> Iterator[tuple[Target, list[tuple[str, int]]]]:
    """A server that calls `respond(number, connection)` for each accepted connection, in a thread; yields the clients' addresses too."""
    addresses: list[tuple[str, int]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve(number: int, connection: socket.socket) -> None:
            with connection:
                respond(number, connection)

        def accept() -> None:
            while True:
                try:
                    connection, address = listener.accept()
                except OSError:
                    return
                addresses.append(address)
                threading.Thread(target=serve, args=(len(addresses), connection), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield parse_target(f"http://127.0.0.1:{listener.getsockname()[1]}"), addresses
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def respond_always(number: int, connection: socket.socket) -> None:
    while connection.recv(65_536):
        connection.sendall(OK)


def requests(target: Target, count: int, results: list[object]) -> Script:
    for _ in range(count):
        try:
            response = yield request_bytes(target, "GET", "/")
        except RequestFailed as error:
            results.append(str(error))
        else:
            results.append((response.status, response.body))


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (OK, (200, b"ok", True)),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", (200, b"x", False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, b"x", False)),
        (b"HTTP/1.1 201 Created\r\nX: y\r\ncontent-length:0\r\n\r\n", (201, b"", True)),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", (304, b"", True)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n",
            (200, b"abc0123456789", True),
        ),
    ],
)
def test_a_response_is_complete_with_its_last_byte(received, expected):
    assert parse_response(received) == expected
    assert [parse_response(received[:end]) for end in range(len(received))] == [None] * len(received)


@pytest.mark.parametrize(
    "received",
    [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", OK + b"x", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"x" * 70_000],
)
def test_an_invalid_response_is_refused(received):
    with pytest.raises(ValueError, match=r"."):
        parse_response(received)


def test_a_request_has_the_base_path_a_length_and_its_headers():
    target = parse_target("https://shop.example/api/v1/")
    assert request_bytes(target, "POST", "/x", {"a": 1}, {"X-User-Id": "ada"}).splitlines() == [
        b"POST /api/v1/x HTTP/1.1",
        b"Host: shop.example",
        b"Accept: */*",
        b"User-Agent: fairgate-bench",
        b"X-User-Id: ada",
        b"Content-Type: application/json",
        b"Content-Length: 7",
        b"",
        b'{"a":1}',
    ]


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x/", "http://"])
def test_an_invalid_url_is_refused(url):
    with pytest.raises(ValueError, match="is not a URL"):
        parse_target(url)


def test_scripts_share_the_connections_that_stay_open():
    results: list[object] = []
    with tiny_server(respond_always) as (target, addresses):
        play(target, iter([requests(target, 5, results) for _ in range(7)]), 3)
    assert results == [(200, b"ok")] * 35
    assert len(addresses) == 3


def test_each_script_may_have_a_fresh_connection_from_its_own_address():
    results: list[object] = []
    with tiny_server(respond_always) as (target, addresses):
        scripts = iter([requests(target, 2, results) for _ in range(6)])
        play(target, scripts, 3, own_addresses=True, fresh_connections=True)
    assert results == [(200, b"ok")] * 12
    assert sorted(host for host, _ in addresses) == [f"127.0.0.{number}" for number in range(2, 8)]
    assert loopback_address(300) == "127.0.1.46"


def test_a_lost_connection_fails_only_its_request():
    """The first connection is closed after half a response, the second after a whole one, the third stays."""

    def respond(number: int, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(OK[:20] if number == 1 else OK)
        if number == 3:
            respond_always(number, connection)

    results: list[object] = []
    with tiny_server(respond) as (target, addresses):
        play(target, iter([requests(target, 2, results)]), 1)
        assert results == ["the connection was closed before the response was complete", (200, b"ok")]
        play(target, iter([requests(target, 4, results)]), 1)
    assert results[2:] == [(200, b"ok")] * 4
    assert len(addresses) == 3


def test_unrequested_bytes_are_not_a_response():
    """The server sends a 408 on a connection that waits for its next request: that request goes over a new connection."""
    waiting, sent, results = threading.Event(), threading.Event(), []

    def respond(number: int, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(OK)
        if number == 1:
            waiting.wait(60)
            connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            sent.set()

    def script(target: Target) -> Script:
        yield from requests(target, 1, results)
        waiting.set()
        while not sent.is_set():
            yield 0.01
        yield 0.01
        yield from requests(target, 1, results)

    with tiny_server(respond) as (target, addresses):
        play(target, iter([script(target)]), 1)
    assert results == [(200, b"ok")] * 2
    assert len(addresses) == 2


def test_a_connection_that_the_server_closes_is_not_used_again():
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    def respond(number: int, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(closing)
        connection.recv(65_536)  # until the client has closed

    results: list[object] = []
    with tiny_server(respond) as (target, addresses):
        play(target, iter([requests(target, 3, results)]), 1)
    assert results == [(200, b"ok")] * 3
    assert len(addresses) == 3


def test_a_refused_connection_fails_the_request():
    results: list[object] = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens there
        target = parse_target(f"http://127.0.0.1:{silent.getsockname()[1]}")
        play(target, iter([requests(target, 1, results)]), 1)
    assert [str(result).partition(":")[0] for result in results] == ["no connection"]


def test_a_server_that_sends_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(http_client, "REQUEST_SECONDS", 0.05)
    monkeypatch.setattr(http_client, "WATCH_SECONDS", 0.01)
    results: list[object] = []

    def respond(number: int, connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    with tiny_server(respond) as (target, _):
        play(target, iter([requests(target, 1, results)]), 1)
    assert len(results) == 1
    assert str(results[0]).startswith(("no response within", "no connection"))


def test_an_exception_of_a_script_ends_the_play():
    def script(target: Target) -> Script:
        response = yield request_bytes(target, "GET", "/")
        raise AssertionError(response.status)

    with tiny_server(respond_always) as (target, _), pytest.raises(AssertionError, match="200"):
        play(target, iter([script(target)]), 1)
