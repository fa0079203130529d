"""A purchase brought into any state, and everything that can happen to it there, by the ways that are open to buyers, staff and banks."""

from collections import Counter

import stripe
from msgspec import Struct

from chalicelib import settings
from chalicelib.cases import service as cases
from chalicelib.inventory import service as inventory
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store
from chalicelib.purchases.record.model import Purchase, PurchaseState
from chalicelib.purchases.record.transitions import Trigger
from chalicelib.tickets import service as tickets
from tests import builders
from tests.simulation import faults
from tests.stripe_shop import StripeShop

USER, QUANTITY, PRICE = "ada", 2, 5000
TOTAL = QUANTITY * PRICE
ORDERS: tuple[PurchaseState, ...] = ("paid", "partially_refunded", "refunded")
OVER: tuple[PurchaseState, ...] = ("expired", "cancelled")


class Look(Struct, frozen=True):
    """What a purchase has come to. `tickets`: states by number; `moved`: cents by kind of ledger entry, where money moved."""

    purchase: Purchase
    tickets: dict[int, str]
    available: int
    held: int
    sold: int
    moved: Counter[str]
    received: int
    kept: int
    cases: dict[str, int | None]


class Play:
    """One purchase of two tickets out of four, at 50.00 each. `intent` is the payment that it happens to, `refused` why something was.

    `is_known`: our shop knows of it already; else it comes with the webhooks that wait.
    """

    def __init__(self, shop: StripeShop, state: PurchaseState, happening: Trigger) -> None:
        self.shop, self.fake, self.state, self.happening = shop, shop.fake, state, happening
        self.id, self.intent, self.refused, self.is_known = "", "", None, False
        # A purchase that is over has cancelled its payment. Money can only come for it when it did not know its payment: the checkout
        # died between Stripe's answer and writing it down, and somebody took the payment in the dashboard.
        self.forgotten = state in OVER and happening not in ("payment_duplicated", "refund_failed", "payment_canceled")

    # How it gets there.

    def bring(self) -> None:
        reserved = builders.reserve(self.shop.api, USER, self.shop.event_id, self.shop.tier_id, QUANTITY)
        self.id = reserved.json["id"]
        if self.state == "held":
            return
        if self.forgotten:
            with faults.crash_before(1, operation="TransactWriteItems", table="payment-transactions"):
                builders.start_checkout(self.shop.api, USER, self.id)
        else:
            assert builders.start_checkout(self.shop.api, USER, self.id).status == 201
        self.intent = self.shop.dashboard.v1.payment_intents.list({"limit": 1}).data[0].id
        if self.state in ORDERS:
            self.pay("pm_card_refundFail" if self.happening in ("payment_succeeded", "refund_failed") else "pm_card_visa")
            self.fake.deliver()
        if self.state == "partially_refunded":
            self.refund(tickets=[f"{self.id}-1"])
        if self.state == "refunded":
            self.refund(fee_cents=0 if self.happening in ("payment_succeeded", "payment_canceled", "refund_failed") else 500)
        if self.state == "expired":
            self.lapse()
        if self.state == "cancelled":
            self.release()
        self.fake.deliver()
        if self.state == "refunded" and self.happening == "payment_succeeded":
            self.fake.complete_pending()  # the refund fails, so all of the money is with us again
        if self.state in ("paid", "partially_refunded") and self.happening == "payment_mismatched":
            self.refund_by_hand(1000)
        self.fake.deliver()
        assert self.purchase.state == self.state

    @property
    def purchase(self) -> Purchase:
        found = store.load(self.id)
        assert found is not None
        return found

    def look(self) -> Look:
        purchase, (received, kept) = self.purchase, self.shop.received_and_kept()
        shards = list(inventory.scan_shards())
        moved: Counter[str] = Counter()
        for entry in ledger.list_purchase_entries(purchase.event_id, purchase.id):
            moved[entry.kind] += entry.amount_cents
        return Look(
            purchase=purchase,
            tickets={one.number: one.state for one in tickets.load_purchase_tickets(purchase.id, QUANTITY)},
            available=sum(shard.available for shard in shards),
            held=sum(shard.held for shard in shards),
            sold=sum(shard.sold for shard in shards),
            moved=Counter({kind: cents for kind, cents in moved.items() if cents}),
            received=received,
            kept=kept,
            cases={f"{case.kind}#{case.id}": case.next_at for case in cases.list_open()},
        )

    # What people do.

    def pay(self, card: str = "pm_card_visa") -> None:
        """The buyer does, in the shop's page; where the shop has forgotten the payment, somebody in the dashboard."""
        params = {"payment_method": card, "return_url": "https://shop.test/back"}
        by = self.shop.dashboard
        if not self.forgotten:
            secret = by.v1.payment_intents.retrieve(self.intent).client_secret
            by, params = self.shop.browser, params | {"client_secret": secret}
        by.v1.payment_intents.confirm(self.intent, params)

    def open_another(self, amount: int = TOTAL) -> None:
        """Somebody opens a payment in the dashboard and marks it as this purchase's."""
        purchase = self.purchase
        metadata = {"purchase_id": purchase.id, "event_id": purchase.event_id, "user_id": USER, "namespace": _stage()}
        self.intent = self.shop.dashboard.v1.payment_intents.create({"amount": amount, "currency": "usd", "metadata": metadata}).id
        self.forgotten = True

    def refund(self, **wish) -> None:
        body = {"reason": "requested_by_customer"} | wish
        key = {"Idempotency-Key": f"refund {len(self.purchase.refunds)}"}
        reply = self.shop.api.post(f"/admin/orders/{self.id}/refunds", json=body, token=builders.admin_token(), headers=key)
        self.refused = reply.json.get("error")

    def refund_by_hand(self, amount: int | None = None) -> None:
        self.shop.dashboard.v1.refunds.create({"payment_intent": self.intent, **({"amount": amount} if amount else {})})

    def release(self) -> None:
        reply = self.shop.api.delete(f"/reservations/{self.id}", user=USER)
        self.refused = reply.json.get("error")

    def lapse(self) -> None:
        self.shop.time.advance(181)
        builders.run_sweep()

    def tell(self, kind: str) -> None:
        """Only the newest event of this kind comes, before all others that Stripe has sent meanwhile."""
        event = self.fake.events(kind)[-1]
        assert self.shop.post_webhook(*self.fake.signed_delivery(event["id"])).status == 200
        self.is_known = True


