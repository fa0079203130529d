"""The HTTP server: packets, CORS, security headers, shutdown."""

import socket
import urllib.error
import urllib.request

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.browser import OPENER
from tests.devtools.stripe.sdk_shop import sdk_client


def test_a_response_waits_for_no_acknowledgement(shop, fake):
    """Without TCP_NODELAY each call on a connection would take 40 ms."""
    shop.create_intent()
    connections = list(fake._server._connections)
    assert connections
    assert all(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for connection in connections)


def test_browsers_of_other_origins_may_call(fake):
    request = urllib.request.Request(f"{fake.url}/v1/payment_methods", method="OPTIONS", headers={"Origin": "http://127.0.0.1:8000"})
    with OPENER.open(request, timeout=60) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


def test_pages_forbid_scripts_and_frames(shop):
    with OPENER.open(shop.create_session().url, timeout=60) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_stop_while_a_request_hangs(clock):
    with FakeStripe(clock=clock) as fake:
        fake.lose_next_response("POST", "/v1/payment_intents", how="hang")
        with pytest.raises(stripe.APIConnectionError):
            sdk_client(fake, fake.api_key, timeout=1).v1.payment_intents.create({"amount": 100, "currency": "usd"})
