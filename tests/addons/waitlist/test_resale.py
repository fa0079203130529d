"""Tickets for resale go to the people who wait for their tier, and to everybody else only if nobody there can have them."""

import pytest

from chalicelib.addons.waitlist import allocator
from chalicelib.foundation import clock
from chalicelib.inventory import store as inventory_store
from chalicelib.inventory.model import MAX_HOLDS
from chalicelib.purchases import store
from tests import builders, invariants
from tests.addons.waitlist import lines
from tests.purchases.test_resale import Market
from tests.simulation.call_log import record_calls


class SoldOut(Market):
    """A market without tickets of its own, for which people wait."""

    def __init__(self, api, time) -> None:
        super().__init__(api, time, capacity=4)
        self.order_id = self.buy(4)
        time.advance(5)

    def wait(self, user, quantity=1, **fields):
        joined = lines.join(self.api, user, self.event_id, quantity, **fields)
        assert joined.status == 201, joined.json

    def offer_one(self, number=1):
        assert self.offer(self.order_id, tickets=[f"{self.order_id}-{number}"]).status == 200

    def accept(self, user, price_cents=5000):
        """Pay for the user's offer. Returns the id of the order."""
        offer = lines.own(self.api, user)[0]["offer"]
        assert offer["total_price_cents"] == price_cents
        assert builders.start_checkout(self.api, user, offer["id"], key=offer["id"]).status == 201
        assert builders.confirm(self.api, user, offer["id"]).status == 201
        return offer["id"]


@pytest.fixture
def market(api, time):
    yield SoldOut(api, time)
    time.advance(100_000)
    lines.run_allocator()
    invariants.check_recovery(time)


def test_the_first_ticket_for_resale_is_for_the_waitlist(market):
    market.wait("eve")
    market.offer_one()
    assert market.for_resale() == {}
    assert market.reserve("bob").json["error"] == "not_enough_tickets"
    assert lines.run_allocator()["offered"] == 1
    bought = market.accept("eve")
    assert (market.states(market.order_id)[0], market.states(bought)) == ("void", ["valid"])
    assert store.load(market.order_id).refunded_cents == 4400


def test_later_tickets_are_for_the_waitlist_too(market):
    """The stock exists already, and its only ticket was sold before anybody waited."""
    market.offer_one()
    market.take("bob")
    market.wait("eve")
    market.offer_one(2)
    assert market.reserve("cid").json["error"] == "not_enough_tickets"
    lines.run_allocator()
    market.accept("eve")


def test_an_offer_of_a_ticket_does_not_read_the_stock_of_its_tier(market):
    """The stock of a large tier has a thousand shards, and each seller would read all of them."""
    market.wait("eve")
    lines.run_allocator()
    market.change_tier(capacity=20 * MAX_HOLDS)
    market.offer_one()
    with record_calls() as calls:
        market.offer_one(2)
    assert sum(len(entry.keys) for entry in calls.entries if entry.operation == "BatchGetItem" and entry.tables == ["inventory"]) == 1


def test_a_declined_offer_goes_to_the_next_and_then_to_everybody(market):
    market.wait("eve")
    market.wait("kim")
    market.offer_one()
    for user in ("eve", "kim"):
        assert lines.run_allocator()["offered"] == 1
        assert market.api.delete(f"/waitlist/{lines.own(market.api, user)[0]['id']}", user=user).status == 200
    lines.run_allocator()
    assert market.for_resale() == {5000: 1}
    market.take("bob")


def test_too_few_tickets_for_the_waitlist_are_on_public_sale(market):
    market.wait("eve", 2)
    market.offer_one()
    lines.run_allocator()
    assert market.for_resale() == {5000: 1}


def test_a_price_that_is_too_high_for_the_waitlist_is_on_public_sale(market):
    market.wait("eve", max_price_cents=5000)
    market.change_tier(price_cents=6000, capacity=5)
    lines.run_allocator()
    expensive = builders.create_order(market.api, (market.event_id, market.tier_id), 1, "rich")
    market.time.advance(5)
    assert market.offer(expensive, "rich").status == 200
    assert lines.run_allocator()["offered"] == 0
    assert market.for_resale() == {6000: 1}


def wait_for_more_than_a_purchase_may_have(market):
    """20 tickets are for resale, and somebody waits for 12 at once."""
    market.change_tier(per_user_limit=50, capacity=24)
    market.change(purchase_limit=50)
    order_id = market.buy(20, "tour")
    market.time.advance(5)
    market.wait("eve", 12)
    assert market.offer(order_id, "tour").status == 200


def test_nobody_is_offered_more_tickets_than_a_purchase_may_have(market):
    wait_for_more_than_a_purchase_may_have(market)
    assert lines.run_allocator()["offered"] == 0


def test_the_cheapest_ticket_of_a_tier_is_offered_first(market):
    market.wait("eve")
    market.change_tier(price_cents=9000)
    builders.refund(market.api, market.order_id, tickets=[f"{market.order_id}-4"])
    market.offer_one()
    assert lines.run_allocator()["offered"] == 1
    market.accept("eve", 5000)


