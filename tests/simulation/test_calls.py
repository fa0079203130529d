"""The log, and the capacity in it: our figures are those of an engine that counts, and of DynamoDB's documentation."""

import pytest

from chalicelib import dynamo
from chalicelib.purchases.record import store as purchases
from chalicelib.purchases.record.store import PurchaseRow
from tests.simulation import capacity, wire
from tests.simulation.faults import calls

pytestmark = pytest.mark.usefixtures("store")


def row(one="p1", size=0):
    return PurchaseRow(one, state="held", version=1, checkout_details="x" * size)


def test_a_log_says_what_was_called_about_what_and_how_it_ended():
    with calls("two puts") as log:
        dynamo.put_if(row(), PurchaseRow.id.does_not_exist())
        dynamo.put_if(row(), PurchaseRow.id.does_not_exist())
        purchases.load("p1")
    assert log.names == ["PutItem", "PutItem", "GetItem"]
    assert [entry.outcome for entry in log.entries] == ["done", "refused", "done"]
    assert log.entries[0].tables == ["purchases"]
    assert log.entries[0].keys == [{"id": {"S": "p1"}}]
    assert log.round_trips == 3
    assert len(log.of("PutItem", "purchases")) == 2
    assert str(log).startswith("two puts: 3 round trips")


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "ü1"}, 3),
        ({"N": "-1234"}, 4),
        ({"N": "100"}, 2),
        ({"BOOL": True}, 1),
        ({"B": b"abc"}, 3),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": [{"S": "abc"}]}, 7),
        ({"M": {"k": {"NULL": True}}}, 6),
    ],
)
def test_sizes_are_those_of_the_documentation(value, size):
    assert capacity.size(value) == size


def measured(work):
    with calls(measured=True) as log:
        work()
    return log.capacity


def transact(*items):
    return lambda: dynamo.transact(items)


def refused():
    assert dynamo.put_if(row(size=10), PurchaseRow.id.does_not_exist()) is not None


def test_units_by_hand():
    assert measured(lambda: row(size=900).save()) == (0, 1)
    assert measured(lambda: row(size=1100).save()) == (0, 2)
    assert measured(refused) == (0, 2), "what is there counts, also when the write is refused"
    assert measured(lambda: purchases.load("p1")) == (1, 0)
    assert measured(lambda: PurchaseRow.find("p1", consistent=False)) == (0.5, 0)
    assert measured(lambda: row(size=9000).save()) == (0, 9)
    assert measured(lambda: purchases.load("p1")) == (3, 0)
    assert measured(lambda: purchases.load_many(["p1", "p2"])) == (4, 0), "absent items cost a unit"
    assert measured(transact(dynamo.put(row("p2")), dynamo.put(row("p3", 2100)))) == (0, 8)
    assert measured(transact(dynamo.delete(row("p3")))) == (0, 6), "what goes costs what it was"
    assert measured(lambda: list(PurchaseRow.scan(consistent_read=True))) == (3, 0)


def test_what_we_compute_is_what_an_engine_counts(threaded_store):
    with calls(measured=True) as log:
        row(size=1500).save()
        row("p2").save()
        dynamo.update_if(PurchaseRow("p1"), [PurchaseRow.version.set(2)], PurchaseRow.version == 1)
        dynamo.transact([dynamo.put(row("p3")), dynamo.update(PurchaseRow("p1"), [PurchaseRow.checkout_details.remove()])])
        purchases.load("p1")
        purchases.load_many(["p1", "p2", "p3"])
    counted = [entry for entry in log.entries if entry.operation != "BatchGetItem"]  # MiniStack does not count those
    assert [entry.read_units + entry.write_units for entry in counted] == [entry.reported for entry in counted]
    assert log.capacity == (4, 11)


def test_a_log_of_a_process_is_its_own():
    with calls() as everything, wire.process("one"), calls() as one:
        purchases.load("p1")
        with wire.process("two"):
            purchases.load("p1")
    assert (len(everything), len(one)) == (2, 1)
