"""The log of requests."""

import pytest
import stripe

PATH = "/v1/payment_intents"


def test_requests_are_logged_and_counted(shop, fake):
    intent = shop.create_intent(key="k1")
    form = {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}}
    shop.browser.v1.payment_intents.confirm(intent.id, {"payment_method_data": form, "client_secret": intent.client_secret})
    with pytest.raises(stripe.InvalidRequestError):
        shop.intents.cancel(intent.id)
    assert fake.request_log.counts == {f"POST {PATH}": 1, f"POST {PATH}/:id/confirm": 1, f"POST {PATH}/:id/cancel": 1}
    first, second, third = fake.request_log
    assert (first.idempotency_key, first.params["amount"], first.status) == ("k1", "5000", 200)
    assert second.params["client_secret"] == second.params["payment_method_data"]["card"]["number"] == "[redacted]"
    assert second.params["payment_method_data"]["card"]["number"] == second.params["payment_method_data"]["card"]["cvc"] == "[redacted]"
    assert (third.path, third.status, third.error) == (f"{PATH}/{intent.id}/cancel", 400, "payment_intent_unexpected_state")
    fake.request_log.clear()
    assert (len(fake.request_log), fake.request_log.counts) == (0, {})
