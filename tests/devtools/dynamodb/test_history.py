"""Histories of many threads, and what a checker finds in them: nothing that DynamoDB's isolation rules out.

Threads transfer between accounts in transactions, count with conditional updates, and read. Commits become durable later, so that
transactions conflict. The choices come from the seed; the threads' turns do not.
"""

import os
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from itertools import count

import pytest

from devtools.dynamodb.engine import ApiError, Engine
from tests import seeds
from tests.contract.wire_values import wire_item
from tests.devtools.dynamodb.conftest import Caller, Clock, update_request

THREADS, STEPS, ACCOUNTS, START = 6, 100, 4, 100


class Commit:
    """Makes commits durable one after another, while other threads go on."""

    def __init__(self) -> None:
        self.commits: list[list] = []
        self.lock = threading.Lock()

    def __call__(self, records):
        self.commits.append(list(records))

        def wait():
            with self.lock:
                for _ in range(20):
                    os.sched_yield()

        return wait


class History:
    """What happened: each entry has the moments of its call and of its answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.moments = engine, count()
        self.entries: list[tuple[int, int, str, object]] = []

    def call(self, kind, operation, request):
        began = next(self.moments)
        try:
            result = self.engine.call(operation, request)
        except ApiError as error:
            result = error.code
        self.entries.append((began, next(self.moments), kind, result))

    def of(self, kind):
        return [(began, ended, result) for began, ended, entry, result in self.entries if entry == kind and isinstance(result, dict)]


def transfer(chance):
    source, target = chance.sample(range(ACCOUNTS), 2)
    amount = chance.randint(1, 60)
    take = update_request(f"account-{source}", "SET n = n - :amount", "n >= :amount", amount=amount)
    give = update_request(f"account-{target}", "SET n = n + :amount", amount=amount)
    return {"TransactItems": [{"Update": take}, {"Update": give}]}


def run_thread(history, seed):
    chance = random.Random(seed)
    accounts = [{"Get": {"TableName": "things", "Key": wire_item({"id": f"account-{number}"})}} for number in range(ACCOUNTS)]
    for _ in range(STEPS):
        kind = chance.choice(["transfer", "transfer", "count", "read", "sum"])
        if kind == "transfer":
            history.call(kind, "TransactWriteItems", transfer(chance))
        elif kind == "count":
            update = update_request("counter", "ADD n :one", one=1)
            history.call(kind, "UpdateItem", {**update, "ReturnValues": "UPDATED_NEW"})
        elif kind == "read":
            history.call(kind, "GetItem", {"TableName": "things", "Key": wire_item({"id": "counter"})})
        else:
            history.call(kind, "TransactGetItems", {"TransactItems": accounts})


def number(attributes):
    return int(attributes["n"]["N"])


def check_counter(history):
    """Each count has its own number, in the order of real time, and a read sees all counts that were answered before it began."""
    counts = [(began, ended, number(result["Attributes"])) for began, ended, result in history.of("count")]
    assert sorted(value for *_, value in counts) == list(range(1, len(counts) + 1))
    for _, ended, value in counts:
        assert all(value < later for began, _, later in counts if began > ended)
    for began, ended, result in history.of("read"):
        seen = number(result["Item"]) if "Item" in result else 0
        assert max((value for _, answered, value in counts if answered < began), default=0) <= seen
        assert seen <= sum(called < ended for called, *_ in counts)


def check_accounts(history, db):
    """No transaction is ever half-seen: not by reads, not in the change records, not at the end."""
    for *_, result in history.of("sum"):
        assert sum(number(response["Item"]) for response in result["Responses"]) == ACCOUNTS * START
    balances = {}
    for record in db.records():
        change = record["dynamodb"]
        key = change["Keys"]["id"]["S"]
        assert ("OldImage" in change) == (key in balances)
        if key in balances:
            assert number(change["OldImage"]) == balances[key]
        balances[key] = number(change["NewImage"])
        assert balances[key] >= 0
    counts = balances.pop("counter", 0)
    assert counts == len(history.of("count"))
    assert sum(balances.values()) == ACCOUNTS * START


def checked_history(engine: Engine, seed: int) -> History:
    db = Caller(engine)
    db.create_table("things")
    for account in range(ACCOUNTS):
        db.put({"id": f"account-{account}", "n": START})
    history, usual = History(engine), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda thread: run_thread(history, seed * THREADS + thread), range(THREADS)))
    finally:
        sys.setswitchinterval(usual)
    check_counter(history)
    check_accounts(history, db)
    return history


@pytest.mark.parametrize("has_conflicts", [True, False])
def test_histories_of_many_threads(has_conflicts):
    seed = seeds.first
    commit = Commit()
    engine = Engine(Clock(), has_conflicts=has_conflicts, commit=commit)
    history = checked_history(engine, seed)
    refusals = {result for *_, kind, result in history.entries if isinstance(result, str)}
    assert refusals <= {"TransactionCanceledException", "TransactionConflictException"}
    rebuilt = Engine(Clock())
    for records in commit.commits:
        rebuilt.apply(records)
    assert rebuilt.tables["things"].items == engine.tables["things"].items


def test_an_engine_without_its_lock_is_noticed():
    """Proof that the checks notice faults: the same calls of the same engine, without its lock."""

    def run_without_lock() -> None:
        for seed in range(10):
            engine = Engine(Clock())
            engine.lock = nullcontext()
            checked_history(engine, seed)

    with pytest.raises((AssertionError, LookupError, RuntimeError)):
        run_without_lock()


def test_tables_come_and_go_while_threads_write():
    """A write to a table that was deleted meanwhile is refused, and what was committed still rebuilds the state."""
    seed = seeds.first
    commit = Commit()
    engine = Engine(Clock(), commit=commit)
    db, usual = Caller(engine), sys.getswitchinterval()
    index = {"IndexName": "kinds", "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    add_index = {
        "GlobalSecondaryIndexUpdates": [{"Create": index}],
        "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}],
    }

    def attempt(operation, request):
        with suppress(ApiError):
            engine.call(operation, {"TableName": "things", **request})

    def work(thread):
        chance = random.Random(seed * THREADS + thread)
        for step in range(STEPS):
            if chance.random() < 0.1:
                with suppress(ApiError):
                    db.create_table("things")
                attempt("UpdateTable", add_index)
            elif chance.random() < 0.05:
                attempt("DeleteTable", {})
            kind = {"S": "cat"} if chance.random() < 0.7 else {"N": "1"}
            attempt("PutItem", {"Item": {"id": {"S": str(chance.randrange(20))}, "kind": kind, "n": {"N": str(step)}}})
            attempt("Scan", {"IndexName": "kinds"})

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
    finally:
        sys.setswitchinterval(usual)
    rebuilt = Engine(Clock())
    for records in commit.commits:
        rebuilt.apply(records)
    assert {name: table.items for name, table in rebuilt.tables.items()} == {name: table.items for name, table in engine.tables.items()}
