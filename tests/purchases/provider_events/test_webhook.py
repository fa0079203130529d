"""The webhook: which deliveries it accepts, what repeated and late ones do, and how rarely it asks Stripe."""

from collections import Counter

import pytest

from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from chalicelib.purchases.provider_events import RETENTION_SECONDS, ProcessedEventRow
from chalicelib.tickets import service as tickets
from tests import invariants
from tests.payment_pages import PATH, on_either_page
from tests.simulation.threads import run_in_threads

DAY = 86_400

pytestmark = pytest.mark.usefixtures("threaded_store")

# Signatures.


def test_a_delivery_that_is_forged_changed_or_too_old_is_refused(shop):
    session = shop.open_checkout()
    shop.pay(session)
    event_id = shop.succeeded_event_id(session)
    body, headers = shop.fake.signed_delivery(event_id)
    for bad_body, bad_headers in (
        (body, {}),
        (body, {"Stripe-Signature": "t=1,v1=00"}),
        (body + b" ", headers),
        shop.fake.signed_delivery(event_id, at=shop.time.now - 301),
    ):
        reply = shop.post_webhook(bad_body, bad_headers)
        assert (reply.status, reply.json["error"]) == (400, "signature_refused")
    assert shop.purchase_state(session) == "paying"
    assert shop.post_webhook(body, headers).json == {"received": "paid"}
    assert shop.post_webhook(body, headers).json == {"received": "seen"}


@pytest.mark.parametrize(
    "change",
    [
        lambda header, now: header.partition(",")[2],
        lambda header, now: f"{header},t={now}",
        lambda header, now: f"{header}, t={now}",
        lambda header, now: header.replace("t=", "t=+"),
        lambda header, now: f"{header},t",
        lambda header, now: header.replace("v1=", "v1=ü"),
        lambda header, now: f"{header},v1=ü",
        lambda header, now: f"{header},ü",
        lambda header, now: header.replace("t=", "t=٣"),
    ],
    ids=["no time", "two times", "two times, one after a space", "a sign", "a time without value", *["not ASCII"] * 4],
)
def test_a_signature_header_that_stripe_would_not_send_is_refused(shop, change):
    session = shop.open_checkout()
    shop.pay(session)
    body, headers = shop.sign_newest_event("payment_intent.succeeded")
    header = headers["Stripe-Signature"]
    reply = shop.post_webhook(body, {"Stripe-Signature": change(header, shop.time.now)})
    assert (reply.status, reply.json["error"]) == (400, "signature_refused")
    assert shop.post_webhook(body, {"Stripe-Signature": header}).status == 200


@pytest.mark.parametrize("spelling", ["t=+{},t={}", "t={}=,t={}", "t=0{},t=+{}"])
def test_an_old_delivery_is_not_made_young_by_a_second_time(shop, spelling):
    """Which of two times is signed, and which is compared with the clock, must never differ."""
    session = shop.open_checkout()
    shop.pay(session)
    signed_at = shop.time.now - 301
    body, headers = shop.fake.signed_delivery(shop.succeeded_event_id(session), at=signed_at)
    signatures = headers["Stripe-Signature"].partition(",")[2]
    reply = shop.post_webhook(body, {"Stripe-Signature": f"{spelling.format(signed_at, shop.time.now)},{signatures}"})
    assert (reply.status, reply.json["error"]) == (400, "signature_refused")
    assert shop.purchase_state(session) == "paying"
    assert shop.post_newest_event("payment_intent.succeeded") == "paid"


def test_each_of_several_signing_secrets_is_accepted(shop):
    """There are two while a secret is replaced."""
    session = shop.open_checkout()
    shop.pay(session)
    delivery = shop.sign_newest_event("payment_intent.succeeded")
    with settings.override(stripe_webhook_secrets=f"whsec_{'n' * 32}, {shop.fake.webhook_secret}"):
        assert shop.post_webhook(*delivery).status == 200
    with settings.override(stripe_webhook_secrets=""):
        assert shop.post_webhook(*delivery).status == 400


# Deliveries that are alone, repeated, late, or in another order.


@on_either_page
def test_the_webhook_alone_makes_the_order(shop, page):
    session = shop.open_checkout(page=page)
    shop.pay(session)
    shop.fake.request_log.clear()
    assert shop.post_newest_event("payment_intent.succeeded" if page == "own" else "checkout.session.completed") == "paid"
    assert shop.fake.request_log.counts == {f"GET {PATH[page]}/:id": 1}
    assert shop.confirm(session).status == 201


