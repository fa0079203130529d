"""The schedule of the comparison with Stripe's books: how far each run comes, also after crashes and next to other runs."""

import contextlib
import math
from collections import Counter
from zlib import crc32

import pytest

from chalicelib.edge import scheduled
from chalicelib.foundation import clock, deadline, ids, settings
from chalicelib.ledger import money_cases
from chalicelib.payments.model import ProviderUnavailable
from chalicelib.payments.providers import stripe
from chalicelib.reconciliation import compare, jobs, records
from chalicelib.reconciliation.compare import QUARTERS, ReconciliationReport
from chalicelib.reconciliation.jobs import SPAN_SECONDS, ReconciliationRow
from tests import builders, shops, store_calls
from tests.reconciliation.comparing import buy_without_webhooks, pay_without_webhooks, recheck
from tests.simulation import faults
from tests.simulation.moments import Moment
from tests.simulation.provider_faults import crash_after_provider_call, record_provider_calls
from tests.simulation.threads import run_in_threads
from tests.stripe_shop import open_shop

BEHIND = 600 + 180  # seconds until a payment is compared: until then its webhooks may come
LISTS = ("payment_intents", "refunds", "disputes", "events")

pytestmark = pytest.mark.usefixtures("threaded_store")


def start_schedule(shop):
    """Make the next run go on from now, as if the schedule had always run."""
    ReconciliationRow("last", until=shop.time.now - BEHIND, at=shop.time.now, report=ReconciliationReport(0, 0)).save()


def test_a_payment_without_webhooks_is_compared_within_half_an_hour():
    """At worst its hold, the time that payments settle and the wait for the next run."""
    assert settings.Settings().hold_seconds + jobs.SETTLE_SECONDS + scheduled.INTERVALS["reconcile"] <= 1800


def load_position():
    """Until when the runs have compared, in seconds since the epoch."""
    return int(ReconciliationRow.find("last").until)


def run_schedule(shop):
    with store_calls.made_by("reconcile"):
        return jobs.compare_books(shop.time.now)


def test_a_payment_without_webhooks_gets_tickets_once_compared(shop):
    start_schedule(shop)
    session = pay_without_webhooks(shop)
    for minutes, is_paid in ((0, False), (15, True)):
        shop.time.advance(minutes * 60)
        report = run_schedule(shop)
        assert (report.until, shop.purchase_state(session) == "paid") == (shop.time.now - BEHIND, is_paid)
    assert (report.since, report.payments, report.repaired) == (shop.time.now - BEHIND - 900, 1, {"paid_without_tickets": 1})
    assert jobs.load_last_run().report == report


def test_the_first_run_compares_the_last_hour(shop):
    report = run_schedule(shop)
    assert (report.since, report.until) == (shop.time.now - BEHIND - 3600, shop.time.now - BEHIND)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 3 for name in LISTS}, "900, 1800 and 900 seconds"
    run_schedule(shop)
    assert load_position() == shop.time.now - BEHIND


@pytest.mark.slow
def test_after_days_without_a_run_the_schedule_catches_up(shop):
    start_schedule(shop)
    edge = load_position() + 3 * SPAN_SECONDS
    shop.time.set(edge - 1)
    sessions = []
    for user in ("ada", "bob", "eve"):
        sessions.append(pay_without_webhooks(shop, user))
        shop.time.advance(1)
    shop.time.advance(2 * 86_400)
    reports = [run_schedule(shop)]
    assert [shop.purchase_state(session) for session in sessions] == ["paid"] * 3
    assert sum(report.payments for report in reports) == 3
    assert sum(report.repaired.get("paid_without_tickets", 0) for report in reports) == 3
    assert all(report.findings == {} for report in reports)
    assert load_position() == shop.time.now - BEHIND


