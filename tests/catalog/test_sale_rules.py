"""The promise around an opening: no route raises a price, adds a dearer kind of ticket or makes a rule stricter."""

import pytest

from chalicelib.catalog.model import MAX_PUBLIC_CHANGES
from chalicelib.catalog.sale_rules import SETUP_SECONDS
from chalicelib.foundation import clock
from tests import builders
from tests.waiting_room.sale import create_sale, join, join_many

DAY = 86_400
TIER_CHANGES = [
    ("price_cents", {"price_cents": 5001}),
    ("admits", {"admits": 1}),
    ("requires_code", {"requires_code": True}),
    ("seating", {"seating": "companion"}),
    ("per_user_limit", {"per_user_limit": 3}),
    ("max_per_order", {"max_per_order": 3}),
]
EVENT_CHANGES = [
    ("purchase_limit", {"purchase_limit": 5}),
    ("waiting_room", {"waiting_room": {"enabled": False}}),
    ("waiting_room", {"waiting_room": {"pass_seconds": 1}}),
    ("waiting_room", {"waiting_room": {"grace_seconds": 0}}),
    ("waiting_room", {"waiting_room": {"longer_pass_seconds": 200}}),
    ("waiting_room", {"waiting_room": {"pass_seconds": 600, "entry": "verified_address"}}),
]


def create_shop(api, time, seconds_to_opening, **event_fields):
    """An event with a waiting room and a tier of 50.00, published ten minutes ago; (event id, tier id)."""
    opens = clock.iso(time.now + SETUP_SECONDS + seconds_to_opening)
    fields = {"on_sale_at": opens, "status": "scheduled", "waiting_room": {"enabled": True, "wave_size": 3, "wave_seconds": 30}}
    event_id = builders.create_event(api, purchase_limit=6, **fields | event_fields)
    tier_id = builders.create_tier(api, event_id, per_user_limit=4, admits=2)
    time.advance(SETUP_SECONDS)
    return event_id, tier_id


def patch(api, path, **changes):
    return api.patch(path, json=changes, token=builders.admin_token())


def add_tier(api, event_id, name="Floor again", **fields):
    body = {"event_id": event_id, "name": name, "price_cents": 5000, "capacity": 10, "admits": 2} | fields
    return api.post("/admin/tiers", json=body, token=builders.admin_token())


def control(api, event_id, action, json=None):
    """Publish, unpublish, pause, resume or let in."""
    path = f"/admin/events/{event_id}/{action}" if action in ("pause", "resume", "waiting-room/let-in") else f"/events/{event_id}/{action}"
    return api.post(path, json=json or {}, token=builders.admin_token())


def check_frozen(reply, field, until):
    assert reply.status == 409, reply.json
    assert (reply.json["error"], reply.json["field"], reply.json["until"]) == ("sale_frozen", field, clock.iso(until))


@pytest.mark.parametrize(("field", "changes"), TIER_CHANGES)
def test_a_tier_gets_neither_dearer_nor_stricter_in_the_last_day(api, time, field, changes):
    _, tier_id = create_shop(api, time, DAY)
    check_frozen(patch(api, f"/tiers/{tier_id}", **changes), field, time.now + 4 * DAY)


@pytest.mark.parametrize(("field", "changes"), EVENT_CHANGES)
def test_an_event_gets_no_stricter_rules_in_the_last_day(api, time, field, changes):
    event_id, _ = create_shop(api, time, DAY)
    check_frozen(patch(api, f"/events/{event_id}", **changes), field, time.now + 4 * DAY)


@pytest.mark.parametrize(("field", "changes"), TIER_CHANGES)
def test_earlier_than_a_day_before_everything_may_change(api, time, field, changes):
    _, tier_id = create_shop(api, time, DAY + 1)
    assert patch(api, f"/tiers/{tier_id}", **changes).status == 200, field


def test_buyers_may_always_get_more(api, time):
    event_id, tier_id = create_shop(api, time, 600)
    better = {"price_cents": 4000, "capacity": 20, "per_user_limit": 5, "admits": 3}
    assert patch(api, f"/tiers/{tier_id}", **better).status == 200
    assert patch(api, f"/events/{event_id}", purchase_limit=10).status == 200


