"""What must never be in a log line: keys, signing secrets, and what lets a browser pay."""

from chalicelib import settings
from tests import builders


def test_no_secret_is_logged_whatever_happens(shop, capfd, caplog):
    session = shop.open_checkout()
    shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.deliver()
    body, headers = shop.fake.forged_delivery(shop.succeeded_event_id(session), "tampered")
    assert shop.post_webhook(body, headers).status == 400
    shop.fake.fail_next_request("POST", "/v1/payment_intents", status=500, times=3)
    reserved = builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id).json["id"]
    assert builders.start_checkout(shop.api, "bob", reserved).status == 503
    with settings.override(stripe_api_key="sk_test_that_was_rolled_over"):
        assert builders.start_checkout(shop.api, "bob", reserved, key="again").status == 503
    said = "".join(capfd.readouterr()) + caplog.text
    assert "stripe.key_refused" in said
    secrets = (shop.fake.api_key, shop.fake.webhook_secret, session["payment"]["client_secret"], "sk_test_that", "whsec_", "_secret_")
    assert [secret for secret in secrets if secret in said] == []
