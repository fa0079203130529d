"""The HTTP server on a store with a journal: what a response says is on disk before the client gets it."""

import errno
import os
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from chalice.app import Blueprint, Chalice

from chalicelib.edge.routes import Reply, RequestContext, route
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import FrameFile, Journal, open_journal
from infra.local.gateway import Gateway
from infra.local.server import HOST, LocalServer
from tests.devtools.dynamodb import write_load

SECONDS = 60


class Disk:
    """The journal's disk: writes wait until `works` is set, and fail if the disk is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.works = threading.Event()
        self.works.set()
        self.is_full = False
        add = FrameFile.add

        def slow_add(file: FrameFile, content: bytes) -> None:
            assert self.works.wait(SECONDS)
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            add(file, content)

        monkeypatch.setattr(FrameFile, "add", slow_add)


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def engine() -> Engine:
    return Engine(has_conflicts=False)


@pytest.fixture
def journal(engine: Engine, disk: Disk, tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path / "store", engine) as journal:
        write_load.create_tables(engine)
        yield journal
        disk.works.set()


@pytest.fixture
def server(engine: Engine, journal: Journal, disk: Disk, tmp_path: Path) -> Iterator[LocalServer]:
    bp = Blueprint(__name__)

    @route(bp, "PUT", "/items/{name}", access="public")
    def put(request: RequestContext, name: str) -> Reply:
        for _ in range(3):
            engine.call("PutItem", {"TableName": "left", "Item": {"id": {"S": name}}})
        return Reply({"put": name})

    @route(bp, "GET", "/items/{name}", access="public")
    def get(request: RequestContext, name: str) -> Reply:
        return Reply({"found": "Item" in engine.call("GetItem", {"TableName": "left", "Key": {"id": {"S": name}}})})

    app = Chalice(app_name="items", configure_logs=False)
    app.register_blueprint(bp)
    server = LocalServer(0)
    server.workers.hold_back_for(engine)
    server.start(Gateway(app), tmp_path, lambda: journal.failure)
    yield server
    disk.works.set()
    server.stop()


class Call:
    """A request in a thread of its own; `status` waits for the response."""

    def __init__(self, server: LocalServer, method: str, name: str) -> None:
        self._connection = HTTPConnection(HOST, server.port, timeout=SECONDS)
        self._connection.request(method, f"/api/items/{name}")

    @property
    def has_response(self) -> bool:
        self._connection.sock.setblocking(False)
        try:
            return bool(self._connection.sock.recv(1, 2))  # MSG_PEEK
        except BlockingIOError:
            return False
        finally:
            self._connection.sock.settimeout(SECONDS)

    @property
    def status(self) -> int:
        response = self._connection.getresponse()
        response.read()
        self._connection.close()
        return response.status


def test_a_response_waits_for_its_own_writes_and_delays_no_other(server, journal, disk):
    disk.works.clear()
    put = Call(server, "PUT", "a")
    assert Call(server, "GET", "b").status == 200  # rests on nothing that is not on disk
    read = Call(server, "GET", "a")
    assert Call(server, "GET", "b").status == 200  # so both others were handled before
    assert not put.has_response
    assert not read.has_response  # what it read may still be lost
    disk.works.set()
    assert (put.status, read.status) == (200, 200)
    assert journal.durable == journal.last


def test_more_requests_than_threads_wait_for_the_disk_together(server, disk):
    disk.works.clear()
    puts = [Call(server, "PUT", str(number)) for number in range(100)]
    assert Call(server, "GET", "b").status == 200
    disk.works.set()
    assert {put.status for put in puts} == {200}


def test_responses_whose_writes_failed_say_so(server, journal, disk):
    disk.works.clear()
    put = Call(server, "PUT", "a")
    assert Call(server, "GET", "b").status == 200
    disk.is_full = True
    disk.works.set()
    assert put.status == 503
    assert "No space left" in journal.failure
    assert Call(server, "GET", "a").status >= 500  # it is in memory, but not on disk


def test_a_stop_waits_for_the_disk(server, journal, disk):
    disk.works.clear()
    put = Call(server, "PUT", "a")
    assert Call(server, "GET", "b").status == 200
    stop = threading.Thread(target=server.stop)
    stop.start()
    disk.works.set()
    assert put.status == 200
    stop.join(SECONDS)
    assert not stop.is_alive()
