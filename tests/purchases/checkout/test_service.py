"""Checkout and confirmation over HTTP, with simulated payments and free orders."""

import pytest

from chalicelib.foundation import memory, settings
from chalicelib.ledger import service as ledger
from tests import builders, invariants
from tests.simulation import faults


@pytest.fixture
def held(api, time):
    """The ids of an event, of its tier, and of a reservation of two tickets by ada."""
    event_id, tier_id = builders.create_shop(api)
    return event_id, tier_id, builders.reserve(api, "ada", event_id, tier_id, 2).json["id"]


def count_sold_held_available(api, event_id):
    status = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    return status["total_sold"], status["total_active_holds"], status["total_available"]


def test_a_checkout_session_shows_the_reservation_and_the_payment(api, time, held):
    _, _, reservation_id = held
    reply = builders.start_checkout(api, "ada", reservation_id)
    assert reply.status == 201
    session = reply.json
    assert (session["id"], session["reservation_id"], session["state"]) == (reservation_id, reservation_id, "pending")
    assert session["payment"] == {"provider": "simulated", "status": "open"}
    assert session["created_at"] == "2026-06-01T12:00:00Z"
    shown = {"id": reservation_id, "tier_name": "Floor", "quantity": 2, "price_cents": 5000, "total_price_cents": 10000}
    assert session["reservation"].items() >= shown.items()
    assert session["reservation"]["expires_at"] == "2026-06-01T12:03:00Z"
    assert api.get(f"/checkout/sessions/{reservation_id}", user="ada").json == session
    assert api.get(f"/checkout/sessions/{reservation_id}", user="bob").status == 404
    invariants.check(time.now)


def test_a_reservation_has_one_checkout_whatever_the_key(api, time, held):
    _, _, reservation_id = held
    first = builders.start_checkout(api, "ada", reservation_id)
    same = builders.start_checkout(api, "ada", reservation_id)
    other = builders.start_checkout(api, "ada", reservation_id, key="another")
    assert [first.status, same.status, other.status] == [201, 200, 200]
    assert same.json["id"] == other.json["id"] == first.json["id"]
    assert "idempotent" in same.json["message"]
    assert other.json["state"] == "pending"
    invariants.check(time.now)


def test_a_checkout_needs_a_key_and_an_active_reservation_of_the_user(api, time, held):
    _, _, reservation_id = held
    no_key = api.post("/checkout/sessions", json={"reservation_id": reservation_id}, user="ada")
    assert (no_key.status, no_key.json["error"], no_key.json["path"]) == (400, "idempotency_key_required", "Idempotency-Key")
    assert builders.start_checkout(api, "bob", reservation_id).status == 404
    assert builders.start_checkout(api, "ada", "unknown").status == 404
    time.advance(180)
    over = builders.start_checkout(api, "ada", reservation_id, key="late")
    assert (over.status, over.json["error"]) == (409, "reservation_expired_or_invalid")
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"promo_code": "SAVE10"}, "$.promo_code"),
        ({"responses": {"diet": 3}}, "$.responses.diet"),
        ({"attendees": [{"email": "ada@example.org"}]}, "$.attendees[0].name"),
        ({"attendees": [{"name": "Ada", "email": "nowhere"}]}, "$.attendees[0].email"),
        ({"success_url": "javascript:alert(1)"}, "$.success_url"),
        ({"amount": 1}, "$.amount"),
    ],
)
def test_invalid_checkout_input_is_refused_with_its_field(api, time, held, fields, path):
    _, _, reservation_id = held
    body = {"reservation_id": reservation_id} | fields
    reply = api.post("/checkout/sessions", json=body, user="ada", headers={"Idempotency-Key": "k"})
    assert reply.status == 400
    assert reply.json["path"].replace("[0]", "[...]") == path.replace("[0]", "[...]"), reply.json


