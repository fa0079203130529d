"""Purchases in every state, and every trigger of the state table, caused as buyers, staff and banks can cause it."""

from collections import Counter

import stripe
from msgspec import Struct

from chalicelib.inventory.store import scan_shards
from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases import store
from chalicelib.purchases.model import Purchase, PurchaseState
from chalicelib.purchases.transitions import Trigger
from chalicelib.tickets import service as tickets
from tests import builders
from tests.simulation import faults
from tests.stripe_shop import StripeShop

USER, QUANTITY, PRICE = "ada", 2, 5000
TOTAL = QUANTITY * PRICE
ORDERS: tuple[PurchaseState, ...] = ("paid", "partially_refunded", "refunded")
ENDED: tuple[PurchaseState, ...] = ("expired", "cancelled")


class Snapshot(Struct, frozen=True):
    """What the purchase, the stock, the ledger and Stripe say. `tickets`: states by number; `ledger_cents`: by kind of entry, if not 0."""

    purchase: Purchase
    tickets: dict[int, str]
    available: int
    held: int
    sold: int
    ledger_cents: Counter[str]
    received: int
    kept: int
    cases: dict[str, int | None]


class PurchaseScenario:
    """One purchase of two tickets out of four, at 50.00 each, and the trigger that it is brought to a state for.

    `payment_intent_id`: the payment that the trigger is about. `error`: the error of the last request by an admin or the buyer.
    `is_delivered`: the trigger's own event was delivered before all others; else its webhooks still wait.
    """

    def __init__(self, shop: StripeShop, state: PurchaseState, trigger: Trigger) -> None:
        self.shop, self.fake, self.state, self.trigger = shop, shop.fake, state, trigger
        self.id, self.payment_intent_id, self.error, self.is_delivered = "", "", None, False
        # A purchase that has ended has cancelled its payment. It can only be paid if it had not recorded its payment: the checkout
        # crashed after Stripe had created it, and somebody confirms the payment in the dashboard.
        self.is_payment_unrecorded = state in ENDED and trigger not in ("payment_duplicated", "refund_failed", "payment_cancelled")

    def bring_to_state(self) -> None:
        reserved = builders.reserve(self.shop.api, USER, self.shop.event_id, self.shop.tier_id, QUANTITY)
        self.id = reserved.json["id"]
        if self.state == "held":
            return
        if self.is_payment_unrecorded:
            with faults.crash_before(1, operation="TransactWriteItems", table="payment-transactions"):
                builders.start_checkout(self.shop.api, USER, self.id)
        else:
            assert builders.start_checkout(self.shop.api, USER, self.id).status == 201
        self.payment_intent_id = self.shop.dashboard.v1.payment_intents.list({"limit": 1}).data[0].id
        if self.state in ORDERS:
            self.pay("pm_card_refundFail" if self.trigger in ("payment_succeeded", "refund_failed") else "pm_card_visa")
            self.fake.deliver()
        if self.state == "partially_refunded":
            self.refund(tickets=[f"{self.id}-1"])
        if self.state == "refunded":
            self.refund(fee_cents=0 if self.trigger in ("payment_succeeded", "payment_cancelled", "refund_failed") else 500)
        if self.state == "expired":
            self.let_hold_expire()
        if self.state == "cancelled":
            self.release()
        self.fake.deliver()
        if self.state == "refunded" and self.trigger == "payment_succeeded":
            self.fake.complete_pending()  # the refund fails, so all of the money is kept again
        if self.state in ("paid", "partially_refunded") and self.trigger == "payment_mismatched":
            self.refund_in_dashboard(1000)
        self.fake.deliver()
        assert self.purchase.state == self.state

    @property
    def purchase(self) -> Purchase:
        found = store.load(self.id)
        assert found is not None
        return found

    def take_snapshot(self) -> Snapshot:
        purchase, (received, kept) = self.purchase, self.shop.received_and_kept()
        shards = list(scan_shards())
        ledger_cents: Counter[str] = Counter()
        for entry in ledger.list_purchase_entries(purchase.event_id, purchase.id):
            ledger_cents[entry.kind] += entry.amount_cents
        return Snapshot(
            purchase=purchase,
            tickets={ticket.number: ticket.state for ticket in tickets.load_purchase_tickets(purchase.id, QUANTITY)},
            available=sum(shard.available for shard in shards),
            held=sum(shard.held for shard in shards),
            sold=sum(shard.sold for shard in shards),
            ledger_cents=Counter({kind: cents for kind, cents in ledger_cents.items() if cents}),
            received=received,
            kept=kept,
            cases={f"{case.kind}#{case.id}": case.next_at for case in money_cases.list_open_cases()},
        )

    # What buyers, staff and Stripe do.

    def pay(self, card: str = "pm_card_visa") -> None:
        """The buyer pays on the shop's own page, or somebody in the dashboard if the shop has not recorded the payment."""
        params = {"payment_method": card, "return_url": "https://shop.test/back"}
        client = self.shop.dashboard
        if not self.is_payment_unrecorded:
            secret = client.v1.payment_intents.retrieve(self.payment_intent_id).client_secret
            client, params = self.shop.browser, params | {"client_secret": secret}
        client.v1.payment_intents.confirm(self.payment_intent_id, params)

    def create_second_payment(self, amount: int = TOTAL) -> None:
        """Somebody creates a payment in the dashboard, with the metadata of this purchase."""
        metadata = self.shop.payment_metadata(self.id)
        self.payment_intent_id = self.shop.dashboard.v1.payment_intents.create(
            {"amount": amount, "currency": "usd", "metadata": metadata}
        ).id
        self.is_payment_unrecorded = True

    def refund(self, **fields) -> None:
        body = {"reason": "requested_by_customer"} | fields
        key = {"Idempotency-Key": f"refund {len(self.purchase.refunds)}"}
        reply = self.shop.api.post(f"/admin/orders/{self.id}/refunds", json=body, token=builders.admin_token(), headers=key)
        self.error = reply.json.get("error")

    def refund_in_dashboard(self, amount: int | None = None) -> None:
        self.shop.dashboard.v1.refunds.create({"payment_intent": self.payment_intent_id, **({"amount": amount} if amount else {})})

    def release(self) -> None:
        reply = self.shop.api.delete(f"/reservations/{self.id}", user=USER)
        self.error = reply.json.get("error")

    def let_hold_expire(self) -> None:
        self.shop.time.advance(181)
        builders.run_sweep()

    def deliver_newest(self, event_type: str) -> None:
        """Deliver the newest event of this type before all others that wait."""
        self.shop.post_newest_event(event_type)
        self.is_delivered = True


