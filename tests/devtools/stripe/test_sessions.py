"""Checkout Sessions: opened and expired through the SDK, paid on the hosted page."""

import pytest
import stripe

from devtools.stripe.errors import StripeApiError
from tests.devtools.stripe.browser import visit

CARD = {"email": "ann@example.com", "number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ann"}


def test_opened_and_paid_on_the_page(shop):
    session = shop.session(metadata={"purchase": "p1"}, payment_intent_data={"metadata": {"purchase": "p1"}}, client_reference_id="p1")
    assert (session.status, session.payment_status, session.amount_total, session.payment_intent) == ("open", "unpaid", 5000, None)
    status, html, _ = visit(session.url)
    assert (status, "2 × Standing" in html, "50.00 USD" in html) == (200, True, True)
    assert "Never type a real card" in html.partition("<form")[0]
    assert "cc-number" not in html
    assert "<code>4000 0000 0000 9995</code></td><td>has insufficient funds" in html
    status, _, back = visit(session.url, **CARD)
    assert (status, back) == (303, f"https://shop.test/ok?s={session.id}")
    session = shop.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert session.customer_details.email == "ann@example.com"
    assert (session.payment_intent.status, session.payment_intent.metadata["purchase"]) == ("succeeded", "p1")
    assert (session.line_items.data[0].quantity, session.line_items.data[0].amount_total) == (2, 5000)
    assert shop.kinds()[-3:] == ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]
    assert visit(f"{shop.fake.url}/c/pay/{session.id}")[2] == back
    assert [one.id for one in shop.sessions.list({"payment_intent": session.payment_intent.id}).data] == [session.id]
    assert shop.sessions.line_items.list(session.id).data[0].description == "Standing"


def test_declined_then_paid(shop):
    session = shop.session()
    status, html, _ = visit(session.url, **{**CARD, "number": "4000000000009995"})
    assert (status, "Your card has insufficient funds." in html) == (402, True)
    assert shop.sessions.retrieve(session.id).status == "open"
    assert visit(session.url, **{**CARD, "expiry": "soon"})[0] == 402
    assert visit(session.url, **CARD)[0] == 303
    intents = shop.intents.list().data
    assert [intent.status for intent in intents] == ["succeeded"]


@pytest.mark.parametrize(("outcome", "status"), [("complete", "complete"), ("fail", "open")])
def test_three_d_secure(shop, outcome, status):
    session = shop.session()
    _, _, bank = visit(session.url, **{**CARD, "number": "4000002500003155"})
    _, _, back = visit(bank, outcome=outcome)
    assert back == f"{session.url}/done"
    code, html, onward = visit(back)
    assert (code, onward) == ((303, f"https://shop.test/ok?s={session.id}") if outcome == "complete" else (200, None))
    assert ("could not be authenticated" in html) == (outcome == "fail")
    assert shop.sessions.retrieve(session.id).status == status


def test_expired_by_a_call(shop):
    session = shop.session()
    visit(session.url, **{**CARD, "number": "4000002500003155"})
    expired = shop.sessions.expire(session.id, {"expand": ["payment_intent"]})
    assert (expired.status, expired.url) == ("expired", None)
    assert (expired.payment_intent.status, expired.payment_intent.cancellation_reason) == ("canceled", "expired")
    assert visit(session.url)[0] == 410
    assert visit(session.url, **CARD)[0] == 410
    with pytest.raises(stripe.InvalidRequestError, match=r"Only Checkout Sessions with a status in \[\"open\"\] can be expired"):
        shop.sessions.expire(session.id)
    assert shop.kinds()[-2:] == ["payment_intent.canceled", "checkout.session.expired"]


def test_expired_by_time(shop, clock):
    session = shop.session(expires_at=int(clock.now) + 1800)
    clock.advance(1799)
    assert shop.sessions.retrieve(session.id).status == "open"
    clock.advance(1)
    assert shop.sessions.retrieve(session.id).status == "expired"


@pytest.mark.parametrize("seconds", [1799, 24 * 3600 + 1])
def test_when_it_may_expire(shop, clock, seconds):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.session(expires_at=int(clock.now) + seconds)
    assert caught.value.param == "expires_at"


def test_its_payment_intent_is_its_own(shop):
    session = shop.session()
    visit(session.url, **{**CARD, "number": "4000002500003155"})
    intent = shop.sessions.retrieve(session.id).payment_intent
    for call in (shop.intents.cancel, shop.intents.confirm):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call(intent)
        assert caught.value.code == "payment_intent_unexpected_state"


