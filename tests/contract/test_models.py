"""PynamoDB's models and the functions of `dynamo`, as the stores use them."""

import pytest
from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    NumberAttribute,
    NumberSetAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)

from chalicelib.dynamodb import dynamo
from tests.contract.outcomes import CONDITION_FAILED_REASON
from tests.contract.wire_values import plain_item


class Thing(dynamo.Table):
    feature = "contract-things"

    id = UnicodeAttribute(hash_key=True)
    state = UnicodeAttribute(null=True)
    version = NumberAttribute(null=True)
    closed = BooleanAttribute(null=True)
    orders = UnicodeSetAttribute(null=True)
    numbers = NumberSetAttribute(null=True)
    body = BinaryAttribute(legacy_encoding=False, null=True)
    ttl = NumberAttribute(null=True)


class Line(dynamo.Table):
    feature = "contract-lines"

    id = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)
    n = NumberAttribute(null=True)


def test_find(db, assert_matches):
    before = Thing.find(db.id)
    Thing(db.id, state="held", version=1, closed=False, orders={"a"}, numbers={1, 2}, body=b"\x00\xff").save()
    thing = Thing.find(db.id)
    assert_matches(
        (before, thing.attribute_values, db.get().keys()),
        (None, Thing(db.id, **db.get()).attribute_values, thing.attribute_values.keys() - {"id"}),
    )


def test_put_if(db, assert_matches):
    first = dynamo.put_if(Thing(db.id, version=1), Thing.id.does_not_exist())
    second = dynamo.put_if(Thing(db.id, version=2), Thing.id.does_not_exist())
    assert_matches((first, second, db.get()), (True, False, {"version": 1}))


def test_put_if_returning(db, assert_matches):
    first = dynamo.put_if_returning(Thing(db.id, version=1), Thing.id.does_not_exist())
    second = dynamo.put_if_returning(Thing(db.id, version=2), Thing.id.does_not_exist())
    nothing = dynamo.put_if_returning(Thing(f"{db.id}-none", version=1), Thing.id.exists())
    results = [(done, row and row.version) for done, row in (first, second, nothing)]
    assert_matches((results, db.get()), ([(True, 1), (False, 1), (False, None)], {"version": 1}))


def test_put_if_over_an_expired_item(db, assert_matches):
    absent = Thing.id.does_not_exist() | (Thing.ttl <= 100)
    results = [dynamo.put_if(Thing(db.id, ttl=ttl), absent) for ttl in (100, 101, 102)]
    assert_matches(results, [True, True, False])


def test_update_if(db, assert_matches):
    Thing(db.id, version=1, state="held").save()
    actions = [*Thing.set_or_remove({"state": "paid", "version": 2, "ttl": None}), Thing.orders.add({"o"})]
    living = (Thing.version == 1) & Thing.state.is_in("held", "paying")
    results = [dynamo.update_if(Thing(db.id), actions, living) for _ in range(2)]
    assert_matches((results, db.get()), ([True, False], {"version": 2, "state": "paid", "orders": {"o"}}))


def test_update_if_of_a_missing_item(db, assert_matches):
    assert_matches((dynamo.update_if(Thing(db.id), [Thing.version.set(1)], Thing.version == 0), db.get()), (False, None))


def test_update_if_returning(db, assert_matches):
    paid_back, ahead = Thing.version.does_not_exist() | (Thing.version <= 5), (Thing.version > 5) & (Thing.version <= 10)
    first = dynamo.update_if_returning(Thing(db.id), [Thing.version.set(9)], paid_back)
    refused = dynamo.update_if_returning(Thing(db.id), [Thing.version.set(9)], paid_back)
    moved = dynamo.update_if_returning(Thing(db.id), [Thing.version.add(3)], ahead)
    nothing = dynamo.update_if_returning(Thing(f"{db.id}-none"), [Thing.version.set(1)], ahead)
    results = [(done, row and row.version) for done, row in (first, refused, moved, nothing)]
    assert_matches(results, [(True, 9), (False, 9), (True, 12), (False, None)])


def test_a_counter(db, assert_matches):
    """The update makes the item; once it is closed it never counts again."""
    count, is_open = [Thing.version.add(1)], Thing.closed.does_not_exist()
    counts = [dynamo.update_if_returning(Thing(db.id), count, is_open) for _ in range(2)]
    closed = dynamo.update_now_returning(Thing(db.id), [Thing.closed.set(True)])
    late, _ = dynamo.update_if_returning(Thing(db.id), count, is_open)
    assert_matches(([row.version for _, row in counts], closed.version, late), ([1, 2], 2, False))


def test_sets(db, assert_matches):
    buyer, has_order = Thing(db.id), Thing.orders.contains("a")
    added, removed = [Thing.orders.add({"a"}), Thing.version.add(2)], [Thing.orders.delete({"a"}), Thing.version.add(-2)]
    steps = [dynamo.update_if(buyer, *step) for step in ((added, ~has_order), (added, ~has_order), (removed, has_order))]
    assert_matches((steps, db.get()), ([True, False, True], {"version": 0}))


def test_delete_if(db, assert_matches):
    Thing(db.id, ttl=1).save()
    results = [dynamo.delete_if(Thing(db.id), Thing.ttl == ttl) for ttl in (2, 1, 1)]
    assert_matches((results, db.get()), ([False, True, False], None))


def test_a_transaction(db, assert_matches):
    dynamo.transact([dynamo.transact_put(Thing(db.id, version=1), Thing.id.does_not_exist()), dynamo.transact_put(Line(db.id, "1", n=1))])
    change = dynamo.transact_update(Thing(db.id), [Thing.version.set(2)], Thing.version == 1)
    dynamo.transact([change, dynamo.transact_delete(Line(db.id, "1"), Line.n == 1)])
    with pytest.raises(dynamo.ConditionFailed) as refused:
        dynamo.transact([change, dynamo.transact_delete(Line(db.id, "1"))])
    reasons = [(reason.code, reason.item and plain_item(reason.item)) for reason in refused.value.reasons]
    assert_matches(
        (reasons, db.get(), Line.find(db.id, "1")),
        ([(CONDITION_FAILED_REASON, {"id": db.id, "version": 2}), ("None", None)], {"version": 2}, None),
    )


def test_queries(db, assert_matches):
    for number in range(12):
        Line(db.id, f"part#{number:04d}", n=number).save()
    Line(db.id, "document#0000").save()
    latest = [int(line.n) for line in Line.query(db.id, scan_index_forward=False, limit=3)]
    parts = [line.at for line in Line.query(db.id, Line.at.startswith("part#"))]
    assert_matches((latest, parts), ([11, 10, 9], [f"part#{number:04d}" for number in range(12)]))


def test_a_scan(db, assert_matches):
    for key in db.more_keys(3):
        Line(key, "1", n=1).save()
    ids = [line.id for line in Line.scan() if line.id.startswith(db.id)]
    assert_matches(sorted(ids), list(db.more_keys(3)))


def test_batches_of_any_size(db, assert_matches):
    keys = list(db.more_keys(230))
    dynamo.batch_put(map(Thing, keys))
    assert_matches(sorted(row.id for row in Thing.find_all([*keys, f"{db.id}-none"])), keys)
