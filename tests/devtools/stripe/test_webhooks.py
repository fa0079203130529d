"""Webhooks: signatures as the SDK verifies them, deliveries, retries and their order, and automatic delivery."""

import json

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from devtools.stripe.webhooks import RETRY_SECONDS
from tests.devtools.stripe.sdk_shop import SdkShop
from tests.devtools.stripe.webhook_inbox import WebhookInbox, serve, verified_event


@pytest.mark.usefixtures("sdk_clock")
def test_two_secrets_while_one_is_rolled_over(shop, fake):
    inbox = WebhookInbox()
    fake.add_webhook_endpoint(inbox, secret="whsec_old").secrets.append("whsec_new")
    shop.create_intent()
    fake.deliver()
    for secret in ("whsec_old", "whsec_new"):
        assert verified_event(inbox.received[0], secret).type == "payment_intent.created"
    with pytest.raises(stripe.SignatureVerificationError):
        verified_event(inbox.received[0], "whsec_other")


@pytest.mark.usefixtures("sdk_clock")
@pytest.mark.parametrize("forgery", ["wrong_secret", "no_signature", "tampered", "stale", "garbled"])
def test_the_sdk_refuses_forgeries(shop, fake, forgery):
    shop.create_intent()
    event = fake.events()[0]
    assert verified_event(fake.signed_delivery(event["id"]), fake.webhook_secret).id == event["id"]
    with pytest.raises(stripe.SignatureVerificationError):
        verified_event(fake.forged_delivery(event["id"], forgery), fake.webhook_secret)


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


def test_retries_until_success(shop, fake, clock, inbox):
    inbox.status = 500
    event = shop.create_intent() and fake.events()[0]
    assert [attempt.status for attempt in fake.deliver()] == [500]
    clock.advance(RETRY_SECONDS[0] - 1)
    assert fake.deliver() == []
    clock.advance(1)
    assert [attempt.attempt for attempt in fake.deliver()] == [2]
    assert shop.events.list({"delivery_success": False}).data[0].id == event["id"]
    inbox.status = 200
    clock.advance(RETRY_SECONDS[1])
    assert [(attempt.attempt, attempt.ok) for attempt in fake.deliver()] == [(3, True)]
    assert shop.events.list({"delivery_success": False}).data == []
    assert shop.events.retrieve(event["id"]).pending_webhooks == 0
    assert [headers["Stripe-Signature"][:12] for _, headers in inbox.received] == [
        f"t={at}" for at in (attempt.at for attempt in fake.delivery_attempts)
    ]


def test_a_delivery_is_given_up_after_three_days(shop, fake, clock, inbox):
    inbox.status = 404
    shop.create_intent()
    fake.deliver()
    for seconds in RETRY_SECONDS:
        clock.advance(seconds)
        assert len(fake.deliver()) == 1
    clock.advance(10 * 86400)
    assert fake.deliver() == []
    assert 2.5 * 86400 < sum(RETRY_SECONDS) < 3.5 * 86400


def test_only_the_types_of_the_endpoint_are_sent(shop, fake):
    inbox = WebhookInbox()
    fake.add_webhook_endpoint(inbox, types=["payment_intent.*"])
    shop.pay()
    fake.deliver()
    assert inbox.event_types == ["payment_intent.created", "payment_intent.succeeded"]


def test_drop_webhooks(shop, fake, clock, inbox):
    fake.drop_webhooks("payment_intent.succeeded")
    shop.pay()
    fake.deliver()
    clock.advance(7 * 86400)
    fake.deliver()
    assert inbox.event_types == ["payment_intent.created", "charge.succeeded"]
    assert [event.type for event in shop.events.list({"delivery_success": False}).data] == ["payment_intent.succeeded"]
    shop.pay()
    fake.deliver()
    assert "payment_intent.succeeded" in inbox.event_types


def test_delay_webhooks(shop, fake, clock, inbox):
    fake.delay_webhooks("payment_intent.succeeded", seconds=3600)
    shop.pay()
    fake.deliver()
    assert inbox.event_types == ["payment_intent.created", "charge.succeeded"]
    clock.advance(3600)
    fake.deliver()
    assert inbox.event_types[-1] == "payment_intent.succeeded"


def test_clear_webhook_rules_sends_the_next_events_again(shop, fake, inbox):
    fake.drop_webhooks(times=100)
    fake.clear_webhook_rules()
    shop.create_intent()
    assert [attempt.status for attempt in fake.deliver()] == [200]


def test_duplicate_webhooks_and_resend_event(shop, fake, inbox):
    fake.duplicate_webhooks("payment_intent.created", copies=50)
    shop.create_intent()
    fake.deliver()
    assert len(inbox.received) == 50
    fake.resend_event(fake.events()[0]["id"], copies=2)
    fake.deliver()
    ids = {stripe.Webhook.construct_event_without_verification(body).id for body, _ in inbox.received}
    assert (len(inbox.received), ids) == (52, {fake.events()[0]["id"]})


def test_set_delivery_order(shop, fake, inbox):
    fake.set_delivery_order("reversed")
    shop.pay()
    fake.deliver()
    assert inbox.event_types == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
    orders = set()
    for seed in range(8):
        inbox.received.clear()
        fake.set_delivery_order("shuffled", seed=seed)
        shop.pay()
        fake.deliver()
        assert sorted(inbox.event_types) == ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]
        orders.add(tuple(inbox.event_types))
    assert len(orders) > 2


def test_deliver_a_limited_number(shop, fake, inbox):
    shop.pay()
    assert [attempt.type for attempt in fake.deliver(only=1)] == ["payment_intent.created"]
    assert len(fake.pending_deliveries) == 2


def test_an_endpoint_may_call_the_api(shop, fake):
    seen = []

    def endpoint(body, headers):
        event = stripe.Webhook.construct_event_without_verification(body)
        seen.append(shop.intents.retrieve(event.data.object.id).status)
        if event.type == "payment_intent.created":
            shop.intents.cancel(event.data.object.id)
        return 200

    fake.add_webhook_endpoint(endpoint)
    shop.create_intent()
    assert [attempt.type for attempt in fake.deliver()] == ["payment_intent.created", "payment_intent.canceled"]
    assert seen == ["requires_payment_method", "canceled"]


def test_a_delivery_that_a_power_cut_interrupted_is_sent_again(tmp_path, clock):
    """The receiver calls the API while it handles the webhook, so the journal grows during the delivery."""
    journal, cut, got = tmp_path / "journal", tmp_path / "cut", []

    def power_cut(body, headers):
        shop.intents.retrieve(intent.id)
        cut.write_bytes(journal.read_bytes())
        return 200

    with FakeStripe(clock=clock, journal=journal) as fake:
        fake.add_webhook_endpoint(power_cut, name="shop")
        shop = SdkShop(fake)
        intent = shop.create_intent()
        fake.deliver()
        assert fake.pending_deliveries == []
    with FakeStripe(clock=clock, journal=cut) as fake:
        fake.add_webhook_endpoint(lambda *_: 200)  # another endpoint than that of the pending delivery
        fake.add_webhook_endpoint(lambda body, _: got.append(json.loads(body)["type"]) or 200, name="shop")
        fake.deliver()
        assert (got, fake.pending_deliveries) == (["payment_intent.created"], [])


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