def test_the_next_run_continues_where_stripe_failed(shop, monkeypatch):
    start_schedule(shop)
    session, since = pay_without_webhooks(shop), load_position()
    shop.time.advance(3600)
    compare_account, spans = compare.compare_account, []

    def fails_at_the_second(*span, **options):
        spans.append(span)
        if len(spans) in (2, 3):
            shop.fake.fail_next_request("GET", "/v1/disputes", status=500, times=3)
        return compare_account(*span, **options)

    monkeypatch.setattr(compare, "compare_account", fails_at_the_second)
    assert run_schedule(shop).until == load_position() == since + SPAN_SECONDS
    with pytest.raises(ProviderUnavailable):
        run_schedule(shop)
    assert load_position() == since + SPAN_SECONDS
    report = run_schedule(shop)
    assert (report.since, report.until) == (since + SPAN_SECONDS, shop.time.now - BEHIND)
    assert shop.purchase_state(session) == "paid"


def test_runs_at_the_same_time_do_no_harm(shop):
    start_schedule(shop)
    sessions = [pay_without_webhooks(shop, user) for user in ("ada", "bob", "eve")]
    shop.time.advance(1800)
    reports = run_in_threads(4, lambda _: run_schedule(shop), range(4))
    assert [shop.purchase_state(session) for session in sessions] == ["paid"] * 3
    assert load_position() <= shop.time.now - BEHIND
    assert all(report.findings == {} for report in reports)
    run_schedule(shop)
    assert load_position() == shop.time.now - BEHIND


def test_an_older_run_does_not_reset_the_position_of_a_newer_one(shop, monkeypatch):
    start_schedule(shop)
    shop.time.advance(1800)
    old, compare_account = shop.time.now, compare.compare_account

    def overtaken(*span, **options):
        monkeypatch.setattr(compare, "compare_account", compare_account)
        shop.time.advance(900)
        run_schedule(shop)
        return compare_account(*span, **options)

    monkeypatch.setattr(compare, "compare_account", overtaken)
    report = jobs.compare_books(old)
    assert report.until < load_position() == shop.time.now - BEHIND
    assert jobs.load_last_run().at == shop.time.now


def test_without_differences_only_the_position_is_written(shop):
    start_schedule(shop)
    for user in ("ada", "bob"):
        session = shop.open_checkout(user, 1)
        shop.pay(session)
        assert shop.confirm(session, user).status == 201
    shop.fake.deliver()
    shop.time.advance(900)
    shop.fake.request_log.clear()
    with faults.record_calls() as calls:
        report = run_schedule(shop)
    assert (report.payments, report.repaired, report.findings, report.unheard) == (2, {}, {}, 0)
    assert shop.fake.request_log.counts == {f"GET /v1/{name}": 1 for name in LISTS}
    writes = [call for call in calls.entries if call.operation not in ("Scan", "Query", "GetItem", "BatchGetItem")]
    assert [(call.operation, call.tables) for call in writes] == [("PutItem", ["reconciliation"])] * 2  # the position, and the report
    # Purchases and events; the head of the catalog and four lanes of the one event that sells. The catalog is known. The open cases
    # are read before and after the spans.
    assert len(calls.of("BatchGetItem")) == 2
    assert (len(calls.of("Scan")), len(calls.of("Query")), len(calls.of("GetItem"))) == (2, 4, 4)


@pytest.mark.parametrize(("pause", "spans"), [(900, 1), (5400, 3)])
def test_only_the_ledgers_of_events_that_have_sold_are_read(shop, pause, spans):
    """The first span finds out when somebody bought, so the second does not read the ledger of the event."""
    for name in ("Idle", "Quiet", "Empty"):
        builders.create_tier(shop.api, builders.create_event(shop.api, name))
    builders.run_sweep()  # begins the index
    builders.project_changes()
    shop.time.advance(3600)
    start_schedule(shop)
    session = shop.open_checkout("ada", 1)
    shop.pay(session)
    assert shop.confirm(session, "ada").status == 201
    shop.fake.deliver()
    builders.project_changes()
    intent_id = shop.fetch_payment_intent(session).id
    before = shop.fake.overwrite_object("payment_intent", intent_id, amount_received=0, created=0)
    shop.time.advance(pause)
    with faults.record_calls() as calls:
        assert run_schedule(shop).findings == {"tickets_without_payment": 1}
    assert len(calls.of("Query", "payment-transactions")) == 4 * min(spans, 2), "four lanes of one event"
    shop.fake.overwrite_object("payment_intent", intent_id, **{name: value for name, value in before.items() if name != "id"})
    recheck(shop)