def test_drafts_are_free(api, time):
    event_id, tier_id = create_shop(api, time, 600, status="draft")
    assert patch(api, f"/tiers/{tier_id}", price_cents=9000).status == 200
    builders.create_tier(api, event_id, "Box", price_cents=20_000)


def test_a_new_event_gets_its_kinds_one_by_one(api, time):
    event_id, _ = create_shop(api, time, 600)
    for name, price_cents in (("Stalls", 4000), ("Balcony", 3000), ("Late", 3000)):
        assert add_tier(api, event_id, name, price_cents=price_cents).status == 201
    other_id = builders.create_event(api, "Other", on_sale_at=clock.iso(time.now + 600), status="scheduled", waiting_room=None)
    for name, price_cents in (("Balcony", 3000), ("Stalls", 4000)):
        assert add_tier(api, other_id, name, price_cents=price_cents).status == 201
    time.advance(SETUP_SECONDS - 1)
    assert add_tier(api, other_id, "Box", price_cents=9000).status == 201


@pytest.mark.parametrize("closes_first", [True, False])
@pytest.mark.parametrize(
    ("field", "fields"), [("price_cents", {"price_cents": 5001}), ("admits", {"admits": 1}), ("admits", {"price_cents": 2501, "admits": 1})]
)
def test_no_dearer_kind_replaces_a_closed_one(api, time, closes_first, field, fields):
    event_id, tier_id = create_shop(api, time, 600)
    if closes_first:
        assert patch(api, f"/tiers/{tier_id}", on_sale=False).status == 200
    check_frozen(add_tier(api, event_id, **fields), field, time.now + 600 + 3 * DAY)
    assert add_tier(api, event_id).status == 201


@pytest.mark.parametrize("closed", [{"on_sale": False}, {"hidden": True}, {"sale_ends_at": -1}, None])
def test_a_kind_that_was_closed_in_any_way_still_limits_the_prices(api, time, closed):
    event_id, tier_id = create_shop(api, time, 600)
    assert add_tier(api, event_id, "Seats").status == 201
    time.advance(60)
    if closed is None:
        assert api.delete(f"/tiers/{tier_id}", token=builders.admin_token()).status == 200
    else:
        closed = {name: clock.iso(time.now + value) if name == "sale_ends_at" else value for name, value in closed.items()}
        assert patch(api, f"/tiers/{tier_id}", **closed).status == 200
    assert patch(api, f"/events/{event_id}", name="New name").status == 200
    check_frozen(add_tier(api, event_id, price_cents=5001), "price_cents", time.now + 540 + 3 * DAY)


def test_many_small_changes_do_not_hide_a_closed_kind(api, time):
    event_id, tier_id = create_shop(api, time, 600)
    assert patch(api, f"/tiers/{tier_id}", on_sale=False).status == 200
    for number in range(MAX_PUBLIC_CHANGES):
        assert patch(api, f"/tiers/{tier_id}", price_cents=4999 - number).status == 200
    check_frozen(add_tier(api, event_id, price_cents=5000), "price_cents", time.now + 600 + 3 * DAY)


def test_a_new_kind_is_no_dearer_though_it_is_hidden(api, time):
    event_id, tier_id = create_shop(api, time, 600)
    body = {"name": "By link", "price_cents": 5001, "capacity": 10, "admits": 2, "hidden": True}
    reply = api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token())
    check_frozen(reply, "price_cents", time.now + 600 + 3 * DAY)
    made = api.post(f"/events/{event_id}/tiers", json=body | {"price_cents": 5000}, token=builders.admin_token())
    assert made.status == 201
    assert patch(api, f"/tiers/{tier_id}", price_cents=4000).status == 200
    check_frozen(patch(api, f"/tiers/{made.json['id']}", hidden=False), "hidden", time.now + 600 + 3 * DAY)


START_SALE = [("on_sale", {"on_sale": False}), ("hidden", {"hidden": True}), ("sale_ends_at", {"sale_ends_at": 60})]


