"""The local store: its start, and microseconds per operation on the bare engine and through boto3, with the journal and compared with moto.

`python -m bench.store` makes only these measurements.
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

from bench.measure import Measure
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import open_journal
from devtools.dynamodb.values import encode_item
from devtools.in_process_clients import attached

ITEMS = 100
ROUNDS = 7
ROUND_SECONDS = 0.4
THREADS = 16
MANY_ITEMS = 100_000
MOTO = "moto"
MIX = "2 gets, 2 updates, 1 transaction"

_HOLDS = {"M": {f"h{number}": {"L": [{"N": "2"}, {"N": "1780000000"}]} for number in range(10)}}
_unique = itertools.count()

Call = Callable[[], Any]


def take_measures(scratch: Path) -> Iterator[Measure]:
    floors = _moto_seconds()
    client = _client()
    for name, figure in floors.items():
        yield _measure(f"{name}, moto in process", figure)
    in_memory, on_disk = Engine(), Engine(has_conflicts=False)
    with open_journal(scratch / "journaled", on_disk):
        requests = _requests()
        for engine in (in_memory, on_disk):
            for operation, arguments in requests["preparation"]:
                engine.call(operation, arguments)
        engine_calls = {name: _engine_call(in_memory, operation, arguments) for name, (operation, arguments) in requests["calls"].items()}
        for name, figure in _best_seconds(engine_calls).items():
            yield _measure(f"{name}, bare engine", figure, (MOTO, floors[name]))
        for threads in (1, THREADS):
            yield from _boto3_measures(client, in_memory, on_disk, requests["calls"], threads, floors)
    yield from _start_measures(scratch / "big")


def _boto3_measures(
    client: Any, in_memory: Engine, on_disk: Engine, requests: Any, threads: int, floors: dict[str, float]
) -> Iterator[Measure]:
    """Each operation through boto3, in memory and with the journal."""
    calls = {name: _boto3_call(client, operation, arguments) for name, (operation, arguments) in requests.items()}
    calls[MIX] = _mixed_call(calls)
    thread_count = "1 thread" if threads == 1 else f"{threads} threads"
    for name, call in calls.items():
        best = {"memory": float("inf"), "journal": float("inf")}
        for _ in range(ROUNDS):  # alternating, so that other work on the machine slows both
            for kind, engine in (("memory", in_memory), ("journal", on_disk)):
                with attached(engine, client):
                    best[kind] = min(best[kind], _seconds_per_call(threads, call))
        yield _measure(f"{name}, boto3, {thread_count}", best["memory"], (MOTO, floors[name]) if threads == 1 and name in floors else None)
        yield _measure(f"{name}, boto3, journal, {thread_count}", best["journal"], ("in memory", best["memory"]))


def _measure(name: str, figure: float, floor: tuple[str, float] | None = None) -> Measure:
    return Measure(name, figure * 1e6, "µs", (floor[0], floor[1] * 1e6) if floor else None, note=f"{1 / figure:,.0f}/s")


def _best_seconds(calls: dict[str, Call]) -> dict[str, float]:
    """Return seconds per call, the best of all rounds."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name], _seconds_per_call(1, call))
    return best


def _seconds_per_call(threads: int, call: Call) -> float:
    """Return seconds per call while `threads` threads call."""
    end = time.perf_counter() + ROUND_SECONDS
    counts = [0] * threads

    def work(number: int) -> None:
        while time.perf_counter() < end:
            call()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.perf_counter() - start) / sum(counts)


def _requests() -> dict[str, Any]:
    """Return the operations with functions that create the arguments of their next call, and the requests that prepare the table."""

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
        count = {**key(), "UpdateExpression": "ADD updates :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
        conditional = [{"Put": {**put, "ConditionExpression": "attribute_not_exists(id)"}} for put in puts]
        return {"TransactItems": [*conditional, {"Update": count}]}

    calls = {
        "get": ("GetItem", lambda: {**key(), "ConsistentRead": True}),
        "conditional update": ("UpdateItem", update),
        "3-item transaction": ("TransactWriteItems", transaction),
    }
    schema = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    table = {"TableName": "bench", **schema, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]}
    return {"calls": calls, "preparation": [("CreateTable", table), *(("PutItem", _item(number)) for number in range(ITEMS))]}


