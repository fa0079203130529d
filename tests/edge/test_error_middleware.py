"""Chalice's own errors in the format of the API."""

from chalicelib.edge import error_replies


def test_an_error_of_chalice_itself_has_the_format_of_all_errors(edge):
    reply = edge.get("/fails/invalid-header")
    assert (reply.status, reply.json["error"], reply.json["outcome"]) == (500, "internal_error", "unchanged")
    assert reply.json.keys() == {"error", "message", "outcome", "request_id"}
    assert reply.headers["access-control-allow-origin"] == "*"


def test_after_an_error_of_chalice_itself_a_change_may_have_been_made(edge):
    reply = edge.post("/change", json={})
    assert (reply.status, reply.json["error"], reply.json["outcome"]) == (500, "internal_error", "unknown")
    assert error_replies.LOOK_FIRST in reply.json["message"]
