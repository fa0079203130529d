"""A shop that uses the real SDK against the fake."""

import stripe

from devtools.stripe.fake import FakeStripe


class SdkShop:
    """`client`: the SDK with the secret key; `browser`: with the publishable key. Neither retries by itself."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.client = sdk_client(fake, fake.api_key)
        self.browser = sdk_client(fake, fake.publishable_key)
        self.intents = self.client.v1.payment_intents
        self.refunds = self.client.v1.refunds
        self.charges = self.client.v1.charges
        self.sessions = self.client.v1.checkout.sessions
        self.disputes = self.client.v1.disputes
        self.events = self.client.v1.events

    def create_intent(self, amount=5000, key=None, **more):
        params = {"amount": amount, "currency": "usd", "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}, **more}
        return self.intents.create(params, {"idempotency_key": key} if key else {})

    def pay(self, method="pm_card_visa", **more):
        """Create a payment intent and confirm it at once."""
        return self.create_intent(confirm=True, payment_method=method, **more)

    def create_session(self, **more):
        line = {"quantity": 2, "price_data": {"currency": "usd", "unit_amount": 2500, "product_data": {"name": "Standing"}}}
        urls = {"success_url": "https://shop.test/ok?s={CHECKOUT_SESSION_ID}", "cancel_url": "https://shop.test/back"}
        return self.sessions.create({"mode": "payment", "line_items": [line], **urls, **more})

    def lists(self):
        """Name -> the calls of each kind of object that can be listed by time."""
        return {
            "payment_intents": self.intents,
            "charges": self.charges,
            "refunds": self.refunds,
            "disputes": self.disputes,
            "sessions": self.sessions,
            "events": self.events,
        }

    def event_types(self):
        """The types of all events, oldest first."""
        return [event["type"] for event in self.fake.events()]


def sdk_client(fake, key, *, timeout=60, retries=0):
    http = stripe.RequestsClient(timeout=timeout)
    return stripe.StripeClient(
        key, base_addresses={"api": fake.url}, stripe_version=fake.api_version, http_client=http, max_network_retries=retries
    )
