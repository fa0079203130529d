"""State, durability and conflicts: what the engine promises to the journal and to callers from many threads."""

import threading

import pytest

from devtools.dynamodb.engine import ApiError, Engine
from devtools.dynamodb.streams import RECORD_SECONDS
from tests.devtools.dynamodb.conftest import Caller, update_request


class Disk:
    """Commits that become durable when the test says so."""

    def __init__(self) -> None:
        self.commits: list[list] = []
        self.durable = threading.Event()
        self.durable.set()
        self.waiting = threading.Semaphore(0)

    def commit(self, records):
        self.commits.append(list(records))

        def wait():
            if not self.durable.is_set():
                self.waiting.release()
            assert self.durable.wait(60)

        return wait


@pytest.fixture
def disk(engine):
    disk = Disk()
    engine.commit = disk.commit
    return disk


def busy(db: Caller) -> None:
    """Use every kind of record."""
    for number in range(20):
        db.put({"id": str(number), "n": number})
        db.put({"id": "a", "at": number}, "lines")
    db.update("1", "SET n = :n", n=100)
    db.delete("2")
    put = {"Put": {"TableName": "things", "Item": {"id": {"S": "t"}}}}
    db.engine.call("TransactWriteItems", {"TransactItems": [put], "ClientRequestToken": "token"})
    db.engine.call("UpdateTimeToLive", {"TableName": "things", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"}})
    db.create_table("gone")
    db.put({"id": "a"}, "gone")
    db.engine.call("DeleteTable", {"TableName": "gone"})
    db.engine.save_stream_position("consumer", db.engine.stream_arns()["things"], "")


def state(engine: Engine):
    return (
        {name: (table.definition, table.items) for name, table in engine.tables.items()},
        {arn: (stream.definition, stream.records, stream.processed) for arn, stream in engine.streams.items()},
        {token: (known.digest, known.at) for token, known in engine.tokens.items()},
        engine.positions,
        engine.sequence,
    )


def test_committed_records_rebuild_the_state(disk, db, clock):
    busy(db)
    rebuilt = Engine(clock)
    for records in disk.commits:
        rebuilt.apply(records)
    assert state(rebuilt) == state(db.engine)
    assert Caller(rebuilt).pages("Scan", {"TableName": "lines"}) == db.pages("Scan", {"TableName": "lines"})


def test_a_dump_rebuilds_the_state(db, clock):
    busy(db)
    mark, records = db.engine.dump(lambda: "mark")
    rebuilt = Engine(clock)
    rebuilt.apply(records)
    assert (mark, state(rebuilt)) == ("mark", state(db.engine))


def test_a_write_that_changes_nothing_is_not_committed(disk, db):
    db.put({"id": "a", "tags": {"x", "y"}})
    count = len(disk.commits)
    db.put({"tags": {"y", "x"}, "id": "a"})
    db.update("a", "REMOVE absent")
    assert len(disk.commits) == count


def test_a_failed_commit_changes_nothing(db):
    def fail(_):
        raise OSError("the disk is full")

    db.put({"id": "a", "n": 1})
    db.engine.commit = fail
    with pytest.raises(OSError, match="full"):
        db.put({"id": "a", "n": 2})
    assert db.get("a") == {"id": "a", "n": 1}
    assert len(db.records()) == 1


def in_thread(call):
    """The thread, and the list that will have the result or the error's code."""
    results = []

    def run():
        try:
            results.append(call())
        except ApiError as error:
            results.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


READS = {
    "get": lambda db: db.get("a"),
    "scan": lambda db: db.pages("Scan", {"TableName": "things"}),
    "failed condition": lambda db: db.put({"id": "a"}, ConditionExpression="attribute_not_exists(id)"),
    "records": lambda db: db.records(),
}


@pytest.mark.parametrize("read", READS)
def test_readers_wait_until_what_they_read_is_durable(disk, db, read):
    disk.durable.clear()
    writer, _ = in_thread(lambda: db.put({"id": "a"}))
    assert disk.waiting.acquire(timeout=60)
    reader, results = in_thread(lambda: READS[read](db))
    assert disk.waiting.acquire(timeout=60)
    assert results == []
    disk.durable.set()
    writer.join(60)
    reader.join(60)
    assert len(results) == 1


def test_other_items_are_read_meanwhile(disk, db):
    db.put({"id": "b"})
    disk.durable.clear()
    writer, _ = in_thread(lambda: db.put({"id": "a"}))
    assert disk.waiting.acquire(timeout=60)
    assert db.get("b") == {"id": "b"}
    disk.durable.set()
    writer.join(60)


def transaction(token=None):
    update = {"TransactItems": [{"Update": update_request("a", "ADD n :one", one=1)}]}
    return {**update, **({"ClientRequestToken": token} if token else {})}


def test_conflicts_with_a_transaction_under_way(disk, db):
    disk.durable.clear()
    first, results = in_thread(lambda: db.engine.call("TransactWriteItems", transaction("token")))
    assert disk.waiting.acquire(timeout=60)
    assert db.error("PutItem", TableName="things", Item={"id": {"S": "a"}}) == "TransactionConflictException"
    for operation, request in (
        ("TransactWriteItems", transaction("other")),
        ("TransactGetItems", {"TransactItems": [{"Get": {"TableName": "things", "Key": {"id": {"S": "a"}}}}]}),
    ):
        with pytest.raises(ApiError) as caught:
            db.engine.call(operation, request)
        assert [reason["Code"] for reason in caught.value.members["CancellationReasons"]] == ["TransactionConflict"]
    assert db.error("TransactWriteItems", **transaction("token")) == "TransactionInProgressException"
    disk.durable.set()
    first.join(60)
    assert results == [{}]
    db.engine.call("TransactWriteItems", transaction("token"))
    assert db.get("a") == {"id": "a", "n": 1}


def test_without_conflicts_transactions_take_turns(disk, db):
    db.engine.has_conflicts = False
    disk.durable.clear()
    threads = [in_thread(lambda: db.engine.call("TransactWriteItems", transaction()))[0] for _ in range(3)]
    for _ in threads:
        assert disk.waiting.acquire(timeout=60)
    disk.durable.set()
    for thread in threads:
        thread.join(60)
    assert db.get("a") == {"id": "a", "n": 3}


def test_expired_items(db, clock):
    db.engine.call("UpdateTimeToLive", {"TableName": "things", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ttl"}})
    for key, seconds in (("old", -1), ("new", 60), ("ancient", -6 * 365 * RECORD_SECONDS)):
        db.put({"id": key, "ttl": int(clock.now) + seconds})
    db.put({"id": "text", "ttl": "1"})
    assert db.engine.delete_expired() == 1
    assert [db.get(key) is None for key in ("old", "new", "ancient", "text")] == [True, False, False, False]
    assert db.records()[-1]["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    clock.now += 61
    assert db.engine.delete_expired() == 1


def test_unknown_operations(engine):
    for operation in ("ExecuteStatement", "Nonsense"):
        with pytest.raises(ApiError) as caught:
            engine.call(operation, {})
        assert caught.value.code == "UnknownOperationException"
