"""Payment Intents through the real SDK: success, declines, cancellation, and what each leaves behind."""

import pytest
import stripe

from devtools.stripe import cards


def test_a_payment_succeeds(shop):
    intent = shop.open(metadata={"purchase": "p1"}, description="Two tickets")
    assert (intent.status, intent.amount, intent.currency, intent.metadata["purchase"]) == ("requires_payment_method", 5000, "usd", "p1")
    intent = shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa", "expand": ["latest_charge.balance_transaction"]})
    assert (intent.status, intent.amount_received) == ("succeeded", 5000)
    charge = intent.latest_charge
    assert (charge.status, charge.paid, charge.captured, charge.payment_intent) == ("succeeded", True, True, intent.id)
    assert charge.payment_method_details.card.last4 == "4242"
    assert (charge.balance_transaction.fee, charge.balance_transaction.net) == (175, 4825)
    assert shop.kinds() == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


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
def test_a_decline_then_a_success(shop, method, code, decline):
    intent = shop.open()
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
    assert shop.kinds()[1:] == ["charge.failed", "payment_intent.payment_failed", "charge.succeeded", "payment_intent.succeeded"]


def test_card_numbers_do_what_the_test_methods_do(shop):
    for name, card in cards.CARDS.items():
        form = {"type": "card", "card": {"number": card.number, "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
        outcomes = []
        for given in ({"payment_method": name}, {"payment_method_data": form}):
            intent = shop.open()
            try:
                confirmed = shop.browser.v1.payment_intents.confirm(intent.id, {**given, "client_secret": intent.client_secret})
                outcomes.append(confirmed.status)
            except stripe.CardError as error:
                outcomes.append(error.code)
        assert outcomes[0] == outcomes[1], name


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "4111111111111111"}, "card_declined"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2020}, "invalid_expiry_year"),
    ],
)
def test_cards_that_are_none(shop, card, code):
    form = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123", **card}
    with pytest.raises(stripe.CardError) as caught:
        shop.browser.v1.payment_methods.create({"type": "card", "card": form})
    assert caught.value.code == code


def test_card_numbers_come_from_browsers_only(shop):
    form = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
    for call in (lambda: shop.paid(None, payment_method_data=form), lambda: shop.client.v1.payment_methods.create(form)):
        with pytest.raises(stripe.CardError, match="Sending credit card numbers directly") as caught:
            call()
        assert caught.value.http_status == 402
    method = shop.browser.v1.payment_methods.create(form)
    assert shop.paid(method.id).status == "succeeded"


def test_created_and_confirmed_at_once_it_exists_also_when_declined(shop):
    assert shop.paid().status == "succeeded"
    with pytest.raises(stripe.CardError) as caught:
        shop.paid("pm_card_visa_chargeDeclined")
    assert shop.intents.retrieve(caught.value.error.payment_intent.id).status == "requires_payment_method"


def test_cancel(shop):
    intent = shop.intents.cancel(shop.open().id, {"cancellation_reason": "abandoned"})
    assert (intent.status, intent.cancellation_reason, intent.canceled_at) == ("canceled", "abandoned", intent.created)
    for call in (shop.intents.cancel, lambda key: shop.intents.confirm(key, {"payment_method": "pm_card_visa"})):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(intent.id)
        assert (caught.value.http_status, caught.value.code) == (400, "payment_intent_unexpected_state")
        assert caught.value.error.payment_intent.status == "canceled"
    assert shop.kinds() == ["payment_intent.created", "payment_intent.canceled"]


def test_what_succeeded_cannot_be_canceled_or_confirmed_or_repriced(shop):
    intent = shop.paid()
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
    intent = shop.open(metadata={"a": "1", "b": "2"})
    intent = shop.intents.update(intent.id, {"amount": 700, "metadata": {"a": "", "c": "3"}, "payment_method": "pm_card_visa"})
    assert (intent.amount, intent.metadata.to_dict(), intent.status) == (700, {"b": "2", "c": "3"}, "requires_confirmation")
    assert shop.intents.update(intent.id, {"metadata": ""}).metadata.to_dict() == {}
    assert shop.intents.confirm(intent.id).amount_received == 700


def test_confirm_needs_a_method_and_perhaps_a_return_url(shop):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.confirm(shop.open().id)
    assert caught.value.code == "payment_intent_unexpected_state"
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        shop.intents.create({"amount": 100, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"})


def test_a_browser_confirms_with_the_client_secret(shop):
    intent = shop.open(metadata={"user": "u1"})
    given = {"client_secret": intent.client_secret, "payment_method": "pm_card_visa", "return_url": "https://shop.test/back"}
    seen = shop.browser.v1.payment_intents.confirm(intent.id, given)
    assert seen.status == "succeeded"
    assert not {"metadata", "latest_charge", "customer"} & set(seen.to_dict())
    assert shop.browser.v1.payment_intents.retrieve(intent.id, {"client_secret": intent.client_secret}).status == "succeeded"


def test_a_browser_may_do_nothing_else(shop):
    intent = shop.open()
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


def test_a_debit_is_known_later(shop, clock):
    first, second = shop.paid("pm_usBankAccount_success"), shop.paid("pm_usBankAccount_accountClosed")
    assert (first.status, second.status) == ("processing", "processing")
    clock.advance(10)
    assert shop.intents.retrieve(first.id).status == "succeeded"
    assert shop.intents.retrieve(second.id).last_payment_error.code == "payment_method_provider_decline"


def test_a_method_that_is_not_allowed(shop):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.intents.confirm(
            shop.open(allowed_payment_method_types=["card"], automatic_payment_methods=None).id, {"payment_method": "pm_usBankAccount"}
        )
    assert caught.value.code == "payment_intent_incompatible_payment_method"
