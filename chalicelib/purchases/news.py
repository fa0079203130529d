"""What the provider tells, brought home to the purchase that it is about. For webhooks and reconciliation; safe to repeat, in any order."""

from msgspec import Struct

from chalicelib import log, settings
from chalicelib.payments import ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import DisputeSeen, Intent, RefundSeen
from chalicelib.purchases import books, disputes, ending, happenings, paying_back, refunds, settlement, store
from chalicelib.purchases.model import Purchase


class Told(Struct, frozen=True):
    """What came of it, in a word, and the purchase as it is then (null: none of ours). `changed`: it was news to the purchase."""

    result: str
    purchase: Purchase | None = None
    changed: bool = False


def of_payment(reference: str, now: int) -> Told:
    """A payment, by its Payment Intent or Checkout Session: look at it and act."""
    intent = payments.retrieve(reference)
    if intent.stage != settings.current().stage or intent.purchase_id is None:
        return Told("not_ours")
    return home(store.load(intent.purchase_id), intent, now)


def home(purchase: Purchase | None, intent: Intent, now: int) -> Told:
    """A payment of this stage, as the provider shows it, and its purchase as it was read."""
    if purchase is None:
        return _nobodys(intent, now)
    payment = purchase.payment
    if payment is not None and payment.capture is None and payment.reference not in (None, intent.id):
        # The purchase opened something else: perhaps the hosted page that has this Payment Intent behind it.
        own = payments.look(payment)
        intent = own if own.capture == intent.capture else intent
    books.declined(purchase, intent, now)
    match happenings.answer(purchase.state, happenings.of_payment(purchase, intent)):
        case "issue" | "issue_again" | "pay_back":
            after = settlement.captured(purchase, intent, now).purchase
            return Told(after.state, after, after.version != purchase.version)
        case "end":
            how = ending.end(purchase, "cancelled", now).how
            return Told(how, store.load(purchase.id), how == "ended")
    return Told(purchase.state, purchase)


def of_refund(seen: RefundSeen, now: int) -> Told:
    purchase = _owner(seen.purchase_id, seen.capture)
    if purchase is None:
        return Told("not_ours")
    after = purchase
    if seen.refund_id is not None:
        after = paying_back.became(purchase, seen.refund_id, seen, now)
    elif seen.capture is not None:
        if seen.capture not in purchase.captures:
            # Made before we heard that the money had come in: first things first.
            after = of_payment(seen.capture, now).purchase or purchase
        # All of it went back before it was ours: in the books it neither came nor went.
        if seen.capture in after.captures:
            after = refunds.made_by_hand(after, seen, now)
    return Told(f"refund_{seen.status}", after, after.version != purchase.version)


def of_dispute(seen: DisputeSeen, now: int) -> Told:
    purchase = _owner(None, seen.capture)
    if purchase is None or seen.capture is None:
        return Told("not_ours")
    if happenings.answer(purchase.state, "disputed") == "settle":
        purchase = of_payment(seen.capture, now).purchase or purchase
    if seen.verdict is None:
        return Told("inquiry", purchase)  # it takes no money
    after = disputes.became(purchase, seen, seen.verdict, now)
    return Told(f"dispute_{seen.verdict}", after, after.version != purchase.version)


def _owner(purchase_id: str | None, capture: str | None) -> Purchase | None:
    """The purchase that a refund or dispute is about: as its metadata says, else that of its payment."""
    if purchase_id is None and capture is not None:
        intent = payments.retrieve(capture)
        purchase_id = intent.purchase_id if intent.stage == settings.current().stage else None
    return store.load(purchase_id) if purchase_id is not None else None


def _nobodys(intent: Intent, now: int) -> Told:
    """Money for a purchase that does not exist: it was never written, or has been deleted long ago. It goes back."""
    if not intent.captured or intent.capture is None or intent.purchase_id is None or intent.event_id is None:
        return Told("unknown")
    seen = payments.pay_back(intent.purchase_id, "unknown_purchase", 1, intent.capture, intent.left, again=True)
    log.count("payments_unknown")
    log.warning("payment.unknown", purchase_id=intent.purchase_id, amount_cents=intent.left, refund=seen.id)
    moved: list[tuple[ledger.Kind, str, int]] = [("captured", intent.capture, intent.amount_received)]
    if seen.id is not None and seen.status != "failed":
        moved.append(("refunded", seen.id, seen.amount_cents))
    for kind, reference, amount in moved:
        ledger.note(
            event_id=intent.event_id,
            purchase_id=intent.purchase_id,
            kind=kind,
            reference=reference,
            amount=amount,
            currency=intent.currency,
            provider="stripe",
            now=now,
        )
    return Told("refunded", None, True)
