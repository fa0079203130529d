"""Automatic delivery of webhooks."""

from devtools.stripe.fake import FakeStripe
from tests.devtools.stripe.sdk_shop import SdkShop
from tests.devtools.stripe.webhook_inbox import WebhookInbox, serve


def test_webhooks_are_delivered_automatically():
    inbox = WebhookInbox()
    with serve(inbox) as url, FakeStripe(webhook_delivery="automatic") as fake:
        fake.add_webhook_endpoint(url)
        SdkShop(fake).create_intent()
        assert inbox.arrived.wait(60)
    assert inbox.event_types == ["payment_intent.created"]


def test_stop_webhooks():
    with FakeStripe(webhook_delivery="automatic") as fake:
        fake.add_webhook_endpoint(lambda *_: 200)
        fake.stop_webhooks()
        SdkShop(fake).create_intent()
        assert len(fake.pending_deliveries) == 1
