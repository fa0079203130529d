"""Reservations over HTTP: what is held, for how long, and how they are released."""

import pytest

from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import reservations, store
from chalicelib.purchases.model import RequestedItem, ReservationRequest
from tests import builders, invariants
from tests.purchases.stock import available_by_tier
from tests.simulation import faults


def test_a_reservation_holds_tickets_at_the_price_shown(api, time):
    event_id, tier_id = builders.create_shop(api)
    reply = builders.reserve(api, "ada", event_id, tier_id, 2)
    assert reply.status == 201
    reservation = reply.json
    assert reservation["id"]
    del reservation["id"]
    assert reservation == {
        "event_id": event_id,
        "state": "active",
        "status": "active",
        "tier_id": tier_id,
        "tier_name": "Floor",
        "quantity": 2,
        "price_cents": 5000,
        "promo_code": None,
        "discount_cents": 0,
        "total_price_cents": 10000,
        "currency": "USD",
        "items": [
            {
                "tier_id": tier_id,
                "tier_name": "Floor",
                "quantity": 2,
                "price_cents": 5000,
                "discount_cents": 0,
                "total_price_cents": 10000,
                "included_fee_cents": 0,
                "tax": None,
                "resale": False,
            }
        ],
        "included_fee_cents": 0,
        "taxes": [],
        "created_at": "2026-06-01T12:00:00Z",
        "expires_at": "2026-06-01T12:03:00Z",
        "expires_in_seconds": 180,
        "returns": None,
        "transfers": "free",
    }
    assert available_by_tier(api, event_id) == {"Floor": 8}
    invariants.check(time.now)


def test_reserving_one_tier_takes_two_round_trips(api, time):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")  # warms the catalog
    with faults.record_calls() as calls:
        assert builders.reserve(api, "ada", event_id, tier_id, 2).status == 201
    assert calls == ["UpdateItem", "TransactWriteItems"]


def test_several_tiers_are_held_together_or_not_at_all(api, time):
    event_id, floor = builders.create_shop(api)
    balcony = builders.create_tier(api, event_id, "Balcony", price_cents=3000, capacity=2)
    items = [{"tier_id": floor, "quantity": 2}, {"tier_id": balcony, "quantity": 3}]
    refused = api.post(f"/events/{event_id}/reservations", json={"items": items}, user="ada")
    assert (refused.status, refused.json["error"], refused.json["tier_id"]) == (409, "not_enough_tickets", balcony)
    assert available_by_tier(api, event_id) == {"Floor": 10, "Balcony": 2}
    items[1]["quantity"] = 1
    reply = api.post(f"/events/{event_id}/reservations", json={"items": items}, user="ada")
    assert reply.status == 201
    assert (reply.json["quantity"], reply.json["total_price_cents"], reply.json["tier_id"]) == (3, 13000, None)
    assert [item["tier_id"] for item in reply.json["items"]] == [floor, balcony]
    assert available_by_tier(api, event_id) == {"Floor": 8, "Balcony": 1}
    invariants.check(time.now)


def test_the_active_reservation_is_shown_until_it_expires(api, time):
    event_id, tier_id = builders.create_shop(api)
    path = f"/events/{event_id}/reservations"
    assert api.get(path, user="ada").status == 404
    reservation = builders.reserve(api, "ada", event_id, tier_id).json
    time.advance(60)
    shown = api.get(path, user="ada", query={"token": "anything"})
    assert shown.json == reservation | {"expires_in_seconds": 120}
    assert api.get(path, user="bob").status == 404
    time.advance(120)
    assert api.get(path, user="ada").status == 404


def test_releasing_a_reservation_can_be_repeated(api, time):
    event_id, tier_id = builders.create_shop(api)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 3).json["id"]
    assert api.delete(f"/reservations/{reservation_id}", user="bob").status == 404
    for _ in range(2):
        reply = api.delete(f"/reservations/{reservation_id}", user="ada")
        assert (reply.status, reply.json["state"]) == (200, "cancelled")
    assert available_by_tier(api, event_id) == {"Floor": 10}
    assert api.get(f"/events/{event_id}/reservations", user="ada").status == 404
    assert builders.start_checkout(api, "ada", reservation_id).status == 409
    assert api.delete("/reservations/unknown", user="ada").status == 404
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    invariants.check(time.now)


def test_an_order_cannot_be_released(api, time):
    event_id, tier_id = builders.create_shop(api)
    order_id = builders.buy(api, "ada", event_id, tier_id).json["order"]["id"]
    reply = api.delete(f"/reservations/{order_id}", user="ada")
    assert (reply.status, reply.json["error"]) == (409, "reservation_converted")
    invariants.check(time.now)


def test_the_price_is_stored_with_the_reservation(api, time):
    event_id, tier_id = builders.create_shop(api)
    reserved = builders.reserve(api, "ada", event_id, tier_id).json
    assert store.load(reserved["id"]).lines[0].price_cents == 5000


def test_a_request_repeated_with_its_idempotency_key_holds_once(api, time):
    event_id, tier_id = builders.create_shop(api)
    body = {"tier_id": tier_id, "quantity": 2}
    replies = [api.post(f"/events/{event_id}/reservations", json=body, user="ada", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 200]
    assert replies[0].json["id"] == replies[1].json["id"]
    assert "idempotent" in replies[1].json["message"]
    other = api.post(f"/events/{event_id}/reservations", json=body | {"quantity": 1}, user="ada", headers={"Idempotency-Key": "k"})
    assert (other.status, other.json["error"]) == (409, "idempotency_key_reused")
    assert available_by_tier(api, event_id) == {"Floor": 8}
    invariants.check(time.now)


@pytest.mark.parametrize("call", [1, 2])
def test_a_throttled_reservation_gets_503_and_holds_nothing(api, time, call):
    event_id, tier_id = builders.create_shop(api)
    api.get(f"/events/{event_id}")
    with faults.refuse_from(call):
        reply = builders.reserve(api, "ada", event_id, tier_id, 2)
    assert reply.status == 503
    assert reply.headers["retry-after"] == "2"
    assert reply.json["retry_after_seconds"] == 2
    assert api.get(f"/events/{event_id}/reservations", user="ada").status == 404
    invariants.check(time.now)
    time.advance(200)
    builders.run_sweep()
    assert sum(shard.held for shard in scan_shards()) == 0
    invariants.check(time.now, recovered=True)


def test_a_retry_after_a_lost_response_finds_the_reservation_that_was_made(api, time):
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


def test_a_request_that_is_executed_twice_leaves_one_hold(api, time):
    """The client tried again while the first request was still running: both hold, one purchase is written, the other hold is released."""
    event_id, tier_id = builders.create_shop(api)
    wanted = ReservationRequest(user_id="ada", event_id=event_id, items=[RequestedItem(tier_id, 2)], token=None, now=time.now)
    first = reservations.reserve(wanted, "01PURCHASE", builders.UNLIMITED)
    again = reservations.reserve(wanted, "01PURCHASE", builders.UNLIMITED)
    assert first == again
    (shard,) = scan_shards()
    assert shard.held == 2
    invariants.check(time.now)
