"""Differences from Stripe's books that are no lost webhook: unknown purchases, other stages, other amounts, tickets without a payment."""

from threading import Barrier

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import ids, settings
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.payments.providers import stripe
from chalicelib.purchases import provider_events as event_application
from chalicelib.purchases import store
from chalicelib.reconciliation import compare
from chalicelib.tickets.store import TicketRow
from tests import builders
from tests.reconciliation.comparing import assert_no_differences, buy_without_webhooks, compare_last_hour, list_findings, recheck
from tests.simulation import faults


@pytest.mark.parametrize("row", ["none", "tombstone"])
def test_a_payment_for_an_unknown_purchase_is_refunded(shop, row):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    store.PurchaseRow(session["id"]).delete()
    if row == "tombstone":
        store.put_tombstone(session["id"], shop.time.now)
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (10000, 0)
    assert_no_differences(shop)
    entries = [(entry.kind, entry.amount_cents) for entry in ledger.list_purchase_entries(shop.event_id, session["id"])]
    assert entries == [("opened", 0), ("captured", 10000), ("refunded", -10000)]


@pytest.mark.parametrize("crash", range(1, 5))
def test_the_ledger_of_an_unknown_purchase_is_complete_after_a_crash(shop, crash):
    shop.lose_webhooks()
    shop.pay_in_dashboard(ids.new_id())
    with faults.crash_before(crash, table="payment-transactions"):
        compare_last_hour(shop)
    compare_last_hour(shop)
    assert shop.received_and_kept() == (10000, 0)
    assert sorted(entry.kind for entry in ledger.list_event_entries(shop.event_id)) == ["captured", "refunded"]


def test_an_unknown_payment_that_cannot_be_refunded_is_not_repaired(shop):
    shop.lose_webhooks()
    purchase_id = ids.new_id()
    intent = shop.dashboard.v1.payment_intents.retrieve(shop.pay_in_dashboard(purchase_id))
    dispute = shop.fake.create_dispute(intent.latest_charge)
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({}, {"unknown_purchase": 1})
    assert list_findings(shop) == {purchase_id: f"unknown_purchase-{intent.id}"}
    shop.fake.close_dispute(dispute["id"], won=True)
    shop.dashboard.v1.refunds.create({"payment_intent": intent.id})
    recheck(shop)
    assert list_findings(shop) == {}
    compare_last_hour(shop)


@pytest.mark.parametrize("namespace", ["of another stage", None])
def test_payments_of_other_stages_and_shops_are_left_alone(shop, namespace):
    order_id = shop.buy()  # in the other stage there is a copy of it
    before, since = store.load(order_id), shop.time.advance(600)
    shop.lose_webhooks()
    for number in range(3):
        refunded, disputed = (
            shop.pay_in_dashboard(purchase_id, metadata=shop.payment_metadata(purchase_id) | {"namespace": namespace} if namespace else {})
            for purchase_id in (order_id, f"theirs-{number}")
        )
        shop.dashboard.v1.refunds.create({"payment_intent": refunded})
        shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(disputed).latest_charge)
    shop.fake.request_log.clear()
    shop.time.advance(1)
    with faults.record_calls() as calls:
        report = compare.compare_span(since, shop.time.now, shop.time.now)
    assert report == compare.ReconciliationReport(since, shop.time.now)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 1 for name in ("payment_intents", "refunds", "disputes", "events")}
    reads = {"Scan", "GetItem", "Query", "BatchGetItem"}
    assert (set(calls.names) <= reads, store.load(order_id)) == (True, before)
    for event_type in ("payment_intent.succeeded", "charge.refunded", "refund.created", "charge.dispute.created"):
        assert shop.post_newest_event(event_type) == "not_ours"
    assert (store.load(order_id), shop.received_and_kept()) == (before, (70_000, 10_000))


