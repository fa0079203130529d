"""Refunds, disputes and payments at Stripe applied to their purchase, in every order in which their events can come."""

from collections import Counter
from itertools import permutations

import pytest

from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.purchases import provider_events as event_application
from tests.payment_pages import REFUNDS_FAIL

pytestmark = pytest.mark.usefixtures("threaded_store")


@pytest.mark.parametrize("early", [0, 1, 2])
@pytest.mark.parametrize("event_types", list(permutations(["refund.created", "charge.refunded", "refund.failed"])), ids=" ".join)
def test_the_events_of_a_failed_refund_end_the_same_in_every_order(shop, event_types, early):
    """It fails after `early` of the other events have come; the rest comes after that."""
    order_id = shop.buy(card=REFUNDS_FAIL)
    shop.refund_in_dashboard(order_id, 1000)
    first = [event_type for event_type in event_types if event_type != "refund.failed"][:early]
    for event_type in first:
        assert shop.post_newest_event(event_type) == "refund_succeeded"
        shop.assert_books_balance()
    shop.fake.complete_pending()
    for event_type in event_types:
        if event_type not in first:
            shop.post_newest_event(event_type)
            shop.assert_books_balance()
    order = shop.load_purchase(order_id)
    assert (order.state, [refund.status for refund in order.refunds]) == ("paid", ["failed"] if first else [])
    assert sum(entry.amount_cents for entry in ledger.list_purchase_entries(shop.event_id, order_id)) == 10_000


@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
@pytest.mark.parametrize("early", [0, 1, 2])
@pytest.mark.parametrize("event_types", list(permutations(["created", "updated", "closed"])), ids=" ".join)
def test_the_events_of_a_dispute_end_the_same_in_every_order(shop, event_types, early, won):
    """It is decided after `early` of the other events have come; the rest comes after that."""
    order_id = shop.buy()
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id)["id"]
    shop.dashboard.v1.disputes.update(dispute_id, {"evidence": {"uncategorized_text": "They came in."}})
    first = [event_type for event_type in event_types if event_type != "closed"][:early]
    for event_type in first:
        assert shop.post_newest_event(f"charge.dispute.{event_type}") == "dispute_open"
        shop.assert_books_balance()
    shop.fake.close_dispute(dispute_id, won=won)
    for event_type in event_types:
        if event_type not in first:
            shop.post_newest_event(f"charge.dispute.{event_type}")
            shop.assert_books_balance()
    assert shop.ticket_states(order_id) == ["valid" if won else "void"] * 2
    entries = Counter(entry.kind for entry in ledger.list_purchase_entries(shop.event_id, order_id))
    assert entries == {"opened": 1, "captured": 1, "disputed": 1, **({"dispute_won": 1} if won else {})}


def test_a_dispute_may_come_before_the_event_of_its_second_payment(shop):
    order_id = shop.buy()
    intent_id = shop.pay_in_dashboard(order_id)
    shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(intent_id).latest_charge)
    shop.post_newest_event("charge.dispute.created")
    shop.assert_books_balance()
    assert shop.ticket_states(order_id) == ["valid", "valid"]


@pytest.mark.parametrize("outcome", [None, True, False], ids=["open", "won", "lost"])
def test_a_dispute_may_come_before_the_event_of_the_order_s_payment(shop, outcome):
    session = shop.open_checkout()
    shop.pay(session)
    shop.lose_webhooks()
    shop.fake.deliver()
    shop.time.advance(181)
    dispute_id = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)["id"]
    if outcome is not None:
        shop.fake.close_dispute(dispute_id, won=outcome)
    shop.fake.resend_event(shop.fake.events("charge.dispute.created")[0]["id"])
    shop.fake.deliver()
    assert shop.ticket_states(session["id"]) == [{None: "frozen", True: "valid", False: "void"}[outcome]] * 2


@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
def test_a_dispute_fetched_before_its_decision_changes_nothing_after_it(shop, won):
    """A slow webhook has fetched the open dispute, and another one has applied the decision since."""
    order_id = shop.buy()
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id)["id"]
    shop.fake.deliver()
    stale = payments.external_provider("stripe").fetch_dispute(dispute_id, None)
    shop.fake.close_dispute(dispute_id, won=won)
    shop.fake.deliver()
    result = event_application.apply_dispute(stale, shop.time.now)
    assert (result.changed, shop.ticket_states(order_id), shop.list_open_cases()) == (False, ["valid" if won else "void"] * 2, [])


def test_an_inquiry_takes_no_money_and_changes_nothing(shop):
    """Stripe lists it among the disputes, with a status of its own."""
    order_id = shop.buy()
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id)["id"]
    shop.fake.overwrite_object("dispute", dispute_id, status="warning_needs_response")
    shop.fake.deliver()
    assert (shop.ticket_states(order_id), shop.list_open_cases()) == (["valid", "valid"], [])
    kinds = [entry.kind for entry in ledger.list_purchase_entries(shop.event_id, order_id)]
    assert kinds == ["opened", "captured"]
    shop.fake.overwrite_object("dispute", dispute_id, status="needs_response")
    shop.fake.close_dispute(dispute_id, won=True)
    shop.fake.deliver()
