"""Webhooks: each type, in every order, many at once and weeks late; and how rarely one of them makes us ask Stripe."""

from collections import Counter
from itertools import permutations

import pytest

from chalicelib import settings
from chalicelib.ledger import service as ledger
from chalicelib.payments.providers.stripe_mapping import EVENT_TYPES
from chalicelib.purchases.provider_events.store import RETENTION_SECONDS, ProcessedEventRow
from chalicelib.purchases.record import store
from chalicelib.tickets import service as tickets
from tests import invariants
from tests.simulation.threads import run_in_threads
from tests.stripe_shop import AUTHENTICATION_REQUIRED, DECLINED, VISA, StripeShop

DAY = 86_400

pytestmark = pytest.mark.usefixtures("threaded_store")


def tell(shop: StripeShop, kind: str) -> str:
    """Only the newest event of that kind comes; what became of it, in a word."""
    reply = shop.post_webhook(*shop.fake.signed_delivery(shop.fake.events(kind)[-1]["id"]))
    assert reply.status == 200, reply.json
    return str(reply.json["received"])


def written(order_id: str) -> Counter[str]:
    """How many entries of each kind the ledger has of the order."""
    return Counter(entry.kind for entry in ledger.list_purchase_entries(store.load(order_id).event_id, order_id))


# Many at once.


def paid(shop: StripeShop) -> str:
    session = shop.open_checkout()
    shop.pay(session)
    return str(session["id"])


def refunded(shop: StripeShop) -> str:
    order_id = shop.buy()
    shop.refund_in_dashboard(order_id, 10_000)
    return order_id


def disputed(shop: StripeShop) -> str:
    order_id = shop.buy()
    shop.fake.create_dispute(shop.fetch_charge(order_id).id)
    return order_id


@pytest.mark.parametrize(
    ("kind", "prepare", "state", "ticket", "entries"),
    [
        ("payment_intent.succeeded", paid, "paid", "valid", {"captured": 1}),
        ("charge.refunded", refunded, "refunded", "void", {"captured": 1, "refunded": 1}),
        ("charge.dispute.created", disputed, "paid", "frozen", {"captured": 1, "disputed": 1}),
    ],
)
def test_fifty_copies_on_sixteen_threads_are_one(shop, kind, prepare, state, ticket, entries):
    order_id = prepare(shop)
    body, headers = shop.fake.signed_delivery(shop.fake.events(kind)[-1]["id"])
    replies = run_in_threads(16, lambda _: shop.post_webhook(body, headers), range(50))
    assert Counter(reply.status for reply in replies) == {200: 50}
    assert store.load(order_id).state == state
    assert [one.state for one in tickets.load_purchase_tickets(order_id, 10)] == [ticket] * 2
    assert len(shop.api.get("/me/tickets", user="ada").json["tickets"]) == (0 if ticket == "void" else 2)
    assert written(order_id) == {"opened": 1, **entries}
    invariants.check(shop.time.now)


# Every type.


def pays(card: str, outcome: str = "succeeded"):
    def act(shop: StripeShop) -> None:
        shop.pay(shop.open_checkout(), card, expect=outcome)

    return act


def cancels(shop: StripeShop) -> None:
    shop.dashboard.v1.payment_intents.cancel(shop.fetch_payment_intent(shop.open_checkout()).id)


def pays_on_the_page(shop: StripeShop) -> None:
    shop.pay_on_hosted_page(shop.open_checkout(page="hosted"))


def leaves_the_page(shop: StripeShop) -> None:
    shop.dashboard.v1.checkout.sessions.expire(shop.fetch_hosted_page(shop.open_checkout(page="hosted")).id)


def pays_by_bank(fails: bool):
    def act(shop: StripeShop) -> None:
        shop.fake.pay_session_by_bank(shop.fetch_hosted_page(shop.open_checkout(page="hosted")).id, fails=fails)
        shop.fake.complete_pending()

    return act


def refunds(card: str):
    def act(shop: StripeShop) -> None:
        shop.refund_in_dashboard(shop.buy(card=card), 1000)
        shop.fake.complete_pending()

    return act


def disputes(won: bool | None):
    def act(shop: StripeShop) -> None:
        made = shop.fake.create_dispute(shop.fetch_charge(shop.buy()).id)
        shop.dashboard.v1.disputes.update(made["id"], {"evidence": {"uncategorized_text": "They came in."}})
        if won is not None:
            shop.fake.close_dispute(made["id"], won=won)

    return act


TYPES = {
    "payment_intent.succeeded": (pays(VISA), "paid"),
    "payment_intent.payment_failed": (pays(DECLINED, "declined"), "paying"),
    "payment_intent.requires_action": (pays(AUTHENTICATION_REQUIRED, "requires_action"), "waiting"),
    "payment_intent.canceled": (cancels, "ended"),
    "checkout.session.completed": (pays_on_the_page, "paid"),
    "checkout.session.expired": (leaves_the_page, "ended"),
    "checkout.session.async_payment_succeeded": (pays_by_bank(fails=False), "paid"),
    "checkout.session.async_payment_failed": (pays_by_bank(fails=True), "ended"),
    "charge.refunded": (refunds("pm_card_visa"), "refund_succeeded"),
    "refund.created": (refunds("pm_card_visa"), "refund_succeeded"),
    "refund.updated": (refunds("pm_card_pendingRefund"), "refund_succeeded"),
    "refund.failed": (refunds("pm_card_refundFail"), "refund_failed"),
    "charge.refund.updated": (refunds("pm_card_refundFail"), "refund_failed"),
    "charge.dispute.created": (disputes(None), "dispute_open"),
    "charge.dispute.funds_withdrawn": (disputes(None), "dispute_open"),
    "charge.dispute.updated": (disputes(None), "dispute_open"),
    "charge.dispute.closed": (disputes(won=False), "dispute_lost"),
    "charge.dispute.funds_reinstated": (disputes(won=True), "dispute_won"),
}