def test_many_unknown_purchases_are_shown_and_not_refunded(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    row = store.PurchaseRow.find(session["id"])
    row.delete()
    lost = [ids.new_id() for _ in range(compare.MAX_UNKNOWN_PAYMENTS)]
    for purchase_id in lost:
        shop.pay_in_dashboard(purchase_id)
    with pytest.raises(compare.StoreIsBehind):
        compare_last_hour(shop)
    recheck(shop)
    assert set(list_findings(shop)) == {session["id"], *lost}
    assert shop.received_and_kept() == (110_000, 110_000)
    row.save()  # the rest of the store is back
    assert recheck(shop) == {"paid_without_tickets": 1}
    assert (shop.purchase_state(session), set(list_findings(shop))) == ("paid", set(lost))
    report = compare_last_hour(shop, limit=compare.RefundLimit(None))
    assert (report.repaired, report.findings, list_findings(shop)) == ({"paid_without_tickets": 10}, {}, {})
    assert shop.received_and_kept() == (110_000, 10_000)


def test_the_hours_that_a_command_compares_share_the_limit_of_refunds(shop):
    limit = compare.RefundLimit()
    shop.lose_webhooks()
    for _ in range(compare.MAX_UNKNOWN_PAYMENTS // 2 + 1):
        shop.pay_in_dashboard(ids.new_id())
    compare_last_hour(shop, limit=limit)
    for _ in range(compare.MAX_UNKNOWN_PAYMENTS // 2 + 1):
        shop.pay_in_dashboard(ids.new_id())
    with pytest.raises(compare.StoreIsBehind):
        compare_last_hour(shop, limit=limit)
    assert len(shop.fake.objects("refund")) == compare.MAX_UNKNOWN_PAYMENTS // 2 + 1
    compare_last_hour(shop, limit=compare.RefundLimit(None))


def test_another_amount_is_shown_until_corrected_or_closed(shop):
    session = buy_without_webhooks(shop)
    intent_id = shop.fetch_payment_intent(session).id
    shop.fake.overwrite_object("payment_intent", intent_id, amount_received=9000)
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({}, {"amounts_differ": 1})
    finding = f"amounts_differ-{intent_id}"
    assert list_findings(shop) == {session["id"]: finding}
    assert compare_last_hour(shop).findings == {"amounts_differ": 1}
    assert list_findings(shop) == {session["id"]: finding}
    recheck(shop)
    assert list_findings(shop) == {session["id"]: finding}
    assert [shop.close_case(session["id"], finding).status for _ in range(2)] == [200, 404]
    assert list_findings(shop) == {}
    compare_last_hour(shop)
    shop.fake.overwrite_object("payment_intent", intent_id, amount_received=10_000)
    assert list_findings(shop) == {session["id"]: finding}
    assert recheck(shop) == {}
    assert list_findings(shop) == {}


def test_a_refund_that_stripe_did_not_make_is_shown(shop):
    shop.lose_webhooks()
    session = shop.open_checkout()
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3)
    assert compare_last_hour(shop).repaired == {"paid_without_tickets": 1}
    charge_id = shop.fetch_payment_intent(session).latest_charge
    shop.fake.overwrite_object("charge", charge_id, amount_refunded=0)
    assert compare_last_hour(shop).findings == {"amounts_differ": 1}
    shop.fake.overwrite_object("charge", charge_id, amount_refunded=10_000)
    assert_no_differences(shop)
    assert list_findings(shop) == {}


@pytest.mark.parametrize("exists", [False, True])
def test_tickets_without_a_payment_at_stripe_are_shown(shop, exists):
    session = buy_without_webhooks(shop)
    intent_id = shop.fetch_payment_intent(session).id
    before = shop.fake.overwrite_object("payment_intent", intent_id, amount_received=0, created=0)  # too old for a list of this time
    if not exists:
        shop.fake.remove_object("payment_intent", intent_id)
    assert compare_last_hour(shop).findings == {"tickets_without_payment": 1}
    recheck(shop)
    assert list_findings(shop) == {session["id"]: f"tickets_without_payment-{intent_id}"}
    shop.fake.overwrite_object("payment_intent", intent_id, **{name: value for name, value in before.items() if name != "id"})
    recheck(shop)
    assert (list_findings(shop), shop.purchase_state(session)) == ({}, "paid")


@pytest.mark.usefixtures("threaded_store")
def test_payments_are_looked_up_several_at_once(shop, monkeypatch):
    for user in ("ada", "bob"):
        shop.fake.remove_object("payment_intent", shop.fetch_payment_intent(buy_without_webhooks(shop, user, 1)).id)
    find, together = stripe.find_payment_by_id, Barrier(2)

    def find_together(provider_id, account):
        together.wait(timeout=60)
        return find(provider_id, account)

    monkeypatch.setattr(stripe, "find_payment_by_id", find_together)
    with settings.override(stripe_endpoint_rate=100):
        assert compare_last_hour(shop).findings == {"tickets_without_payment": 2}
    shop.fake.clear_webhook_rules()


def test_payments_opened_after_the_span_are_listed_only_if_that_takes_fewer_calls(shop, time):
    """One ticket's payment was opened later, one is unknown. The first list after the span has the first; the other is looked up."""
    sessions = [buy_without_webhooks(shop, user, 1) for user in ("ada", "bob")]
    later, unknown = [shop.fetch_payment_intent(session).id for session in sessions]
    shop.fake.overwrite_object("payment_intent", later, created=time.now + 5)
    shop.fake.remove_object("payment_intent", unknown)
    since = time.now - 3600
    shop.fake.request_log.clear()
    report = compare.compare_span(since, time.now + 1, time.now + 60)
    assert (report.payments, report.findings) == (0, {"tickets_without_payment": 1})
    assert list_findings(shop) == {sessions[1]["id"]: f"tickets_without_payment-{unknown}"}
    counts = shop.fake.request_log.counts
    assert (counts["GET /v1/payment_intents"], counts["GET /v1/payment_intents/:id"]) == (2, 1)
    shop.fake.clear_webhook_rules()


def test_a_payment_that_cannot_be_processed_does_not_stop_the_comparison(shop, monkeypatch):
    shop.lose_webhooks()
    sessions = [shop.open_checkout(user, 1) for user in ("ada", "bob")]
    for session in sessions:
        shop.pay(session)
    apply_payment, failing_id = event_application.apply_payment, sessions[1]["id"]

    def fail_for_one(purchase, *arguments):
        if purchase.id == failing_id:
            raise ZeroDivisionError
        return apply_payment(purchase, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(event_application, "apply_payment", fail_for_one)
        report = compare_last_hour(shop)
    assert [shop.purchase_state(session) for session in sessions] == ["paid", "paying"]
    assert report.repaired == {"paid_without_tickets": 1}
    assert report.findings["not_dealt_with"] >= 1
    assert failing_id in list_findings(shop)
    assert recheck(shop) == {"paid_without_tickets": 1}
    compare_last_hour(shop)
    assert (shop.purchase_state(sessions[1]), list_findings(shop)) == ("paid", {})


@pytest.mark.not_on_moto  # which lets an update make an item larger than 400 KB
def test_an_order_that_can_never_be_saved_does_not_stop_the_comparison(shop):
    """Its payment was refunded in the dashboard, but the store refuses to make its ticket void."""
    session = buy_without_webhooks(shop, quantity=1)
    builders.fill_ticket(f"{session['id']}-1")
    shop.lose_webhooks()
    shop.dashboard.v1.refunds.create({"payment_intent": shop.fetch_payment_intent(session).id})
    report = compare_last_hour(shop)
    assert (report.repaired, report.findings) == ({}, {"not_dealt_with": 3})
    assert session["id"] in list_findings(shop)
    dynamo.update_now(TicketRow(f"{session['id']}-1"), [TicketRow.guests.remove()])
    assert compare_last_hour(shop).repaired == {"refunds_differ": 1}
    recheck(shop)
    assert list_findings(shop) == {}


def test_a_purchase_of_a_newer_version_does_not_stop_the_comparison(shop):
    shop.lose_webhooks()
    sessions = [shop.open_checkout(user, 1) for user in ("ada", "bob")]
    for session in sessions:
        shop.pay(session)
    with builders.unreadable(sessions[0]["id"]):
        report = compare_last_hour(shop, limit=compare.RefundLimit(0))
        assert report.repaired == {"paid_without_tickets": 1}
        assert shop.purchase_state(sessions[1]) == "paid"
    assert set(list_findings(shop)) == {sessions[0]["id"]}
    assert compare_last_hour(shop).repaired == {"paid_without_tickets": 1}
    assert (shop.purchase_state(sessions[0]), list_findings(shop)) == ("paid", {})


def test_findings_that_stay_open_do_not_keep_later_ones_open(shop, monkeypatch):
    monkeypatch.setattr(compare, "MAX_RECHECKS", 1)
    sessions = [buy_without_webhooks(shop, user, 1) for user in ("ada", "bob", "eve")]
    intents = [shop.fetch_payment_intent(session) for session in sessions]
    for intent in intents:
        shop.fake.overwrite_object("payment_intent", intent.id, amount_received=9000)
    assert compare_last_hour(shop).findings == {"amounts_differ": 3}
    shop.fake.overwrite_object("payment_intent", intents[2].id, amount_received=intents[2].amount_received)
    for _ in range(200):
        recheck(shop)
        if len(list_findings(shop)) == 2:
            break
    assert set(list_findings(shop)) == {session["id"] for session in sessions[:2]}
    for intent in intents[:2]:
        shop.fake.overwrite_object("payment_intent", intent.id, amount_received=intent.amount_received)
    compare_last_hour(shop)


def test_a_purchase_that_contradicts_its_tickets_stops_nothing_else(shop):
    shop.lose_webhooks()
    sessions = {user: shop.open_checkout(user, 1) for user in ("ada", "bob", "cleo")}
    for session in sessions.values():
        shop.pay(session)
    torn = sessions["bob"]
    before = store.PurchaseRow.find(torn["id"])
    assert shop.confirm(torn, "bob").status == 201
    after = store.PurchaseRow.find(torn["id"])
    before.save()  # its tickets and the ledger were restored to a later second
    report = compare_last_hour(shop)
    assert (report.repaired, set(report.findings)) == ({"paid_without_tickets": 2}, {"not_dealt_with"})
    assert [shop.purchase_state(session) for session in sessions.values()] == ["paid", "paying", "paid"]
    assert set(list_findings(shop)) == {torn["id"]}
    after.save()  # an operator has copied it back
    assert_no_differences(shop)
    assert list_findings(shop) == {}


def test_a_recheck_continues_after_a_purchase_that_contradicts_its_tickets(shop):
    orders = [shop.buy(user, 1) for user in ("ada", "bob", "cleo")]
    disputes = {order_id: shop.create_dispute(order_id) for order_id in orders}
    shop.lose_webhooks()
    for dispute in disputes.values():
        shop.fake.close_dispute(dispute, won=False)
    torn = orders[1]
    ticket_row = TicketRow.find(f"{torn}-1")
    ticket_row.delete()
    yesterday = shop.time.now - 86_400
    assert compare.recheck_open_cases(money_cases.list_open_cases(), yesterday, shop.time.now) == {"disputes_differ": 2}
    assert list_findings(shop) == {torn: f"not_dealt_with-{disputes[torn]}"}
    ticket_row.save()
    assert compare.recheck_open_cases(money_cases.list_open_cases(), yesterday, shop.time.now) == {"disputes_differ": 1}
    assert list_findings(shop) == {}


def test_a_refund_without_a_status_stops_nothing(shop):
    order_id = shop.buy("ada", 1)
    refund = shop.refund_in_dashboard(order_id, 5000)
    session = buy_without_webhooks(shop, "bob", 1)
    shop.fake.overwrite_object("refund", refund.id, status=None)
    compare_last_hour(shop)
    shop.fake.overwrite_object("refund", refund.id, status="succeeded")
    assert compare_last_hour(shop).findings == {}
    assert (shop.ticket_states(order_id), shop.purchase_state(session)) == (["void"], "paid")
