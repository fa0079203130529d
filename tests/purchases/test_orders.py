"""Orders in one call: the same purchase as by a reservation and a checkout, repeatable, and cancelled or paid once."""

import pytest

from chalicelib.foundation import clock
from chalicelib.purchases import checkout
from chalicelib.tickets.model import number_prefix
from tests import builders, invariants
from tests.simulation import faults
from tests.waiting_room import sale


class Buyer:
    """Ada, who orders at a shop with two tiers."""

    def __init__(self, api):
        self.api = api
        self.event_id, self.floor = builders.create_shop(api)
        self.balcony = builders.create_tier(api, self.event_id, "Balcony", price_cents=3000, capacity=4)
        api.get(f"/events/{self.event_id}")  # loads the catalog, so that the store calls of an order are its own

    def order(self, floor=2, balcony=0, key="k", **fields):
        return builders.order(self.api, "ada", self.event_id, {self.floor: floor, self.balcony: balcony}, key=key, **fields)

    def create_order(self, **fields):
        reply = self.order(**fields)
        assert reply.status == 201, reply.json
        return reply.json["order"]["id"]

    def confirm(self, order_id, **fields):
        return self.api.post(f"/orders/{order_id}/confirm", json={"simulate": "success"} | fields, user="ada")

    def cancel(self, order_id, user="ada"):
        return self.api.post(f"/orders/{order_id}/cancel", user=user)

    def show(self, order_id, user="ada"):
        return self.api.get(f"/orders/{order_id}", user=user)

    def pages(self, limit):
        """The ids of the orders on each page of the list."""
        pages, cursor = [], None
        while True:
            reply = self.api.get("/orders", user="ada", query={"limit": limit} | ({"cursor": cursor} if cursor else {}))
            assert reply.status == 200, reply.json
            pages.append([order["id"] for order in reply.json["orders"]])
            cursor = reply.json["next_cursor"]
            if cursor is None:
                return pages


@pytest.fixture
def buyer(api, time):
    yield Buyer(api)
    invariants.check(time.now)


def test_an_order_is_pending_until_it_is_paid_and_shows_what_was_sold(buyer, time):
    reply = buyer.order(floor=2, balcony=1, responses={"diet": "none"}, attendees=[{"name": "Ada"}], customer_email="ada@example.org")
    assert reply.status == 201
    assert reply.json["payment"] == {"provider": "simulated", "status": "open"}
    order = reply.json["order"]
    assert (order["status"], order["user_id"], order["quantity"], order["total_price_cents"]) == ("pending", "ada", 3, 13_000)
    assert order["items"] == [
        {
            "tier_id": buyer.floor,
            "tier_name": "Floor",
            "quantity": 2,
            "price_cents": 5000,
            "discount_cents": 0,
            "total_price_cents": 10_000,
            "included_fee_cents": 0,
            "tax": None,
            "resale": False,
        },
        {
            "tier_id": buyer.balcony,
            "tier_name": "Balcony",
            "quantity": 1,
            "price_cents": 3000,
            "discount_cents": 0,
            "total_price_cents": 3000,
            "included_fee_cents": 0,
            "tax": None,
            "resale": False,
        },
    ]
    assert order["event_timezone"] == "UTC"
    assert (order["customer_email"], order["attendees"], order["responses"]) == ("ada@example.org", [{"name": "Ada"}], {"diet": "none"})
    assert order["expires_at"] == clock.iso(time.now + 180)
    assert buyer.show(order["id"]).json == {"order": order, "tickets": [], "returnable": None, "resale": None, "return_requests": []}
    paid = buyer.confirm(order["id"])
    assert (paid.status, len(paid.json["tickets"]), paid.json["order"]["status"]) == (201, 3, "paid")
    assert buyer.confirm(order["id"]).status == 200
    shown = buyer.show(order["id"]).json
    assert (shown["order"]["status"], shown["order"]["expires_at"], len(shown["tickets"])) == ("paid", None, 3)
    assert shown["order"]["customer_email"] == "ada@example.org"


