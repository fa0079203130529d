"""Signatures of webhooks, as the SDK verifies them."""

import pytest
import stripe

from tests.devtools.stripe.webhook_inbox import WebhookInbox, verified_event


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
