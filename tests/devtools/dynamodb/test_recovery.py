"""Recovery from damaged files: the store opens with its complete contents or refuses to open. It never opens with less."""

import random
import shutil
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from devtools.dynamodb.changes import encoder
from devtools.dynamodb.errors import StoreDamaged, StoreTooNew
from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb import write_load

FILES = ("store.sqlite", "store.sqlite-wal", "store.witness")


FLIPS = 60  # of each file


def contents(store) -> bytes:
    return encoder.encode(sorted(encoder.encode(change) for change in store.engine.dump_state()))


def copy_folder(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*-shm"))


def digests(folder: Path) -> dict[str, str]:
    """Digests of the files. Empty files are left out: SQLite may have made an empty log."""
    found = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    return {name: sha256(content).hexdigest() for name, content in found.items() if content}


@pytest.fixture(scope="module")
def killed_store(tmp_path_factory) -> tuple[Path, bytes]:
    """The files of a killed process, and the contents of its store: a snapshot, later commits in the file, and more in SQLite's log."""
    folder = tmp_path_factory.mktemp("killed")
    with open_store(folder / "live") as store:
        write_load.create_tables(store)
        for first in range(0, 1200, 25):
            old = [{"PutRequest": {"Item": {"id": {"S": f"old-{number}"}}}} for number in range(first, first + 25)]
            write_load.call(store, "BatchWriteItem", RequestItems={"left": old})
        store.write_snapshot()
        for number in range(20):
            write_load.call(store, "PutItem", TableName="puts", Item={"id": {"S": f"new-{number}"}, "filling": {"S": "y" * 300}})
    with open_store(folder / "live") as store:
        for number in range(20):
            write_load.call(store, "PutItem", TableName="puts", Item={"id": {"S": f"last-{number}"}, "filling": {"S": "z" * 300}})
        return copy_folder(folder / "live", folder / "killed"), contents(store)


def opens_whole(folder: Path, expected: bytes) -> bool:
    """Whether the store opens, with the expected contents. If it refuses, the message gives advice and the files are unchanged."""
    before = digests(folder)
    try:
        store = open_store(folder)
    except (StoreDamaged, StoreTooNew) as damage:
        gives_advice = "RESET=1" in str(damage) or "Use the program" in str(damage)
    else:
        with store:
            assert contents(store) == expected
        return True
    assert gives_advice
    assert digests(folder) == before
    return False


def test_undamaged_files(killed_store, tmp_path):
    folder, expected = killed_store
    assert opens_whole(copy_folder(folder, tmp_path / "copy"), expected)
    assert opens_whole(tmp_path / "copy", expected)


@pytest.mark.parametrize("name", FILES)
def test_flipped_bits(killed_store, tmp_path, name):
    folder, expected = killed_store
    chance = random.Random(name)
    size = (folder / name).stat().st_size
    detected = 0
    for position in sorted(chance.sample(range(size), min(FLIPS, size))):
        copy = copy_folder(folder, tmp_path / "copy")
        content = bytearray((copy / name).read_bytes())
        content[position] ^= 1 << chance.randrange(8)
        (copy / name).write_bytes(content)
        detected += not opens_whole(copy, expected)
    assert detected > 0 or name == "store.witness"  # which has two slots


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.5, 0.9, 0.99])
def test_truncated_files(killed_store, tmp_path, name, keep):
    folder, expected = killed_store
    copy = copy_folder(folder, tmp_path / "copy")
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * keep)])
    whole = opens_whole(copy, expected)
    assert not whole or (name == "store.sqlite" and keep == 0.99)  # its last pages are also in the log


@pytest.mark.parametrize("name", FILES)
def test_missing_files(killed_store, tmp_path, name):
    folder, expected = killed_store
    copy = copy_folder(folder, tmp_path / "copy")
    (copy / name).unlink()
    assert not opens_whole(copy, expected)


@pytest.mark.parametrize(
    "statement",
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
def test_changed_databases(killed_store, tmp_path, statement):
    folder, expected = killed_store
    copy = copy_folder(folder, tmp_path / "copy")
    with sqlite3.connect(copy / "store.sqlite", isolation_level=None) as connection:
        connection.execute(statement)
    connection.close()
    assert not opens_whole(copy, expected)


def test_an_older_copy_of_the_database_is_refused(killed_store, tmp_path):
    """An old copy of the database is put beside the present high-water mark."""
    folder, expected = killed_store
    older = copy_folder(folder, tmp_path / "older")
    current = copy_folder(folder, tmp_path / "current")
    with open_store(current) as store:
        write_load.call(store, "PutItem", TableName="puts", Item={"id": {"S": "one more"}})
    for name in FILES[:2]:
        (current / name).unlink(missing_ok=True)
        shutil.copy(older / name, current / name)
    assert not opens_whole(current, expected)


def test_a_later_format_is_refused(killed_store, tmp_path):
    copy = copy_folder(killed_store[0], tmp_path / "copy")
    with sqlite3.connect(copy / "store.sqlite", isolation_level=None) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(StoreTooNew, match="format 2"):
        open_store(copy)


def test_a_crash_while_the_store_is_created(tmp_path, monkeypatch):
    monkeypatch.setattr("devtools.dynamodb.recovery.create_journal_file", lambda file: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path)
    monkeypatch.undo()
    with open_store(tmp_path) as store:
        write_load.create_tables(store)
