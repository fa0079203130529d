"""A crash after every store call and every call to the provider, in each flow that moves money; then the books balance."""

import contextlib
from copy import copy

import pytest

from chalicelib.purchases.hold_recovery import BANK_CHECK_SECONDS
from tests import builders, shops
from tests.proof import payments
from tests.proof.payments import PaymentScene
from tests.simulation import faults
from tests.simulation.moments import Moment
from tests.simulation.provider_faults import crash_at, crash_points, record_provider_calls
from tests.stripe_shop import open_shop

pytestmark = pytest.mark.usefixtures("threaded_store")

# name -> (the steps before, the step that crashes)
POOLED = {f"{name}, event capacity": payments.STEPS[name] for name in payments.POOLED}
POOLED_REFUNDS = {f"{name}, event capacity": payments.REFUND_STEPS[name] for name in payments.POOLED_REFUNDS}
FLOWS, REFUND_FLOWS = payments.STEPS | POOLED, payments.REFUND_STEPS | POOLED_REFUNDS
EVENT_CAPACITY = 3


@contextlib.contextmanager
def prepared_purchase(api, time, before, event_capacity=None):
    """A purchase in a shop with another event, with the steps before done; and the moment then, from which copies of it go on."""
    with shops.isolated_shop(api), open_shop(api, time, event_capacity, checkout_origins="https://shop.test") as shop:
        purchase = PaymentScene(shop)
        for step in before:
            getattr(purchase, step)()
        yield purchase, Moment(time, shop.fake)


def crash_everywhere(prepared, moment, flow):
    """Run the flow once, then crash it at each of its calls. Yields each point, and the purchase after the crash."""
    with faults.record_calls() as store_calls, record_provider_calls() as provider_calls:
        getattr(copy(prepared), flow)()
    assert len(provider_calls) >= 1
    for point in crash_points(store_calls, provider_calls):
        moment.return_to()
        purchase = copy(prepared)
        with crash_at(point):
            getattr(purchase, flow)()
        yield point, purchase


def recover(purchase):
    """Let time pass: holds expire, the sweep runs, and Stripe sends unanswered webhooks again."""
    for seconds in (301, 301, 301, BANK_CHECK_SECONDS):
        purchase.shop.time.advance(seconds)
        builders.run_sweep()
        purchase.shop.fake.deliver()
    builders.run_sweep()


@pytest.mark.parametrize("name", FLOWS)
def test_the_books_balance_after_a_crash_anywhere(api, time, name):
    before, flow = FLOWS[name]
    event_capacity = EVENT_CAPACITY if name in POOLED else None
    with prepared_purchase(api, time, before, event_capacity) as (prepared, moment):
        for _, purchase in crash_everywhere(prepared, moment, flow):
            recover(purchase)
            purchase.shop.assert_books_balance(recovered=True)


def test_a_second_checkout_after_any_crash_shows_the_same_page(api, time):
    with prepared_purchase(api, time, []) as (prepared, moment):
        for _, purchase in crash_everywhere(prepared, moment, "start_hosted_checkout"):
            time.advance(31)  # the idempotency key of the crashed request is free again
            purchase.start_hosted_checkout()
            purchase.pay()
            assert purchase.confirm().status == 201
            assert len(purchase.shop.dashboard.v1.checkout.sessions.list().data) == 1
            purchase.shop.assert_books_balance()


def repeat_until_settled(purchase, flow):
    """Repeat the flow, as a client that got no answer does; then let time pass for banks, webhooks and sweeps. Returns the final state."""
    purchase.shop.time.advance(31)
    getattr(purchase, flow)()
    for seconds in (60, 301, 3600, 10, 86_400, 10):
        purchase.shop.time.advance(seconds)
        builders.run_sweep()
        purchase.shop.fake.deliver()
    purchase.shop.assert_books_balance(recovered=True)
    return purchase.outcome()


@pytest.mark.parametrize("name", REFUND_FLOWS)
def test_refunds_and_disputes_end_the_same_after_a_crash_anywhere(api, time, name):
    before, flow = REFUND_FLOWS[name]
    event_capacity = EVENT_CAPACITY if name in POOLED_REFUNDS else None
    with prepared_purchase(api, time, before, event_capacity) as (prepared, moment):
        undisturbed = copy(prepared)
        getattr(undisturbed, flow)()
        expected = repeat_until_settled(undisturbed, flow)
        moment.return_to()
        for point, purchase in crash_everywhere(prepared, moment, flow):
            assert repeat_until_settled(purchase, flow) == expected, point
