"""The comparison of our books with Stripe's repairs what lost webhooks have left undone, and leaves the rest alone."""

import pytest

from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.purchases import store
from chalicelib.reconciliation import compare
from tests import builders
from tests.payment_pages import DECLINED
from tests.reconciliation.comparing import assert_no_differences, buy_without_webhooks, compare_last_hour, list_findings
from tests.simulation import faults


def test_a_payment_whose_webhook_never_came_gets_its_tickets(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    report = compare_last_hour(shop)
    assert shop.purchase_state(session) == "paid"
    assert (report.payments, report.repaired, report.findings, report.unheard) == (1, {"paid_without_tickets": 1}, {}, 1)
    assert_no_differences(shop)


def test_a_decline_whose_webhook_never_came_is_recorded_in_the_ledger(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session, DECLINED, expect="declined")
    report = compare_last_hour(shop)
    assert (report.repaired, report.unheard, shop.purchase_state(session)) == ({}, 1, "paying")
    assert [entry.kind for entry in ledger.list_purchase_entries(shop.event_id, session["id"])] == ["opened", "declined"]


@pytest.mark.parametrize("crash", range(1, 8))
def test_a_payment_with_a_crashed_webhook_gets_its_tickets(shop, crash):
    session = shop.open_checkout()
    shop.pay(session)
    event = shop.fake.signed_delivery(shop.succeeded_event_id(session))
    with faults.crash_after(crash) as fault:
        shop.post_webhook(*event)
    compare_last_hour(shop)
    assert shop.purchase_state(session) == "paid"
    assert_no_differences(shop)
    assert fault.was_triggered == (crash <= 6)


def test_a_failed_refund_whose_webhook_never_came_is_made_again(shop):
    session = buy_without_webhooks(shop)
    assert builders.refund(shop.api, session["id"]).status == 201
    shop.fake.deliver()
    shop.time.advance(7200)
    shop.lose_webhooks()
    shop.fake.fail_refund(store.load(session["id"]).refunds[0].provider_id)
    report = compare_last_hour(shop)
    assert report.repaired == {"refunds_differ": 1}
    assert [(refund.status, refund.attempt) for refund in store.load(session["id"]).refunds] == [("due", 2)]
    assert_no_differences(shop)
    shop.time.advance(3600)
    builders.run_sweep()
    assert shop.received_and_kept() == (10000, 0)


@pytest.mark.parametrize(("won", "end"), [(True, "paid"), (False, "refunded")])
def test_a_dispute_whose_webhooks_never_came_is_applied(shop, won, end):
    session = buy_without_webhooks(shop)
    shop.fake.deliver()
    shop.lose_webhooks()
    shop.time.advance(86_400)
    dispute = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    report = compare_last_hour(shop)
    assert (report.disputes, report.repaired, report.unheard) == (1, {"disputes_differ": 1}, 2)
    assert store.load(session["id"]).is_disputed
    shop.time.advance(30 * 86_400)
    shop.fake.close_dispute(dispute["id"], won=won)
    report = compare_last_hour(shop)
    assert (report.disputes, report.repaired) == (0, {"disputes_differ": 1})
    assert shop.purchase_state(session) == end
    assert_no_differences(shop)


def test_a_bank_debit_that_succeeds_days_later_is_found_by_its_event(shop):
    shop.lose_webhooks()
    session = shop.open_checkout(page="hosted")
    shop.fake.pay_session_by_bank(store.load(session["id"]).payment.provider_id)
    shop.fake.complete_pending()
    shop.time.advance(5 * 86_400)
    assert compare_last_hour(shop).repaired == {}
    event = shop.fake.events("checkout.session.async_payment_succeeded")[0]
    report = compare.compare_span(event["created"], event["created"] + 1, shop.time.now)
    assert (shop.purchase_state(session), report.repaired) == ("paid", {"paid_without_tickets": 1})


def test_a_payment_that_succeeds_late_is_found_by_its_event(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.time.advance(7200)  # no sweep has run meanwhile
    shop.pay(session)
    report = compare_last_hour(shop)
    assert (report.payments, report.repaired, shop.purchase_state(session)) == (0, {"paid_without_tickets": 1}, "paid")


@pytest.mark.parametrize(
    ("state", "sold_out", "end"),
    [("expired", False, "paid"), ("expired", True, "refunded"), ("cancelled", False, "paid"), ("cancelled", True, "refunded")],
)
def test_a_payment_for_an_ended_purchase_gets_tickets_or_a_refund(shop, state, sold_out, end):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    shop.time.advance(181)
    shop.end_without_asking_stripe(session["id"], state)
    if sold_out:
        assert builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3).status == 201
    report = compare_last_hour(shop)
    assert (shop.purchase_state(session), report.repaired, report.findings) == (end, {"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (10000, 10000 if end == "paid" else 0)
    assert_no_differences(shop)


def test_a_payment_cancelled_at_stripe_returns_its_tickets(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.cancel(shop.fetch_payment_intent(session).id)
    report = compare_last_hour(shop)
    assert (shop.purchase_state(session), report.repaired) == ("cancelled", {"payment_over": 1})
    assert_no_differences(shop)


def test_a_second_payment_is_refunded_and_the_order_stays(shop):
    session = buy_without_webhooks(shop)
    shop.lose_webhooks()
    shop.pay_in_dashboard(session["id"])
    report = compare_last_hour(shop)
    assert (shop.purchase_state(session), report.repaired, report.findings) == ("paid", {"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (20000, 10000)
    assert_no_differences(shop)


def test_a_payment_of_another_amount_is_refunded(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session)
    report = compare_last_hour(shop)
    assert (shop.purchase_state(session), report.repaired, report.findings) == ("refunded", {"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (100, 0)
    assert_no_differences(shop)


@pytest.mark.parametrize(("amount", "end"), [(10000, "refunded"), (3000, "paid")])
def test_an_external_refund_whose_webhook_never_came_is_recorded(shop, amount, end):
    session = buy_without_webhooks(shop)
    shop.time.advance(7200)
    shop.lose_webhooks()
    refund = shop.dashboard.v1.refunds.create({"payment_intent": shop.fetch_payment_intent(session).id, "amount": amount})
    report = compare_last_hour(shop)
    assert (shop.purchase_state(session), report.refunds, report.repaired) == (end, 1, {"refunds_differ": 1})
    assert list_findings(shop) == ({} if end == "refunded" else {session["id"]: refund.id})
    assert_no_differences(shop)


def test_a_refund_that_stripe_made_before_a_crash_is_recorded(shop):
    session = buy_without_webhooks(shop)
    with faults.crash_before(2, operation="TransactWriteItems"):
        builders.refund(shop.api, session["id"])
    assert [refund.status for refund in store.load(session["id"]).refunds] == ["due"]
    assert shop.received_and_kept() == (10000, 0)
    report = compare_last_hour(shop)
    assert report.repaired == {"refunds_differ": 1}
    assert [refund.status for refund in store.load(session["id"]).refunds] == ["succeeded"]


def test_a_refund_that_is_due_is_left_to_the_sweep(shop):
    session = buy_without_webhooks(shop)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, times=3)
    builders.refund(shop.api, session["id"])
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({}, {})
    assert [refund.status for refund in store.load(session["id"]).refunds] == ["due"]
    shop.time.advance(61)
    builders.run_sweep()
    assert shop.received_and_kept() == (10000, 0)


def test_the_span_includes_its_first_second_and_excludes_its_last(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    paid_at = shop.time.now
    for since, until, count in ((paid_at - 900, paid_at, 0), (paid_at + 1, paid_at + 900, 0), (paid_at, paid_at + 1, 1)):
        report = compare.compare_span(since, until, shop.time.now)
        assert (report.payments, report.unheard) == (count, count)
    assert shop.purchase_state(session) == "paid"


def test_a_checkout_opened_in_a_later_span_costs_one_further_list(shop):
    reservation_id = shop.reserve()
    until = shop.time.advance(10)
    session = shop.request_checkout(reservation_id).json
    shop.pay(session)
    shop.confirm(session)
    shop.fake.deliver()
    shop.fake.request_log.clear()
    report = compare.compare_span(until - 900, until, shop.time.now)
    assert (report.payments, report.findings) == (0, {})
    assert shop.fake.request_log.counts == {"GET /v1/payment_intents": 2} | {
        f"GET /v1/{name}": 1 for name in ("refunds", "disputes", "events")
    }


def test_without_differences_nothing_is_written_and_lists_are_read_once(shop):
    for user in ("ada", "bob"):
        buy_without_webhooks(shop, user, 1)
    shop.fake.deliver()
    shop.fake.request_log.clear()
    with faults.record_calls() as calls:
        report = compare_last_hour(shop)
    assert (report.payments, report.repaired, report.findings, report.unheard) == (2, {}, {}, 0)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 1 for name in ("payment_intents", "refunds", "disputes", "events")}
    # Open cases; purchases and events, a hundred at a time; the catalog's head; the ledger, one query for each lane of the event.
    assert calls.names == ["Scan", "BatchGetItem", "BatchGetItem", "GetItem", *["Query"] * 4]


@pytest.mark.slow
def test_hundreds_of_payments_are_fetched_in_pages_and_read_in_batches(shop):
    session = buy_without_webhooks(shop)
    for number in range(250):
        params = {"amount": 500, "currency": "usd", "metadata": shop.payment_metadata(f"unknown-{number}")}
        shop.dashboard.v1.payment_intents.create(params)
    shop.fake.deliver()
    shop.fake.request_log.clear()
    with faults.record_calls() as calls:
        report = compare_last_hour(shop)
    assert (report.payments, report.repaired, report.findings) == (251, {}, {})
    assert shop.fake.request_log.counts["GET /v1/payment_intents"] == 5, "three pages, and two halves of the hour without payments"
    assert len(calls.of("BatchGetItem", "purchases")) == 3
    assert not calls.of("PutItem")
    assert shop.purchase_state(session) == "paid"


def test_each_payment_of_a_long_list_is_compared_once(shop):
    """Lists have several payments of the same second, also where they are split."""
    for number in range(420):
        if number % 3 == 0:
            shop.time.advance(1)
        shop.dashboard.v1.payment_intents.create({"amount": 500, "currency": "usd", "metadata": shop.payment_metadata(f"unknown-{number}")})
    shop.fake.deliver()
    shop.fake.request_log.clear()
    found = [payment.purchase_id for payment in payments.list_payments(shop.time.now - 3600, shop.time.now + 1, None)]
    assert sorted(found) == sorted(f"unknown-{number}" for number in range(420))
    assert 5 <= shop.fake.request_log.counts["GET /v1/payment_intents"] <= 12


def test_a_comparison_without_differences_leaves_no_open_case(shop):
    buy_without_webhooks(shop)
    assert_no_differences(shop)
    assert money_cases.list_open_cases() == []
