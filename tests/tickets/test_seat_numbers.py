"""Seat numbers: 1, 2, 3, ... for each event, without duplicates, even if the numbering function crashes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import app
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.tickets import seat_numbers
from chalicelib.tickets import service as tickets
from infra.local.event_sources import create_poller
from tests import builders, engines, invariants, store_calls
from tests.simulation import faults
from tests.simulation.limits import simulate


@pytest.fixture
def poller(threaded_store):
    """Passes the changes of the store to their consumers when the test says `poller.drain()`."""
    return create_poller(app.app, engines.local_engine(), window_seconds=0)


@pytest.fixture
def tables(api, time):
    """The id of an event, and of its tier whose tickets admit four people each."""
    event_id = builders.create_event(api, "Summits v. Harbor")
    return event_id, builders.create_tier(api, event_id, admits=4, capacity=100)


def issued(order_id, quantity):
    return [tickets.get_ticket(f"{order_id}-{number}") for number in range(1, quantity + 1)]


def test_the_seats_of_what_was_sold_get_numbers_of_their_event(poller, api, time, tables):
    first, second = builders.create_order(api, tables, 2), builders.create_order(api, tables, 1, "bob")
    other = builders.create_order(api, builders.create_shop(api), 1, "eve")
    assert api.get(f"/orders/{first}/seats", user="ada").json["seats"][0]["number"] is None
    poller.drain()
    numbers = [seat["number"] for seat in api.get(f"/orders/{first}/seats", user="ada").json["seats"]]
    numbers += [seat["number"] for seat in api.get(f"/orders/{second}/seats", user="bob").json["seats"]]
    assert sorted(numbers) == [f"SVH-{number:04}" for number in range(1, 13)]
    shown = api.get("/me/tickets", user="eve").json["tickets"]
    assert [(ticket["order_id"], ticket["number"]) for ticket in shown] == [(other, "NIG-0001")]
    invariants.check(time.now)


def test_a_guest_and_the_door_read_the_number_of_the_seat(poller, api, time, tables):
    order_id = builders.create_order(api, tables, 1)
    poller.drain()
    named = api.put(f"/seats/{order_id}-1.3/guest", json={"name": "Bob"}, user="ada").json
    token = named["guest"]["url"].partition("#token=")[2]
    manifest = api.get(f"/events/{tables[0]}/manifest", token=builders.staff_token(tables[0])).json["tickets"]
    assert [named["number"], api.get(f"/guests/{token}").json["number"], manifest[0]["guests"][0]["number"]] == ["SVH-0003"] * 3
    assert manifest[0]["number"] == "SVH-0001"


def test_changes_that_come_again_or_of_tickets_with_numbers_change_nothing(api, time, tables):
    order_id = builders.create_order(api, tables, 3)
    new = issued(order_id, 3)
    with store_calls.made_by("follow_changes"):
        seat_numbers.number_tickets(new[:2])
        seat_numbers.number_tickets(new)
    seat_numbers.number_tickets(issued(order_id, 3))
    assert [ticket.seat_number(4) for ticket in issued(order_id, 3)] == ["SVH-0004", "SVH-0008", "SVH-0012"]
    invariants.check(time.now)


def test_a_crash_at_any_step_leaves_all_tickets_to_the_next_run(api, time, tables):
    """A crash after the numbers were taken wastes these numbers, and a crash at any other step wastes none."""
    first = []
    for number in (2, 3):  # the two writes after the read: the counter, then the tickets
        for crash_at in (faults.crash_before, faults.crash_after):
            order_id = builders.create_order(api, tables, 2, f"{crash_at.__name__}-{number}")
            new = issued(order_id, 2)
            with crash_at(number) as crash:
                seat_numbers.number_tickets(new)
            assert crash.was_triggered
            seat_numbers.number_tickets(new)
            seat_numbers.number_tickets(new)
            first += [ticket.serial.first for ticket in issued(order_id, 2)]
    assert first == [1, 5, 17, 21, 33, 37, 41, 45]
    invariants.check(time.now)


def test_runs_for_several_shards_do_not_wait_for_each_other(api, time, tables):
    """Eight runs number tickets of one event at the same moment: none fails, and each makes one read and two writes."""
    orders = [builders.create_order(api, tables, 2, f"buyer-{number}") for number in range(8)]
    batches = [issued(order_id, 2) for order_id in orders]
    catalog.find_event(tables[0])
    runs = {f"shard-{number}": (0.0, lambda batch=batch: seat_numbers.number_tickets(batch)) for number, batch in enumerate(batches)}
    report = simulate(runs)
    assert (report.calls, report.conflicts) == (8 * 3, {})
    assert sorted(ticket.serial.first for order_id in orders for ticket in issued(order_id, 2)) == list(range(1, 65, 4))
    invariants.check(time.now)


def test_several_shards_of_the_stream_at_once_share_the_counter(api, time, threaded_store, tables):
    orders = [builders.create_order(api, tables, 2, f"buyer-{number}") for number in range(8)]
    batches = [issued(order_id, 2) for order_id in orders]

    def consume(batch):
        while True:  # as Lambda does: a batch that failed comes again
            try:
                return seat_numbers.number_tickets(batch)
            except dynamo.StoreUnavailable:
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(consume, [*batches, *batches]))
    # Two runs that number the same ticket at the same moment both take numbers for it, and one of them wastes its numbers.
    assert all(ticket.serial for order_id in orders for ticket in issued(order_id, 2))
    invariants.check(time.now)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("Jazz", "JAZ"), ("Été à Sète", "EAS"), ("The Long Night of the Museums", "TLNO"), ("東京", "T"), ("24 Hours", "2H"), ("A", "A")],
)
def test_numbers_of_an_event_begin_with_its_name(api, time, name, prefix):
    event_id = builders.create_event(api, name)
    order_id = builders.create_order(api, (event_id, builders.create_tier(api, event_id)), 1)
    seat_numbers.number_tickets(issued(order_id, 1))
    assert api.get(f"/tickets/{order_id}-1", user="ada").json["number"] == f"{prefix}-0001"
    renamed = api.patch(f"/events/{event_id}", json={"name": "Something else"}, token=builders.admin_token())
    assert renamed.status == 200
    second = builders.create_order(api, (event_id, api.get(f"/events/{event_id}").json["tiers"][0]["id"]), 1, "bob")
    seat_numbers.number_tickets(issued(second, 1))
    assert issued(second, 1)[0].seat_number(1) == f"{prefix}-0002"
