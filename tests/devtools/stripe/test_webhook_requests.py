"""Webhooks over HTTP."""

import pytest

from tests.devtools.stripe.webhook_inbox import WebhookInbox, serve, verified_event


@pytest.mark.usefixtures("sdk_clock")
def test_delivery_over_http(shop, fake):
    inbox = WebhookInbox()
    with serve(inbox) as url:
        fake.add_webhook_endpoint(url)
        intent = shop.pay()
        attempts = fake.deliver()
    assert [(attempt.type, attempt.status, attempt.attempt) for attempt in attempts] == [(kind, 200, 1) for kind in shop.event_types()]
    event = verified_event(inbox.received[-1], fake.webhook_secret)
    assert (event.type, event.data.object.id, event.data.object.status) == ("payment_intent.succeeded", intent.id, "succeeded")
    assert inbox.received[0][1]["Content-Type"] == "application/json; charset=utf-8"
    assert fake.deliver() == []
    assert fake.pending_deliveries == []


def test_redirects_are_not_followed_and_unreachable_endpoints_fail(shop, fake):
    inbox = WebhookInbox()
    inbox.status = 302
    with serve(inbox) as url:
        fake.add_webhook_endpoint(url)
        shop.create_intent()
        assert [attempt.status for attempt in fake.deliver()] == [302]
    assert len(inbox.received) == 1
    fake.resend_event(fake.events()[0]["id"])
    assert [attempt.status for attempt in fake.deliver()] == [0]
