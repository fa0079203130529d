"""Faults as the SDK feels them: limits, errors, lost answers, slowness; and the log of calls."""

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.conftest import Shop, sdk

PATH = "/v1/payment_intents"


@pytest.mark.parametrize(
    ("status", "kind", "error"), [(429, stripe.RateLimitError, "rate_limit"), (500, stripe.APIError, None), (503, stripe.APIError, None)]
)
def test_the_next_calls_fail_without_effect(shop, fake, status, kind, error):
    fake.fail_next_request("POST", PATH, status=status, times=2)
    for _ in range(2):
        with pytest.raises(kind) as caught:
            shop.open()
        assert (caught.value.http_status, caught.value.error.code) == (status, error)
    assert shop.intents.list().data == []
    assert shop.open().status == "requires_payment_method"


def test_a_fault_strikes_only_its_call(shop, fake):
    fake.fail_next_request("POST", f"{PATH}/*/confirm", status=500)
    intent = shop.open()
    assert shop.intents.retrieve(intent.id).id == intent.id
    with pytest.raises(stripe.APIError):
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_it_worked_but_says_500(shop, fake):
    fake.fail_next_request("POST", PATH, status=500, execute=True)
    with pytest.raises(stripe.APIError):
        shop.open(key="k1", confirm=True, payment_method="pm_card_visa")
    assert [intent.status for intent in shop.intents.list().data] == ["succeeded"]
    assert shop.open(key="k1", confirm=True, payment_method="pm_card_visa").id == shop.intents.list().data[0].id


@pytest.mark.parametrize(("effect", "made"), [(True, 1), (False, 0)])
def test_the_answer_is_lost(shop, fake, effect, made):
    fake.lose_next_response("POST", PATH, execute=effect)
    with pytest.raises(stripe.APIConnectionError):
        shop.open(key="k1", confirm=True, payment_method="pm_card_visa")
    assert len(shop.charges.list().data) == made
    assert shop.open(key="k1", confirm=True, payment_method="pm_card_visa").status == "succeeded"
    assert len(shop.charges.list().data) == 1
    assert [call.status for call in fake.request_log if call.method == "POST"] == [0, 200]


def test_the_answer_never_comes(shop, fake):
    hasty = sdk(fake, fake.api_key, timeout=0.05)
    fake.lose_next_response("POST", PATH, how="hang")
    with pytest.raises(stripe.APIConnectionError, match="Timeout"):
        hasty.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
    assert len(shop.intents.list().data) == 1


def test_the_retries_of_the_sdk_reuse_its_key(shop, fake, monkeypatch):
    monkeypatch.setattr("stripe._http_client.time.sleep", lambda seconds: None)
    patient = sdk(fake, fake.api_key, retries=3)
    fake.lose_next_response("POST", PATH)
    fake.fail_next_request("POST", PATH, status=503)
    patient.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
    calls = [call for call in fake.request_log if call.method == "POST"]
    assert [call.status for call in calls] == [0, 503, 200]
    assert len({call.idempotency_key for call in calls}) == 1
    assert len(shop.intents.list().data) == 1
    fake.fail_next_request("POST", PATH, status=503, should_retry=False)
    with pytest.raises(stripe.APIError):
        patient.v1.payment_intents.create({"amount": 5000, "currency": "usd"})


def test_slow(clock):
    waited = []
    with FakeStripe(clock=clock, sleep=waited.append) as fake:
        fake.delay_next_request("*", PATH, seconds=7.5)
        Shop(fake).open()
        Shop(fake).open()
    assert waited == [7.5]


def test_calls_are_logged_and_counted(shop, fake):
    intent = shop.open(key="k1")
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


def test_an_answer_takes_a_few_milliseconds(shop, fake):
    """Without TCP_NODELAY each call waits 40 ms for an acknowledgement: 50 calls would take 2 s."""
    import time

    intent = shop.open()
    start = time.perf_counter()
    for _ in range(50):
        shop.intents.retrieve(intent.id)
    assert time.perf_counter() - start < 1.5
