"""Expansion: the objects that a response contains on request."""

import pytest
import stripe

from tests.devtools.stripe.sdk_shop import SdkShop


def test_expansion_over_several_levels(shop):
    intent = shop.pay()
    shop.refunds.create({"payment_intent": intent.id, "amount": 100})
    expand = ["data.payment_intent.latest_charge.refunds", "data.charge"]
    refund = shop.refunds.list({"expand": expand}).data[0]
    assert refund.payment_intent.latest_charge.refunds.data[0].id == refund.id
    assert refund.charge.payment_intent == intent.id
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        shop.refunds.list({"expand": ["data.a.b.c.d"]})


def test_expansion_in_lists(shop: SdkShop, first_payment_at):
    for name in ("charges", "refunds", "disputes", "sessions"):
        found = shop.lists()[name].list({"expand": ["data.payment_intent"], "limit": 2}).data
        assert [obj.payment_intent.metadata["purchase"] for obj in found] == ["p4", "p3"]
    intent = shop.intents.list({"expand": ["data.latest_charge.refunds"], "limit": 1}).data[0]
    assert (intent.latest_charge.amount_refunded, intent.latest_charge.refunds.data[0].amount) == (100, 100)
    session = shop.sessions.list({"expand": ["data.line_items"], "limit": 1}).data[0]
    assert session.line_items.data[0].description == "Standing"


def test_expansion_of_one_object(shop: SdkShop, first_payment_at):
    intent = shop.intents.list({"limit": 1}).data[0]
    assert shop.intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge.disputed
    session = shop.sessions.list({"payment_intent": intent.id}).data[0]
    assert shop.sessions.retrieve(session.id, {"expand": ["payment_intent"]}).payment_intent.metadata["purchase"] == "p4"
