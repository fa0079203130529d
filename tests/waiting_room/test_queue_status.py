"""Positions, waves and passes as buyers see them in the status."""

from chalicelib.foundation import settings
from tests import builders, invariants
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position


def test_before_the_opening_everybody_waits_without_a_position(api, time, sale):
    event_id, tier_id = sale
    token = join(api, event_id, "ada")
    assert join(api, event_id, "ada") == token
    join(api, event_id, "bob")
    time.advance(100)
    status = get_status(api, event_id, token)
    assert (
        status.items()
        >= {
            "state": "waiting",
            "on_sale_at": "2026-06-01T12:10:00Z",
            "seconds_until_on_sale": 500,
            "paused": False,
            "position": None,
            "total": 2,
            "can_enter": False,
            "eta_seconds": 500,
        }.items()
    )
    refused = reserve(api, event_id, tier_id, "ada", token)
    assert (refused.status, refused.json["error"], refused.json["eta_seconds"]) == (403, "not_admitted", 500)
    assert reserve(api, event_id, tier_id, "eve", None).json["error"] == "not_admitted"


def test_after_the_opening_waves_come_in_by_position(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 10)
    time.advance(SECONDS_TO_OPENING)
    queue = users_by_position(api, event_id, tokens)
    statuses = [get_status(api, event_id, tokens[user]) for user in queue]
    assert [status["position"] for status in statuses] == list(range(1, 11))
    assert [status["can_enter"] for status in statuses] == [True] * 3 + [False] * 7
    assert [status["eta_seconds"] for status in statuses] == [0, 0, 0, 30, 30, 30, 60, 60, 60, 90]
    assert [status["ahead"] for status in statuses] == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert {status["total"] for status in statuses} == {10}
    refused = reserve(api, event_id, tier_id, queue[3], tokens[queue[3]])
    assert (refused.status, refused.json["error"]) == (403, "not_admitted")
    assert refused.json.items() >= {"position": 4, "eta_seconds": 30}.items()
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).status == 201
    time.advance(30)
    assert reserve(api, event_id, tier_id, queue[3], tokens[queue[3]]).status == 201
    invariants.check(time.now)


def test_late_arrivals_get_the_positions_after_the_draw_in_order(api, time, sale):
    event_id, _ = sale
    join_many(api, event_id, 4)
    time.advance(SECONDS_TO_OPENING)
    late = join_many(api, event_id, 7)
    positions = {user: get_status(api, event_id, token)["position"] for user, token in late.items()}
    assert [positions[f"u{number}"] for number in range(4, 7)] == [5, 6, 7]


def test_after_their_pass_expired_users_join_again_at_the_end(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 5)
    time.advance(SECONDS_TO_OPENING)
    first = users_by_position(api, event_id, tokens)[0]
    time.advance(59)
    assert get_status(api, event_id, tokens[first])["pass_seconds_left"] == 1
    time.advance(1)
    status = get_status(api, event_id, tokens[first])
    assert (status["can_enter"], status["pass_expired"], status["position"]) == (False, True, 1)
    refused = reserve(api, event_id, tier_id, first, tokens[first])
    assert (refused.status, refused.json["error"]) == (403, "pass_expired")
    new_token = join(api, event_id, first)
    assert new_token != tokens[first]
    assert get_status(api, event_id, new_token)["position"] == 6


def test_a_missed_turn_can_be_taken_within_the_grace_and_only_once(api, time):
    """The grace changes neither when the others are admitted nor their positions, and a pause stops its clock."""
    event_id, tier_id = create_sale(api, time, grace_seconds=40)
    tokens = join_many(api, event_id, 8)
    time.advance(SECONDS_TO_OPENING)
    first, second, third, *others = users_by_position(api, event_id, tokens)
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert (state["pass_seconds"], state["grace_seconds"]) == (100, 40)
    status = get_status(api, event_id, tokens[first])
    assert (status["turn_seconds_left"], status["pass_seconds_left"]) == (60, 100)
    time.advance(60)
    missed = get_status(api, event_id, tokens[first])
    assert (missed["can_enter"], missed["pass_expired"], missed["turn_seconds_left"], missed["pass_seconds_left"]) == (True, False, 0, 40)
    assert join(api, event_id, first) == tokens[first]
    admitted = [get_status(api, event_id, tokens[user])["can_enter"] for user in others]
    assert admitted == [True] * 5  # as without a grace
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    time.advance(1000)
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    time.advance(39)
    assert reserve(api, event_id, tier_id, first, tokens[first]).status == 201
    time.advance(1)
    assert reserve(api, event_id, tier_id, second, tokens[second]).json["error"] == "pass_expired"
    assert get_status(api, event_id, tokens[third])["pass_expired"]
    again = join(api, event_id, second)
    assert get_status(api, event_id, again)["position"] == 9
    invariants.check(time.now)


def test_the_stage_sets_the_grace_of_rooms_that_set_none(api, time):
    event_id, _ = create_sale(api, time, grace_seconds=None)
    with settings.override(grace_seconds=7):
        state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert (state["pass_seconds"], state["grace_seconds"]) == (67, 7)


def test_a_pause_stops_waves_and_passes(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 8)
    time.advance(SECONDS_TO_OPENING)
    queue = users_by_position(api, event_id, tokens)
    time.advance(20)
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    time.advance(1000)
    first, fourth = get_status(api, event_id, tokens[queue[0]]), get_status(api, event_id, tokens[queue[3]])
    assert (first["paused"], first["can_enter"], first["pass_seconds_left"], first["pass_expired"]) == (True, False, 40, False)
    assert (fourth["position"], fourth["eta_seconds"], fourth["can_enter"]) == (4, None, False)
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).json["error"] == "event_paused"
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    fourth = get_status(api, event_id, tokens[queue[3]])
    assert (fourth["position"], fourth["eta_seconds"]) == (4, 10)
    assert reserve(api, event_id, tier_id, queue[0], tokens[queue[0]]).status == 201
    time.advance(10)
    assert reserve(api, event_id, tier_id, queue[3], tokens[queue[3]]).status == 201
