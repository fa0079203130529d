"""Refunds and disputes: whole, in parts, late, failing; won and lost."""

import pytest
import stripe


def test_whole(shop):
    intent = shop.paid()
    refund = shop.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer", "metadata": {"order": "o1"}})
    assert (refund.status, refund.amount, refund.payment_intent, refund.charge) == ("succeeded", 5000, intent.id, intent.latest_charge)
    charge = shop.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded, [one.id for one in charge.refunds.data]) == (True, 5000, [refund.id])
    assert shop.kinds()[-2:] == ["refund.created", "charge.refunded"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id})
    assert (caught.value.http_status, caught.value.code) == (400, "charge_already_refunded")


def test_parts_add_up(shop):
    intent = shop.paid()
    for amount in (2000, 1000):
        shop.refunds.create({"payment_intent": intent.id, "amount": amount})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"charge": intent.latest_charge, "amount": 2001})
    assert caught.value.param == "amount"
    assert shop.refunds.create({"charge": intent.latest_charge}).amount == 2000
    amounts = [refund.amount for refund in shop.refunds.list({"payment_intent": intent.id}).data]
    assert amounts == [2000, 1000, 2000]
    assert shop.charges.retrieve(intent.latest_charge).refunded


def test_one_that_is_pending(shop, fake):
    refund = shop.refunds.create({"payment_intent": shop.paid("pm_card_pendingRefund").id})
    assert refund.status == "pending"
    fake.complete_pending()
    assert shop.refunds.retrieve(refund.id).status == "succeeded"
    assert shop.kinds()[-2:] == ["refund.updated", "charge.refund.updated"]


def test_one_that_fails_later(shop, clock):
    intent = shop.paid("pm_card_refundFail")
    refund = shop.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    clock.advance(10)
    refund = shop.refunds.retrieve(refund.id)
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    assert refund.failure_balance_transaction is not None
    charge = shop.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert shop.kinds()[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]


def test_one_that_a_test_fails(shop, fake):
    refund = shop.refunds.create({"payment_intent": shop.paid().id})
    assert fake.fail_refund(refund.id)["status"] == "failed"
    assert shop.refunds.create({"payment_intent": refund.payment_intent}).status == "succeeded"


def test_what_cannot_be_refunded(shop):
    refusals = [
        ({}, "parameter_missing"),
        ({"payment_intent": shop.open().id}, "payment_intent_unexpected_state"),
        ({"payment_intent": "pi_nobody"}, "resource_missing"),
        ({"charge": "ch_1", "payment_intent": "pi_1"}, "parameters_exclusive"),
    ]
    for given, code in refusals:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.refunds.create(given)
        assert caught.value.code == code


def test_a_refund_gets_metadata_later(shop):
    refund = shop.refunds.create({"payment_intent": shop.paid().id})
    assert shop.refunds.update(refund.id, {"metadata": {"by": "ann"}}).metadata["by"] == "ann"


def test_a_dispute_that_a_card_causes(shop):
    intent = shop.paid("pm_card_createDispute")
    assert intent.status == "succeeded"
    dispute = shop.disputes.list({"payment_intent": intent.id}).data[0]
    assert (dispute.status, dispute.reason, dispute.amount, dispute.charge) == ("needs_response", "fraudulent", 5000, intent.latest_charge)
    assert shop.charges.retrieve(intent.latest_charge).disputed
    assert shop.kinds()[-3:] == ["payment_intent.succeeded", "charge.dispute.created", "charge.dispute.funds_withdrawn"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id})
    assert caught.value.code == "charge_disputed"


@pytest.mark.parametrize(("won", "status"), [(True, "won"), (False, "lost")])
def test_a_dispute_ends(shop, fake, won, status):
    dispute = fake.create_dispute(shop.paid().latest_charge, "product_not_received")
    assert fake.close_dispute(dispute["id"], won=won)["status"] == status
    assert shop.disputes.retrieve(dispute["id"], {"expand": ["charge"]}).charge.disputed
    assert ("charge.dispute.closed" in shop.kinds(), "charge.dispute.funds_reinstated" in shop.kinds()) == (True, won)


def test_evidence_decides(shop, fake):
    first, second = (fake.create_dispute(shop.paid().latest_charge)["id"] for _ in range(2))
    assert shop.disputes.update(first, {"evidence": {"uncategorized_text": "winning_evidence"}}).status == "won"
    assert shop.disputes.close(second).status == "lost"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.disputes.close(second)
    assert caught.value.code == "dispute_already_closed"


def test_the_balance_moves_with_it(shop):
    intent = shop.paid()
    shop.refunds.create({"payment_intent": intent.id, "amount": 500})
    moved = [(one.type, one.amount, one.fee) for one in shop.client.v1.balance_transactions.list().data]
    assert moved == [("refund", -500, 0), ("charge", 5000, 175)]
