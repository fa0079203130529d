"""Requests: keys, versions, unknown objects and URLs, idempotency, faults as the SDK sees them, and the log."""

import base64
import json
import threading
import urllib.error
import urllib.request

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.browser import OPENER
from tests.devtools.stripe.sdk_shop import SdkShop, sdk_client


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


def test_an_endpoint_accepts_a_limited_number_of_requests_in_a_second(shop, fake, clock):
    fake.limit_endpoints(2)
    intents = [shop.create_intent() for _ in range(2)]
    with pytest.raises(stripe.RateLimitError):
        shop.create_intent()
    assert [shop.intents.retrieve(intent.id).id for intent in intents] == [intent.id for intent in intents], "another endpoint"
    with pytest.raises(stripe.RateLimitError):
        shop.intents.retrieve(intents[0].id)
    clock.advance(1)
    assert shop.create_intent().status == "requires_payment_method"
    fake.limit_endpoints(None)
    assert [shop.create_intent().status for _ in range(3)] == ["requires_payment_method"] * 3


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


def replay_flags(fake):
    return [call.replayed for call in fake.request_log]


def test_the_same_request_gets_the_same_response(shop, fake):
    first, second = shop.create_intent(key="k1"), shop.create_intent(key="k1")
    assert first.id == second.id
    assert first.last_response.headers["Request-Id"] != second.last_response.headers["Request-Id"]
    assert second.last_response.headers["Idempotent-Replayed"] == "true"
    assert second.last_response.headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert replay_flags(fake) == [False, True]
    assert len(shop.intents.list().data) == 1


def test_the_response_shows_the_object_as_it_was(shop):
    intent = shop.create_intent(key="k1")
    shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert shop.create_intent(key="k1").status == "requires_payment_method"


def test_other_parameters_are_refused(shop):
    shop.create_intent(key="k1")
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as caught:
        shop.create_intent(5001, key="k1")
    assert (caught.value.http_status, caught.value.error.type) == (400, "idempotency_error")


def test_another_endpoint_is_refused(shop):
    intent = shop.create_intent(key="k1")
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        shop.intents.confirm(intent.id, {"payment_method": "pm_card_visa"}, {"idempotency_key": "k1"})


def test_errors_are_saved_after_processing_began(shop):
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa_chargeDeclined")
    assert caught.value.headers["Idempotent-Replayed"] == "true"
    assert len(shop.charges.list().data) == 1


@pytest.mark.parametrize("wrong", [{"amount": "many"}, {"color": "red"}])
def test_parameters_that_fail_validation_leave_the_key_free(shop, wrong):
    with pytest.raises(stripe.InvalidRequestError):
        shop.create_intent(key="k1", **wrong)
    assert shop.create_intent(key="k1").amount == 5000


def test_errors_before_processing_leave_the_key_free(shop, fake):
    for status, kind in ((429, stripe.RateLimitError), (500, stripe.APIError)):
        fake.fail_next_request("POST", "/v1/payment_intents", status=status)
        with pytest.raises(kind):
            shop.create_intent(key="k1")
    assert shop.create_intent(key="k1").amount == 5000


def test_a_key_is_free_again_after_a_day(shop, clock):
    first = shop.create_intent(key="k1")
    clock.advance(24 * 3600 - 1)
    assert shop.create_intent(key="k1").id == first.id
    clock.advance(1)
    assert shop.create_intent(key="k1", amount=7000).id != first.id


def test_a_key_is_in_use_while_its_first_request_is_processed(shop, fake):
    held = fake.hold_next_request("POST", "/v1/payment_intents")
    intents = []
    first = threading.Thread(target=lambda: intents.append(shop.create_intent(key="k1")))
    first.start()
    assert held.arrived.wait(60)
    with pytest.raises(stripe.APIError) as caught:
        shop.create_intent(key="k1")
    assert (caught.value.http_status, caught.value.error.code) == (409, "idempotency_key_in_use")
    other = shop.create_intent(key="k2")
    held.release()
    first.join(60)
    assert shop.create_intent(key="k1").id == intents[0].id != other.id


def test_sixteen_concurrent_requests_make_one_charge(shop):
    ids, refused = set(), []
    ready = threading.Barrier(16)

    def call():
        ready.wait()
        try:
            ids.add(shop.create_intent(key="k1", confirm=True, payment_method="pm_card_visa").id)
        except stripe.APIError as error:
            refused.append(error.http_status)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ids) == 1
    assert set(refused) <= {409}
    assert len(shop.charges.list().data) == 1


def test_maximum_length(shop):
    with pytest.raises(stripe.IdempotencyError):
        shop.create_intent(key="k" * 256)
    assert shop.create_intent(key="k" * 255).amount == 5000


@pytest.mark.parametrize("key", ["sk_test_somebody_else", "sk_live_fairgate_local_fake"])
def test_wrong_keys(fake, key):
    with pytest.raises(stripe.AuthenticationError, match=r"Invalid API Key provided: sk_\w+\*+\w{4}$") as caught:
        sdk_client(fake, key).v1.charges.list()
    assert caught.value.http_status == 401


def test_only_the_pinned_version_is_supported(shop, fake):
    assert fake.api_version == stripe.api_version
    assert shop.charges.list().last_response.headers["Stripe-Version"] == fake.api_version
    with pytest.raises(stripe.InvalidRequestError, match="version"):
        shop.client.v1.charges.list({}, {"stripe_version": "2020-08-27"})


def test_unknown_objects_and_urls(shop):
    for call in (shop.intents.retrieve, shop.charges.retrieve, shop.refunds.retrieve, shop.disputes.retrieve, shop.events.retrieve):
        with pytest.raises(stripe.InvalidRequestError, match="No such") as caught:
            call("xx_nobody")
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        shop.client.v1.topups.create({"amount": 100, "currency": "usd"})


def test_errors_have_the_id_of_their_request(shop, fake):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create_intent(49)
    assert caught.value.request_id == next(iter(fake.request_log)).request_id
    assert caught.value.error.doc_url == "https://stripe.com/docs/error-codes/amount-too-small"


def test_missing_key(fake):
    for path in ("/v1/charges", "/v1/nothing"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            OPENER.open(f"{fake.url}{path}", timeout=60)
        caught.value.close()
        assert caught.value.status == 401


def test_key_in_basic_authentication(fake):
    credentials = base64.b64encode(f"{fake.api_key}:".encode()).decode()
    request = urllib.request.Request(f"{fake.url}/v1/charges", headers={"Authorization": f"Basic {credentials}"})
    with OPENER.open(request, timeout=60) as response:
        assert json.loads(response.read())["data"] == []
