"""Cancelled events: the sale stops at once, reservations end, and every order is refunded, whatever crashes."""

import pytest
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog.service import load_current
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log
from chalicelib.ledger import money_cases
from chalicelib.purchases import direct_orders, event_cancellation, settlement
from chalicelib.purchases import store as purchases
from chalicelib.purchases.settlement import CancellationResult
from chalicelib.tickets.store import TicketRow
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket
from tests.catalog.requests import create_published, open_flags, promoter
from tests.simulation import faults
from tests.simulation.call_log import record_calls
from tests.simulation.interception import Listener, intercept


def cancel(api, event_id, **options):
    return api.post(f"/events/{event_id}/cancel", **(options or promoter()))


def refund_all(event_id, time):
    """Run the sweep until the refunds have ended. Returns the cancellation."""
    for _ in range(10):
        builders.run_sweep()
        found = event_cancellation.find_cancellation(event_id)
        if found is not None and found.finished_at is not None:
            return found
        time.advance(60)
    raise AssertionError("the refunds did not end")


def test_orders_are_refunded_and_reservations_end(api, time):
    event_id, tier_id = create_published(api)
    orders = [builders.create_order(api, (event_id, tier_id), user=user) for user in ("ada", "bob")]
    builders.refund(api, orders[0], tickets=builders.ticket_ids(orders[0], 1))
    reserved = builders.reserve(api, "cleo", event_id, tier_id).json["id"]
    builders.start_checkout(api, "cleo", reserved)
    reply = cancel(api, event_id)
    assert reply.json.items() >= {"status": "refunding", "refunded_orders": 0, "finished_at": None}.items()
    assert open_flags(event_id) == {False}
    assert builders.reserve(api, "dan", event_id, tier_id).status == 409
    cancellation = refund_all(event_id, time)
    assert (cancellation.orders, cancellation.reservations, cancellation.disputed) == (2, 1, 0)
    assert [purchases.load(order_id).state for order_id in orders] == ["refunded", "refunded"]
    assert [purchases.load(order_id).refunded_cents for order_id in orders] == [10_000, 10_000]
    assert purchases.load(reserved).state == "cancelled"
    assert builders.confirm(api, "cleo", reserved).status == 409
    assert cancel(api, event_id).json.items() >= {"status": "finished", "refunded_orders": 2, "ended_reservations": 1}.items()
    entry = audit.list_entries(f"order#{orders[1]}")[0]
    assert (entry.action, entry.actor, entry.details["reason"]) == ("order.refunded", "pia", "event_cancelled")
    invariants.check(time.now, recovered=True)


def test_only_managers_may_cancel_an_event(api, time):
    event_id, _ = create_published(api)
    assert [cancel(api, event_id, **who).status for who in (promoter("pol"), {"user": "ada"})] == [403, 403]
    assert event_cancellation.find_cancellation(event_id) is None


def test_a_bootstrapped_event_is_cancelled_in_its_file_first(api, time):
    builders.create_promoted_shop("pia")
    order_id = builders.create_order(api, ("fest", "fest-pass"))
    admin = {"token": builders.admin_token()}
    assert cancel(api, "fest", **admin).json["error"] == "managed_by_bootstrap"
    assert event_cancellation.find_cancellation("fest") is None
    tree = {"version": "1", "events": {"fest": event("fest", status="cancelled")}, "ticket_types": {"fest-pass": ticket("fest-pass")}}
    rollout.apply(validate_tree(tree), "test", time.now)
    assert cancel(api, "fest", **admin).status == 200
    assert refund_all("fest", time).orders == 1
    assert purchases.load(order_id).state == "refunded"


def apply_fest(time, status):
    """Apply a file in which the event has this status. A file may also reinstate a cancelled event."""
    tree = {"version": "1", "events": {"fest": event("fest", status=status)}, "ticket_types": {"fest-pass": ticket("fest-pass")}}
    rollout.apply(validate_tree(tree), "test", time.now)
    time.advance(60)  # by then, all instances know


