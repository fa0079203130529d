"""Tickets that are held back from sale, and their release."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import capacities, holdbacks, sale_rules, tier_management
from chalicelib.catalog import service as catalog
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.foundation import clock, deadline
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import resize_stock
from tests import builders, invariants
from tests.catalog.requests import create_draft, create_kind, create_published, promoter
from tests.simulation import faults
from tests.simulation.call_log import record_calls

pytestmark = pytest.mark.usefixtures("store", "time")


def holdback(quantity: int, name: str = "press", **fields) -> dict:
    return {"id": name, "reason": "press", "quantity": quantity} | fields


def hold_back(api, tier_id: str, *holdbacks: dict):
    return api.patch(f"/tiers/{tier_id}", json={"holdbacks": list(holdbacks)}, **promoter())


def left(api, time, event_id: str, tier_id: str) -> int:
    """The tickets that buyers can have, by all routes that say so."""
    time.advance(10)  # the figures are read again
    available = api.get(f"/tiers/{tier_id}/availability").json["available"]
    tiers = [*api.get(f"/events/{event_id}/availability").json["availability"], *api.get(f"/events/{event_id}").json["tiers"]]
    assert {tier["available"] for tier in tiers if tier.get("tier_id", tier.get("id")) == tier_id} == {available}
    return available


def sell(api, event_id: str, tier_id: str, quantity: int) -> None:
    """Sell one ticket each to so many buyers."""
    for number in range(quantity):
        builders.buy(api, f"buyer{number}.{tier_id}", event_id, tier_id)


def sell_while_shrinking(monkeypatch, api, event_id: str, shrunk: str, sold: str) -> None:
    """Let another change enlarge the stock of the tier `shrunk` again as soon as it has shrunk, and sell 7 tickets of the tier `sold`."""
    shrink, sales = capacities.shrink_stocks, []

    def shrink_and_sell(*arguments):
        shards = shrink(*arguments)
        if not sales:
            capacities.resize_stocks(catalog.load_current().tiers[shrunk], with_pool=True)
            sales.append(sell(api, event_id, sold, 7))
        return shards

    monkeypatch.setattr(capacities, "shrink_stocks", shrink_and_sell)


def stock(stock_id: str, shards: int = 1):
    return read_stock({stock_id: shards})[stock_id]


def create_pooled(api, capacity: int = 10, **tier_fields) -> tuple[str, str, str]:
    """A published event with a capacity over two tiers of 8 tickets. The fields are of the first."""
    event_id = create_draft(api, capacity=capacity)["id"]
    floor = create_kind(api, event_id, **{"capacity": 8} | tier_fields)["id"]
    balcony = create_kind(api, event_id, name="Balcony", capacity=8)["id"]
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    return event_id, floor, balcony


def pool(event_id: str):
    return stock(catalog.load_current().events[event_id].pool_id)


def test_buyers_cannot_have_what_is_held_back_and_do_not_see_it(api, time):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3), holdback(1, "band", reason="artist", label="The band's families")])
    assert left(api, time, event_id, tier_id) == 6
    shown = api.get(f"/tiers/{tier_id}").json
    assert shown["capacity"] == 6
    assert not {"holdbacks", "held_back", "releases"} & shown.keys()
    managed = api.get(f"/tiers/{tier_id}", **promoter()).json
    assert (managed["capacity"], managed["held_back"], managed["holdbacks"][1]["label"]) == (10, 4, "The band's families")
    sell(api, event_id, tier_id, 6)
    assert builders.reserve(api, "bob", event_id, tier_id, 1).json["error"] == "not_enough_tickets"
    invariants.check(time.now, recovered=True)


def test_holding_back_more_and_less_changes_what_buyers_can_have(api, time):
    event_id, tier_id = create_published(api)
    for quantity in (4, 9, 2):
        changed = hold_back(api, tier_id, holdback(quantity))
        assert (changed.status, changed.json["available"], changed.json["held_back"]) == (200, 10 - quantity, quantity)
        assert left(api, time, event_id, tier_id) == 10 - quantity
    assert hold_back(api, tier_id).json["available"] == 10
    invariants.check(time.now, recovered=True)


def test_what_is_sold_or_held_is_never_held_back(api, time):
    event_id, tier_id = create_published(api)
    builders.buy(api, "ada", event_id, tier_id, 3)
    builders.reserve(api, "bob", event_id, tier_id, 2)
    refused = hold_back(api, tier_id, holdback(6))
    assert (refused.status, refused.json["error"], refused.json["path"]) == (409, "holdbacks_too_large", "$.holdbacks")
    assert (refused.json["maximum"], refused.json["sold"], refused.json["held"]) == (5, 3, 2)
    assert left(api, time, event_id, tier_id) == 5
    assert hold_back(api, tier_id, holdback(5)).json["available"] == 0
    refused = api.patch(f"/tiers/{tier_id}", json={"capacity": 9}, **promoter())
    assert (refused.json["error"], refused.json["minimum"]) == ("capacity_too_small", 10)
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 12}, **promoter()).json["available"] == 2
    invariants.check(time.now)


def test_holdbacks_must_fit_their_tier(api, time):
    event_id, tier_id = create_published(api)
    too_many = hold_back(api, tier_id, holdback(11))
    assert (too_many.status, too_many.json["path"], too_many.json["rule"]) == (400, "$.holdbacks", "above_capacity")
    twice = hold_back(api, tier_id, holdback(1), holdback(2))
    assert (twice.status, twice.json["path"], twice.json["rule"]) == (400, "$.holdbacks[1].id", "id_repeated")
    assert hold_back(api, tier_id, holdback(1, reason="friends")).json["path"] == "$.holdbacks[0].reason"
    assert hold_back(api, tier_id, holdback(1, release_at="2026-09-01T19:00:00")).json["path"] == "$.holdbacks[0].release_at"
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": None, "holdbacks": [holdback(1)]}, **promoter()).json["rule"] == "no_limit"
    assert left(api, time, event_id, tier_id) == 10


def test_what_a_tier_holds_back_no_other_tier_of_the_event_can_sell(api, time):
    event_id, floor, balcony = create_pooled(api, holdbacks=[holdback(4)])
    assert (pool(event_id).capacity, left(api, time, event_id, floor), left(api, time, event_id, balcony)) == (6, 4, 6)
    sell(api, event_id, balcony, 5)
    refused = hold_back(api, floor, holdback(6))
    assert (refused.status, refused.json["error"], refused.json["maximum"]) == (409, "holdbacks_too_large", 5)
    assert (pool(event_id).capacity, stock(floor).capacity) == (6, 4)
    assert hold_back(api, floor, holdback(5)).status == 200
    assert (left(api, time, event_id, floor), left(api, time, event_id, balcony)) == (0, 0)
    assert hold_back(api, floor, holdback(1)).status == 200
    assert (left(api, time, event_id, floor), left(api, time, event_id, balcony)) == (4, 3)
    refused = api.patch(f"/events/{event_id}", json={"capacity": 5}, **promoter())
    assert (refused.json["error"], refused.json["minimum"]) == ("capacity_too_small", 6)
    assert api.patch(f"/events/{event_id}", json={"capacity": 6}, **promoter()).status == 200
    assert pool(event_id).available == 0
    invariants.check(time.now, recovered=True)


def test_a_tier_without_a_limit_holds_back_from_the_event(api, time):
    event_id, floor, balcony = create_pooled(api, capacity=10)
    assert api.patch(f"/tiers/{floor}", json={"capacity": None, "holdbacks": [holdback(3)]}, **promoter()).status == 200
    assert (left(api, time, event_id, floor), left(api, time, event_id, balcony)) == (7, 7)
    assert api.delete(f"/tiers/{floor}", **promoter()).status in (200, 204)
    assert left(api, time, event_id, balcony) == 8
    assert pool(event_id).capacity == 10
    invariants.check(time.now, recovered=True)


def test_a_new_tier_cannot_hold_back_what_the_event_has_sold(api, time):
    event_id, floor, _ = create_pooled(api)
    sell(api, event_id, floor, 7)
    body = {"name": "Guests", "price_cents": 0, "capacity": 5, "holdbacks": [holdback(4)]}
    refused = api.post(f"/events/{event_id}/tiers", json=body, **promoter())
    assert (refused.status, refused.json["error"], refused.json["maximum"]) == (409, "holdbacks_too_large", 3)
    assert pool(event_id).capacity == 10
    body["holdbacks"] = [holdback(3)]
    assert api.post(f"/events/{event_id}/tiers", json=body, **promoter()).status == 201
    assert pool(event_id).available == 0
    invariants.check(time.now, recovered=True)


def test_tickets_sold_while_they_are_held_back_are_not_held_back(api, time, monkeypatch):
    """Another change enlarges the stock between the shrinking of the stock and the write of the tier, and the tickets are sold."""
    event_id, floor, balcony = create_pooled(api)
    sell_while_shrinking(monkeypatch, api, event_id, floor, balcony)
    refused = hold_back(api, floor, holdback(1, "artist"), holdback(2, "house"), holdback(2))
    assert (refused.status, refused.json["error"], refused.json["maximum"]) == (409, "holdbacks_too_large", 3)
    shown = api.get(f"/tiers/{floor}", **promoter()).json
    assert ([(entry["id"], entry["quantity"]) for entry in shown["holdbacks"]], shown["available"]) == ([("artist", 1), ("house", 2)], 0)
    assert (pool(event_id).capacity, stock(floor).capacity) == (7, 5)
    invariants.check(time.now, recovered=True)


def test_tickets_of_the_type_itself_are_sold_while_they_are_held_back(api, time, monkeypatch):
    """As above, in an event without a capacity of its own."""
    event_id, floor = builders.create_shop(api, capacity=10)
    sell_while_shrinking(monkeypatch, api, event_id, floor, floor)
    refused = api.patch(f"/tiers/{floor}", json={"holdbacks": [holdback(1, "artist"), holdback(4)]}, token=builders.admin_token())
    assert (refused.status, refused.json["error"], refused.json["maximum"]) == (409, "holdbacks_too_large", 3)
    assert stock(floor).capacity == 7
    invariants.check(time.now, recovered=True)


def test_a_release_does_not_hold_back_what_was_sold_while_it_enlarged_the_stock(api, time, monkeypatch):
    """A manager holds more back while a release adds its tickets to the event, and these tickets are sold."""
    due = holdback(1, "due", release_at=clock.iso(time.now + 1))
    event_id, floor, balcony = create_pooled(api, holdbacks=[holdback(2, "house"), due])
    resize, pool_id = capacities.resize_stocks, catalog.load_current().events[event_id].pool_id

    def hold_back_and_sell(*arguments, **options):
        monkeypatch.setattr(capacities, "resize_stocks", resize)
        assert hold_back(api, floor, holdback(3, "house"), due).status == 200
        resize_stock(pool_id, 1, 8)  # the release's write, with the capacity that the event had before
        sell(api, event_id, balcony, 8)
        return resize(*arguments, **options)

    monkeypatch.setattr(capacities, "resize_stocks", hold_back_and_sell)
    time.advance(1)
    assert holdbacks.release_due(time.now) == 1
    shown = api.get(f"/tiers/{floor}", **promoter()).json
    assert [(entry["id"], entry["quantity"]) for entry in shown["holdbacks"]] == [("house", 2), ("due", 1)]
    assert releases(api, floor) == [("due", 1, "time", True)]
    assert (pool(event_id).capacity, stock(floor).capacity) == (8, 6)
    invariants.check(time.now, recovered=True)


def test_a_release_does_not_enlarge_its_tier_for_what_another_tier_has_held_back(api, time, monkeypatch):
    """The holdback of the other tier shrinks instead, even if the request that held the tickets back crashes."""
    due = holdback(1, "due", release_at=clock.iso(time.now + 1))
    event_id, floor, balcony = create_pooled(api, holdbacks=[due])
    resize, pool_id = capacities.resize_stocks, catalog.load_current().events[event_id].pool_id

    def hold_back_and_sell(*arguments, **options):
        monkeypatch.setattr(capacities, "resize_stocks", resize)
        assert hold_back(api, balcony, holdback(3, "house")).status == 200
        resize_stock(pool_id, 1, 10)  # the release's write, with the capacity that the event had before
        sell(api, event_id, floor, 7)
        sell(api, event_id, balcony, 1)
        return resize(*arguments, **options)

    monkeypatch.setattr(capacities, "resize_stocks", hold_back_and_sell)
    time.advance(1)
    assert holdbacks.release_due(time.now) == 1
    tiers = catalog.load_current().tiers
    assert (tiers[floor].capacity, stock(floor).capacity) == (8, 8)
    assert ([entry.quantity for entry in tiers[balcony].holdbacks], pool(event_id).capacity) == ([2], 8)
    assert releases(api, floor) == [("due", 1, "time", True)]
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize(("held_back", "requested", "after"), [(2, 9, 1), (0, 7, 0)])
def test_a_smaller_event_counts_what_was_sold_while_a_release_enlarged_its_stock(api, time, monkeypatch, held_back, requested, after):
    event_id, floor, balcony = create_pooled(api, holdbacks=[holdback(held_back)] if held_back else [])
    resize, pool_id = capacities.resize_pool, catalog.load_current().events[event_id].pool_id

    def sell_before(*arguments):
        monkeypatch.setattr(capacities, "resize_pool", resize)
        resize_stock(pool_id, 1, 8)
        sell(api, event_id, balcony, 8)
        return resize(*arguments)

    monkeypatch.setattr(capacities, "resize_pool", sell_before)
    refused = api.patch(f"/events/{event_id}", json={"capacity": requested}, **promoter())
    assert (refused.status, refused.json["error"], refused.json["minimum"]) == (409, "capacity_too_small", 8 + held_back)
    current = catalog.load_current()
    assert (current.events[event_id].capacity, current.tiers[floor].held_back, current.tiers[floor].capacity) == (8 + after, after, 8)
    assert pool(event_id).capacity == 8
    invariants.check(time.now, recovered=True)


def test_a_change_of_capacity_that_loses_every_race_changes_no_stock(api, time, monkeypatch):
    event_id, *_ = create_pooled(api)

    def lose(*_):
        raise CatalogChanging(retry_after_seconds=1)

    with monkeypatch.context() as patched:
        patched.setattr(sale_rules, "with_event_changes", lose)
        assert api.patch(f"/events/{event_id}", json={"capacity": 3}, **promoter()).json["error"] == "catalog_changing"
    assert pool(event_id).capacity == 10
    invariants.check(time.now)


def test_a_copy_holds_back_what_has_not_been_released(api, time):
    event_id, floor, _ = create_pooled(api, holdbacks=[holdback(2), holdback(1, "house", release_at=clock.iso(time.now))])
    sweep(time)
    tier = tier_management.duplicate_tier("copy", floor, "pia", time.now)
    assert ([entry.id for entry in tier.holdbacks], tier.releases) == (["press"], [])
    assert pool(event_id).capacity == 6
    invariants.check(time.now, recovered=True)


# Releases: by hand, at a time, and when tickets have sold out.


def releases(api, tier_id: str) -> list[tuple[str, int, str, bool]]:
    shown = api.get(f"/admin/tiers/{tier_id}", token=builders.admin_token()).json["releases"]
    return [(release["holdback_id"], release["quantity"], release["cause"], release["is_complete"]) for release in shown]


def recorded_releases(tier_id: str) -> list:
    """The audit log's entries about releases of a tier's holdbacks."""
    return [entry for entry in audit.list_entries(f"tier#{tier_id}") if entry.action == "tier.holdbacks_released"]


def sweep(time, seconds: int = 0) -> dict:
    """Run the sweep after so many seconds. Returns its report."""
    time.advance(seconds)
    catalog.invalidate()
    return builders.run_sweep()


def test_a_holdback_is_released_at_its_time(api, time):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3, release_at=clock.iso(time.now + 600)), holdback(2, "house")])
    assert sweep(time, 599)["tiers_released"] == 0
    assert left(api, time, event_id, tier_id) == 5
    assert sweep(time)["tiers_released"] == 1
    assert left(api, time, event_id, tier_id) == 8
    assert releases(api, tier_id) == [("press", 3, "time", True)]
    assert sweep(time)["tiers_released"] == 0
    shown = api.get(f"/tiers/{tier_id}", **promoter()).json
    assert ([entry["id"] for entry in shown["holdbacks"]], shown["held_back"]) == (["press", "house"], 2)
    (entry,) = recorded_releases(tier_id)
    assert (entry.actor, entry.changes.keys()) == ("schedule", {"releases"})
    invariants.check(time.now, recovered=True)


def test_a_released_holdback_stays_released(api, time):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3, release_at=clock.iso(time.now + 60))])
    sweep(time, 60)
    assert hold_back(api, tier_id, holdback(5), holdback(1, "house")).json["available"] == 9
    assert hold_back(api, tier_id, holdback(1, "house")).json["releases"] == []
    assert left(api, time, event_id, tier_id) == 9
    invariants.check(time.now, recovered=True)


def test_holdbacks_are_released_one_by_one_whenever_tickets_have_sold_out(api, time):
    waiting = [holdback(2, name, release_when_sold_out=True) for name in ("press", "house")]
    event_id, tier_id = create_published(api, holdbacks=[*waiting, holdback(4, "artist")])
    sell(api, event_id, tier_id, 1)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    sweep(time, 60)
    assert releases(api, tier_id) == []  # ada's ticket may come back
    builders.start_checkout(api, "ada", reservation_id)
    builders.confirm(api, "ada", reservation_id)
    sweep(time, 60)
    assert releases(api, tier_id) == [("press", 2, "sold_out", True)]
    assert left(api, time, event_id, tier_id) == 2
    sweep(time, 60)
    assert len(releases(api, tier_id)) == 1
    for user in ("bob", "cy"):
        builders.buy(api, user, event_id, tier_id)
    sweep(time, 60)
    assert [name for name, *_ in releases(api, tier_id)] == ["press", "house"]
    assert left(api, time, event_id, tier_id) == 2
    invariants.check(time.now, recovered=True)


def test_nothing_is_sold_out_before_anything_was_sold(api, time):
    event_id, tier_id = create_published(api, holdbacks=[holdback(10, release_when_sold_out=True)])
    sweep(time, 60)
    assert (releases(api, tier_id), left(api, time, event_id, tier_id)) == ([], 0)


def test_a_release_returns_the_tickets_to_the_event_too(api, time):
    event_id, floor, balcony = create_pooled(api, holdbacks=[holdback(4, release_when_sold_out=True)])
    sell(api, event_id, balcony, 6)
    sweep(time, 60)
    assert (pool(event_id).capacity, left(api, time, event_id, floor), left(api, time, event_id, balcony)) == (10, 4, 2)
    invariants.check(time.now, recovered=True)


def test_a_draft_releases_nothing_and_its_stock_is_not_read(api, time):
    """Anybody can register as a promoter and make drafts with large stocks, which nobody has to publish."""
    event_id = create_draft(api, capacity=2000)["id"]
    waiting = [holdback(1900, release_when_sold_out=True), holdback(100, "house", release_at=clock.iso(time.now))]
    tier_id = create_kind(api, event_id, capacity=2000, holdbacks=waiting)["id"]
    with record_calls() as calls:
        assert holdbacks.release_due(time.now) == 0
    assert not calls.of(table="inventory")
    assert api.post(f"/events/{event_id}/publish", **promoter()).status == 200
    sweep(time)
    assert releases(api, tier_id) == [("house", 100, "time", True)]


def test_no_tier_waits_behind_tiers_whose_stock_takes_long_to_read(api, time, monkeypatch):
    slow = [create_published(api, holdbacks=[holdback(3, release_when_sold_out=True)])[1] for _ in range(3)]
    timed = create_published(api, holdbacks=[holdback(3, release_at=clock.iso(time.now))])[1]
    looked_at = set()

    def read_slowly(stock_id, _):
        time.advance(8)
        looked_at.add(stock_id)
        return False

    monkeypatch.setattr(holdbacks, "is_sold_out", read_slowly)
    with deadline.within(10):
        assert holdbacks.release_due(time.now) is None
    assert releases(api, timed) == [("press", 3, "time", True)]
    for _ in range(100):
        with deadline.within(10):
            assert holdbacks.release_due(time.now) is None
    assert looked_at == {*slow}


def test_events_that_are_over_release_nothing(api, time):
    event_id, tier_id = create_published(api, holdbacks=[holdback(3, release_at=clock.iso(time.now + 600))])
    assert api.post(f"/events/{event_id}/cancel", json={"reason": "Flooded"}, **promoter()).status == 200
    assert sweep(time, 600)["tiers_released"] == 0
    assert releases(api, tier_id) == []


@pytest.mark.not_on_moto
def test_a_crashed_release_is_completed_and_never_adds_too_many(api, time):
    def create() -> tuple[str, str]:
        event_id = create_draft(api, capacity=10)["id"]
        tier_id = create_kind(api, event_id, capacity=8, holdbacks=[holdback(3, release_at=clock.iso(time.now + 1))])["id"]
        api.post(f"/events/{event_id}/publish", **promoter())
        time.advance(1)
        return event_id, tier_id

    create()
    with faults.record_calls() as calls:
        assert holdbacks.release_due(time.now) == 1
    for number in range(1, len(calls) + 1):
        event_id, tier_id = create()
        with faults.crash_after(number):
            holdbacks.release_due(time.now)
        tier = catalog.load_current().tiers[tier_id]
        assert stock(tier_id).capacity <= tier.stock_capacity
        catalog.invalidate()
        holdbacks.release_due(time.now)
        assert (stock(tier_id).capacity, pool(event_id).capacity) == (8, 10)
        assert releases(api, tier_id) == [("press", 3, "time", True)]
        assert len(recorded_releases(tier_id)) == 1
    invariants.check(time.now, recovered=True)
