"""The load client: connections are reused or fresh as asked, and a request without a complete response fails."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from yarl import URL

from bench import load_client
from bench.load_client import Connection, RequestFailed, Visit, loopback_address, parse_base_url, run_visits

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def tiny_server(respond: Callable[[int, socket.socket], None]) -> Iterator[tuple[URL, list[tuple[str, int]]]]:
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
        yield parse_base_url(f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/"), addresses
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def respond_always(number: int, connection: socket.socket) -> None:
    while connection.recv(65_536):
        connection.sendall(OK)


def visit_of(count: int, results: list[object]) -> Visit:
    """Sends that many requests."""

    async def visit(connection: Connection) -> None:
        for _ in range(count):
            try:
                response = await connection.send("POST", "/x")
            except RequestFailed as error:
                results.append(error)
            else:
                results.append((response.status, response.body))

    return visit


def test_a_request_has_the_base_path_a_json_body_and_its_headers():
    received: list[bytes] = []

    def respond(number: int, connection: socket.socket) -> None:
        received.append(connection.recv(65_536))
        connection.sendall(OK)

    async def visit(connection: Connection) -> None:
        await connection.send("POST", "/x?token=a%2Fb", {"a": 1}, {"X-User-Id": "ada"})

    with tiny_server(respond) as (base_url, _):
        run_visits(base_url, iter([visit]), 1)
    head, _, body = received[0].partition(b"\r\n\r\n")
    lines = head.splitlines()
    assert (lines[0], body) == (b"POST /api/v1/x?token=a%2Fb HTTP/1.1", b'{"a": 1}')
    assert {b"X-User-Id: ada", b"User-Agent: fairgate-bench", b"Content-Type: application/json"} <= set(lines)


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x/", "http://"])
def test_anything_but_a_url_is_refused(url):
    with pytest.raises(ValueError, match="is not a URL"):
        parse_base_url(url)


def test_visits_share_the_connections_that_stay_open():
    results: list[object] = []
    with tiny_server(respond_always) as (base_url, addresses):
        run_visits(base_url, iter([visit_of(5, results) for _ in range(7)]), 3)
    assert results == [(200, b"ok")] * 35
    assert len(addresses) == 3


def test_each_visit_may_have_a_fresh_connection_from_its_own_address():
    results: list[object] = []
    with tiny_server(respond_always) as (base_url, addresses):
        run_visits(base_url, iter([visit_of(2, results) for _ in range(6)]), 3, own_addresses=True, fresh_connections=True)
    assert results == [(200, b"ok")] * 12
    assert sorted(host for host, _ in addresses) == [f"127.0.0.{number}" for number in range(2, 8)]
    assert loopback_address(300) == "127.0.1.46"


def test_a_lost_connection_fails_its_request_and_the_next_one_connects_again():
    """The server closes the first connection after half a response and keeps the second."""

    def respond(number: int, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(OK[:-1] if number == 1 else OK)
        if number == 2:
            respond_always(number, connection)

    results: list[object] = []
    with tiny_server(respond) as (base_url, addresses):
        run_visits(base_url, iter([visit_of(3, results)]), 1)
    assert isinstance(results[0], RequestFailed)
    assert results[1:] == [(200, b"ok")] * 2
    assert len(addresses) == 2


def test_a_connection_that_the_server_closes_is_not_used_again():
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    def respond(number: int, connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(closing)
        connection.recv(65_536)  # until the client closes

    results: list[object] = []
    with tiny_server(respond) as (base_url, addresses):
        run_visits(base_url, iter([visit_of(3, results)]), 1)
    assert results == [(200, b"ok")] * 3
    assert len(addresses) == 3


def test_a_refused_connection_fails_the_request():
    results: list[object] = []
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # reserves the port, so that nobody listens there
        run_visits(URL(f"http://127.0.0.1:{silent.getsockname()[1]}"), iter([visit_of(1, results)]), 1)
    assert [type(result) for result in results] == [RequestFailed]


def test_a_request_to_a_silent_server_fails(monkeypatch):
    monkeypatch.setattr(load_client, "REQUEST_SECONDS", 0.05)
    results: list[object] = []

    def respond(number: int, connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    with tiny_server(respond) as (base_url, _):
        run_visits(base_url, iter([visit_of(1, results)]), 1)
    assert [type(result) for result in results] == [RequestFailed]


def test_an_exception_in_a_visit_stops_the_run():
    async def visit(connection: Connection) -> None:
        response = await connection.send("GET", "/")
        raise AssertionError(response.status)

    with tiny_server(respond_always) as (base_url, _), pytest.raises(AssertionError, match="200"):
        run_visits(base_url, iter([visit]), 1)
