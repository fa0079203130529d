"""Reservations over HTTP: what is granted, what is refused and with which words, and that nothing stays held after a refusal."""

import pytest

from chalicelib.inventory import service as inventory
from tests import builders, invariants
from tests.simulation import faults


def left(api, event_id):
    reply = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token())
    return {tier["tier_name"]: tier["available"] for tier in reply.json["tiers"]}


def test_a_reservation_sets_tickets_aside_at_the_price_shown(api, time):
    event_id, tier_id = builders.create_shop(api)
    reply = builders.reserve(api, "ada", event_id, tier_id, 2)
    assert reply.status == 201
    reservation = reply.json
    assert reservation["id"]
    del reservation["id"]
    assert reservation == {
        "event_id": event_id,
        "status": "active",
        "tier_id": tier_id,
        "tier_name": "Floor",
        "quantity": 2,
        "price_cents": 5000,
        "total_price_cents": 10000,
        "currency": "USD",
        "items": [{"tier_id": tier_id, "tier_name": "Floor", "quantity": 2, "price_cents": 5000, "total_price_cents": 10000}],
        "created_at": "2026-06-01T12:00:00Z",
        "expires_at": "2026-06-01T12:03:00Z",
        "expires_in_seconds": 180,
    }
    assert left(api, event_id) == {"Floor": 8}
    invariants.check(time.now)


def test_reserving_one_tier_takes_two_round_trips(api, time):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")  # warms the catalog
    with faults.record_calls() as made:
        assert builders.reserve(api, "ada", event_id, tier_id, 2).status == 201
    assert made == ["UpdateItem", "TransactWriteItems"]


def test_several_tiers_are_held_together_or_not_at_all(api, time):
    event_id, floor = builders.create_shop(api)
    balcony = builders.create_tier(api, event_id, "Balcony", price_cents=3000, capacity=2)
    items = [{"tier_id": floor, "quantity": 2}, {"tier_id": balcony, "quantity": 3}]
    refused = api.post(f"/events/{event_id}/reservations", json={"items": items}, user="ada")
    assert (refused.status, refused.json["error"], refused.json["tier_id"]) == (409, "not_enough_tickets", balcony)
    assert left(api, event_id) == {"Floor": 10, "Balcony": 2}
    items[1]["quantity"] = 1
    reply = api.post(f"/events/{event_id}/reservations", json={"items": items}, user="ada")
    assert reply.status == 201
    assert (reply.json["quantity"], reply.json["total_price_cents"], reply.json["tier_id"]) == (3, 13000, None)
    assert [item["tier_id"] for item in reply.json["items"]] == [floor, balcony]
    assert left(api, event_id) == {"Floor": 8, "Balcony": 1}
    invariants.check(time.now)


def test_the_active_reservation_is_shown_until_it_is_over(api, time):
    event_id, tier_id = builders.create_shop(api)
    path = f"/events/{event_id}/reservations"
    assert api.get(path, user="ada").status == 404
    made = builders.reserve(api, "ada", event_id, tier_id).json
    time.advance(60)
    shown = api.get(path, user="ada", query={"token": "anything"})
    assert shown.json == made | {"expires_in_seconds": 120}
    assert api.get(path, user="bob").status == 404
    time.advance(120)
    assert api.get(path, user="ada").status == 404


def test_sold_out_says_what_is_left(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=3)
    builders.reserve(api, "ada", event_id, tier_id, 2)
    refused = builders.reserve(api, "bob", event_id, tier_id, 2)
    assert refused.status == 409
    facts = {"error": "not_enough_tickets", "message": "Not enough tickets available", "available": 1, "requested": 2}
    assert refused.json.items() >= facts.items()
    invariants.check(time.now)


def test_a_refused_buyer_gives_back_what_is_over_before_hearing_sold_out(api, time):
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
    assert left(api, event_id) == {"Floor": 8}
    time.advance(180)
    assert builders.reserve(api, "ada", event_id, tier_id, 1).status == 201
    assert left(api, event_id) == {"Floor": 9}
    other_event, other_tier = builders.create_event(api, "Other"), None
    other_tier = builders.create_tier(api, other_event)
    assert builders.reserve(api, "ada", other_event, other_tier).status == 201
    invariants.check(time.now)


def test_bought_and_held_count_towards_the_limit_of_the_event(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=50, per_user_limit=10)
    assert builders.buy(api, "ada", event_id, tier_id, 4).status == 201
    refused = builders.reserve(api, "ada", event_id, tier_id, 3)
    assert (refused.status, refused.json["error"]) == (403, "purchase_limit_exceeded")
    facts = {"limit": 6, "alreadyPurchased": 4, "activeHolds": 0, "requested": 3}
    assert refused.json.items() >= facts.items()
    too_many = builders.reserve(api, "bob", event_id, tier_id, 7)
    assert too_many.json.items() >= {"limit": 6, "alreadyPurchased": 0, "requested": 7}.items()
    assert left(api, event_id) == {"Floor": 46}
    assert builders.reserve(api, "ada", event_id, tier_id, 2).status == 201
    invariants.check(time.now)


def test_the_limit_of_the_tier_names_the_field(api, time):
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
def test_bad_input_names_its_field_and_holds_nothing(api, time, body, path):
    event_id, tier_id = builders.create_shop(api)
    body = _with_tier(body, tier_id)
    reply = api.post(f"/events/{event_id}/reservations", json=body, user="ada")
    assert reply.status == 400, reply.json
    named = reply.json["path"]
    assert named == path or (path == "$.items[0].quantity" and named in ("$.items[...].quantity", "$.items[...]")), reply.json
    assert reply.json["request_id"]
    assert left(api, event_id) == {"Floor": 10}


