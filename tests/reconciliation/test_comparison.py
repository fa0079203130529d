"""Our books against Stripe's, over real HTTP with the real SDK: what was lost is found, what differs is shown, the rest is left alone."""

import pytest

from chalicelib import settings
from chalicelib.cases import service as cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store
from chalicelib.reconciliation import comparison
from tests import builders
from tests.reconciliation.looking import again_is_quiet, bought, deaf, look, over, paid, shown, state
from tests.simulation import faults
from tests.stripe_shop import DECLINED


def test_a_payment_whose_webhook_never_came_gets_its_tickets(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session)
    report = look(shop)
    assert state(session) == "paid"
    assert (report.payments, report.repaired, report.findings, report.unheard) == (1, {"paid_without_tickets": 1}, {}, 1)
    again_is_quiet(shop)


def test_a_decline_that_nobody_told_is_in_the_ledger(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session, DECLINED, expect="declined")
    report = look(shop)
    assert (report.repaired, report.unheard, state(session)) == ({}, 1, "paying")
    assert [one.kind for one in ledger.list_purchase_entries(shop.event_id, session["id"])] == ["opened", "declined"]


@pytest.mark.parametrize("crash", range(1, 8))
def test_a_webhook_that_died_and_never_came_again(shop, crash):
    session = shop.open_checkout()
    shop.pay(session)
    event = shop.fake.signed_delivery(shop.succeeded_event_id(session))
    with faults.crash_after(crash) as fault:
        shop.post_webhook(*event)
    look(shop)
    assert state(session) == "paid"
    again_is_quiet(shop)
    assert fault.was_triggered == (crash <= 6)


def test_refunds_that_failed_unheard_are_made_again(shop):
    session = bought(shop)
    body = {"reason": "goodwill"}
    key = {"Idempotency-Key": "r"}
    refunded = shop.api.post(f"/admin/orders/{session['id']}/refunds", json=body, token=builders.admin_token(), headers=key)
    assert refunded.status == 201
    shop.fake.deliver()
    shop.time.advance(7200)
    deaf(shop)
    shop.fake.fail_refund(store.load(session["id"]).refunds[0].provider_id)
    report = look(shop)
    assert report.repaired == {"refunds_differ": 1}
    assert [(one.status, one.attempt) for one in store.load(session["id"]).refunds] == [("due", 2)]
    again_is_quiet(shop)
    shop.time.advance(3600)
    builders.run_sweep()
    assert shop.received_and_kept() == (10000, 0)


@pytest.mark.parametrize(("won", "end"), [(True, "paid"), (False, "refunded")])
def test_disputes_that_nobody_told_of(shop, won, end):
    session = bought(shop)
    shop.fake.deliver()
    deaf(shop)
    shop.time.advance(86_400)
    dispute = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    report = look(shop)
    assert (report.disputes, report.repaired, report.unheard) == (1, {"disputes_differ": 1}, 2)
    assert store.load(session["id"]).is_disputed
    shop.time.advance(30 * 86_400)
    shop.fake.close_dispute(dispute["id"], won=won)
    report = look(shop)
    assert (report.disputes, report.repaired) == (0, {"disputes_differ": 1})
    assert state(session) == end
    again_is_quiet(shop)


def test_a_debit_that_a_bank_answers_days_after_it_was_begun(shop):
    deaf(shop)
    session = shop.open_checkout(page="hosted")
    shop.fake.pay_session_by_bank(store.load(session["id"]).payment.provider_id)
    shop.fake.complete_pending()
    shop.time.advance(5 * 86_400)
    assert look(shop).repaired == {}
    event = shop.fake.events("checkout.session.async_payment_succeeded")[0]
    report = comparison.compare(event["created"], event["created"] + 1, shop.time.now)
    assert (state(session), report.repaired) == ("paid", {"paid_without_tickets": 1})


