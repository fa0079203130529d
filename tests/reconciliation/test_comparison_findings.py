"""Differences from Stripe's books that are no lost webhook: money for nobody, of others, in other sums, tickets without any."""

import pytest

from chalicelib import ids
from chalicelib.ledger import service as ledger
from chalicelib.purchases.provider_events import apply as event_application
from chalicelib.purchases.record import store
from chalicelib.reconciliation import comparison
from tests import builders
from tests.reconciliation.looking import again_is_quiet, bought, deaf, look, over, paid, shown, state
from tests.simulation import faults


@pytest.mark.parametrize("left", ["nothing", "a tombstone"])
def test_money_for_a_purchase_that_is_not_there_goes_back(shop, left):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session)
    over(shop, session)
    store.PurchaseRow(session["id"]).delete()
    if left == "a tombstone":
        store.put_tombstone(session["id"], shop.time.now)
    report = look(shop)
    assert (report.repaired, report.findings) == ({"paid_without_tickets": 1}, {})
    assert shop.received_and_kept() == (10000, 0)
    again_is_quiet(shop)
    entries = [(one.kind, one.amount_cents) for one in ledger.list_purchase_entries(shop.event_id, session["id"])]
    assert entries == [("opened", 0), ("captured", 10000), ("refunded", -10000)]


@pytest.mark.parametrize("crash", range(1, 5))
def test_its_ledger_is_whole_whoever_died(shop, crash):
    deaf(shop)
    paid(shop, ids.new_id())
    with faults.crash_before(crash, table="payment-transactions"):
        look(shop)
    look(shop)
    assert shop.received_and_kept() == (10000, 0)
    assert sorted(one.kind for one in ledger.list_event_entries(shop.event_id)) == ["captured", "refunded"]


def test_what_cannot_go_back_is_shown_and_not_counted_as_repaired(shop):
    deaf(shop)
    purchase_id = ids.new_id()
    intent = shop.dashboard.v1.payment_intents.retrieve(paid(shop, purchase_id))
    dispute = shop.fake.create_dispute(intent.latest_charge)
    report = look(shop)
    assert (report.repaired, report.findings) == ({}, {"unknown_purchase": 1})
    assert shown(shop) == {purchase_id: f"unknown_purchase-{intent.id}"}
    shop.fake.close_dispute(dispute["id"], won=True)
    shop.dashboard.v1.refunds.create({"payment_intent": intent.id})
    comparison.recheck_open_cases(shop.time.now, disputes=False)
    assert shown(shop) == {}
    look(shop)


@pytest.mark.parametrize("stage", ["another", ""])
def test_payments_of_other_stages_and_shops_are_left_alone(shop, stage):
    order = bought(shop)["id"]  # which somebody has copied into the other stage
    shop.fake.deliver()
    before, since = store.load(order), shop.time.advance(600)
    deaf(shop)
    for number in range(3):
        made = [paid(shop, owner, stage=stage) for owner in (order, f"theirs-{number}")]
        shop.dashboard.v1.refunds.create({"payment_intent": made[0]})
        shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(made[1]).latest_charge)
    shop.fake.request_log.clear()
    shop.time.advance(1)
    with faults.record_calls() as calls:
        report = comparison.compare(since, shop.time.now, shop.time.now)
    assert report == comparison.ReconciliationReport(since, shop.time.now)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 1 for name in ("payment_intents", "refunds", "disputes", "events")}
    reads = {"Scan", "GetItem", "Query", "BatchGetItem"}
    assert (set(calls.names) <= reads, store.load(order)) == (True, before)
    for kind in ("payment_intent.succeeded", "charge.refunded", "refund.created", "charge.dispute.created"):
        assert shop.post_webhook(*shop.fake.signed_delivery(shop.fake.events(kind)[-1]["id"])).json == {"received": "not_ours"}
    assert (store.load(order), shop.received_and_kept()) == (before, (70_000, 10_000))


