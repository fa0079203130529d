"""Requests: keys, API versions, unknown objects and URLs, the ids of requests."""

import base64
import json
import urllib.error
import urllib.request

import pytest
import stripe

from tests.devtools.stripe.browser import OPENER
from tests.devtools.stripe.sdk_shop import sdk_client


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
        shop.client.v1.customers.create({})


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
