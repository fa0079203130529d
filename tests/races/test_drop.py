"""A drop: far more buyers than tickets, all at once, on real threads and a store that is correct under threads."""

from collections import Counter
from contextlib import suppress

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.inventory.capacity import resize_stock
from chalicelib.inventory.model import CapacityInUse, stocks_of
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation.faults import without_lower_bound
from tests.simulation.threads import run_in_threads

THREADS = 32

pytestmark = pytest.mark.usefixtures("threaded_store")


def purchases_of(api, event_id, tier_id, quantity=lambda number: 1):
    """A function that buys as buyer `number`, as far as it gets. It returns (status, error, quantity) of the last step."""

    def buy_as(number):
        user, tickets = f"buyer-{number}", quantity(number)
        reserved = builders.reserve(api, user, event_id, tier_id, tickets)
        if reserved.status != 201:
            return reserved.status, reserved.json["error"], tickets
        checkout = builders.start_checkout(api, user, reserved.json["id"])
        confirmed = builders.confirm(api, user, checkout.json["id"])
        return confirmed.status, None, tickets

    return buy_as


def test_a_thousand_buyers_and_a_hundred_tickets(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=100)
    results = run_in_threads(THREADS, purchases_of(api, event_id, tier_id), range(1000))
    assert Counter(result[:2] for result in results) == {(201, None): 100, (409, "not_enough_tickets"): 900}
    assert [(shard.sold, shard.available, shard.held) for shard in scan_shards()] == [(50, 0, 0)] * 2
    invariants.check(time.now, recovered=True)


@pytest.mark.slow
def test_five_shards_sell_mixed_quantities_and_never_one_too_many(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=400)
    assert len(list(scan_shards())) == 5
    results = run_in_threads(THREADS, purchases_of(api, event_id, tier_id, lambda number: 1 + number % 4), range(600))
    assert {result[:2] for result in results} == {(201, None), (409, "not_enough_tickets")}
    assert sum(tickets for status, _, tickets in results if status == 201) == sum(shard.sold for shard in scan_shards()) == 400
    invariants.check(time.now, recovered=True)


def test_three_tiers_sell_their_events_capacity_and_never_more(api, time):
    event_id = builders.create_event(api, capacity=100)
    tiers = [builders.create_tier(api, event_id, name, capacity=capacity) for name, capacity in (("A", 60), ("B", 60), ("C", None))]

    def buy_as(number):
        return purchases_of(api, event_id, tiers[number % 3], lambda _: 1 + number % 2)(number)

    results = run_in_threads(200, buy_as, range(300))
    assert {result[:2] for result in results} == {(201, None), (409, "not_enough_tickets")}
    assert sum(tickets for status, _, tickets in results if status == 201) == 100
    invariants.check(time.now, recovered=True)


