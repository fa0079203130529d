"""Writes that collide with a transaction on the same item: they are repeated a few times, with a growing wait that is drawn at random."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline
from chalicelib.foundation.deadline import DeadlineExceeded
from chalicelib.inventory import store as inventory
from chalicelib.inventory.model import Hold
from tests.simulation import faults
from tests.simulation.interception import Listener, StoreCall, intercept


class Row(dynamo.Table):
    feature = "idempotency"

    id = UnicodeAttribute(hash_key=True)
    count = NumberAttribute(null=True)


class Writes(Listener):
    """The writes that are attempted, and the tokens of transactions."""

    def __init__(self) -> None:
        self.count = 0
        self.tokens: list[str] = []

    def before(self, call: StoreCall) -> None:
        self.count += call.operation != "GetItem"
        if call.operation == "TransactWriteItems":
            self.tokens.append(call.request["ClientRequestToken"])


@pytest.fixture
def writes(store) -> Iterator[Writes]:
    Row("a", count=1).save()
    with intercept(writes := Writes()):
        yield writes


WRITES = {
    "put_if": lambda: dynamo.put_if(Row("a", count=2), Row.id.exists()),
    "put_if_returning": lambda: dynamo.put_if_returning(Row("a", count=2), Row.id.exists()),
    "update_if": lambda: dynamo.update_if(Row("a"), [Row.count.set(2)], Row.id.exists()),
    "update_if_returning": lambda: dynamo.update_if_returning(Row("a"), [Row.count.set(2)], Row.id.exists()),
    "update_now": lambda: dynamo.update_now(Row("a"), [Row.count.set(2)]),
    "update_now_returning": lambda: dynamo.update_now_returning(Row("a"), [Row.count.set(2)]),
    "save": lambda: Row("a", count=2).save(),
    "transaction": lambda: dynamo.transact([dynamo.transact_put(Row("a", count=2))]),
}
HOLD = Hold("stock#0", "h1", 1)
SHARD_WRITES = {
    "hold": lambda: inventory.hold_in_shard(Hold("stock#0", "h2", 1), 99),
    "release": lambda: inventory.release_hold(HOLD),
    "convert": lambda: inventory.convert_hold(HOLD),
    "extend": lambda: inventory.extend_hold(HOLD, 99),
    "close": lambda: inventory.set_open("stock#0", False),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_collides_with_a_transaction_is_repeated(writes, waits, name):
    with faults.fail(1, faults.conflict):
        WRITES[name]()
    assert Row.find("a").count == 2
    assert writes.count == 2
    assert waits == [(0, 0.02)]


@pytest.mark.parametrize("delete", [lambda: Row("a").delete(), lambda: dynamo.delete_if(Row("a"), Row.id.exists())])
def test_a_deletion_that_collides_with_a_transaction_is_repeated(writes, waits, delete):
    with faults.fail(1, faults.conflict) as fault:
        delete()
    assert fault.was_triggered
    assert Row.find("a") is None


@pytest.mark.parametrize("name", SHARD_WRITES)
def test_a_shard_in_a_transaction_is_written_at_the_second_attempt(store, waits, name):
    inventory.create_shard(inventory.new_shard("stock#0", capacity=4, sold=0, is_open=True))
    inventory.hold_in_shard(Hold("stock#0", "h1", 1), 50)
    before = inventory.read_shards(["stock#0"])[0].version
    with faults.fail(1, faults.conflict) as fault:
        assert SHARD_WRITES[name]()
    assert fault.was_triggered
    assert inventory.read_shards(["stock#0"])[0].version == before + 1


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_keeps_colliding_is_given_up(writes, waits, name):
    with faults.fail_from(1, faults.conflict), pytest.raises(dynamo.STORE_ERRORS) as raised:
        WRITES[name]()
    assert dynamo.is_unavailable(raised.value)
    assert writes.count == dynamo.WRITE_ATTEMPTS == len(waits) + 1
    assert [low for low, _ in waits] == [0] * len(waits), "full jitter"
    assert all(later == 2 * earlier for (_, earlier), (_, later) in pairwise(waits))
    assert Row.find("a").count == 1


def test_a_write_that_collides_is_not_repeated_after_the_deadline(writes, time, waits):
    def slow_conflict(call: StoreCall) -> Exception:
        time.advance(2)
        return faults.conflict(call)

    with faults.fail_from(1, slow_conflict), deadline.within(2.01), pytest.raises(DeadlineExceeded):
        WRITES["update_if"]()
    assert writes.count == 1


@pytest.mark.parametrize("name", ["update_if", "put_if", "save", "transaction"])
def test_other_errors_are_left_to_the_sdk(writes, waits, name):
    with faults.fail_from(1, faults.throttled), pytest.raises(dynamo.STORE_ERRORS):
        WRITES[name]()
    assert (writes.count, waits) == (1, [])


def test_a_transaction_in_progress_is_repeated_with_its_token(writes, waits):
    def in_progress(call: StoreCall) -> Exception:
        return faults.error_response(call, "TransactionInProgressException", 400)

    with faults.fail(1, in_progress):
        WRITES["transaction"]()
    assert Row.find("a").count == 2
    assert len(writes.tokens) == 2
    assert len(set(writes.tokens)) == 1


def test_a_transaction_that_dynamodb_refuses_is_an_error_of_the_caller(writes, waits):
    too_large = Row("a" * 2049, count=2)  # keys have at most 2,048 bytes
    with pytest.raises(ClientError) as raised:
        dynamo.transact([dynamo.transact_put(Row("b", count=2)), dynamo.transact_put(too_large)])
    assert not dynamo.is_unavailable(raised.value)
    assert (writes.count, waits) == (1, [])


def test_a_transaction_whose_item_would_be_too_large_is_an_error_of_the_caller(store, waits):
    long = {f"n{number}#{'x' * 1100}": 1 for number in range(100)}
    for start in range(0, 500, 100):
        names = {f"#n{place}": f"{name}#{start}" for place, name in enumerate(long)}
        update = {"UpdateExpression": "ADD " + ", ".join(f"{name} :one" for name in names), "ExpressionAttributeNames": names}
        item = {"Update": {"TableName": Row.name(), "Key": {"id": {"S": "a"}}, "ExpressionAttributeValues": {":one": {"N": "1"}}, **update}}
        if start < 300:
            dynamo.transact([item])
    with pytest.raises(ClientError) as raised:
        dynamo.transact([item])
    assert not dynamo.is_unavailable(raised.value)
    assert waits == []
