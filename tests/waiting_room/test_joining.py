"""What joining asks for: a body that is right, patience, and, where it is switched on, work."""

import itertools

from chalicelib import settings
from chalicelib.edge import proof_of_work
from tests import builders
from tests.waiting_room.test_line import OPENS, make_drop


def path(event_id):
    return f"/events/{event_id}/waiting-room/join"


def solved(asked):
    return next(
        str(nonce) for nonce in itertools.count() if proof_of_work.leading_zero_bits(asked["challenge"], str(nonce)) >= asked["difficulty"]
    )


def test_a_place_costs_work_where_it_is_switched_on(api, time):
    event_id, _ = make_drop(api, time)
    with settings.override(join_difficulty=8):
        asked = api.post(path(event_id), user="ada")
        assert (asked.status, asked.json["error"], asked.json["difficulty"]) == (403, "challenge_required", 8)
        done = {"challenge": asked.json["challenge"], "nonce": solved(asked.json)}
        assert api.post(path(event_id), json=done, user="bob").json["error"] == "challenge_invalid"
        joined = api.post(path(event_id), json=done, user="ada")
        assert joined.status == 200
        assert api.post(path(event_id), user="ada").json["token"] == joined.json["token"]  # a place that one has costs nothing

        guest = api.post(path(event_id)).json
        assert api.post(path(event_id), json={"challenge": guest["challenge"], "nonce": solved(guest)}).status == 200


def test_joining_is_limited_for_each_user_and_event(api, time):
    event_id, _ = make_drop(api, time)
    other, _ = make_drop(api, time, "Other")
    with settings.override(rate_limits="on"):
        assert [api.post(path(event_id), user="ada").status for _ in range(11)] == [200] * 10 + [429]
        assert api.post(path(other), user="ada").status == 200
        assert api.post(path(event_id), user="bob").status == 200


def test_bad_bodies_name_their_field(api, time):
    event_id, _ = make_drop(api, time)
    for body, where in (({"nonce": 5}, "$.nonce"), ({"place": 1}, "$.place"), ([], "$")):
        reply = api.post(path(event_id), json=body, user="ada")
        assert (reply.status, reply.json["path"]) == (400, where)
    assert api.post(path(event_id), json={}, user="ada").status == 200


def test_a_closed_or_cancelled_sale_cannot_be_joined(api, time):
    event_id, _ = make_drop(api, time)
    time.advance(OPENS + 40 * 86_400)
    refused = api.post(path(event_id), user="ada")
    assert (refused.status, refused.json["reason"]) == (409, "closed")
    draft = builders.create_event(api, "Draft", status="draft", waiting_room={"enabled": True})
    assert api.post(path(draft), user="ada").status == 404