def test_orders_after_a_file_reinstated_an_event_are_refunded_when_it_is_cancelled_again(api, time):
    admin, orders = {"token": builders.admin_token()}, []
    for user in ("ada", "bob"):
        apply_fest(time, "active")
        orders.append(builders.create_order(api, ("fest", "fest-pass"), user=user))
        apply_fest(time, "cancelled")
        assert cancel(api, "fest", **admin).json["status"] == "refunding"
        refund_all("fest", time)
    assert [purchases.load(order_id).state for order_id in orders] == ["refunded", "refunded"]
    assert cancel(api, "fest", **admin).json.items() >= {"status": "finished", "refunded_orders": 2}.items()
    invariants.check(time.now, recovered=True)


def test_an_event_that_was_reinstated_during_the_refunds_gets_a_new_pass(api, time, monkeypatch):
    """Otherwise, the pass that began without holds would be the last, and a checkout that is paid behind it would keep its money."""
    apply_fest(time, "active")
    orders = [builders.create_order(api, ("fest", "fest-pass"), user="ada")]
    apply_fest(time, "cancelled")
    assert cancel(api, "fest", token=builders.admin_token()).status == 200
    time.advance(60)
    with monkeypatch.context() as killed:
        killed.setattr(event_cancellation, "_end_pass", lambda *_: None)
        builders.run_sweep()
    assert event_cancellation.find_cancellation("fest").began_without_holds
    apply_fest(time, "active")
    builders.run_sweep()
    reserved = builders.reserve(api, "bob", "fest", "fest-pass").json["id"]
    builders.start_checkout(api, "bob", reserved)
    apply_fest(time, "cancelled")
    with monkeypatch.context() as slow_bank:
        slow_bank.setattr(event_cancellation, "_end_reservation", lambda *_: "processing")
        builders.run_sweep()
    assert builders.confirm(api, "bob", reserved).status == 201
    time.advance(60)
    refund_all("fest", time)
    assert [purchases.load(order_id).state for order_id in (*orders, reserved)] == ["refunded", "refunded"]
    invariants.check(time.now, recovered=True)


def test_an_order_that_is_paid_after_the_cancellation_is_refunded_too(api, time):
    event_id, tier_id = create_published(api)
    reserved = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    builders.start_checkout(api, "ada", reserved)
    cancel(api, event_id)
    assert builders.confirm(api, "ada", reserved).status == 201
    assert refund_all(event_id, time).orders == 1
    assert purchases.load(reserved).state == "refunded"
    invariants.check(time.now, recovered=True)


def test_an_order_paid_during_the_refunds_is_refunded_too(api, time, monkeypatch):
    """As with a bank that takes its time: the reservation cannot end in the first pass, and is paid after it."""
    event_id, tier_id = create_published(api)
    first = builders.create_order(api, (event_id, tier_id))
    reserved = builders.reserve(api, "bob", event_id, tier_id).json["id"]
    builders.start_checkout(api, "bob", reserved)
    cancel(api, event_id)
    with monkeypatch.context() as slow_bank:
        slow_bank.setattr(event_cancellation, "_end_reservation", lambda *_: "processing")
        builders.run_sweep()
    assert (purchases.load(first).state, event_cancellation.find_cancellation(event_id).finished_at) == ("refunded", None)
    assert builders.confirm(api, "bob", reserved).status == 201
    assert refund_all(event_id, time).orders == 2
    assert purchases.load(reserved).state == "refunded"
    invariants.check(time.now, recovered=True)


@pytest.fixture
def one_batch_a_run(monkeypatch, time):
    """Batches of two orders, which take so long that a run has time for one batch only."""
    monkeypatch.setattr(event_cancellation, "BATCH", 2)
    original = event_cancellation._refund_batch

    def refund_slowly(*args):
        time.advance(11)
        return original(*args)

    monkeypatch.setattr(event_cancellation, "_refund_batch", refund_slowly)


def count_refunded(orders):
    return [purchases.load(order_id).state for order_id in orders].count("refunded")


def test_many_orders_are_refunded_in_several_runs(api, time, one_batch_a_run):
    event_id, tier_id = create_published(api, capacity=20)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(5)]
    cancel(api, event_id)
    builders.run_sweep()
    assert (count_refunded(orders), event_cancellation.find_cancellation(event_id).orders) == (2, 2)
    assert refund_all(event_id, time).orders == 5
    assert count_refunded(orders) == 5
    invariants.check(time.now)


