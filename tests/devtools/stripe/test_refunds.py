"""Refunds: full, partial, pending and failed."""

import pytest
import stripe

from tests.devtools.stripe.sdk_shop import SdkShop


def test_full_refund(shop):
    intent = shop.pay()
    refund = shop.refunds.create({"payment_intent": intent.id, "reason": "requested_by_customer", "metadata": {"order": "o1"}})
    assert (refund.status, refund.amount, refund.payment_intent, refund.charge) == ("succeeded", 5000, intent.id, intent.latest_charge)
    charge = shop.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded, [listed.id for listed in charge.refunds.data]) == (True, 5000, [refund.id])
    assert shop.event_types()[-2:] == ["refund.created", "charge.refunded"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id})
    assert (caught.value.http_status, caught.value.code) == (400, "charge_already_refunded")


def test_partial_refunds_add_up(shop):
    intent = shop.pay()
    for amount in (2000, 1000):
        shop.refunds.create({"payment_intent": intent.id, "amount": amount})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"charge": intent.latest_charge, "amount": 2001})
    assert caught.value.param == "amount"
    assert shop.refunds.create({"charge": intent.latest_charge}).amount == 2000
    amounts = [refund.amount for refund in shop.refunds.list({"payment_intent": intent.id}).data]
    assert amounts == [2000, 1000, 2000]
    assert shop.charges.retrieve(intent.latest_charge).refunded


def test_pending_refund(shop, fake):
    refund = shop.refunds.create({"payment_intent": shop.pay("pm_card_pendingRefund").id})
    assert refund.status == "pending"
    fake.complete_pending()
    assert shop.refunds.retrieve(refund.id).status == "succeeded"
    assert shop.event_types()[-2:] == ["refund.updated", "charge.refund.updated"]


def test_refund_that_fails_later(shop, clock):
    intent = shop.pay("pm_card_refundFail")
    refund = shop.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    clock.advance(10)
    refund = shop.refunds.retrieve(refund.id)
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    assert refund.failure_balance_transaction is not None
    charge = shop.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert shop.event_types()[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]


def test_refund_that_a_test_fails(shop, fake):
    refund = shop.refunds.create({"payment_intent": shop.pay().id})
    assert fake.fail_refund(refund.id)["status"] == "failed"
    assert shop.refunds.create({"payment_intent": refund.payment_intent}).status == "succeeded"


def test_refunds_that_are_refused(shop):
    refusals = [
        ({}, "parameter_missing"),
        ({"payment_intent": shop.create_intent().id}, "payment_intent_unexpected_state"),
        ({"payment_intent": "pi_nobody"}, "resource_missing"),
        ({"charge": "ch_1", "payment_intent": "pi_1"}, "parameters_exclusive"),
    ]
    for given, code in refusals:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            shop.refunds.create(given)
        assert caught.value.code == code


def test_metadata_is_added_later(shop):
    refund = shop.refunds.create({"payment_intent": shop.pay().id})
    assert shop.refunds.update(refund.id, {"metadata": {"by": "ann"}}).metadata["by"] == "ann"


@pytest.mark.parametrize("reason", ["duplicate", "fraudulent", "requested_by_customer"])
def test_reason_and_metadata(shop: SdkShop, reason):
    refund = shop.refunds.create({"payment_intent": shop.pay().id, "amount": 1, "reason": reason, "metadata": {"refund": "r1"}})
    found = shop.refunds.list({"payment_intent": refund.payment_intent}).data[0]
    assert (found.amount, found.reason, found.metadata["refund"]) == (1, reason, "r1")


def test_reasons_that_stripe_does_not_know_are_refused(shop: SdkShop):
    intent = shop.pay()
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id, "reason": "event_cancelled"})
    assert caught.value.param == "reason"


def test_partial_refunds_up_to_the_last_cent(shop: SdkShop):
    intent = shop.pay()
    for amount in (1, 4000, 998):
        assert shop.refunds.create({"payment_intent": intent.id, "amount": amount}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.refunds.create({"payment_intent": intent.id, "amount": 2})
    assert (caught.value.param, caught.value.code) == ("amount", None)
    assert shop.charges.retrieve(intent.latest_charge).amount_refunded == 4999
    assert shop.refunds.create({"payment_intent": intent.id, "amount": 1}).amount == 1
    assert shop.charges.retrieve(intent.latest_charge).refunded


def test_a_failed_refund_can_be_made_again(shop: SdkShop, clock):
    """The second refund needs a key of its own: the first key returns the first refund, as it was then."""
    intent = shop.pay("pm_card_refundFail")
    shop.refunds.create({"payment_intent": intent.id, "amount": 3000}, {"idempotency_key": "r1"})
    with pytest.raises(stripe.InvalidRequestError):
        shop.refunds.create({"payment_intent": intent.id, "amount": 2001})
    clock.advance(10)
    again = shop.refunds.create({"payment_intent": intent.id, "amount": 3000}, {"idempotency_key": "r1"})
    assert (again.status, shop.refunds.retrieve(again.id).status) == ("succeeded", "failed")
    second = shop.refunds.create({"payment_intent": intent.id}, {"idempotency_key": "r2"})
    assert (second.amount, second.status) == (5000, "succeeded")
    returned = shop.client.v1.balance_transactions.list({"type": "refund_failure"}).data
    assert [transaction.amount for transaction in returned] == [3000]
