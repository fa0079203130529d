"""A running fake on a clock that stands still, and the real SDK as its client."""

from collections.abc import Iterator

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from tests.conftest import START


class Shop:
    """`client`: the SDK with the secret key; `browser`: with the publishable one. Neither retries by itself."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.client = sdk(fake, fake.api_key)
        self.browser = sdk(fake, fake.publishable_key)
        self.intents = self.client.v1.payment_intents
        self.refunds = self.client.v1.refunds
        self.charges = self.client.v1.charges
        self.sessions = self.client.v1.checkout.sessions
        self.disputes = self.client.v1.disputes
        self.events = self.client.v1.events

    def open(self, amount=5000, key=None, **more):
        params = {"amount": amount, "currency": "usd", "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}, **more}
        return self.intents.create(params, {"idempotency_key": key} if key else {})

    def paid(self, method="pm_card_visa", **more):
        return self.open(confirm=True, payment_method=method, **more)

    def session(self, **more):
        line = {"quantity": 2, "price_data": {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Standing"}}}
        urls = {"success_url": "https://shop.test/ok?s={CHECKOUT_SESSION_ID}", "cancel_url": "https://shop.test/back"}
        return self.sessions.create({"mode": "payment", "line_items": [line], **urls, **more})

    def kinds(self):
        return [event["type"] for event in self.fake.events()]


def sdk(fake, key, *, timeout=10, retries=0):
    http = stripe.RequestsClient(timeout=timeout)
    return stripe.StripeClient(
        key, base_addresses={"api": fake.url}, stripe_version=fake.api_version, http_client=http, max_network_retries=retries
    )


class Clock:
    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(clock: Clock) -> Iterator[Shop]:
    with FakeStripe(clock=clock) as fake:
        yield Shop(fake)


@pytest.fixture
def fake(shop: Shop) -> FakeStripe:
    return shop.fake
