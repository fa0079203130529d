"""What the provider tells, brought home to the purchase that it is about. For webhooks and reconciliation; safe to repeat, in any order."""

from msgspec import Struct

from chalicelib import log, settings
from chalicelib.payments import ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import DisputeSeen, Intent, RefundSeen
from chalicelib.purchases import books, disputes, ending, happenings, matters, paying_back, refunds, settlement, store
from chalicelib.purchases.model import Purchase

_UNKNOWN = "unknown_purchase"


class Told(Struct, frozen=True):
    """What came of it, in a word, and the purchase as it is then (null: none of ours). `changed`: it was news to the purchase."""

    result: str
    purchase: Purchase | None = None
    changed: bool = False


def of_payment(reference: str, now: int) -> Told:
    """A payment, by its Payment Intent or Checkout Session: look at it and act."""
    intent = payments.retrieve(reference)
    if intent.stage != settings.current().stripe_mark or intent.purchase_id is None:
        return Told("not_ours")
    purchase = store.load(intent.purchase_id)
    if purchase is not None:
        books.declined(purchase, intent, now)
    return home(purchase, intent, now)


def home(purchase: Purchase | None, intent: Intent, now: int) -> Told:
    """A payment of this stage, as the provider shows it, and its purchase as it was read."""
    if purchase is None:
        return _nobodys(intent, now)
    payment = purchase.payment
    elsewhere = payment is not None and payment.capture is None and payment.reference not in (None, intent.id)
    if payment is not None and elsewhere and (intent.captured or purchase.state == "paying"):
        # The purchase opened something else: perhaps the hosted page that has this Payment Intent behind it.
        own = payments.look(payment)
        intent = own if own.capture == intent.capture else intent
    match happenings.answer(purchase.state, happenings.of_payment(purchase, intent)):
        case "issue" | "issue_again" | "pay_back":
            settled = settlement.captured(purchase, intent, now)
            return Told(settled.purchase.state, settled.purchase, not settled.repeated)
        case "end":
            how = ending.end(purchase, "cancelled", now).how
            return Told(how, store.load(purchase.id), how in ("ended", "paid"))
    return Told(purchase.state, purchase)


def of_refund(seen: RefundSeen, now: int) -> Told:
    purchase = _owner(seen)
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
    purchase = _owner(seen)
    if purchase is None or seen.capture is None:
        return Told("not_ours")
    if happenings.answer(purchase.state, "disputed") == "settle" or seen.capture not in purchase.captures:
        purchase = of_payment(seen.capture, now).purchase or purchase
    if seen.verdict is None:
        return Told("inquiry", purchase)  # it takes no money
    after = disputes.became(purchase, seen, seen.verdict, now)
    return Told(f"dispute_{seen.verdict}", after, after.version != purchase.version)


def _owner(seen: RefundSeen | DisputeSeen) -> Purchase | None:
    """The purchase that a refund or dispute is about; None for those of other stages, and of other shops on the same account."""
    return store.load(seen.purchase_id) if seen.purchase_id is not None and seen.stage == settings.current().stripe_mark else None


def _nobodys(intent: Intent, now: int) -> Told:
    """Money for a purchase that does not exist: it was never written, or has been deleted long ago. It goes back.

    A person must look where it cannot. The ledger is written after, from what the provider has, so that a crash in between is made up for.
    """
    if not intent.amount_received or intent.capture is None or intent.purchase_id is None or intent.event_id is None:
        return Told("unknown")
    facts = {"event_id": intent.event_id, "capture": intent.capture, "amount_cents": intent.left, "currency": intent.currency}
    seen = payments.pay_back(intent.purchase_id, _UNKNOWN, 1, intent.capture, intent.left, again=True) if intent.captured else None
    if seen is not None and seen.status == "failed":
        matters.note(intent.purchase_id, f"{_UNKNOWN}-{intent.capture}", now, {**facts, "failure": seen.failure})
        return Told("refund_failed")
    if seen is not None:
        log.count("payments_unknown")
        log.warning("payment.unknown", purchase_id=intent.purchase_id, refund=seen.id, **facts)
    moved: list[tuple[ledger.Kind, str, int]] = [("captured", intent.capture, intent.amount_received)]
    back = [one for one in payments.refunds_of(intent.capture) if one.status != "failed"]
    moved += [("refunded", str(one.id), one.amount_cents) for one in back]
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
    return Told("refunded", None, seen is not None)
