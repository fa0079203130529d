"""What is written into the ledger about a purchase: its entries as transaction items, beside the change that they belong to."""

from typing import Any

from chalicelib import dynamo
from chalicelib.ledger import service as ledger
from chalicelib.payments.model import Payment, ProviderName, ProviderPayment
from chalicelib.purchases.record.model import Purchase


def entry_item(
    purchase: Purchase,
    kind: ledger.EntryKind,
    reference: str,
    amount: int,
    now: int,
    *,
    currency: str | None = None,
    provider: ProviderName = "stripe",
    details: dict[str, Any] | None = None,
) -> dynamo.TransactItem:
    """Money of this purchase that moved; in the purchase's currency unless another one is named."""
    return ledger.entry_item(
        event_id=purchase.event_id,
        purchase_id=purchase.id,
        kind=kind,
        reference=reference,
        amount=amount,
        currency=currency or purchase.currency,
        provider=provider,
        now=now,
        details=details or {},
    )


def opened_item(purchase: Purchase, reference: str, now: int) -> dynamo.TransactItem:
    return entry_item(purchase, "opened", reference, purchase.total_cents, now)


def payment_items(purchase: Purchase, payment: Payment, now: int) -> list[dynamo.TransactItem]:
    """A payment that was taken, or declined; nothing for a free order."""
    if payment.provider == "free":
        return []
    kind: ledger.EntryKind = "declined" if payment.status == "declined" else "captured"
    return [entry_item(purchase, kind, payment.payment_intent_id or payment.provider, payment.amount_cents, now, provider=payment.provider)]


def record_decline(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> None:
    """Write down that an attempt of the buyer failed, once; nothing else changes by it."""
    if provider_payment.charge_id is None or provider_payment.decline_code is None:
        return
    ledger.record_entry(
        event_id=purchase.event_id,
        purchase_id=purchase.id,
        kind="declined",
        reference=provider_payment.charge_id,
        amount=provider_payment.amount,
        currency=provider_payment.currency,
        provider="stripe",
        now=now,
        details={"why": provider_payment.decline_code},
    )
