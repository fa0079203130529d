"""The HTTP server of the local run, over sockets: what it passes to the app, what it refuses, and that no client can stop it."""

import gzip
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, parse_headers
from pathlib import Path

import msgspec
import pytest
from chalice.app import Blueprint, Chalice

from chalicelib.edge.routes import Reply, RequestContext, route
from infra.local import connections
from infra.local import server as server_module
from infra.local.gateway import MAX_PAYLOAD_BYTES, Gateway
from infra.local.server import HOST, LocalServer, PortInUse

LARGE = 20_000_000  # bytes, more than the system keeps for a connection
SECONDS = 60  # how long a client waits for bytes; a test that waits so long fails


class App:
    """Routes that say what they were sent. A request to /wait is answered when `release` is set."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.arrived, self.release = threading.Semaphore(0), threading.Event()
        bp = Blueprint(__name__)

        @route(bp, "POST", "/echo/{name}", access="public")
        def echo(request: RequestContext, name: str) -> Reply:
            self.bodies.append(request.read_body())
            headers = {key: request.header(key) for key in ("x-name", "host", "content-type")}
            return Reply(
                {"name": name, "size": len(self.bodies[-1]), "query": (request.chalice_request.query_params or {}).get("q"), **headers}
            )

        @route(bp, "GET", "/large", access="public")
        def large(request: RequestContext) -> Reply:
            return Reply("x" * LARGE)

        @route(bp, "GET", "/wait", access="public")
        def wait(request: RequestContext) -> Reply:
            self.arrived.release()
            assert self.release.wait(SECONDS)
            return Reply({"waited": True})

        self.chalice = Chalice(app_name="echo", configure_logs=False)
        self.chalice.api.binary_types = ["*/*"]
        self.chalice.register_blueprint(bp)


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.release.set()


@pytest.fixture
def server(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    for state in connections.STATE_SECONDS:  # the machine may stand still for longer than a client is waited for
        monkeypatch.setitem(connections.STATE_SECONDS, state, SECONDS)
    (tmp_path / "index.html").write_text("<h1>Start</h1>")
    server = LocalServer(0)
    server.start(Gateway(app.chalice), tmp_path)
    yield server
    app.release.set()
    server.stop()


def connect(server: LocalServer, *parts: bytes) -> socket.socket:
    """A connection to which the parts have been sent, each in a packet of its own."""
    connection = socket.create_connection((HOST, server.port), SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in parts:
        connection.sendall(part)
    return connection


def responses(connection: socket.socket, count: int = 1) -> list[tuple[int, bytes]]:
    """Status and body of the next responses; fewer if the server closes the connection."""
    found = []
    with connection.makefile("rb") as reader:
        for _ in range(count):
            if not (status_line := reader.readline()):
                break
            headers = parse_headers(reader)
            found.append((int(status_line.split()[1]), reader.read(int(headers["content-length"]))))
    return found


def status(server: LocalServer, *parts: bytes, end: bool = False) -> int | None:
    """The status of the first response; None if the server closes the connection without one. `end`: the client sends nothing more."""
    with connect(server) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if end:
                connection.shutdown(socket.SHUT_WR)
            return next((status for status, _ in responses(connection)), None)
        except ConnectionError:  # the server has answered and closed before it had read everything
            return None


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: shop.test", *headers, *([f"Content-Length: {len(body)}"] if body else []), "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def is_serving(server: LocalServer) -> bool:
    return status(server, request("POST", "/api/echo/a", b"{}")) == 200


def test_a_request_reaches_the_app_as_it_was_sent(server, app):
    headers = ("X-Name: a", "x-name: b", "Content-Type: application/json")
    with connect(server, request("POST", "/api/echo/a%2Eb%20c?q=%C3%BC&q=2", b"{}", *headers)) as connection:
        ((code, body),) = responses(connection)
    assert code == 404  # the id has a space
    with connect(server, request("POST", "/api/echo/a%2Eb?q=1&q=%C3%BC", b"{}", *headers)) as connection:
        ((code, body),) = responses(connection)
    assert code == 200
    expected = {"name": "a.b", "size": 2, "query": "ü", "x-name": "b", "host": "shop.test", "content-type": "application/json"}
    assert msgspec.json.decode(body) == expected


def test_pages_are_sent_as_gzip_on_a_connection_that_stays_open(server, tmp_path):
    (tmp_path / "index.html").write_text("<h1>Start</h1>" * 1000)
    connection = HTTPConnection(HOST, server.port, timeout=SECONDS)
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/", headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        body = response.read()
        assert (response.status, response.headers["content-encoding"]) == (200, "gzip")
        assert int(response.headers["content-length"]) < 1000
        assert method == "HEAD" or gzip.decompress(body) == b"<h1>Start</h1>" * 1000


def test_pages_are_served_beside_the_api_to_get_and_head(server):
    connection = HTTPConnection(HOST, server.port, timeout=SECONDS)
    for method, expected in (("GET", b"<h1>Start</h1>"), ("HEAD", b"")):
        connection.request(method, "/")
        response = connection.getresponse()
        assert (response.status, response.headers["content-length"], response.read()) == (200, "14", expected)
    for target in ("/missing", "/..%2fserver.py", "/%2e%2e/x", "/" + "x" * 5000, "/%ff%fe", "/apix"):
        connection.request("GET", target)
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"<h1>Start</h1>"), target
    for target in ("/missing.txt", "/index.html%00", "/" + "x" * 5000 + ".js"):
        connection.request("GET", target)
        response = connection.getresponse()
        assert (response.status, b"no such file" in response.read()) == (404, True), target
    connection.request("POST", "/", b"{}")
    assert connection.getresponse().status == 405


POST = "POST /api/echo/a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = (POST + "Transfer-Encoding: chunked\r\n\r\n").encode()
# name -> (what is sent, the statuses that are right; None: the connection is closed)
HOSTILE = {
    "garbage": (b"\x16\x03\x01\x00" * 10 + b"\r\n\r\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", {400, None}),
    "unknown method on the API": (b"BREW /api/echo/a HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    "unknown method": (b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    "method that the API does not have": (b"PROPFIND /api/echo/a HTTP/1.1\r\nHost: x\r\n\r\n", {403, 405}),
    "method that the pages do not have": (b"PROPFIND /pot HTTP/1.1\r\nHost: x\r\n\r\n", {405}),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", {405}),
    "CONNECT and more": (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n" + POST.encode() + b"\r\n", {405}),
    "proposal of HTTP/2": (POST.encode() + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}", {200}),
    "HTTP/0.9": (b"GET /\r\n\r\n", {400}),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", {405}),
    "no host": (b"GET /api/none HTTP/1.1\r\n\r\n", {404}),
    "raw bytes in the path": (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", {400}),
    "raw bytes in a header": (b"GET /api/none HTTP/1.1\r\nHost: x\r\nX-User-Id: \xff\xfe\r\n\r\n", {404}),
    "bad UTF-8 in the path": (b"POST /api/echo/%ff%c3 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", {404}),
    "bad UTF-8 in the query": (b"GET /api/none?q=%ff%c3&%00=%zz HTTP/1.1\r\nHost: x\r\n\r\n", {404}),
    "NUL in a header": (b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: x\r\n\r\n", {400}),
    "space before the colon": (b"GET / HTTP/1.1\r\nHost: x\r\nA : x\r\n\r\n", {400}),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: x\r\n y\r\n\r\n", {400}),
    "huge header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 1_000_000 + b"\r\n\r\n", {431, None}),
    "many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 5000 + b"\r\n", {431, None}),
    "long target": (b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {414, 431, None}),
    "two lengths": (POST.encode() + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x", {400}),
    "negative length": (POST.encode() + b"Content-Length: -2\r\n\r\n{}", {400}),
    "length of 23 digits": (POST.encode() + b"Content-Length: 99999999999999999999999\r\n\r\n{}", {400}),
    "length and chunks": (POST.encode() + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", {400}),
    "chunk size is no number": (CHUNKED + b"2\r\n{}\r\nzz\r\n\r\n", {400}),
    "chunk longer than its size": (CHUNKED + b"2\r\n{}xxxxx\r\n0\r\n\r\n", {400}),
    "chunk size of 1 MB": (CHUNKED + b"0" * 1_000_000 + b"2\r\n{}\r\n0\r\n\r\n", {400, None}),
}
# What a client sends before it goes away.
TRUNCATED = {
    "body": POST.encode() + b"Content-Length: 100\r\n\r\n{}",
    "chunks": CHUNKED + b"2\r\n{}\r\n",
    "chunk": CHUNKED + b"5\r\n{}",
    "chunk of 16 EB": CHUNKED + b"ffffffffffffffff\r\n{}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_http_gets_an_error_and_the_server_continues(server, app, name):
    sent, expected = HOSTILE[name]
    assert status(server, sent) in expected
    assert set(app.bodies) <= {b"{}"}
    assert is_serving(server)


@pytest.mark.parametrize("name", TRUNCATED)
def test_a_request_that_ends_too_early_does_not_reach_the_app(server, app, name):
    assert status(server, TRUNCATED[name], end=True) in (400, None)
    assert app.bodies == []
    assert is_serving(server)


def test_pipelined_and_split_requests_are_answered_in_order(server, app):
    pipelined = b"".join(request("POST", f"/api/echo/n{number}", b"x" * number) for number in range(1, 21))
    with connect(server, pipelined) as connection:
        found = [msgspec.json.decode(body) for _, body in responses(connection, 20)]
    assert [(reply["name"], reply["size"]) for reply in found] == [(f"n{number}", number) for number in range(1, 21)]
    split = request("POST", "/api/echo/a", b"{}")
    assert status(server, *(split[number : number + 1] for number in range(len(split)))) == 200
    assert app.bodies[-1] == b"{}"


def test_chunks_are_put_together_and_expectations_are_met(server, app):
    assert status(server, CHUNKED, b"1\r\n{\r\n", b"1;x=y\r\n}\r\n", b"0\r\nTrailer: x\r\n\r\n") == 200
    with connect(server, (POST + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n").encode()) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert [code for code, _ in responses(connection)] == [200]
    assert app.bodies == [b"{}", b"{}"]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(server, app, is_chunked):
    size = MAX_PAYLOAD_BYTES + 1
    head = CHUNKED + f"{10 * size:x}\r\n".encode() if is_chunked else (POST + f"Content-Length: {10 * size}\r\n\r\n").encode()
    with connect(server, head) as connection:
        connection.sendall(b"x" * size)
        ((code, body),) = responses(connection)
    assert (code, msgspec.json.decode(body)["error"]) == (413, "body_too_large")
    assert app.bodies == []


def test_clients_that_send_half_a_request_keep_no_other_waiting(server, app):
    halves = (b"GET / HTTP/1.1\r\nHost: ", POST.encode() + b"Content-Length: 100\r\n\r\n{", CHUNKED + b"5\r\n{", b"")
    slow = [connect(server, half) for half in halves for _ in range(100)]
    assert all(is_serving(server) for _ in range(20))
    for connection in slow:
        connection.close()


def test_a_body_that_does_not_arrive_in_time_is_refused(server, app, monkeypatch):
    monkeypatch.setitem(connections.STATE_SECONDS, "body", 0)
    assert status(server, POST.encode() + b"Content-Length: 100\r\n\r\n{") == 400
    assert app.bodies == []


def test_clients_that_read_slowly_keep_no_other_waiting(server):
    slow = [connect(server, request("GET", "/api/large")) for _ in range(5)]
    assert all(is_serving(server) for _ in range(20))
    for connection in slow:
        connection.sendall(request("GET", "/"))
        assert [(code, len(body)) for code, body in responses(connection, 2)] == [(200, LARGE), (200, 14)]
        connection.close()


def test_a_client_that_goes_away_while_its_request_is_handled_harms_nobody(server, app):
    gone = [connect(server, request("GET", "/api/wait")) for _ in range(3)]
    for connection in gone:
        assert app.arrived.acquire(timeout=SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes by a reset
        connection.close()
    with connect(server, request("GET", "/api/wait"), request("POST", "/api/echo/a", b"{}")) as connection:
        assert app.arrived.acquire(timeout=SECONDS)
        assert is_serving(server)
        app.release.set()
        assert [code for code, _ in responses(connection, 2)] == [200, 200]


def test_when_no_more_connections_may_be_open_others_wait(app, tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 16)
    server = LocalServer(0)
    server.start(Gateway(app.chalice), tmp_path)
    served = [connect(server, request("POST", "/api/echo/a", b"{}")) for _ in range(16)]
    assert {code for connection in served for code, _ in responses(connection)} == {200}
    with connect(server, request("POST", "/api/echo/b", b"{}")) as waiting:
        served[0].sendall(request("POST", "/api/echo/a", b"{}"))
        assert [code for code, _ in responses(served[0])] == [200]
        assert len(app.bodies) == 17
        served.pop().close()
        assert [code for code, _ in responses(waiting)] == [200]
    for connection in served:
        connection.close()
    server.stop()


@pytest.mark.slow
def test_a_thousand_connections_are_served(server):
    connections = [connect(server, request("POST", "/api/echo/a", b"{}")) for _ in range(1000)]
    assert {code for connection in connections for code, _ in responses(connection)} == {200}
    for connection in connections:
        connection.sendall(request("GET", "/"))
    assert {code for connection in connections for code, _ in responses(connection)} == {200}
    for connection in connections:
        connection.close()


def test_a_stop_finishes_requests_in_flight_and_accepts_no_others(server, app):
    idle = connect(server, request("GET", "/"))
    assert [code for code, _ in responses(idle)] == [200]
    in_flight = [connect(server, request("GET", "/api/wait")) for _ in range(3)]
    for _ in in_flight:
        assert app.arrived.acquire(timeout=SECONDS)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    assert idle.recv(1) == b""  # it closes idle connections, so it is stopping
    app.release.set()
    assert [code for connection in in_flight for code, _ in responses(connection)] == [200, 200, 200]
    stopping.join(SECONDS)
    assert not stopping.is_alive()
    with pytest.raises(OSError, match="refused"):
        connect(server)
    for connection in (idle, *in_flight):
        connection.close()


def test_clients_that_have_sent_half_a_request_do_not_delay_a_stop(server, app, monkeypatch):
    monkeypatch.setattr("infra.local.server.STOP_SECONDS", SECONDS)
    halves = [connect(server, half) for half in (b"GET / HTTP/1.1\r\nHost: ", POST.encode() + b"Content-Length: 100\r\n\r\n{", b"")]
    in_flight = connect(server, request("GET", "/api/wait"))
    assert app.arrived.acquire(timeout=SECONDS)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    app.release.set()
    assert [code for code, _ in responses(in_flight)] == [200]
    stopping.join(SECONDS - 1)
    assert not stopping.is_alive()
    for connection in (in_flight, *halves):
        connection.close()


def test_a_port_belongs_to_one_server_from_the_moment_that_it_is_taken(app, tmp_path):
    with socket.create_server((HOST, 0)) as other, pytest.raises(PortInUse):
        LocalServer(other.getsockname()[1])
    first = LocalServer(0)
    with pytest.raises(PortInUse):
        LocalServer(first.port)
    first.start(Gateway(app.chalice), tmp_path)
    with pytest.raises(PortInUse):
        LocalServer(first.port)
    first.stop()
    with pytest.raises(OSError, match="refused"):
        connect(first)
    again = LocalServer(first.port)
    again.start(Gateway(app.chalice), tmp_path)
    assert is_serving(again)
    again.stop()


def test_a_port_is_free_as_soon_as_another_program_has_closed_it(app, tmp_path):
    with socket.create_server((HOST, 0)) as other:
        client = socket.create_connection(other.getsockname())
        other.accept()[0].close()  # first, so that the port is in TIME_WAIT afterwards
        client.close()
        port = other.getsockname()[1]
    server = LocalServer(port)
    server.start(Gateway(app.chalice), tmp_path)
    assert is_serving(server)
    server.stop()
