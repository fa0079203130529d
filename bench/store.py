"""The local store: microseconds per operation on the bare engine, through boto3, with the journal and beside moto; and its start.

`python -m bench.store` prints them alone.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.measure import Measure
from devtools.dynamodb.store import DYNAMODB, Store, open_store
from devtools.dynamodb.transport import in_process_transport

ITEMS = 100
ROUNDS = 7
SECONDS = 0.4  # of each round
THREADS = 16
BIG = 100_000
MOTO = "moto"
MIX = "2 gets, 2 updates, 1 transaction"
JOURNAL_GOAL = 1 / 0.7  # it costs less than 30 % of the operations/s

_HOLDS = {"M": {f"h{number}": {"L": [{"N": "2"}, {"N": "1780000000"}]} for number in range(10)}}
_unique = itertools.count()

Call = Callable[[], Any]


def measure(scratch: Path) -> Iterator[Measure]:
    floors = _moto()
    client = _client()
    for name, figure in floors.items():
        yield _measure(f"{name}, moto in process", figure)
    with open_store() as memory, open_store(scratch / "journaled") as disk:
        requests = _requests()
        for store in (memory, disk):
            _prepare(store, requests["tables"])
        engine = {name: _bare(memory, operation, arguments) for name, (operation, arguments) in requests["calls"].items()}
        for name, figure in _rounds(engine).items():
            yield _measure(f"{name}, bare engine", figure, (MOTO, floors[name]))
        for threads in (1, THREADS):
            yield from _journal_beside_memory(client, memory, disk, requests["calls"], threads, floors)
    yield from _start(scratch / "big")


def _journal_beside_memory(
    client: Any, memory: Store, disk: Store, calls: Any, threads: int, floors: dict[str, float]
) -> Iterator[Measure]:
    ways = {name: _through(client, operation, arguments) for name, (operation, arguments) in calls.items()}
    ways[MIX] = _mix(ways)
    for name, call in ways.items():
        best = {"memory": float("inf"), "journal": float("inf")}
        for _ in range(ROUNDS):  # in turns: what else the machine does meets both
            for kind, store in (("memory", memory), ("journal", disk)):
                with in_process_transport(store, client):
                    best[kind] = min(best[kind], _time(threads, call))
        yield _measure(
            f"{name}, boto3, {threads} threads", best["memory"], (MOTO, floors[name]) if threads == 1 and name in floors else None
        )
        goal = JOURNAL_GOAL if threads > 1 and name == MIX else None
        yield _measure(f"{name}, boto3, journal, {threads} threads", best["journal"], ("in memory", best["memory"]), goal)


def _measure(name: str, figure: float, floor: tuple[str, float] | None = None, goal: float | None = None) -> Measure:
    return Measure(name, figure * 1e6, "µs", (floor[0], floor[1] * 1e6) if floor else None, goal, f"{1 / figure:,.0f}/s")


def _rounds(calls: dict[str, Call]) -> dict[str, float]:
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name], _time(1, call))
    return best


def _time(threads: int, call: Call) -> float:
    """Seconds per call while that many threads call."""
    end = time.perf_counter() + SECONDS
    made = [0] * threads

    def work(number: int) -> None:
        while time.perf_counter() < end:
            call()
            made[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.perf_counter() - start) / sum(made)


def _requests() -> dict[str, Any]:
    """The calls, as functions that make the arguments of the next one."""

    def key() -> dict[str, Any]:
        return {"TableName": "bench", "Key": {"id": {"S": f"shard-{next(_unique) % ITEMS}"}}}

    def update() -> dict[str, Any]:
        values = {":q": {"N": "1"}, ":zero": {"N": "0"}, ":hold": {"L": [{"N": "1"}, {"N": "1780000000"}]}}
        return {
            **key(),
            "UpdateExpression": "SET available = available - :q, holds.#h = :hold, version = version + :q",
            "ConditionExpression": "available >= :zero AND attribute_exists(id)",
            "ExpressionAttributeNames": {"#h": "h1"},
            "ExpressionAttributeValues": values,
        }

    def transaction() -> dict[str, Any]:
        puts = [{"TableName": "bench", "Item": {"id": {"S": f"p-{next(_unique)}"}, "a": {"S": "x" * 200}}} for _ in range(2)]
        count = {**key(), "UpdateExpression": "ADD made :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
        conditional = [{"Put": {**put, "ConditionExpression": "attribute_not_exists(id)"}} for put in puts]
        return {"TransactItems": [*conditional, {"Update": count}]}

    calls = {
        "get": ("GetItem", lambda: {**key(), "ConsistentRead": True}),
        "conditional update": ("UpdateItem", update),
        "3-item transaction": ("TransactWriteItems", transaction),
    }
    schema = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    table = {"TableName": "bench", **schema, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
    return {"calls": calls, "tables": [("CreateTable", table), *(("PutItem", _item(number)) for number in range(ITEMS))]}


def _item(number: int) -> dict[str, Any]:
    amounts = {"available": {"N": "100000000"}, "version": {"N": "0"}, "holds": _HOLDS}
    return {"TableName": "bench", "Item": {"id": {"S": f"shard-{number}"}, **amounts}}


def _prepare(store: Store, requests: list[tuple[str, dict[str, Any]]]) -> None:
    for operation, arguments in requests:
        assert store.call(DYNAMODB, operation, msgspec.json.encode(arguments))[0] == 200


def _bare(store: Store, operation: str, arguments: Callable[[], dict[str, Any]]) -> Call:
    def call() -> None:
        assert store.engine.call_dynamodb(operation, arguments())[0] == 200
        store.engine.take_changes()

    return call


def _through(client: Any, operation: str, arguments: Callable[[], dict[str, Any]]) -> Call:
    return lambda: client._make_api_call(operation, arguments())


def _mix(ways: dict[str, Call]) -> Call:
    """What a purchase asks of the store: about as many reads as writes, and a transaction now and then."""
    order = itertools.cycle(["get", "conditional update", "get", "conditional update", "3-item transaction"])
    return lambda: ways[next(order)]()


def _client() -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session("local", "local", region_name="us-east-1")
    return session.client("dynamodb", config=Config(parameter_validation=False, max_pool_connections=64))


def _moto() -> dict[str, float]:
    from moto import mock_aws

    with mock_aws():
        client = _client()
        requests = _requests()
        for operation, arguments in requests["tables"]:
            client._make_api_call(operation, arguments)
        return _rounds({name: _through(client, operation, arguments) for name, (operation, arguments) in requests["calls"].items()})


def fill(store: Store, count: int) -> None:
    """Put that many small items into a new table, past the checks of requests, in one entry of the journal per 1,000."""
    keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    table = {"TableName": "big", **keys, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
    _prepare(store, [("CreateTable", table)])
    dynamodb = store.engine._ministack.dynamodb
    for first in range(0, count, 1000):
        with store._locked():
            for number in range(first, first + 1000):
                item = {"id": {"S": f"item-{number}"}, "owner": {"S": "x" * 26}, "state": {"S": "paid"}, "price": {"N": "1250"}}
                more = {"lines": {"L": [{"M": {"tier": {"S": "standing"}, "quantity": {"N": "2"}}}]}, "version": {"N": "3"}}
                dynamodb._set_item(dynamodb._tables["big"], item["id"]["S"], "__no_sort__", item | more)


_OPEN = """
import resource, sys, time
from pathlib import Path
from devtools.dynamodb.store import open_store
start = time.perf_counter()
store = open_store(Path(sys.argv[1]))
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2))
"""


def _start(folder: Path) -> Iterator[Measure]:
    with open_store(folder) as store:
        fill(store, BIG)
    for what in ("from the journal", "from a snapshot"):
        answer = subprocess.run([sys.executable, "-c", _OPEN, str(folder)], capture_output=True, text=True, check=True)
        seconds, megabytes = (float(figure) for figure in answer.stdout.split())
        yield Measure(f"start with {BIG:,} items {what}", seconds * 1000, "ms", ("the limit", 5000), 1)
        yield Measure(f"memory of {BIG:,} items {what}", megabytes, "MB", ("the limit", 500), 1)


def main() -> None:
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    with tempfile.TemporaryDirectory() as scratch:
        for one in measure(Path(scratch)):
            print(f"{one.line()}   {one.note}", flush=True)


if __name__ == "__main__":
    main()
