"""A crash after every store call and every call to the provider, in each flow that moves money; then the books balance."""

import contextlib
from copy import copy

import pytest

from chalicelib.audit import service as audit
from chalicelib.inventory import service as inventory
from chalicelib.inventory.store import scan_shards
from chalicelib.ledger import money_cases
from chalicelib.purchases import store
from chalicelib.purchases.hold_recovery import BANK_CHECK_SECONDS
from tests import builders, shops
from tests.bootstrap.conftest import ticket
from tests.payment_pages import BANK_FAILS, BANK_SUCCEEDS
from tests.simulation import faults
from tests.simulation.moments import Moment
from tests.simulation.provider_faults import crash_at, crash_points, record_provider_calls
from tests.stripe_shop import open_shop

pytestmark = pytest.mark.usefixtures("threaded_store")

FLOWS = {
    "checkout": ([], "start_checkout"),
    "confirm": (["start_checkout", "pay"], "confirm"),
    "webhook": (["start_checkout", "pay"], "deliver"),
    "expire unpaid": (["start_checkout", "expire_hold"], "sweep"),
    "expire paid": (["start_checkout", "pay", "expire_hold"], "sweep"),
    "expire while the bank decides": (["start_checkout", "expire_hold", "debit_bank_account"], "sweep"),
    "the bank pays late": (["start_checkout", "expire_hold", "debit_bank_account", "sweep", "let_bank_decide"], "deliver"),
    "the bank declines late": (["start_checkout", "expire_hold", "debit_empty_account", "sweep", "let_bank_decide"], "deliver"),
    "a sweep of everything": (["buy", "refund_during_outage", "leave_work", "expire_hold"], "sweep"),
    "release": (["start_checkout"], "release"),
    "late, with stock": (["start_checkout", "pay", "expire_despite_payment"], "deliver"),
    "late, sold out": (["start_checkout", "pay", "expire_despite_payment", "sell_the_rest"], "deliver"),
    "another amount": (["start_checkout", "change_amount", "pay"], "deliver"),
    "hosted, checkout": ([], "start_hosted_checkout"),
    "hosted, price differs at Stripe": (["change_price_at_stripe"], "start_hosted_checkout"),
    "hosted, confirm": (["start_hosted_checkout", "pay"], "confirm"),
    "hosted, webhook": (["start_hosted_checkout", "pay"], "deliver"),
    "hosted, expire unpaid": (["start_hosted_checkout", "expire_hold"], "sweep"),
    "hosted, expired in the dashboard": (["start_hosted_checkout", "expire_page_in_dashboard"], "deliver"),
    "hosted, bank debit failed": (["start_hosted_checkout", "fail_bank_debit"], "deliver"),
    "hosted, paid again in the dashboard": (["start_hosted_checkout", "pay", "confirm", "deliver", "pay_in_dashboard"], "deliver"),
}

# Flows that are repeated after a crash: by the client with the same key, by the provider's webhook or by the next sweep.
REFUND_FLOWS = {
    "refund": (["buy"], "refund"),
    "refund of one ticket": (["buy"], "refund_one_ticket"),
    "refund of the rest": (["buy", "refund_one_ticket"], "refund"),
    "refund fails at the bank": (["buy_with_failing_refunds", "refund", "wait_for_bank"], "deliver"),
    "refund that is due": (["buy", "refund_during_outage", "wait_a_minute"], "sweep"),
    "refund retried by an admin": (["buy_with_failing_refunds", "refund", "exhaust_retries"], "retry_refund"),
    "dispute": (["buy", "dispute"], "deliver"),
    "dispute won": (["buy", "dispute", "deliver", "win_dispute"], "deliver"),
    "dispute lost": (["buy", "dispute", "deliver", "lose_dispute"], "deliver"),
    "dispute won, with a refund that it blocked": (
        ["buy", "refund_during_outage", "dispute", "deliver", "exhaust_retries", "win_dispute"],
        "deliver",
    ),
    "refund in the dashboard": (["buy", "refund_in_dashboard"], "deliver"),
    "partial refund in the dashboard": (["buy", "refund_part_in_dashboard"], "deliver"),
}

# The same for an event of three tickets over all tiers: whatever is held, sold or given back in the tier is so in the pool too.
EVENT_CAPACITY = 3
POOLED = {
    f"{name}, event capacity": FLOWS[name]
    for name in ("webhook", "expire unpaid", "expire paid", "release", "late, with stock", "late, sold out", "another amount")
}
POOLED_REFUNDS = {
    f"{name}, event capacity": REFUND_FLOWS[name]
    for name in ("refund", "refund of the rest", "refund that is due", "dispute won", "dispute lost", "refund in the dashboard")
}
FLOWS |= POOLED
REFUND_FLOWS |= POOLED_REFUNDS


