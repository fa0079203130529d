"""The call log, and its capacity units, which equal the units of DynamoDB's documentation and of an engine that counts units."""

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.foundation.parallel import MAX_THREADS, both
from chalicelib.ledger import money_cases
from chalicelib.purchases import store as purchases
from chalicelib.purchases.store import PurchaseRow
from chalicelib.tickets import service
from chalicelib.tickets import store as tickets
from chalicelib.tickets.model import CheckIn, TicketLine
from tests.simulation import capacity
from tests.simulation.call_log import record_calls
from tests.simulation.interception import process

pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture
def ticket():
    """A ticket in the store."""
    issued = service.issue_tickets("p1", "ada", "fest", [TicketLine("floor", 1, [5000], "USD")], 0)
    dynamo.transact(issued.items)
    return issued.tickets[0]


def row(purchase_id="p1", size=0):
    return PurchaseRow(purchase_id, state="held", version=1, lines="x" * size)


def test_a_log_has_the_operation_table_key_and_outcome_of_each_call():
    with record_calls("two puts") as log:
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


def test_a_request_waits_once_for_trips_that_are_made_at_the_same_time():
    def load(number):
        return purchases.load(f"p{number}")

    def load_two(number):
        load(number)
        return parallel.call_each(load, [number, number + 1])

    with record_calls() as log:
        load(1)
        assert parallel.call_each(load, range(20)) == [None] * 20
        assert log.sequential_round_trips == 2
        parallel.call_each(load, range(2 * MAX_THREADS + 1))
        assert log.sequential_round_trips == 5, "a thread made three of them"
        assert both(lambda: load_two(1), lambda: load(1)) == ([None, None], None)
        load(1)
    assert log.sequential_round_trips == 8
    assert log.round_trips == 1 + 20 + 65 + 4 + 1


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
    assert capacity.value_size(value) == size


def capacity_of(work):
    with record_calls(measured=True) as log:
        work()
    return log.capacity


def transact(*items):
    return lambda: dynamo.transact(items)


def insert_existing():
    assert not dynamo.put_if(row(size=10), PurchaseRow.id.does_not_exist())


def test_units_are_those_of_the_documentation():
    assert capacity_of(lambda: row(size=900).save()) == (0, 1)
    assert capacity_of(lambda: row(size=1100).save()) == (0, 2)
    assert capacity_of(insert_existing) == (0, 2), "the size of the existing item counts, also when the write is refused"
    assert capacity_of(lambda: purchases.load("p1")) == (1, 0)
    assert capacity_of(lambda: PurchaseRow.find("p1", consistent_read=False)) == (0.5, 0)
    assert capacity_of(lambda: row(size=9000).save()) == (0, 9)
    assert capacity_of(lambda: purchases.load("p1")) == (3, 0)
    assert capacity_of(lambda: purchases.load_many(["p1", "p2"])) == (4, 0), "absent items cost a unit"
    assert capacity_of(transact(dynamo.transact_put(row("p2")), dynamo.transact_put(row("p3", 2100)))) == (0, 8)
    assert capacity_of(transact(dynamo.transact_delete(row("p3")))) == (0, 6), "a delete costs the size of the deleted item"
    assert capacity_of(lambda: list(PurchaseRow.scan())) == (3, 0)


@pytest.mark.parametrize(
    ("change", "units"),
    [
        (lambda ticket: tickets.change_state_item(ticket.id, "valid", "frozen"), 2),
        (lambda ticket: tickets.add_duplicate_item(ticket, CheckIn("1", 1, 1, "door")), 0),
        (lambda ticket: dynamo.transact_delete(tickets.TicketRow(ticket.id)), 2),
    ],
    ids=["a key changes: deleted and written", "nothing of the index changes", "deleted from two indexes"],
)
def test_an_index_takes_units_for_what_changes_in_it(ticket, time, change, units):
    time.advance(1)
    with record_calls(measured=True) as log:
        dynamo.transact([change(ticket)])
    assert sum(entry.index_units for entry in log.entries) == units


def test_an_index_of_whole_items_costs_units_and_a_sparse_one_none(time):
    def open_case(details, next_at):
        with record_calls(measured=True) as log:
            dynamo.transact([money_cases.open_case_item("p1", "refund", "r1", time.now, details, next_at)])
        return [(entry.write_units, entry.index_units) for entry in log.entries]

    assert open_case({}, None) == [(2, 1)], "only the index `open` has it"
    assert open_case({"text": "x" * 2000}, time.now) == [(6, 3)], "now `due` has it too, with its details"
    assert open_case({"text": "y" * 2000}, time.now) == [(6, 3)], "the keys are the same, the details are not"
    assert open_case({"text": "y" * 2000}, time.now + 1) == [(6, 6)], "another key"


def test_computed_units_are_those_that_an_engine_reports(threaded_store):
    with record_calls(measured=True) as log:
        row(size=1500).save()
        row("p2").save()
        dynamo.update_if(PurchaseRow("p1"), [PurchaseRow.version.set(2)], PurchaseRow.version == 1)
        dynamo.transact([dynamo.transact_put(row("p3")), dynamo.transact_update(PurchaseRow("p1"), [PurchaseRow.lines.remove()])])
        purchases.load("p1")
        purchases.load_many(["p1", "p2", "p3"])
    assert [entry.read_units + entry.write_units for entry in log.entries] == [entry.reported_units for entry in log.entries]
    assert log.capacity == (4, 11)


def test_a_log_of_a_process_is_its_own():
    with record_calls() as log_of_all, process("one"), record_calls() as log_of_one:
        purchases.load("p1")
        with process("two"):
            purchases.load("p1")
    assert (len(log_of_all), len(log_of_one)) == (2, 1)
