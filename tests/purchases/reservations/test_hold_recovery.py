"""The sweep: what it ends, what it finishes, and what it leaves alone."""

import pytest

from chalicelib.inventory import service as inventory
from chalicelib.purchases.record import store
from tests import builders, invariants
from tests.simulation import faults


def test_the_sweep_ends_what_is_over_and_leaves_what_lives(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.reserve(api, "ada", event_id, tier_id, 2)
    time.advance(100)
    builders.reserve(api, "bob", event_id, tier_id, 3)
    time.advance(80)
    report = builders.run_sweep()
    assert (report["expired"], report["released"], report["active_holds"]) == (1, 1, 3)
    assert builders.run_sweep()["holds_over"] == 0
    invariants.check(time.now, recovered=True)


def test_a_hold_without_a_purchase_is_buried_and_given_back(api, time):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")  # warms the catalog
    with faults.crash_after(1):
        builders.reserve(api, "ada", event_id, tier_id, 2)
    (shard,) = inventory.scan_shards()
    (hold_id,) = shard.holds
    assert builders.run_sweep()["holds_over"] == 0
    time.advance(180)
    report = builders.run_sweep()
    assert (report["orphans"], report["released"]) == (1, 1)
    assert store.load_many([hold_id.partition(".")[0]]) == {hold_id.partition(".")[0]: None}
    invariants.check(time.now, recovered=True)


def test_a_paid_purchase_whose_conversion_is_missing_is_converted(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    with faults.crash_after(2):
        builders.confirm(api, "ada", reservation_id)
    (shard,) = inventory.scan_shards()
    assert (shard.held, shard.sold) == (2, 0)
    invariants.check(time.now)
    time.advance(180)
    assert builders.run_sweep()["converted"] == 1
    (shard,) = inventory.scan_shards()
    assert (shard.held, shard.sold) == (0, 2)
    invariants.check(time.now, recovered=True)


def test_a_checkout_that_died_before_telling_the_shard_keeps_its_longer_hold(api, time):
    from chalicelib import settings

    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    with settings.override(checkout_seconds=600), faults.crash_after(3):
        builders.start_checkout(api, "ada", reservation_id)
    assert store.load(reservation_id).state == "paying"
    time.advance(200)
    assert builders.run_sweep()["extended"] == 1
    assert builders.run_sweep()["holds_over"] == 0
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now, recovered=True)


def test_two_executions_of_one_request_leave_one_hold(api, time):
    """An impatient client and a slow first execution: both hold, one purchase is written, the other hold goes back."""
    from chalicelib.purchases.reservations import service as reservations

    event_id, tier_id = builders.create_shop(api)
    wanted = [reservations.RequestedItem(tier_id, 2)]
    first = reservations.reserve("ada", event_id, wanted, None, "01PURCHASE", time.now)
    again = reservations.reserve("ada", event_id, wanted, None, "01PURCHASE", time.now)
    assert first == again
    (shard,) = inventory.scan_shards()
    assert shard.held == 2
    invariants.check(time.now)


def test_a_stray_hold_of_a_living_purchase_goes_back_alone(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    inventory.hold(tier_id, 1, 2, f"{reservation_id}.stray", time.now + 10, time.now)
    time.advance(10)
    assert builders.run_sweep()["released"] == 1
    assert api.get(f"/events/{event_id}/reservations", user="ada").status == 200
    invariants.check(time.now)


def test_a_purchase_that_is_over_is_fenced_before_its_hold_goes_back(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    with faults.crash_after(2):
        api.delete(f"/reservations/{reservation_id}", user="ada")
    before = store.load(reservation_id)
    assert before.state == "cancelled"
    time.advance(180)
    assert builders.run_sweep()["released"] == 1
    assert store.load(reservation_id).version == before.version + 1
    invariants.check(time.now, recovered=True)


def test_a_pause_that_reached_only_its_flag_is_finished(api, time):
    event_id, _ = builders.create_shop(api)
    builders.create_tier(api, event_id, "Balcony")
    with faults.record_calls() as made:
        api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    with faults.crash_after(made.index("UpdateItem") + 1):
        api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    assert {shard.is_open for shard in inventory.scan_shards()} != {False}
    assert builders.run_sweep()["reopened_or_closed"] >= 1
    assert {shard.is_open for shard in inventory.scan_shards()} == {False}
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    assert {shard.is_open for shard in inventory.scan_shards()} == {True}
    assert builders.run_sweep()["reopened_or_closed"] == 0


def test_abandoned_purchases_vanish_by_themselves_and_orders_stay(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id)
    builders.reserve(api, "bob", event_id, tier_id)
    time.advance(180)
    builders.run_sweep()
    rows = {row.state: row.ttl for row in store.PurchaseRow.scan()}
    assert rows == {"paid": None, "expired": time.now + 30 * 86_400}


def test_who_read_a_purchase_before_its_checkout_made_it_longer_cannot_end_it(api, time):
    from chalicelib import settings
    from chalicelib.purchases.settlement import cancellation

    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    stale = store.load(reservation_id)
    with settings.override(checkout_seconds=600):
        builders.start_checkout(api, "ada", reservation_id)
    time.advance(181)
    with pytest.raises(store.Conflict):
        cancellation.cancel_purchase(stale, "expired", time.now)
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now)