def test_cancelled_events_take_turns(api, time, one_batch_a_run):
    """A run has time for one batch, and another event comes first in each run."""
    time.now = time.now // 60 * 60
    bought = {}
    for name in ("first", "second"):
        event_id, tier_id = create_published(api, capacity=20)
        bought[event_id] = [builders.create_order(api, (event_id, tier_id), 1, f"{name}{number}") for number in range(8)]
        cancel(api, event_id)
    for _ in range(2):
        builders.run_sweep()
        time.now = time.now // 60 * 60 + 60
    assert [count_refunded(orders) for orders in bought.values()] == [2, 2]


def test_any_number_of_unfinished_cancellations_keeps_no_event_waiting(api, time):
    event_id, tier_id = create_published(api)
    order_id = builders.create_order(api, (event_id, tier_id), 1, "ada")
    for number in range(100):  # of events whose names come first
        event_cancellation.save_cancellation(event_cancellation.Cancellation(event_id=f"0-{number:03}", by="admin", at=time.now))
    cancel(api, event_id)
    builders.run_sweep()
    assert count_refunded([order_id]) == 1


def test_a_failure_for_one_event_does_not_keep_others_waiting(api, time, monkeypatch):
    orders = []
    for name in ("first", "second"):
        event_id, tier_id = create_published(api, capacity=20)
        orders.append(builders.create_order(api, (event_id, tier_id), 1, name))
        cancel(api, event_id)
    broken = purchases.load(orders[0]).event_id
    original = event_cancellation._begin_pass

    def fail_for_one(event, *args):
        if event.id == broken:
            raise dynamo.StoreUnavailable("down")
        return original(event, *args)

    with monkeypatch.context() as failing:
        failing.setattr(event_cancellation, "_begin_pass", fail_for_one)
        assert builders.run_sweep()["orders_of_cancelled_events"] is None
    assert [purchases.load(order_id).state for order_id in orders] == ["paid", "refunded"]
    refund_all(broken, time)
    assert purchases.load(orders[0]).state == "refunded"


def test_an_order_that_the_store_refuses_is_tried_again_and_the_others_are_counted(api, time, monkeypatch):
    event_id, tier_id = create_published(api, capacity=20)
    orders = sorted(builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(4))
    cancel(api, event_id)
    original = event_cancellation.refund_all_tickets

    def fail_for_one(purchase, *args, **options):
        if purchase.id == orders[2]:
            raise dynamo.StoreUnavailable("down")
        return original(purchase, *args, **options)

    with monkeypatch.context() as failing:
        failing.setattr(event_cancellation, "refund_all_tickets", fail_for_one)
        assert builders.run_sweep()["orders_of_cancelled_events"] is None
    cancellation = event_cancellation.find_cancellation(event_id)
    assert (count_refunded(orders), cancellation.orders, cancellation.position) == (3, 2, orders[1])
    assert refund_all(event_id, time).orders == 4
    assert count_refunded(orders) == 4


def test_an_order_that_nobody_foresaw_keeps_no_others_waiting(api, time, monkeypatch):
    event_id, tier_id = create_published(api, capacity=20)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(3)]
    cancel(api, event_id)
    original = event_cancellation.refund_all_tickets

    def fail_for_one(purchase, *args, **options):
        if purchase.id == orders[0]:
            raise AssertionError("unforeseen")
        return original(purchase, *args, **options)

    monkeypatch.setattr(event_cancellation, "refund_all_tickets", fail_for_one)
    assert refund_all(event_id, time).orders == 2
    assert [case.purchase_id for case in money_cases.list_open_cases() if case.kind == "finding"] == [orders[0]]


@pytest.mark.not_on_moto  # which lets an update make an item larger than 400 KB
def test_an_order_that_can_never_be_saved_keeps_no_others_waiting(api, time):
    event_id, tier_id = create_published(api, capacity=20)
    orders = sorted(builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(3))
    builders.fill_ticket(f"{orders[0]}-1")
    cancel(api, event_id)
    assert refund_all(event_id, time).orders == 2
    assert [case.purchase_id for case in money_cases.list_open_cases() if case.kind == "finding"] == [orders[0]]


