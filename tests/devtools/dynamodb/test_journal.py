"""The journal when it cannot be written."""

import sqlite3

import pytest

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
