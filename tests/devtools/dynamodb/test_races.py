"""32 threads and one store: exact with its lock, wrong without."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest

from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import put, serving, table

RUNS = 10
THREADS = 32
ATTEMPTS = 1000
SEATS = 100


@contextmanager
def switching(seconds: float) -> Iterator[None]:
    """How long a thread may run before another one gets its turn."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def by_update(client, run: int, attempt: int) -> None:
    client.update_item(
        TableName="things",
        Key={"id": {"S": f"tier-{run}"}},
        UpdateExpression="SET available = available - :one, holds.#hold = :one",
        ConditionExpression="available >= :one AND attribute_not_exists(holds.#hold)",
        ExpressionAttributeNames={"#hold": f"h{attempt}"},
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def by_transaction(client, run: int, attempt: int) -> None:
    take = {
        "TableName": "things",
        "Key": {"id": {"S": f"tier-{run}"}},
        "UpdateExpression": "SET available = available - :one",
        "ConditionExpression": "available >= :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    ticket = {"TableName": "things", "Item": {"id": {"S": f"ticket-{run}-{attempt}"}}, "ConditionExpression": "attribute_not_exists(id)"}
    client.transact_write_items(TransactItems=[{"Update": take}, {"Put": ticket}])


def by_put(client, run: int, attempt: int) -> None:
    seat = {"id": {"S": f"seat-{run}-{attempt % SEATS}"}, "owner": {"S": str(attempt)}}
    client.put_item(TableName="things", Item=seat, ConditionExpression="attribute_not_exists(id)")


def sold(client, way: Callable, run: int) -> int:
    """Let all attempts at it; how many say that they got a seat. Refusals are the only other answer."""
    client.put_item(TableName="things", Item={"id": {"S": f"tier-{run}"}, "available": {"N": str(SEATS)}, "holds": {"M": {}}})
    refused = (client.exceptions.ConditionalCheckFailedException, client.exceptions.TransactionCanceledException)

    def attempt(number: int) -> bool:
        try:
            way(client, run, number)
        except refused:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(attempt, range(ATTEMPTS)))


def left(client, run: int) -> dict:
    return client.get_item(TableName="things", Key={"id": {"S": f"tier-{run}"}})["Item"]


@pytest.mark.parametrize("interval", [0.005, 1e-5])
@pytest.mark.parametrize("way", [by_update, by_transaction, by_put])
def test_every_seat_is_sold_once(memory, way, interval):
    table(memory)
    with switching(interval):
        for run in range(RUNS):
            assert sold(memory, way, run) == SEATS
            if way is not by_put:
                assert left(memory, run)["available"] == {"N": "0"}
            if way is by_update:
                assert len(left(memory, run)["holds"]["M"]) == SEATS


@pytest.mark.parametrize("way", [by_update, by_transaction, by_put])
def test_with_a_journal_too(on_disk, way):
    with on_disk() as client:
        table(client)
        assert sold(client, way, 0) == SEATS


def test_a_twin_without_the_lock_oversells(clients, monkeypatch):
    """Proof that the tests above would notice: the same attempts, the same engine, no lock."""
    store = open_store()
    monkeypatch.setattr(store, "_lock", nullcontext())
    with serving(store, clients) as client, switching(1e-6):
        table(client)
        put(client, "warm")
        results = []
        for run in range(RUNS):
            results.append((sold(client, by_update, run), left(client, run)["available"]["N"], len(left(client, run)["holds"]["M"])))
            if results[-1] != (SEATS, "0", SEATS):
                return
    pytest.fail(f"exact without the lock, {RUNS} times: {results}")