def test_a_checkout_that_the_provider_does_not_know_keeps_no_refunds_waiting(api, time, monkeypatch):
    event_id, tier_id = create_published(api, capacity=20)
    order = builders.create_order(api, (event_id, tier_id), 1)
    lost, other = (builders.reserve(api, user, event_id, tier_id).json["id"] for user in ("bob", "cleo"))
    builders.start_checkout(api, "bob", lost)
    cancel(api, event_id)
    original = settlement.payments.cancel_payment

    def fail_for_one(payment):
        if payment is not None:
            raise LookupError("no such payment")
        return original(payment)

    monkeypatch.setattr(settlement.payments, "cancel_payment", fail_for_one)
    builders.run_sweep()
    assert [purchases.load(purchase_id).state for purchase_id in (order, lost, other)] == ["refunded", "paying", "cancelled"]


def test_many_checkouts_at_a_slow_provider_keep_no_refunds_waiting(api, time, monkeypatch):
    """Banks may decide for days, and each pass asks the provider about each of these payments again."""
    event_id, tier_id = create_published(api, capacity=20)
    order = builders.create_order(api, (event_id, tier_id), 1)
    for number in range(6):
        reserved = builders.reserve(api, f"payer{number}", event_id, tier_id).json["id"]
        builders.start_checkout(api, f"payer{number}", reserved)
    cancel(api, event_id)

    def decide_later(purchase, now):
        time.advance(3)
        return "processing"

    monkeypatch.setattr(event_cancellation, "_end_reservation", decide_later)
    builders.run_sweep()
    assert purchases.load(order).state == "refunded"


def test_a_provider_that_is_down_is_asked_once_and_reservations_without_a_payment_end(shop, time):
    sold = shop.buy("ada", 1)
    paying = [shop.open_checkout(user, 1)["id"] for user in ("bob", "cleo")]
    held = shop.reserve("dan", 1)
    event_id = purchases.load(sold).event_id
    cancel(shop.api, event_id, token=builders.admin_token())
    shop.fake.request_log.clear()
    shop.fake.fail_next_request("POST", "/v1/payment_intents/*/cancel", status=500, times=99, should_retry=False)
    builders.run_sweep()
    assert [purchases.load(purchase_id).state for purchase_id in (sold, *paying, held)] == ["refunded", "paying", "paying", "cancelled"]
    assert shop.fake.request_log.counts["POST /v1/payment_intents/:id/cancel"] == 1


def test_a_payment_that_a_bank_decides_about_causes_few_passes(api, time, monkeypatch):
    """Each pass reads all orders of the event, so the passes become rarer."""
    event_id, tier_id = create_published(api)
    builders.create_order(api, (event_id, tier_id), 1)
    reserved = builders.reserve(api, "bob", event_id, tier_id).json["id"]
    builders.start_checkout(api, "bob", reserved)
    cancel(api, event_id)
    monkeypatch.setattr(settlement, "cancel_purchase", lambda purchase, *_: CancellationResult("processing", purchase))
    begun, begin_pass = [], event_cancellation._begin_pass
    monkeypatch.setattr(event_cancellation, "_begin_pass", lambda *args: (begun.append(time.now), begin_pass(*args))[1])
    started_at = time.now
    for _ in range(6 * 60):
        event_cancellation.process_cancellations(time.now)
        time.advance(60)
    minutes = [(at - started_at) // 60 for at in begun]
    assert minutes == [0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244, 304]


def test_a_checkout_whose_payment_the_provider_does_not_know_ends_as_an_open_case(shop, time):
    """For example because the shop's key belonged to another account."""
    order_id, lost = shop.buy("ada", 1), shop.open_checkout("bob", 1)["id"]
    event_id, known = purchases.load(order_id).event_id, purchases.load(lost)
    purchases.save(known, replace(known, payment=replace(known.payment, provider_id="pi_gone")))
    cancel(shop.api, event_id, token=builders.admin_token())
    for _ in range(23):
        builders.run_sweep()
        time.advance(3600)
    assert (purchases.load(order_id).state, purchases.load(lost).state) == ("refunded", "paying")
    assert cancel(shop.api, event_id, token=builders.admin_token()).json["status"] == "refunding"
    for _ in range(4):
        time.advance(3600)
        builders.run_sweep()
    assert purchases.load(lost).state == "expired"
    assert (
        cancel(shop.api, event_id, token=builders.admin_token()).json.items()
        >= {"status": "finished", "refunded_orders": 1, "unknown_payments": 1}.items()
    )
    [case] = money_cases.list_open_cases()
    assert (case.purchase_id, case.id, case.needs_person) == (lost, "payment_unknown-pi_gone", True)
    invariants.check(time.now, recovered=True)


@pytest.mark.not_on_moto
def test_orders_of_one_shard_are_refunded_without_conflicts(api, time, threaded_store):
    """Only one transaction at a time can return seats to a shard: refunds of one group never share a shard."""
    event_id, tier_id = create_published(api, capacity=30)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(30)]
    cancel(api, event_id)
    with record_calls() as calls:
        event_cancellation.process_cancellations(time.now)
    assert count_refunded(orders) == 30
    assert len(calls.of("TransactWriteItems")) == 30 + 1  # with the end of the cancellation


