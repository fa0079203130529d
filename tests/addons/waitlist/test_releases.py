"""Released holdbacks go to the people on the waitlist first, or to everybody, as the holdback says."""

from hashlib import sha256
from types import SimpleNamespace

import pytest

from chalicelib.addons.waitlist import allocator, store
from chalicelib.audit import service as audit
from chalicelib.catalog import capacities
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from tests import builders, invariants
from tests.addons.waitlist.lines import give_back, join, own, run_allocator
from tests.store_calls import made_by

pytestmark = pytest.mark.usefixtures("store", "time")


def sold_out_with_holdback(api, time, **holdback) -> tuple[str, str, list[str]]:
    """An event whose only tier holds 3 of 5 tickets back for ten minutes, and has sold the others. Returns the ids, and the orders'."""
    event_id, tier_id = builders.create_shop(api, capacity=5)
    held_back = {"id": "press", "reason": "press", "quantity": 3, "release_at": clock.iso(time.now + 600)} | holdback
    changed = api.patch(f"/tiers/{tier_id}", json={"holdbacks": [held_back]}, token=builders.admin_token())
    assert changed.status == 200, changed.json
    orders = [str(builders.buy(api, f"b{number}", event_id, tier_id).json["order"]["id"]) for number in range(2)]
    time.advance(5)  # figures are no older than that
    return event_id, tier_id, orders


def release(time) -> None:
    time.advance(600)
    catalog.invalidate()
    assert builders.run_sweep()["tiers_released"] == 1


def states(api, *users: str) -> list[str]:
    return [own(api, user)[0]["status"] for user in users]


def test_released_tickets_go_to_the_waitlist_first(api, time):
    event_id, tier_id, _ = sold_out_with_holdback(api, time)
    for user in ("ada", "bob"):
        assert join(api, user, event_id).status == 201
    release(time)
    assert builders.reserve(api, "new", event_id, tier_id).status == 409
    assert run_allocator()["offered"] == 2
    assert states(api, "ada", "bob") == ["offered", "offered"]
    time.advance(60)
    run_allocator()  # nobody waits for the third ticket
    assert builders.reserve(api, "new", event_id, tier_id).status == 201
    invariants.check(time.now)


def test_people_who_waited_before_the_sale_opened_are_first_too(api, time):
    """Their tier is not reserved for them until it has sold out; the release finds it sold out before the allocator does."""
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 60))
    tier_id = builders.create_tier(api, event_id, capacity=5)
    held_back = {"id": "press", "reason": "press", "quantity": 3, "release_when_sold_out": True}
    api.patch(f"/tiers/{tier_id}", json={"holdbacks": [held_back]}, token=builders.admin_token())
    assert join(api, "ada", event_id).status == 201
    time.advance(60)
    for number in range(2):
        builders.buy(api, f"b{number}", event_id, tier_id)
    release(time)
    assert builders.reserve(api, "new", event_id, tier_id).status == 409
    assert run_allocator()["offered"] == 1
    assert states(api, "ada") == ["offered"]
    invariants.check(time.now)


def test_tickets_released_to_the_public_pass_the_line(api, time):
    event_id, tier_id, orders = sold_out_with_holdback(api, time, release_to="public")
    assert join(api, "ada", event_id).status == 201
    release(time)
    assert run_allocator()["offered"] == 0
    for user in ("new", "newer", "newest"):
        assert builders.buy(api, user, event_id, tier_id).status == 201
    time.advance(60)
    run_allocator()  # the tier has sold out again, so what comes back is for the line
    give_back(api, orders[0])
    assert builders.reserve(api, "late", event_id, tier_id).status == 409
    assert run_allocator()["offered"] == 1
    assert states(api, "ada") == ["offered"]
    invariants.check(time.now)


def test_a_release_takes_no_tickets_from_buyers_while_some_are_on_sale(api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 60))
    tier_id = builders.create_tier(api, event_id, capacity=5)
    held_back = {"id": "press", "reason": "press", "quantity": 3, "release_at": clock.iso(time.now + 100)}
    api.patch(f"/tiers/{tier_id}", json={"holdbacks": [held_back]}, token=builders.admin_token())
    assert join(api, "ada", event_id).status == 201
    time.advance(60)
    release(time)
    assert builders.reserve(api, "new", event_id, tier_id, 4).status == 201
    invariants.check(time.now)


def test_a_party_may_wait_for_what_is_held_back(api, time):
    event_id, _, _ = sold_out_with_holdback(api, time)
    assert join(api, "ada", event_id, quantity=3).status == 201
    release(time)
    assert run_allocator()["offered"] == 1
    invariants.check(time.now)


@pytest.mark.parametrize("release_to", ["waitlist", "draw", "public"])
def test_a_release_by_hand_goes_to_whom_the_holdback_says(api, time, release_to):
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to=release_to)
    assert join(api, "ada", event_id).status == 201
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": []}, token=builders.admin_token()).status == 200
    assert builders.reserve(api, "new", event_id, tier_id).status == (201 if release_to == "public" else 409)
    assert run_allocator()["offered"] == (0 if release_to == "public" else 1)
    invariants.check(time.now)


def draws_of(tier_id: str) -> list[dict]:
    return [entry.details for entry in audit.list_entries(f"tier#{tier_id}") if entry.action == "waitlist.drawn"]


