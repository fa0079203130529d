"""The check that every reply of the tests' client passes: it finds what the document does not have."""

import pytest

from tests.documented import check_reply

JSON = "application/json"
HEALTH = {
    "status": "ok",
    "service": "fairgate",
    "build": "1.2.0",
    "stage": "test",
    "identity": "jwt",
    "staff_sign_in": False,
    "addons": ["reports"],
    "errors": [],
    "time": "2026-06-01T12:00:00Z",
}
ERROR = {"error": "not_found", "message": "m", "request_id": "r"}


def test_documented_replies_pass():
    check_reply("GET", "/v1/health", 200, JSON, HEALTH)
    check_reply("GET", "/v1/events/{event_id}", 404, JSON, ERROR)
    check_reply("GET", "/v1/events/{event_id}", 304, "", None)
    check_reply("GET", None, 404, JSON, ERROR)


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body", "missing"),
    [
        ("/v1/nothing", 200, JSON, {}, "not in the OpenAPI document"),
        ("/v1/health", 201, JSON, HEALTH, "answered 201"),
        ("/v1/health", 200, "text/plain", None, "answered with text/plain"),
        ("/v1/health", 200, JSON, HEALTH | {"secret": 1}, "'secret' was unexpected"),
        ("/v1/health", 200, JSON, {"status": "ok"}, "is a required property"),
        ("/v1/health", 200, JSON, HEALTH | {"status": "late"}, "status"),
        ("/v1/health", 200, JSON, HEALTH | {"time": "noon"}, "date-time"),
        ("/v1/events/{event_id}", 404, JSON, ERROR | {"error": "sold_out"}, "404 sold_out"),
        ("/v1/events/{event_id}", 409, JSON, ERROR, "answered 409"),
    ],
)
def test_an_undocumented_reply_is_found(path, status, content_type, body, missing):
    with pytest.raises(AssertionError, match=missing):
        check_reply("GET", path, status, content_type, body)
