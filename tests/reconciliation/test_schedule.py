"""The schedule that compares our books with Stripe's: how far it comes when runs die, overlap or find Stripe away."""

import contextlib

import pytest
from msgspec.structs import replace

from chalicelib import settings
from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.purchases.record import store
from chalicelib.reconciliation import comparison, jobs, schedule
from chalicelib.reconciliation.schedule import MAX_SPANS_PER_RUN, SPAN_SECONDS
from chalicelib.reconciliation.store import ReconciliationRow
from tests import builders, shops
from tests.simulation import faults
from tests.simulation.provider_faults import crash_after_provider_call, record_provider_calls
from tests.simulation.threads import run_in_threads
from tests.stripe_shop import open_shop

BEHIND = 600 + 180  # what is younger is still being dealt with
LISTS = ("payment_intents", "refunds", "disputes", "events")

pytestmark = pytest.mark.usefixtures("threaded_store")


def begin_the_schedule(shop):
    """As if it had always run."""
    ReconciliationRow("last", until=shop.time.now - BEHIND, at=shop.time.now, report='{"since":0,"until":0}').save()


def lost(shop, user="ada", quantity=1):
    """A payment whose webhooks never come."""
    shop.fake.drop_webhooks(times=100)
    session = shop.open_checkout(user, quantity)
    shop.pay(session)
    shop.fake._webhooks.rules.clear()
    return session


def state(session):
    return store.load(session["id"]).state


def cursor():
    return int(ReconciliationRow.find("last").until)


def run(shop):
    return schedule.run(shop.time.now)


def test_a_lost_payment_has_its_tickets_with_the_next_run_after_it_settled(shop):
    begin_the_schedule(shop)
    session = lost(shop)
    for minutes, there in ((0, False), (15, True)):
        shop.time.advance(minutes * 60)
        report = run(shop)
        assert (report.until, state(session) == "paid") == (shop.time.now - BEHIND, there)
    assert (report.since, report.payments, report.repaired) == (shop.time.now - BEHIND - 900, 1, {"paid_without_tickets": 1})
    assert schedule.load_last_run().report == report


def test_the_first_run_begins_an_hour_ago(shop):
    report = run(shop)
    assert (report.since, report.until) == (shop.time.now - BEHIND - 3600, shop.time.now - BEHIND)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 3600 // SPAN_SECONDS for name in LISTS}
    run(shop)
    assert cursor() == shop.time.now - BEHIND


def test_a_run_does_six_hours_at_most(shop):
    begin_the_schedule(shop)
    began = cursor()
    shop.time.advance(86_400)
    for number in range(1, 5):
        shop.fake.request_log.clear()
        run(shop)
        assert cursor() == began + number * 6 * 3600
        assert shop.fake.request_log.counts == {f"GET /v1/{name}": MAX_SPANS_PER_RUN for name in LISTS}
    assert cursor() == shop.time.now - BEHIND


def test_after_days_of_standstill_it_catches_up_and_counts_everything_once(shop):
    begin_the_schedule(shop)
    edge = cursor() + 3 * SPAN_SECONDS
    shop.time.set(edge - 1)
    sessions = []
    for user in ("ada", "bob", "eve"):
        sessions.append(lost(shop, user))
        shop.time.advance(1)
    shop.time.advance(2 * 86_400)
    reports = [run(shop) for _ in range(10)]
    assert [state(session) for session in sessions] == ["paid"] * 3
    assert sum(report.payments for report in reports) == 3
    assert sum(report.repaired.get("paid_without_tickets", 0) for report in reports) == 3
    assert all(report.findings == {} for report in reports)
    assert cursor() == shop.time.now - BEHIND


def test_the_next_run_goes_on_where_the_provider_went_away(shop, monkeypatch):
    begin_the_schedule(shop)
    session, since = lost(shop), cursor()
    shop.time.advance(3600)
    compare, spans = comparison.compare, []

    def fails_at_the_third(*span):
        spans.append(span)
        if len(spans) == 3:
            shop.fake.fail_next_request("GET", "/v1/disputes", status=500, times=3)
        return compare(*span)

    monkeypatch.setattr(comparison, "compare", fails_at_the_third)
    with pytest.raises(ProviderUnavailable):
        run(shop)
    assert cursor() == since + 2 * SPAN_SECONDS
    report = run(shop)
    assert (report.since, report.until) == (since + 2 * SPAN_SECONDS, shop.time.now - BEHIND)
    assert state(session) == "paid"


def test_two_runs_at_once_do_no_harm(shop):
    begin_the_schedule(shop)
    sessions = [lost(shop, user) for user in ("ada", "bob", "eve")]
    shop.time.advance(1800)
    reports = run_in_threads(4, lambda _: run(shop), range(4))
    assert [state(session) for session in sessions] == ["paid"] * 3
    assert cursor() <= shop.time.now - BEHIND
    assert all(report.findings == {} for report in reports)
    run(shop)
    assert cursor() == shop.time.now - BEHIND


def test_an_older_run_does_not_take_a_newer_one_back(shop, monkeypatch):
    begin_the_schedule(shop)
    shop.time.advance(1800)
    old, compare = shop.time.now, comparison.compare

    def overtaken(*span):
        monkeypatch.setattr(comparison, "compare", compare)
        shop.time.advance(900)
        run(shop)
        return compare(*span)

    monkeypatch.setattr(comparison, "compare", overtaken)
    report = schedule.run(old)
    assert report.until < cursor() == shop.time.now - BEHIND
    assert schedule.load_last_run().at == shop.time.now