def test_open_disputes_are_fetched_once_a_day(shop):
    session = shop.open_checkout()
    shop.pay(session)
    shop.confirm(session)
    dispute = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    shop.fake.deliver()
    quarter = crc32(dispute["id"].encode()) % QUARTERS  # of each day, in which the dispute is fetched
    shop.time.set((shop.time.now // 86_400 + 40) * 86_400 + (quarter + 2) * 900)  # by then Stripe has forgotten the events
    start_schedule(shop)
    shop.lose_webhooks()
    shop.fake.close_dispute(dispute["id"], won=False)
    shop.fake.forget_events()
    shop.fake.request_log.clear()
    for _ in range(3):
        shop.time.advance(900)
        run_schedule(shop)
    assert (shop.purchase_state(session), shop.fake.request_log.counts.get("GET /v1/disputes/:id", 0)) == ("paid", 0)
    shop.time.advance(86_400)
    assert run_schedule(shop).repaired == {"disputes_differ": 1}
    assert (shop.purchase_state(session), shop.fake.request_log.counts.get("GET /v1/disputes/:id", 0), money_cases.list_open_cases()) == (
        "refunded",
        1,
        [],
    )


@pytest.mark.slow
def test_each_run_fetches_some_of_the_open_disputes_and_a_day_all_of_them(shop):
    start_schedule(shop)
    for number in range(4):
        order = shop.open_checkout(f"user-{number}", 1)
        shop.pay(order)
        shop.confirm(order, f"user-{number}")
        shop.fake.create_dispute(shop.fetch_payment_intent(order).latest_charge)
    shop.fake.deliver()
    shop.lose_webhooks()
    counts = []
    for _ in range(86_400 // 900):
        shop.time.advance(900)
        shop.fake.request_log.clear()
        run_schedule(shop)
        counts.append(shop.fake.request_log.counts.get("GET /v1/disputes/:id", 0))
    assert (sum(counts), max(counts) < 4) == (4, True)


@pytest.mark.slow
def test_a_short_outage_during_the_daily_look_at_disputes_opens_no_finding(shop):
    session = buy_without_webhooks(shop)
    dispute = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)
    shop.fake.deliver()
    before = shop.list_open_cases()
    shop.fake.fail_next_request("GET", f"/v1/disputes/{dispute['id']}", status=500, times=3)
    compare.recheck_open_cases(money_cases.list_open_cases(), shop.time.now - 86_400, shop.time.now)
    assert shop.list_open_cases() == before


def test_disputes_that_cannot_be_fetched_do_not_keep_payments_from_being_compared(shop):
    order = shop.open_checkout("eve", 1)
    shop.pay(order)
    shop.confirm(order, "eve")
    dispute = shop.fake.create_dispute(shop.fetch_payment_intent(order).latest_charge)
    shop.fake.deliver()
    start_schedule(shop)
    session = pay_without_webhooks(shop)
    for _ in range(2):
        shop.time.advance(86_400)
        shop.fake.fail_next_request("GET", f"/v1/disputes/{dispute['id']}", status=500, times=3)
        for _ in range(4):  # six hours each
            run_schedule(shop)
    assert (shop.purchase_state(session), load_position()) == ("paid", shop.time.now - BEHIND)


def test_a_finding_is_closed_by_the_next_run_after_it_is_right(shop):
    start_schedule(shop)
    session = shop.open_checkout()
    shop.pay(session)
    shop.confirm(session)
    shop.fake.deliver()
    intent_id = shop.fetch_payment_intent(session).id
    shop.fake.overwrite_object("payment_intent", intent_id, amount_received=1)
    shop.time.advance(900)
    assert run_schedule(shop).findings == {"amounts_differ": 1}
    shop.time.advance(900)
    assert run_schedule(shop).findings == {}
    reply = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json
    assert [(case["order_id"], case["expected"]["received_cents"]) for case in reply["open"]] == [(session["id"], 10_000)]
    shop.fake.overwrite_object("payment_intent", intent_id, amount_received=10_000)
    shop.time.advance(900)
    run_schedule(shop)
    reply = shop.api.get("/admin/reconciliation", token=builders.admin_token()).json
    assert (reply["open"], reply["last_run"]["findings"]) == ([], {})


def test_without_a_key_of_stripes_nothing_is_compared_with_stripe(shop):
    with settings.override(stripe_api_key=""):
        assert jobs.reconcile(_event(), None)["off"] == "No payment provider takes payments on this stage."
    assert jobs.load_last_run() is None
    assert jobs.reconcile(_event(), None)["findings"] == {}


def test_records_are_compared_while_the_provider_does_not_answer(shop):
    shop.open_checkout()
    shop.fake.fail_next_request("GET", "/v1/payment_intents", status=500, times=3)
    with pytest.raises(ProviderUnavailable):
        jobs.reconcile(_event(), None)
    assert records.ProgressRow.find("records").progress.part == "done"


# Promoters' accounts: none of them keeps the others from being compared.

LAMBDA_SECONDS = 895


@pytest.fixture
def accounts(shop):
    """The ids of four accounts, two of which nobody pays on. The schedule has always run, and knows only one position for all of them."""
    start_schedule(shop)
    found = [shop.start_onboarding("idle"), shop.start_onboarding("quiet"), shop.connect_account()]
    assert shop.remove_account().status == 200
    yield [*found, shop.connect_account()]
    shop.account = None


def account_position(account):
    return int(ReconciliationRow.find(f"account#{account}").until)


def run_on_lambda(shop, seconds=LAMBDA_SECONDS):
    """Run the schedule a quarter of an hour after the last run began."""
    shop.time.advance(900)
    with deadline.within(seconds):
        return run_schedule(shop)


def refuse_all(since, until, account):
    raise ProviderUnavailable()


def slow_down(monkeypatch, shop, seconds_of):
    """Let each list of refunds take `seconds_of(account, seconds of the span)`, or until the deadline.

    Returns the accounts in the order of these lists.
    """
    list_refunds, asked = stripe.list_refunds, []

    def list_slowly(since, until, account):
        asked.append(account)
        shop.time.advance(max(0, int(min(seconds_of(account, until - since), deadline.remaining()))))
        return list_refunds(since, until, account)

    monkeypatch.setattr(stripe, "list_refunds", list_slowly)
    return asked


@pytest.fixture
def waits(monkeypatch):
    """Let waits before a call is repeated pass at once. Returns them, in seconds."""
    found = []
    monkeypatch.setattr(deadline, "wait", found.append)
    return found


@pytest.mark.parametrize("status", [429, 500, 403])
def test_an_account_that_cannot_be_read_is_compared_later_from_where_it_was(shop, waits, status):
    start_schedule(shop)
    since, session = load_position(), pay_without_webhooks(shop, "bob", 1)
    refused, promoted = shop.connect_account(), {}
    promoted[refused] = pay_without_webhooks(shop, "ada", 1)
    assert shop.remove_account().status == 200
    other = shop.connect_account()
    promoted[other] = pay_without_webhooks(shop, "cem", 1)
    shop.fake.refuse_calls(refused, status)
    for _ in range(3):
        report = run_on_lambda(shop)
    assert [shop.purchase_state(each) for each in (session, promoted[other], promoted[refused])] == ["paid", "paid", "paying"]
    assert (report.findings, load_position(), account_position(other)) == ({"account_refused": 1}, shop.time.now - BEHIND, load_position())
    [case] = shop.list_open_cases()
    assert (case["id"], case["compared_until"]) == (f"account_refused-{refused}", clock.iso(since))
    shop.fake.refuse_calls(refused, None)
    report = run_on_lambda(shop)
    assert (shop.purchase_state(promoted[refused]), report.repaired, report.findings) == ("paid", {"paid_without_tickets": 1}, {})
    assert (account_position(refused), shop.list_open_cases()) == (load_position(), [])
    assert jobs.load_last_run().report == report
    shop.account = None


def test_a_finding_of_the_command_about_an_earlier_time_stays(shop, waits):
    account = shop.connect_account()
    shop.fake.refuse_calls(account, 429)
    since = shop.time.now - 86_400
    compare.compare_span(since, since + 3600, shop.time.now)
    shop.fake.refuse_calls(account, None)
    run_on_lambda(shop)
    [case] = shop.list_open_cases()
    assert (account_position(account), case["compared_until"]) == (load_position(), clock.iso(since))
    assert shop.close_case(case["order_id"], case["id"]).status == 200
    shop.account = None


def test_several_accounts_without_an_answer_end_the_run(shop):
    start_schedule(shop)
    accounts = [shop.start_onboarding(f"promoter-{number}") for number in range(7)]
    for account in accounts:
        shop.fake.refuse_calls(account, 500)
    with pytest.raises(ProviderUnavailable):
        run_on_lambda(shop)
    first = {case["order_id"] for case in shop.list_open_cases()}
    assert (len(first), load_position()) == (5, shop.time.now - BEHIND)
    with pytest.raises(ProviderUnavailable):
        run_on_lambda(shop)
    assert {case["order_id"] for case in shop.list_open_cases()} == set(accounts), "the accounts without a turn come first"
    with pytest.raises(ProviderUnavailable):
        compare.compare_span(shop.time.now - 60, shop.time.now, shop.time.now)
    for account in accounts:
        shop.fake.refuse_calls(account, None)
    run_on_lambda(shop)
    assert shop.list_open_cases() == []


def test_accounts_take_turns(shop, accounts, monkeypatch):
    """In each run, there is time for one or two of the four, after the operator's account."""
    asked = slow_down(monkeypatch, shop, lambda account, _: 70 if account is not None else 40)
    turns = []
    for _ in range(8):
        asked.clear()
        run_on_lambda(shop, seconds=450)
        found = dict.fromkeys(account for account in asked if account is not None)
        assert 1 <= len(found) <= 2
        turns += found
    assert sorted(turns[:4]) == sorted(accounts)
    assert turns[4:8] == turns[:4]


def test_an_account_with_too_much_for_its_turn_is_compared_in_shorter_spans(shop, accounts, monkeypatch):
    """Its refunds of a quarter of an hour take 300 seconds to list. A turn has 180."""
    busy, *others = accounts
    slow_down(monkeypatch, shop, lambda account, seconds: seconds // 3 if account == busy else 0)
    run_on_lambda(shop)
    [case] = shop.list_open_cases()
    assert (case["id"], case["compared_until"]) == (f"account_refused-{busy}", clock.iso(account_position(busy)))
    reached = account_position(busy)
    for _ in range(4):
        run_on_lambda(shop)
        assert account_position(busy) >= reached + 225
        reached = account_position(busy)
        assert ({account_position(account) for account in others}, shop.list_open_cases()) == ({load_position()}, [])


@pytest.mark.parametrize(("seconds_to_write", "fails"), [(math.inf, True), (120, False)])
def test_too_much_on_the_operators_account_is_compared_in_shorter_spans_and_delays_no_other(
    shop, accounts, monkeypatch, seconds_to_write, fails
):
    """Its refunds of a quarter of an hour take one and a half runs to list. With a standby, each span may have only 120 seconds."""
    monkeypatch.setattr(scheduled, "seconds_to_write", lambda *, extends=False: seconds_to_write)
    slow_down(monkeypatch, shop, lambda account, span: 3 * LAMBDA_SECONDS * span // 1800 if account is None else 0)
    shop.time.advance(900)
    now, reached = shop.time.now, load_position()
    with deadline.within(LAMBDA_SECONDS), pytest.raises(ProviderUnavailable) if fails else contextlib.nullcontext():
        jobs.reconcile(_event(), None)
    assert (load_position() == reached) == fails
    reached = load_position()
    assert {account_position(account) for account in accounts} == {now - BEHIND}
    assert records.ProgressRow.find("records").progress.part == "done"
    assert shop.list_open_cases() == []
    for _ in range(4):
        run_on_lambda(shop)
        assert load_position() > reached
        reached = load_position()


def test_a_turn_compares_as_much_as_fits_and_begins_no_span_that_would_not(shop, accounts, monkeypatch):
    """The refunds of three seconds take a second to list, so a turn of 447 seconds has 1341 of them."""
    slow_down(monkeypatch, shop, lambda account, seconds: seconds // 3 if account is None else 0)
    shop.time.advance(6 * 3600)
    reached = load_position()
    for _ in range(4):
        run_on_lambda(shop)
        assert load_position() >= reached + 900
        reached = load_position()


def test_if_nobody_gets_an_answer_no_case_about_an_account_is_opened(shop, accounts, monkeypatch):
    monkeypatch.setattr(stripe, "list_refunds", refuse_all)
    with pytest.raises(ProviderUnavailable):
        run_on_lambda(shop)
    assert shop.list_open_cases() == []


@pytest.mark.parametrize("name", ["payment_intents", "events", "payment_intents/{id}"])
def test_calls_that_stripe_refuses_are_repeated_within_the_span(shop, waits, name):
    start_schedule(shop)
    session = buy_without_webhooks(shop)
    intent_id = shop.fetch_payment_intent(session).id
    shop.fake.overwrite_object("payment_intent", intent_id, created=0)  # so it is looked up
    shop.fake.fail_next_request("GET", "/v1/" + name.format(id=intent_id), status=429, times=3)
    shop.time.advance(BEHIND)
    report = run_on_lambda(shop)
    assert (waits, report.until, report.findings) == ([1, 2, 4], load_position(), {})
    assert load_position() == shop.time.now - BEHIND
    shop.fake.overwrite_object("payment_intent", intent_id, created=shop.time.now)


def test_payments_opened_after_a_span_are_listed_once_in_a_turn(shop):
    """Three people reserve at once and one a little later. All open their payments when the holds are nearly over."""
    start_schedule(shop)
    reserved = {user: shop.reserve(user, 1) for user in ("ada", "bob", "cem")}
    began = shop.time.now
    shop.time.advance(15)
    reserved["dee"] = shop.reserve("dee", 1)
    shop.time.advance(135)
    for user, reservation_id in reserved.items():
        session = shop.request_checkout(reservation_id, user).json
        shop.pay(session)
        assert shop.confirm(session, user).status == 201
    shop.fake.deliver()
    builders.project_changes()
    ReconciliationRow.find("last").save_turn(began, 10)  # the first span has the first three, and the second has the fourth
    shop.time.advance(BEHIND)
    shop.fake.request_log.clear()
    report = run_on_lambda(shop)
    counts = shop.fake.request_log.counts
    assert (report.payments, report.findings, load_position()) == (4, {}, shop.time.now - BEHIND)
    assert counts["GET /v1/payment_intents"] == counts["GET /v1/refunds"] + 3  # slices of 30, 60 and 120 seconds
    assert not [call for call in counts if call.startswith("GET /v1/payment_intents/")]


def test_a_span_that_failed_after_its_ledgers_were_read_is_compared_in_full(shop):
    session, other = buy_without_webhooks(shop, "ada"), buy_without_webhooks(shop, "bob")
    shop.fake.deliver()
    for each in (session, other):
        shop.fake.overwrite_object("payment_intent", shop.fetch_payment_intent(each).id, amount_received=0, created=0)
    now = shop.time.now + 1
    turn, options = compare.Turn(now, compare.RefundLimit()), {"open_cases": [], "event_ids": [shop.event_id]}
    shop.fake.fail_next_request("GET", f"/v1/payment_intents/{shop.fetch_payment_intent(session).id}", status=500, times=3)
    with pytest.raises(ProviderUnavailable):
        compare.compare_account(None, now - 3600, now, now, turn, **options)
    assert compare.compare_account(None, now - 3600, now - 1800, now, turn, **options).findings == {}
    assert compare.compare_account(None, now - 1800, now, now, turn, **options).findings == {"tickets_without_payment": 2}
    for each in (session, other):
        shop.fake.overwrite_object("payment_intent", shop.fetch_payment_intent(each).id, amount_received=10_000, created=now)
    recheck(shop)


def test_an_object_that_stripe_never_returns_is_left_behind_with_a_finding(shop):
    """The spans become shorter until one has only this object."""
    start_schedule(shop)
    shop.lose_webhooks()
    intents = shop.dashboard.v1.payment_intents
    intent = intents.create({"amount": 500, "currency": "usd", "metadata": shop.payment_metadata(ids.new_id())})
    shop.time.advance(2 * BEHIND)
    run_on_lambda(shop)
    intents.cancel(intent.id)
    shop.fake.fail_next_request("GET", f"/v1/payment_intents/{intent.id}", status=500, times=1000)
    shop.time.advance(BEHIND)
    for _ in range(12):
        with contextlib.suppress(ProviderUnavailable):
            run_on_lambda(shop)
    assert load_position() == shop.time.now - BEHIND
    [case] = shop.list_open_cases()
    assert case["id"].startswith("not_dealt_with-evt_")
    assert shop.close_case(case["order_id"], case["id"]).status == 200


def test_at_most_ten_payments_of_unknown_purchases_are_refunded_in_a_day(shop):
    """The first spans are so short that none has ten of these payments."""
    start_schedule(shop)
    ReconciliationRow.find("last").save_turn(shop.time.now, 4)
    shop.lose_webhooks()
    for _ in range(30):
        shop.pay_in_dashboard(ids.new_id())
        shop.time.advance(1)
    shop.time.advance(BEHIND)
    refunded = []
    for pause in (0, 0, 0, 86_400, 0):
        shop.time.advance(pause)
        with pytest.raises(compare.StoreIsBehind):
            run_on_lambda(shop)
        refunded.append(len(shop.fake.objects("refund")))
    assert 0 < refunded[0] <= refunded[2] <= 10 < refunded[3] <= refunded[4] <= 20
    compare.compare_span(shop.time.now - 2 * 86_400, shop.time.now, shop.time.now, limit=compare.RefundLimit(None))


def test_refunds_that_stripe_cannot_make_do_not_count(shop):
    start_schedule(shop)
    ReconciliationRow.find("last").save_turn(shop.time.now, 60)
    shop.lose_webhooks()
    for _ in range(4):
        shop.pay_in_dashboard(ids.new_id())
        shop.time.advance(20)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, times=3 * 3)
    shop.time.advance(BEHIND)
    for _ in range(8):
        with contextlib.suppress(ProviderUnavailable):
            run_on_lambda(shop)
    assert (len(shop.fake.objects("refund")), shop.list_open_cases(), load_position()) == (4, [], shop.time.now - BEHIND)


def test_a_span_with_too_many_unknown_payments_is_divided(shop):
    """The refunds of two disputed payments fail, so only ten payments count, and the spans become shorter until each has at most ten."""
    shop.time.advance(BEHIND)
    start_schedule(shop)
    shop.time.advance(-BEHIND)
    shop.lose_webhooks()
    for number in range(compare.MAX_UNKNOWN_PAYMENTS + 2):
        intent_id = shop.pay_in_dashboard(ids.new_id())
        if number < 2:
            shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(intent_id).latest_charge)
        shop.time.advance(30)
    shop.time.advance(BEHIND)
    with pytest.raises(compare.StoreIsBehind):
        run_on_lambda(shop)
    for _ in range(2):
        run_on_lambda(shop)
    assert (load_position(), len(shop.fake.objects("refund"))) == (shop.time.now - BEHIND, compare.MAX_UNKNOWN_PAYMENTS)
    for case in shop.list_open_cases():
        assert shop.close_case(case["order_id"], case["id"]).status == 200


@pytest.mark.parametrize("pause", [900, 10])
def test_payments_from_a_region_that_the_stage_has_left_do_not_count(shop, pause):
    start_schedule(shop)
    shop.lose_webhooks()
    with settings.override(region="eu-west-1"):
        metadata = [shop.payment_metadata(ids.new_id()) | {"region": "eu-west-1"} for _ in range(compare.MAX_UNKNOWN_PAYMENTS + 2)]
    payments = []
    for each in metadata:
        payments.append(shop.pay_in_dashboard(each["purchase_id"], metadata=each))
        shop.time.advance(pause)
    shop.time.advance(BEHIND)
    for _ in range(4):
        run_on_lambda(shop)
    assert len(shop.list_open_cases()) == len(metadata)
    assert int(ReconciliationRow.find("last").unknown_at or 0) == 0
    for payment in payments:
        shop.dashboard.v1.refunds.create({"payment_intent": payment})


def test_no_account_is_compared_with_the_wrong_store(shop):
    start_schedule(shop)
    account, reached = shop.start_onboarding("idle"), load_position()
    shop.lose_webhooks()
    for _ in range(compare.MAX_UNKNOWN_PAYMENTS + 1):
        shop.pay_in_dashboard(ids.new_id())
    shop.time.advance(BEHIND)
    with pytest.raises(compare.StoreIsBehind):
        run_on_lambda(shop)
    assert (load_position(), account_position(account)) == (reached, reached)
    compare.compare_span(reached, shop.time.now, shop.time.now, limit=compare.RefundLimit(None))


def test_events_that_cannot_be_processed_are_fetched_once(shop, monkeypatch):
    """All of them do not fit into one turn of the account."""
    start_schedule(shop)
    account = shop.connect_account()
    intents, params = shop.dashboard.v1.payment_intents, {"amount": 500, "currency": "usd"}
    shop.lose_webhooks()
    for _ in range(8):
        intent = intents.create({**params, "metadata": shop.payment_metadata(ids.new_id())})
        intents.cancel(intent.id)
        shop.fake.remove_object("payment_intent", intent.id)
    fetch, fetched = stripe.fetch_payment_by_id, Counter()

    def fetch_slowly(provider_id, account):
        fetched[provider_id] += 1
        shop.time.advance(50)
        return fetch(provider_id, account)

    monkeypatch.setattr(stripe, "fetch_payment_by_id", fetch_slowly)
    shop.time.advance(BEHIND)
    for _ in range(4):
        run_on_lambda(shop)
    cases = shop.list_open_cases()
    assert ({case["order_id"] for case in cases}, len(cases), account_position(account)) == ({account}, 8, load_position())
    assert (len(fetched), max(fetched.values())) == (8, 2), "twice, if the turn ended meanwhile"
    for case in cases:
        assert shop.close_case(account, case["id"]).status == 200
    shop.account = None


def _event():
    event = {"version": "0", "account": "0", "region": "", "detail": {}, "detail-type": "Scheduled Event", "source": "aws.events"}
    return event | {"time": "", "id": "1", "resources": []}


@contextlib.contextmanager
def open_shop_with_differences(api, time):
    """A shop where a late payment, a payment of a wrong amount and a dispute differ, because their webhooks never came.

    Yields the shop and the sessions of the disputed order, the late payment and the other amount.
    """
    with shops.isolated_shop(api), open_shop(api, time) as shop:
        start_schedule(shop)
        order = shop.open_checkout("eve", 1)
        shop.pay(order)
        shop.confirm(order, "eve")
        shop.fake.deliver()
        late = pay_without_webhooks(shop, "ada")
        shop.lose_webhooks()
        shop.end_without_asking_stripe(late["id"], "expired")
        second = pay_without_webhooks(shop, "bob")
        shop.lose_webhooks()
        shop.fake.create_dispute(shop.fetch_payment_intent(order).latest_charge)
        shop.dashboard.v1.refunds.create({"payment_intent": shop.fetch_payment_intent(second).id, "amount": 1000})
        shop.time.advance(900)
        yield shop, (order, late, second)


@pytest.mark.slow
def test_the_next_run_repairs_what_a_crash_at_any_call_left(api, time, monkeypatch):
    with open_shop_with_differences(api, time) as (shop, (order, late, second)):
        moment = Moment(time, shop.fake)
        with faults.record_calls() as calls, record_provider_calls() as asked:
            run_schedule(shop)
        points = [("store", number) for number in range(1, len(list(calls)) + 1)]
        points += [("provider", number) for number in range(1, len(asked) + 1)]
        for where, number in points:
            moment.return_to()
            with faults.crash_after(number) if where == "store" else crash_after_provider_call(number):
                run_schedule(shop)
            run_schedule(shop)
            shop.time.advance(181)
            builders.run_sweep()
            assert (shop.purchase_state(late), shop.purchase_state(second), shop.load_purchase(order["id"]).is_disputed) == (
                "paid",
                "refunded",
                True,
            )
            assert load_position() > shop.time.now - BEHIND - 900
            shop.assert_books_balance(recovered=True)
    assert len(points) > 40