# The causes of the triggers. The caller delivers the webhooks that they leave.


def cause_trigger(scenario: PurchaseScenario) -> None:
    _CAUSES[scenario.trigger](scenario)


def _payment_succeeded(scenario: PurchaseScenario) -> None:
    if scenario.state in ORDERS:
        scenario.fake.resend_event(scenario.fake.events("payment_intent.succeeded")[-1]["id"])
        return
    if scenario.state == "held":
        scenario.create_second_payment()
    scenario.pay()


def _payment_mismatched(scenario: PurchaseScenario) -> None:
    if scenario.state in ORDERS:
        scenario.fake.resend_event(scenario.fake.events("payment_intent.succeeded")[-1]["id"])
        return
    if scenario.state == "held":
        scenario.create_second_payment(PRICE)
    else:
        scenario.shop.dashboard.v1.payment_intents.update(scenario.payment_intent_id, {"amount": PRICE})
    scenario.pay()


def _payment_duplicated(scenario: PurchaseScenario) -> None:
    scenario.create_second_payment()
    scenario.pay()


def _payment_pending(scenario: PurchaseScenario) -> None:
    """3D Secure is required after a decline, so that the payment is pending when the event of the decline comes."""
    _payment_declined(scenario)
    scenario.pay("pm_card_authenticationRequired")


