"""Returns that managers approve: a buyer asks once, a manager accepts or declines once, and an accepted return is a usual refund."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.purchases import refunds, store
from chalicelib.purchases.guest_orders import order_token
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.purchases.refunds.test_return_policies import Agreement
from tests.purchases.refunds.test_returns import DAY, EMAIL


class Approval(Agreement):
    """A shop whose managers decide on each return."""

    def __init__(self, api, time) -> None:
        super().__init__(api, time)
        self.policy["needs_approval"] = True
        self.change(returns=self.policy)

    def ask(self, order_id, user="ada", **fields):
        asked = self.give_back(order_id, user, **fields)
        assert asked.status == 200, asked.json
        return asked.json

    def decide(self, order_id, number=1, *, accept=True, **fields):
        path = f"/admin/orders/{order_id}/return-requests/{number}"
        return self.api.post(path, json={"accept": accept, **fields}, token=builders.admin_token())

    def withdraw(self, order_id, number=1, user="ada"):
        return self.api.delete(f"/orders/{order_id}/return-requests/{number}", user=user)

    def requests_of(self, order_id, user="ada"):
        shown = self.api.get(f"/orders/{order_id}", user=user).json["return_requests"]
        managed = self.api.get(f"/admin/orders/{order_id}", token=builders.admin_token()).json["return_requests"]
        assert shown == managed
        return shown


@pytest.fixture
def shop(api, time):
    yield Approval(api, time)
    invariants.check(time.now)


def test_a_manager_accepts_a_return_and_the_buyer_gets_the_price_less_the_fee(shop):
    order_id = shop.buy(2)
    assert shop.offered(order_id)["needs_approval"]
    ids = builders.ticket_ids(order_id, 1, 2)
    for _ in range(2):
        asked = shop.ask(order_id, reason="ill")
        assert asked["refunds"] == []
        [request] = asked["return_requests"]
        assert (request["number"], request["tickets"], request["status"], request["reason"]) == (1, ids, "open", "ill")
    assert shop.offered(order_id) is None
    assert [tickets.get_ticket(ticket_id).state for ticket_id in ids] == ["valid", "valid"]
    for _ in range(2):
        decided = shop.decide(order_id)
        assert decided.status == 200, decided.json
        assert [request["status"] for request in decided.json["return_requests"]] == ["accepted"]
        [refund] = decided.json["refunds"]
        assert (refund["amount_cents"], refund["fee_cents"], refund["reason"]) == (8_800, 1_200, "requested_by_customer")
    assert shop.sold() == 0
    assert {entry.action for entry in audit.list_entries(f"order#{order_id}")} == {"return.requested", "order.refunded"}


def test_a_manager_declines_a_return_for_good(shop):
    order_id = shop.buy(2)
    ids = builders.ticket_ids(order_id, 1, 2)
    shop.ask(order_id, tickets=ids[:1])
    for _ in range(2):
        assert shop.decide(order_id, accept=False, answer="It is too late to sell it again.").status == 200
    [request] = shop.requests_of(order_id)
    assert (request["status"], request["answer"]) == ("declined", "It is too late to sell it again.")
    again = shop.give_back(order_id, tickets=ids[:1])
    assert (again.status, again.json["error"], again.json["reason"]) == (409, "tickets_not_returnable", "declined")
    refused = shop.decide(order_id, accept=True)
    assert (refused.status, refused.json["error"], refused.json["status"]) == (409, "return_decided", "declined")
    assert shop.offered(order_id)["tickets"] == ids[1:]
    assert store.load(order_id).refunds == []


def test_parts_of_an_order_are_requested_one_after_the_other(shop):
    order_id = shop.buy(3)
    ids = builders.ticket_ids(order_id, 1, 2, 3)
    shop.ask(order_id, tickets=ids[:1])
    asked = shop.ask(order_id)
    assert [request["tickets"] for request in asked["return_requests"]] == [ids[:1], ids[1:]]
    assert shop.decide(order_id, 2).status == 200
    assert [request["status"] for request in shop.requests_of(order_id)] == ["open", "accepted"]
    assert [tickets.get_ticket(ticket_id).state for ticket_id in ids] == ["valid", "void", "void"]


def test_a_buyer_withdraws_a_request_and_asks_again(shop):
    order_id = shop.buy(2)
    ids = builders.ticket_ids(order_id, 1, 2)
    shop.ask(order_id, tickets=ids[:1])
    for _ in range(2):
        withdrawn = shop.withdraw(order_id)
        assert withdrawn.status == 200, withdrawn.json
        assert [request["status"] for request in withdrawn.json["return_requests"]] == ["withdrawn"]
    refused = shop.decide(order_id)
    assert (refused.status, refused.json["error"], refused.json["status"]) == (409, "return_decided", "withdrawn")
    assert shop.offered(order_id)["tickets"] == ids
    [request] = shop.ask(order_id, reason="ill")["return_requests"]
    assert (request["number"], request["tickets"], request["status"], request["reason"]) == (1, ids, "open", "ill")
    assert shop.decide(order_id).status == 200
    assert store.load(order_id).state == "refunded"
    actions = [entry.action for entry in audit.list_entries(f"order#{order_id}")]
    assert sorted(actions) == ["order.refunded", "return.requested", "return.requested", "return.withdrawn"]


def test_an_order_never_has_more_requests_than_tickets(shop):
    order_id = shop.buy(2)
    ids = builders.ticket_ids(order_id, 1, 2)
    shop.ask(order_id, tickets=ids[:1])
    for _ in range(3):
        shop.ask(order_id)
        assert shop.withdraw(order_id, 2).status == 200
    assert [request["status"] for request in shop.requests_of(order_id)] == ["open", "withdrawn"]


def test_a_decided_request_is_not_withdrawn_nor_that_of_somebody_else(shop):
    order_id = shop.buy(2)
    ids = builders.ticket_ids(order_id, 1, 2)
    for number, accepts in ((1, True), (2, False)):
        shop.ask(order_id, tickets=ids[number - 1 : number])
        assert shop.withdraw(order_id, number, user="eve").status == 404
        assert shop.decide(order_id, number, accept=accepts).status == 200
        refused = shop.withdraw(order_id, number)
        assert (refused.status, refused.json["status"]) == (409, "accepted" if accepts else "declined")
    assert [shop.withdraw(order_id, number).status for number in ("0", "3", "x", "-1")] == [404] * 4


def test_a_request_is_withdrawn_after_the_deadline(shop):
    order_id = shop.buy(1)
    shop.ask(order_id)
    shop.time.advance(7 * DAY + 1)
    assert shop.withdraw(order_id).status == 200
    assert shop.give_back(order_id).json["error"] == "returns_closed"


def test_a_manager_and_a_buyer_who_act_at_once_agree(shop, monkeypatch):
    order_id = shop.buy(1)
    shop.ask(order_id)
    accept = refunds._accept_return

    def slowly(*given):
        monkeypatch.setattr(refunds, "_accept_return", accept)
        assert shop.withdraw(order_id).status == 200
        return accept(*given)

    monkeypatch.setattr(refunds, "_accept_return", slowly)
    refused = shop.decide(order_id)
    assert (refused.status, refused.json["status"]) == (409, "withdrawn")
    assert store.load(order_id).refunds == []


def test_a_refund_by_hand_answers_the_request(shop):
    order_id = shop.buy(1)
    shop.ask(order_id)
    assert builders.refund(shop.api, order_id, reason="goodwill").status == 201
    [request] = shop.requests_of(order_id)
    assert request["status"] == "accepted"
    refused = shop.decide(order_id, accept=False)
    assert (refused.status, refused.json["status"]) == (409, "accepted")


def test_a_manager_may_decide_after_the_deadline_but_a_buyer_may_not_ask(shop):
    first, second = shop.buy(1, "ada"), shop.buy(1, "bob")
    shop.ask(first)
    shop.time.advance(7 * DAY + 1)
    assert shop.give_back(second, "bob").json["error"] == "returns_closed"
    assert shop.decide(first).status == 200
    assert store.load(first).state == "refunded"


def test_a_used_ticket_is_not_accepted(shop):
    order_id = shop.buy(1)
    shop.ask(order_id)
    shop.time.advance(30 * DAY - 3600)
    assert shop.admit(f"{order_id}-1").status == 200
    refused = shop.decide(order_id)
    assert (refused.status, refused.json["reason"]) == (409, "used")
    assert shop.decide(order_id, accept=False).status == 200


def test_a_guest_asks_by_link(shop):
    _, order_id = shop.buy_as_guest(1)
    body = {"token": order_token(order_id, EMAIL), "order_id": order_id, "reason": "cannot_come"}
    asked = shop.api.post("/lost-tickets/return", json=body)
    assert [request["status"] for request in asked.json["return_requests"]] == ["open"]
    found = shop.api.post("/lost-tickets/open", json={"token": body["token"]}).json
    assert (found["returnable"], [(each["order_id"], each["status"]) for each in found["return_requests"]]) == ([], [(order_id, "open")])
    withdrawal = {"token": body["token"], "order_id": order_id, "request_number": 1}
    assert shop.api.post("/lost-tickets/withdraw-return", json={**withdrawal, "token": "made up"}).status == 410
    assert shop.api.post("/lost-tickets/withdraw-return", json={**withdrawal, "request_number": 2}).status == 404
    withdrawn = [shop.api.post("/lost-tickets/withdraw-return", json=withdrawal) for _ in range(2)]
    assert [[request["status"] for request in reply.json["return_requests"]] for reply in withdrawn] == [["withdrawn"]] * 2
    found = shop.api.post("/lost-tickets/open", json={"token": body["token"]}).json
    assert ([offer["order_id"] for offer in found["returnable"]], found["return_requests"]) == ([order_id], [])
    assert shop.api.post("/lost-tickets/return", json=body).status == 200
    assert shop.decide(order_id).json["refunds"][0]["amount_cents"] == 4_400


def test_a_link_withdraws_no_request_of_an_account_or_another_order(shop):
    _, order_id = shop.buy_as_guest(1)
    _, other_id = shop.buy_as_guest(1)
    shop.ask(shop.buy(1))
    token = order_token(order_id, EMAIL)
    assert shop.api.post("/lost-tickets/return", json={"token": token, "order_id": order_id}).status == 200
    withdrawal = {"token": token, "order_id": other_id, "request_number": 1}
    assert shop.api.post("/lost-tickets/withdraw-return", json=withdrawal).status == 404


def test_an_event_that_changed_needs_no_approval(shop):
    order_id = shop.buy(1)
    shop.change(refundable_until=shop.until)
    assert not shop.offered(order_id)["needs_approval"]
    assert shop.give_back(order_id).json["refunds"][0]["amount_cents"] == 5_000


def test_an_erasure_leaves_nothing_that_a_manager_wrote_to_the_buyer(shop):
    token, order_id = shop.buy_as_guest(2)
    for ticket_id in builders.ticket_ids(order_id, 1, 2):
        body = {"token": order_token(order_id, EMAIL), "order_id": order_id, "tickets": [ticket_id]}
        assert shop.api.post("/lost-tickets/return", json=body).status == 200
    assert shop.decide(order_id, 1, accept=False, answer="Sorry, Ada.").status == 200
    assert shop.api.delete("/auth/me", json={}, token=token).status == 200
    assert shop.decide(order_id, 2, accept=False, answer="Sorry, Ada.").status == 200
    assert [(request.answer, request.declined_at) for request in store.load(order_id).return_requests] == [(None, shop.time.now)] * 2


def test_a_request_is_accepted_without_a_fee_once_the_event_has_changed(shop):
    order_id = shop.buy(1)
    shop.ask(order_id)
    shop.change(refundable_until=shop.until)
    [refund] = shop.decide(order_id).json["refunds"]
    assert (refund["amount_cents"], refund["fee_cents"], refund["reason"]) == (5_000, 0, "event_changed")


def test_only_managers_of_the_event_decide(shop):
    order_id = shop.buy(1)
    shop.ask(order_id)
    path = f"/admin/orders/{order_id}/return-requests/1"
    assert shop.api.post(path, json={"accept": True}, user="eve").status in (403, 404)
    for number in ("0", "2", "x", "-1"):
        assert shop.decide(order_id, number).status == 404
    assert [request["status"] for request in shop.requests_of(order_id)] == ["open"]


def test_two_managers_who_decide_at_once_agree(shop, monkeypatch):
    order_id = shop.buy(1)
    shop.ask(order_id)
    accept = refunds._accept_return

    def slowly(*given):
        monkeypatch.setattr(refunds, "_accept_return", accept)
        assert shop.decide(order_id, accept=False).status == 200
        return accept(*given)

    monkeypatch.setattr(refunds, "_accept_return", slowly)
    refused = shop.decide(order_id)
    assert (refused.status, refused.json["status"]) == (409, "declined")
    assert store.load(order_id).refunds == []