@pytest.mark.parametrize(("field", "closed"), START_SALE)
def test_a_tier_prepared_beforehand_cannot_be_opened_if_it_is_dearer(api, time, field, closed):
    event_id, _ = create_shop(api, time, 2 * DAY)
    tiers = {}
    for name, price_cents in (("Dear", 9000), ("Cheap", 5000)):
        tiers[name] = builders.create_tier(api, event_id, name, price_cents=price_cents, admits=2)
        values = {name: clock.iso(time.now + value) if name == "sale_ends_at" else value for name, value in closed.items()}
        assert patch(api, f"/tiers/{tiers[name]}", **values).status == 200
    time.advance(DAY)
    started = {"on_sale": True, "hidden": False, "sale_ends_at": None}[field]
    check_frozen(patch(api, f"/tiers/{tiers['Dear']}", **{field: started}), field, time.now + 4 * DAY)
    assert patch(api, f"/tiers/{tiers['Cheap']}", **{field: started}).status == 200


@pytest.mark.parametrize("taken_off", [{}, {"on_sale": False}, {"hidden": True}])
def test_a_dearer_kind_does_not_take_the_name_of_a_cheaper_one(api, time, taken_off):
    event_id, cheap = create_shop(api, time, 2 * DAY)
    dear = builders.create_tier(api, event_id, "Box", price_cents=9000)
    time.advance(DAY)
    assert patch(api, f"/tiers/{cheap}", name="Floor, at the back").status == 200
    if taken_off:
        assert patch(api, f"/tiers/{dear}", **taken_off).status == 200
    check_frozen(patch(api, f"/tiers/{dear}", name="Floor"), "name", time.now + 4 * DAY)
    assert patch(api, f"/tiers/{dear}", name="BOX ").status == 200
    assert patch(api, f"/tiers/{dear}", price_cents=5000, admits=2, name="Floor").status == 200


def test_a_kind_that_is_not_for_sale_can_get_any_name(api, time):
    event_id, _ = create_shop(api, time, 2 * DAY)
    dear = builders.create_tier(api, event_id, "Box", price_cents=9000)
    assert patch(api, f"/tiers/{dear}", name="Lounge").status == 200
    assert patch(api, f"/tiers/{dear}", on_sale=False).status == 200
    time.advance(DAY)
    assert patch(api, f"/tiers/{dear}", name="Box").status == 200


def test_a_tier_that_closed_can_open_again_at_its_price(api, time):
    event_id, _ = create_shop(api, time, 2 * DAY)
    dear = builders.create_tier(api, event_id, "Dear", price_cents=9000)
    time.advance(DAY)
    for on_sale in (False, True):
        assert patch(api, f"/tiers/{dear}", on_sale=on_sale).status == 200
    assert patch(api, f"/tiers/{dear}", on_sale=False).status == 200
    check_frozen(patch(api, f"/tiers/{dear}", price_cents=9001), "price_cents", time.now + 4 * DAY)


def test_a_kind_that_never_was_for_sale_does_not_limit_the_prices(api, time):
    event_id, _ = create_shop(api, time, 2 * DAY)
    draft = builders.create_tier(api, event_id, "Staff", price_cents=0)
    assert patch(api, f"/tiers/{draft}", on_sale=False).status == 200
    time.advance(DAY)
    assert patch(api, f"/tiers/{draft}", description="For helpers").status == 200
    assert add_tier(api, event_id).status == 201


def test_a_kind_with_many_changes_that_closed_before_does_not_limit_the_prices(api, time):
    event_id, _ = create_shop(api, time, 2 * DAY)
    old = builders.create_tier(api, event_id, "Early", price_cents=100)
    for number in range(MAX_PUBLIC_CHANGES):
        assert patch(api, f"/tiers/{old}", price_cents=99 - number).status == 200
    assert patch(api, f"/tiers/{old}", on_sale=False).status == 200
    time.advance(DAY)
    assert patch(api, f"/tiers/{old}", description="Gone").status == 200
    assert add_tier(api, event_id).status == 201