def test_what_succeeds_long_after_it_was_opened_is_found_by_what_stripe_told(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.time.advance(7200)  # the sweep was not to be reached either
    shop.pay(session)
    report = look(shop)
    assert (report.payments, report.repaired, state(session)) == (0, {"paid_without_tickets": 1}, "paid")


@pytest.mark.parametrize(
    ("how", "compete", "end"),
    [("expired", False, "paid"), ("expired", True, "refunded"), ("cancelled", False, "paid"), ("cancelled", True, "refunded")],
)
def test_money_for_what_was_over_ends_in_tickets_or_goes_back(shop, how, compete, end):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session)
    over(shop, session, how)
    if compete:
        assert builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3).status == 201
    report = look(shop)
    assert (state(session), report.repaired, report.findings) == (end, {"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (10000, 10000 if end == "paid" else 0)
    again_is_quiet(shop)


def test_what_was_cancelled_at_stripe_gives_its_tickets_back(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.cancel(shop.fetch_payment_intent(session).id)
    report = look(shop)
    assert (state(session), report.repaired) == ("cancelled", {"payment_over": 1})
    again_is_quiet(shop)


def test_a_second_payment_goes_back_and_the_order_stays(shop):
    session = bought(shop)
    deaf(shop)
    paid(shop, session["id"])
    report = look(shop)
    assert (state(session), report.repaired, report.findings) == ("paid", {"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (20000, 10000)
    again_is_quiet(shop)


def test_an_altered_payment_goes_back(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.dashboard.v1.payment_intents.update(shop.fetch_payment_intent(session).id, {"amount": 100})
    shop.pay(session)
    report = look(shop)
    assert (state(session), report.repaired, report.findings) == ("refunded", {"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (100, 0)
    again_is_quiet(shop)


@pytest.mark.parametrize(("amount", "end"), [(10000, "refunded"), (3000, "paid")])
def test_refunds_by_hand_that_nobody_told_of(shop, amount, end):
    session = bought(shop)
    shop.time.advance(7200)
    deaf(shop)
    made = shop.dashboard.v1.refunds.create({"payment_intent": shop.fetch_payment_intent(session).id, "amount": amount})
    report = look(shop)
    assert (state(session), report.refunds, report.repaired) == (end, 1, {"refunds_differ": 1})
    assert shown(shop) == ({} if end == "refunded" else {session["id"]: made.id})
    again_is_quiet(shop)


def test_a_refund_that_was_made_before_its_maker_died(shop):
    session = bought(shop)
    with faults.crash_before(2, operation="TransactWriteItems"):
        shop.api.post(
            f"/admin/orders/{session['id']}/refunds",
            json={"reason": "goodwill"},
            token=builders.admin_token(),
            headers={"Idempotency-Key": "r"},
        )
    assert [one.status for one in store.load(session["id"]).refunds] == ["due"]
    assert shop.received_and_kept() == (10000, 0)
    report = look(shop)
    assert report.repaired == {"refunds_differ": 1}
    assert [one.status for one in store.load(session["id"]).refunds] == ["succeeded"]


def test_a_refund_that_is_due_is_the_sweeps(shop):
    session = bought(shop)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, times=3)
    shop.api.post(
        f"/admin/orders/{session['id']}/refunds",
        json={"reason": "goodwill"},
        token=builders.admin_token(),
        headers={"Idempotency-Key": "r"},
    )
    report = look(shop)
    assert (report.repaired, report.findings) == ({}, {})
    assert [one.status for one in store.load(session["id"]).refunds] == ["due"]
    shop.time.advance(61)
    builders.run_sweep()
    assert shop.received_and_kept() == (10000, 0)


def test_from_the_first_second_to_before_the_last(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session)
    at = shop.time.now
    for since, until, found in ((at - 900, at, 0), (at + 1, at + 900, 0), (at, at + 1, 1)):
        report = comparison.compare(since, until, shop.time.now)
        assert (report.payments, report.unheard) == (found, found)
    assert state(session) == "paid"


def test_a_checkout_opened_after_the_end_of_its_reservations_span_costs_no_call(shop):
    reserved = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]
    until = shop.time.advance(10)
    session = shop.request_checkout(reserved).json
    shop.pay(session)
    shop.confirm(session)
    shop.fake.deliver()
    shop.fake.request_log.clear()
    report = comparison.compare(until - 900, until, shop.time.now)
    assert (report.payments, report.findings) == (0, {})
    assert sum(shop.fake.request_log.counts.values()) == 4


def test_nothing_differs_nothing_is_written_and_each_list_is_asked_once(shop):
    for user in ("ada", "bob"):
        bought(shop, user, 1)
    shop.fake.deliver()
    shop.fake.request_log.clear()
    with faults.record_calls() as made:
        report = look(shop)
    assert (report.payments, report.repaired, report.findings, report.unheard) == (2, {}, {}, 0)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 1 for name in ("payment_intents", "refunds", "disputes", "events")}
    # Open matters; purchases and events, a hundred at a time; the catalog; the ledger, one query for each lane of the event.
    assert made.names == ["Scan", "BatchGetItem", "BatchGetItem", "GetItem", "Query", *["Query"] * 4]


def test_hundreds_come_page_by_page_and_are_read_in_batches(shop):
    session = bought(shop)
    metadata = {"event_id": shop.event_id, "user_id": "x", "namespace": settings.current().stage}
    for number in range(250):
        params = {"amount": 500, "currency": "usd", "metadata": {**metadata, "purchase_id": f"nobody-{number}"}}
        shop.dashboard.v1.payment_intents.create(params)
    shop.fake.deliver()
    shop.fake.request_log.clear()
    with faults.record_calls() as made:
        report = look(shop)
    assert (report.payments, report.repaired, report.findings) == (251, {}, {})
    assert shop.fake.request_log.counts["GET /v1/payment_intents"] == 3
    assert len(made.of("BatchGetItem", "purchases")) == 3
    assert not made.of("PutItem")
    assert state(session) == "paid"


def test_no_matter_is_left_behind(shop):
    bought(shop)
    again_is_quiet(shop)
    assert cases.list_open() == []
