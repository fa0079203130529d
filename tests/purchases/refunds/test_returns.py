"""Returns: until the event's `refundable_until`, buyers get their money back for tickets that nobody has used or been given."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.foundation import clock
from chalicelib.purchases import model, refunds, store
from chalicelib.purchases.guest_orders import order_token
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.accounts.conftest import mailbox  # noqa: F401

DAY = 86_400
EMAIL = "ada@example.com"


class Shop:
    """An event that has moved, whose buyers may return their tickets for a week."""

    def __init__(self, api, time) -> None:
        self.api, self.time = api, time
        self.event_id, self.tier_id = builders.create_shop(api)
        self.until = clock.iso(time.now + 7 * DAY)
        starts_at = clock.iso(time.now + 30 * DAY)
        assert self.change(starts_at=starts_at, refundable_until=self.until).status == 200

    def change(self, **fields):
        return self.api.patch(f"/events/{self.event_id}", json=fields, token=builders.admin_token())

    def buy(self, quantity=2, user="ada"):
        return builders.create_order(self.api, (self.event_id, self.tier_id), quantity, user)

    def buy_as_guest(self, quantity=2, email=EMAIL):
        """Returns the guest's access token and the id of the order."""
        token = self.api.post("/auth/guest", json={}).json["access_token"]
        body = {"tier_id": self.tier_id, "quantity": quantity}
        order_id = self.api.post(f"/events/{self.event_id}/reservations", json=body, token=token).json["id"]
        checkout = {"reservation_id": order_id, "customer_email": email}
        assert self.api.post("/checkout/sessions", json=checkout, token=token, headers={"Idempotency-Key": order_id}).status == 201
        paid = self.api.post("/checkout/confirm", json={"checkout_id": order_id, "simulate": "success"}, token=token)
        assert paid.status == 201, paid.json
        return token, order_id

    def give_back(self, order_id, user="ada", **fields):
        return self.api.post(f"/orders/{order_id}/return", json=fields, user=user)

    def offered(self, order_id, user="ada"):
        return self.api.get(f"/orders/{order_id}", user=user).json["returnable"]

    def sold(self):
        [tier] = self.api.get(f"/admin/events/{self.event_id}/status", token=builders.admin_token()).json["tiers"]
        return tier["sold"]

    def admit(self, ticket_id):
        with_code = {"code": tickets.get_ticket(ticket_id).code}
        return self.api.post("/checkin", json=with_code, token=builders.staff_token(self.event_id))


@pytest.fixture
def shop(api, time):
    yield Shop(api, time)
    invariants.check(time.now)


def test_a_buyer_returns_an_order_once_for_the_whole_price(shop):
    order_id = shop.buy(2)
    ids = builders.ticket_ids(order_id, 1, 2)
    offer = {
        "order_id": order_id,
        "tickets": ids,
        "amount_cents": 10_000,
        "fee_cents": 0,
        "currency": "USD",
        "until": shop.until,
        "timezone": "UTC",
        "needs_approval": False,
    }
    assert shop.offered(order_id) == offer
    replies = [shop.give_back(order_id) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 200], replies[0].json
    assert replies[0].json == replies[2].json
    [refund] = replies[2].json["refunds"]
    assert (refund["amount_cents"], refund["fee_cents"], refund["tickets"], refund["status"]) == (10_000, 0, ids, "succeeded")
    shown = shop.api.get(f"/orders/{order_id}", user="ada").json
    assert (shown["returnable"], shown["order"]["status"]) == (None, "refunded")
    assert shop.admit(ids[0]).json["error"] == "ticket_refunded"
    assert shop.sold() == 0
    [entry] = audit.list_entries(f"order#{order_id}")
    assert (entry.action, entry.actor, entry.details["reason"]) == ("order.refunded", "ada", "event_changed")


def test_a_buyer_with_too_many_returned_orders_of_an_event_buys_nothing_more_there(shop, monkeypatch):
    """The buyer's record names every order, so without a bound each order of a person who keeps returning costs more than the last."""
    for module in (model, store):
        monkeypatch.setattr(module, "MAX_PAST_ORDERS", 2)
    for _ in range(2):
        assert shop.give_back(shop.buy(1)).status == 200
    body = {"tier_id": shop.tier_id, "quantity": 1}
    refused = shop.api.post(f"/events/{shop.event_id}/reservations", json=body, user="ada")
    assert (refused.status, refused.json["error"], refused.json["already_purchased"]) == (403, "purchase_limit_exceeded", 0)
    assert shop.give_back(shop.buy(1, "bob"), "bob").status == 200
    assert len(shop.api.get("/orders", user="ada").json["orders"]) == 2
    assert shop.sold() == 0


def test_a_buyer_returns_single_tickets(shop):
    order_id = shop.buy(3)
    ids = builders.ticket_ids(order_id, 1, 2, 3)
    for chosen in ([ids[1]], [ids[1]], [ids[2], ids[1]]):
        reply = shop.give_back(order_id, tickets=chosen)
        assert reply.status == 200, reply.json
    assert [refund["tickets"] for refund in reply.json["refunds"]] == [[ids[1]], [ids[2]]]
    assert (shop.offered(order_id)["tickets"], shop.offered(order_id)["amount_cents"]) == ([ids[0]], 5000)
    assert [tickets.get_ticket(ticket_id).state for ticket_id in ids] == ["valid", "void", "void"]


