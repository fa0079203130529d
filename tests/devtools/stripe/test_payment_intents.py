"""Payment Intents: update, cancellation and payment (success, declines, debits, browsers)."""

import pytest
import stripe


def test_cancel(shop):
    intent = shop.intents.cancel(shop.create_intent().id, {"cancellation_reason": "abandoned"})
    assert (intent.status, intent.cancellation_reason, intent.canceled_at) == ("canceled", "abandoned", intent.created)
    for call in (shop.intents.cancel, lambda key: shop.intents.confirm(key, {"payment_method": "pm_card_visa"})):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(intent.id)
        assert (caught.value.http_status, caught.value.code) == (400, "payment_intent_unexpected_state")
        assert caught.value.error.payment_intent.status == "canceled"
    assert shop.event_types() == ["payment_intent.created", "payment_intent.canceled"]


def test_a_succeeded_intent_cannot_be_cancelled_confirmed_or_repriced(shop):
    intent = shop.pay()
    for call in (
        lambda: shop.intents.cancel(intent.id),
        lambda: shop.intents.confirm(intent.id),
        lambda: shop.intents.update(intent.id, {"amount": 100}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call()
        assert caught.value.code == "payment_intent_unexpected_state"
    assert shop.intents.update(intent.id, {"metadata": {"order": "o1"}}).metadata["order"] == "o1"


def test_update(shop):
    intent = shop.create_intent(metadata={"a": "1", "b": "2"})
    intent = shop.intents.update(intent.id, {"amount": 700, "metadata": {"a": "", "c": "3"}, "payment_method": "pm_card_visa"})
    assert (intent.amount, intent.metadata.to_dict(), intent.status) == (700, {"b": "2", "c": "3"}, "requires_confirmation")
    assert shop.intents.update(intent.id, {"metadata": ""}).metadata.to_dict() == {}
    assert shop.intents.confirm(intent.id).amount_received == 700


def test_success(shop):
    intent = shop.create_intent(metadata={"purchase": "p1"}, description="Two tickets")
    assert (intent.status, intent.amount, intent.currency, intent.metadata["purchase"]) == ("requires_payment_method", 5000, "usd", "p1")
    intent = shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge.balance_transaction"]})
    assert (intent.status, intent.amount_received) == ("succeeded", 5000)
    charge = intent.latest_charge
    assert (charge.status, charge.paid, charge.captured, charge.payment_intent) == ("succeeded", True, True, intent.id)
    assert charge.payment_method_details.card.last4 == "4242"
    assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (175, 4825)
    assert shop.event_types() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ("pm_card_radarBlock", "card_declined", "fraudulent"),
]


@pytest.mark.parametrize(("method", "code", "decline"), DECLINES)
def test_decline_then_success(shop, method, code, decline):
    intent = shop.create_intent()
    with pytest.raises(stripe.CardError) as caught:
        shop.intents.confirm(intent.id, {"payment_method": method})
    error = caught.value
    assert (error.http_status, error.code, error.error.decline_code, error.error.type) == (402, code, decline, "card_error")
    assert error.error.payment_intent.id == intent.id
    assert error.error.payment_intent.status == "requires_payment_method"
    intent = shop.intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.payment_method, intent.last_payment_error.decline_code) == ("requires_payment_method", None, decline)
    assert (intent.latest_charge.status, intent.latest_charge.paid, intent.latest_charge.failure_code) == ("failed", False, code)
    assert shop.intents.confirm(intent.id, {"payment_method": "pm_card_mastercard"}).status == "succeeded"
    assert shop.event_types()[1:] == ["charge.failed", "payment_intent.payment_failed", "charge.succeeded", "payment_intent.succeeded"]


def test_an_intent_that_is_declined_at_creation_exists(shop):
    assert shop.pay().status == "succeeded"
    with pytest.raises(stripe.CardError) as caught:
        shop.pay("pm_card_visa_chargeDeclined")
    assert shop.intents.retrieve(caught.value.error.payment_intent.id).status == "requires_payment_method"


def test_a_payment_method_and_a_return_url_are_required(shop):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.confirm(shop.create_intent().id)
    assert caught.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        shop.intents.create({"amount": 100, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"})


def test_a_browser_confirms_with_the_client_secret(shop):
    intent = shop.create_intent(metadata={"user": "u1"})
    given = {"client_secret": intent.client_secret, "payment_method": "pm_card_visa", "return_url": "https://shop.test/back"}
    seen = shop.browser.v1.payment_intents.confirm(intent.id, given)
    assert seen.status == "succeeded"
    assert not {"metadata", "latest_charge", "customer"} & set(seen.to_dict())
    assert shop.browser.v1.payment_intents.retrieve(intent.id, {"client_secret": intent.client_secret}).status == "succeeded"


def test_calls_that_a_browser_may_not_make(shop):
    intent = shop.create_intent()
    browser = shop.browser.v1
    with pytest.raises(stripe.InvalidRequestError) as caught:
        browser.payment_intents.retrieve(intent.id)
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "client_secret")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        browser.payment_intents.confirm(intent.id, {"client_secret": "pi_1_secret_2", "payment_method": "pm_card_visa"})
    assert (caught.value.code, caught.value.param) == ("payment_intent_invalid_parameter", "client_secret")
    for call in (browser.payment_intents.list, lambda: browser.payment_intents.cancel(intent.id), browser.refunds.list):
        with pytest.raises(stripe.PermissionError) as refused:
            call()
        assert refused.value.error.code == "secret_key_required"


def test_the_outcome_of_a_debit_comes_later(shop, clock):
    first, second = shop.pay("pm_usBankAccount_success"), shop.pay("pm_usBankAccount_accountClosed")
    assert (first.status, second.status) == ("processing", "processing")
    clock.advance(10)
    assert shop.intents.retrieve(first.id).status == "succeeded"
    assert shop.intents.retrieve(second.id).last_payment_error.code == "payment_method_provider_decline"


def test_a_payment_method_type_that_is_not_allowed(shop):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.confirm(
            shop.create_intent(allowed_payment_method_types=["card"], automatic_payment_methods=None).id,
            {"payment_method": "pm_usBankAccount"},
        )
    assert caught.value.code == "payment_intent_incompatible_payment_method"
