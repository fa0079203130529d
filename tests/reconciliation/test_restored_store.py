"""After all tables are restored to an earlier second, the refunds that Fairgate made after that second are recorded as external refunds."""

import pytest

from chalicelib.payments import service as payments
from chalicelib.purchases import event_cancellation, provider_events, refunds, store
from chalicelib.reconciliation import jobs
from tests import builders
from tests.reconciliation.comparing import assert_no_differences, compare_last_hour, list_findings
from tests.simulation.moments import Moment

pytestmark = pytest.mark.usefixtures("threaded_store")

DAY = 86_400


def restore(shop, moment):
    """Restore the store to an earlier moment. Stripe's data and the clock stay as they are."""
    now = shop.time.now
    moment.return_to()
    shop.time.set(now)


def notice(shop, via):
    """Let the shop notice Stripe's refunds."""
    if via == "schedule":
        shop.lose_webhooks()
        shop.time.advance(1800)
        jobs.compare_books(shop.time.now)
    elif via == "comparison":
        shop.lose_webhooks()
        compare_last_hour(shop)
    else:
        for event in shop.fake.events("refund.*") + shop.fake.events("charge.refunded"):
            shop.post_webhook(*shop.fake.signed_delivery(event["id"]))


@pytest.fixture
def order_id(shop):
    """Return an order of two tickets, bought days ago at an event that takes tickets back for the full price."""
    changes = {"returns": {"policy": "refund"}}
    assert shop.api.patch(f"/events/{shop.event_id}", json=changes, token=builders.admin_token()).status == 200
    order_id = shop.buy()
    shop.time.advance(3 * DAY)
    jobs.compare_books(shop.time.now)
    return order_id


def refund(shop, order_id, *tickets):
    wanted = {"tickets": [f"{order_id}-{number}" for number in tickets]} if tickets else {}
    assert builders.refund(shop.api, order_id, reason="event_changed", **wanted).status == 201


def return_own(shop, order_id, *tickets):
    reply = shop.api.post(f"/orders/{order_id}/return", json={"tickets": [f"{order_id}-{number}" for number in tickets]}, user="ada")
    assert reply.status == 200, reply.json


VIAS = pytest.mark.parametrize("via", ["schedule", "comparison", "webhooks"])


@VIAS
@pytest.mark.parametrize("webhooks", ["before", "after"])
@pytest.mark.parametrize("act", [refund, lambda shop, order_id: return_own(shop, order_id, 1, 2)], ids=["refund", "own return"])
def test_a_lost_refund_of_the_whole_order_voids_its_tickets(shop, order_id, act, webhooks, via):
    moment = Moment(shop.time)
    act(shop, order_id)
    if webhooks == "before":
        shop.fake.deliver()
    restore(shop, moment)
    notice(shop, via)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("refunded", ["void", "void"])
    assert (shop.available_tickets(), shop.list_open_cases()) == (4, [])
    shop.fake.clear_webhook_rules()
    shop.fake.deliver()
    notice(shop, "webhooks")
    assert_no_differences(shop)
    assert shop.list_refunds() == [(10_000, "succeeded")]
    shop.assert_books_balance(recovered=True)


@VIAS
@pytest.mark.parametrize("act", [refund, return_own])
def test_a_lost_refund_of_a_part_is_shown(shop, order_id, act, via):
    moment = Moment(shop.time)
    act(shop, order_id, 1)
    shop.fake.deliver()
    restore(shop, moment)
    notice(shop, via)
    [lost] = shop.load_purchase(order_id).refunds
    assert (lost.amount_cents, lost.is_external, list_findings(shop)) == (5000, True, {order_id: lost.id})
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("paid", ["valid", "valid"])
    notice(shop, "webhooks")
    shop.assert_books_balance(recovered=True)
    act(shop, order_id, 2)
    assert (shop.received_and_kept(), shop.load_purchase(order_id).refunds[0]) == ((10_000, 0), lost)


@pytest.mark.parametrize(("is_noticed", "hours"), [(False, 0), (True, 0), (True, 30)])
def test_a_lost_return_that_the_buyer_repeats_is_not_paid_twice(shop, order_id, is_noticed, hours):
    moment = Moment(shop.time)
    return_own(shop, order_id, 1)
    shop.fake.deliver()
    restore(shop, moment)
    if is_noticed:
        notice(shop, "comparison")
    shop.time.advance(hours * 3600)
    return_own(shop, order_id, 1)
    notice(shop, "webhooks")
    assert [(made.is_external, made.status, made.tickets) for made in shop.load_purchase(order_id).refunds] == [(False, "succeeded", [1])]
    assert (shop.ticket_states(order_id), shop.list_open_cases()) == (["void", "valid"], [])
    assert shop.list_refunds() == [(5000, "succeeded")]
    shop.assert_books_balance(recovered=True)