def test_a_whole_sale_of_unknown_purchases_is_somebody_elses_store(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session)
    row = store.PurchaseRow.find(session["id"])
    row.delete()
    lost = [ids.new_id() for _ in range(comparison.MAX_UNKNOWN_PAYMENTS)]
    for purchase_id in lost:
        paid(shop, purchase_id)
    with pytest.raises(comparison.StoreIsBehind):
        look(shop)
    comparison.recheck_open_cases(shop.time.now, disputes=False)
    assert set(shown(shop)) == {session["id"], *lost}
    assert shop.received_and_kept() == (110_000, 110_000)
    row.save()  # the rest of the store is back
    assert comparison.recheck_open_cases(shop.time.now, disputes=False) == {"paid_without_tickets": 1}
    assert (state(session), set(shown(shop))) == ("paid", set(lost))
    report = look(shop, max_unknown=None)
    assert (report.repaired, report.findings, shown(shop)) == ({"paid_without_tickets": 10}, {}, {})
    assert shop.received_and_kept() == (110_000, 10_000)


def test_other_sums_are_shown_until_they_are_right_or_a_person_says_so(shop):
    session = bought(shop)
    at_stripe = shop.fake._state.get("payment_intent", shop.fetch_payment_intent(session).id)
    at_stripe["amount_received"] = 9000
    report = look(shop)
    assert (report.repaired, report.findings) == ({}, {"amounts_differ": 1})
    finding = f"amounts_differ-{at_stripe['id']}"
    assert shown(shop) == {session["id"]: finding}
    assert look(shop).findings == {"amounts_differ": 1}
    assert shown(shop) == {session["id"]: finding}
    comparison.recheck_open_cases(shop.time.now, disputes=False)
    assert shown(shop) == {session["id"]: finding}
    where = f"/admin/reconciliation/{session['id']}/{finding}"
    assert [shop.api.delete(where, token=builders.admin_token()).status for _ in range(2)] == [200, 404]
    assert shown(shop) == {}
    look(shop)
    at_stripe["amount_received"] = 10000
    assert shown(shop) == {session["id"]: finding}
    assert comparison.recheck_open_cases(shop.time.now, disputes=False) == {}
    assert shown(shop) == {}


def test_money_that_we_believe_went_back_and_did_not_is_shown(shop):
    deaf(shop)
    session = shop.open_checkout()
    shop.pay(session)
    over(shop, session)
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 3)
    assert look(shop).repaired == {"paid_without_tickets": 1}
    charge = shop.fake._state.get("charge", shop.fetch_payment_intent(session).latest_charge)
    charge["amount_refunded"] = 0
    assert look(shop).findings == {"amounts_differ": 1}
    charge["amount_refunded"] = 10000
    again_is_quiet(shop)
    assert shown(shop) == {}


@pytest.mark.parametrize("gone", [True, False])
def test_tickets_that_stripe_has_no_money_for_are_shown(shop, monkeypatch, gone):
    session = bought(shop)
    intent = shop.fake._state.get("payment_intent", shop.fetch_payment_intent(session).id)
    created, intent["created"] = intent["created"], 0  # it is in no list of this time
    with monkeypatch.context() as patch:
        patch.setitem(intent, "amount_received", 0)
        if gone:
            shop.fake._state.remove("payment_intent", intent["id"])
        assert look(shop).findings == {"tickets_without_payment": 1}
        comparison.recheck_open_cases(shop.time.now, disputes=False)
    assert shown(shop) == {session["id"]: f"tickets_without_payment-{intent['id']}"}
    shop.fake._state.put("payment_intent", intent | {"created": created})
    comparison.recheck_open_cases(shop.time.now, disputes=False)
    assert (shown(shop), state(session)) == ({}, "paid")


def test_one_that_cannot_be_dealt_with_stops_nothing(shop, monkeypatch):
    deaf(shop)
    sessions = [shop.open_checkout(user, 1) for user in ("ada", "bob")]
    for session in sessions:
        shop.pay(session)
    home = event_application.apply_payment
    poison = sessions[1]["id"]
    with monkeypatch.context() as patch:
        patch.setattr(
            event_application, "apply_payment", lambda purchase, *rest: 1 // 0 if purchase.id == poison else home(purchase, *rest)
        )
        report = look(shop)
    assert [state(session) for session in sessions] == ["paid", "paying"]
    assert report.repaired == {"paid_without_tickets": 1}
    assert report.findings["not_dealt_with"] >= 1
    assert poison in shown(shop)
    assert comparison.recheck_open_cases(shop.time.now, disputes=False) == {"paid_without_tickets": 1}
    look(shop)
    assert (state(sessions[1]), shown(shop)) == ("paid", {})
