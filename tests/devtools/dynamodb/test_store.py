"""The store: snapshots, durable reads, size, and failures of its journal."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from botocore.exceptions import ClientError

from bench.store import put_items
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table, item_ids, put


def test_snapshots_keep_the_journal_short(clients, tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.dynamodb.store.SNAPSHOT_BYTES", 20_000)
    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        create_table(client)
        for number in range(300):
            put(client, str(number % 10), filling="x" * 1000)
        assert store._journal.size < 100_000
        for thread in [store._snapshot_thread] if store._snapshot_thread else []:
            thread.join()
        assert store._journal._header.generation > 1
    with attached_client(open_store(tmp_path), clients) as client:
        assert len(item_ids(client)) == 10


def test_a_long_journal_is_replaced_by_a_snapshot_at_the_start(clients, tmp_path, monkeypatch):
    with attached_client(open_store(tmp_path), clients) as client:
        create_table(client)
        put(client, "1", filling="x" * 1000)
    monkeypatch.setattr("devtools.dynamodb.store.SNAPSHOT_AT_START_BYTES", 1000)
    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        assert store._journal.size == 0
        assert item_ids(client) == {"1"}
    with attached_client(open_store(tmp_path), clients) as client:
        assert item_ids(client) == {"1"}


@pytest.mark.slow
def test_a_hundred_thousand_items(tmp_path):
    """bench/store.py measures the time."""
    with open_store(tmp_path) as store:
        put_items(store, 100_000)
    with open_store(tmp_path) as store:
        assert len(store.engine) == 100_000


def test_nothing_is_read_before_it_is_on_disk(clients, tmp_path):
    """A crash must not undo what a caller has read. Reads of other items do not wait."""
    store = open_store(tmp_path)
    things = {"TableName": "things", "ConsistentRead": True}
    with attached_client(store, clients) as client, ThreadPoolExecutor() as pool:
        create_table(client)
        put(client, "other")
        with store._journal._disk_lock:
            write = pool.submit(put, client, "new")
            while store._journal.last == store._journal.durable and not write.done():
                pass
            assert client.get_item(**things, Key={"id": {"S": "other"}})["Item"]
            waiting = [write, pool.submit(client.get_item, **things, Key={"id": {"S": "new"}}), pool.submit(client.scan, **things)]
            assert wait(waiting, timeout=0.2).done == set()
        assert waiting[1].result()["Item"] == {"id": {"S": "new"}}
        assert waiting[2].result()["Count"] == 2


def test_changes_are_tracked_until_they_are_on_disk(clients, tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.dynamodb.store.MAX_TRACKED_CHANGES", 10)
    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        create_table(client)
        for number in range(50):
            put(client, str(number))
        assert len(store._last_changes) <= 11


TABLE = {"TableName": "things"}


def test_two_stores_share_nothing(clients):
    with attached_client(open_store(), clients) as client:
        create_table(client)
        put(client, "1")
    with attached_client(open_store(), clients) as client:
        create_table(client)
        assert client.scan(**TABLE)["Count"] == 0


def test_a_change_that_cannot_be_journaled_stops_the_store(clients, tmp_path, monkeypatch):
    store = open_store(tmp_path)
    with attached_client(store, clients) as client:
        create_table(client)
        monkeypatch.setattr(store._checksum, "add", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            put(client, "1")
        with pytest.raises(ClientError, match="cannot write its journal"):
            client.scan(**TABLE)
    with attached_client(open_store(tmp_path), clients) as client:
        assert client.scan(**TABLE)["Count"] == 0
