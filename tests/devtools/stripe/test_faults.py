"""Faults as the SDK sees them: errors, lost responses, delays."""

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.sdk_shop import SdkShop, sdk_client

PATH = "/v1/payment_intents"


@pytest.mark.parametrize(
    ("status", "kind", "error"), [(429, stripe.RateLimitError, "rate_limit"), (500, stripe.APIError, None), (503, stripe.APIError, None)]
)
def test_failed_requests_are_not_executed(shop, fake, status, kind, error):
    fake.fail_next_request("POST", PATH, status=status, times=2)
    for _ in range(2):
        with pytest.raises(kind) as caught:
            shop.create_intent()
        assert (caught.value.http_status, caught.value.error.code) == (status, error)
    assert shop.intents.list().data == []
    assert shop.create_intent().status == "requires_payment_method"


def test_a_fault_strikes_only_matching_requests(shop, fake):
    fake.fail_next_request("POST", f"{PATH}/*/confirm", status=500)
    intent = shop.create_intent()
    assert shop.intents.retrieve(intent.id).id == intent.id
    with pytest.raises(stripe.APIError):
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_an_executed_request_may_fail(shop, fake):
    fake.fail_next_request("POST", PATH, status=500, execute=True)
    with pytest.raises(stripe.APIError):
        shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa")
    assert [intent.status for intent in shop.intents.list().data] == ["succeeded"]
    assert shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa").id == shop.intents.list().data[0].id


@pytest.mark.parametrize(("effect", "made"), [(True, 1), (False, 0)])
def test_a_lost_response(shop, fake, effect, made):
    fake.lose_next_response("POST", PATH, execute=effect)
    with pytest.raises(stripe.APIConnectionError):
        shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa")
    assert len(shop.charges.list().data) == made
    assert shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa").status == "succeeded"
    assert len(shop.charges.list().data) == 1
    assert [call.status for call in fake.request_log if call.method == "POST"] == [0, 200]


def test_a_response_that_never_comes(shop, fake):
    hasty = sdk_client(fake, fake.api_key, timeout=1)
    fake.lose_next_response("POST", PATH, how="hang")
    with pytest.raises(stripe.APIConnectionError, match="Timeout"):
        hasty.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
    assert len(shop.intents.list().data) == 1


def test_the_retries_of_the_sdk_reuse_its_key(shop, fake, monkeypatch):
    monkeypatch.setattr("stripe._http_client.time.sleep", lambda seconds: None)
    patient = sdk_client(fake, fake.api_key, retries=3)
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


def test_a_delayed_request(clock):
    waited = []
    with FakeStripe(clock=clock, sleep=waited.append) as fake:
        fake.delay_next_request("*", PATH, seconds=7.5)
        SdkShop(fake).create_intent()
        SdkShop(fake).create_intent()
    assert waited == [7.5]
