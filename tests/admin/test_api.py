"""Pausing and resuming a sale, and who may."""

import pytest

from tests import builders, invariants


def test_a_paused_sale_takes_no_reservations_until_it_is_resumed(api, time):
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


@pytest.mark.parametrize(("method", "action"), [("POST", "pause"), ("POST", "resume"), ("GET", "status")])
def test_only_managers_may_pause_resume_and_see_the_status(api, time, method, action):
    event_id, _ = builders.create_promoted_shop("nora")
    path = f"/admin/events/{event_id}/{action}"
    assert api.request(method, path).status == 401
    assert api.request(method, path, user="root").status == 403  # the demo header is never an admin
    assert api.request(method, path, token=builders.token("ada")).status == 403
    assert api.request(method, path, token=builders.token("olaf", "promoter")).status == 403
    assert api.request(method, path, token=builders.token("nora", "promoter")).status == 200
    assert api.request(method, "/admin/events/unknown/" + action, token=builders.admin_token()).status == 404