def test_a_paid_checkout_is_an_order_with_signed_tickets(api, time, held):
    event_id, tier_id, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    time.advance(30)
    reply = builders.confirm(api, "ada", reservation_id)
    assert reply.status == 201
    order = reply.json["order"]
    assert order.items() >= {"id": reservation_id, "checkout_session_id": reservation_id, "status": "paid", "quantity": 2}.items()
    assert (order["total_price_cents"], order["created_at"]) == (10000, "2026-06-01T12:00:30Z")
    assert reply.json["checkout_session"] == {"id": reservation_id, "state": "completed", "status": "completed"}
    assert reply.json["reservation"] == {"id": reservation_id, "state": "converted", "status": "converted"}
    assert len({ticket["code"] for ticket in reply.json["tickets"]}) == 2
    assert all(ticket["qr_sig"] and ticket["created_at"] for ticket in reply.json["tickets"])
    assert count_sold_held_available(api, event_id) == (2, 0, 8)
    invariants.check(time.now, recovered=True)

    mine = api.get("/me/order", user="ada", query={"event_id": event_id})
    assert mine.status == 200
    expected = {"event_id": event_id, "event_name": "Night", "event_venue": "Hall", "promoter_id": None, "tier_id": tier_id}
    expected |= {"tier_price_cents": 5000}
    assert mine.json["order"].items() >= expected.items()
    assert [ticket["code"] for ticket in mine.json["tickets"]] == [ticket["code"] for ticket in reply.json["tickets"]]
    assert api.get(f"/orders/{reservation_id}", user="ada").json == mine.json
    assert api.get(f"/orders/{reservation_id}", user="bob").status == 404
    assert api.get("/me/order", user="bob", query={"event_id": event_id}).status == 404
    assert api.get("/me/order", query={"event_id": event_id}).status == 401
    missing = api.get("/me/order", user="ada")
    assert (missing.status, missing.json["path"]) == (400, "event_id")
    assert {ticket["id"] for ticket in api.get("/me/tickets", user="ada").json["tickets"]} == {
        ticket["id"] for ticket in mine.json["tickets"]
    }


def test_a_repeated_confirmation_returns_the_same_tickets(api, time, held):
    event_id, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    first = builders.confirm(api, "ada", reservation_id)
    time.advance(10_000)
    again = builders.confirm(api, "ada", reservation_id)
    assert (first.status, again.status) == (201, 200)
    assert again.json["tickets"] == first.json["tickets"]
    assert again.json["order"] == first.json["order"]
    assert "idempotent" in again.json["message"]
    assert count_sold_held_available(api, event_id) == (2, 0, 8)
    invariants.check(time.now, recovered=True)


def test_the_confirmation_of_a_refunded_order_says_so(api, time, held):
    _, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    builders.confirm(api, "ada", reservation_id)
    builders.refund(api, reservation_id)
    again = builders.confirm(api, "ada", reservation_id)
    assert (again.status, again.json["order"]["status"]) == (200, "refunded")
    assert again.json["message"].startswith("This order was refunded, so its tickets are no longer valid.")


def test_a_declined_payment_keeps_the_tickets_so_that_the_buyer_can_pay_again(api, time, held):
    event_id, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    for _ in range(2):
        time.advance(1)
        reply = builders.confirm(api, "ada", reservation_id, "decline")
        assert (reply.status, reply.json["error"]) == (409, "payment_not_completed")
        assert reply.json["payment_status"] == "requires_payment_method"  # as after a declined card at Stripe
    assert count_sold_held_available(api, event_id) == (0, 2, 8)
    assert builders.confirm(api, "ada", reservation_id).status == 201
    assert [entry.kind for entry in ledger.list_purchase_entries(event_id, reservation_id)] == ["declined", "declined", "captured"]
    late = builders.confirm(api, "ada", reservation_id, "decline")
    assert (late.status, late.json["checkout_session"]["state"]) == (200, "completed")
    invariants.check(time.now, recovered=True)