def test_the_sweep_reads_on_while_refunds_remain(shop, time, monkeypatch):
    """A cancelled event's refunds may take many runs. The sweep still goes through all shards, and is not called unfinished."""
    monkeypatch.setattr("chalicelib.purchases.refunds_at_provider.MAX_PER_SWEEP", 1)
    orders = [shop.buy(user, 1) for user in ("ada", "bob", "cid")]
    cancel(shop.api, purchases.load(orders[0]).event_id, token=builders.admin_token())
    time.advance(61)
    unfinished = log.total("sweeps_unfinished")
    report = builders.run_sweep()
    assert (report["orders_of_cancelled_events"], report["refunds_due"], report["has_more_refunds"]) == (3, 1, True)
    assert (report["finished"], log.total("sweeps_unfinished")) == (True, unfinished)
    for _ in range(3):
        time.advance(60)
        builders.run_sweep()
    assert shop.list_refunds() == [(5_000, "succeeded")] * 3


def test_refunds_that_have_waited_for_an_hour_make_a_run_unfinished(shop, time, monkeypatch):
    monkeypatch.setattr("chalicelib.purchases.refunds_at_provider.MAX_PER_SWEEP", 1)
    orders = [shop.buy(user, 1) for user in ("ada", "bob", "cid")]
    cancel(shop.api, purchases.load(orders[0]).event_id, token=builders.admin_token())
    builders.run_sweep()
    time.advance(3600)
    assert builders.run_sweep()["finished"] is False


def test_a_refund_of_a_cancelled_event_needs_one_call_of_the_provider(shop, time):
    order_id = shop.buy()
    cancel(shop.api, purchases.load(order_id).event_id, token=builders.admin_token())
    shop.fake.request_log.clear()
    refund_all(purchases.load(order_id).event_id, time)
    assert shop.fake.request_log.counts["POST /v1/refunds"] == 1
    assert "GET /v1/refunds" not in shop.fake.request_log.counts


def test_an_order_too_large_for_one_transaction_is_refunded_in_two(api, time, monkeypatch):
    event_id, tier_id = create_published(api)
    order_id = builders.create_order(api, (event_id, tier_id), 4)
    cancel(api, event_id)
    monkeypatch.setattr("chalicelib.purchases.refunds.MAX_RETURN_ITEMS", 4)
    refund_all(event_id, time)
    order = purchases.load(order_id)
    assert (order.state, [refund.id for refund in order.refunds]) == ("refunded", ["event-cancelled-1", "event-cancelled-2"])
    assert order.refunded_cents == 20_000


@pytest.mark.not_on_moto
def test_a_crash_at_any_call_loses_no_refund_and_makes_none_twice(api, time):
    number, finished = 0, False
    while not finished:
        number += 1
        event_id, tier_id = create_published(api)
        order_id = builders.create_order(api, (event_id, tier_id))
        cancel(api, event_id)
        with faults.crash_after(number) as crash:
            event_cancellation.process_cancellations(time.now)
        finished = not crash.was_triggered
        refund_all(event_id, time)
        order = purchases.load(order_id)
        assert (order.state, len(order.refunds), order.refunded_cents) == ("refunded", 1, 10_000), number
    assert number > 5
    invariants.check(time.now, recovered=True)


def test_a_crashed_cancellation_is_finished_by_the_sweep_or_a_retry(api, time):
    number, finished = 0, False
    while not finished:
        number += 1
        event_id, tier_id = create_published(api)
        order_id = builders.create_order(api, (event_id, tier_id))
        with faults.crash_after(number) as crash:
            event_cancellation.cancel_event(event_id, "pia", time.now)
        finished = not crash.was_triggered
        if event_cancellation.find_cancellation(event_id) is None:
            cancel(api, event_id)
        refund_all(event_id, time)
        assert purchases.load(order_id).state == "refunded", number
    assert number > 3


