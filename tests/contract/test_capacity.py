"""What calls cost: one write unit per KB, one read unit per 4 KB, half of it for eventually consistent reads, twice for transactions."""

import uuid

import pytest

from tests.contract.wire_values import wire_item

KB = 1024


def sized(db, size: int) -> dict:
    """An item of `size` bytes, names and all."""
    return {"a": "x" * (size - len("id") - len(db.id) - len("a"))}


def units(result: dict) -> object:
    consumed = result.get("ConsumedCapacity")
    if isinstance(consumed, list):
        return [table["CapacityUnits"] for table in consumed]
    return consumed["CapacityUnits"] if consumed else None


TOTAL = {"ReturnConsumedCapacity": "TOTAL"}


@pytest.mark.parametrize(("size", "cost"), [(100, 1), (KB, 1), (KB + 1, 2), (10 * KB, 10)])
def test_a_put(db, assert_matches, size, cost):
    assert_matches(units(db.client.put_item(**db.put_arguments(sized(db, size)), **TOTAL)), cost)


@pytest.mark.parametrize(("before", "after", "cost"), [(3 * KB, 100, 3), (100, 3 * KB, 3), (100, 200, 1)])
def test_a_put_costs_the_larger_of_old_and_new_item(db, assert_matches, before, after, cost):
    db.put(sized(db, before))
    assert_matches(units(db.client.put_item(**db.put_arguments(sized(db, after)), **TOTAL)), cost)


@pytest.mark.parametrize(("before", "after", "cost"), [(3 * KB, 100, 3), (100, 3 * KB, 3), (100, 200, 1)])
def test_an_update_costs_the_larger_of_old_and_new_item(db, assert_matches, before, after, cost):
    db.put(sized(db, before))
    values = {":a": sized(db, after)["a"]}
    assert_matches(units(db.client.update_item(**db.update_arguments("SET a = :a", values=values), **TOTAL)), cost)


def test_a_small_update_of_a_large_item(db, assert_matches):
    db.put(sized(db, 5 * KB - 10))
    assert_matches(units(db.client.update_item(**db.update_arguments("SET n = :n", values={":n": 1}), **TOTAL)), 5)


@pytest.mark.parametrize(("size", "cost"), [(0, 1), (100, 1), (2 * KB + 1, 3)])
def test_a_delete(db, assert_matches, size, cost):
    if size:
        db.put(sized(db, size))
    assert_matches(units(db.client.delete_item(**db.key_arguments(), **TOTAL)), cost)


@pytest.mark.parametrize(
    ("size", "consistent", "cost"),
    [(0, True, 1), (0, False, 0.5), (100, True, 1), (100, False, 0.5), (4 * KB, True, 1), (4 * KB + 1, True, 2), (9 * KB, False, 1.5)],
)
def test_a_get(db, assert_matches, size, consistent, cost):
    if size:
        db.put(sized(db, size))
    assert_matches(units(db.client.get_item(**db.key_arguments(), ConsistentRead=consistent, **TOTAL)), cost)


@pytest.mark.parametrize(("consistent", "cost"), [(True, 3), (False, 1.5)])
def test_a_query_rounds_the_sum(db, assert_matches, consistent, cost):
    for number in range(10):
        db.put_line(str(number), a="x" * 900)
    assert_matches(units(db.query(ConsistentRead=consistent, **TOTAL)), cost)


@pytest.mark.parametrize(("consistent", "cost"), [(True, 4), (False, 2)])
def test_a_batch_of_reads_rounds_each(db, assert_matches, consistent, cost):
    """Items of 100 bytes and of 5 KB, and a missing one."""
    small, large, none = db.more_keys(3)
    db.put(sized(db, 100), key=small)
    db.put(sized(db, 5 * KB), key=large)
    keys = {"Keys": [wire_item({"id": key}) for key in (small, large, none)], "ConsistentRead": consistent}
    assert_matches(units(db.client.batch_get_item(RequestItems={db.things: keys}, **TOTAL)), [cost])


def test_a_batch_of_writes(db, assert_matches):
    """Of 100 bytes, of 2.5 KB, and a delete of nothing."""
    small, large, none = db.more_keys(3)
    puts = [{"PutRequest": {"Item": db.put_arguments(sized(db, size), key=key)["Item"]}} for key, size in ((small, 100), (large, 2500))]
    requests = {db.things: [*puts, {"DeleteRequest": {"Key": wire_item({"id": none})}}]}
    assert_matches(units(db.client.batch_write_item(RequestItems=requests, **TOTAL)), [5])


def three(db) -> list[dict]:
    """A put of 100 bytes, an update of an item of 1.5 KB, and a check."""
    put, update, check = db.more_keys(3)
    return [
        {"Put": db.put_arguments(sized(db, 100), key=put)},
        {"Update": db.update_arguments("SET n = :n", values={":n": 1}, key=update)},
        {"ConditionCheck": {**db.key_arguments(check), "ConditionExpression": "attribute_exists(id)"}},
    ]


def test_a_transaction_costs_twice(db, assert_matches):
    _, update, check = db.more_keys(3)
    db.put(sized(db, 1500), key=update)
    db.put(sized(db, 100), key=check)
    assert_matches(units(db.client.transact_write_items(TransactItems=three(db), **TOTAL)), [2 + 4 + 2])


def test_each_table_of_a_transaction(db, assert_matches):
    line = {"TableName": db.lines, "Item": wire_item({"id": db.id, "at": "1"})}
    result = db.client.transact_write_items(TransactItems=[{"Put": db.put_arguments()}, {"Put": line}], **TOTAL)
    costs = {table["TableName"]: table["CapacityUnits"] for table in result.get("ConsumedCapacity", [])}
    assert_matches([costs.get(table) for table in (db.things, db.lines)], [2, 2])


def test_a_repeated_transaction_costs_reads(db, assert_matches):
    again = {"TransactItems": [{"Put": db.put_arguments()}], "ClientRequestToken": str(uuid.uuid4()), **TOTAL}
    first, second = (db.client.transact_write_items(**again).get("ConsumedCapacity") for _ in range(2))
    units = [sorted(name for name in tables[0] if name.startswith(("Read", "Write"))) if tables else None for tables in (first, second)]
    assert_matches(units, [["WriteCapacityUnits"], ["ReadCapacityUnits"]])


def test_capacity_is_returned_on_request_only(db, assert_matches):
    assert_matches(units(db.client.put_item(**db.put_arguments())), None)