def test_nobody_is_offered_their_own_ticket(market):
    market.wait("ada")
    market.wait("eve")
    market.offer_one()
    assert lines.run_allocator()["offered"] == 1
    assert lines.own(market.api, "ada")[0]["status"] == "waiting"
    assert market.withdraw(market.order_id).json["error"] == "tickets_being_sold"
    bought = market.accept("eve")
    assert (market.states(market.order_id)[0], market.states(bought)) == ("void", ["valid"])


def test_sellers_are_offered_other_tickets(market):
    market.wait("ada")
    market.offer_one()
    builders.refund(market.api, market.order_id, tickets=[f"{market.order_id}-4"])
    assert lines.run_allocator()["offered"] == 1
    assert market.states(market.accept("ada")) == ["valid"]
    assert market.states(market.order_id)[0] == "valid"


def test_a_ticket_for_which_only_its_seller_waits_is_on_public_sale(market):
    market.wait("ada")
    market.offer_one()
    assert lines.run_allocator()["offered"] == 0
    market.take("bob")


def test_a_ticket_that_is_listed_while_its_owner_gets_an_offer_goes_to_the_next(market, monkeypatch):
    market.wait("ada")
    market.wait("eve")
    market.offer_one()
    monkeypatch.setattr(allocator.offers, "find_sellers", lambda *_: set())  # the ticket was not listed yet
    assert lines.run_allocator()["offered"] == 1
    assert lines.own(market.api, "eve")[0]["status"] == "offered"


def list_many(market, quantity):
    """Let a group of buyers offer this many tickets, and as many people wait for them as for a ticket of another tier."""
    market.change_tier(per_user_limit=50, capacity=quantity + 4)
    market.change(purchase_limit=50)
    sellers = {f"tour-{first}": market.buy(min(50, quantity - first), f"tour-{first}") for first in range(0, quantity, 50)}
    market.time.advance(5)
    for number in range(quantity):
        market.wait(f"fan-{number}", tier_ids=[market.tier_id])
    for seller, order_id in sellers.items():
        assert market.offer(order_id, seller).status == 200


def test_many_people_have_offers_at_one_price_at_the_same_time(market):
    """Most offers last for a day, so that people who do not answer would keep the others waiting for days."""
    list_many(market, 120)
    assert lines.run_allocator()["offered"] == 120


def test_a_stock_with_too_many_offers_does_not_stop_other_offers(market, monkeypatch):
    monkeypatch.setattr(inventory_store, "MAX_OFFERS", 2)
    balcony = builders.create_tier(market.api, market.event_id, "Balcony", capacity=1)
    order_id = builders.create_order(market.api, (market.event_id, balcony), 1, "bob")
    list_many(market, 4)
    market.wait("eve", tier_ids=[balcony])
    builders.refund(market.api, order_id)
    assert lines.run_allocator()["offered"] == 3
    assert "offer" in lines.own(market.api, "eve")[0]
    for fan in ("fan-0", "fan-1"):
        market.accept(fan)
    assert lines.run_allocator()["offered"] == 2


def notify(market, user):
    """Offer tickets to a user by hand. Returns the reply."""
    entry_id = lines.own(market.api, user)[0]["id"]
    return market.api.post(f"/waitlist/{entry_id}/notify", token=builders.admin_token())


@pytest.mark.parametrize("is_on_sale", [True, False])
def test_a_manager_offers_tickets_for_resale_by_hand(market, is_on_sale):
    for user in ("eve", "kim"):
        market.wait(user)
    assert notify(market, "kim").json["error"] == "not_enough_tickets"
    market.offer_one()
    if not is_on_sale:
        market.change_tier(sale_ends_at=clock.iso(market.time.now - 1))
    made = notify(market, "kim")
    assert (made.status, made.json["status"]) == (200, "offered")
    bought = market.accept("kim")
    assert (market.states(market.order_id)[0], market.states(bought)) == ("void", ["valid"])
    assert notify(market, "eve").json["error"] == ("not_enough_tickets" if is_on_sale else "tier_not_on_sale")


def test_by_hand_the_cheapest_tickets_come_first_and_none_that_are_too_expensive(market):
    market.wait("eve", max_price_cents=8000)
    market.wait("kim", max_price_cents=4000)
    market.change_tier(price_cents=9000, capacity=5)
    market.offer_one()
    assert notify(market, "kim").json["error"] == "not_enough_tickets"
    assert notify(market, "eve").status == 200
    market.accept("eve", 5000)


def test_by_hand_nobody_is_offered_more_tickets_than_a_purchase_may_have(market):
    wait_for_more_than_a_purchase_may_have(market)
    assert notify(market, "eve").json["error"] == "not_enough_tickets"


def test_by_hand_nobody_is_offered_their_own_ticket(market):
    market.wait("ada")
    market.wait("eve")
    market.offer_one()
    assert notify(market, "ada").json["error"] == "not_enough_tickets"
    assert notify(market, "eve").status == 200
