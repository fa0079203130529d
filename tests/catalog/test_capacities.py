"""The capacity of an event over all its tiers, and tiers without a limit of their own."""

import pytest

from chalicelib.catalog import capacities, event_management, forms
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.model import MAX_HOLDS, UNLIMITED_SHARDS
from chalicelib.inventory.store import ShardRow
from tests import builders, invariants
from tests.catalog.requests import create_draft, create_kind, create_published, promoter
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("store", "time")


def create_shared(api, capacity: int | None = 10, floor: int | None = 8, balcony: int | None = 8) -> tuple[str, str, str]:
    """A published event with this capacity over two tiers. Returns the ids of the event and of its tiers."""
    event_id = create_draft(api, capacity=capacity)["id"]
    tiers = [create_kind(api, event_id, name=name, capacity=of_tier)["id"] for name, of_tier in (("Floor", floor), ("Balcony", balcony))]
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    return event_id, *tiers


def change(api, path: str, **fields):
    return api.patch(path, json=fields, **promoter())


def available(api, time, event_id: str) -> list[int | None]:
    """What the event and each of its tiers have left, by all routes that say so."""
    time.advance(10)  # the figures are read again
    reply = api.get(f"/events/{event_id}/availability").json
    assert all(line["remaining"] == line["available"] for line in reply["availability"])
    by_tier = {line["tier_id"]: line["available"] for line in reply["availability"]}
    assert {tier_id: api.get(f"/tiers/{tier_id}/availability").json["available"] for tier_id in by_tier} == by_tier
    assert {tier["id"]: tier["available"] for tier in api.get(f"/events/{event_id}").json["tiers"]} == by_tier
    return [reply["available"], *by_tier.values()]


def pool(event_id: str):
    event = catalog.load_current().events[event_id]
    return read_stock({event.pool_id: event.pool_shards})[event.pool_id]


def test_all_tiers_together_sell_no_more_than_the_capacity_of_the_event(api, time):
    event_id, floor, balcony = create_shared(api)
    assert api.get(f"/events/{event_id}").json["capacity"] == 10
    assert available(api, time, event_id) == [10, 8, 8]
    builders.buy(api, "ada", event_id, floor, 4)
    assert builders.reserve(api, "bob", event_id, balcony, 4).status == 201
    assert available(api, time, event_id) == [2, 2, 2]
    refused = builders.reserve(api, "cy", event_id, balcony, 3)
    assert (refused.status, refused.json["error"], refused.json["available"]) == (409, "not_enough_tickets", 2)
    assert builders.reserve(api, "cy", event_id, balcony, 2).status == 201
    assert available(api, time, event_id) == [0, 0, 0]
    invariants.check(time.now)


def test_a_sold_out_event_says_so_though_its_tiers_have_tickets(api, time):
    event_id, floor, balcony = create_shared(api, capacity=4)
    builders.buy(api, "ada", event_id, floor, 4)
    time.advance(10)
    event = api.get(f"/events/{event_id}").json
    assert event["status"] == "sold_out"
    assert {tier["status"] for tier in event["tiers"]} == {"sold-out"}
    assert not any(entry["is_available"] for entry in api.get(f"/tickets/types?event_id={event_id}").json["ticket_types"])
    sale = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    figures = (sale["total_capacity"], sale["total_sold"], sale["total_available"], [tier["available"] for tier in sale["tiers"]])
    assert figures == (4, 4, 0, [0, 0])
    assert builders.reserve(api, "bob", event_id, balcony).status == 409
    invariants.check(time.now, recovered=True)


