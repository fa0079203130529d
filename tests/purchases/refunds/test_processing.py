"""Refunds that Stripe does not make at once: they are due while it is down, or pending at the bank."""

import pytest
from msgspec.structs import replace

from chalicelib.payments import service as payments
from chalicelib.payments.providers import stripe
from chalicelib.purchases import store
from chalicelib.purchases.refunds_at_provider import RETRY_SECONDS
from devtools.stripe import account_state
from tests import builders
from tests.payment_pages import REFUNDS_PENDING
from tests.purchases.refunds.progress import (
    HOUR,
    advance_and_sweep,
    count_refund_calls,
    fail_next_refund_call,
    list_cases,
    load_refund,
    status_and_attempt,
)


@pytest.fixture
def pending(shop, monkeypatch):
    """A refund whose bank takes thirteen hours."""
    monkeypatch.setattr(account_state, "OUTCOME_DELAY_SECONDS", 13 * HOUR)
    order_id = shop.buy(card=REFUNDS_PENDING)
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "pending"
    shop.fake.deliver()
    shop.fake.request_log.clear()
    return order_id


def test_the_sweep_fetches_pending_refunds_every_six_hours(shop, pending):
    shop.fake.drop_webhooks("*", times=100)
    for checks in (1, 2):
        advance_and_sweep(shop, 6 * HOUR - 60)
        advance_and_sweep(shop, 60)
        advance_and_sweep(shop, 0)
        assert shop.fake.request_log.counts == {"GET /v1/refunds/:id": checks}
        assert (status_and_attempt(pending), list_cases(shop)[0][2]) == (("pending", 1), "pending")
    advance_and_sweep(shop, 6 * HOUR)
    assert (status_and_attempt(pending), list_cases(shop)) == (("succeeded", 1), [])


def test_the_webhook_reports_the_end_of_a_pending_refund_at_once(shop, pending):
    shop.fake.complete_pending()
    shop.fake.deliver()
    assert (status_and_attempt(pending), list_cases(shop)) == (("succeeded", 1), [])


def test_the_sweep_continues_if_the_webhook_of_a_refund_was_faster(shop, pending, monkeypatch):
    shop.fake.complete_pending()
    ask = stripe.call

    def ask_before_the_webhook_comes(*arguments):
        monkeypatch.setattr(stripe, "call", ask)
        fetched = ask(*arguments)
        shop.fake.deliver()
        return fetched

    monkeypatch.setattr(stripe, "call", ask_before_the_webhook_comes)
    advance_and_sweep(shop, 6 * HOUR)
    assert stripe.call is ask
    assert (status_and_attempt(pending), list_cases(shop)) == (("succeeded", 1), [])
    shop.assert_books_balance()


def test_a_pending_refund_may_fail(shop, pending):
    shop.fake.fail_refund(load_refund(pending).provider_id)
    shop.fake.deliver()
    assert status_and_attempt(pending) == ("due", 2)
    shop.assert_books_balance()


def test_a_pending_refund_waits_for_the_next_sweep_while_stripe_is_down(shop, pending):
    shop.fake.drop_webhooks("*", times=100)
    shop.fake.complete_pending()
    shop.fake.fail_next_request("GET", "/v1/refunds/*", status=500, should_retry=False)
    advance_and_sweep(shop, 6 * HOUR)
    assert status_and_attempt(pending) == ("pending", 1)
    advance_and_sweep(shop, 60)
    assert status_and_attempt(pending) == ("succeeded", 1)


def test_a_refund_is_due_while_stripe_is_down_and_made_later(shop):
    order_id = shop.buy()
    fail_next_refund_call(shop)
    reply = builders.refund(shop.api, order_id)
    assert (reply.status, reply.json["refund"]["status"], reply.json["order"]["status"]) == (201, "due", "refunded")
    assert shop.api.get("/me/tickets", user="ada").json["count"] == 0
    shop.assert_books_balance()
    advance_and_sweep(shop, 59)
    assert status_and_attempt(order_id) == ("due", 1)
    fail_next_refund_call(shop)
    advance_and_sweep(shop, 1)
    assert status_and_attempt(order_id) == ("due", 1)
    advance_and_sweep(shop, 60)
    assert status_and_attempt(order_id) == ("succeeded", 1)
    assert (list_cases(shop), shop.list_refunds()) == ([], [(10_000, "succeeded")])


def create_due_refunds(shop, *users):
    """Orders of these users whose refunds Stripe did not make, so that they are due for the sweep. Returns the ids of the orders."""
    orders = [shop.buy(user, 1) for user in users]
    for order_id in orders:
        fail_next_refund_call(shop)
        builders.refund(shop.api, order_id)
        assert status_and_attempt(order_id) == ("due", 1)
    return orders


def test_a_sweep_tries_three_refunds_while_stripe_is_down(shop):
    create_due_refunds(shop, "ada", "bob", "cid", "dan")
    count_refund_calls(shop)
    shop.fake.fail_next_request("GET", "/v1/refunds", status=500, should_retry=False, times=3)
    advance_and_sweep(shop, 60)
    assert shop.fake.request_log.counts == {"GET /v1/refunds": 3}
    advance_and_sweep(shop, 60)
    assert len(shop.list_refunds()) == 4