def test_a_mistake_is_corrected_by_postponing_the_opening(api, time):
    event_id, tier_id = create_shop(api, time, 600)
    reply = patch(api, f"/tiers/{tier_id}", price_cents=50_000)
    assert "or first postpone the opening to more than 24 hours from now" in reply.json["message"]
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now + DAY + 3600)).status == 200
    assert patch(api, f"/tiers/{tier_id}", price_cents=50_000).status == 200
    time.advance(3601)
    check_frozen(patch(api, f"/tiers/{tier_id}", price_cents=60_000), "price_cents", time.now - 1 + 4 * DAY)


def test_a_postponed_opening_does_not_come_back_in_time_for_a_higher_price(api, time):
    event_id, tier_id = create_shop(api, time, 600)
    opening = time.now + 600
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(opening + 10 * DAY)).status == 200
    assert patch(api, f"/tiers/{tier_id}", price_cents=5001).status == 200
    for moved in (clock.iso(opening), clock.iso(time.now + DAY - 1), None):
        check_frozen(patch(api, f"/events/{event_id}", on_sale_at=moved), "on_sale_at", opening + 9 * DAY)
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now + DAY)).status == 200


def test_a_postponed_event_does_not_come_back_as_a_draft(api, time):
    event_id, tier_id = create_shop(api, time, 600)
    opening = time.now + 600
    later = opening + 10 * DAY
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(later)).status == 200
    assert control(api, event_id, "unpublish").status == 200
    assert patch(api, f"/tiers/{tier_id}", price_cents=5001).status == 200
    for moved in (clock.iso(opening), None):
        assert patch(api, f"/events/{event_id}", on_sale_at=moved).status == 200
        check_frozen(control(api, event_id, "publish"), "on_sale_at", later + 3 * DAY)
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now + DAY)).status == 200
    assert control(api, event_id, "publish").status == 200
    check_frozen(control(api, event_id, "unpublish"), "status", time.now + 4 * DAY)


def test_a_postponed_tier_is_not_replaced_by_a_dearer_one(api, time):
    event_id = builders.create_event(api, on_sale_at=None, waiting_room=None)
    tier_id = builders.create_tier(api, event_id)
    time.advance(SETUP_SECONDS)
    starts = time.now + 600
    assert patch(api, f"/tiers/{tier_id}", sale_starts_at=clock.iso(starts)).status == 200
    check_frozen(patch(api, f"/tiers/{tier_id}", sale_starts_at=clock.iso(time.now + DAY + 1)), "sale_starts_at", starts)
    check_frozen(add_tier(api, event_id, price_cents=5001, admits=1), "price_cents", starts)
    check_frozen(patch(api, f"/tiers/{tier_id}", sale_starts_at=clock.iso(time.now)), "sale_starts_at", starts)
    assert patch(api, f"/tiers/{tier_id}", sale_starts_at=clock.iso(time.now + DAY)).status == 200


def test_an_opening_does_not_come_earlier_in_the_last_day(api, time):
    """Otherwise, the sale would open and the prices rise before anybody comes at the announced time."""
    event_id, _ = create_shop(api, time, DAY, waiting_room={"enabled": False})
    for moved in (clock.iso(time.now), clock.iso(time.now + DAY - 1), None):
        check_frozen(patch(api, f"/events/{event_id}", on_sale_at=moved), "on_sale_at", time.now + DAY)
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now + DAY + 1)).status == 200


def test_an_opening_that_has_passed_moves_only_within_a_day(api, time):
    event_id, _ = create_sale(api, time)
    join(api, event_id, "ada")
    control(api, event_id, "pause")
    time.advance(601)
    check_frozen(patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now + DAY + 1)), "on_sale_at", time.now - 1 + 3 * DAY)
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now + DAY)).status == 200


def test_an_opening_that_was_postponed_after_its_draw_may_come_back_earlier(api, time):
    event_id, tier_id = create_sale(api, time)
    open_line(api, time, event_id, 4)
    opening = time.now
    for moved in (opening + 3600, opening + 60):
        assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(moved)).status == 200
    check_frozen(patch(api, f"/tiers/{tier_id}", price_cents=5001), "price_cents", opening + 60 + 3 * DAY)
    time.advance(20 * DAY)
    for moved in (time.now + 2 * DAY, time.now + DAY):
        assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(moved)).status == 200
    check_frozen(patch(api, f"/events/{event_id}", on_sale_at=clock.iso(time.now)), "on_sale_at", time.now + 4 * DAY)