def _item(number: int) -> dict[str, Any]:
    amounts = {"available": {"N": "100000000"}, "version": {"N": "0"}, "holds": _HOLDS}
    return {"TableName": "bench", "Item": {"id": {"S": f"shard-{number}"}, **amounts}}


def _engine_call(engine: Engine, operation: str, arguments: Callable[[], dict[str, Any]]) -> Call:
    return lambda: engine.call(operation, arguments())


def bare_update(client: Any) -> Call:
    """Create the measures' table in the client's store. Returns a call that updates one of its items conditionally."""
    requests = _requests()
    for operation, arguments in requests["preparation"]:
        client._make_api_call(operation, arguments)
    return _boto3_call(client, *requests["calls"]["conditional update"])


def _boto3_call(client: Any, operation: str, arguments: Callable[[], dict[str, Any]]) -> Call:
    return lambda: client._make_api_call(operation, arguments())


def _mixed_call(calls: dict[str, Call]) -> Call:
    """Return the mixture of a purchase: as many reads as updates, and one transaction for two of each."""
    order = itertools.cycle(["get", "conditional update", "get", "conditional update", "3-item transaction"])
    return lambda: calls[next(order)]()


def _client() -> Any:
    import boto3
    from botocore.config import Config

    session = boto3.session.Session("local", "local", region_name="us-east-1")
    return session.client("dynamodb", config=Config(parameter_validation=False, max_pool_connections=64))


def _moto_seconds() -> dict[str, float]:
    from moto import mock_aws

    with mock_aws():
        client, requests = _client(), _requests()
        bare_update(client)
        return _best_seconds(
            {name: _boto3_call(client, operation, arguments) for name, (operation, arguments) in requests["calls"].items()}
        )


def put_items(engine: Engine, count: int) -> None:
    """Put `count` small items into a new table, without checking requests, with one entry in the journal per 1,000 items."""
    keys = {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    engine.call("CreateTable", {"TableName": "big", **keys, "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]})
    assert engine.commit is not None
    for first in range(0, count, 1000):
        records = [("p", "big", encode_item(_small_item(number)), 0, 0.0) for number in range(first, first + 1000)]
        engine.apply(records)
        engine.commit(records)


def _small_item(number: int) -> dict[str, Any]:
    item = {"id": {"S": f"item-{number}"}, "owner": {"S": "x" * 26}, "state": {"S": "paid"}, "price": {"N": "1250"}}
    return item | {"lines": {"L": [{"M": {"tier": {"S": "standing"}, "quantity": {"N": "2"}}}]}, "version": {"N": "3"}}


_OPEN_STORE = """
import resource, sys, time
from pathlib import Path
from devtools.dynamodb.engine import Engine
from devtools.dynamodb.journal import open_journal
start = time.perf_counter()
journal = open_journal(Path(sys.argv[1]), Engine())
seconds, status = time.perf_counter() - start, Path("/proc/self/status")
if status.exists():  # Linux, where ru_maxrss begins with the memory of the process that started this one
    megabytes = int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
else:
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
print(seconds, megabytes)
"""


def _start_measures(folder: Path) -> Iterator[Measure]:
    engine = Engine()
    with open_journal(folder, engine):
        put_items(engine, MANY_ITEMS)
    for source in ("from the journal", "from a snapshot"):
        result = subprocess.run([sys.executable, "-c", _OPEN_STORE, str(folder)], capture_output=True, text=True, check=True)
        seconds, megabytes = (float(figure) for figure in result.stdout.split())
        yield Measure(f"start with {MANY_ITEMS:,} items {source}", seconds * 1000, "ms", ("the limit", 1000), 1)
        yield Measure(f"memory of {MANY_ITEMS:,} items {source}", megabytes, "MB", ("the limit", 250), 1)
        with open_journal(folder, Engine()) as journal:
            journal.compact()


def main() -> None:
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    with tempfile.TemporaryDirectory() as scratch:
        for measure in take_measures(Path(scratch)):
            print(f"{measure.text_line()}   {measure.note}", flush=True)


if __name__ == "__main__":
    main()