def _payment_declined(scenario: PurchaseScenario) -> None:
    if scenario.state in ("held", *ORDERS):
        scenario.create_second_payment()
    try:
        scenario.pay("pm_card_visa_chargeDeclined")
    except stripe.CardError:
        return
    raise AssertionError("the card was not declined")


def _payment_cancelled(scenario: PurchaseScenario) -> None:
    if scenario.state in ENDED:
        scenario.fake.resend_event(scenario.fake.events("payment_intent.canceled")[-1]["id"])
        return
    if scenario.state == "refunded":  # the payment cannot be cancelled any more
        scenario.fake.resend_event(scenario.fake.events("payment_intent.succeeded")[-1]["id"])
        return
    if scenario.state in ("held", *ORDERS):
        scenario.create_second_payment()
    scenario.shop.dashboard.v1.payment_intents.cancel(scenario.payment_intent_id)


def _hold_expired(scenario: PurchaseScenario) -> None:
    """The buyer returns too late, but before the sweep."""
    scenario.shop.time.advance(181)
    assert builders.start_checkout(scenario.shop.api, USER, scenario.id, key="too late").status == 409
    scenario.is_delivered = True


def _refund_failed(scenario: PurchaseScenario) -> None:
    if scenario.state not in ("partially_refunded", "refunded"):  # here only a second payment is refunded
        scenario.create_second_payment()
        scenario.pay("pm_card_refundFail")
        scenario.fake.deliver()
    scenario.fake.complete_pending()


def _refunded_externally(scenario: PurchaseScenario) -> None:
    """Of a partially refunded order a part, else all. Where there is no order, before the event of the payment comes."""
    if scenario.state not in ORDERS:
        if scenario.state == "held":
            scenario.create_second_payment()
        scenario.pay()
    scenario.refund_in_dashboard(1000 if scenario.state == "partially_refunded" else None)
    scenario.deliver_newest("refund.created")


def _dispute_opened(scenario: PurchaseScenario) -> None:
    if scenario.state not in ORDERS:
        if scenario.state == "held":
            scenario.create_second_payment()
        scenario.pay()
    scenario.fake.create_dispute(scenario.shop.dashboard.v1.payment_intents.retrieve(scenario.payment_intent_id).latest_charge)
    scenario.deliver_newest("charge.dispute.created")


def _dispute_decided(scenario: PurchaseScenario, won: bool) -> None:
    """Only orders with tickets get the event that the dispute was opened before it is decided."""
    if scenario.state not in ORDERS:
        if scenario.state == "held":
            scenario.create_second_payment()
        scenario.pay()
    dispute = scenario.fake.create_dispute(scenario.shop.dashboard.v1.payment_intents.retrieve(scenario.payment_intent_id).latest_charge)
    if scenario.state in ("paid", "partially_refunded"):
        scenario.fake.deliver()
    scenario.fake.close_dispute(dispute["id"], won=won)
    scenario.deliver_newest("charge.dispute.closed")


_CAUSES = {
    "payment_succeeded": _payment_succeeded,
    "payment_mismatched": _payment_mismatched,
    "payment_duplicated": _payment_duplicated,
    "payment_pending": _payment_pending,
    "payment_declined": _payment_declined,
    "payment_cancelled": _payment_cancelled,
    "hold_expired": _hold_expired,
    "release_requested": PurchaseScenario.release,
    "refund_requested": lambda scenario: scenario.refund(tickets=[f"{scenario.id}-2"]),
    "refund_failed": _refund_failed,
    "refunded_externally": _refunded_externally,
    "dispute_opened": _dispute_opened,
    "dispute_won": lambda scenario: _dispute_decided(scenario, won=True),
    "dispute_lost": lambda scenario: _dispute_decided(scenario, won=False),
}
