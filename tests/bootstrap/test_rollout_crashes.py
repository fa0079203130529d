"""An apply that fails or is refused deletes what it has written, or the sweep does. The proof breaks an apply at each of its calls."""

import copy
import json

import pytest

from bootstrap.files import parse_json
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.display import invalidate_figures
from infra import tables
from tests import builders, invariants
from tests.bootstrap.conftest import EXAMPLE, event, ticket
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("threaded_store", "time")


def document(**quantities):
    tree = {"version": "1", "generated": "2026-05-01T00:00:00Z", "environment": "test", "events": {"a": event("a")}}
    tree["ticket_states"] = copy.deepcopy(json.loads(EXAMPLE.read_text())["ticket_states"])
    tickets = {name: ticket(name, "a", max_quantity=quantity) for name, quantity in quantities.items()}
    return validate_tree(parse_json(json.dumps({**tree, "ticket_types": tickets}).encode()))


BEFORE = document(shrinks=40, grows=20, shards=110, goes=10)
AFTER = document(shrinks=20, grows=60, shards=300, new=10)


def apply_before():
    """Start from empty tables with the older catalog, five tickets of which are sold."""
    for feature in ("audit", "catalog", "inventory"):
        client, name = dynamo.client(), dynamo.table_name(feature)
        client.delete_table(TableName=name)
        client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **tables.definitions()[feature])
    catalog.invalidate()
    invalidate_figures()
    rollout.apply(BEFORE, "ann", 0)
    tier = catalog.load_current().tiers["shrinks"]
    inventory.convert_holds(hold_tickets(HoldRequest(tier.stock_id, tier.shards, 5, "p", expires_at=4_000_000_000, now=0)))


@pytest.mark.parametrize("operation", ["BatchWriteItem", "TransactWriteItems"])
def test_an_apply_that_fails_deletes_what_it_has_written(operation):
    """In a batch after the first one, or in the last step."""
    apply_before()
    many = document(**{f"t{number}": 10 for number in range(60)})
    table = "inventory" if operation == "BatchWriteItem" else "audit"
    with faults.fail(2 if table == "inventory" else 1, faults.throttled, operation=operation, table=table) as fault:
        with pytest.raises(dynamo.STORE_ERRORS):
            rollout.apply(many, "ann", 0)
        assert fault.was_triggered
    assert invariants.find_unpublished() == []
    rollout.apply(many, "ann", 0)
    assert rollout.plan(many).is_empty


def test_an_apply_that_is_refused_deletes_what_it_has_written(monkeypatch):
    apply_before()
    tier = catalog.load_current().tiers["shrinks"]
    resize = resize_stock

    def sell_first(*arguments, **more):
        hold_tickets(HoldRequest(tier.stock_id, tier.shards, 30, "late", expires_at=4_000_000_000, now=0))
        resize(*arguments, **more)

    monkeypatch.setattr(rollout, "resize_stock", sell_first)
    with pytest.raises(rollout.ApplyRefused):
        rollout.apply(AFTER, "ann", 0)
    assert invariants.find_unpublished() == []


def test_a_failed_clean_up_keeps_the_error_and_leaves_it_to_the_sweep(time):
    apply_before()
    many = document(**{f"t{number}": 10 for number in range(60)})
    with (
        faults.fail(2, faults.throttled, operation="BatchWriteItem", table="inventory"),
        faults.fail_from(1, faults.timeout, operation="DeleteItem"),
        pytest.raises(dynamo.STORE_ERRORS, match="Throttling"),
    ):
        rollout.apply(many, "ann", time.now)
    assert len(invariants.find_unpublished()) > 25
    builders.run_sweep()
    assert invariants.find_unpublished() == []