def _with_tier(body, tier_id):
    if isinstance(body, dict):
        return {name: _with_tier(value, tier_id) for name, value in body.items()}
    if isinstance(body, list):
        return [_with_tier(value, tier_id) for value in body]
    return tier_id if body == "TIER" else body


def test_a_tier_of_another_event_and_unknown_ones_are_not_found(api, time):
    event_id, _ = builders.create_shop(api)
    other = builders.create_event(api, "Other")
    foreign = builders.create_tier(api, other)
    assert builders.reserve(api, "ada", event_id, foreign).status == 404
    assert builders.reserve(api, "ada", event_id, "no-such-tier").status == 404
    assert builders.reserve(api, "ada", "no-such-event", foreign).status == 404


def test_nobody_reserves_without_a_name(api, time):
    event_id, tier_id = builders.create_shop(api)
    reply = api.post(f"/events/{event_id}/reservations", json={"tier_id": tier_id, "quantity": 1})
    assert (reply.status, reply.json["error"]) == (400, "user_required")


def test_what_is_not_on_sale_cannot_be_reserved(api, time):
    opens = builders.create_event(api, "Later", on_sale_at="2026-06-02T12:00:00Z", status="scheduled")
    tier_id = builders.create_tier(api, opens)
    refused = builders.reserve(api, "ada", opens, tier_id)
    assert (refused.status, refused.json["error"]) == (409, "event_not_on_sale")
    draft = builders.create_event(api, "Draft", status="draft")
    hidden = builders.create_tier(api, draft)
    assert builders.reserve(api, "ada", draft, hidden).status == 404
    time.set(1_780_401_600)
    assert builders.reserve(api, "ada", opens, tier_id).status == 201


def test_a_reservation_can_be_given_back_once_or_many_times(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 3).json["id"]
    assert api.delete(f"/reservations/{reservation_id}", user="bob").status == 404
    for _ in range(2):
        reply = api.delete(f"/reservations/{reservation_id}", user="ada")
        assert (reply.status, reply.json["status"]) == (200, "canceled")
    assert left(api, event_id) == {"Floor": 10}
    assert api.get(f"/events/{event_id}/reservations", user="ada").status == 404
    assert builders.start_checkout(api, "ada", reservation_id).status == 409
    assert api.delete("/reservations/unknown", user="ada").status == 404
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    invariants.check(time.now)


def test_an_order_cannot_be_given_back_as_a_reservation(api, time):
    event_id, tier_id = builders.create_shop(api)
    order_id = builders.buy(api, "ada", event_id, tier_id).json["order"]["id"]
    reply = api.delete(f"/reservations/{order_id}", user="ada")
    assert (reply.status, reply.json["error"]) == (409, "reservation_converted")
    invariants.check(time.now)


def test_the_price_is_frozen_when_held(api, time):
    event_id, tier_id = builders.create_shop(api)
    reserved = builders.reserve(api, "ada", event_id, tier_id).json
    from chalicelib.purchases.record import store

    kept = store.load(reserved["id"])
    assert kept is not None
    assert kept.lines[0].price_cents == 5000


def test_a_repeated_request_with_its_key_holds_once(api, time):
    event_id, tier_id = builders.create_shop(api)
    body = {"tier_id": tier_id, "quantity": 2}
    replies = [api.post(f"/events/{event_id}/reservations", json=body, user="ada", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 200]
    assert replies[0].json["id"] == replies[1].json["id"]
    assert "idempotent" in replies[1].json["message"]
    other = api.post(f"/events/{event_id}/reservations", json=body | {"quantity": 1}, user="ada", headers={"Idempotency-Key": "k"})
    assert (other.status, other.json["error"]) == (409, "idempotency_key_reused")
    assert left(api, event_id) == {"Floor": 8}
    invariants.check(time.now)


@pytest.mark.parametrize("call", [1, 2])
def test_a_store_that_throttles_is_a_503_and_nothing_is_half_written(api, time, call):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")
    with faults.refuse_from(call):
        reply = builders.reserve(api, "ada", event_id, tier_id, 2)
    assert reply.status == 503
    assert reply.headers["retry-after"] == "2"
    assert reply.json["retryAfterSeconds"] == 2
    assert api.get(f"/events/{event_id}/reservations", user="ada").status == 404
    invariants.check(time.now)
    time.advance(200)
    builders.run_sweep()
    assert sum(shard.held for shard in inventory.scan_shards()) == 0
    invariants.check(time.now, recovered=True)


def test_pausing_stops_new_reservations_at_once_even_for_a_warm_cache(api, time):
    event_id, tier_id = builders.create_shop(api)
    held = builders.reserve(api, "ada", event_id, tier_id, 2)
    inventory.set_open(tier_id, 1, False)  # as another instance would: this one's cache still says open
    refused = builders.reserve(api, "bob", event_id, tier_id)
    assert (refused.status, refused.json["error"], refused.json["paused"]) == (403, "event_paused", True)
    assert builders.confirm(api, "ada", builders.start_checkout(api, "ada", held.json["id"]).json["id"]).status == 201
    invariants.check(time.now)


def test_a_retry_after_a_lost_answer_finds_the_reservation_that_was_made(api, time):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")
    body, headers = {"tier_id": tier_id, "quantity": 2}, {"Idempotency-Key": "k"}
    path = f"/events/{event_id}/reservations"
    with faults.lose_answer(1, operation="TransactWriteItems"):
        assert api.post(path, json=body, user="ada", headers=headers).status == 503
    again = api.post(path, json=body, user="ada", headers=headers)
    assert again.status == 201
    assert again.json["id"] == api.get(path, user="ada").json["id"]
    time.advance(181)
    builders.run_sweep()
    invariants.check(time.now, recovered=True)