def test_an_order_has_one_number_everywhere(buyer):
    order_id = buyer.create_order()
    confirmed = buyer.confirm(order_id).json["order"]["number"]
    slug = buyer.api.get(f"/events/{buyer.event_id}").json["slug"]
    assert confirmed == f"{number_prefix(slug)}-{order_id[-8:-4]}-{order_id[-4:]}"
    [listed] = buyer.api.get("/orders", user="ada").json["orders"]
    managed = buyer.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["order"]
    assert {listed["number"], managed["number"], buyer.show(order_id).json["order"]["number"]} == {confirmed}
    assert {ticket["order_number"] for ticket in buyer.api.get("/tickets", user="ada").json["tickets"]} == {confirmed}


def test_an_order_is_the_reservation_and_the_checkout_session_of_its_id(buyer):
    order_id = buyer.create_order()
    assert buyer.api.get(f"/events/{buyer.event_id}/reservations", user="ada").json["id"] == order_id
    assert buyer.api.get(f"/checkout/sessions/{order_id}", user="ada").json["state"] == "pending"
    assert builders.confirm(buyer.api, "ada", order_id).status == 201
    assert buyer.show(order_id).json["order"]["status"] == "paid"


def test_a_repeated_order_is_the_same_one_and_needs_a_key(buyer):
    first = buyer.order()
    again = buyer.order()
    assert (again.status, again.json["order"], again.json["payment"]) == (200, first.json["order"], first.json["payment"])
    assert "idempotent" in again.json["message"]
    assert buyer.order(floor=1).json["error"] == "idempotency_key_reused"
    assert buyer.order(key="other").json["error"] == "active_reservation_exists"
    assert buyer.order(key="").json["error"] == "idempotency_key_required"


@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("fault", [faults.crash_after, faults.crash_before])
def test_after_a_crash_at_any_call_the_repetition_orders_once(buyer, time, fault, number):
    with fault(number):
        buyer.order(floor=2, balcony=1)
    time.advance(31)
    reply = buyer.order(floor=2, balcony=1)
    assert reply.status in (200, 201), reply.json
    assert buyer.confirm(reply.json["order"]["id"]).status == 201
    assert buyer.pages(10) == [[reply.json["order"]["id"]]]


def test_a_repetition_after_the_hold_is_refused_and_a_new_key_orders(buyer, time):
    with faults.crash_after(3):  # held, and no checkout yet
        buyer.order()
    time.advance(200)
    refused = buyer.order()
    assert (refused.status, refused.json["error"]) == (409, "reservation_expired_or_invalid")
    assert buyer.order().status == 201


def test_a_refused_checkout_gives_the_tickets_back(buyer):
    refused = buyer.order(success_url="ftp://nowhere")
    assert (refused.status, refused.json["error"]) == (400, "return_address_refused")
    assert buyer.api.get(f"/events/{buyer.event_id}/reservations", user="ada").status == 404
    assert buyer.order(key="again").status == 201