def test_an_opening_that_has_passed_is_not_postponed_by_more_than_a_day_in_two_steps(api, time):
    event_id, tier_id = create_sale(api, time)
    open_line(api, time, event_id, 4)
    opening = time.now
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(opening + 3600)).status == 200
    check_frozen(patch(api, f"/events/{event_id}", on_sale_at=clock.iso(opening + DAY + 1)), "on_sale_at", opening + 3600 + 3 * DAY)
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(opening + DAY)).status == 200
    time.advance(DAY - 1)
    assert raise_price(api, tier_id, 5001) == 409


def test_a_frozen_event_does_not_become_a_draft(api, time):
    event_id, _ = create_shop(api, time, 600)
    check_frozen(control(api, event_id, "unpublish"), "status", time.now + 600 + 3 * DAY)


def test_events_that_have_been_on_sale_for_weeks_are_free(api, time):
    event_id, tier_id = create_shop(api, time, -4 * DAY)
    assert patch(api, f"/tiers/{tier_id}", price_cents=9000, requires_code=True, admits=1).status == 200
    assert patch(api, f"/events/{event_id}", purchase_limit=2, waiting_room={"enabled": False}).status == 200
    assert add_tier(api, event_id, price_cents=90_000).status == 201
    assert control(api, event_id, "unpublish").status == 200
    assert control(api, event_id, "publish").status == 200


def raise_price(api, tier_id, price_cents):
    return patch(api, f"/tiers/{tier_id}", price_cents=price_cents).status


def open_line(api, time, event_id, count):
    """Let users join, and move the clock to the opening."""
    join_many(api, event_id, count)
    time.advance(600)
    assert api.get(f"/events/{event_id}/waiting-room/state").status == 200  # draws


def test_the_promise_ends_after_the_last_turn(api, time):
    # Waves of three every 30 seconds, and turns of a minute, or of two minutes for everybody who asks.
    event_id, tier_id = create_sale(api, time, longer_pass_seconds=120)
    open_line(api, time, event_id, 4)
    time.advance(149)
    assert raise_price(api, tier_id, 5001) == 409, "the turn of the fourth person, which may be longer"
    time.advance(1)
    assert raise_price(api, tier_id, 5001) == 200


def test_the_promise_ends_at_the_opening_if_nobody_has_joined(api, time):
    _, tier_id = create_sale(api, time)
    time.advance(599)
    assert raise_price(api, tier_id, 5001) == 409
    time.advance(1)
    assert raise_price(api, tier_id, 5001) == 200


def test_the_promise_ends_after_three_days(api, time):
    event_id, tier_id = create_sale(api, time)
    join(api, event_id, "ada")
    control(api, event_id, "pause")
    time.advance(600 + 3 * DAY - 1)
    assert raise_price(api, tier_id, 5001) == 409
    time.advance(1)
    assert raise_price(api, tier_id, 5001) == 200


def test_letting_everybody_in_does_not_end_the_promise_at_once(api, time):
    event_id, tier_id = create_sale(api, time, longer_pass_seconds=60)
    open_line(api, time, event_id, 9)
    assert control(api, event_id, "waiting-room/let-in", {"count": 9}).status == 200
    time.advance(59)
    assert raise_price(api, tier_id, 5001) == 409
    time.advance(1)
    assert raise_price(api, tier_id, 5001) == 200


def test_turns_that_a_pause_stops_are_not_over(api, time):
    """Otherwise, a manager could let everybody in, pause, raise the price and resume."""
    event_id, tier_id = create_sale(api, time, longer_pass_seconds=60)
    open_line(api, time, event_id, 9)
    assert control(api, event_id, "waiting-room/let-in", {"count": 9}).status == 200
    time.advance(10)
    assert control(api, event_id, "pause").status == 200
    time.advance(3600)
    assert raise_price(api, tier_id, 5001) == 409
    assert control(api, event_id, "resume").status == 200
    time.advance(49)
    assert raise_price(api, tier_id, 5001) == 409
    time.advance(1)
    assert raise_price(api, tier_id, 5001) == 200


