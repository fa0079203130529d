"""What joining checks over HTTP: the body, the rate limit and, where it is required, proof of work."""

import itertools

import pytest

from chalicelib.edge import proof_of_work
from chalicelib.foundation import settings
from tests.waiting_room.sale import create_sale


def join_path(event_id):
    return f"/events/{event_id}/waiting-room/join"


def solve(challenge):
    """A nonce that solves the challenge of a refused request."""
    return next(
        str(nonce)
        for nonce in itertools.count()
        if proof_of_work.leading_zero_bits(challenge["challenge"], str(nonce)) >= challenge["difficulty"]
    )


def test_joining_requires_proof_of_work_where_it_is_switched_on(api, time):
    event_id, _ = create_sale(api, time)
    with settings.override(join_difficulty=8):
        refused = api.post(join_path(event_id), user="ada")
        assert (refused.status, refused.json["error"], refused.json["difficulty"]) == (403, "challenge_required", 8)
        solution = {"challenge": refused.json["challenge"], "nonce": solve(refused.json)}
        assert api.post(join_path(event_id), json=solution, user="bob").json["error"] == "challenge_invalid"
        joined = api.post(join_path(event_id), json=solution, user="ada")
        assert joined.status == 200
        assert api.post(join_path(event_id), user="ada").json["token"] == joined.json["token"]  # joining again needs no work

        refused_guest = api.post(join_path(event_id)).json
        assert api.post(join_path(event_id), json={"challenge": refused_guest["challenge"], "nonce": solve(refused_guest)}).status == 200


def test_joining_is_limited_for_each_user_and_event(api, time):
    event_id, _ = create_sale(api, time)
    other_event_id, _ = create_sale(api, time, "Other")
    with settings.override(rate_limits="on"):
        # The first join takes the place and so limits itself.
        assert [api.post(join_path(event_id), user="ada").status for _ in range(12)] == [200] * 11 + [429]
        assert api.post(join_path(other_event_id), user="ada").status == 200
        assert api.post(join_path(event_id), user="bob").status == 200


@pytest.mark.parametrize(("body", "path"), [({"nonce": 5}, "$.nonce"), ({"place": 1}, "$.place"), ([], "$")])
def test_a_malformed_body_is_refused_with_the_path_of_the_fault(api, sale, body, path):
    reply = api.post(join_path(sale[0]), json=body, user="ada")
    assert (reply.status, reply.json["path"]) == (400, path)


def test_an_empty_body_is_accepted(api, sale):
    assert api.post(join_path(sale[0]), json={}, user="ada").status == 200
