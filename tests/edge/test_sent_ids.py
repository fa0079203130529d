"""An id in a query or body that cannot exist is a 400 that names it, without a call to the store."""

import pytest

from tests import builders
from tests.edge.test_path_ids import EXISTING

IMPOSSIBLE = [" ", "a b", "-a", "a/b", "a\n", "a\x00", "a#b", "ü", "٣", "a" * 301, "a" * 3000]

QUERIES = ["/me/order", "/tickets/types", "/admin/tiers"]

# path -> (a body with one id in the place of ID, the path of that id)
BODIES = {
    "/events/01KB6Z5C0V8S3J5Y7N9Q2R4T6W/reservations": ({"tier_id": "ID", "quantity": 1}, "$.tier_id"),
    "/events/01KB6Z5C0V8S3J5Y7N9Q2R4T6W/reservations#items": ({"items": [{"tier_id": "ID", "quantity": 1}]}, "$.items[...].tier_id"),
    "/checkout/sessions": ({"reservation_id": "ID"}, "$.reservation_id"),
    "/checkout/confirm": ({"checkout_id": "ID"}, "$.checkout_id"),
    "/admin/tiers": ({"event_id": "ID", "name": "Floor", "price_cents": 1, "capacity": 1}, "$.event_id"),
}


def with_id(body, sent_id):
    """The body with the id in the place of ID."""
    if isinstance(body, dict):
        return {name: with_id(value, sent_id) for name, value in body.items()}
    if isinstance(body, list):
        return [with_id(value, sent_id) for value in body]
    return sent_id if body == "ID" else body


def assert_refused(reply, path):
    assert (reply.status, reply.json["error"]) == (400, "invalid_input"), reply.json
    assert reply.json["path"].replace("[0]", "[...]") == path


@pytest.mark.parametrize("sent_id", IMPOSSIBLE)
@pytest.mark.parametrize("path", QUERIES)
def test_an_impossible_id_in_a_query_is_a_400_without_a_call_to_the_store(api_without_store, path, sent_id):
    assert_refused(api_without_store.get(path, query={"event_id": sent_id}, token=builders.admin_token()), "event_id")


@pytest.mark.parametrize("sent_id", ["", *IMPOSSIBLE])
@pytest.mark.parametrize("path", BODIES)
def test_an_impossible_id_in_a_body_is_a_400_without_a_call_to_the_store(api_without_store, path, sent_id):
    body, field = BODIES[path]
    headers = {"Idempotency-Key": "k"}
    reply = api_without_store.post(path.partition("#")[0], json=with_id(body, sent_id), token=builders.admin_token(), headers=headers)
    assert_refused(reply, field)


@pytest.mark.parametrize("ticket_id", ["a b", "a" * 301])
def test_an_impossible_ticket_id_in_a_refund_is_a_400(api, time, ticket_id):
    order_id = builders.create_order(api, builders.create_shop(api))
    assert_refused(builders.refund(api, order_id, tickets=[ticket_id]), "$.tickets[...]")


@pytest.mark.parametrize("sent_id", EXISTING)
def test_every_id_that_is_made_anywhere_may_be_sent(api, time, sent_id):
    assert api.get("/me/order", query={"event_id": sent_id}, user="ada").json["error"] == "order_not_found"
    assert builders.confirm(api, "ada", sent_id).json["error"] == "checkout_session_not_found"
