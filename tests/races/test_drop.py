"""A drop: far more buyers than tickets, all at once, on real threads against a store that is correct under them."""

from collections import Counter
from contextlib import suppress

import pytest

from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import CapacityInUse
from chalicelib.purchases.record import store
from tests import builders, invariants
from tests.simulation.threads import at_once, without_condition

THREADS = 32

pytestmark = pytest.mark.usefixtures("threaded_store")


def buy(api, event_id, tier_id, quantity=1):
    """Reserve, check out and pay, as far as it goes: (status, error) of the step that ended it."""

    def one(number):
        user = f"buyer-{number}"
        wanted = quantity(number) if callable(quantity) else quantity
        reserved = builders.reserve(api, user, event_id, tier_id, wanted)
        if reserved.status != 201:
            return reserved.status, reserved.json["error"], wanted
        begun = builders.begin(api, user, reserved.json["id"])
        paid = builders.confirm(api, user, begun.json["id"])
        return paid.status, None, wanted

    return one


def test_a_thousand_buyers_and_a_hundred_tickets(api, time):
    event_id, tier_id = builders.shop(api, capacity=100)
    ends = at_once(THREADS, buy(api, event_id, tier_id), range(1000))
    assert Counter(end[:2] for end in ends) == {(201, None): 100, (409, "not_enough_tickets"): 900}
    assert [(shard.sold, shard.available, shard.held) for shard in inventory.scan_shards()] == [(100, 0, 0)]
    invariants.check(time.now, recovered=True)


def test_eight_shards_and_mixed_quantities_sell_everything_and_never_one_more(api, time):
    event_id, tier_id = builders.shop(api, capacity=288)
    assert len(list(inventory.scan_shards())) == 8
    ends = at_once(THREADS, buy(api, event_id, tier_id, lambda number: 1 + number % 4), range(600))
    assert {end[:2] for end in ends} == {(201, None), (409, "not_enough_tickets")}
    assert sum(wanted for status, _, wanted in ends if status == 201) == sum(shard.sold for shard in inventory.scan_shards()) == 288
    invariants.check(time.now, recovered=True)


def test_without_the_condition_the_same_drop_oversells(api, time):
    event_id, tier_id = builders.shop(api, capacity=20)
    with without_condition("available >= :quantity"):
        ends = at_once(THREADS, buy(api, event_id, tier_id), range(60))
    assert sum(status == 201 for status, _, _ in ends) > 20
    with pytest.raises(AssertionError, match="something is negative"):
        invariants.check(time.now)


def test_one_user_on_many_devices_gets_one_reservation(api, time):
    event_id, tier_id = builders.shop(api, capacity=100)
    replies = at_once(16, lambda _: builders.reserve(api, "ada", event_id, tier_id, 2), range(48))
    assert Counter(reply.status for reply in replies) == {201: 1, 409: 47}
    assert sum(shard.held for shard in inventory.scan_shards()) == 2
    invariants.check(time.now)


def test_a_key_sent_many_times_at_once_reserves_once(api, time):
    event_id, tier_id = builders.shop(api, capacity=100)
    body, headers = {"tier_id": tier_id, "quantity": 2}, {"Idempotency-Key": "k"}
    replies = at_once(16, lambda _: api.post(f"/events/{event_id}/reservations", json=body, user="ada", headers=headers), range(48))
    kinds = Counter((reply.status, reply.json.get("error")) for reply in replies)
    assert kinds[(201, None)] == 1
    assert set(kinds) <= {(201, None), (200, None), (409, "request_in_flight")}
    assert len({reply.json["id"] for reply in replies if reply.status in (200, 201)}) == 1
    invariants.check(time.now)


def test_confirming_fifty_times_at_once_issues_one_set_of_tickets(api, time):
    event_id, tier_id = builders.shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 4).json["id"]
    builders.begin(api, "ada", reservation_id)
    replies = at_once(16, lambda _: builders.confirm(api, "ada", reservation_id), range(50))
    assert Counter(reply.status for reply in replies) == {201: 1, 200: 49}
    assert len({tuple(ticket["code"] for ticket in reply.json["tickets"]) for reply in replies}) == 1
    invariants.check(time.now, recovered=True)


def moves(api, reservation_id):
    return [
        lambda: builders.confirm(api, "ada", reservation_id),
        lambda: builders.confirm(api, "ada", reservation_id, "fail"),
        lambda: api.delete(f"/reservations/{reservation_id}", user="ada"),
        builders.sweep,
    ]


def test_confirm_decline_release_and_sweep_at_once_end_one_way(api, time):
    for start in range(12):
        event_id, tier_id = builders.shop(api)
        reservation_id = builders.reserve(api, "ada", event_id, tier_id, 3).json["id"]
        builders.begin(api, "ada", reservation_id)
        ways = moves(api, reservation_id)
        at_once(8, lambda move: move(), [ways[number % 4] for number in range(start, start + 8)])
        assert store.load(reservation_id).state in ("paid", "cancelled")
        invariants.check(time.now, recovered=True)


def test_buyers_and_two_sweeps_share_out_what_lapsed(api, time):
    event_id, tier_id = builders.shop(api, capacity=30)
    at_once(8, lambda number: builders.reserve(api, f"old-{number}", event_id, tier_id, 2), range(15))
    time.advance(181)

    def work(number):
        if number % 10 == 0:
            return builders.sweep()
        return builders.reserve(api, f"new-{number}", event_id, tier_id, 2).status

    ends = at_once(THREADS, work, range(80))
    assert ends.count(201) == 15
    invariants.check(time.now)


def test_a_resize_during_the_drop_loses_nothing(api, time):
    event_id, tier_id = builders.shop(api, capacity=60)

    def work(number):
        if number % 20 == 0:
            with suppress(CapacityInUse):  # by then more may be on hold: a refusal, and nothing changed
                inventory.resize(tier_id, 1, 50 + number % 40)
        return builders.reserve(api, f"buyer-{number}", event_id, tier_id).status

    at_once(16, work, range(100))
    invariants.check(time.now)
