"""Folders of the engine before this one. `former_store.sql` was made with it, at commit 586d679."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import StoreDamaged, open_journal
from infra.local.former_store import read_former_store

SQL = Path(__file__).with_name("former_store.sql")
SLOTS = (
    "0f000000000000004598fa80d76807e3a8a73abfe3b8ae95959ae74b29cff783",
    "0e000000000000001b47dd1e254f55de0080d1e3a00f893258c4e3fda6f0a18d",
)


@pytest.fixture
def former(tmp_path) -> Path:
    """A folder with a snapshot and entries after it."""
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.executescript(SQL.read_text())
    connection.close()
    (tmp_path / "store.witness").write_bytes(b"".join(bytes.fromhex(slot).ljust(64, b"\0") for slot in SLOTS))
    return tmp_path


def opened(folder: Path) -> Engine:
    engine = Engine(clock=lambda: 1_780_000_001.0)
    open_journal(folder, engine, read_former_store).close()
    engine.commit = None
    return engine


def items(engine: Engine, table: str, **more) -> list[dict]:
    found = engine.call("Scan", {"TableName": table, **more})["Items"]
    return sorted(found, key=lambda item: (item["id"]["S"], float(item.get("number", {"N": "0"})["N"])))


def test_a_folder_is_converted_once_with_a_word_about_it(former, caplog):
    opened(former)
    assert "is converted" in caplog.text
    caplog.clear()
    (former / "store.sqlite").unlink()
    engine = opened(former)
    assert not caplog.text
    data = {"data": {"B": "AAEC"}, "size": {"N": "1.5"}, "list": {"L": [{"M": {"a": {"NULL": True}}}]}}
    assert items(engine, "things") == [
        {"id": {"S": "0"}, "owner": {"S": "ann"}, **data},
        {"id": {"S": "1"}, "owner": {"S": "bob"}, **data},
    ]
    assert [item["number"]["N"] for item in items(engine, "lines")] == ["1", "2", "10", "7"]
    assert [item["id"]["S"] for item in items(engine, "things", IndexName="owners")] == ["0", "1"]
    assert engine.call("ListTables", {}) == {"TableNames": ["lines", "things"]}


def test_settings_and_streams_are_converted(former):
    engine = opened(former)
    table = engine.call("DescribeTable", {"TableName": "things"})["Table"]
    assert engine.call("ListTagsOfResource", {"ResourceArn": table["TableArn"]})["Tags"] == [{"Key": "team", "Value": "sales"}]
    assert engine.call("DescribeTimeToLive", {"TableName": "things"})["TimeToLiveDescription"]["AttributeName"] == "ttl"
    assert engine.stream_arns() == {"things": table["LatestStreamArn"]}
    assert engine.positions["mails"] == (table["LatestStreamArn"], "100000000000000000002")
    records = engine.stream_records(*engine.positions["mails"], 10)
    assert [(record["eventName"], record["dynamodb"]["Keys"]["id"]["S"]) for record in records] == [
        ("INSERT", "2"),
        ("MODIFY", "1"),
        ("REMOVE", "2"),
    ]
    assert records[1]["dynamodb"]["OldImage"]["owner"] == {"S": "ann"}
    engine.call("PutItem", {"TableName": "things", "Item": {"id": {"S": "3"}}})
    sequences = [record["dynamodb"]["SequenceNumber"] for record in engine.stream_records(table["LatestStreamArn"], "", 10)]
    assert sequences == [str(10**20 + number) for number in range(1, 7)]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM journal WHERE first = 15",
        "DELETE FROM journal WHERE first = 12",
        "UPDATE journal SET entries = zeroblob(length(entries)) WHERE first = 13",
        "UPDATE snapshot SET effects = zeroblob(length(effects))",
        "DELETE FROM snapshot",
        "DELETE FROM head",
        "DROP TABLE journal",
    ],
)
def test_a_damaged_folder_is_refused_until_it_is_whole_again(former, statement):
    whole = (former / "store.sqlite").read_bytes()
    with sqlite3.connect(former / "store.sqlite") as connection:
        connection.execute(statement)
    connection.close()
    for _ in range(2):
        with pytest.raises(StoreDamaged, match=r"store\.sqlite is damaged"):
            opened(former)
    (former / "store.sqlite").write_bytes(whole)
    assert len(items(opened(former), "things")) == 2


@pytest.mark.parametrize("content", [b"", b"\0" * 128])
def test_a_damaged_witness_is_refused(former, content):
    (former / "store.witness").write_bytes(content)
    with pytest.raises(StoreDamaged, match="is damaged"):
        opened(former)


def test_the_server_of_the_engine_refuses_a_folder(former):
    command = [sys.executable, "-m", "devtools.dynamodb", "--folder", str(former), "--port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert refused.returncode == 1
    assert f"cannot be served: An earlier version wrote the store in {former}, in the file store.sqlite." in refused.stderr
    assert sorted(file.name for file in former.iterdir()) == ["store.lock", "store.sqlite", "store.witness"]
    assert len(items(opened(former), "things")) == 2