def test_a_purchase_of_several_tiers_takes_all_tickets_from_the_event(api, time):
    event_id, floor, balcony = create_shared(api, capacity=5)
    reply = builders.order(api, "ada", event_id, {floor: 2, balcony: 2})
    assert reply.status == 201
    assert (pool(event_id).held, pool(event_id).available) == (4, 1)
    refused = builders.reserve_items(api, "bob", event_id, {floor: 1, balcony: 1})
    assert (refused.status, refused.json["error"]) == (409, "not_enough_tickets")
    assert "tier_id" not in refused.json  # it is not one of the tiers that has too few
    assert builders.confirm(api, "ada", reply.json["order"]["id"]).status == 201
    assert (pool(event_id).sold, pool(event_id).held) == (4, 0)
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("returned", [1, 4])
def test_a_refund_returns_the_tickets_to_the_tier_and_to_the_event(api, time, returned):
    event_id, floor, balcony = create_shared(api, capacity=4, floor=4)
    order_id = builders.create_order(api, (event_id, floor), 4)
    tickets = builders.ticket_ids(order_id, *range(1, returned + 1))
    assert builders.refund(api, order_id, tickets=tickets).status == 201
    assert available(api, time, event_id) == [returned] * 3
    assert builders.buy(api, "bob", event_id, balcony, returned).status == 201
    assert builders.reserve(api, "cy", event_id, floor).status == 409
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("end", ["sweep", "buyer", "release"])
def test_a_reservation_that_ends_frees_the_tier_and_the_event(api, time, end):
    event_id, floor, balcony = create_shared(api, capacity=4, floor=4)
    reservation_id = builders.reserve(api, "ada", event_id, floor, 4).json["id"]
    assert builders.reserve(api, "bob", event_id, balcony, 4).status == 409
    if end == "release":
        assert api.delete(f"/reservations/{reservation_id}", user="ada").status == 200
    else:
        time.advance(181)
    if end == "sweep":
        builders.run_sweep()
    assert builders.reserve(api, "bob", event_id, balcony, 4).status == 201
    assert (pool(event_id).held, pool(event_id).available) == (4, 0)
    invariants.check(time.now)


def test_a_late_payment_takes_its_tickets_from_tier_and_event_again(api, time):
    event_id, floor, balcony = create_shared(api, capacity=4, floor=4)
    reservation_id = builders.reserve(api, "ada", event_id, floor, 4).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    time.advance(3600)
    builders.run_sweep()
    assert pool(event_id).held == 0
    assert builders.reserve(api, "bob", event_id, balcony, 1).status == 201
    builders.confirm(api, "ada", reservation_id)
    assert pool(event_id).held + pool(event_id).sold <= 4
    invariants.check(time.now)


def test_a_pause_closes_the_pool_too(api, time):
    event_id, floor, _ = create_shared(api)
    admin = {"token": builders.admin_token()}
    assert api.post(f"/admin/events/{event_id}/pause", **admin).status == 200
    assert not pool(event_id).is_open
    assert api.post(f"/admin/events/{event_id}/resume", **admin).status == 200
    assert pool(event_id).is_open
    assert builders.reserve(api, "ada", event_id, floor).status == 201
    invariants.check(time.now)


def test_the_capacity_of_an_event_never_falls_below_what_is_sold_and_held(api, time):
    event_id, floor, balcony = create_shared(api)
    builders.buy(api, "ada", event_id, floor, 3)
    builders.reserve(api, "bob", event_id, balcony, 2)
    refused = change(api, f"/events/{event_id}", capacity=4)
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "capacity_too_small", 5)
    assert api.get(f"/events/{event_id}").json["capacity"] == 10
    assert change(api, f"/events/{event_id}", capacity=5).json["capacity"] == 5
    assert available(api, time, event_id) == [0, 0, 0]
    assert change(api, f"/events/{event_id}", capacity=100 * MAX_HOLDS).status == 200
    assert pool(event_id).capacity == 100 * MAX_HOLDS
    assert sorted(available(api, time, event_id)) == [5, 6, 11]
    assert change(api, f"/events/{event_id}", capacity=None).json["capacity"] is None
    assert sorted(available(api, time, event_id)) == [5, 6, 11]
    refused = change(api, f"/events/{event_id}", capacity=3)
    assert (refused.status, refused.json["minimum"]) == (409, 5)
    assert change(api, f"/events/{event_id}", capacity=6).status == 200
    assert available(api, time, event_id) == [1, 1, 1]
    invariants.check(time.now)


def test_the_first_capacity_needs_a_draft(api, time):
    event_id, tier_id = create_published(api)
    refused = change(api, f"/events/{event_id}", capacity=5)
    assert (refused.status, refused.json["error"]) == (409, "capacity_needs_draft")
    assert api.post(f"/events/{event_id}/unpublish", **promoter()).status == 200
    assert change(api, f"/events/{event_id}", capacity=5).json["capacity"] == 5
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    assert builders.reserve(api, "ada", event_id, tier_id, 4).status == 201
    assert builders.reserve(api, "bob", event_id, tier_id, 2).status == 409
    invariants.check(time.now)