# What happens. Each leaves it to the caller to deliver the webhooks that it did not tell itself.


def happen(play: Play) -> None:
    _HAPPEN[play.happening](play)


def _captured(play: Play) -> None:
    if play.state in ORDERS:
        play.fake.resend_event(play.fake.events("payment_intent.succeeded")[-1]["id"])
        return
    if play.state == "held":
        play.open_another()
    play.pay()


def _captured_other(play: Play) -> None:
    if play.state in ORDERS:
        play.fake.resend_event(play.fake.events("payment_intent.succeeded")[-1]["id"])
        return
    if play.state == "held":
        play.open_another(PRICE)
    else:
        play.shop.dashboard.v1.payment_intents.update(play.intent, {"amount": PRICE})
    play.pay()


def _captured_twice(play: Play) -> None:
    play.open_another()
    play.pay()


def _waiting(play: Play) -> None:
    """3D Secure is asked for after a decline, so that what waits is looked at when the news of the decline comes."""
    _declined(play)
    play.pay("pm_card_authenticationRequired")


def _declined(play: Play) -> None:
    if play.state in ("held", *ORDERS):
        play.open_another()
    try:
        play.pay("pm_card_visa_chargeDeclined")
    except stripe.CardError:
        return
    raise AssertionError("the card was not declined")


def _canceled(play: Play) -> None:
    if play.state in OVER:
        play.fake.resend_event(play.fake.events("payment_intent.canceled")[-1]["id"])
        return
    if play.state == "refunded":  # nothing is left of it
        play.fake.resend_event(play.fake.events("payment_intent.succeeded")[-1]["id"])
        return
    if play.state in ("held", *ORDERS):
        play.open_another()
    play.shop.dashboard.v1.payment_intents.cancel(play.intent)


def _time_over(play: Play) -> None:
    """The buyer comes back too late, and meets it before the sweep does."""
    play.shop.time.advance(181)
    assert builders.start_checkout(play.shop.api, USER, play.id, key="too late").status == 409
    play.is_known = True


def _refund_failed(play: Play) -> None:
    if play.state not in ("partially_refunded", "refunded"):  # only money that was one too many goes back from these
        play.open_another()
        play.pay("pm_card_refundFail")
        play.fake.deliver()
    play.fake.complete_pending()


def _refunded_by_hand(play: Play) -> None:
    """All that is left, of an order that had lost a ticket only some; before we heard of the payment, where there was no order."""
    if play.state not in ORDERS:
        if play.state == "held":
            play.open_another()
        play.pay()
    play.refund_by_hand(1000 if play.state == "partially_refunded" else None)
    play.tell("refund.created")


def _disputed(play: Play) -> None:
    if play.state not in ORDERS:
        if play.state == "held":
            play.open_another()
        play.pay()
    play.fake.create_dispute(play.shop.dashboard.v1.payment_intents.retrieve(play.intent).latest_charge)
    play.tell("charge.dispute.created")


def _decided(play: Play, won: bool) -> None:
    """Where there was no order, and of one that was refunded, the opening of the dispute is never heard of before."""
    if play.state not in ORDERS:
        if play.state == "held":
            play.open_another()
        play.pay()
    dispute = play.fake.create_dispute(play.shop.dashboard.v1.payment_intents.retrieve(play.intent).latest_charge)
    if play.state in ("paid", "partially_refunded"):
        play.fake.deliver()
    play.fake.close_dispute(dispute["id"], won=won)
    play.tell("charge.dispute.closed")


_HAPPEN = {
    "payment_succeeded": _captured,
    "payment_mismatched": _captured_other,
    "payment_duplicated": _captured_twice,
    "payment_pending": _waiting,
    "payment_declined": _declined,
    "payment_canceled": _canceled,
    "hold_expired": _time_over,
    "release_requested": Play.release,
    "refund_requested": lambda play: play.refund(tickets=[f"{play.id}-2"]),
    "refund_failed": _refund_failed,
    "refunded_externally": _refunded_by_hand,
    "dispute_opened": _disputed,
    "dispute_won": lambda play: _decided(play, won=True),
    "dispute_lost": lambda play: _decided(play, won=False),
}


def _stage() -> str:
    return settings.current().stage
