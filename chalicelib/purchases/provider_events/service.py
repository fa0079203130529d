"""Provider events: a payment, refund or dispute as the provider has it now is applied to its purchase.

For webhooks and for the reconciliation. Everything is safe to repeat, in any order.
"""

from msgspec import Struct

from chalicelib.cases import service as cases
from chalicelib.foundation import log, settings
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind
from chalicelib.payments import service as payments
from chalicelib.payments.model import PaymentNotCompleted, ProviderDispute, ProviderPayment, ProviderRefund
from chalicelib.purchases.disputes import service as disputes
from chalicelib.purchases.record import ledger_entries, queries, store, transitions
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.refunds import processing, requests
from chalicelib.purchases.reservations import hold_recovery
from chalicelib.purchases.settlement import cancellation
from chalicelib.purchases.settlement import service as settlement

_UNKNOWN_PURCHASE = "unknown_purchase"


class EventResult(Struct, frozen=True):
    """The result in a word, and the purchase as it is then (null: none of ours). `changed`: whether the purchase changed."""

    result: str
    purchase: Purchase | None = None
    changed: bool = False


def apply_payment_by_id(provider: str, provider_id: str, now: int) -> EventResult:
    """Fetch a payment (a Payment Intent or a Checkout Session) and apply it to its purchase."""
    provider_payment = payments.external_provider(provider).fetch_payment_by_id(provider_id)
    if not _is_ours(provider_payment) or provider_payment.purchase_id is None:
        return EventResult("not_ours")
    purchase = queries.load(provider_payment.purchase_id)
    if purchase is not None:
        ledger_entries.record_decline(purchase, provider_payment, now)
    return apply_payment(purchase, provider_payment, now)


def apply_payment(purchase: Purchase | None, provider_payment: ProviderPayment, now: int) -> EventResult:
    """Apply a payment of ours to its purchase. If there is no such purchase (None), its money is refunded."""
    if purchase is None:
        return _refund_unknown_payment(provider_payment, now)
    return store.retry_on_conflict(purchase, lambda current: _apply_payment(current, provider_payment, now))


def apply_refund(provider_refund: ProviderRefund, now: int) -> EventResult:
    """Apply a refund, one of ours or an external one, to its purchase."""
    purchase = _find_purchase(provider_refund)
    if purchase is None:
        return EventResult("not_ours")
    after = purchase
    if provider_refund.refund_id is not None:
        after = processing.record_status(purchase, provider_refund.refund_id, provider_refund, now)
    elif provider_refund.payment_intent_id is not None:
        if provider_refund.payment_intent_id not in purchase.payment_intent_ids:
            # The money came in and was refunded before any event about it arrived, so the payment is applied first.
            after = apply_payment_by_id(provider_refund.provider, provider_refund.payment_intent_id, now).purchase or purchase
        # A payment that was refunded in full before it was applied gets no tickets and no entries, so its refund gets none either.
        if provider_refund.payment_intent_id in after.payment_intent_ids:
            after = requests.record_external_refund(after, provider_refund, now)
    return EventResult(f"refund_{provider_refund.status}", after, after.version != purchase.version)


def apply_dispute(provider_dispute: ProviderDispute, now: int) -> EventResult:
    """Apply a dispute to its purchase. The disputed payment is applied first, if the purchase does not have it yet."""
    purchase = _find_purchase(provider_dispute)
    if purchase is None or provider_dispute.payment_intent_id is None:
        return EventResult("not_ours")
    settles_first = transitions.action_for(purchase.state, "dispute_opened") == "settle_first"
    if settles_first or provider_dispute.payment_intent_id not in purchase.payment_intent_ids:
        purchase = apply_payment_by_id(provider_dispute.provider, provider_dispute.payment_intent_id, now).purchase or purchase
    if provider_dispute.status is None:
        return EventResult("inquiry", purchase)  # it takes no money
    after = disputes.record_dispute(purchase, provider_dispute, now)
    return EventResult(f"dispute_{provider_dispute.status}", after, after.version != purchase.version)


