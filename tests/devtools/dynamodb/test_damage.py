"""Whatever happens to the files: the store is as it was, or it says that it is not. It never opens with less."""

import random
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from devtools.dynamodb.changes import encoder
from devtools.dynamodb.errors import StoreDamaged, StoreFailed, StoreInUse, StoreTooNew
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb import storm

FILES = ("store.sqlite", "store.sqlite-wal", "store.witness")
FLIPS = 60  # of each file


def contents(store) -> bytes:
    return encoder.encode(sorted(encoder.encode(change) for change in store.engine.dump_state()))


def copy_of(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*-shm"))


def digests(folder: Path) -> dict[str, str]:
    """SQLite may have made an empty log, which says nothing."""
    found = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    return {name: sha256(content).hexdigest() for name, content in found.items() if content}


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, bytes]:
    """The files of a process that was killed: a snapshot, commits behind it in the file, more of them in SQLite's log."""
    folder = tmp_path_factory.mktemp("killed")
    with open_store(folder / "live") as store:
        storm.make_tables(store)
        for first in range(0, 1200, 25):
            old = [{"PutRequest": {"Item": {"id": {"S": f"old-{number}"}}}} for number in range(first, first + 25)]
            storm.call(store, "BatchWriteItem", RequestItems={"left": old})
        store.write_snapshot()
        for number in range(20):
            storm.call(store, "PutItem", TableName="puts", Item={"id": {"S": f"new-{number}"}, "filling": {"S": "y" * 300}})
    with open_store(folder / "live") as store:
        for number in range(20):
            storm.call(store, "PutItem", TableName="puts", Item={"id": {"S": f"last-{number}"}, "filling": {"S": "z" * 300}})
        return copy_of(folder / "live", folder / "killed"), contents(store)


def is_whole(folder: Path, expected: bytes) -> bool:
    """False when it says that it is not; then it has changed nothing, so that it can be looked at."""
    before = digests(folder)
    try:
        store = open_store(folder)
    except (StoreDamaged, StoreTooNew) as damage:
        says_what_to_do = "RESET=1" in str(damage) or "Use the program" in str(damage)
    else:
        with store:
            assert contents(store) == expected
        return True
    assert says_what_to_do
    assert digests(folder) == before
    return False


def test_without_damage_it_is_whole(killed, tmp_path):
    folder, expected = killed
    assert is_whole(copy_of(folder, tmp_path / "copy"), expected)
    assert is_whole(tmp_path / "copy", expected)


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits(killed, tmp_path, name):
    folder, expected = killed
    chance = random.Random(name)
    size = (folder / name).stat().st_size
    found = 0
    for position in sorted(chance.sample(range(size), min(FLIPS, size))):
        copy = copy_of(folder, tmp_path / "copy")
        content = bytearray((copy / name).read_bytes())
        content[position] ^= 1 << chance.randrange(8)
        (copy / name).write_bytes(content)
        found += not is_whole(copy, expected)
    assert found > 0 or name == "store.witness"  # it has two copies of what it says


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.5, 0.9, 0.99])
def test_truncated_files(killed, tmp_path, name, keep):
    folder, expected = killed
    copy = copy_of(folder, tmp_path / "copy")
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * keep)])
    whole = is_whole(copy, expected)
    assert not whole or (name == "store.sqlite" and keep == 0.99)  # its last pages are in the log too


@pytest.mark.parametrize("name", FILES)
def test_missing_files(killed, tmp_path, name):
    folder, expected = killed
    copy = copy_of(folder, tmp_path / "copy")
    (copy / name).unlink()
    assert not is_whole(copy, expected)


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM journal WHERE first = (SELECT max(first) FROM journal)",
        "DELETE FROM journal WHERE first = (SELECT min(first) FROM journal)",
        "UPDATE journal SET entries = zeroblob(length(entries)) WHERE first = (SELECT max(first) FROM journal)",
        "DELETE FROM snapshot WHERE part = 2",
        "DELETE FROM snapshot WHERE part = 0",
        "UPDATE head SET head = zeroblob(length(head))",
        "DELETE FROM head",
        "DROP TABLE journal",
        "PRAGMA application_id = 0",
        "PRAGMA user_version = 0",
    ],
)
def test_changed_by_hand(killed, tmp_path, harm):
    folder, expected = killed
    copy = copy_of(folder, tmp_path / "copy")
    with sqlite3.connect(copy / "store.sqlite", isolation_level=None) as connection:
        connection.execute(harm)
    connection.close()
    assert not is_whole(copy, expected)


def test_a_snapshot_from_before_is_noticed(killed, tmp_path):
    """Somebody puts an old copy of the database beside the present witness."""
    folder, expected = killed
    older = copy_of(folder, tmp_path / "older")
    current = copy_of(folder, tmp_path / "current")
    with open_store(current) as store:
        storm.call(store, "PutItem", TableName="puts", Item={"id": {"S": "one more"}})
    for name in FILES[:2]:
        (current / name).unlink(missing_ok=True)
        shutil.copy(older / name, current / name)
    assert not is_whole(current, expected)


def test_a_later_format(killed, tmp_path):
    copy = copy_of(killed[0], tmp_path / "copy")
    with sqlite3.connect(copy / "store.sqlite", isolation_level=None) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreTooNew, match="format 2"):
        open_store(copy)


def test_a_crash_while_the_store_was_made(tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.dynamodb.recovery.create_journal_file", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path)
    monkeypatch.undo()
    with open_store(tmp_path) as store:
        storm.make_tables(store)


def test_a_second_opener_is_refused(tmp_path):
    with open_store(tmp_path), pytest.raises(StoreInUse, match="in use by process"):
        open_store(tmp_path)
    open_store(tmp_path).close()


class Full:
    """A connection to a disk without room."""

    def __init__(self, connection) -> None:
        self._connection = connection

    def execute(self, *_):
        raise sqlite3.OperationalError("database or disk is full")

    def close(self):
        self._connection.close()


def test_a_full_disk_ends_the_store_and_loses_nothing_acknowledged(tmp_path):
    store = open_store(tmp_path)
    storm.make_tables(store)
    storm.call(store, "PutItem", TableName="left", Item={"id": {"S": "safe"}})
    store._journal._connection = Full(store._journal._connection)
    with pytest.raises(StoreFailed, match="disk is full"):
        storm.call(store, "PutItem", TableName="left", Item={"id": {"S": "lost"}})
    with pytest.raises(StoreFailed, match="Free some disk space"):
        storm.call(store, "GetItem", TableName="left", Key={"id": {"S": "lost"}})
    store.close()
    with open_store(tmp_path) as again:
        assert "Item" in storm.call(again, "GetItem", TableName="left", Key={"id": {"S": "safe"}})
        assert "Item" not in storm.call(again, "GetItem", TableName="left", Key={"id": {"S": "lost"}})
