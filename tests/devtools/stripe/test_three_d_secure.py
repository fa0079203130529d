"""Payments that wait for the buyer's bank: through the page, through the knob, and when it fails."""

from urllib.parse import parse_qs, urlsplit

import pytest
import stripe

from tests.devtools.stripe.browser import visit


@pytest.fixture
def waiting(shop):
    return shop.paid("pm_card_authenticationRequired", return_url="https://shop.test/back?order=1")


def test_it_waits(shop, waiting):
    assert (waiting.status, waiting.next_action.type) == ("requires_action", "redirect_to_url")
    assert waiting.next_action.redirect_to_url.return_url == "https://shop.test/back?order=1"
    assert shop.kinds() == ["payment_intent.created", "payment_intent.requires_action"]
    assert waiting.latest_charge is None


def test_the_page_completes_it(shop, waiting):
    page = waiting.next_action.redirect_to_url.url
    status, html, _ = visit(page)
    assert (status, "50.00 USD" in html) == (200, True)
    status, _, back = visit(page, outcome="complete")
    facts = parse_qs(urlsplit(back).query)
    assert (status, facts["order"], facts["redirect_status"], facts["payment_intent"]) == (303, ["1"], ["succeeded"], [waiting.id])
    intent = shop.intents.retrieve(waiting.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.next_action) == ("succeeded", None)
    assert intent.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"


def test_the_page_fails_it_and_another_card_pays(shop, waiting):
    _, _, back = visit(waiting.next_action.redirect_to_url.url, outcome="fail")
    assert parse_qs(urlsplit(back).query)["redirect_status"] == ["failed"]
    intent = shop.intents.retrieve(waiting.id)
    assert (intent.status, intent.last_payment_error.code) == ("requires_payment_method", "payment_intent_authentication_failure")
    assert shop.kinds()[-1] == "payment_intent.payment_failed"
    assert shop.intents.confirm(waiting.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_the_knob(shop, fake, waiting):
    assert fake.authenticate(waiting.id, ok=True)["status"] == "succeeded"
    again = shop.paid("pm_card_threeDSecure2Required")
    assert again.next_action.type == "use_stripe_sdk"
    assert fake.authenticate(again.id, ok=False)["status"] == "requires_payment_method"


def test_authenticated_and_declined_all_the_same(shop, fake):
    intent = shop.paid("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    assert intent.status == "requires_action"
    assert fake.authenticate(intent.id, ok=True)["last_payment_error"]["decline_code"] == "insufficient_funds"


def test_canceled_while_it_waits(shop, waiting):
    assert shop.intents.cancel(waiting.id).status == "canceled"
    status, _, back = visit(waiting.next_action.redirect_to_url.url, outcome="complete")
    assert (status, "redirect_status=failed" in back) == (303, True)
    assert shop.intents.retrieve(waiting.id).status == "canceled"


def test_nobody_there_to_authenticate(shop):
    with pytest.raises(stripe.CardError) as caught:
        shop.paid("pm_card_authenticationRequired", off_session=True)
    assert caught.value.code == "authentication_required"
    assert shop.intents.retrieve(caught.value.error.payment_intent.id).status == "requires_payment_method"


def test_only_who_knows_the_secret_sees_the_page(fake, waiting):
    assert visit(f"{fake.url}/3d_secure/{waiting.id}_secret_guess")[0] == 404