def test_every_type_that_is_handled_is_tried():
    assert set(TYPES) == set(EVENT_TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_does_what_it_is_for_once(shop, kind):
    act, result = TYPES[kind]
    act(shop)
    assert tell(shop, kind) == result
    assert tell(shop, kind) == "seen"


def test_other_types_are_taken_and_ignored(shop):
    shop.open_checkout()
    shop.fake.request_log.clear()
    assert tell(shop, "payment_intent.created") == "ignored"
    assert shop.fake.request_log.counts == {}


# Calls to Stripe.


def test_what_another_stage_has_done_is_not_looked_at(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.fake.request_log.clear()
    with settings.override(stage="other"):
        assert tell(shop, "payment_intent.succeeded") == "not_ours"
    assert shop.fake.request_log.counts == {}
    assert store.load(session["id"]).state == "paying"
    shop.fake.deliver()


def test_what_somebody_else_does_with_the_account_is_not_looked_at(shop):
    intent = shop.dashboard.v1.payment_intents.create({"amount": 900, "currency": "usd"})
    shop.dashboard.v1.payment_intents.cancel(intent.id)
    shop.fake.request_log.clear()
    assert tell(shop, "payment_intent.canceled") == "not_ours"
    assert shop.fake.request_log.counts == {}


@pytest.mark.parametrize("page", ["own", "hosted"])
def test_a_webhook_after_the_confirm_asks_nothing(shop, page):
    session = shop.open_checkout(page=page)
    shop.pay_on_hosted_page(session) if page == "hosted" else shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.request_log.clear()
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}
    assert shop.fake.request_log.counts == {}


def test_the_echo_of_our_own_cancelling_asks_nothing(shop):
    session = shop.open_checkout()
    assert shop.api.delete(f"/reservations/{session['id']}", user="ada").status == 200
    shop.fake.request_log.clear()
    assert tell(shop, "payment_intent.canceled") == "cancelled"
    assert shop.fake.request_log.counts == {}


# Orders, and times.


@pytest.mark.parametrize("early", [0, 1, 2])
@pytest.mark.parametrize("kinds", list(permutations(["refund.created", "charge.refunded", "refund.failed"])), ids=" ".join)
def test_news_of_a_refund_in_every_order_end_the_same(shop, kinds, early):
    """It fails after `early` of them were heard; the others come after that."""
    order_id = shop.buy(card="pm_card_refundFail")
    shop.refund_in_dashboard(order_id, 1000)
    told = [kind for kind in kinds if kind != "refund.failed"][:early]
    for kind in told:
        assert tell(shop, kind) == "refund_succeeded"
        shop.assert_books_balance()
    shop.fake.complete_pending()
    for kind in kinds:
        if kind not in told:
            tell(shop, kind)
            shop.assert_books_balance()
    order = store.load(order_id)
    assert (order.state, [one.status for one in order.refunds]) == ("paid", ["failed"] if told else [])
    moved = ledger.list_purchase_entries(order.event_id, order_id)
    assert sum(entry.amount_cents for entry in moved) == 10_000


@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
@pytest.mark.parametrize("early", [0, 1, 2])
@pytest.mark.parametrize("kinds", list(permutations(["created", "updated", "closed"])), ids=" ".join)
def test_news_of_a_dispute_in_every_order_end_the_same(shop, kinds, early, won):
    order_id = shop.buy()
    made = shop.fake.create_dispute(shop.fetch_charge(order_id).id)
    shop.dashboard.v1.disputes.update(made["id"], {"evidence": {"uncategorized_text": "They came in."}})
    told = [kind for kind in kinds if kind != "closed"][:early]
    for kind in told:
        assert tell(shop, f"charge.dispute.{kind}") == "dispute_open"
        shop.assert_books_balance()
    shop.fake.close_dispute(made["id"], won=won)
    for kind in kinds:
        if kind not in told:
            tell(shop, f"charge.dispute.{kind}")
            shop.assert_books_balance()
    assert [one.state for one in tickets.load_purchase_tickets(order_id, 2)] == ["valid" if won else "void"] * 2
    assert written(order_id) == {"opened": 1, "captured": 1, "disputed": 1, **({"dispute_won": 1} if won else {})}


def test_a_dispute_that_is_the_first_news_of_a_second_payment(shop):
    order_id = shop.buy()
    intent = shop.pay_in_dashboard(order_id)
    shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(intent).latest_charge)
    tell(shop, "charge.dispute.created")
    shop.assert_books_balance()
    assert [one.state for one in tickets.load_purchase_tickets(order_id, 2)] == ["valid", "valid"]


def test_weeks_late_it_is_news_all_the_same(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(29 * DAY)
    assert tell(shop, "payment_intent.succeeded") == "paid"
    shop.assert_books_balance()


def test_weeks_late_it_is_still_known_as_seen(shop):
    shop.buy()
    event = shop.fake.events("payment_intent.succeeded")[-1]["id"]
    assert ProcessedEventRow.find(event).ttl == shop.time.now + RETENTION_SECONDS == shop.time.now + 30 * DAY
    shop.time.advance(29 * DAY)
    shop.fake.request_log.clear()
    assert tell(shop, "payment_intent.succeeded") == "seen"
    assert shop.fake.request_log.counts == {}
