"""What is written into the ledger about a purchase: its entries as transaction items, beside the change that they belong to."""

from typing import Any

from chalicelib import dynamo
from chalicelib.payments import ledger
from chalicelib.payments.model import Intent, Payment, Provider
from chalicelib.purchases.model import Purchase


def line(
    purchase: Purchase,
    kind: ledger.Kind,
    reference: str,
    amount: int,
    now: int,
    *,
    currency: str | None = None,
    provider: Provider = "stripe",
    facts: dict[str, Any] | None = None,
) -> dynamo.TransactItem:
    """Money of this purchase that moved; in the purchase's currency unless another one is named."""
    return ledger.entry(
        event_id=purchase.event_id,
        purchase_id=purchase.id,
        kind=kind,
        reference=reference,
        amount=amount,
        currency=currency or purchase.currency,
        provider=provider,
        now=now,
        facts=facts or {},
    )


def opened(purchase: Purchase, reference: str, now: int) -> dynamo.TransactItem:
    return line(purchase, "opened", reference, purchase.total_cents, now)


def taken(purchase: Purchase, payment: Payment, now: int) -> list[dynamo.TransactItem]:
    """A payment that was taken, or declined; nothing for a free order."""
    if payment.provider == "free":
        return []
    kind: ledger.Kind = "declined" if payment.status == "declined" else "captured"
    return [line(purchase, kind, payment.capture or payment.provider, payment.amount_cents, now, provider=payment.provider)]


def declined(purchase: Purchase, intent: Intent, now: int) -> None:
    """Write down that an attempt of the buyer failed, once; nothing else changes by it."""
    if intent.charge is None or intent.decline is None:
        return
    ledger.note(
        event_id=purchase.event_id,
        purchase_id=purchase.id,
        kind="declined",
        reference=intent.charge,
        amount=intent.amount,
        currency=intent.currency,
        provider="stripe",
        now=now,
        facts={"why": intent.decline},
    )