class Purchase:
    """The steps of one purchase, its payment, refunds and disputes; `id` is the reservation's id."""

    def __init__(self, shop):
        self.shop, self.session = shop, None
        self.id = builders.reserve(shop.api, "ada", shop.event_id, shop.tier_id, 2).json["id"]

    def start_checkout(self):
        reply = builders.start_checkout(self.shop.api, "ada", self.id, key=self.id)
        self.session = reply.json

    def start_hosted_checkout(self):
        self.session = self.shop.request_checkout(self.id, page="hosted").json

    def change_price_at_stripe(self):
        """Reserve a tier that has another price at Stripe than in the catalog."""
        self.shop.sell_tiers(ticket("floor"))
        self.shop.fake.add_price("price_floor", unit_amount=4000, currency="usd", name="Floor")
        self.id = builders.reserve(self.shop.api, "ada", "fest", "floor", 2).json["id"]

    def pay(self):
        self.shop.pay(self.session)

    def debit_bank_account(self, account=BANK_SUCCEEDS):
        self.shop.pay(self.session, account, expect="processing")

    def debit_empty_account(self):
        self.debit_bank_account(BANK_FAILS)

    def let_bank_decide(self):
        self.shop.fake.complete_pending()

    def pay_in_dashboard(self):
        self.shop.pay_in_dashboard(self.id)

    def expire_page_in_dashboard(self):
        self.shop.dashboard.v1.checkout.sessions.expire(self.shop.fetch_hosted_page(self.session).id)

    def fail_bank_debit(self):
        self.shop.fake.pay_session_by_bank(self.shop.fetch_hosted_page(self.session).id, fails=True)
        self.deliver()
        self.shop.fake.complete_pending()

    def change_amount(self):
        self.shop.dashboard.v1.payment_intents.update(self.shop.fetch_payment_intent(self.session).id, {"amount": 100})

    def confirm(self):
        return self.shop.confirm(self.session)

    def deliver(self):
        self.shop.fake.deliver()

    def expire_hold(self):
        self.shop.time.advance(181)

    def sweep(self):
        builders.run_sweep()

    def leave_work(self):
        """Bob's checkout, which is unpaid, Cid's reservation, and a shard that a pause or resume did not reach."""
        self.shop.open_checkout("bob", 1)
        self.shop.reserve("cid", 1)
        inventory.set_open({self.shop.tier_id: 1}, False)

    def release(self):
        self.shop.api.delete(f"/reservations/{self.id}", user="ada")

    def expire_despite_payment(self):
        self.shop.expire_without_asking_stripe(self.id)

    def sell_the_rest(self):
        assert self.shop.reserve("bob", 3)

    def buy(self, card="pm_card_visa"):
        self.start_checkout()
        self.shop.pay(self.session, card)
        assert self.confirm().status == 201
        self.deliver()

    def buy_with_failing_refunds(self):
        self.buy("pm_card_refundFail")

    def refund(self, **fields):
        return builders.refund(self.shop.api, self.id, **fields)

    def refund_one_ticket(self):
        self.refund(key="one", tickets=[f"{self.id}-2"])

    def refund_during_outage(self):
        self.shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
        assert self.refund().json["refund"]["status"] == "due"

    def wait_a_minute(self):
        self.shop.time.advance(60)

    def wait_for_bank(self):
        self.deliver()
        self.shop.time.advance(10)

    def exhaust_retries(self):
        for seconds in (60, 10, 3600, 10, 86_400, 10):
            self.shop.time.advance(seconds)
            self.sweep()
            self.deliver()
        assert store.load(self.id).refunds[0].status == "failed"

    def retry_refund(self):
        [refund] = store.load(self.id).refunds
        self.shop.api.post(f"/admin/orders/{self.id}/refunds/{refund.id}/retry", token=builders.admin_token())

    def dispute(self):
        self.dispute_id = self.shop.fake.create_dispute(self.shop.fetch_charge(self.id).id)["id"]

    def win_dispute(self):
        self.shop.fake.close_dispute(self.dispute_id, won=True)

    def lose_dispute(self):
        self.shop.fake.close_dispute(self.dispute_id, won=False)

    def refund_in_dashboard(self):
        self.shop.refund_in_dashboard(self.id, 10_000)

    def refund_part_in_dashboard(self):
        self.shop.refund_in_dashboard(self.id, 4000)


@contextlib.contextmanager
def prepared_purchase(api, time, before, event_capacity=None):
    """A purchase in a shop with another event, with the steps before done; and the moment then, from which copies of it go on."""
    with shops.isolated_shop(api), open_shop(api, time, event_capacity, checkout_origins="https://shop.test") as shop:
        purchase = Purchase(shop)
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
    order = store.load(purchase.id)
    return {
        "order": (order.state, order.kept_tickets, [(refund.status, refund.amount_cents) for refund in order.refunds]),
        "stock": [(shard.sold, shard.available) for shard in scan_shards()],
        "at Stripe": purchase.shop.list_refunds(),
        "open": sorted(case.kind for case in money_cases.list_open_cases()),
        "audit": len(audit.list_entries(f"order#{purchase.id}")),
    }


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
