"""Calls to Stripe over HTTP that fail or are lost, the keys that a stage takes, and what is never logged."""

import pytest

from chalicelib.edge import error_replies
from chalicelib.foundation import clock, settings
from chalicelib.payments.providers import stripe, stripe_http
from tests.payment_pages import PATH, on_either_page
from tests.stripe_shop import over_http

# The status of the response, and after how many of them the SDK gives up: it repeats server errors, but not "too many requests".
STRIPE_IS_DOWN = pytest.mark.parametrize(("status", "times"), [(429, 1), (500, 3), (503, 3)])


@pytest.fixture(autouse=True)
def _http(shop):
    with over_http():
        yield


@on_either_page
@STRIPE_IS_DOWN
def test_a_checkout_gets_503_while_stripe_is_down_and_can_be_tried_again(shop, page, status, times):
    reservation_id = shop.reserve()
    shop.fake.fail_next_request("POST", PATH[page], status=status, times=times)
    refused = shop.request_checkout(reservation_id, page=page)
    assert (refused.status, refused.json["error"]) == (503, "payment_provider_unavailable")
    assert refused.headers["retry-after"] == "5"
    again = shop.request_checkout(reservation_id, page=page)
    assert again.status in (200, 201)
    assert again.json["payment"]["client_secret" if page == "own" else "url"]


@on_either_page
@STRIPE_IS_DOWN
def test_a_confirmation_gets_503_while_stripe_is_down_and_can_retry(shop, page, status, times):
    session = shop.open_checkout(page=page)
    shop.pay(session)
    shop.fake.fail_next_request("GET", f"{PATH[page]}/*", status=status, times=times)
    refused = shop.confirm(session)
    assert (refused.status, refused.json["error"], refused.json["retry_after_seconds"]) == (503, "payment_provider_unavailable", 5)
    assert shop.confirm(session).status == 201


@on_either_page
@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_response_leads_to_one_payment(shop, page, times):
    """The SDK repeats the request, and after three times the buyer does: with the same idempotency key."""
    reservation_id = shop.reserve()
    shop.fake.lose_next_response("POST", PATH[page], times=times)
    assert shop.request_checkout(reservation_id, page=page).status == (201 if times == 1 else 503)
    session = shop.request_checkout(reservation_id, page=page).json
    shop.pay(session)
    assert shop.confirm(session).status == 201
    assert len(shop.dashboard.v1.payment_intents.list().data) == 1
    assert len(shop.dashboard.v1.checkout.sessions.list().data) == (page == "hosted")


def test_a_timed_out_request_is_repeated_with_the_same_key(shop, monkeypatch):
    monkeypatch.setattr(stripe_http, "READ_SECONDS", 2)
    stripe._client.cache_clear()
    shop.fake.lose_next_response("POST", "/v1/payment_intents", times=1, how="hang")
    session = shop.open_checkout()
    shop.pay(session)
    assert shop.confirm(session).status == 201
    calls = [call for call in shop.fake.request_log if (call.method, call.path) == ("POST", "/v1/payment_intents")]
    assert [call.replayed for call in calls] == [False, True]
    assert len(shop.dashboard.v1.payment_intents.list().data) == 1
    stripe._client.cache_clear()


def test_test_stages_refuse_live_keys_and_production_test_keys(shop):
    with pytest.raises(settings.SettingsError, match="live key"):
        stripe.check_key("sk_live_abc")
    with settings.override(stage="prod"), pytest.raises(settings.SettingsError, match="test key"):
        stripe.check_key("sk_test_abc")


def test_no_key_signing_secret_or_client_secret_is_logged(shop, capfd, caplog):
    session = shop.open_checkout()
    shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.deliver()
    body, headers = shop.fake.forged_delivery(shop.succeeded_event_id(session), "tampered")
    assert shop.post_webhook(body, headers).status == 400
    shop.fake.fail_next_request("POST", "/v1/payment_intents", status=500, times=3)
    reservation_id = shop.reserve("bob", 1)
    assert shop.request_checkout(reservation_id, "bob").status == 503
    with settings.override(stripe_api_key="sk_test_that_was_rolled_over"):
        refused = shop.request_checkout(reservation_id, "bob", key="again")
    assert (refused.status, refused.json["error"], "retry-after" in refused.headers) == (503, "not_set_up", False)
    assert "AuthenticationError" in error_replies.list_setup_errors(clock.now())  # of `GET /health`
    logged = "".join(capfd.readouterr()) + caplog.text
    assert "stripe.key_refused" in logged
    secrets = (shop.fake.api_key, shop.fake.webhook_secret, session["payment"]["client_secret"], "sk_test_that", "whsec_", "_secret_")
    assert [secret for secret in secrets if secret in logged] == []
