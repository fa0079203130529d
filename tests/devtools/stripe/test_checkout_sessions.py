"""Checkout Sessions: their expiry, payment and payment intents."""

import pytest
import stripe

from devtools.stripe.wire_format import StripeApiError
from tests.devtools.stripe.browser import CARD_FORM, visit


def test_expire_by_a_call(shop):
    session = shop.create_session()
    visit(session.url, **{**CARD_FORM, "number": "4000002500003155"})
    expired = shop.sessions.expire(session.id, {"expand": ["payment_intent"]})
    assert (expired.status, expired.url) == ("expired", None)
    assert (expired.payment_intent.status, expired.payment_intent.cancellation_reason) == ("canceled", "expired")
    assert visit(session.url)[0] == 410
    assert visit(session.url, **CARD_FORM)[0] == 410
    with pytest.raises(stripe.InvalidRequestError, match=r"Only Checkout Sessions with a status in \[\"open\"\] can be expired"):
        shop.sessions.expire(session.id)
    assert shop.event_types()[-2:] == ["payment_intent.canceled", "checkout.session.expired"]


def test_expire_by_time(shop, clock):
    session = shop.create_session(expires_at=int(clock.now) + 1800)
    clock.advance(1799)
    assert shop.sessions.retrieve(session.id).status == "open"
    clock.advance(1)
    assert shop.sessions.retrieve(session.id).status == "expired"


@pytest.mark.parametrize("seconds", [1799, 24 * 3600 + 1])
def test_expiry_times_that_are_refused(shop, clock, seconds):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create_session(expires_at=int(clock.now) + seconds)
    assert caught.value.param == "expires_at"


def test_the_payment_intent_of_a_session_cannot_be_used_directly(shop):
    session = shop.create_session()
    visit(session.url, **{**CARD_FORM, "number": "4000002500003155"})
    intent = shop.sessions.retrieve(session.id).payment_intent
    for call in (shop.intents.cancel, shop.intents.confirm):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(intent)
        assert caught.value.code == "payment_intent_unexpected_state"


def test_a_paid_session_cannot_expire(shop, fake):
    session = fake.pay_session(shop.create_session().id)
    with pytest.raises(stripe.InvalidRequestError, match="has a status of `complete`") as caught:
        shop.sessions.expire(session["id"])
    # Stripe has no code for this: the status of the session, fetched again, says what happened.
    assert (caught.value.http_status, caught.value.code) == (400, None)
    assert shop.sessions.retrieve(session["id"]).payment_status == "paid"


def test_a_session_with_nothing_to_pay(shop, fake):
    coupon = shop.client.v1.coupons.create({"percent_off": 100})
    session = shop.create_session(discounts=[{"coupon": coupon.id}])
    assert (session.amount_total, session.payment_status) == (0, "no_payment_required")
    assert fake.pay_session(session.id)["status"] == "complete"


@pytest.mark.parametrize(("fails", "payment_status", "kind"), [(False, "paid", "succeeded"), (True, "unpaid", "failed")])
def test_payment_from_a_bank_account(shop, fake, fails, payment_status, kind):
    session = fake.pay_session_by_bank(shop.create_session().id, fails=fails)
    assert (session["status"], session["payment_status"], shop.event_types()[-1]) == ("complete", "unpaid", "checkout.session.completed")
    fake.complete_pending()
    assert shop.sessions.retrieve(session["id"]).payment_status == payment_status
    assert shop.event_types()[-1] == f"checkout.session.async_payment_{kind}"


def test_pay_session_raises_the_error_of_a_decline(shop, fake):
    session = shop.create_session()
    with pytest.raises(StripeApiError, match="Your card was declined"):
        fake.pay_session(session.id, "4000000000000002")
    assert shop.sessions.retrieve(session.id).status == "open"


LINE = {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "One"}}}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"line_items": [{"quantity": 1}]}, "line_items[0]"),
        ({"line_items": [{"price": "price_1", **LINE}]}, "line_items[0]"),
        ({"line_items": [{"price_data": LINE["price_data"]}]}, "line_items[0][quantity]"),
        ({"line_items": [{"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 5}}]}, "line_items[0][price_data][product_data]"),
        ({"line_items": [LINE, {**LINE, "price_data": {**LINE["price_data"], "currency": "eur"}}]}, "line_items"),
        ({"line_items": []}, "line_items"),
        ({"success_url": None}, "success_url"),
        ({"mode": "subscription"}, "mode"),
        ({"ui_mode": "elements"}, "ui_mode"),
        ({"discounts": [{"coupon": "nobody"}]}, "discounts[0][coupon]"),
    ],
)
def test_sessions_that_are_refused(shop, given, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create_session(**given)
    assert caught.value.param == param