def test_an_instance_unaware_of_the_capacity_sells_nothing_without_it(api, time, monkeypatch):
    event_id, tier_id = create_published(api)
    old = catalog.snapshot()
    api.post(f"/events/{event_id}/unpublish", **promoter())
    change(api, f"/events/{event_id}", capacity=3)
    api.post(f"/events/{event_id}/publish", **promoter())
    with monkeypatch.context() as patched:
        patched.setattr("chalicelib.catalog.service.find_snapshot", lambda _: old)
        patched.setattr("chalicelib.catalog.service.snapshot", lambda: old)
        patched.setattr("chalicelib.purchases.reservations.catalog.refresh_snapshot", lambda: old)
        assert builders.reserve(api, "ada", event_id, tier_id, 4).status == 503
    assert (pool(event_id).held, pool(event_id).available) == (0, 3)
    with monkeypatch.context() as patched:  # an instance whose snapshot is old learns of the capacity by the refusal
        snapshots = iter([old, old])
        patched.setattr("chalicelib.catalog.service.find_snapshot", lambda _: next(snapshots, None) or catalog.load_current())
        assert builders.reserve(api, "ada", event_id, tier_id, 4).json["error"] == "not_enough_tickets"
    assert builders.reserve(api, "ada", event_id, tier_id, 3).status == 201
    invariants.check(time.now)


@pytest.mark.not_on_moto
def test_a_crashed_change_never_adds_tickets_to_an_event_and_is_completed(api, time, monkeypatch):
    monkeypatch.setattr(capacities, "MAX_SHARDS_IN_TRANSACTION", 1)

    def set_capacity(event_id: str, capacity: int) -> None:
        event_management.update_event(event_id, forms.EventChanges(capacity=capacity), "pia", time.now)

    def check_crashes(create, capacity: int) -> None:
        with faults.record_calls() as calls:
            set_capacity(create(), capacity)
        for number in range(1, len(calls) + 1):
            event_id = create()
            with faults.crash_after(number):
                set_capacity(event_id, capacity)
            event = catalog.load_current().events[event_id]
            assert event.pool_id is None or pool(event_id).capacity <= event.pool_limit
            set_capacity(event_id, capacity)
            assert pool(event_id).capacity == capacity

    def create_unlimited() -> str:
        event_id = create_draft(api)["id"]
        create_kind(api, event_id)
        return event_id

    limited_id = create_unlimited()

    def reset_limited() -> str:
        set_capacity(limited_id, 20)
        return limited_id

    check_crashes(create_unlimited, 2 * MAX_HOLDS)
    check_crashes(reset_limited, 2 * MAX_HOLDS)
    assert api.post(f"/events/{limited_id}/publish", **promoter()).status == 200
    invariants.check(time.now)


def test_an_interrupted_first_capacity_must_be_set_before_publishing(api, time):
    event_id = create_draft(api)["id"]
    create_kind(api, event_id)
    (tier,) = catalog.load_current().event_tiers(event_id)
    inventory.mark_pooled(tier.stock_id, tier.shards)  # and the crash
    refused = api.post(f"/events/{event_id}/publish", **promoter())
    assert (refused.status, [problem["path"] for problem in refused.json["problems"]]) == (409, ["$.capacity"])
    assert change(api, f"/events/{event_id}", capacity=5).status == 200
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    invariants.check(time.now)


def test_a_large_capacity_gets_all_its_shards(api, time):
    capacity = (capacities.MAX_SHARDS_IN_TRANSACTION + 3) * MAX_HOLDS
    event_id = create_draft(api, capacity=capacity)["id"]
    event = catalog.load_current().events[event_id]
    assert event.pool_shards == capacities.MAX_SHARDS_IN_TRANSACTION + 3
    assert pool(event_id).capacity == capacity


