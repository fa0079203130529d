"""Refunds that fail at the bank: they are tried three times, and then shown to the admins."""

from chalicelib.audit import service as audit
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases import store
from tests import builders
from tests.payment_pages import REFUNDS_FAIL
from tests.purchases.refunds.progress import (
    DAY,
    HOUR,
    advance_and_sweep,
    count_refund_calls,
    fail_next_refund_call,
    list_cases,
    load_refund,
    status_and_attempt,
)


def create_failed_refund(shop):
    """An order whose refund has failed three times. Returns its id."""
    order_id = shop.buy(card=REFUNDS_FAIL)
    builders.refund(shop.api, order_id)
    for seconds in (10, HOUR, 10, DAY, 10):
        advance_and_sweep(shop, seconds)
    assert status_and_attempt(order_id) == ("failed", 3)
    return order_id


def test_a_refund_that_fails_is_tried_three_times_and_then_shown(shop):
    order_id = shop.buy(card=REFUNDS_FAIL)
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"
    assert count_refund_calls(shop) == 1
    shop.assert_books_balance()
    for attempt, seconds in ((2, HOUR), (3, DAY)):
        advance_and_sweep(shop, 10)  # the bank refuses, and the webhook reports it
        assert status_and_attempt(order_id) == ("due", attempt)
        shop.assert_books_balance()
        advance_and_sweep(shop, seconds - 11)
        assert count_refund_calls(shop) == 0
        advance_and_sweep(shop, 11)
        assert count_refund_calls(shop) == 1
        assert status_and_attempt(order_id) == ("succeeded", attempt)
        assert list_cases(shop) == []
    advance_and_sweep(shop, 10)
    assert status_and_attempt(order_id) == ("failed", 3)
    assert list_cases(shop) == [("refund", load_refund(order_id).id, "failed", None)]
    advance_and_sweep(shop, 30 * DAY)
    assert count_refund_calls(shop) == 0
    kinds = [(entry.kind, entry.amount_cents) for entry in ledger.list_purchase_entries(shop.event_id, order_id)][2:]
    assert sorted(kinds) == [("refund_failed", 10_000)] * 3 + [("refunded", -10_000)] * 3
    order = shop.fetch_order(order_id)
    assert (order["balance_cents"], order["order"]["status"]) == (10_000, "refunded")
    assert order["refunds"][0]["failure"] == "expired_or_canceled_card"


def test_an_admin_can_retry_a_failed_refund(shop):
    order_id = create_failed_refund(shop)
    count_refund_calls(shop)
    for attempt in (4, 5):
        reply = shop.retry_refund(order_id, load_refund(order_id).id)
        assert (reply.status, reply.json["refund"]["status"], reply.json["refund"]["attempt"]) == (200, "succeeded", attempt)
        refused = shop.retry_refund(order_id, load_refund(order_id).id)
        assert (refused.status, refused.json["error"], refused.json["status_of_refund"]) == (409, "not_refundable", "succeeded")
        assert list_cases(shop) == []
        advance_and_sweep(shop, 10)
        assert status_and_attempt(order_id) == ("failed", attempt)
        assert len(list_cases(shop)) == 1
    assert count_refund_calls(shop) == 2
    assert [entry.action for entry in audit.list_entries(f"order#{order_id}")] == ["refund.retried", "refund.retried", "order.refunded"]


def test_an_admin_can_close_a_failed_refund_that_was_paid_otherwise(shop):
    order_id = create_failed_refund(shop)
    refund_id = load_refund(order_id).id
    assert shop.close_case(order_id, refund_id).status == 200
    assert list_cases(shop) == []
    assert shop.close_case(order_id, refund_id).status == 404
    assert shop.retry_refund(order_id, load_refund(order_id).id).json["refund"]["status"] == "succeeded"


def test_a_refund_that_is_still_tried_cannot_be_closed(shop):
    order_id = shop.buy()
    fail_next_refund_call(shop)
    builders.refund(shop.api, order_id)
    assert shop.close_case(order_id, load_refund(order_id).id).status == 404
    assert len(list_cases(shop)) == 1
    shop.retry_refund(order_id, load_refund(order_id).id)


def test_only_admins_and_the_events_promoter_may_retry_a_refund(shop):
    order_id = create_failed_refund(shop)
    path = f"/admin/orders/{order_id}/refunds/{load_refund(order_id).id}/retry"
    assert shop.api.post(path).status == 401
    assert shop.api.post(path, user="ada").status == 403
    assert shop.api.post(path, token=builders.token("eve", "promoter")).status == 404
    assert shop.api.post(f"/admin/orders/{order_id}/refunds/none/retry", token=builders.admin_token()).status == 404
    assert status_and_attempt(order_id) == ("failed", 3)


def test_events_of_an_earlier_attempt_change_nothing(shop):
    order_id = shop.buy(card=REFUNDS_FAIL)
    builders.refund(shop.api, order_id)
    shop.fake.complete_pending()
    shop.fake.deliver()
    advance_and_sweep(shop, HOUR)
    assert status_and_attempt(order_id) == ("succeeded", 2)
    for event in shop.fake.events("refund.*"):
        body, headers = shop.fake.signed_delivery(event["id"])
        assert shop.post_webhook(body, headers).status == 200
    version = store.load(order_id).version
    for event in shop.fake.events("charge.refunded"):
        shop.post_webhook(*shop.fake.signed_delivery(event["id"]))
    assert (status_and_attempt(order_id), store.load(order_id).version) == (("succeeded", 2), version)


def test_an_admin_can_retry_the_failed_refund_of_a_mismatched_payment(shop):
    """It never was an order, but the money belongs to the buyer all the same."""
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session, REFUNDS_FAIL)
    shop.fake.deliver()
    for seconds in (10, HOUR, 10, DAY, 10):
        advance_and_sweep(shop, seconds)
    order_id = session["id"]
    assert (status_and_attempt(order_id), len(list_cases(shop))) == (("failed", 3), 1)
    assert shop.fetch_order(order_id)["balance_cents"] == 100
    assert builders.refund(shop.api, order_id).status == 404
    assert shop.retry_refund(order_id, load_refund(order_id).id).json["refund"]["status"] == "succeeded"
    assert shop.api.get(f"/orders/{order_id}", user="ada").status == 404


def test_the_case_of_a_failed_refund_is_as_old_as_the_refund(shop):
    requested_at = shop.time.now
    create_failed_refund(shop)
    assert money_cases.list_open_cases()[0].since == requested_at
