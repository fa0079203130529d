"""Checkouts of a `make run` that are paid by card at its fake Stripe."""

import stripe

from devtools.stripe.fake import API_KEY
from tests.devtools.stripe.browser import visit
from tests.infra.conftest import LocalRun

EVENT, TIER = "summits-v-harbor", "summits-v-harbor-upper"
CARD = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}


def stripe_client(run: LocalRun, key: str = API_KEY):
    """Stripe's SDK, pointed to the run's fake."""
    return stripe.StripeClient(key, base_addresses={"api": run.demo["stripe_url"]}, max_network_retries=0).v1


def checkout(run: LocalRun, user: str, **options: str) -> dict:
    """Reserve two tickets and open a checkout session for them."""
    reservation = run.request("POST", f"/events/{EVENT}/reservations", {"tier_id": TIER, "quantity": 2}, X_User_Id=user)[1]
    body = {"reservation_id": reservation["id"], **options}
    status, session = run.request("POST", "/checkout/sessions", body, X_User_Id=user, Idempotency_Key=reservation["id"])
    assert status == 201
    return session


def pay(run: LocalRun, session: dict) -> None:
    """Pay as the browser does, on the shop's own page or on the hosted page."""
    if "url" in session["payment"]:
        form = {"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ada", "email": "ada@example.com"}
        status, _, return_url = visit(session["payment"]["url"], **form)
        assert (status, return_url.endswith(f"/?checkout_id={session['id']}")) == (303, True)
        return
    secret = session["payment"]["client_secret"]
    details = {"client_secret": secret, "payment_method_data": CARD, "return_url": run.demo["web_url"]}
    intents = stripe_client(run, session["payment"]["publishable_key"]).payment_intents
    assert intents.confirm(secret.partition("_secret_")[0], details).status == "succeeded"