def test_a_delivery_that_failed_is_repeated_by_stripe(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.fail_next_request("GET", "/v1/payment_intents/*", status=500, times=3)
    shop.fake.deliver(only=3)
    assert shop.purchase_state(session) == "paying"
    shop.time.advance(300)
    shop.fake.deliver()
    assert shop.purchase_state(session) == "paid"


def test_repeated_deliveries_in_reverse_order_make_one_order(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.resend_event(shop.succeeded_event_id(session), copies=5)
    shop.fake.set_delivery_order("reversed")
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    assert shop.confirm(session).status == 201


@pytest.mark.parametrize("first", [["payment_intent.succeeded"], ["payment_intent.succeeded", "checkout.session.completed"], []])
@pytest.mark.parametrize("copies", [1, 3])
def test_events_of_a_hosted_page_make_one_order_in_any_sequence(shop, first, copies):
    session = shop.open_checkout(page="hosted")
    shop.pay(session)
    for event_type in first * copies:
        shop.post_newest_event(event_type)
    shop.fake.set_delivery_order("reversed")
    for event in shop.fake.events():
        shop.fake.resend_event(event["id"], copies=copies)
    assert {attempt.status for attempt in shop.fake.deliver()} == {200}
    assert (shop.purchase_state(session), shop.confirm(session).status) == ("paid", 201)
    assert shop.received_and_kept() == (10_000, 10_000)


def pay(shop):
    session = shop.open_checkout()
    shop.pay(session)
    return session["id"]


def buy_and_refund_in_dashboard(shop):
    order_id = shop.buy()
    shop.refund_in_dashboard(order_id, 10_000)
    return order_id


def buy_and_dispute(shop):
    order_id = shop.buy()
    shop.fake.create_dispute(shop.fetch_charge(order_id).id)
    return order_id


@pytest.mark.parametrize(
    ("event_type", "prepare", "state", "ticket_state", "entries"),
    [
        ("payment_intent.succeeded", pay, "paid", "valid", {"captured": 1}),
        ("charge.refunded", buy_and_refund_in_dashboard, "refunded", "void", {"captured": 1, "refunded": 1}),
        ("charge.dispute.created", buy_and_dispute, "paid", "frozen", {"captured": 1, "disputed": 1}),
    ],
)
def test_fifty_copies_on_sixteen_threads_have_the_effect_of_one(shop, event_type, prepare, state, ticket_state, entries):
    order_id = prepare(shop)
    body, headers = shop.sign_newest_event(event_type)
    replies = run_in_threads(16, lambda _: shop.post_webhook(body, headers), range(50))
    assert Counter(reply.status for reply in replies) == {200: 50}
    assert shop.load_purchase(order_id).state == state
    assert [ticket.state for ticket in tickets.load_purchase_tickets(order_id, 10)] == [ticket_state] * 2
    assert len(shop.api.get("/me/tickets", user="ada").json["tickets"]) == (0 if ticket_state == "void" else 2)
    assert Counter(entry.kind for entry in ledger.list_purchase_entries(shop.event_id, order_id)) == {"opened": 1, **entries}
    invariants.check(shop.time.now)


def test_a_delivery_that_comes_weeks_late_makes_the_order(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(29 * DAY)
    assert shop.post_newest_event("payment_intent.succeeded") == "paid"


def test_a_delivery_that_is_repeated_weeks_later_is_recognized(shop):
    shop.buy()
    event_id = shop.fake.events("payment_intent.succeeded")[-1]["id"]
    assert ProcessedEventRow.find(event_id).ttl == shop.time.now + RETENTION_SECONDS == shop.time.now + 30 * DAY
    shop.time.advance(29 * DAY)
    shop.fake.request_log.clear()
    assert shop.post_newest_event("payment_intent.succeeded") == "seen"
    assert shop.fake.request_log.counts == {}


# Events that need no call to Stripe.


def test_an_event_of_another_stage_is_ignored_without_asking_stripe(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.request_log.clear()
    with settings.override(stage="other"):
        assert shop.post_newest_event("payment_intent.succeeded") == "not_ours"
    assert shop.fake.request_log.counts == {}
    assert shop.purchase_state(session) == "paying"
    shop.fake.deliver()


def test_an_event_of_another_shop_is_ignored_without_asking_stripe(shop):
    intent = shop.dashboard.v1.payment_intents.create({"amount": 900, "currency": "usd"})
    shop.dashboard.v1.payment_intents.cancel(intent.id)
    shop.fake.request_log.clear()
    assert shop.post_newest_event("payment_intent.canceled") == "not_ours"
    assert shop.fake.request_log.counts == {}


@on_either_page
def test_the_webhooks_after_the_confirmation_do_not_ask_stripe(shop, page):
    session = shop.open_checkout(page=page)
    shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.request_log.clear()
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    assert shop.fake.request_log.counts == {}


def test_the_event_of_our_own_cancellation_does_not_ask_stripe(shop):
    session = shop.open_checkout()
    assert shop.api.delete(f"/reservations/{session['id']}", user="ada").status == 200
    shop.fake.request_log.clear()
    assert shop.post_newest_event("payment_intent.canceled") == "cancelled"
    assert shop.fake.request_log.counts == {}
