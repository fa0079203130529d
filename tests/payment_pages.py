"""The two pages on which buyers pay in tests: the shop's own page with Stripe's Payment Element, and Stripe's hosted page."""

from typing import Any

import pytest
import stripe

from devtools.stripe.payment_methods import CARDS
from tests.devtools.stripe.browser import visit

# Test payment methods.
VISA = "pm_card_visa"
DECLINED = "pm_card_visa_chargeDeclinedInsufficientFunds"
AUTHENTICATION_REQUIRED = "pm_card_authenticationRequired"  # 3D Secure
REFUNDS_FAIL = "pm_card_refundFail"
REFUNDS_PENDING = "pm_card_pendingRefund"
BANK_SUCCEEDS, BANK_FAILS = "pm_usBankAccount_success", "pm_usBankAccount_insufficientFunds"  # debits, which take days

RETURN_URL = "https://shop.test/thanks"

# Page -> path of the Stripe object behind the page.
PATH = {"own": "/v1/payment_intents", "hosted": "/v1/checkout/sessions"}
on_either_page = pytest.mark.parametrize("page", PATH)


def is_hosted(session: dict[str, Any]) -> bool:
    """Whether the checkout session is paid on Stripe's hosted page."""
    return "url" in session["payment"]


def payment_intent_id(session: dict[str, Any]) -> str:
    """Return the id of the Payment Intent of a checkout session on the shop's own page."""
    return str(session["payment"]["client_secret"].partition("_secret_")[0])


def pay_with_element(browser: stripe.StripeClient, session: dict[str, Any], card: str) -> str:
    """Confirm the payment as the Payment Element does. Returns an outcome of `StripeShop.pay`."""
    params = {"client_secret": session["payment"]["client_secret"], "payment_method": card, "return_url": RETURN_URL}
    try:
        return str(browser.v1.payment_intents.confirm(payment_intent_id(session), params).status)
    except stripe.CardError:
        return "declined"
    except stripe.InvalidRequestError:
        return "closed"


def pay_on_hosted_page(stripe_url: str, session: dict[str, Any], card: str) -> tuple[str, str | None]:
    """Fill in the hosted page as a browser does. Returns an outcome of `StripeShop.pay` and the address that the page redirects to."""
    form = {"number": CARDS[card].number, "expiry": "12/34", "cvc": "123", "name": "Ada", "email": "ada@example.com"}
    status, html, address = visit(session["payment"]["url"], **form)
    if status != 303:
        return {402: "declined", 410: "closed"}.get(status, html), address
    return "requires_action" if str(address).startswith(stripe_url) else "succeeded", address