def _apply_payment(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> EventResult:
    provider_payment = _hosted_page_of(purchase, provider_payment)
    match transitions.action_for(purchase.state, transitions.classify_payment(purchase, provider_payment)):
        case "issue" | "reissue_or_refund" | "refund":
            settled = settlement.settle_payment(purchase, provider_payment, now)
            return EventResult(settled.purchase.state, settled.purchase, not settled.repeated)
        case "end":
            canceled = cancellation.cancel_purchase(purchase, "cancelled", now)
            return EventResult(canceled.outcome, canceled.purchase, canceled.outcome in ("ended", "paid"))
    after = _end_if_over(purchase, now)
    return EventResult(after.state, after, after.version != purchase.version)


def _end_if_over(purchase: Purchase, now: int) -> Purchase:
    """End a purchase whose time is over and that is not paid, for example because the bank has declined; the sweep may look hours later."""
    if purchase.state != "paying":
        return purchase
    try:
        return hold_recovery.expire_purchase(purchase, now)
    except PaymentNotCompleted:  # the bank has yet to decide
        return purchase


def _hosted_page_of(purchase: Purchase, provider_payment: ProviderPayment) -> ProviderPayment:
    """The hosted page that the purchase opened, if `provider_payment` is the Payment Intent behind it; else `provider_payment` itself."""
    payment = purchase.payment
    if payment is None or payment.payment_intent_id is not None or payment.provider_id in (None, provider_payment.id):
        return provider_payment
    if not provider_payment.is_paid and purchase.state != "paying":
        return provider_payment
    page = payments.fetch_payment(payment)
    return page if page.payment_intent_id == provider_payment.payment_intent_id else provider_payment


def _is_ours(provider_object: ProviderPayment | ProviderRefund | ProviderDispute) -> bool:
    """Whether it belongs to this stage of this shop; several may share one account at the provider."""
    return provider_object.namespace == settings.current().provider_namespace


def _find_purchase(provider_object: ProviderRefund | ProviderDispute) -> Purchase | None:
    """The purchase that a refund or dispute is about; None if there is none, or it belongs to another stage or shop."""
    if provider_object.purchase_id is None or not _is_ours(provider_object):
        return None
    return queries.load(provider_object.purchase_id)


def _refund_unknown_payment(provider_payment: ProviderPayment, now: int) -> EventResult:
    """Refund money for a purchase that does not exist: it was never written, or was deleted long ago.

    If that fails, a finding shows it to the admins. The ledger is written afterwards, from what the provider has: after a crash in
    between, the repeated call writes it.
    """
    purchase_id, event_id = provider_payment.purchase_id, provider_payment.event_id
    provider, payment_intent_id = provider_payment.provider, provider_payment.payment_intent_id
    if not provider_payment.amount_received or payment_intent_id is None or purchase_id is None or event_id is None:
        return EventResult("unknown")
    amount = provider_payment.net_received
    about = {"event_id": event_id, "provider": provider, "capture": payment_intent_id}
    details = {**about, "amount_cents": amount, "currency": provider_payment.currency}
    refund = None
    if provider_payment.is_paid:
        refund = payments.create_refund(provider, purchase_id, _UNKNOWN_PURCHASE, 1, payment_intent_id, amount, check_existing=True)
    if refund is not None and refund.status == "failed":
        cases.open_finding(purchase_id, f"{_UNKNOWN_PURCHASE}-{payment_intent_id}", now, {**details, "failure": refund.failure})
        return EventResult("refund_failed")
    if refund is not None:
        log.count("payments_unknown")
        log.warning("payment.unknown", purchase_id=purchase_id, refund=refund.id, **details)
    entries: list[tuple[EntryKind, str, int]] = [("captured", payment_intent_id, provider_payment.amount_received)]
    refunds = [
        refund for refund in payments.external_provider(provider).list_refunds_of_payment(payment_intent_id) if refund.status != "failed"
    ]
    entries += [("refunded", str(refund.id), refund.amount_cents) for refund in refunds]
    for kind, reference, cents in entries:
        ledger.record_entry(
            event_id=event_id,
            purchase_id=purchase_id,
            kind=kind,
            reference=reference,
            amount=cents,
            currency=provider_payment.currency,
            provider=provider,
            now=now,
        )
    return EventResult("refunded", None, refund is not None)
