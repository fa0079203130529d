"""Disputes: created, decided, and their effect on refunds."""

import pytest
import stripe

from tests.devtools.stripe.sdk_shop import SdkShop


def test_a_card_that_causes_a_dispute(shop):
    intent = shop.pay("pm_card_createDispute")
    assert intent.status == "succeeded"
    dispute = shop.disputes.list({"payment_intent": intent.id}).data[0]
    assert (dispute.status, dispute.reason, dispute.amount, dispute.charge) == ("needs_response", "fraudulent", 5000, intent.latest_charge)
    assert shop.charges.retrieve(intent.latest_charge).disputed
    assert shop.event_types()[-3:] == ["payment_intent.succeeded", "charge.dispute.created", "charge.dispute.funds_withdrawn"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_disputed"


@pytest.mark.parametrize(("won", "status"), [(True, "won"), (False, "lost")])
def test_a_dispute_is_closed(shop, fake, won, status):
    dispute = fake.create_dispute(shop.pay().latest_charge, "product_not_received")
    assert fake.close_dispute(dispute["id"], won=won)["status"] == status
    assert shop.disputes.retrieve(dispute["id"], {"expand": ["charge"]}).charge.disputed
    assert ("charge.dispute.closed" in shop.event_types(), "charge.dispute.funds_reinstated" in shop.event_types()) == (True, won)


def test_decisive_evidence(shop, fake):
    first, second = (fake.create_dispute(shop.pay().latest_charge)["id"] for _ in range(2))
    assert shop.disputes.update(first, {"evidence": {"uncategorized_text": "winning_evidence"}}).status == "won"
    assert shop.disputes.close(second).status == "lost"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.disputes.close(second)
    assert caught.value.code == "dispute_already_closed"


@pytest.mark.parametrize("decision", ["open", "under_review", "lost", "won"])
def test_a_disputed_charge_is_refundable_after_the_dispute_is_won(shop: SdkShop, fake, decision):
    intent = shop.pay()
    dispute = fake.create_dispute(intent.latest_charge)
    if decision == "under_review":
        assert shop.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": "They came"}}).status == "under_review"
    elif decision != "open":
        fake.close_dispute(dispute["id"], won=decision == "won")
    if decision == "won":
        assert shop.refunds.create({"payment_intent": intent.id, "amount": 500}).status == "succeeded"
        return
    for target in ({"payment_intent": intent.id}, {"charge": intent.latest_charge}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.refunds.create({**target, "amount": 500})
        assert (caught.value.http_status, caught.value.code) == (400, "charge_disputed")