def test_prices_and_promotions(shop, fake):
    fake.add_price("price_fest-pass", unit_amount=9900, currency="usd", name="Festival pass")
    coupon = shop.client.v1.coupons.create({"amount_off": 1000, "currency": "usd", "duration": "once", "max_redemptions": 1})
    given = {"line_items": [{"price": "price_fest-pass", "quantity": 1}], "discounts": [{"coupon": coupon.id}]}
    session = shop.session(**given)
    assert (session.amount_subtotal, session.total_details.amount_discount, session.amount_total) == (9900, 1000, 8900)
    assert fake.pay_session(session.id)["payment_status"] == "paid"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.session(**given)
    assert caught.value.code == "coupon_expired"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.session(line_items=[{"price": "price_nobody", "quantity": 1}])
    assert (caught.value.code, caught.value.param) == ("resource_missing", "line_items[0][price]")


def test_prices_and_price_data_in_one_session(shop, fake):
    fake.add_price("price_upper", unit_amount=2000, currency="usd", name="Upper")
    fee = {"price_data": {"currency": "usd", "unit_amount": 150, "product_data": {"name": "Fee"}}, "quantity": 3}
    coupon = shop.client.v1.coupons.create({"amount_off": 1000, "currency": "usd"})
    session = shop.session(
        line_items=[{"price": "price_upper", "quantity": 3}, fee],
        discounts=[{"coupon": coupon.id}],
        metadata={"purchase": "p1"},
        payment_intent_data={"metadata": {"purchase": "p1"}},
        client_reference_id="p1",
    )
    assert (session.client_reference_id, session.metadata["purchase"]) == ("p1", "p1")
    lines = [(one.description, one.quantity, one.amount_subtotal) for one in shop.sessions.line_items.list(session.id).data]
    assert lines == [("Upper", 3, 6000), ("Fee", 3, 450)]
    paid = fake.pay_session(session.id)
    intent = shop.intents.retrieve(paid["payment_intent"])
    assert (intent.amount, intent.amount_received, intent.metadata["purchase"]) == (5450, 5450, "p1")


def test_a_price_may_be_told_again_and_be_another_one(shop, fake):
    for amount in (2000, 2000, 2500):
        fake.add_price("price_upper", unit_amount=amount, currency="USD", name="Upper")
    assert shop.client.v1.prices.retrieve("price_upper").unit_amount == 2500
    assert shop.session(line_items=[{"price": "price_upper", "quantity": 1}]).currency == "usd"


def test_what_is_paid_is_not_expired(shop, fake):
    session = fake.pay_session(shop.session().id)
    with pytest.raises(stripe.InvalidRequestError, match="has a status of `complete`") as caught:
        shop.sessions.expire(session["id"])
    # Stripe has no code for this: the status of the session, fetched again, says what happened.
    assert (caught.value.http_status, caught.value.code) == (400, None)
    assert shop.sessions.retrieve(session["id"]).payment_status == "paid"


def test_nothing_to_pay(shop, fake):
    coupon = shop.client.v1.coupons.create({"percent_off": 100})
    session = shop.session(discounts=[{"coupon": coupon.id}])
    assert (session.amount_total, session.payment_status) == (0, "no_payment_required")
    assert fake.pay_session(session.id)["status"] == "complete"


@pytest.mark.parametrize(("fails", "payment_status", "kind"), [(False, "paid", "succeeded"), (True, "unpaid", "failed")])
def test_paid_from_a_bank_account(shop, fake, fails, payment_status, kind):
    session = fake.pay_session_by_bank(shop.session().id, fails=fails)
    assert (session["status"], session["payment_status"], shop.kinds()[-1]) == ("complete", "unpaid", "checkout.session.completed")
    fake.complete_pending()
    assert shop.sessions.retrieve(session["id"]).payment_status == payment_status
    assert shop.kinds()[-1] == f"checkout.session.async_payment_{kind}"


def test_the_knob_declines_as_the_page_does(shop, fake):
    session = shop.session()
    with pytest.raises(StripeApiError, match="Your card was declined"):
        fake.pay_session(session.id, "4000000000000002")
    assert shop.sessions.retrieve(session.id).status == "open"


def test_pages_escape_what_they_show(shop):
    line = {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<script>x</script>"}}}
    html = visit(shop.session(line_items=[line]).url)[1]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


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
def test_sessions_that_cannot_be(shop, given, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.session(**given)
    assert caught.value.param == param


@pytest.mark.parametrize("given", [{}, {"amount_off": 5}, {"amount_off": 5, "currency": "usd", "percent_off": 5}, {"percent_off": 101}])
def test_coupons_that_cannot_be(shop, given):
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.coupons.create(given)


def test_a_coupon_has_one_id(shop):
    shop.client.v1.coupons.create({"id": "SPRING", "percent_off": 10})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.client.v1.coupons.create({"id": "SPRING", "percent_off": 20})
    assert caught.value.code == "resource_already_exists"