def test_groups_cannot_be_taken_away_around_an_opening(api, time):
    room = {"entry": "verified_address", "groups": True}
    event_id, _ = create_sale(api, time, **room)
    opened = {"wave_size": 3, "wave_seconds": 30, "pass_seconds": 60, "grace_seconds": 0} | room
    refused = patch(api, f"/events/{event_id}", waiting_room=opened | {"groups": False})
    assert (refused.status, refused.json["error"], refused.json["field"]) == (409, "sale_frozen", "waiting_room")
    assert patch(api, f"/events/{event_id}", waiting_room=opened | {"wave_size": 4}).status == 200


def test_clearing_the_waiting_room_does_not_end_the_promise(api, time):
    event_id, tier_id = create_sale(api, time)
    open_line(api, time, event_id, 9)
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    time.advance(600)
    assert api.get(f"/events/{event_id}/waiting-room/state").status == 200  # draws again
    assert raise_price(api, tier_id, 5001) == 409


def list_changes(api, event_id):
    changes = api.get(f"/events/{event_id}").json["changes"]
    return [(change["tier_name"], change["field"], change["before"], change["after"]) for change in changes]


def test_the_event_lists_what_changed_since_its_publication(api, time):
    event_id, tier_id = create_shop(api, time, 2 * DAY)
    assert list_changes(api, event_id) == []
    assert add_tier(api, event_id, "Seats").status == 201
    created = ("Seats", "on_sale", False, True)
    assert list_changes(api, event_id) == [created]
    opening = time.now + 2 * DAY
    time.advance(60)
    assert patch(api, f"/tiers/{tier_id}", price_cents=4000, capacity=20, description="Near the stage").status == 200
    assert patch(api, f"/events/{event_id}", on_sale_at=clock.iso(opening + 60), purchase_limit=8).status == 200
    assert patch(api, f"/tiers/{tier_id}", on_sale=False).status == 200
    assert list_changes(api, event_id) == [
        ("Floor", "on_sale", True, False),
        ("Floor", "capacity", 10, 20),
        ("Floor", "price_cents", 5000, 4000),
        (None, "purchase_limit", 6, 8),
        (None, "on_sale_at", clock.iso(opening), clock.iso(opening + 60)),
        created,
    ]
    [newest, *_] = api.get(f"/events/{event_id}").json["changes"]
    assert newest == {
        "at": clock.iso(time.now),
        "tier_id": tier_id,
        "tier_name": "Floor",
        "field": "on_sale",
        "before": True,
        "after": False,
    }


def test_neither_drafts_nor_hidden_tiers_are_in_the_public_list(api, time):
    event_id, tier_id = create_shop(api, time, 2 * DAY, status="draft")
    assert patch(api, f"/tiers/{tier_id}", price_cents=4000).status == 200
    assert patch(api, f"/events/{event_id}", purchase_limit=8).status == 200
    secret = builders.create_tier(api, event_id, "Secret")
    assert patch(api, f"/tiers/{secret}", hidden=True).status == 200
    assert control(api, event_id, "publish").status == 200
    assert patch(api, f"/tiers/{secret}", price_cents=9000).status == 200
    assert list_changes(api, event_id) == []
    assert patch(api, f"/tiers/{tier_id}", price_cents=3000).status == 200
    assert list_changes(api, event_id) == [("Floor", "price_cents", 4000, 3000)]


def test_an_event_keeps_and_lists_only_its_latest_changes(api, time):
    event_id, tier_id = create_shop(api, time, 2 * DAY)
    for number in range(1, MAX_PUBLIC_CHANGES + 1):
        time.advance(1)
        assert patch(api, f"/tiers/{tier_id}", price_cents=number).status == 200
    changes = list_changes(api, event_id)
    assert len(changes) == MAX_PUBLIC_CHANGES
    assert changes[0] == ("Floor", "price_cents", MAX_PUBLIC_CHANGES - 1, MAX_PUBLIC_CHANGES)
