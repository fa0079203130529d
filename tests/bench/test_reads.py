"""Reads over HTTP: every response counts once, and a wrong response ends the measure."""

import asyncio

import pytest
from yarl import URL

from bench import bare_chalice
from bench.load_client import Response
from bench.local_runtime import bare_server
from bench.reads import WrongResponse, read_repeatedly

API = URL("http://127.0.0.1:1")


class StubConnection:
    """Responds without a server: `responses[path]` in order, the last one for ever. `sent` lists the paths."""

    def __init__(self) -> None:
        self.responses: dict[str, list[Response]] = {}
        self.sent: list[str] = []

    async def send(self, method: str, path: str) -> Response:
        self.sent.append(path)
        responses = self.responses[path]
        return responses.pop(0) if len(responses) > 1 else responses[0]


@pytest.fixture
def connection(monkeypatch):
    """Runs visits one after another over a StubConnection."""
    stub = StubConnection()

    def run_visits(base_url, visits, connections, **options):
        for visit in visits:
            asyncio.run(visit(stub))

    monkeypatch.setattr("bench.reads.run_visits", run_visits)
    return stub


def test_each_connection_starts_at_another_path(connection):
    connection.responses = {path: [Response(200, b"x", 0.0)] for path in ("/a", "/b", "/c", "/d")}
    read_repeatedly(API, ["/a", "/b", "/c", "/d"], connections=2, seconds=0)
    assert connection.sent == ["/a", "/c"]


@pytest.mark.parametrize("wrong", [Response(500, b"xx", 0.0), Response(200, b"x", 0.0), Response(200, b"xxxxx", 0.0)])
def test_another_status_or_length_ends_the_measure(connection, wrong):
    connection.responses["/a"] = [Response(200, b"xx", 0.0), wrong]
    with pytest.raises(WrongResponse, match=r"/a"):
        read_repeatedly(API, ["/a"], connections=1, seconds=60, tolerance=0)


def test_the_floor_is_a_bare_chalice_app_behind_the_local_server():
    with bare_server() as base_url:
        rate = read_repeatedly(base_url, [bare_chalice.PATH], connections=2, seconds=0)
    assert rate.per_second > 0
