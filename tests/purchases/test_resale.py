"""Resale at the price that was paid: the seat moves to the buyer, the seller's ticket becomes void, and the seller's money is due."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.purchases import erasure, resale, store
from chalicelib.purchases.guest_orders import order_token
from chalicelib.reconciliation import records
from chalicelib.tickets import service as tickets
from chalicelib.tickets.store import scan_listings
from tests import builders, invariants
from tests.purchases.refunds.test_returns import EMAIL, Shop
from tests.purchases.reservations.test_access_codes import create_code
from tests.purchases.reservations.test_access_codes import reserve as reserve_with_code
from tests.reconciliation.comparing import compare_last_hour

HOUR = 3600
POLICY = {"policy": "resale", "fee_cents": 100, "fee_percent": 10}  # 6.00 of 50.00


class Market(Shop):
    """A shop whose buyers return tickets only through resale."""

    def __init__(self, api, time, event_capacity=None, **tier) -> None:
        self.api, self.time = api, time
        self.event_id, self.tier_id = builders.create_shop(api, event_capacity=event_capacity, **tier)
        self.change(returns=POLICY, starts_at=clock.iso(time.now + 11 * HOUR))  # the doors are open

    def change(self, **fields):
        changed = super().change(**fields)
        assert changed.status == 200, changed.json
        catalog.refresh_snapshot()
        return changed

    def change_tier(self, **fields):
        changed = self.api.patch(f"/tiers/{self.tier_id}", json=fields, token=builders.admin_token())
        assert changed.status == 200, changed.json
        catalog.refresh_snapshot()

    def offer(self, order_id, user="ada", **fields):
        return self.api.post(f"/orders/{order_id}/resale", json=fields, user=user)

    def withdraw(self, order_id, user="ada", **fields):
        return self.offer(order_id, user, listed=False, **fields)

    def offered_by(self, user="ada", quantity=1):
        """Buy tickets, and offer them for resale. Returns the id of the order."""
        order_id = self.buy(quantity, user)
        offered = self.offer(order_id, user)
        assert offered.status == 200, offered.json
        return order_id

    def reserve(self, user="bob", quantity=1, price_cents=5000, **fields):
        body = {"items": [self.item(quantity, price_cents)]} | fields
        return self.api.post(f"/events/{self.event_id}/reservations", json=body, user=user)

    def item(self, quantity=1, price_cents=5000):
        return {"tier_id": self.tier_id, "quantity": quantity, "resale_price_cents": price_cents}

    def open_checkout(self, user="bob", quantity=1, price_cents=5000, **fields):
        """Reserve tickets for resale, and open the checkout. Returns its id."""
        reserved = self.reserve(user, quantity, price_cents)
        assert reserved.status == 201, reserved.json
        checkout = builders.start_checkout(self.api, user, reserved.json["id"], key=reserved.json["id"], **fields)
        assert checkout.status == 201, checkout.json
        return checkout.json["id"]

    def take(self, user="bob", quantity=1, price_cents=5000):
        """Buy tickets for resale. Returns the id of the order."""
        order_id = self.open_checkout(user, quantity, price_cents)
        paid = builders.confirm(self.api, user, order_id)
        assert paid.status == 201, paid.json
        return order_id

    def shown(self, order_id, user="ada"):
        return self.api.get(f"/orders/{order_id}", user=user).json

    def listed(self, order_id, user="ada"):
        """Return the numbers of the tickets of an order that are for resale, as their buyer sees them."""
        found = self.shown(order_id, user)["resale"]
        return [int(ticket["ticket_id"].rpartition("-")[2]) for ticket in found["tickets"] if ticket["listed"]] if found else []

    def for_resale(self):
        """Return the numbers of tickets that buyers see for resale, by price."""
        self.time.advance(3)
        [line] = self.api.get(f"/events/{self.event_id}/availability").json["availability"]
        return {offer["price_cents"]: offer["available"] for offer in line["resale"] if offer["available"]}

    def states(self, order_id):
        order = store.load(order_id)
        return [ticket.state for ticket in tickets.load_purchase_tickets(order_id, order.quantity)]


@pytest.fixture
def market(api, time):
    yield Market(api, time)
    invariants.check_recovery(time)


# Offer and withdraw.


def test_a_buyer_offers_a_ticket_and_another_buys_it(market):
    sold = market.buy(1)
    shown = market.shown(sold)
    expected = [{"ticket_id": f"{sold}-1", "price_cents": 5000, "fee_cents": 600, "listed": False}]
    assert (shown["returnable"], shown["resale"]["tickets"]) == (None, expected)
    replies = [market.offer(sold) for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200], replies[0].json
    assert [ticket["listed"] for ticket in replies[1].json["resale"]["tickets"]] == [True]
    assert (market.states(sold), market.for_resale(), market.sold()) == (["valid"], {5000: 1}, 1)
    bought = market.take()
    assert (market.states(sold), market.states(bought), market.for_resale(), market.sold()) == (["void"], ["valid"], {}, 1)
    [refund] = market.shown(sold)["order"]["refunds"]
    assert (refund["amount_cents"], refund["fee_cents"], refund["status"], refund["tickets"]) == (4400, 600, "succeeded", [f"{sold}-1"])
    assert (market.shown(sold)["order"]["status"], market.shown(sold)["resale"]) == ("refunded", None)
    [item] = market.shown(bought, "bob")["order"]["items"]
    assert (item["resale"], item["price_cents"], item["total_price_cents"]) == (True, 5000, 5000)
    assert market.admit(f"{sold}-1").json["error"] == "ticket_refunded"
    assert market.admit(f"{bought}-1").status == 200
    assert [entry.action for entry in audit.list_entries(f"order#{sold}")] == ["order.refunded", "resale.offered"]
    assert "tier.resale_opened" in [entry.action for entry in audit.list_entries(f"tier#{market.tier_id}")]


def test_the_seller_does_not_learn_who_bought_the_ticket(market):
    order_id = market.offered_by("ada")
    bought = market.take()
    assert bought not in str(market.shown(order_id))


def test_a_repeated_confirm_returns_the_same_ticket(market):
    market.offered_by("ada", 2)
    bought = market.take()
    repeated = builders.confirm(market.api, "bob", bought)
    assert (repeated.status, [ticket["id"] for ticket in repeated.json["tickets"]]) == (200, [f"{bought}-1"])
    assert market.for_resale() == {5000: 1}


def test_a_part_of_an_order_is_offered_and_withdrawn(market):
    order_id = market.buy(3)
    ids = builders.ticket_ids(order_id, 1, 2, 3)
    assert market.offer(order_id, tickets=ids[1:]).status == 200
    assert (market.listed(order_id), market.for_resale()) == ([2, 3], {5000: 2})
    for _ in range(2):
        assert market.withdraw(order_id, tickets=[ids[1]]).status == 200
    assert (market.listed(order_id), market.for_resale()) == ([3], {5000: 1})
    assert market.withdraw(order_id).status == 200
    assert (market.listed(order_id), market.for_resale(), list(scan_listings())) == ([], {}, [])
    assert market.offer(order_id).status == 200
    assert market.for_resale() == {5000: 3}


def test_the_ticket_that_was_offered_first_is_sold_first(market):
    first = market.offered_by("ada")
    market.time.advance(1)
    second = market.offered_by("eve")
    market.take()
    assert (market.states(first), market.states(second)) == (["void"], ["valid"])


def test_one_purchase_takes_tickets_of_several_sellers(market):
    sellers = [market.offered_by("ada", 2), market.offered_by("eve"), market.offered_by("eve")]
    market.change_tier(per_user_limit=10)
    market.change(purchase_limit=10)
    bought = market.take("bob", 4)
    assert [market.states(order_id) for order_id in (*sellers, bought)] == [["void"] * 2, ["void"], ["void"], ["valid"] * 4]
    assert [store.load(order_id).refunded_cents for order_id in sellers] == [8800, 4400, 4400]
    assert store.load_buyer("eve", market.event_id).bought == 0
    assert builders.refund(market.api, bought).status == 201  # their seats, which are in one shard, come back at once
    assert market.sold() == 0


def test_a_buyer_never_pays_more_than_the_first_buyer(market):
    builders.create_promo_code(market.api, market.event_id)
    discounted = builders.buy(market.api, "ada", market.event_id, market.tier_id, promo_code="SAVE").json["order"]["id"]
    assert market.offer(discounted).status == 200
    market.change_tier(price_cents=9000)
    market.offered_by("eve")
    assert market.for_resale() == {4500: 1, 9000: 1}
    bought = market.take("bob", 1, 4500)
    assert (store.load(bought).total_cents, market.states(discounted)) == (4500, ["void"])
    assert store.load(discounted).refunded_cents == 4500 - 100 - 450
    assert market.reserve("bob", 1, 5000).json["error"] == "tier_not_on_sale"


def test_a_resold_ticket_is_offered_and_sold_again(market):
    market.offered_by("ada")
    second = market.take("bob")
    assert market.offer(second, "bob").status == 200
    third = market.take("cid")
    assert (market.states(second), market.states(third), market.sold()) == (["void"], ["valid"], 1)
    assert store.load(second).refunded_cents == 4400
    assert builders.refund(market.api, third).status == 201
    assert market.sold() == 0


def test_an_event_with_a_capacity_counts_the_seat_once(api, time):
    market = Market(api, time, event_capacity=3, capacity=3)
    market.offered_by("ada", 2)
    bought = market.take("bob", 2)
    assert len(store.load(bought).pool_holds) == 2
    invariants.check_recovery(time)
    assert builders.refund(api, bought, tickets=[f"{bought}-2"]).status == 201
    assert market.sold() == 1
    invariants.check_recovery(time)


def test_tickets_of_a_tier_that_is_no_longer_on_sale_are_resold(market):
    order_id = market.offered_by("ada")
    market.change_tier(sale_ends_at=clock.iso(market.time.now - 1), on_sale=False)
    market.take()
    assert market.states(order_id) == ["void"]


# Who may offer, and until when.


def test_offers_follow_the_rules_of_the_order(market):
    market.change(returns={"policy": "refund"})
    refundable = market.buy(1)
    market.change(returns=POLICY | {"until": clock.iso(market.time.now + HOUR)})
    late = market.buy(1, "eve")
    market.time.advance(HOUR)
    assert market.offer(late, "eve").status == 200
    assert market.withdraw(late, "eve").status == 200
    market.time.advance(1)
    for order_id, user in ((refundable, "ada"), (late, "eve")):
        refused = market.offer(order_id, user)
        assert (refused.status, refused.json["error"]) == (409, "returns_closed")
    assert market.shown(late, "eve")["resale"] is None
    assert (market.give_back(refundable).status, market.give_back(late, "eve").json["error"]) == (200, "returns_closed")


def test_an_offer_stays_after_the_deadline(market):
    market.change(returns=POLICY | {"until": clock.iso(market.time.now + HOUR)})
    order_id = market.offered_by("ada")
    market.time.advance(HOUR + 1)
    assert market.listed(order_id) == [1]
    market.take()


def test_only_the_buyer_offers_unused_tickets_of_their_own(market):
    order_id = market.buy(3)
    ids = builders.ticket_ids(order_id, 1, 2, 3)
    assert market.offer(order_id, "eve").status == 404
    token = market.api.post(f"/tickets/{ids[0]}/transfer", user="ada").json["token"]
    assert market.api.post(f"/transfers/{token}/accept", user="eve").status == 201
    assert market.admit(ids[1]).status == 200
    reasons = [market.offer(order_id, tickets=[ticket_id]).json["reason"] for ticket_id in ids[:2]]
    assert reasons == ["given_away", "used"]
    unknown = market.offer(order_id, tickets=[f"{order_id}-4"])
    assert (unknown.status, unknown.json["path"]) == (400, "$.tickets[0]")
    assert market.offer(order_id).status == 200
    assert market.listed(order_id) == [3]


def test_tickets_without_a_price_or_of_others_are_not_resold(market):
    market.change(returns=POLICY | {"fee_percent": 100})
    order_id = market.buy(1)
    refused = market.offer(order_id)
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "tickets_not_returnable", "free")
    [complimentary] = builders.issue_complimentary(market.api, (market.event_id, market.tier_id), 1)
    user = store.load(complimentary).user_id
    assert market.offer(complimentary, user).json["error"] == "returns_closed"
    tier_id = builders.create_tier(market.api, market.event_id, "Counter")
    counter = builders.sell_at_counter(market.api, (market.event_id, tier_id))
    assert market.offer(counter, store.load(counter).user_id).json["error"] == "returns_closed"


def test_a_tier_that_admits_others_now_is_not_resold(market):
    listed, order_id = market.offered_by("ada"), market.buy(1, "eve")
    market.change_tier(admits=2)
    assert market.offer(order_id, "eve").json["reason"] == "changed"
    builders.run_sweep()
    assert market.listed(listed) == []


@pytest.mark.parametrize("limit", ["MAX_RESALE_PRICES", "MAX_RESALE_PRICES_OF_EVENT"])
def test_a_tier_and_its_event_have_a_limited_number_of_prices(market, monkeypatch, limit):
    monkeypatch.setattr(f"chalicelib.catalog.holdbacks.{limit}", 1)
    market.offered_by("ada")
    market.change_tier(price_cents=6000)
    order_id = market.buy(1, "eve")
    market.change_tier(price_cents=7000)
    assert market.offer(order_id, "eve").json["reason"] == "changed"
    assert market.offer(market.buy(1, "bob"), "bob").status == 200, "the tier's present price always has a place"


def test_an_amount_off_the_order_makes_many_prices(market):
    """The share of each ticket depends on what else is in the order, so one code makes more than 20 prices of one tier."""
    market.change(purchase_limit=10)
    other_id = builders.create_tier(market.api, market.event_id, "Balcony", capacity=100, price_cents=3000)
    market.change_tier(capacity=100)
    builders.create_promo_code(market.api, market.event_id, discount_type="fixed_amount", discount_value=10)
    prices = set()
    for number, (floor, balcony) in enumerate((floor, balcony) for floor in range(1, 5) for balcony in range(5)):
        user = f"seller-{number}"
        reserved = builders.reserve_items(market.api, user, market.event_id, {market.tier_id: floor, other_id: balcony}).json
        builders.start_checkout(market.api, user, reserved["id"], promo_code="SAVE")
        assert builders.confirm(market.api, user, reserved["id"]).status == 201
        offered = market.offer(reserved["id"], user, tickets=builders.ticket_ids(reserved["id"], *range(1, floor + 1)))
        assert offered.status == 200, (len(prices), offered.json)
        prices |= {ticket["price_cents"] for ticket in offered.json["resale"]["tickets"] if ticket["listed"]}
    assert len(prices) > 20


def test_a_guest_offers_and_withdraws_by_link(market):
    _, order_id = market.buy_as_guest(2)
    token = order_token(order_id, EMAIL)
    [shown] = market.api.post("/lost-tickets/open", json={"token": token}).json["resale"]
    assert [ticket["listed"] for ticket in shown["tickets"]] == [False, False]
    body = {"token": token, "order_id": order_id, "tickets": [f"{order_id}-2"]}
    offered = market.api.post("/lost-tickets/resale", json=body)
    assert [ticket["listed"] for ticket in offered.json["resale"]["tickets"]] == [False, True]
    assert market.for_resale() == {5000: 1}
    assert market.api.post("/lost-tickets/resale", json=body | {"listed": False}).status == 200
    assert market.for_resale() == {}
    assert market.api.post("/lost-tickets/resale", json=body | {"token": "made up"}).status == 410
    assert market.api.post("/lost-tickets/resale", json=body | {"order_id": market.buy(1)}).status == 404


# What may happen to a ticket that is for resale.


def test_an_offer_is_not_withdrawn_while_somebody_buys(market):
    order_id = market.offered_by("ada", 2)
    reservation_id = market.reserve(quantity=2).json["id"]
    refused = market.withdraw(order_id)
    assert (refused.status, refused.json["error"]) == (409, "tickets_being_sold")
    assert market.api.delete(f"/reservations/{reservation_id}", user="bob").status == 200
    assert market.withdraw(order_id).status == 200


def test_a_reservation_that_expires_leaves_the_ticket_for_resale(market):
    order_id = market.offered_by("ada")
    market.reserve()
    assert market.reserve("cid").json["error"] == "not_enough_tickets"
    market.time.advance(200)
    builders.run_sweep()
    assert (market.for_resale(), market.listed(order_id)) == ({5000: 1}, [1])


def test_somebody_who_comes_in_keeps_the_ticket(market):
    order_id = market.offered_by("ada", 2)
    assert market.admit(f"{order_id}-1").status == 200
    assert market.listed(order_id) == [2]
    builders.run_sweep()
    assert market.for_resale() == {5000: 1}
    market.take()
    assert market.states(order_id) == ["valid", "void"]


def test_a_ticket_that_is_used_while_somebody_buys_it_is_not_sold(market):
    order_id = market.offered_by("ada")
    checkout_id = market.open_checkout()
    assert market.admit(f"{order_id}-1").status == 200
    builders.run_sweep()
    refused = builders.confirm(market.api, "bob", checkout_id)
    assert (refused.status, refused.json["error"]) == (409, "reservation_expired_or_invalid")
    assert (store.load(checkout_id).state, market.states(order_id)) == ("cancelled", ["valid"])
    builders.run_sweep()
    assert (market.for_resale(), list(scan_listings())) == ({}, [])


def test_another_ticket_is_sold_if_the_first_was_used(market):
    first = market.offered_by("ada")
    market.time.advance(1)
    second = market.offered_by("eve")
    checkout_id = market.open_checkout()
    market.admit(f"{first}-1")
    assert builders.confirm(market.api, "bob", checkout_id).status == 201
    assert (market.states(first), market.states(second)) == (["valid"], ["void"])


def test_a_refund_takes_the_ticket_out_of_the_resale(market):
    order_id = market.offered_by("ada", 2)
    assert builders.refund(market.api, order_id, tickets=[f"{order_id}-1"]).status == 201
    builders.run_sweep()
    assert (market.for_resale(), market.listed(order_id)) == ({5000: 1}, [2])
    market.change(refundable_until=clock.iso(market.time.now + HOUR))
    assert market.give_back(order_id).status == 200
    builders.run_sweep()
    assert (market.for_resale(), market.sold()) == ({}, 0)


def test_a_listed_ticket_changes_hands_only_through_resale(market):
    order_id = market.buy(1)
    link = market.api.post(f"/tickets/{order_id}-1/transfer", user="ada").json["token"]
    assert market.offer(order_id).status == 200
    assert market.api.post(f"/transfers/{link}/accept", user="eve").status == 404
    refused = market.api.post(f"/tickets/{order_id}-1/transfer", user="ada")
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "transfer_closed", "listed")
    assert market.withdraw(order_id).status == 200
    assert market.api.post(f"/tickets/{order_id}-1/transfer", user="ada").status == 201


def test_tickets_of_an_event_without_transfers_change_hands_through_resale(market):
    market.change(transfers="resale")
    order_id = market.offered_by("ada")
    bought = market.take()
    refused = market.api.post(f"/tickets/{bought}-1/transfer", user="bob")
    assert (refused.json["reason"], market.states(order_id)) == ("excluded", ["void"])


def test_a_cancelled_event_refunds_everybody_once(market):
    listed, sold = market.offered_by("ada"), market.offered_by("eve")
    market.time.advance(1)
    bought = market.take()
    for _ in range(2):
        market.api.post(f"/events/{market.event_id}/cancel", json={}, token=builders.admin_token())
        builders.run_sweep()
        market.time.advance(60)
    assert sorted(store.load(order_id).refunded_cents for order_id in (listed, sold, bought)) == [4400, 5000, 5000]
    assert market.offer(listed).json["error"] == "returns_closed"
    assert list(scan_listings()) == []


def test_an_event_that_has_ended_has_nothing_for_resale(market):
    order_id = market.offered_by("ada")
    market.time.advance(12 * HOUR)
    builders.run_sweep()
    assert (list(scan_listings()), market.listed(order_id)) == ([], [])


def test_a_paused_sale_sells_no_tickets_for_resale(market):
    market.offered_by("ada")
    path = f"/admin/events/{market.event_id}"
    assert market.api.post(f"{path}/pause", token=builders.admin_token()).status == 200
    assert market.reserve().json["error"] == "event_paused"
    market.api.post(f"{path}/resume", token=builders.admin_token())
    market.take()


def test_an_erased_seller_still_gets_the_money(market):
    _, order_id = market.buy_as_guest(1)
    token = order_token(order_id, EMAIL)
    assert market.api.post("/lost-tickets/resale", json={"token": token, "order_id": order_id}).status == 200
    erasure.erase_personal_details(erasure.find_personal_details(store.load(order_id).user_id))
    market.take()
    assert store.load(order_id).refunded_cents == 4400


# What buyers may buy.


def test_nobody_buys_their_own_ticket(market):
    order_id = market.offered_by("ada")
    refused = market.reserve("ada")
    assert (refused.status, refused.json["error"]) == (409, "own_tickets_for_resale")
    assert market.withdraw(order_id).status == 200
    market.offered_by("eve")
    checkout_id = market.open_checkout("ada")
    market.offer(order_id)  # after the reservation
    assert builders.confirm(market.api, "ada", checkout_id).status == 201
    assert market.states(order_id) == ["valid"]


def test_a_promo_code_takes_nothing_off_a_ticket_for_resale(market):
    builders.create_promo_code(market.api, market.event_id)
    market.offered_by("ada")
    reserved = market.reserve()
    refused = builders.start_checkout(market.api, "bob", reserved.json["id"], promo_code="SAVE")
    assert (refused.status, refused.json["error"]) == (409, "promo_code_not_applicable")


def test_tickets_that_need_a_code_need_it_again(market):
    builders.create_promo_code(market.api, market.event_id, opens_package_ids=[market.tier_id])
    market.offered_by("ada")
    market.change_tier(requires_code=True)
    assert market.reserve().json["error"] == "promo_code_required"
    reserved = market.reserve(promo_code="SAVE")
    assert (reserved.status, reserved.json["total_price_cents"]) == (201, 5000)


def test_a_purchase_has_at_most_ten_tickets_for_resale(market):
    market.change_tier(per_user_limit=50, max_per_order=50)
    market.change(purchase_limit=50)
    market.offered_by("ada")
    refused = market.reserve("bob", 11)
    assert (refused.status, refused.json["error"], refused.json["limit"]) == (400, "tier_limit_exceeded", 10)


def test_ten_tickets_of_ten_sellers_fit_into_one_transaction(market):
    market.change_tier(per_user_limit=50, max_per_order=50)
    market.change(purchase_limit=50)
    sellers = [market.offered_by(f"seller-{number}") for number in range(10)]
    bought = market.take("bob", 10)
    assert {tuple(market.states(order_id)) for order_id in sellers} == {("void",)}
    assert market.states(bought) == ["valid"] * 10


def test_tickets_for_resale_are_bought_alone_and_also_in_one_call(market):
    market.offered_by("ada")
    other = {"tier_id": builders.create_tier(market.api, market.event_id, "Balcony"), "quantity": 1}
    refused = market.reserve(items=[market.item(), other])
    assert (refused.status, refused.json["path"]) == (400, "$.items")
    body = {"event_id": market.event_id, "items": [market.item()]}
    ordered = market.api.post("/orders", json=body, user="bob", headers={"Idempotency-Key": "bob"})
    assert ordered.status == 201, ordered.json
    order_id = ordered.json["order"]["id"]
    assert market.api.post(f"/orders/{order_id}/confirm", json={"simulate": "success"}, user="bob").status == 201
    assert market.states(order_id) == ["valid"]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"returns": POLICY | {"needs_approval": True}}, "$.returns.needs_approval"),
        ({"returns": None, "transfers": "resale"}, "$.transfers"),
        ({"returns": {"policy": "refund"}, "transfers": "resale"}, "$.transfers"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(market, sent, path):
    refused = market.api.patch(f"/events/{market.event_id}", json=sent, token=builders.admin_token())
    assert (refused.status, refused.json["path"]) == (400, path)


def test_a_hold_that_was_not_converted_is_converted_before_the_offer(market, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("chalicelib.purchases.settlement.holds.convert_holds", lambda purchase: 0)
        order_id = market.buy(1)
    assert market.offer(order_id).status == 200
    assert builders.refund(market.api, market.take()).status == 201
    assert market.sold() == 0


def test_buyers_who_pay_at_once_take_other_tickets(market):
    """The second attempt of a buyer whose ticket was just sold chooses among more."""
    market.offered_by("ada", 4)
    paid = store.load(market.open_checkout("bob"))
    chosen = {resale.take_seats(paid, 2, market.time.now).others[0][1].refunds[0].tickets[0] for _ in range(50)}
    assert chosen == {1, 2, 3, 4}


def test_a_sold_out_waiting_room_opens_again_for_tickets_for_resale(market):
    sold = market.buy(4)
    market.change_tier(capacity=4)
    market.change(waiting_room={"enabled": True, "wave_size": 10})
    market.time.advance(5)
    join = f"/events/{market.event_id}/waiting-room/join"
    assert market.api.post(join, user="bob").json["reason"] == "sold_out"
    assert market.offer(sold, tickets=[f"{sold}-1"]).status == 200
    market.time.advance(60)
    joined = market.api.post(join, user="bob")
    assert joined.status == 200, joined.json
    market.time.advance(60)
    assert market.reserve("bob").json["error"] == "not_admitted"
    assert market.reserve("bob", token=joined.json["token"]).status == 201


# With a payment provider.


class StripeMarket(Market):
    """A market whose buyers pay at the fake Stripe."""

    def __init__(self, shop) -> None:
        self.stripe, self.api, self.time = shop, shop.api, shop.time
        self.event_id, self.tier_id = shop.event_id, shop.tier_id
        self.change(returns=POLICY, starts_at=clock.iso(self.time.now + 11 * HOUR))

    def buy(self, quantity=2, user="ada"):
        return self.stripe.buy(user, quantity)

    def open_checkout(self, user="bob", quantity=1, price_cents=5000, **fields):
        reserved = self.reserve(user, quantity, price_cents)
        assert reserved.status == 201, reserved.json
        return self.stripe.request_checkout(reserved.json["id"], user).json


@pytest.fixture
def paid_market(shop):
    yield StripeMarket(shop)
    shop.assert_books_balance()


def webhook_comes(market):
    market.stripe.fake.deliver()


def sweep_runs(market):
    market.stripe.lose_webhooks()
    market.time.advance(400)
    builders.run_sweep()


def reconciliation_runs(market):
    market.stripe.lose_webhooks()
    compare_last_hour(market.stripe)


everybody = pytest.mark.parametrize("somebody_settles", [webhook_comes, sweep_runs, reconciliation_runs])


@everybody
def test_whoever_settles_a_payment_moves_the_seat(paid_market, somebody_settles):
    order_id = paid_market.offered_by("ada", 2)
    session = paid_market.open_checkout(quantity=2)
    paid_market.stripe.pay(session)
    somebody_settles(paid_market)
    assert (paid_market.states(order_id), paid_market.states(session["id"])) == (["void"] * 2, ["valid"] * 2)
    builders.run_sweep()
    [refund] = store.load(order_id).refunds
    assert (refund.status, refund.amount_cents, refund.fee_cents, refund.resold_to) == ("succeeded", 8800, 1200, session["id"])
    assert paid_market.stripe.list_refunds() == [(8800, "succeeded")]


@everybody
def test_a_payment_for_a_ticket_that_was_used_is_refunded(paid_market, somebody_settles):
    order_id = paid_market.offered_by("ada")
    session = paid_market.open_checkout()
    assert paid_market.admit(f"{order_id}-1").status == 200
    paid_market.stripe.pay(session)
    somebody_settles(paid_market)
    builders.run_sweep()
    assert (paid_market.stripe.purchase_state(session), paid_market.states(order_id)) == ("refunded", ["valid"])
    assert (paid_market.stripe.list_refunds(), list(scan_listings())) == ([(5000, "succeeded")], [])


@pytest.mark.parametrize("somebody_settles", [webhook_comes, reconciliation_runs])
def test_a_late_payment_is_refunded_if_nothing_is_left_for_resale(paid_market, somebody_settles):
    order_id = paid_market.offered_by("ada")
    session = paid_market.open_checkout()
    paid_market.stripe.pay(session)
    paid_market.stripe.expire_without_asking_stripe(session["id"])
    second = paid_market.open_checkout("cid")
    paid_market.stripe.pay(second)
    assert paid_market.stripe.confirm(second, "cid").status == 201
    somebody_settles(paid_market)
    builders.run_sweep()
    assert [store.load(purchase_id).state for purchase_id in (order_id, session["id"], second["id"])] == ["refunded", "refunded", "paid"]


def test_a_late_payment_takes_the_ticket_that_is_still_for_resale(paid_market):
    order_id = paid_market.offered_by("ada")
    session = paid_market.open_checkout()
    paid_market.stripe.pay(session)
    paid_market.stripe.expire_without_asking_stripe(session["id"])
    paid_market.stripe.fake.deliver()
    assert (paid_market.states(order_id), paid_market.stripe.purchase_state(session)) == (["void"], "paid")


def test_a_dispute_takes_the_ticket_out_of_the_resale(paid_market):
    order_id = paid_market.offered_by("ada", 2)
    dispute_id = paid_market.stripe.create_dispute(order_id)
    builders.run_sweep()
    assert (paid_market.for_resale(), paid_market.listed(order_id)) == ({}, [])
    assert paid_market.offer(order_id).json["error"] == "order_disputed"
    paid_market.stripe.close_dispute(dispute_id, won=True)
    assert paid_market.offer(order_id).status == 200
    paid_market.open_checkout()


def test_a_lost_dispute_of_the_new_buyer_returns_the_seat(paid_market):
    order_id = paid_market.offered_by("ada")
    session = paid_market.open_checkout()
    paid_market.stripe.pay(session)
    assert paid_market.stripe.confirm(session, "bob").status == 201
    builders.run_sweep()
    dispute_id = paid_market.stripe.create_dispute(session["id"])
    paid_market.stripe.close_dispute(dispute_id, won=False)
    assert (paid_market.states(session["id"]), paid_market.states(order_id), paid_market.sold()) == (["void"], ["void"], 0)


def test_tickets_of_a_holdback_and_others_are_resold_together(api, time):
    """The pool of the event does not have the tickets of a holdback, so a refund returns a place to it only for the others."""
    market = Market(api, time, event_capacity=8)
    market.change_tier(holdbacks=[{"id": "fans", "reason": "presale", "quantity": 4}])
    create_code(api, market.event_id, market.tier_id, holdback_id="fans")
    reserved = reserve_with_code(api, "ada", market.event_id, market.tier_id, code="FANS")
    builders.start_checkout(api, "ada", reserved.json["id"])
    assert builders.confirm(api, "ada", reserved.json["id"]).status == 201
    assert market.offer(reserved.json["id"]).status == 200
    market.time.advance(1)
    market.offered_by("eve")
    bought = market.take(quantity=2)
    invariants.check_recovery(time)
    time.advance(records.SETTLE_SECONDS + 1)
    assert records.run(time.now).differences == 0
    for number in (1, 2):
        assert builders.refund(api, bought, tickets=builders.ticket_ids(bought, number), key=str(number)).status == 201
        invariants.check_recovery(time)