def test_a_disputed_order_waits_for_the_bank_as_an_open_case(shop, time):
    order_id = shop.buy()
    shop.create_dispute(order_id)
    event_id = purchases.load(order_id).event_id
    assert cancel(shop.api, event_id, token=builders.admin_token()).status == 200
    assert refund_all(event_id, time).disputed == 1
    assert [case.id for case in money_cases.list_open_cases() if case.kind == "finding"] == ["event-cancelled"]


def test_payments_at_the_provider_are_refunded_and_open_ones_cancelled(shop, time):
    order_id = shop.buy()
    session = shop.open_checkout("bob")
    event_id = purchases.load(order_id).event_id
    cancel(shop.api, event_id, token=builders.admin_token())
    refund_all(event_id, time)
    shop.fake.deliver()
    assert purchases.load(order_id).state == "refunded"
    assert purchases.load(session["id"]).state == "cancelled"
    invariants.check(time.now, recovered=True)


def test_buyers_read_the_reason_of_a_cancellation(api, time):
    event_id, tier_id = create_published(api)
    order_id = builders.create_order(api, (event_id, tier_id), user="ada")
    assert api.get(f"/events/{event_id}").json["cancellation_reason"] is None
    assert cancel(api, event_id, json={"reason": "The hall <is> flooded."}, **promoter()).status == 200
    assert api.get(f"/events/{event_id}").json["cancellation_reason"] == "The hall <is> flooded."
    assert "The hall &lt;is&gt; flooded." in api.get(f"/events/{event_id}/preview").body.decode()
    assert api.get(f"/orders/{order_id}", user="ada").json["order"]["event_cancellation_reason"] == "The hall <is> flooded."
    assert cancel(api, event_id).status == 200
    assert cancel(api, event_id, json={"reason": "The hall is closed."}, **promoter()).status == 200
    assert api.get(f"/events/{event_id}").json["cancellation_reason"] == "The hall is closed."
    [corrected, cancelled] = audit.list_entries(f"event#{event_id}")[:2]
    assert (corrected.action, cancelled.action) == ("event.changed", "event.cancelled")


def test_buyers_read_the_reason_in_their_language(api, time):
    event_id, tier_id = create_published(api)
    order_id = builders.create_order(api, (event_id, tier_id), user="ada")

    def shown(language):
        page = api.get(f"/events/{event_id}/preview", headers={"Accept-Language": language}).body.decode()
        order = api.get(f"/orders/{order_id}", user="ada", headers={"Accept-Language": language}).json["order"]
        reason = api.get(f"/events/{event_id}", query={"language": language}).json["cancellation_reason"]
        assert reason is None or reason in page
        assert order["event_cancellation_reason"] == reason
        return reason

    body = {"reason": "The hall is flooded.", "reasons": {"es": "La sala se ha inundado."}}
    assert cancel(api, event_id, json=body, **promoter()).status == 200
    assert [shown(language) for language in ("en", "es", "de")] == [body["reason"], body["reasons"]["es"], body["reason"]]
    public = api.get(f"/events/{event_id}").json
    assert (public["cancellation_reason"], "cancellation_reasons" in public) == (body["reason"], False)
    assert api.get(f"/events/{event_id}", **promoter()).json["cancellation_reasons"] == body["reasons"]
    assert cancel(api, event_id).status == 200
    assert shown("es") == body["reasons"]["es"]
    assert cancel(api, event_id, json={"reasons": {"de": "Der Saal ist geschlossen."}}, **promoter()).status == 200
    assert [shown(language) for language in ("en", "es", "de")] == [None, None, "Der Saal ist geschlossen."]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"reason": "x" * 501}, "$.reason"),
        ({"reason": " "}, "$.reason"),
        ({"reasons": {"es": "x" * 501}}, "$.reasons.es"),
        ({"reasons": {"xx": "?"}}, "$.reasons"),
        ({"notify": True}, "$.notify"),
    ],
)
def test_an_invalid_cancellation_changes_nothing(api, time, body, path):
    event_id, _ = create_published(api)
    refused = cancel(api, event_id, json=body, **promoter())
    assert (refused.status, refused.json["path"]) == (400, path)
    assert "reason" in refused.json["message"] or path.startswith("$.reason")
    assert event_cancellation.find_cancellation(event_id) is None


