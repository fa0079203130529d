"""What admins do to a running room: change the rate, let buyers in, clear it."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.waiting_room import admission_plan, store
from tests import builders
from tests.simulation.threads import run_in_threads
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join, join_many, reserve, users_by_position


def test_an_admin_changes_the_rate_and_lets_buyers_in(api, time, sale):
    event_id, _ = sale
    tokens = join_many(api, event_id, 12)
    time.advance(SECONDS_TO_OPENING)
    queue = users_by_position(api, event_id, tokens)
    admin = {"token": builders.admin_token()}
    assert api.post(f"/admin/events/{event_id}/waiting-room/let-in", json={"count": 2}, **admin).status == 200
    assert [get_status(api, event_id, tokens[user])["can_enter"] for user in queue].count(True) == 5
    changed = api.post(f"/admin/events/{event_id}/waiting-room/rate", json={"wave_size": 1, "wave_seconds": 10}, **admin)
    assert changed.status == 200
    assert [get_status(api, event_id, tokens[user])["eta_seconds"] for user in queue[5:8]] == [10, 20, 30]
    time.advance(30)
    assert [get_status(api, event_id, tokens[user])["can_enter"] for user in queue].count(True) == 8
    for path in ("rate", "let-in"):
        assert api.post(f"/admin/events/{event_id}/waiting-room/{path}", json={}, user="ada").status == 403
        assert api.post(f"/admin/events/{event_id}/waiting-room/{path}", json={}, **admin).status == 400
    actions = [entry.action for entry in audit.list_entries(f"event#{event_id}")]
    assert {"waiting_room.let_in", "waiting_room.rate"} <= set(actions)


def test_the_state_stays_small_however_often_the_rate_changes(api, time, sale):
    event_id, _ = sale
    join_many(api, event_id, 3)
    time.advance(SECONDS_TO_OPENING)
    for number in range(12):
        body = {"wave_size": 1 + number % 2, "wave_seconds": 30}
        reply = api.post(f"/admin/events/{event_id}/waiting-room/rate", json=body, token=builders.admin_token())
        assert reply.status == 200
        time.advance(30)
    assert len(api.get(f"/events/{event_id}/waiting-room/state").json["segments"]) <= 9  # the longest pass lives for six of them


def test_the_public_state_has_half_a_kilobyte(api, time, sale):
    join_many(api, sale[0], 3)
    time.advance(SECONDS_TO_OPENING + 60)
    assert 400 < len(api.get(f"/events/{sale[0]}/waiting-room/state").body) < 700  # with the tickets of a tier


def test_a_plan_with_too_many_changes_is_refused(api, time, sale, monkeypatch):
    """Until passes have expired: what they need of the plan is then merged, and the next change has a place."""
    monkeypatch.setattr(admission_plan, "MAX_SEGMENTS_AFTER_ADMIN_CHANGE", 3)
    join_many(api, sale[0], 12)
    time.advance(SECONDS_TO_OPENING)

    def let_one_in():
        time.advance(1)
        return api.post(f"/admin/events/{sale[0]}/waiting-room/let-in", json={"count": 1}, token=builders.admin_token())

    assert [let_one_in().status for _ in range(2)] == [200, 200]
    refused = let_one_in()
    assert (refused.status, refused.json["error"], refused.json["limit"]) == (409, "too_many_changes", 3)
    time.advance(180)  # also those of longer turns
    assert [let_one_in().status for _ in range(2)] == [200, 409]


def test_an_admins_change_during_the_draw_of_another_instance_is_kept(api, time, sale):
    event_id, _ = sale
    join_many(api, event_id, 8)
    time.advance(SECONDS_TO_OPENING)
    room, _ = store.load_room_and_arrivals(event_id)
    assert store.take_opening_lease(room, time.now, time.now + 3)
    reply = api.post(f"/admin/events/{event_id}/waiting-room/let-in", json={"count": 2}, token=builders.admin_token())
    assert (reply.status, len(reply.json["segments"])) == (200, 1)
    time.advance(3)
    state = api.get(f"/events/{event_id}/waiting-room/state").json
    assert (state["n"], admission_plan.admitted_count(store.load_room_and_arrivals(event_id)[0].segments, time.now)) == (8, 5)


def test_clearing_starts_a_new_room_and_invalidates_old_tokens(api, time, sale):
    event_id, tier_id = sale
    tokens = join_many(api, event_id, 3)
    path = f"/events/{event_id}/waiting-room/clear"
    assert api.delete(path, user="ada").status == 403
    cleared = api.delete(path, token=builders.admin_token())
    assert (cleared.status, cleared.json["cleared"]) == (200, 3)
    old_status = api.get(f"/events/{event_id}/waiting-room/status", query={"token": tokens["u0"]})
    assert (old_status.status, old_status.json["error"]) == (410, "waiting_room_cleared")
    new_token = join(api, event_id, "u0")
    time.advance(SECONDS_TO_OPENING)
    assert reserve(api, event_id, tier_id, "u0", tokens["u0"]).json["error"] == "waiting_room_cleared"
    assert reserve(api, event_id, tier_id, "u0", new_token).status == 201


@pytest.mark.usefixtures("threaded_store")
def test_four_admins_who_clear_at_once_make_four_rooms_in_order(api, time):
    event_id, _ = create_sale(api, time)
    join(api, event_id, "ada")
    path = f"/events/{event_id}/waiting-room/clear"
    replies = run_in_threads(4, lambda _: api.delete(path, token=builders.admin_token()), range(4))
    assert {reply.status for reply in replies} == {200}
    room, arrivals = store.load_room_and_arrivals(event_id)
    assert (room.number, arrivals.total) == (5, 0)
