"""Webhooks: signed, delivered over HTTP, tried again; and what can go wrong with them on request."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import stripe

from devtools.stripe.fake import FakeStripe
from devtools.stripe.webhooks import RETRY_SECONDS


class Inbox:
    """An endpoint: what came in, and the status that it answers with."""

    def __init__(self):
        self.status = 200
        self.got = []
        self.arrived = threading.Event()

    def __call__(self, body, headers):
        self.got.append((body, dict(headers)))
        self.arrived.set()
        return self.status

    @property
    def kinds(self):
        return [stripe.Webhook.construct_event_without_verification(body).type for body, _ in self.got]


@contextmanager
def listening(inbox):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            status = inbox(self.rfile.read(int(self.headers["Content-Length"])), self.headers)
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def inbox(fake):
    inbox = Inbox()
    fake.add_webhook_endpoint(inbox)
    return inbox


@pytest.fixture
def _clock_of_the_sdk(monkeypatch, clock):
    """The SDK asks the machine for the time when it checks a signature."""
    monkeypatch.setattr("stripe._webhook.time.time", clock)


def verified(fake, message, secret=None):
    body, headers = message
    return stripe.Webhook.construct_event(body, headers.get("Stripe-Signature"), secret or fake.webhook_secret)


@pytest.mark.usefixtures("_clock_of_the_sdk")
def test_over_http_with_a_signature_that_the_sdk_accepts(shop, fake):
    inbox = Inbox()
    with listening(inbox) as url:
        fake.add_webhook_endpoint(url)
        intent = shop.paid()
        attempts = fake.deliver()
    assert [(one.type, one.status, one.attempt) for one in attempts] == [(kind, 200, 1) for kind in shop.kinds()]
    event = verified(fake, inbox.got[-1])
    assert (event.type, event.data.object.id, event.data.object.status) == ("payment_intent.succeeded", intent.id, "succeeded")
    assert inbox.got[0][1]["Content-Type"] == "application/json; charset=utf-8"
    assert fake.deliver() == []
    assert fake.pending_deliveries == []


@pytest.mark.usefixtures("_clock_of_the_sdk")
def test_two_secrets_while_one_is_rolled_over(shop, fake):
    inbox = Inbox()
    fake.add_webhook_endpoint(inbox, secret="whsec_old").secrets.append("whsec_new")
    shop.open()
    fake.deliver()
    for secret in ("whsec_old", "whsec_new"):
        assert verified(fake, inbox.got[0], secret).type == "payment_intent.created"
    with pytest.raises(stripe.SignatureVerificationError):
        verified(fake, inbox.got[0], "whsec_other")


@pytest.mark.usefixtures("_clock_of_the_sdk")
@pytest.mark.parametrize("how", ["wrong_secret", "no_signature", "tampered", "stale", "garbled"])
def test_forgeries_are_refused_by_the_sdk(shop, fake, how):
    shop.open()
    event = fake.events()[0]
    assert verified(fake, fake.signed_delivery(event["id"])).id == event["id"]
    with pytest.raises(stripe.SignatureVerificationError):
        verified(fake, fake.forged_delivery(event["id"], how))


def test_tried_again_until_it_is_accepted(shop, fake, clock, inbox):
    inbox.status = 500
    event = shop.open() and fake.events()[0]
    assert [one.status for one in fake.deliver()] == [500]
    clock.advance(RETRY_SECONDS[0] - 1)
    assert fake.deliver() == []
    clock.advance(1)
    assert [one.attempt for one in fake.deliver()] == [2]
    assert shop.events.list({"delivery_success": False}).data[0].id == event["id"]
    inbox.status = 200
    clock.advance(RETRY_SECONDS[1])
    assert [(one.attempt, one.ok) for one in fake.deliver()] == [(3, True)]
    assert shop.events.list({"delivery_success": False}).data == []
    assert shop.events.retrieve(event["id"]).pending_webhooks == 0
    assert [headers["Stripe-Signature"][:12] for _, headers in inbox.got] == [
        f"t={at}" for at in (one.at for one in fake.delivery_attempts)
    ]


def test_given_up_after_three_days(shop, fake, clock, inbox):
    inbox.status = 404
    shop.open()
    fake.deliver()
    for seconds in RETRY_SECONDS:
        clock.advance(seconds)
        assert len(fake.deliver()) == 1
    clock.advance(10 * 86400)
    assert fake.deliver() == []
    assert 2.5 * 86400 < sum(RETRY_SECONDS) < 3.5 * 86400


def test_nobody_listens_and_redirects_are_not_followed(shop, fake):
    inbox = Inbox()
    inbox.status = 302
    with listening(inbox) as url:
        fake.add_webhook_endpoint(url)
        shop.open()
        assert [one.status for one in fake.deliver()] == [302]
    assert len(inbox.got) == 1
    fake.resend_event(fake.events()[0]["id"])
    assert [one.status for one in fake.deliver()] == [0]


def test_only_the_types_that_were_asked_for(shop, fake):
    inbox = Inbox()
    fake.add_webhook_endpoint(inbox, types=["payment_intent.*"])
    shop.paid()
    fake.deliver()
    assert inbox.kinds == ["payment_intent.created", "payment_intent.succeeded"]


def test_dropped(shop, fake, clock, inbox):
    fake.drop_webhooks("payment_intent.succeeded")
    shop.paid()
    fake.deliver()
    clock.advance(7 * 86400)
    fake.deliver()
    assert inbox.kinds == ["payment_intent.created", "charge.succeeded"]
    assert [event.type for event in shop.events.list({"delivery_success": False}).data] == ["payment_intent.succeeded"]
    shop.paid()
    fake.deliver()
    assert "payment_intent.succeeded" in inbox.kinds


def test_delayed(shop, fake, clock, inbox):
    fake.delay_webhooks("payment_intent.succeeded", seconds=3600)
    shop.paid()
    fake.deliver()
    assert inbox.kinds == ["payment_intent.created", "charge.succeeded"]
    clock.advance(3600)
    fake.deliver()
    assert inbox.kinds[-1] == "payment_intent.succeeded"


def test_duplicated_and_sent_again(shop, fake, inbox):
    fake.duplicate_webhooks("payment_intent.created", copies=50)
    shop.open()
    fake.deliver()
    assert len(inbox.got) == 50
    fake.resend_event(fake.events()[0]["id"], copies=2)
    fake.deliver()
    ids = {stripe.Webhook.construct_event_without_verification(body).id for body, _ in inbox.got}
    assert (len(inbox.got), ids) == (52, {fake.events()[0]["id"]})


def test_reordered(shop, fake, inbox):
    fake.set_delivery_order("reversed")
    shop.paid()
    fake.deliver()
    assert inbox.kinds == ["payment_intent.succeeded", "charge.succeeded", "payment_intent.created"]
    orders = set()
    for seed in range(8):
        inbox.got.clear()
        fake.set_delivery_order("shuffled", seed=seed)
        shop.paid()
        fake.deliver()
        assert sorted(inbox.kinds) == ["charge.succeeded", "payment_intent.created", "payment_intent.succeeded"]
        orders.add(tuple(inbox.kinds))
    assert len(orders) > 2


def test_one_at_a_time(shop, fake, inbox):
    shop.paid()
    assert [one.type for one in fake.deliver(only=1)] == ["payment_intent.created"]
    assert len(fake.pending_deliveries) == 2


def test_the_endpoint_may_call_back_while_it_is_called(shop, fake):
    seen = []

    def endpoint(body, headers):
        event = stripe.Webhook.construct_event_without_verification(body)
        seen.append(shop.intents.retrieve(event.data.object.id).status)
        if event.type == "payment_intent.created":
            shop.intents.cancel(event.data.object.id)
        return 200

    fake.add_webhook_endpoint(endpoint)
    shop.open()
    assert [one.type for one in fake.deliver()] == ["payment_intent.created", "payment_intent.canceled"]
    assert seen == ["requires_payment_method", "canceled"]


def test_by_itself_while_it_runs_for_people():
    inbox = Inbox()
    with listening(inbox) as url, FakeStripe(webhook_delivery="automatic") as fake:
        fake.add_webhook_endpoint(url)
        from tests.devtools.stripe.conftest import Shop

        Shop(fake).open()
        assert inbox.arrived.wait(5)
    assert inbox.kinds == ["payment_intent.created"]