def test_returns_are_closed_without_a_window_and_after_it(shop):
    order_id = shop.buy(2)
    shop.time.advance(7 * DAY)
    assert shop.offered(order_id) is not None
    shop.time.advance(1)
    assert shop.offered(order_id) is None
    refused = shop.give_back(order_id)
    assert (refused.status, refused.json["error"], refused.json["refundable_until"]) == (409, "returns_closed", shop.until)
    assert shop.change(refundable_until=None).json["refundable_until"] is None
    shop.time.advance(5)
    assert (shop.give_back(order_id).status, shop.give_back(order_id).json["refundable_until"]) == (409, None)
    assert store.load(order_id).state == "paid"


def test_a_return_is_repeated_after_the_window(shop):
    order_id = shop.buy(1)
    assert shop.give_back(order_id).status == 200
    shop.time.advance(8 * DAY)
    assert shop.give_back(order_id).status == 200
    assert len(store.load(order_id).refunds) == 1


def test_used_and_given_tickets_stay(shop):
    order_id = shop.buy(3)
    used, given, kept = builders.ticket_ids(order_id, 1, 2, 3)
    assert shop.change(starts_at=clock.iso(shop.time.now + 3600), refundable_until=clock.iso(shop.time.now + 3000)).status == 200
    shop.time.advance(5)
    token = shop.api.post(f"/tickets/{given}/transfer", user="ada").json["token"]
    assert shop.api.post(f"/transfers/{token}/accept", json={}, user="bob").status == 201
    assert shop.admit(used).status == 200
    for ticket_id, reason in ((used, "used"), (given, "given_away")):
        refused = shop.give_back(order_id, tickets=[ticket_id, kept])
        assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tickets_not_returnable", reason)
    assert shop.offered(order_id)["tickets"] == [kept]
    assert shop.give_back(order_id).status == 200
    assert [tickets.get_ticket(ticket_id).state for ticket_id in (used, given, kept)] == ["valid", "valid", "void"]


def test_a_scan_that_comes_first_wins(shop, monkeypatch):
    order_id = shop.buy(1)
    [ticket_id] = builders.ticket_ids(order_id, 1)
    assert shop.change(starts_at=clock.iso(shop.time.now + 3600), refundable_until=clock.iso(shop.time.now + 3000)).status == 200
    shop.time.advance(5)
    portion = refunds.returnable_at_once
    monkeypatch.setattr(
        refunds, "returnable_at_once", lambda *given: shop.admit(ticket_id) and portion(*given)
    )  # after the tickets were read
    refused = shop.give_back(order_id)
    assert (refused.status, refused.json["reason"]) == (409, "used")
    assert store.load(order_id).refunds == []


def test_free_and_disputed_and_foreign_orders_are_not_returned(shop):
    free_id = builders.create_tier(shop.api, shop.event_id, "Free", price_cents=0)
    free = builders.create_order(shop.api, (shop.event_id, free_id), 1)
    assert shop.offered(free) is None
    assert shop.give_back(free).json["reason"] == "free"
    order_id = shop.buy(1)
    assert shop.give_back(order_id, "bob").status == 404
    other = shop.give_back(order_id, tickets=builders.ticket_ids(free, 1))
    assert (other.status, other.json["path"]) == (400, "$.tickets[0]")


def test_a_guest_returns_tickets_with_the_link(shop, mailbox):  # noqa: F811
    _, order_id = shop.buy_as_guest(2)
    _, other_id = shop.buy_as_guest(1, "bob@example.com")
    shop.api.post("/lost-tickets", json={"email": EMAIL})
    found = shop.api.post("/lost-tickets/open", json={"token": mailbox.token("find_tickets")}).json
    assert [(offer["order_id"], offer["amount_cents"]) for offer in found["returnable"]] == [(order_id, 10_000)]
    body = {"token": found["data_token"], "order_id": order_id}
    assert shop.api.post("/lost-tickets/return", json={**body, "order_id": other_id}).status == 404
    assert shop.api.post("/lost-tickets/return", json={**body, "token": "made up"}).status == 410
    replies = [shop.api.post("/lost-tickets/return", json=body) for _ in range(2)]
    assert [len(reply.json["refunds"]) for reply in replies] == [1, 1], replies[0].json
    assert replies[0].json["refunds"][0]["amount_cents"] == 10_000


def test_the_link_of_one_order_returns_only_this_order_of_a_guest(shop):
    _, order_id = shop.buy_as_guest(2)
    _, second_id = shop.buy_as_guest(1)
    token = order_token(order_id, EMAIL)
    found = shop.api.post("/lost-tickets/open", json={"token": token}).json
    assert ([offer["order_id"] for offer in found["returnable"]], found["data_token"]) == ([order_id], None)
    assert shop.api.post("/lost-tickets/return", json={"token": token, "order_id": second_id}).status == 404
    assert shop.api.post("/lost-tickets/return", json={"token": token, "order_id": order_id}).status == 200


def test_a_link_does_not_return_the_tickets_of_a_guest_who_has_an_account_by_now(shop):
    guest, order_id = shop.buy_as_guest(2)
    assert shop.api.post("/auth/register", json={"email": "eve@example.com", "password": "seven grey owls"}, token=guest).status == 201
    token = order_token(order_id, EMAIL)
    assert shop.api.post("/lost-tickets/open", json={"token": token}).json["returnable"] == []
    assert shop.api.post("/lost-tickets/return", json={"token": token, "order_id": order_id}).status == 404


def test_the_window_ends_before_the_event_starts(shop):
    refused = shop.change(refundable_until=clock.iso(shop.time.now + 31 * DAY))
    assert (refused.status, refused.json["path"], refused.json["rule"]) == (400, "$.refundable_until", "refundable_after_start")
    assert shop.change(refundable_until="tomorrow").json["path"] == "$.refundable_until"
