"""32 threads on one store: exact with its lock, wrong without."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest

from devtools.dynamodb.store import open_store
from tests.devtools.dynamodb.conftest import attached_client, create_table, put

pytestmark = pytest.mark.slow

RUNS = 10


THREADS = 32


ATTEMPTS = 1000


SEATS = 100


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Let each thread run for so long before another one continues."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def sell_by_update(client, run: int, attempt: int) -> None:
    client.update_item(
        TableName="things",
        Key={"id": {"S": f"tier-{run}"}},
        UpdateExpression="SET available = available - :one, holds.#hold = :one",
        ConditionExpression="available >= :one AND attribute_not_exists(holds.#hold)",
        ExpressionAttributeNames={"#hold": f"h{attempt}"},
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def sell_by_transaction(client, run: int, attempt: int) -> None:
    take = {
        "TableName": "things",
        "Key": {"id": {"S": f"tier-{run}"}},
        "UpdateExpression": "SET available = available - :one",
        "ConditionExpression": "available >= :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    ticket = {"TableName": "things", "Item": {"id": {"S": f"ticket-{run}-{attempt}"}}, "ConditionExpression": "attribute_not_exists(id)"}
    client.transact_write_items(TransactItems=[{"Update": take}, {"Put": ticket}])


def sell_by_put(client, run: int, attempt: int) -> None:
    seat = {"id": {"S": f"seat-{run}-{attempt % SEATS}"}, "owner": {"S": str(attempt)}}
    client.put_item(TableName="things", Item=seat, ConditionExpression="attribute_not_exists(id)")


def sell(client, attempt_sale: Callable, run: int) -> int:
    """Make all attempts on 32 threads; returns how many got a seat. All others are refused."""
    client.put_item(TableName="things", Item={"id": {"S": f"tier-{run}"}, "available": {"N": str(SEATS)}, "holds": {"M": {}}})
    refused = (client.exceptions.ConditionalCheckFailedException, client.exceptions.TransactionCanceledException)

    def attempt(number: int) -> bool:
        try:
            attempt_sale(client, run, number)
        except refused:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(attempt, range(ATTEMPTS)))


def stored_tier(client, run: int) -> dict:
    return client.get_item(TableName="things", Key={"id": {"S": f"tier-{run}"}})["Item"]


@pytest.mark.parametrize("interval", [0.005, 1e-5])
@pytest.mark.parametrize("attempt_sale", [sell_by_update, sell_by_transaction, sell_by_put])
def test_every_seat_is_sold_once(memory_client, attempt_sale, interval):
    create_table(memory_client)
    with switch_interval(interval):
        for run in range(RUNS):
            assert sell(memory_client, attempt_sale, run) == SEATS
            if attempt_sale is not sell_by_put:
                assert stored_tier(memory_client, run)["available"] == {"N": "0"}
            if attempt_sale is sell_by_update:
                assert len(stored_tier(memory_client, run)["holds"]["M"]) == SEATS


@pytest.mark.parametrize("attempt_sale", [sell_by_update, sell_by_transaction, sell_by_put])
def test_every_seat_is_sold_once_with_a_journal(open_on_disk, attempt_sale):
    with open_on_disk() as client:
        create_table(client)
        assert sell(client, attempt_sale, 0) == SEATS


def test_a_store_without_its_lock_oversells(clients, monkeypatch):
    """Proof that the tests above would notice: the same attempts, the same engine, no lock."""
    store = open_store()
    monkeypatch.setattr(store, "_lock", nullcontext())
    with attached_client(store, clients) as client, switch_interval(1e-6):
        create_table(client)
        put(client, "warm")
        results = []
        for run in range(RUNS):
            results.append(
                (sell(client, sell_by_update, run), stored_tier(client, run)["available"]["N"], len(stored_tier(client, run)["holds"]["M"]))
            )
            if results[-1] != (SEATS, "0", SEATS):
                return
    pytest.fail(f"exact without the lock, {RUNS} times: {results}")
