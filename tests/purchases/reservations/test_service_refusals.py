"""Reservations that are refused: with which error and details, and that nothing stays held."""

import pytest

from chalicelib.inventory import service as inventory
from tests import builders, invariants
from tests.purchases.stock import available_by_tier


def test_a_refusal_for_lack_of_tickets_says_how_many_are_left(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=3)
    builders.reserve(api, "ada", event_id, tier_id, 2)
    refused = builders.reserve(api, "bob", event_id, tier_id, 2)
    assert refused.status == 409
    expected = {"error": "not_enough_tickets", "message": "Not enough tickets are available.", "available": 1, "requested": 2}
    assert refused.json.items() >= expected.items()
    invariants.check(time.now)


def test_expired_holds_are_released_before_a_buyer_is_refused(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=2)
    first = builders.reserve(api, "ada", event_id, tier_id, 2)
    time.advance(179)
    assert builders.reserve(api, "bob", event_id, tier_id, 2).status == 409
    time.advance(1)
    assert builders.reserve(api, "bob", event_id, tier_id, 2).status == 201
    assert builders.start_checkout(api, "ada", first.json["id"]).json["error"] == "reservation_expired_or_invalid"
    invariants.check(time.now)


def test_one_active_reservation_per_user_and_event(api, time):
    event_id, tier_id = builders.create_shop(api)
    first = builders.reserve(api, "ada", event_id, tier_id, 2)
    second = builders.reserve(api, "ada", event_id, tier_id, 1)
    assert (second.status, second.json["error"]) == (409, "active_reservation_exists")
    assert second.json["reservation_id"] == first.json["id"]
    assert available_by_tier(api, event_id) == {"Floor": 8}
    time.advance(180)
    assert builders.reserve(api, "ada", event_id, tier_id, 1).status == 201
    assert available_by_tier(api, event_id) == {"Floor": 9}
    other_event = builders.create_event(api, "Other")
    other_tier = builders.create_tier(api, other_event)
    assert builders.reserve(api, "ada", other_event, other_tier).status == 201
    invariants.check(time.now)


def test_bought_and_held_tickets_count_towards_the_limit_of_the_event(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=50, per_user_limit=10)
    assert builders.buy(api, "ada", event_id, tier_id, 4).status == 201
    refused = builders.reserve(api, "ada", event_id, tier_id, 3)
    assert (refused.status, refused.json["error"]) == (403, "purchase_limit_exceeded")
    expected = {"limit": 6, "already_purchased": 4, "active_holds": 0, "requested": 3}
    assert refused.json.items() >= expected.items()
    too_many = builders.reserve(api, "bob", event_id, tier_id, 7)
    assert too_many.json.items() >= {"limit": 6, "already_purchased": 0, "requested": 7}.items()
    assert available_by_tier(api, event_id) == {"Floor": 46}
    assert builders.reserve(api, "ada", event_id, tier_id, 2).status == 201
    invariants.check(time.now)


def test_a_quantity_above_the_limit_of_the_tier_is_refused_with_its_field(api, time):
    event_id, tier_id = builders.create_shop(api)
    refused = builders.reserve(api, "ada", event_id, tier_id, 5)
    assert (refused.status, refused.json["error"], refused.json["path"]) == (400, "tier_limit_exceeded", "$.quantity")
    assert refused.json["limit"] == 4


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.tier_id"),
        ({"tier_id": "TIER"}, "$.quantity"),
        ({"quantity": 1}, "$.tier_id"),
        ({"tier_id": "TIER", "quantity": 0}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": -1}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": 51}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": 2**53}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": 1.5}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": "1"}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": True}, "$.quantity"),
        ({"tier_id": "TIER", "quantity": None}, "$.quantity"),
        ({"tier_id": 7, "quantity": 1}, "$.tier_id"),
        ({"tier_id": "", "quantity": 1}, "$.tier_id"),
        ({"tier_id": "TIER", "quantity": 1, "price_cents": 1}, "$.price_cents"),
        ({"tier_id": "TIER", "quantity": 1, "items": [{"tier_id": "TIER", "quantity": 1}]}, "$.items"),
        ({"items": []}, "$.items"),
        ({"items": [{"tier_id": "TIER"}]}, "$.items[0].quantity"),
        ({"items": [{"tier_id": "TIER", "quantity": 0}]}, "$.items[0].quantity"),
        ({"items": [{"tier_id": "TIER", "quantity": 1}, {"tier_id": "TIER", "quantity": 1}]}, "$.items"),
        ([], "$"),
        ("text", "$"),
        (None, "$"),
    ],
)
def test_invalid_input_is_refused_with_its_field_and_holds_nothing(api, time, body, path):
    event_id, tier_id = builders.create_shop(api)
    body = _with_tier(body, tier_id)
    reply = api.post(f"/events/{event_id}/reservations", json=body, user="ada")
    assert reply.status == 400, reply.json
    named = reply.json["path"]
    assert named == path or (path == "$.items[0].quantity" and named in ("$.items[...].quantity", "$.items[...]")), reply.json
    assert reply.json["request_id"]
    assert available_by_tier(api, event_id) == {"Floor": 10}


def _with_tier(body, tier_id):
    if isinstance(body, dict):
        return {name: _with_tier(value, tier_id) for name, value in body.items()}
    if isinstance(body, list):
        return [_with_tier(value, tier_id) for value in body]
    return tier_id if body == "TIER" else body


def test_unknown_tiers_and_tiers_of_other_events_are_not_found(api, time):
    event_id, _ = builders.create_shop(api)
    other = builders.create_event(api, "Other")
    foreign = builders.create_tier(api, other)
    assert builders.reserve(api, "ada", event_id, foreign).status == 404
    assert builders.reserve(api, "ada", event_id, "no-such-tier").status == 404
    assert builders.reserve(api, "ada", "no-such-event", foreign).status == 404


def test_a_reservation_needs_a_user(api, time):
    event_id, tier_id = builders.create_shop(api)
    reply = api.post(f"/events/{event_id}/reservations", json={"tier_id": tier_id, "quantity": 1})
    assert (reply.status, reply.json["error"]) == (401, "unauthenticated")


def test_an_event_that_is_not_on_sale_cannot_be_reserved(api, time):
    opens = builders.create_event(api, "Later", on_sale_at="2026-06-02T12:00:00Z", status="scheduled")
    tier_id = builders.create_tier(api, opens)
    refused = builders.reserve(api, "ada", opens, tier_id)
    assert (refused.status, refused.json["error"]) == (409, "event_not_on_sale")
    draft = builders.create_event(api, "Draft", status="draft")
    hidden = builders.create_tier(api, draft)
    assert builders.reserve(api, "ada", draft, hidden).status == 404
    time.set(1_780_401_600)
    assert builders.reserve(api, "ada", opens, tier_id).status == 201


def test_a_paused_sale_refuses_reservations_even_where_the_cache_says_open(api, time):
    event_id, tier_id = builders.create_shop(api)
    held = builders.reserve(api, "ada", event_id, tier_id, 2)
    inventory.set_open({tier_id: 1}, False)  # as another instance would: this one's cache still says open
    refused = builders.reserve(api, "bob", event_id, tier_id)
    assert (refused.status, refused.json["error"], refused.json["paused"]) == (403, "event_paused", True)
    assert builders.confirm(api, "ada", builders.start_checkout(api, "ada", held.json["id"]).json["id"]).status == 201
    invariants.check(time.now)
