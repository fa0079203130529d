"""Released holdbacks go to the people on the waitlist first, or to everybody, as the holdback says."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from tests import builders, invariants
from tests.addons.waitlist.lines import give_back, join, own, run_allocator

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


@pytest.mark.parametrize("release_to", ["waitlist", "public"])
def test_a_release_by_hand_goes_to_whom_the_holdback_says(api, time, release_to):
    event_id, tier_id, _ = sold_out_with_holdback(api, time, release_to=release_to)
    assert join(api, "ada", event_id).status == 201
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": []}, token=builders.admin_token()).status == 200
    assert builders.reserve(api, "new", event_id, tier_id).status == (201 if release_to == "public" else 409)
    assert run_allocator()["offered"] == (1 if release_to == "waitlist" else 0)
    invariants.check(time.now)