def test_an_order_that_cannot_be_read_gets_a_finding_and_the_others_their_refund(api, time):
    event_id, tier_id = create_published(api)
    orders = [builders.create_order(api, (event_id, tier_id), 1, user) for user in ("ada", "bob", "cid")]
    reserved = builders.reserve(api, "dan", event_id, tier_id).json["id"]
    with builders.unreadable(orders[1]), builders.unreadable(reserved):
        cancel(api, event_id)
        builders.run_sweep()
        assert [purchases.load(order_id).state for order_id in (orders[0], orders[2])] == ["refunded", "refunded"]
        (case,) = money_cases.list_open_cases()
        assert (case.purchase_id, case.id, case.details) == (
            orders[1],
            "event-cancelled",
            {"event_id": event_id, "reason": "event_cancelled"},
        )
    time.advance(300)
    assert refund_all(event_id, time).orders == 3
    invariants.check(time.now, recovered=True)


def test_an_order_that_contradicts_its_tickets_keeps_no_others_waiting(api, time, monkeypatch):
    monkeypatch.setattr(event_cancellation, "BATCH", 1)
    event_id, tier_id = create_published(api, capacity=20)
    orders = sorted(builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(3))
    ticket_row = TicketRow.find(f"{orders[0]}-1")
    ticket_row.delete()  # the table of tickets was restored to an earlier second
    cancel(api, event_id)
    assert refund_all(event_id, time).orders == 2
    assert count_refunded(orders) == 2
    assert [case.purchase_id for case in money_cases.list_open_cases() if case.kind == "finding"] == [orders[0]]
    ticket_row.save()
    assert builders.refund(api, orders[0]).status == 201


@pytest.mark.not_on_moto
def test_very_many_tickets_keep_no_refunds_waiting_if_there_are_complimentary_ones(api, time):
    """2,500 tickets at half a second for each call of the store, instead of 100,000 at a few milliseconds."""
    shop = create_published(api)
    [given] = builders.issue_complimentary(api, shop, 1)
    paid = builders.create_order(api, shop, 1, "bob")
    builders.copy_ticket(f"{paid}-1", 2_500)
    cancel(api, shop[0])
    for _ in range(3):
        with intercept(SlowStore(time)):
            builders.run_sweep()
        time.advance(60)
    assert [purchases.load(order_id).state for order_id in (given, paid)] == ["refunded", "refunded"]


class SlowStore(Listener):
    def __init__(self, time):
        self.time = time

    def before(self, _):
        self.time.advance(0.5)


def test_imported_orders_keep_their_tickets_if_an_event_with_complimentary_ones_is_cancelled(api, time):
    shop = create_published(api)
    [given] = builders.issue_complimentary(api, shop, 1)
    current = load_current()
    event, tier = current.events[shop[0]], current.tiers[shop[1]]
    sold = direct_orders.SoldTicket("OLD-CODE", tier.id)
    direct_orders.import_batch(event, {tier.id: tier}, direct_orders.EventStock(event, {tier.id: tier}), [sold], [], time.now)
    cancel(api, shop[0])
    assert refund_all(shop[0], time).orders == 0
    assert [purchases.load(order_id).state for order_id in (given, sold.order_id)] == ["refunded", "paid"]
    assert "revoke" not in {entry["kind"] for entry in api.get(f"/events/{shop[0]}/stock-ledger").json["entries"]}


def test_complimentary_tickets_that_another_instance_issues_meanwhile_become_void(api, time, monkeypatch):
    shop = create_published(api)
    builders.issue_complimentary(api, shop, 1)
    with monkeypatch.context() as patched:  # an instance that has not heard of the cancellation
        patched.setattr(direct_orders, "_require_issuable", lambda *_: None)
        cancel(api, shop[0])
        builders.run_sweep()
        body = {"tier_id": shop[1], "holdback_id": "press", "rows": [{"id": "eve", "name": "Eve", "email": "eve@example.com"}]}
        reply = api.post(f"/events/{shop[0]}/complimentary-orders", json=body, **promoter())
    assert reply.json["rows"][0]["status"] == "issued"
    refund_all(shop[0], time)
    assert purchases.load(reply.json["rows"][0]["order_id"]).state == "refunded"