def test_it_ends_at_a_span_when_it_has_seen_enough(shop, monkeypatch):
    begin_the_schedule(shop)
    since = cursor()
    monkeypatch.setattr(schedule, "MAX_PAYMENTS_PER_RUN", 1)
    lost(shop)
    shop.time.advance(7200)
    report = run(shop)
    assert (report.payments, since + SPAN_SECONDS <= report.until < shop.time.now - BEHIND) == (1, True)
    assert run(shop).until == shop.time.now - BEHIND


def test_nothing_differs_and_only_its_place_is_written(shop):
    begin_the_schedule(shop)
    for user in ("ada", "bob"):
        session = shop.open_checkout(user, 1)
        shop.pay(session)
        assert shop.confirm(session, user).status == 201
    shop.fake.deliver()
    shop.time.advance(900)
    shop.fake.request_log.clear()
    with faults.record_calls() as made:
        report = run(shop)
    assert (report.payments, report.repaired, report.findings, report.unheard) == (2, {}, {}, 0)
    spans = 900 // SPAN_SECONDS
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": spans for name in LISTS}
    writes = [one for one in made.entries if one.operation not in ("Scan", "Query", "GetItem", "BatchGetItem")]
    assert [(one.operation, one.tables) for one in writes] == [("PutItem", ["reconciliation"])] * spans
    # Purchases and events; each span's open matters, catalog (an item and a list) and four lanes of the one event that sells.
    assert len(made.of("BatchGetItem")) == 2
    assert (len(made.of("Scan")), len(made.of("Query")), len(made.of("GetItem"))) == (spans + 2, 5 * spans, spans + 1)


def test_open_disputes_are_asked_for_once_a_day(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.confirm(session)
    dispute = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    shop.fake.deliver()
    shop.time.set((shop.time.now // 86_400 + 40) * 86_400)  # Stripe has forgotten the events by now
    begin_the_schedule(shop)
    shop.fake.drop_webhooks(times=100)
    shop.fake.close_dispute(dispute["id"], won=False)
    for event in list(shop.fake._state.oldest_first("event")):
        shop.fake._state.remove("event", event["id"])
    shop.fake.request_log.clear()
    for _ in range(3):
        shop.time.advance(900)
        run(shop)
    assert (state(session), shop.fake.request_log.counts.get("GET /v1/disputes/:id", 0)) == ("paid", 0)
    shop.time.advance(86_400)
    assert run(shop).repaired == {"disputes_differ": 1}
    assert (state(session), shop.fake.request_log.counts.get("GET /v1/disputes/:id", 0), cases.list_open()) == ("refunded", 1, [])


def test_what_was_found_is_gone_with_the_run_after_it_is_right(shop):
    begin_the_schedule(shop)
    session = shop.open_checkout()
    shop.pay(session)
    shop.confirm(session)
    shop.fake.deliver()
    intent = shop.fake._state.get("payment_intent", shop.fetch_payment_intent(session).id)
    intent["amount_received"] = 1
    shop.time.advance(900)
    assert run(shop).findings == {"amounts_differ": 1}
    shop.time.advance(900)
    assert run(shop).findings == {}
    reply = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json
    assert [(one["order_id"], one["expected"]["received_cents"]) for one in reply["open"]] == [(session["id"], 10000)]
    intent["amount_received"] = 10000
    shop.time.advance(900)
    run(shop)
    reply = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json
    assert (reply["open"], reply["last_run"]["findings"]) == ([], {})


def test_where_stripe_takes_no_payments_it_does_nothing(shop):
    with settings.override(stripe_api_key=""), faults.record_calls() as made:
        assert jobs.reconcile(_event(), None) == {"off": "Stripe takes no payments here."}
    assert made.names == []
    assert jobs.reconcile(_event(), None)["findings"] == {}


def _event():
    event = {"version": "0", "account": "0", "region": "", "detail": {}, "detail-type": "Scheduled Event", "source": "aws.events"}
    return event | {"time": "", "id": "1", "resources": []}


@contextlib.contextmanager
def trouble(api, time):
    """Money for what was over, another sum than was asked for, and a dispute, all in one time; nothing of it was heard."""
    with shops.isolated_shop(api), open_shop(api, time) as shop:
        begin_the_schedule(shop)
        order = shop.open_checkout("eve", 1)
        shop.pay(order)
        shop.confirm(order, "eve")
        shop.fake.deliver()
        late = lost(shop, "ada")
        shop.fake.drop_webhooks(times=100)
        expired = store.load(late["id"])
        store.save(expired, replace(expired, state="expired", ended_at=shop.time.now))
        inventory.release_holds(expired.holds)
        second = lost(shop, "bob")
        shop.fake.drop_webhooks(times=100)
        shop.fake.create_dispute(shop.fetch_payment_intent(order).latest_charge)
        shop.dashboard.v1.refunds.create({"payment_intent": shop.fetch_payment_intent(second).id, "amount": 1000})
        shop.time.advance(900)
        yield shop, (order, late, second)


def test_a_crash_anywhere_is_made_up_for_by_the_next_run(api, time, monkeypatch):
    with trouble(api, time) as (shop, _), faults.record_calls() as made, record_provider_calls() as asked:
        run(shop)
    points = [("store", number) for number in range(1, len(list(made)) + 1)]
    points += [("provider", number) for number in range(1, len(asked) + 1)]
    for where, number in points:
        with trouble(api, time) as (shop, (order, late, second)):
            with faults.crash_after(number) if where == "store" else crash_after_provider_call(number):
                run(shop)
            run(shop)
            shop.time.advance(181)
            builders.run_sweep()
            assert (state(late), state(second), store.load(order["id"]).is_disputed) == ("paid", "refunded", True)
            assert cursor() > shop.time.now - BEHIND - 900
            shop.assert_books_balance(recovered=True)
    assert len(points) > 50
