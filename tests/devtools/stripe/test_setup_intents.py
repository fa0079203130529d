"""Setup Intents: what a bank says about a card that nobody charges."""

import pytest
import stripe

from devtools.stripe.payment_methods import CARDS

CHECK = {
    "allowed_payment_method_types": ["card"],
    "confirm": True,
    "usage": "on_session",
    "use_stripe_sdk": True,
    "expand": ["payment_method"],
}


def check_card(shop, method="pm_card_visa", account=None):
    options = {} if account is None else {"stripe_account": account}
    return shop.client.v1.setup_intents.create({**CHECK, "payment_method": method}, options)


def fetch(shop, intent_id):
    return shop.client.v1.setup_intents.retrieve(intent_id, {"expand": ["payment_method"]})


def test_a_confirmed_card_has_the_fingerprint_of_its_number(shop):
    first, again, other = (check_card(shop, method) for method in ("pm_card_visa", "pm_card_visa", "pm_card_mastercard"))
    assert {intent.status for intent in (first, again, other)} == {"succeeded"}
    assert first.payment_method.id != again.payment_method.id
    assert first.payment_method.card.fingerprint == again.payment_method.card.fingerprint
    assert first.payment_method.card.fingerprint != other.payment_method.card.fingerprint
    assert first.payment_method.customer is None
    assert list(shop.charges.list().data) == []
    assert shop.event_types() == ["setup_intent.created", "setup_intent.succeeded"] * 3


def test_accounts_have_fingerprints_of_their_own(shop):
    account = shop.client.v1.accounts.create({"type": "express"}).id
    assert check_card(shop).payment_method.card.fingerprint != check_card(shop, account=account).payment_method.card.fingerprint


DECLINED_AT_ONCE = [
    method for method, card in CARDS.items() if card.error_code and not card.requires_authentication and not card.is_declined_off_session
]


@pytest.mark.parametrize("method", DECLINED_AT_ONCE)
def test_a_declined_card(shop, method):
    with pytest.raises(stripe.CardError) as declined:
        check_card(shop, method)
    assert declined.value.code == CARDS[method].error_code
    intent = fetch(shop, declined.value.error.setup_intent.id)
    assert (intent.status, intent.payment_method) == ("requires_payment_method", None)
    assert intent.last_setup_error.decline_code == CARDS[method].decline_code
    assert shop.event_types() == ["setup_intent.created", "setup_intent.setup_failed"]


@pytest.mark.parametrize(
    ("method", "ok", "status", "code"),
    [
        ("pm_card_threeDSecure2Required", True, "succeeded", None),
        ("pm_card_threeDSecure2Required", False, "requires_payment_method", "setup_intent_authentication_failure"),
        ("pm_card_threeDSecureRequiredChargeDeclined", True, "requires_payment_method", "card_declined"),
    ],
)
def test_a_card_that_its_owner_authenticates(shop, fake, method, ok, status, code):
    intent = check_card(shop, method)
    assert (intent.status, intent.next_action.type) == ("requires_action", "use_stripe_sdk")
    assert fake.authenticate(intent.id, ok=ok)["status"] == status
    error = fetch(shop, intent.id).last_setup_error
    assert (error and error.code) == code
    with pytest.raises(Exception, match="does not wait for authentication"):
        fake.authenticate(intent.id, ok=ok)


def test_only_cards_are_confirmed_and_only_with_a_method(shop):
    for method in ({"payment_method": "pm_usBankAccount"}, {"payment_method": "pm_unknown"}, {}):
        with pytest.raises(stripe.InvalidRequestError):
            shop.client.v1.setup_intents.create(CHECK | method)
    waiting = shop.client.v1.setup_intents.create({"payment_method": "pm_card_visa"})
    assert waiting.status == "requires_confirmation"
    with pytest.raises(stripe.PermissionError):
        shop.browser.v1.setup_intents.create({})


def save_card(shop, method):
    customer = shop.client.v1.customers.create({"metadata": {"owner": "o1"}})
    saved = {**CHECK, "usage": "off_session", "payment_method": method, "customer": customer.id}
    return customer.id, shop.client.v1.setup_intents.create(saved)


def charge(shop, customer_id, method_id):
    intent = shop.intents.create({"amount": 5000, "currency": "usd", "customer": customer_id})
    fields = {"payment_method": method_id, "off_session": True, "return_url": "https://shop.test"}
    return shop.intents.confirm(intent.id, fields)


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_authenticationRequiredOnSetup"])
def test_a_saved_card_is_charged_off_session_until_its_customer_is_deleted(shop, fake, method):
    customer_id, setup = save_card(shop, method)
    if setup.status == "requires_action":
        fake.authenticate(setup.id, ok=True)
    method_id = fetch(shop, setup.id).payment_method.id
    assert charge(shop, customer_id, method_id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="Customer"):
        charge(shop, shop.client.v1.customers.create({}).id, method_id)
    assert shop.client.v1.customers.delete(customer_id).deleted
    for customer in (customer_id, shop.client.v1.customers.create({}).id):
        with pytest.raises(stripe.InvalidRequestError):
            charge(shop, customer, method_id)
    with pytest.raises(stripe.InvalidRequestError) as missing:
        shop.client.v1.customers.delete(customer_id)
    assert missing.value.code == "resource_missing"


@pytest.mark.parametrize(
    ("method", "code"), [("pm_card_chargeCustomerFail", "card_declined"), ("pm_card_authenticationRequired", "authentication_required")]
)
def test_a_saved_card_that_cannot_be_charged_off_session(shop, fake, method, code):
    customer_id, setup = save_card(shop, method)
    if setup.status == "requires_action":
        fake.authenticate(setup.id, ok=True)
    with pytest.raises(stripe.CardError) as declined:
        charge(shop, customer_id, fetch(shop, setup.id).payment_method.id)
    assert declined.value.code == code
    assert declined.value.error.payment_intent.status == "requires_payment_method"
