"""Chalice's own errors in the format of the API."""


def test_an_error_of_chalice_itself_has_the_format_of_all_errors(edge):
    reply = edge.get("/fails/invalid-header")
    assert (reply.status, reply.json["error"]) == (500, "internal_error")
    assert reply.json.keys() == {"error", "message", "request_id"}
    assert reply.headers["access-control-allow-origin"] == "*"
