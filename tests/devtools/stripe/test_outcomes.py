"""3D Secure: payments that wait for the buyer's bank."""

import pytest
import stripe


def test_the_intent_requires_action(shop, waiting_intent):
    assert (waiting_intent.status, waiting_intent.next_action.type) == ("requires_action", "redirect_to_url")
    assert waiting_intent.next_action.redirect_to_url.return_url == "https://shop.test/back?order=1"
    assert shop.event_types() == ["payment_intent.created", "payment_intent.requires_action"]
    assert waiting_intent.latest_charge is None


def test_authenticate(shop, fake, waiting_intent):
    assert fake.authenticate(waiting_intent.id, ok=True)["status"] == "succeeded"
    again = shop.pay("pm_card_threeDSecure2Required")
    assert again.next_action.type == "use_stripe_sdk"
    assert fake.authenticate(again.id, ok=False)["status"] == "requires_payment_method"


def test_a_decline_after_authentication(shop, fake):
    intent = shop.pay("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    assert intent.status == "requires_action"
    assert fake.authenticate(intent.id, ok=True)["last_payment_error"]["decline_code"] == "insufficient_funds"


def test_authentication_is_impossible_off_session(shop):
    with pytest.raises(stripe.CardError) as caught:
        shop.pay("pm_card_authenticationRequired", off_session=True)
    assert caught.value.code == "authentication_required"
    assert shop.intents.retrieve(caught.value.error.payment_intent.id).status == "requires_payment_method"