def drawn_order(api, tier_id: str, users: list[str]) -> list[str]:
    """The users in the order that anybody can work out from the audit log: by the SHA-256 of the seed and the entry's id."""
    [draw] = draws_of(tier_id)
    entry_ids = {user: own(api, user)[0]["id"] for user in users}
    assert all(entry_id <= draw["last_entry"] for entry_id in entry_ids.values())
    return sorted(users, key=lambda user: sha256(f"{draw['seed']} {entry_ids[user]}".encode()).hexdigest())


def offered_to(api, users: list[str]) -> set[str]:
    return {user for user in users if states(api, user) == ["offered"]}


def test_a_release_is_drawn_among_everybody_who_waits(api, time):
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to="draw")
    users = [f"user-{number}" for number in range(12)]
    for user in users:
        assert join(api, user, event_id).status == 201
    release(time)
    time.advance(1)
    assert join(api, "late", event_id).status == 201
    assert builders.reserve(api, "new", event_id, tier_id).status == 409
    assert run_allocator()["offered"] == 3
    assert offered_to(api, users) == set(drawn_order(api, tier_id, users)[:3])
    assert states(api, "late") == ["waiting"]
    invariants.check(time.now)


def test_after_a_draw_returned_tickets_go_to_the_first_in_the_line(api, time):
    event_id, tier_id, orders = sold_out_with_holdback(api, time, release_to="draw")
    users = [f"user-{number}" for number in range(8)]
    for user in users:
        join(api, user, event_id)
    release(time)
    run_allocator()
    drawn = offered_to(api, users)
    time.advance(60)
    give_back(api, orders[0])
    run_allocator()
    first = next(user for user in users if user not in drawn)
    assert offered_to(api, users) == drawn | {first}
    assert len(draws_of(tier_id)) == 1
    invariants.check(time.now)


def test_tickets_that_nobody_in_the_draw_takes_go_to_those_who_joined_later_and_then_to_everybody(api, time):
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to="draw")
    join(api, "ada", event_id)
    release(time)
    time.advance(1)
    join(api, "late", event_id)
    run_allocator()
    assert states(api, "ada", "late") == ["offered", "waiting"]
    time.advance(60)
    run_allocator()
    assert states(api, "ada", "late") == ["offered", "offered"]
    time.advance(60)
    run_allocator()
    assert builders.reserve(api, "new", event_id, tier_id).status == 201
    invariants.check(time.now)


@pytest.mark.parametrize("places_in_memory", [1, 4, 10_000])
def test_a_party_that_is_too_large_does_not_stop_a_draw(api, time, monkeypatch, places_in_memory):
    monkeypatch.setattr(allocator, "DRAWN_PLACES", places_in_memory)
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to="draw")
    parties = {f"user-{number}": 1 + number % 3 for number in range(9)}
    for user, quantity in parties.items():
        assert join(api, user, event_id, quantity=quantity).status == 201
    release(time)
    run_allocator()
    expected, left = set(), 3
    for user in drawn_order(api, tier_id, list(parties)):
        if parties[user] <= left:
            expected.add(user)
            left -= parties[user]
    assert offered_to(api, list(parties)) == expected
    invariants.check(time.now)


def test_a_draw_that_runs_out_of_time_goes_on_in_the_same_order(api, time, monkeypatch):
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to="draw")
    users = [f"user-{number}" for number in range(8)]
    for user in users:
        join(api, user, event_id)
    release(time)
    order = drawn_order(api, tier_id, users)
    make_offer, left = allocator.make_offer, [60]

    def make_last_offer(*args, **named):
        left[:] = [0]
        return make_offer(*args, **named)

    monkeypatch.setattr(allocator, "make_offer", make_last_offer)
    monkeypatch.setattr(allocator, "deadline", SimpleNamespace(remaining=lambda: left[0]))
    for number in range(1, 4):
        left[:] = [60]
        assert run_allocator()["offered"] == 1
        assert offered_to(api, users) == set(order[:number])
        time.advance(60)
    invariants.check(time.now)


def test_a_run_in_the_middle_of_a_release_does_not_end_its_draw(api, time, monkeypatch):
    """The draw begins before the tickets are in the stock."""
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to="draw")
    users = [f"user-{number}" for number in range(8)]
    for user in users:
        join(api, user, event_id)
    grow = capacities.resize_tier_stock

    def grow_between_runs(*args):
        run_allocator()
        stock = grow(*args)
        with made_by("follow_changes"):
            allocator.allocate_each(store.find_lines([event_id]), time.now, is_following=True)
        return stock

    monkeypatch.setattr(capacities, "resize_tier_stock", grow_between_runs)
    release(time)
    run_allocator()
    assert offered_to(api, users) == set(drawn_order(api, tier_id, users)[:3])
    invariants.check(time.now)


def test_releases_to_several_groups_at_once_go_to_the_line_in_its_order(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=5)
    held_back = [
        {"id": name, "reason": "press", "quantity": 1, "release_at": clock.iso(time.now + 600), "release_to": to}
        for name, to in (("press", "draw"), ("house", "waitlist"))
    ]
    api.patch(f"/tiers/{tier_id}", json={"holdbacks": held_back}, token=builders.admin_token())
    for number in range(3):
        builders.buy(api, f"b{number}", event_id, tier_id)
    time.advance(5)
    users = [f"user-{number}" for number in range(6)]
    for user in users:
        join(api, user, event_id)
    release(time)
    run_allocator()
    assert offered_to(api, users) == {"user-0", "user-1"}
    assert draws_of(tier_id) == []
