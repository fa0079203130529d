"""More time on request: a longer turn and more time to pay, without proof, and without a list of the people who asked."""

import pytest
from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.catalog.sale_rules import MAX_HOLD_SECONDS, longer_hold_seconds, longer_pass_seconds, max_hold_seconds
from chalicelib.foundation import clock, settings
from chalicelib.waiting_room import tokens
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, reserve


def ask(api, event_id, user, longer_turn=True):
    """The token of a user who asks for more time, or no longer does."""
    reply = api.post(f"/events/{event_id}/waiting-room/join", json={"longer_turn": longer_turn}, user=user)
    assert reply.status == 200, reply.json
    return reply.json["token"]


def test_whoever_asks_has_three_times_as_long(api, time, sale):
    event_id, tier_id = sale
    longer, usual = ask(api, event_id, "ada"), join(api, event_id, "bob")
    time.advance(SECONDS_TO_OPENING)
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert (state["pass_seconds"], state["longer_pass_seconds"]) == (60, 180)
    assert [get_status(api, event_id, token)["pass_seconds_left"] for token in (longer, usual)] == [180, 60]
    time.advance(179)
    assert [get_status(api, event_id, token)["can_enter"] for token in (longer, usual)] == [True, False]
    assert reserve(api, event_id, tier_id, "bob", usual).json["error"] == "pass_expired"
    assert reserve(api, event_id, tier_id, "ada", longer).status == 201
    invariants.check(time.now)


def test_a_longer_turn_ends(api, time, sale):
    event_id, tier_id = sale
    token = ask(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING + 180)
    assert reserve(api, event_id, tier_id, "ada", token).json["error"] == "pass_expired"


def test_somebody_in_line_can_ask_and_keeps_the_place(api, time, sale):
    """Also during the turn, and after it, as long as the longer turn would last. Asking writes nothing about the place."""
    event_id, tier_id = sale
    usual = join(api, event_id, "ada")
    with record_calls() as calls:
        longer = ask(api, event_id, "ada")
    assert [operation for operation in ("PutItem", "UpdateItem", "TransactWriteItems") if calls.of(operation, "waiting-room")] == []
    assert tokens.read_token(longer) == replace(tokens.read_token(usual), is_longer=True)
    assert ask(api, event_id, "ada", longer_turn=False) == usual
    time.advance(SECONDS_TO_OPENING + 100)
    assert get_status(api, event_id, usual)["pass_expired"]
    again = ask(api, event_id, "ada")
    assert again == longer
    assert reserve(api, event_id, tier_id, "ada", again).status == 201


def test_the_shop_keeps_no_list_of_people_who_need_more_time(api, sale):
    ask(api, sale[0], "ada")
    [stored] = [row.arrival for row in WaitingRoomRow.scan() if row.arrival is not None]
    assert not stored.is_longer


def test_one_pass_buys_one_order_however_long_it_lasts(api, time, sale):
    event_id, tier_id = sale
    usual, longer = join(api, event_id, "ada"), ask(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING)
    reservation_id = reserve(api, event_id, tier_id, "ada", usual).json["id"]
    builders.start_checkout(api, "ada", reservation_id)
    assert builders.confirm(api, "ada", reservation_id).status == 201
    assert reserve(api, event_id, tier_id, "ada", longer).json["error"] == "pass_used"


def test_a_reservation_with_a_longer_turn_holds_its_tickets_longer(api, time, sale):
    event_id, tier_id = sale
    users = {"ada": ask(api, event_id, "ada"), "bob": join(api, event_id, "bob")}
    time.advance(SECONDS_TO_OPENING)
    held = settings.current().hold_seconds
    ends = {user: reserve(api, event_id, tier_id, user, token).json["expires_at"] for user, token in users.items()}
    assert ends == {"ada": clock.iso(time.now + longer_hold_seconds(held)), "bob": clock.iso(time.now + held)}
    assert longer_hold_seconds(held) > held


def test_unpaid_tickets_of_a_longer_turn_come_back_and_cannot_be_held_twice(api, time, sale):
    """Neither with both tokens at once, nor with one after the other. The pass ends, so nobody holds tickets forever."""
    event_id, tier_id = sale
    usual, longer = join(api, event_id, "ada"), ask(api, event_id, "ada")
    time.advance(SECONDS_TO_OPENING)
    assert reserve(api, event_id, tier_id, "ada", longer, 4).status == 201
    for token in (usual, longer):
        assert reserve(api, event_id, tier_id, "ada", token).json["error"] == "active_reservation_exists"
    time.advance(longer_hold_seconds(settings.current().hold_seconds))
    builders.run_sweep()
    assert reserve(api, event_id, tier_id, "ada", longer).json["error"] == "pass_expired"
    assert api.get(f"/events/{event_id}/waiting-room/state").json["tickets"][tier_id] == {"available": 50, "taken": 0}
    invariants.check(time.now)


def test_the_sweep_and_the_reconciliation_wait_for_longer_holds(api, sale):
    held = settings.current().hold_seconds
    assert catalog.longest_hold_seconds() == max_hold_seconds(catalog.snapshot().events[sale[0]]) == longer_hold_seconds(held)
    without_room = builders.create_event(api)
    assert max_hold_seconds(catalog.snapshot().events[without_room]) == held


@pytest.mark.parametrize(("seconds", "longer"), [(30, 90), (MAX_HOLD_SECONDS // 2, MAX_HOLD_SECONDS), (MAX_HOLD_SECONDS, MAX_HOLD_SECONDS)])
def test_no_hold_is_longer_than_an_event_may_set(seconds, longer):
    assert longer_hold_seconds(seconds) == longer


@pytest.mark.parametrize(
    ("room", "seconds"),
    [
        ({}, 180),
        ({"longer_pass_seconds": 600}, 600),
        ({"longer_pass_seconds": 10}, 60),  # never shorter than other turns
        ({"grace_seconds": 20}, 200),
        ({"pass_seconds": 50_000}, 86_400),
    ],
)
def test_a_promoter_sets_how_long_it_is(api, time, room, seconds):
    event_id, _ = create_sale(api, time, **room)
    assert longer_pass_seconds(catalog.snapshot().events[event_id]) == seconds


def test_the_plan_keeps_what_a_longer_turn_needs(api, time, sale):
    """The plan merges what it no longer needs. Merged too early, the turn of the first wave would seem to have begun at the opening."""
    event_id, _ = create_sale(api, time, "Changing", wave_size=1)
    placed = {user: ask(api, event_id, user) for user in ("ada", "bob", "eve")}
    time.advance(SECONDS_TO_OPENING)
    path = f"/admin/events/{event_id}/waiting-room/rate"
    for second in range(150):
        if second % 10 == 0:
            body = {"wave_size": 1, "wave_seconds": 30 + second % 20}
            assert api.post(path, json=body, token=builders.admin_token()).status == 200
        lefts = {user: get_status(api, event_id, token)["pass_seconds_left"] for user, token in placed.items()}
        if second == 100:
            at_100 = lefts
        time.advance(1)
    expected = {user: left - 49 for user, left in at_100.items() if left is not None}
    assert {user: lefts[user] for user in expected} == expected
    assert len(expected) >= 2
