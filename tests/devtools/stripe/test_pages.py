"""The pages for browsers: a Checkout Session's hosted page, and the bank's page for 3D Secure."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.devtools.stripe.browser import CARD_FORM, OPENER, visit


def test_payment_on_the_page(shop):
    session = shop.create_session(
        metadata={"purchase": "p1"}, payment_intent_data={"metadata": {"purchase": "p1"}}, client_reference_id="p1"
    )
    assert (session.status, session.payment_status, session.amount_total, session.payment_intent) == ("open", "unpaid", 5000, None)
    status, html, _ = visit(session.url)
    assert (status, "2 × Standing" in html, "50.00 USD" in html) == (200, True, True)
    assert "Never type a real card" in html.partition("<form")[0]
    assert "cc-number" not in html
    assert "<code>4000 0000 0000 9995</code></td><td>has insufficient funds" in html
    status, _, back = visit(session.url, **CARD_FORM)
    assert (status, back) == (303, f"https://shop.test/ok?s={session.id}")
    session = shop.sessions.retrieve(session.id, {"expand": ["payment_intent.latest_charge", "line_items"]})
    assert (session.status, session.payment_status, session.url) == ("complete", "paid", None)
    assert session.customer_details.email == "ann@example.com"
    assert (session.payment_intent.status, session.payment_intent.metadata["purchase"]) == ("succeeded", "p1")
    assert (session.line_items.data[0].quantity, session.line_items.data[0].amount_total) == (2, 5000)
    assert shop.event_types()[-3:] == ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]
    assert visit(f"{shop.fake.url}/c/pay/{session.id}")[2] == back
    assert [listed.id for listed in shop.sessions.list({"payment_intent": session.payment_intent.id}).data] == [session.id]
    assert shop.sessions.line_items.list(session.id).data[0].description == "Standing"


def test_decline_then_payment(shop):
    session = shop.create_session()
    status, html, _ = visit(session.url, **{**CARD_FORM, "number": "4000000000009995"})
    assert (status, "Your card has insufficient funds." in html) == (402, True)
    assert shop.sessions.retrieve(session.id).status == "open"
    assert visit(session.url, **{**CARD_FORM, "expiry": "soon"})[0] == 402
    assert visit(session.url, **CARD_FORM)[0] == 303
    intents = shop.intents.list().data
    assert [intent.status for intent in intents] == ["succeeded"]


@pytest.mark.parametrize(("outcome", "status"), [("complete", "complete"), ("fail", "open")])
def test_payment_with_three_d_secure(shop, outcome, status):
    session = shop.create_session()
    _, _, bank = visit(session.url, **{**CARD_FORM, "number": "4000002500003155"})
    _, _, back = visit(bank, outcome=outcome)
    assert back == f"{session.url}/done"
    code, html, onward = visit(back)
    assert (code, onward) == ((303, f"https://shop.test/ok?s={session.id}") if outcome == "complete" else (200, None))
    assert ("could not be authenticated" in html) == (outcome == "fail")
    assert shop.sessions.retrieve(session.id).status == status


def test_names_are_escaped(shop):
    line = {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "<script>x</script>"}}}
    html = visit(shop.create_session(line_items=[line]).url)[1]
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_complete_authentication(shop, waiting_intent):
    page = waiting_intent.next_action.redirect_to_url.url
    status, html, _ = visit(page)
    assert (status, "50.00 USD" in html) == (200, True)
    status, _, back = visit(page, outcome="complete")
    query = parse_qs(urlsplit(back).query)
    assert (status, query["order"], query["redirect_status"], query["payment_intent"]) == (303, ["1"], ["succeeded"], [waiting_intent.id])
    intent = shop.intents.retrieve(waiting_intent.id, {"expand": ["latest_charge"]})
    assert (intent.status, intent.next_action) == ("succeeded", None)
    assert intent.latest_charge.payment_method_details.card.three_d_secure.result == "authenticated"


def test_fail_authentication_then_pay_with_another_card(shop, waiting_intent):
    _, _, back = visit(waiting_intent.next_action.redirect_to_url.url, outcome="fail")
    assert parse_qs(urlsplit(back).query)["redirect_status"] == ["failed"]
    intent = shop.intents.retrieve(waiting_intent.id)
    assert (intent.status, intent.last_payment_error.code) == ("requires_payment_method", "payment_intent_authentication_failure")
    assert shop.event_types()[-1] == "payment_intent.payment_failed"
    assert shop.intents.confirm(waiting_intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_the_intent_is_cancelled_meanwhile(shop, waiting_intent):
    assert shop.intents.cancel(waiting_intent.id).status == "canceled"
    status, _, back = visit(waiting_intent.next_action.redirect_to_url.url, outcome="complete")
    assert (status, "redirect_status=failed" in back) == (303, True)
    assert shop.intents.retrieve(waiting_intent.id).status == "canceled"


def test_the_page_requires_the_client_secret(fake, waiting_intent):
    assert visit(f"{fake.url}/3d_secure/{waiting_intent.id}_secret_guess")[0] == 404


def test_the_front_page(fake):
    with OPENER.open(fake.url, timeout=60) as response:
        assert b"stands in for Stripe" in response.read()