def test_after_a_declined_payment_the_hold_ends_on_time(api, time, held):
    event_id, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    builders.confirm(api, "ada", reservation_id, "decline")
    time.advance(180)
    late = builders.confirm(api, "ada", reservation_id, "decline")
    assert (late.status, late.json["error"]) == (409, "reservation_expired_or_invalid")
    assert count_sold_held_available(api, event_id) == (0, 0, 10)
    invariants.check(time.now, recovered=True)


def test_a_failed_payment_returns_the_tickets(api, time, held):
    event_id, tier_id, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    for _ in range(2):
        reply = builders.confirm(api, "ada", reservation_id, "fail")
        assert reply.status == 200
        assert reply.json["checkout_session"]["state"] == "failed"
        assert reply.json["reservation"]["state"] == "cancelled"
        assert "tickets" not in reply.json
    assert count_sold_held_available(api, event_id) == (0, 0, 10)
    assert builders.reserve(api, "ada", event_id, tier_id).status == 201
    invariants.check(time.now, recovered=True)


def test_a_confirmation_after_the_hold_has_expired_is_refused(api, time, held):
    event_id, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    time.advance(180)
    reply = builders.confirm(api, "ada", reservation_id)
    assert (reply.status, reply.json["error"]) == (409, "reservation_expired_or_invalid")
    assert count_sold_held_available(api, event_id) == (0, 0, 10)
    assert api.get(f"/checkout/sessions/{reservation_id}", user="ada").json["state"] == "expired"
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"checkout_id": "ID"}, "$.simulate"),
        ({"checkout_id": "ID", "simulate": "maybe"}, "$.simulate"),
        ({"simulate": "success"}, "$.checkout_id"),
        ({"checkout_id": "ID", "simulate": "success", "amount": 1}, "$.amount"),
    ],
)
def test_invalid_confirmation_input_is_refused_with_its_field(api, time, held, body, path):
    _, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    body = {name: reservation_id if value == "ID" else value for name, value in body.items()}
    reply = api.post("/checkout/confirm", json=body, user="ada")
    assert (reply.status, reply.json["path"]) == (400, path)


def test_only_the_buyer_can_confirm_a_checkout(api, time, held):
    _, _, reservation_id = held
    assert builders.confirm(api, "ada", reservation_id).status == 404  # reserved, not checked out
    builders.start_checkout(api, "ada", reservation_id)
    assert builders.confirm(api, "bob", reservation_id).status == 404
    assert builders.confirm(api, "ada", "unknown").status == 404


def test_free_orders_need_no_payment(api, time):
    event_id, tier_id = builders.create_shop(api, price_cents=0)
    reservation_id = builders.reserve(api, "ada", event_id, tier_id, 1).json["id"]
    assert builders.start_checkout(api, "ada", reservation_id).json["payment"]["provider"] == "free"
    reply = builders.confirm(api, "ada", reservation_id, simulate=None)
    assert (reply.status, reply.json["order"]["total_price_cents"], len(reply.json["tickets"])) == (201, 0, 1)
    invariants.check(time.now, recovered=True)


def test_a_checkout_can_extend_the_hold(api, time, held):
    _, _, reservation_id = held
    with settings.override(checkout_seconds=600):
        reply = builders.start_checkout(api, "ada", reservation_id)
    assert reply.json["reservation"]["expires_in_seconds"] == 780
    time.advance(700)
    assert builders.run_sweep()["holds_over"] == 0
    assert builders.confirm(api, "ada", reservation_id).status == 201
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("call", [1, 2])
def test_a_confirmation_gets_503_while_the_store_fails_and_can_retry(api, time, held, call):
    _, _, reservation_id = held
    builders.start_checkout(api, "ada", reservation_id)
    memory.forget_everything()
    with faults.refuse_from(call):
        reply = builders.confirm(api, "ada", reservation_id)
    assert reply.status == 503
    invariants.check(time.now)
    again = builders.confirm(api, "ada", reservation_id)
    assert again.status in (200, 201)
    assert len(again.json["tickets"]) == 2
    time.advance(181)
    builders.run_sweep()
    invariants.check(time.now, recovered=True)