def test_a_refund_that_stripe_does_not_answer_about_goes_behind_the_others(shop):
    silent, other = create_due_refunds(shop, "ada", "bob")
    shop.fake.fail_next_request("GET", "/v1/refunds", status=500, should_retry=False)
    advance_and_sweep(shop, 60)
    assert (status_and_attempt(silent), status_and_attempt(other)) == (("due", 1), ("succeeded", 1))
    advance_and_sweep(shop, RETRY_SECONDS["unanswered"])
    assert status_and_attempt(silent) == ("succeeded", 1)


def test_a_refund_that_cannot_be_processed_does_not_keep_others_waiting(shop):
    broken, sound = create_due_refunds(shop, "ada", "bob")
    purchase = store.load(broken)
    unknown = [replace(refund, status="pending", provider_id="re_gone") for refund in purchase.refunds]
    changed = store.save(purchase, replace(purchase, refunds=unknown))
    advance_and_sweep(shop, 60)
    assert (status_and_attempt(broken), status_and_attempt(sound)) == (("pending", 1), ("succeeded", 1))
    store.save(changed, replace(changed, refunds=purchase.refunds))
    advance_and_sweep(shop, RETRY_SECONDS["error"])
    assert status_and_attempt(broken) == ("succeeded", 1)


def test_an_admin_can_retry_a_due_refund_before_the_sweep_does(shop):
    order_id = shop.buy()
    fail_next_refund_call(shop)
    builders.refund(shop.api, order_id)
    assert shop.retry_refund(order_id, load_refund(order_id).id).json["refund"]["status"] == "succeeded"
    assert shop.list_refunds() == [(10_000, "succeeded")]


def test_a_lost_response_leads_to_one_refund(shop):
    order_id = shop.buy()
    shop.fake.lose_next_response("POST", "/v1/refunds")
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"
    assert shop.list_refunds() == [(10_000, "succeeded")]


@pytest.mark.parametrize("seconds", [60, 25 * HOUR])
def test_a_refund_whose_response_was_lost_is_found_and_not_made_again(shop, seconds):
    """After 24 hours Stripe has forgotten the idempotency key, so its refunds are listed first. Two refunds of one amount stay apart."""
    order_id = shop.buy()
    builders.refund(shop.api, order_id, key="1", tickets=[f"{order_id}-1"])
    shop.fake.drop_webhooks("*", times=100)
    shop.fake.lose_next_response("POST", "/v1/refunds", times=3)
    assert builders.refund(shop.api, order_id, key="2").json["refund"]["status"] == "due"
    advance_and_sweep(shop, seconds)
    assert status_and_attempt(order_id, 1) == ("succeeded", 1)
    assert shop.list_refunds() == [(5000, "succeeded")] * 2


def test_the_webhook_may_report_a_refund_whose_response_was_lost(shop):
    order_id = shop.buy()
    shop.fake.lose_next_response("POST", "/v1/refunds", times=3)
    builders.refund(shop.api, order_id)
    shop.fake.deliver()
    assert (status_and_attempt(order_id), list_cases(shop)) == (("succeeded", 1), [])


def test_a_slow_repetition_of_a_refused_attempt_makes_the_only_refund(shop):
    """Stripe refused the first attempt because of a dispute. The dispute is won before the slow execution makes that attempt again."""
    session = shop.open_checkout(quantity=2)
    shop.pay(session)
    order = shop.confirm(session).json
    charge = shop.dashboard.v1.charges.list({"limit": 1}).data[0].id
    dispute = shop.fake.create_dispute(charge)  # its webhook is late
    ticket = order["tickets"][0]["id"]
    refund = builders.refund(shop.api, session["id"], tickets=[ticket]).json["refund"]
    assert (refund["status"], refund["attempt"], refund["failure"]) == ("due", 2, "charge_disputed")
    shop.fake.close_dispute(dispute["id"], won=True)
    shop.time.advance(86_401)  # Stripe has forgotten the idempotency key, and that it refused
    payment_intent_id = store.load(session["id"]).payment.payment_intent_id
    again = ("stripe", session["id"], refund["id"], 1, payment_intent_id, 5000, "USD", None)
    payments.create_refund(*again, returns_fee=False, check_existing=False)
    shop.fake.deliver()
    builders.run_sweep()
    assert shop.list_refunds() == [(5000, "succeeded")]
    assert store.load(session["id"]).find_refund(refund["id"]).status == "succeeded"
    shop.assert_books_balance(recovered=True)


def test_a_purchase_that_cannot_be_read_delays_no_other_refund_or_checkout(shop):
    unreadable, other = create_due_refunds(shop, "ada", "bob")
    checkout = shop.open_checkout("cid", 1)
    with builders.unreadable(unreadable):
        advance_and_sweep(shop, 200)
        assert (status_and_attempt(other), shop.purchase_state(checkout)) == (("succeeded", 1), "expired")
        assert [case[0] for case in list_cases(shop)] == ["refund"]
    advance_and_sweep(shop, RETRY_SECONDS["error"])
    assert (status_and_attempt(unreadable), list_cases(shop)) == (("succeeded", 1), [])
