"""The event's rules for returns and transfers: an order keeps the rules that applied when its buyer reserved."""

import pytest

from chalicelib.catalog import service as catalog
from chalicelib.foundation import clock
from chalicelib.purchases import store
from chalicelib.purchases.guest_orders import order_token
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.purchases.refunds.test_returns import DAY, EMAIL, Shop


class Agreement(Shop):
    """A shop whose event takes tickets back for a fee, or says that it does not."""

    def __init__(self, api, time) -> None:
        self.api, self.time = api, time
        self.event_id, self.tier_id = builders.create_shop(api)
        self.until = clock.iso(time.now + 7 * DAY)
        self.policy = {"policy": "refund", "until": self.until, "fee_cents": 100, "fee_percent": 10}
        self.change(starts_at=clock.iso(time.now + 30 * DAY))

    def change(self, **fields):
        changed = super().change(**fields)
        assert changed.status == 200, changed.json
        catalog.refresh_snapshot()
        return changed

    def reserved(self, user="ada"):
        assert builders.reserve(self.api, user, self.event_id, self.tier_id).status == 201
        return self.api.get(f"/events/{self.event_id}/reservations", user=user).json

    def offer_to_friend(self, order_id):
        return self.api.post(f"/tickets/{order_id}-1/transfer", user="ada")


@pytest.fixture
def shop(api, time):
    yield Agreement(api, time)
    invariants.check(time.now)


def test_a_buyer_sees_the_rules_before_paying_and_returns_tickets_for_the_fee(shop):
    shop.change(returns=shop.policy)
    assert shop.api.get(f"/events/{shop.event_id}").json["returns"] == shop.policy
    assert shop.reserved("eve")["returns"] == shop.policy
    order_id = shop.buy(2)
    assert shop.api.get(f"/orders/{order_id}", user="ada").json["order"]["returns"] == shop.policy
    offered = shop.offered(order_id)
    assert (offered["amount_cents"], offered["fee_cents"], offered["until"]) == (8_800, 1_200, shop.until)
    for _ in range(2):
        [refund] = shop.give_back(order_id).json["refunds"]
        assert (refund["amount_cents"], refund["fee_cents"], refund["status"]) == (8_800, 1_200, "succeeded")
    assert store.load(order_id).refunds[0].reason == "requested_by_customer"
    assert shop.sold() == 0


def test_a_part_of_an_order_is_returned(shop):
    shop.change(returns=shop.policy)
    order_id = shop.buy(3)
    ids = builders.ticket_ids(order_id, 1, 2, 3)
    [refund] = shop.give_back(order_id, tickets=ids[1:2]).json["refunds"]
    assert (refund["tickets"], refund["amount_cents"]) == (ids[1:2], 4_400)
    assert shop.offered(order_id)["tickets"] == [ids[0], ids[2]]


def test_a_later_change_of_the_event_changes_no_earlier_order(shop):
    before = shop.buy(1, "ada")
    shop.change(returns=shop.policy)
    during = shop.buy(1, "bob")
    for later in ({"policy": "none"}, None):
        shop.change(returns=later)
        assert shop.offered(during, "bob") is not None
    after = shop.buy(1, "eve")
    assert (shop.offered(before, "ada"), shop.offered(after, "eve")) == (None, None)
    refused = shop.give_back(before, "ada")
    assert (refused.status, refused.json["error"], refused.json["refundable_until"]) == (409, "returns_closed", None)
    assert shop.give_back(during, "bob").status == 200


def test_returns_end_at_the_deadline_or_when_the_event_starts(shop):
    shop.change(returns=shop.policy)
    first, second = shop.buy(1, "ada"), shop.buy(1, "bob")
    shop.change(starts_at=clock.iso(shop.time.now + 3 * DAY))
    assert shop.offered(first)["until"] == clock.iso(shop.time.now + 3 * DAY)
    shop.change(starts_at=clock.iso(shop.time.now + 30 * DAY))
    shop.time.advance(7 * DAY)
    assert shop.give_back(first).status == 200
    shop.time.advance(1)
    refused = shop.give_back(second, "bob")
    assert (refused.status, refused.json["refundable_until"]) == (409, shop.until)


