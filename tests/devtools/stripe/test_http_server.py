"""The HTTP server: speed, CORS, security headers, shutdown."""

import urllib.error
import urllib.request

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.browser import OPENER
from tests.devtools.stripe.sdk_shop import sdk_client


def test_a_response_takes_a_few_milliseconds(shop, fake):
    """Without TCP_NODELAY each call waits 40 ms for an acknowledgement: 50 calls would take 2 s."""
    import time

    intent = shop.create_intent()
    start = time.perf_counter()
    for _ in range(50):
        shop.intents.retrieve(intent.id)
    assert time.perf_counter() - start < 1.5


def test_browsers_of_other_origins_may_call(fake):
    request = urllib.request.Request(f"{fake.url}/v1/payment_methods", method="OPTIONS", headers={"Origin": "http://127.0.0.1:8000"})
    with OPENER.open(request, timeout=5) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


def test_pages_forbid_scripts_and_frames(shop):
    with OPENER.open(shop.create_session().url, timeout=5) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_stop_while_a_request_hangs(clock):
    with FakeStripe(clock=clock) as fake:
        fake.lose_next_response("POST", "/v1/payment_intents", how="hang")
        with pytest.raises(stripe.APIConnectionError):
            sdk_client(fake, fake.api_key, timeout=0.05).v1.payment_intents.create({"amount": 100, "currency": "usd"})
