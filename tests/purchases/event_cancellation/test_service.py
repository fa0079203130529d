"""Cancelled events: the sale stops at once, reservations end, and every order is refunded, whatever crashes."""

import pytest

from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.ledger import money_cases
from chalicelib.purchases import event_cancellation
from chalicelib.purchases import store as purchases
from tests import builders, invariants
from tests.bootstrap.conftest import event, ticket
from tests.catalog.requests import create_published, open_flags, promoter
from tests.simulation import faults


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


def test_many_orders_are_refunded_in_several_runs(api, time, monkeypatch):
    monkeypatch.setattr(event_cancellation, "BATCH", 2)
    monkeypatch.setattr(event_cancellation, "MAX_BATCHES", 1)
    event_id, tier_id = create_published(api, capacity=20)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"buyer{number}") for number in range(5)]
    cancel(api, event_id)
    builders.run_sweep()
    assert [purchases.load(order_id).state for order_id in orders].count("refunded") == 2
    assert refund_all(event_id, time).orders == 5
    assert {purchases.load(order_id).state for order_id in orders} == {"refunded"}
    invariants.check(time.now)


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