def test_refunds_and_expiries_free_the_capacity_of_the_event(api, time):
    event_id = builders.create_event(api, capacity=20)
    tiers = [builders.create_tier(api, event_id, name, capacity=None) for name in ("A", "B", "C")]
    orders = [builders.create_order(api, (event_id, tiers[number % 3]), 2, user=f"early-{number}") for number in range(5)]
    for number in range(5):
        assert builders.reserve(api, f"slow-{number}", event_id, tiers[number % 3], 2).status == 201
    time.advance(181)

    def work(number):
        if number % 12 == 0:
            return builders.refund(api, orders[number // 12]).status
        if number % 9 == 1:
            return len(builders.run_sweep())
        return purchases_of(api, event_id, tiers[number % 3])(number)[0]

    run_in_threads(THREADS, work, range(60))
    invariants.check(time.now)
    time.advance(10)
    for number in range(api.get(f"/events/{event_id}/availability").json["available"]):
        assert builders.reserve(api, f"last-{number}", event_id, tiers[0]).status == 201
    assert builders.reserve(api, "late", event_id, tiers[1]).status == 409
    invariants.check(time.now)


def test_without_the_condition_the_same_drop_oversells(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=20)
    with without_lower_bound("available"):
        results = run_in_threads(THREADS, purchases_of(api, event_id, tier_id), range(60))
    assert sum(status == 201 for status, _, _ in results) > 20
    with pytest.raises(AssertionError, match="something is negative"):
        invariants.check(time.now)


def test_a_key_sent_many_times_at_once_reserves_once(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=100)
    body, headers = {"tier_id": tier_id, "quantity": 2}, {"Idempotency-Key": "k"}
    replies = run_in_threads(16, lambda _: api.post(f"/events/{event_id}/reservations", json=body, user="ada", headers=headers), range(48))
    outcomes = Counter((reply.status, reply.json.get("error")) for reply in replies)
    assert outcomes[(201, None)] == 1
    assert set(outcomes) <= {(201, None), (200, None), (409, "request_in_flight")}
    assert len({reply.json["id"] for reply in replies if reply.status in (200, 201)}) == 1
    invariants.check(time.now)


def test_confirming_fifty_times_at_once_issues_one_set_of_tickets(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 4).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    replies = run_in_threads(16, lambda _: builders.confirm(api, "ada", reservation_id), range(50))
    assert Counter(reply.status for reply in replies) == {201: 1, 200: 49}
    assert len({tuple(ticket["code"] for ticket in reply.json["tickets"]) for reply in replies}) == 1
    invariants.check(time.now, recovered=True)


def conflicting_requests(api, reservation_id):
    return [
        lambda: builders.confirm(api, "ada", reservation_id),
        lambda: builders.confirm(api, "ada", reservation_id, "fail"),
        lambda: api.delete(f"/reservations/{reservation_id}", user="ada"),
        builders.run_sweep,
    ]


def test_confirm_decline_release_and_sweep_at_once_have_one_result(api, time):
    for start in range(12):
        event_id, tier_id = builders.create_shop(api)
        reservation_id = builders.reserve(api, "ada", event_id, tier_id, 3).json["id"]
        builders.start_checkout(api, "ada", reservation_id)
        requests = conflicting_requests(api, reservation_id)
        run_in_threads(8, lambda request: request(), [requests[number % 4] for number in range(start, start + 8)])
        assert store.load(reservation_id).state in ("paid", "cancelled")
        invariants.check(time.now, recovered=True)


def test_buyers_and_sweeps_at_once_sell_what_expired(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=30)
    run_in_threads(8, lambda number: builders.reserve(api, f"early-{number}", event_id, tier_id, 2), range(15))
    time.advance(181)

    def work(number):
        if number % 10 == 0:
            return builders.run_sweep()
        return builders.reserve(api, f"late-{number}", event_id, tier_id, 2).status

    results = run_in_threads(THREADS, work, range(80))
    assert results.count(201) == 15
    invariants.check(time.now)


def test_a_resize_during_the_drop_loses_nothing(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=60)

    def work(number):
        if number % 20 == 0:
            with suppress(CapacityInUse):  # more may be on hold by then: the resize is refused and changes nothing
                resize_stock(tier_id, 1, 50 + number % 40)
        return builders.reserve(api, f"buyer-{number}", event_id, tier_id).status

    run_in_threads(16, work, range(100))
    invariants.check(time.now)


@pytest.mark.slow
def test_tickets_are_held_back_and_released_during_a_drop(api, time):
    """Managers change the holdbacks of two tiers while buyers take all tickets and the sweep releases what is due."""
    event_id = builders.create_event(api, capacity=100)
    tiers = [builders.create_tier(api, event_id, name, capacity=80) for name in ("A", "B")]
    admin = {"token": builders.admin_token()}

    def hold_back(tier_id, quantity, number):
        due = {"id": f"due-{number}", "reason": "press", "quantity": 1 + number % 5, "release_at": "2026-01-01T00:00:00Z"}
        house = {"id": "house", "reason": "house", "quantity": quantity}
        return api.patch(f"/tiers/{tier_id}", json={"holdbacks": [house, due]}, **admin)

    def work(number):
        tier_id = tiers[number % 2]
        if number % 12 < 2:
            reply = hold_back(tier_id, 1 + number % 30, number)
            return reply.status, reply.json.get("error"), 0
        if number % 12 == 2:
            builders.run_sweep()
            return 200, None, 0
        return purchases_of(api, event_id, tier_id)(number)

    results = run_in_threads(THREADS, work, range(400))
    refusals = {error for status, error, _ in results if status >= 400}
    assert refusals <= {"not_enough_tickets", "holdbacks_too_large", "catalog_changing"}
    builders.run_sweep()
    current, stocks = catalog.load_current(), stocks_of(scan_shards())
    found = [stocks[tier_id].capacity for tier_id in tiers]
    assert found == [current.tiers[tier_id].stock_capacity for tier_id in tiers]
    assert stocks[current.events[event_id].pool_id].capacity == current.pool_capacity(current.events[event_id])
    invariants.check(time.now, recovered=True)
