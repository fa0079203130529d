"""What the provider tells, brought home to the purchase that it is about. For webhooks and reconciliation; safe to repeat, in any order."""

from msgspec import Struct

from chalicelib import log, settings
from chalicelib.cases import service as cases
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderDispute, ProviderPayment, ProviderRefund
from chalicelib.purchases.disputes import service as disputes
from chalicelib.purchases.record import ledger_entries, store, transitions
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.refunds import processing as refund_processing
from chalicelib.purchases.refunds import requests as refund_requests
from chalicelib.purchases.settlement import cancellation
from chalicelib.purchases.settlement import service as settlement

_UNKNOWN = "unknown_purchase"


class EventResult(Struct, frozen=True):
    """What came of it, in a word, and the purchase as it is then (null: none of ours). `changed`: it was news to the purchase."""

    result: str
    purchase: Purchase | None = None
    changed: bool = False


def apply_payment_by_id(provider_id: str, now: int) -> EventResult:
    """A payment, by its Payment Intent or Checkout Session: look at it and act."""
    provider_payment = payments.fetch_by_id(provider_id)
    if provider_payment.namespace != settings.current().provider_namespace or provider_payment.purchase_id is None:
        return EventResult("not_ours")
    purchase = store.load(provider_payment.purchase_id)
    if purchase is not None:
        ledger_entries.record_decline(purchase, provider_payment, now)
    return apply_payment(purchase, provider_payment, now)


def apply_payment(purchase: Purchase | None, provider_payment: ProviderPayment, now: int) -> EventResult:
    """A payment of this stage, as the provider shows it, and its purchase as it was read."""
    if purchase is None:
        return _refund_unknown_payment(provider_payment, now)
    payment = purchase.payment
    elsewhere = payment is not None and payment.payment_intent_id is None and payment.provider_id not in (None, provider_payment.id)
    if payment is not None and elsewhere and (provider_payment.is_paid or purchase.state == "paying"):
        # The purchase opened something else: perhaps the hosted page that has this Payment Intent behind it.
        own = payments.fetch_payment(payment)
        provider_payment = own if own.payment_intent_id == provider_payment.payment_intent_id else provider_payment
    match transitions.action_for(purchase.state, transitions.classify_payment(purchase, provider_payment)):
        case "issue" | "issue_again" | "pay_back":
            settled = settlement.settle_payment(purchase, provider_payment, now)
            return EventResult(settled.purchase.state, settled.purchase, not settled.repeated)
        case "end":
            how = cancellation.cancel_purchase(purchase, "cancelled", now).how
            return EventResult(how, store.load(purchase.id), how in ("ended", "paid"))
    return EventResult(purchase.state, purchase)


def apply_refund(seen: ProviderRefund, now: int) -> EventResult:
    purchase = _find_purchase(seen)
    if purchase is None:
        return EventResult("not_ours")
    after = purchase
    if seen.refund_id is not None:
        after = refund_processing.apply_provider_status(purchase, seen.refund_id, seen, now)
    elif seen.payment_intent_id is not None:
        if seen.payment_intent_id not in purchase.payment_intent_ids:
            # Made before we heard that the money had come in: first things first.
            after = apply_payment_by_id(seen.payment_intent_id, now).purchase or purchase
        # All of it went back before it was ours: in the books it neither came nor went.
        if seen.payment_intent_id in after.payment_intent_ids:
            after = refund_requests.record_external_refund(after, seen, now)
    return EventResult(f"refund_{seen.status}", after, after.version != purchase.version)


def apply_dispute(seen: ProviderDispute, now: int) -> EventResult:
    purchase = _find_purchase(seen)
    if purchase is None or seen.payment_intent_id is None:
        return EventResult("not_ours")
    if transitions.action_for(purchase.state, "disputed") == "settle" or seen.payment_intent_id not in purchase.payment_intent_ids:
        purchase = apply_payment_by_id(seen.payment_intent_id, now).purchase or purchase
    if seen.status is None:
        return EventResult("inquiry", purchase)  # it takes no money
    after = disputes.apply_dispute(purchase, seen, seen.status, now)
    return EventResult(f"dispute_{seen.status}", after, after.version != purchase.version)


def _find_purchase(seen: ProviderRefund | ProviderDispute) -> Purchase | None:
    """The purchase that a refund or dispute is about; None for those of other stages, and of other shops on the same account."""
    return (
        store.load(seen.purchase_id) if seen.purchase_id is not None and seen.namespace == settings.current().provider_namespace else None
    )


def _refund_unknown_payment(provider_payment: ProviderPayment, now: int) -> EventResult:
    """Money for a purchase that does not exist: it was never written, or has been deleted long ago. It goes back.

    A person must look where it cannot. The ledger is written after, from what the provider has, so that a crash in between is made up for.
    """
    if (
        not provider_payment.amount_received
        or provider_payment.payment_intent_id is None
        or provider_payment.purchase_id is None
        or provider_payment.event_id is None
    ):
        return EventResult("unknown")
    details = {
        "event_id": provider_payment.event_id,
        "capture": provider_payment.payment_intent_id,
        "amount_cents": provider_payment.net_received,
        "currency": provider_payment.currency,
    }
    seen = (
        payments.create_refund(
            provider_payment.purchase_id, _UNKNOWN, 1, provider_payment.payment_intent_id, provider_payment.net_received, again=True
        )
        if provider_payment.is_paid
        else None
    )
    if seen is not None and seen.status == "failed":
        cases.record_finding(
            provider_payment.purchase_id, f"{_UNKNOWN}-{provider_payment.payment_intent_id}", now, {**details, "failure": seen.failure}
        )
        return EventResult("refund_failed")
    if seen is not None:
        log.count("payments_unknown")
        log.warning("payment.unknown", purchase_id=provider_payment.purchase_id, refund=seen.id, **details)
    moved: list[tuple[ledger.EntryKind, str, int]] = [("captured", provider_payment.payment_intent_id, provider_payment.amount_received)]
    back = [one for one in payments.list_refunds_of_payment(provider_payment.payment_intent_id) if one.status != "failed"]
    moved += [("refunded", str(one.id), one.amount_cents) for one in back]
    for kind, reference, amount in moved:
        ledger.record_entry(
            event_id=provider_payment.event_id,
            purchase_id=provider_payment.purchase_id,
            kind=kind,
            reference=reference,
            amount=amount,
            currency=provider_payment.currency,
            provider="stripe",
            now=now,
        )
    return EventResult("refunded", None, seen is not None)