def test_a_temporary_failure_keeps_the_tickets_for_the_repetition(buyer, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(checkout, "open_checkout", fail)
        assert buyer.order().status == 500
    held = buyer.api.get(f"/events/{buyer.event_id}/reservations", user="ada").json["id"]
    assert buyer.order().json["order"]["id"] == held


def test_a_faulty_order_is_refused_before_anything_is_held(buyer):
    def refusal(**fields):
        reply = buyer.order(**fields)
        return reply.status, reply.json["error"], reply.json.get("path")

    assert refusal(promo_code="X") == (400, "promo_code_invalid", "$.promo_code")
    assert refusal(promo_code=" ") == (400, "promo_code_invalid", "$.promo_code")
    assert refusal(customer_email="nobody") == (400, "invalid_input", "$.customer_email")
    assert refusal(responses={"q": "x" * 500} | {str(n): "x" * 500 for n in range(9)}) == (400, "invalid_input", "$.responses")
    assert refusal(floor=0) == (400, "invalid_input", "$.items")
    assert refusal(floor=5)[:2] == (400, "tier_limit_exceeded")
    assert refusal(unknown=1) == (400, "invalid_input", "$.unknown")
    assert buyer.pages(10) == [[]]


def test_an_unpaid_order_can_be_cancelled_and_a_paid_one_explains_refunds(buyer):
    order_id = buyer.create_order(balcony=4, floor=1)
    assert buyer.cancel(order_id, user="bob").json["error"] == "order_not_found"
    cancelled = buyer.cancel(order_id)
    assert (cancelled.status, cancelled.json["order"]["status"]) == (200, "cancelled")
    assert buyer.cancel(order_id).json["order"] == cancelled.json["order"]
    assert buyer.show(order_id).json["order"]["status"] == "cancelled"
    assert buyer.confirm(order_id).json["error"] == "reservation_expired_or_invalid"
    paid_id = buyer.create_order(balcony=4, floor=0, key="again")
    buyer.confirm(paid_id)
    refused = buyer.cancel(paid_id)
    assert (refused.status, refused.json["error"]) == (409, "order_paid")
    assert "refund" in refused.json["message"]


def test_an_order_that_is_not_the_callers_does_not_exist(buyer):
    order_id = buyer.create_order()
    for reply in (buyer.show(order_id, "bob"), buyer.cancel(order_id, "bob"), buyer.show("none"), buyer.confirm("none")):
        assert (reply.status, reply.json["error"]) == (404, "order_not_found")
    reservation_id = builders.reserve(buyer.api, "bob", buyer.event_id, buyer.floor).json["id"]
    assert buyer.show(reservation_id, "bob").status == 404  # nobody has ordered it


def test_a_payment_of_an_order_at_the_provider(shop):
    body = {"event_id": shop.event_id, "items": [{"tier_id": shop.tier_id, "quantity": 1}]}
    reply = shop.api.post("/orders", json=body, user="ada", headers={"Idempotency-Key": "k"})
    assert reply.status == 201, reply.json
    assert reply.json["payment"]["client_secret"]
    assert reply.json["order"]["payment_id"].startswith("pi_")


def test_orders_are_listed_with_the_newest_first_and_with_refunded_ones(buyer, time):
    ids = []
    for number in range(5):
        ids.append(buyer.create_order(floor=1, key=str(number)))
        if number < 4:
            buyer.confirm(ids[-1])
        time.advance(1)
    builders.refund(buyer.api, ids[1])
    newest_first = ids[::-1]
    assert buyer.pages(2) == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    assert buyer.pages(5) == [newest_first]
    shown = buyer.api.get("/orders", user="ada").json["orders"]
    assert [order["status"] for order in shown] == ["pending", "paid", "paid", "refunded", "paid"]
    assert buyer.api.get("/orders", user="bob").json == {"orders": [], "next_cursor": None}


@pytest.mark.needs_addon
def test_an_order_that_cannot_be_read_leaves_the_others_in_the_buyers_lists(api, time):
    broken, other = (builders.create_order(api, builders.create_shop(api), 1) for _ in range(2))
    with builders.unreadable(broken):
        assert [order["id"] for order in api.get("/orders", user="ada").json["orders"]] == [other]
        for path in ("/tickets", "/me/tickets"):
            assert [ticket["id"] for ticket in api.get(path, user="ada").json["tickets"]] == [f"{other}-1"]
        assert api.get("/me/export", user="ada").status == 500, "an export that lacks an order would look complete"


@pytest.mark.parametrize(("query", "path"), [({"limit": 0}, "limit"), ({"cursor": "!"}, "cursor"), ({"state": "paid"}, "state")])
def test_a_wrong_page_is_refused(buyer, query, path):
    reply = buyer.api.get("/orders", user="ada", query=query)
    assert (reply.status, reply.json["path"]) == (400, path)


def test_the_token_of_a_waiting_room_names_the_event_of_the_newest_order(api, time):
    event_id, tier_id = sale.create_sale(api, time)
    token = sale.join(api, event_id, "ada")
    time.advance(sale.SECONDS_TO_OPENING)
    reserved = sale.reserve(api, event_id, tier_id, "ada", token)
    assert reserved.status == 201, reserved.json
    builders.start_checkout(api, "ada", reserved.json["id"])
    builders.confirm(api, "ada", reserved.json["id"])
    mine = api.get("/me/order", query={"token": token}, user="ada")
    assert (mine.status, mine.json["order"]["id"]) == (200, reserved.json["id"])
    assert api.get("/me/order", query={"token": token}, user="bob").status == 404
    forged = api.get("/me/order", query={"token": f"{token}x"}, user="ada")
    assert (forged.status, forged.json["error"]) == (404, "token_unknown")