@pytest.mark.parametrize("is_noticed", [False, True])
def test_a_buyer_who_has_lost_the_return_of_a_ticket_returns_the_whole_order(shop, order_id, is_noticed):
    moment = Moment(shop.time)
    return_own(shop, order_id, 1)
    shop.fake.deliver()
    restore(shop, moment)
    notice(shop, "comparison")
    return_own(shop, order_id, 1, 2)
    if is_noticed:
        notice(shop, "webhooks")
    assert (shop.received_and_kept(), shop.ticket_states(order_id)) == ((10_000, 0), ["void", "void"])
    assert sorted(shop.list_refunds()) == [(5000, "succeeded"), (5000, "succeeded")]
    shop.assert_books_balance(recovered=True)


def test_a_promoter_who_copies_the_metadata_of_a_cancellation_keeps_nothing(shop):
    shop.connect_account()
    order_id = shop.buy()
    copied = {"purchase_id": order_id, "refund_id": event_cancellation.REFUND_ID, "attempt": "1"}
    namespace = shop.payment_metadata(order_id)["namespace"]
    charge = shop.fetch_charge(order_id)
    shop.dashboard.v1.refunds.create({"charge": charge.id, "amount": 5000, "metadata": copied | {"namespace": namespace}})
    shop.fake.deliver()
    assert shop.api.post(f"/events/{shop.event_id}/cancel", json={}, token=builders.token("pat", "promoter")).status == 200
    for seconds in (60, 600):
        shop.time.advance(seconds)
        builders.run_sweep()
    shop.fake.deliver()
    assert (shop.received_and_kept(), shop.load_purchase(order_id).state) == ((10_000, 0), "refunded")
    shop.assert_books_balance(recovered=True)


def test_a_lost_refund_of_an_order_whose_payment_is_lost_too(shop):
    session = shop.open_checkout()
    moment = Moment(shop.time)
    shop.pay(session)
    shop.confirm(session)
    refund(shop, session["id"])
    restore(shop, moment)
    shop.time.advance(60)
    shop.fake.set_delivery_order("reversed")
    shop.fake.deliver()
    assert (shop.purchase_state(session), shop.received_and_kept()) == ("cancelled", (10_000, 0))
    assert_no_differences(shop)
    assert (shop.available_tickets(), shop.list_open_cases()) == (4, [])
    shop.assert_books_balance(recovered=True)


@pytest.mark.parametrize("is_restored", [False, True])
def test_a_webhook_that_has_read_the_order_before_the_refund_was_saved_records_it_once(shop, order_id, is_restored):
    """The webhook reads the order, and then the request saves the refund, as if reads were not consistent."""
    moment, old_copy = Moment(shop.time), store.load(order_id)
    return_own(shop, order_id, 1)
    if is_restored:
        restore(shop, moment)
        return_own(shop, order_id, 1)
    [found] = payments.external_provider("stripe").list_refunds_of_payment(old_copy.payment.payment_intent_id, None)
    after = refunds.record_refund(old_copy, found, shop.time.now)
    assert [(made.id, made.status) for made in after.refunds] == [("returned-1", "succeeded")]
    assert (shop.ticket_states(order_id), shop.list_open_cases()) == (["void", "valid"], [])
    shop.assert_books_balance(recovered=True)


def test_a_webhook_that_arrives_before_the_request_has_recorded_its_refund(shop, order_id, monkeypatch):
    create_refund, results = payments.create_refund, []

    def deliver_first(*args, **options):
        created = create_refund(*args, **options)
        found = payments.external_provider("stripe").find_refund(created.id, None)
        results.append(provider_events.apply_refund(found, shop.time.now).result)
        return created

    monkeypatch.setattr(payments, "create_refund", deliver_first)
    refund(shop, order_id, 1)
    assert results == ["refund_succeeded"]
    assert [(made.is_external, made.status) for made in shop.load_purchase(order_id).refunds] == [(False, "succeeded")]
    assert (shop.ticket_states(order_id), shop.list_open_cases()) == (["void", "valid"], [])
    shop.assert_books_balance(recovered=True)