def test_without_a_deadline_returns_end_when_the_event_starts(shop):
    shop.change(returns={"policy": "refund"})
    order_id = shop.buy(1)
    offered = shop.offered(order_id)
    assert (offered["until"], offered["fee_cents"]) == (clock.iso(shop.time.now + 30 * DAY), 0)


def test_an_event_that_changed_takes_tickets_back_without_the_fee(shop):
    shop.change(returns=shop.policy)
    order_id = shop.buy(1)
    shop.change(refundable_until=clock.iso(shop.time.now + DAY))
    assert (shop.offered(order_id)["amount_cents"], shop.offered(order_id)["until"]) == (5_000, clock.iso(shop.time.now + DAY))
    shop.time.advance(DAY + 1)
    assert (shop.offered(order_id)["amount_cents"], shop.offered(order_id)["until"]) == (4_400, shop.until)


def test_a_fee_is_never_more_than_the_price(shop):
    shop.change(returns={"policy": "refund", "fee_cents": 9_000})
    order_id = shop.buy(1)
    assert shop.offered(order_id) is None
    assert shop.give_back(order_id).json["reason"] == "free"


def test_a_guest_returns_tickets_by_link(shop):
    shop.change(returns=shop.policy)
    _, order_id = shop.buy_as_guest(2)
    token = order_token(order_id, EMAIL)
    [offered] = shop.api.post("/lost-tickets/open", json={"token": token}).json["returnable"]
    assert (offered["amount_cents"], offered["fee_cents"]) == (8_800, 1_200)
    returned = shop.api.post("/lost-tickets/return", json={"token": token, "order_id": order_id})
    assert returned.json["refunds"][0]["amount_cents"] == 8_800


@pytest.mark.parametrize(
    "sent", [{"policy": "refund", "fee_percent": 101}, {"policy": "later"}, {"policy": "refund", "until": "1066-10-14T09:00:00Z"}]
)
def test_wrong_rules_are_refused(shop, sent):
    refused = shop.api.patch(f"/events/{shop.event_id}", json={"returns": sent}, token=builders.admin_token())
    assert (refused.status, refused.json["error"]) == (400, "invalid_input")


def test_tickets_of_an_event_without_transfers_stay_with_their_buyer(shop):
    earlier = shop.buy(1)
    shop.change(transfers="none")
    assert shop.reserved("eve")["transfers"] == "none"
    bound = shop.buy(1)
    shown = {ticket["order_id"]: ticket["transferable"] for ticket in shop.api.get("/tickets", user="ada").json["tickets"]}
    assert shown == {earlier: True, bound: False}
    assert shop.offer_to_friend(earlier).status == 201
    refused = shop.offer_to_friend(bound)
    assert (refused.status, refused.json["error"], refused.json["reason"]) == (409, "transfer_closed", "excluded")
    shop.change(transfers="free")
    assert shop.offer_to_friend(bound).status == 201


def test_an_offer_that_was_open_when_transfers_ended_again_is_refused(shop):
    shop.change(transfers="none")
    order_id = shop.buy(1)
    shop.change(transfers="free")
    token = shop.offer_to_friend(order_id).json["token"]
    shop.change(transfers="none")
    refused = shop.api.post(f"/transfers/{token}/accept", json={}, user="bob")
    assert (refused.status, refused.json["reason"]) == (409, "excluded")
    assert tickets.get_ticket(f"{order_id}-1").owner_id == "ada"


def test_an_offer_of_the_waitlist_has_the_rules_of_its_time(api, time):
    from chalicelib.purchases import offers
    from chalicelib.purchases.model import Purchase

    event_id, tier_id = builders.create_shop(api)
    fields = {"returns": {"policy": "none"}, "transfers": "none"}
    assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    catalog.refresh_snapshot()
    current = catalog.snapshot()
    offered: Purchase = offers.create_offer(
        "ada", current.events[event_id], current.tiers[tier_id], 1, "entry", time.now + DAY, lambda _: [], time.now
    )
    stored = store.load(offered.id)
    assert (stored.returns.policy, stored.transfers) == ("none", "none")
