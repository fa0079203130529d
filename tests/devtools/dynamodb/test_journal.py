"""The journal: commits that threads share, and what happens when it cannot be written."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.dynamodb import journal
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb import write_load


class FullDisk:
    """A connection to a database on a full disk."""

    def __init__(self, connection) -> None:
        self._connection = connection

    def execute(self, *_):
        raise sqlite3.OperationalError("database or disk is full")

    def close(self):
        self._connection.close()


class Threads:
    """The pool's threads share commits, others do not. `waiting` counts how often one began to wait.

    With `holds_back`, they do not wait: `held` has the entries that their answers need, and `releases` counts commits.
    """

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.releases = threading.Semaphore(0)
        self.holds_back = False
        self.held: list[int] = []

    def hold_back(self, entry: int) -> bool:
        if self.holds_back and threading.current_thread().name.startswith("sharing"):
            self.held.append(entry)
            return True
        return False

    def release(self) -> None:
        self.releases.release()

    def new_event(self) -> threading.Event | None:
        if not threading.current_thread().name.startswith("sharing"):
            return None
        threads = self

        class Event(threading.Event):
            def wait(self, timeout=None):
                threads.waiting.release()
                return super().wait(timeout)

        return Event()


@pytest.fixture
def shared(tmp_path: Path) -> Iterator:
    """Return a store, its journal's commit function, and a function that puts three items from three threads at once."""
    with open_store(tmp_path) as store, ThreadPoolExecutor(3, thread_name_prefix="sharing") as pool:
        write_load.create_tables(store)
        threads = Threads()
        commit = store.share_commits(threads).commit

        def put_three() -> list:
            puts = [pool.submit(write_load.call, store, "PutItem", TableName="left", Item={"id": {"S": key}}) for key in "abc"]
            for _ in puts:
                assert threads.waiting.acquire(timeout=60)
            return puts

        yield store, commit, put_three


def commits(store) -> int:
    with sqlite3.connect(f"file:{store._journal._connection.execute('PRAGMA database_list').fetchone()[2]}?mode=ro", uri=True) as reader:
        return reader.execute("SELECT count(*) FROM journal").fetchone()[0]


def test_writes_of_several_threads_are_one_commit(shared, monkeypatch):
    monkeypatch.setattr(journal, "MAX_DELAY_SECONDS", 3600)
    store, commit, put_three = shared
    before, puts = commits(store), put_three()
    commit(only_if_late=True)
    assert not any(put.done() for put in puts)
    commit()
    assert [put.result(30) for put in puts] == [{}, {}, {}]
    assert commits(store) == before + 1


def test_entries_that_wait_for_too_long_are_committed(shared, monkeypatch):
    monkeypatch.setattr(journal, "MAX_DELAY_SECONDS", 3600)
    _, commit, put_three = shared
    puts = put_three()
    monkeypatch.setattr(journal, "MAX_DELAY_SECONDS", 0)
    commit(only_if_late=True)
    assert [put.result(30) for put in puts] == [{}, {}, {}]


def test_other_threads_do_not_wait_for_those_that_share_commits(shared, monkeypatch):
    monkeypatch.setattr(journal, "MAX_DELAY_SECONDS", 3600)
    store, _, put_three = shared
    puts = put_three()
    write_load.call(store, "PutItem", TableName="left", Item={"id": {"S": "own"}})
    assert [put.result(30) for put in puts] == [{}, {}, {}]


def test_threads_with_held_answers_continue_before_the_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "MAX_DELAY_SECONDS", 3600)
    with open_store(tmp_path) as store, ThreadPoolExecutor(1, thread_name_prefix="sharing") as pool:
        write_load.create_tables(store)
        threads = Threads()
        threads.holds_back = True
        shared = store.share_commits(threads)
        before = shared.durable

        def call(operation: str, **request) -> dict:
            return pool.submit(write_load.call, store, operation, TableName="left", **request).result(30)

        for key in "ab":
            call("PutItem", Item={"id": {"S": key}})
        assert shared.durable == before
        assert call("GetItem", Key={"id": {"S": "a"}})["Item"] == {"id": {"S": "a"}}
        assert threads.held == [before + 1, before + 2, before + 1]  # the read rests on the first put alone
        call("Scan")
        assert threads.held[-1] == before + 2
        shared.commit()
        assert threads.releases.acquire(timeout=60)
        assert shared.durable == before + 2
        call("GetItem", Key={"id": {"S": "a"}})
        assert len(threads.held) == 4  # what is on disk holds nothing back


def test_a_full_disk_stops_the_store_and_loses_nothing_acknowledged(tmp_path):
    store = open_store(tmp_path)
    write_load.create_tables(store)
    write_load.call(store, "PutItem", TableName="left", Item={"id": {"S": "safe"}})
    store._journal._connection = FullDisk(store._journal._connection)
    with pytest.raises(StoreFailed, match="disk is full"):
        write_load.call(store, "PutItem", TableName="left", Item={"id": {"S": "lost"}})
    with pytest.raises(StoreFailed, match="Free some disk space"):
        write_load.call(store, "GetItem", TableName="left", Key={"id": {"S": "lost"}})
    store.close()
    with open_store(tmp_path) as again:
        assert "Item" in write_load.call(again, "GetItem", TableName="left", Key={"id": {"S": "safe"}})
        assert "Item" not in write_load.call(again, "GetItem", TableName="left", Key={"id": {"S": "lost"}})