def test_a_tier_that_is_added_later_or_grows_shares_the_capacity(api, time):
    event_id, floor, _ = create_shared(api, capacity=6, floor=2)
    assert change(api, f"/tiers/{floor}", capacity=3 * MAX_HOLDS).status == 200
    late = create_kind(api, event_id, name="Late", capacity=5)["id"]
    builders.buy(api, "ada", event_id, late, 4)
    assert builders.reserve(api, "bob", event_id, floor, 3).status == 409
    assert builders.reserve(api, "bob", event_id, floor, 2).status == 201
    invariants.check(time.now)


def test_the_sweep_marks_and_opens_shards_that_a_crash_left_out(api, time):
    event_id, floor, _ = create_shared(api)
    shard_id = f"{catalog.load_current().tiers[floor].stock_id}#0"
    dynamo.update_now(ShardRow(shard_id), [ShardRow.open.set(False), ShardRow.pooled.remove()])
    builders.run_sweep()  # marks it
    builders.run_sweep()  # opens it
    assert builders.reserve(api, "ada", event_id, floor, 4).status == 201
    invariants.check(time.now)


# ------------------------------------------------------------------ tiers without a limit


def test_a_tier_without_a_limit_sells_as_much_as_the_event_has(api, time):
    event_id, floor, _ = create_shared(api, capacity=6, floor=None, balcony=2)
    assert api.get(f"/tiers/{floor}").json["capacity"] is None
    assert available(api, time, event_id) == [6, 6, 2]
    builders.buy(api, "ada", event_id, floor, 4)
    assert available(api, time, event_id) == [2, 2, 2]
    assert builders.reserve(api, "bob", event_id, floor, 3).status == 409
    tier = api.get(f"/tiers/{floor}", **promoter()).json
    assert (tier["capacity"], tier["sold"], tier["available"]) == (None, 4, 2)
    invariants.check(time.now, recovered=True)


def test_a_tier_without_a_limit_of_an_event_without_one_is_never_sold_out(api, time):
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id, capacity=None)["id"]
    api.post(f"/events/{event_id}/publish", **promoter())
    assert available(api, time, event_id) == [None, None]
    assert catalog.load_current().tiers[tier_id].shards == UNLIMITED_SHARDS
    builders.buy(api, "ada", event_id, tier_id, 4)
    time.advance(10)
    line = api.get(f"/tiers/{tier_id}/availability").json
    assert (line["capacity"], line["available"], line["sold"], line["status"]) == (None, None, 4, "available")
    (entry,) = api.get(f"/tickets/types?event_id={event_id}").json["ticket_types"]
    assert (entry["max_quantity"], entry["available_quantity"], entry["sold_count"], entry["is_available"]) == (None, None, 4, True)
    sale = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    assert (sale["total_capacity"], sale["total_sold"], sale["total_available"]) == (None, 4, None)
    assert builders.reserve(api, "ada", event_id, tier_id, 4).status == 403  # the buyer's limit stays
    invariants.check(time.now, recovered=True)


def test_a_tier_gets_a_limit_and_loses_it(api, time):
    event_id = create_draft(api)["id"]
    tier_id = create_kind(api, event_id, capacity=None)["id"]
    api.post(f"/events/{event_id}/publish", **promoter())
    builders.buy(api, "ada", event_id, tier_id, 4)
    refused = change(api, f"/tiers/{tier_id}", capacity=3)
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "capacity_too_small", 4)
    assert change(api, f"/tiers/{tier_id}", capacity=6).json["available"] == 2
    assert builders.reserve(api, "bob", event_id, tier_id, 3).status == 409
    assert change(api, f"/tiers/{tier_id}", capacity=None).json["available"] is None
    assert builders.reserve(api, "bob", event_id, tier_id, 3).status == 201
    invariants.check(time.now)


def test_an_event_with_unlimited_tiers_can_be_deleted_and_cancelled(api, time):
    draft = create_draft(api, capacity=5)["id"]
    create_kind(api, draft, capacity=None)
    assert api.delete(f"/events/{draft}", **promoter()).status == 200
    event_id, floor, _ = create_shared(api, capacity=5, floor=None)
    assert api.delete(f"/tiers/{floor}", **promoter()).status == 200
    assert api.post(f"/events/{event_id}/unpublish", **promoter()).status == 200
    assert invariants.find_unpublished() == []
    invariants.check(time.now)
