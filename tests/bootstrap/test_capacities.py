"""The capacity of an event over all its ticket types, in the bootstrap file."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import MAX_HOLDS
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket

pytestmark = pytest.mark.usefixtures("store", "time")


@pytest.fixture
def limited(tree):
    """A document whose event sells 6 tickets of two types, one of which has no limit of its own."""
    tree["events"]["fest"]["capacity"] = 6
    tree["ticket_types"]["fest-any"] = ticket("fest-any")
    del tree["ticket_types"]["fest-any"]["max_quantity"]
    return tree


def pool():
    fest = catalog.load_current().events["fest"]
    return read_stock({fest.pool_id: fest.pool_shards})[fest.pool_id]


def test_the_types_of_an_event_share_its_capacity(api, time, run, write, limited):
    result = run("apply", write(limited))
    assert "+ event fest: 6 tickets across all ticket types" in result.out
    assert "+ tier fest-any: unlimited tickets at price_cents 5000 USD (event fest)" in result.out
    assert builders.buy(api, "ada", "fest", "fest-pass", 4).status == 201
    assert builders.reserve(api, "bob", "fest", "fest-any", 3).status == 409
    assert builders.reserve(api, "bob", "fest", "fest-any", 2).status == 201
    assert (pool().sold, pool().held) == (4, 2)
    assert run("apply", write(limited)).out == "version 1 is already served; nothing to do\n"
    invariants.check(time.now)


def test_tickets_sold_elsewhere_count(api, run, write, limited):
    limited["ticket_types"]["fest-pass"]["sold_count"] = 4
    run("apply", write(limited))
    assert (pool().sold, pool().available) == (4, 2)
    assert builders.reserve(api, "ada", "fest", "fest-pass", 3).status == 409


def test_the_types_of_a_date_cannot_exceed_its_capacity(run, write, tree):
    date = {"id": "first", "starts_at": "2026-09-01T18:00:00Z", "capacity": 12}
    tree["events"]["fest"]["dates"] = [date]
    tree["ticket_types"]["fest-day"] = ticket("fest-day", max_quantity=3, date_ids=["first"])
    refused = run("apply", write(tree))
    assert "$.events.fest.dates[0].capacity: Ticket types sell up to 13 tickets for the date `first`" in refused.err
    tree["ticket_types"]["fest-day"]["max_quantity"] = 2
    assert run("apply", write(tree)).code == 0
    invariants.check(catalog.load_current().head.applied_at)


def test_a_type_that_left_the_file_counts_for_its_dates(run, write, tree):
    tree["events"]["fest"]["dates"] = [{"id": "first", "starts_at": "2026-09-01T18:00:00Z", "capacity": 12}]
    tree["ticket_types"]["fest-day"] = ticket("fest-day", max_quantity=2)
    run("apply", write(tree))
    day = tree["ticket_types"].pop("fest-day")
    assert run("apply", write(tree)).code == 0
    tree["ticket_types"]["fest-pass"]["max_quantity"] = 11
    assert "its date first has a capacity of 12, but its ticket types can sell 13 tickets" in run("apply", write(tree)).err
    tree["ticket_types"]["fest-day"] = day | {"max_quantity": 1}
    assert run("apply", write(tree)).code == 0


def test_the_capacity_changes_and_never_falls_below_what_is_sold_and_held(api, time, run, write, limited):
    run("apply", write(limited))
    builders.buy(api, "ada", "fest", "fest-pass", 4)
    limited["events"]["fest"]["capacity"] = 3
    refused = run("apply", write(limited))
    assert (refused.code, pool().capacity) == (1, 6)
    assert "! event fest: capacity 3 is below 4 (sold 4, on hold 0); use 4 or more" in refused.err
    limited["events"]["fest"]["capacity"] = 4
    assert "~ event fest: capacity 6 -> 4 (sold 4, on hold 0, 0 left)" in run("apply", write(limited)).out
    assert builders.reserve(api, "bob", "fest", "fest-any").status == 409
    limited["events"]["fest"]["capacity"] = 3 * MAX_HOLDS
    assert "shards 1 -> 3" in run("apply", write(limited)).out
    assert pool().capacity == 3 * MAX_HOLDS
    limited["events"]["fest"]["capacity"] = None
    limited["ticket_types"]["fest-any"]["max_quantity"] = 5
    result = run("apply", write(limited))
    assert "~ event fest: capacity 240 -> no limit (sold 4, on hold 0, no limit left)" in result.out
    assert "~ tier fest-any: capacity no limit -> 5 (sold 0, on hold 0, 5 left)" in result.out
    time.advance(10)
    assert api.get("/events/fest").json["capacity"] is None
    assert builders.reserve(api, "bob", "fest", "fest-any", 4).status == 201
    invariants.check(time.now)


def test_an_event_that_was_applied_without_a_capacity_gets_none(run, write, tree):
    run("apply", write(tree))
    tree["events"]["fest"]["capacity"] = 100
    refused = run("apply", write(tree))
    assert refused.code == 1
    assert "! event fest: it is too late for an overall capacity" in refused.err


def test_a_type_does_not_move_to_or_from_an_event_with_a_capacity(run, write, limited):
    limited["events"]["other"] = event("other")
    run("apply", write(limited))
    limited["ticket_types"]["fest-pass"]["event_id"] = "other"
    assert "! tier fest-pass: cannot move from event fest" in run("apply", write(limited)).err


def test_a_later_type_begins_with_nothing_sold(api, run, write, limited):
    run("apply", write(limited))
    limited["ticket_types"]["late"] = ticket("late", sold_count=1)
    assert "! tier late: cannot start with sold_count 1" in run("apply", write(limited)).err
    limited["ticket_types"]["late"]["sold_count"] = 0
    assert run("apply", write(limited)).code == 0
    assert builders.reserve(api, "ada", "fest", "late", 4).status == 201
    assert pool().held == 4


def test_a_capacity_below_what_was_sold_elsewhere_is_a_fault(run, write, limited):
    limited["ticket_types"]["fest-pass"]["sold_count"] = 7
    result = run("validate", write(limited))
    assert result.code == 1
    assert "$.events.fest.capacity: 6 is below the sold_count of its ticket types, 7 in total" in result.out + result.err


def test_a_pool_that_missed_a_pause_is_corrected(api, run, write, limited):
    run("apply", write(limited))
    fest = catalog.load_current().events["fest"]
    inventory.set_open({fest.pool_id: fest.pool_shards}, False)
    assert "~ event fest: the stock is closed, but its event is not paused: the stock opens" in run("plan", write(limited)).out
    run("apply", write(limited))
    assert pool().is_open
