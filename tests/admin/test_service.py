"""Pausing, resuming and looking at a sale, as an admin and as somebody else."""

import pytest

from tests import builders, invariants


def test_pause_stops_reservations_and_resume_lets_them_go_on(api, time):
    event_id, tier_id = builders.create_shop(api)
    held = builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]
    paused = api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    assert (paused.status, paused.json["event"]["id"], paused.json["event"]["paused"]) == (200, event_id, True)
    refused = builders.reserve(api, "bob", event_id, tier_id)
    assert (refused.status, refused.json["error"], refused.json["paused"]) == (403, "event_paused", True)
    builders.start_checkout(api, "ada", held)
    assert builders.confirm(api, "ada", held).status == 201
    resumed = api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    assert resumed.json["event"]["paused"] is False
    assert builders.reserve(api, "bob", event_id, tier_id).status == 201
    invariants.check(time.now)


def test_status_shows_what_is_sold_held_and_left(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id, 3)
    builders.reserve(api, "bob", event_id, tier_id, 2)
    reply = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token())
    assert reply.json == {
        "event_id": event_id,
        "event_name": "Night",
        "status": "on_sale",
        "paused": False,
        "total_capacity": 10,
        "total_sold": 3,
        "total_active_holds": 2,
        "total_available": 5,
        "queue_length": 0,
        "waiting_room": None,
        "tiers": [{"tier_id": tier_id, "tier_name": "Floor", "capacity": 10, "sold": 3, "active_holds": 2, "available": 5}],
    }


@pytest.mark.parametrize(("method", "action"), [("POST", "pause"), ("POST", "resume"), ("GET", "status")])
def test_only_admins_may(api, time, method, action):
    event_id, _ = builders.create_shop(api)
    path = f"/admin/events/{event_id}/{action}"
    assert api.request(method, path).status == 401
    assert api.request(method, path, user="root").status == 403  # the demo header is never an admin
    assert api.request(method, path, token=builders.token("ada")).status == 403
    assert api.request(method, "/admin/events/unknown/" + action, token=builders.admin_token()).status == 404
