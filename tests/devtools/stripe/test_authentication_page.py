"""The bank's page for 3D Secure."""

from urllib.parse import parse_qs, urlsplit

from tests.devtools.stripe.browser import visit


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


def test_the_intent_is_canceled_meanwhile(shop, waiting_intent):
    assert shop.intents.cancel(waiting_intent.id).status == "canceled"
    status, _, back = visit(waiting_intent.next_action.redirect_to_url.url, outcome="complete")
    assert (status, "redirect_status=failed" in back) == (303, True)
    assert shop.intents.retrieve(waiting_intent.id).status == "canceled"


def test_the_page_requires_the_client_secret(fake, waiting_intent):
    assert visit(f"{fake.url}/3d_secure/{waiting_intent.id}_secret_guess")[0] == 404
