"""An id in a path that cannot exist is a 404 at every route, without a call to the store."""

import re
from collections.abc import Iterator

import pytest

import app
from tests import builders

ROUTES = sorted((method, path) for path, methods in app.app.routes.items() for method in methods)
PARAMETERS = [(method, path, name) for method, path in ROUTES for name in re.findall(r"{(\w+)}", path)]

IMPOSSIBLE = {
    "of a space": "%20",
    "with a space": "a%20b",
    "that begins with a hyphen": "-a",
    "with a slash": "a%2Fb",
    "with a line feed": "a%0A",
    "with a null byte": "a%00",
    "with a number sign": "a%23b",
    "that is not ASCII": "%C3%BC",
    "with a digit that is not ASCII": "%D9%A3",
    "that is not UTF-8": "%FF",
    "too long": "a" * 301,
    "longer than any key of the store": "a" * 3000,
}

EXISTING = [
    "a",
    "order_confirmed.01KT1GW6G0CSGJG40SX0TZ8YQY.3",
    "spring-fest_2026.v2",
    "f" * 100,
    "01KT1GW6G0CSGJG40SX0TZ8YQY",
    "01KT1GW6G0CSGJG40SX0TZ8YQY-50",
    "late-pi_3NabcDEF0123456789ghijkl",
    "undone-17",
    "re_3NabcDEF0123456789ghijkl",
    "amounts_differ-pi_3NabcDEF0123456789ghijkl",
    "kept_of_dispute-dp_1NabcDEF0123456789ghijkl",
    "tickets_without_payment-pi_" + "x" * 252,  # Stripe's ids have 255 characters at most
]


def _calls() -> Iterator[tuple[str, str]]:
    for method, path, name in PARAMETERS:
        for impossible_id in IMPOSSIBLE.values():
            yield method, re.sub(r"{\w+}", "a", path.replace(f"{{{name}}}", impossible_id))


def test_the_routes_have_all_kinds_of_ids():
    kinds = {"event_id", "tier_id", "order_id", "reservation_id", "session_id", "refund_id", "ticket_id", "finding"}
    kinds |= {"promoter_id", "member_id", "token", "package_id", "option_id", "code_id", "code", "seat_id", "upload_id", "key_id"}
    kinds |= {"endpoint_id", "delivery_id", "message_id", "entry_id", "user_id", "version", "request_number", "sale_id"}
    kinds |= {"digest", "appeal_id", "text_id", "kind", "language", "announcement_id", "passkey_id", "serial", "device_id", "pass_type"}
    advice = "add a new kind here, to EXISTING if its form is new, and one that exists to `ids` of tests/access/world.py"
    assert {name for _, _, name in PARAMETERS} == kinds, advice


def test_an_impossible_id_is_a_404_everywhere_without_the_store(api_without_store):
    for method, path in _calls():
        reply = api_without_store.request(method, path.removeprefix("/v1"), token=builders.admin_token())
        assert (reply.status, reply.json and reply.json["error"]) == (404, "not_found"), (method, path)
        assert reply.json["message"]
        assert reply.json["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize("existing_id", EXISTING)
def test_every_id_that_is_made_anywhere_is_accepted(edge, existing_id):
    assert edge.get(f"/things/{existing_id}").json == {"id": existing_id, "q": None}


def test_the_longest_id_has_300_characters(edge):
    assert edge.get("/things/" + "a" * 300).status == 200
    assert edge.get("/things/" + "a" * 301).status == 404
