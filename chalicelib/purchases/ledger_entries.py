"""Ledger entries about a purchase. Most are transaction items, which are written together with the change that they record."""

from typing import Any, TypedDict

from msgspec import to_builtins

from chalicelib.dynamodb import dynamo
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import EntryKind
from chalicelib.payments.model import DisputeStatus, Payment, ProviderDispute, ProviderPayment, ProviderRefund, ReturnedFee, account_detail
from chalicelib.purchases.model import Dispute, Purchase, Refund


class _PurchaseKey(TypedDict):
    event_id: str
    purchase_id: str


def checkout_opened_item(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> dynamo.TransactItem:
    """Return the entry for a payment that was opened at its provider. No money has moved yet."""
    return ledger.entry_item(
        **_purchase_key(purchase),
        kind="opened",
        reference=provider_payment.id,
        amount=purchase.total_cents,
        currency=purchase.currency,
        provider=provider_payment.provider,
        now=now,
    )


def payment_items(purchase: Purchase, payment: Payment, now: int) -> list[dynamo.TransactItem]:
    """Return the entries for the purchase's own payment, captured or declined, and for the operator's fee. A free order has no entry."""
    if payment.provider == "free":
        return []
    reference = payment.payment_intent_id or payment.provider
    sold_by = {"seller": payment.seller_id} if payment.seller_id is not None else {}
    item = ledger.entry_item(
        **_purchase_key(purchase),
        kind="declined" if payment.status == "declined" else "captured",
        reference=reference,
        amount=payment.amount_cents,
        currency=purchase.currency,
        provider=payment.provider,
        now=now,
        details={**account_detail(payment.account), **sold_by, **(_included(purchase) if payment.status != "declined" else {})},
    )
    fee_cents = payment.connected.fee_cents if payment.connected is not None else 0
    return [item, *_fee_items(purchase, "fee", reference, fee_cents, purchase.currency, payment.provider, payment.account, now)]


def refused_payment_items(purchase: Purchase, provider_payment: ProviderPayment, reason: str, now: int) -> list[dynamo.TransactItem]:
    """Return the entries for money that came in but gets no tickets and is refunded, and for its fee. `reason` says why."""
    reference, account = provider_payment.payment_intent_id, provider_payment.account
    assert reference is not None  # money came in
    item = ledger.entry_item(
        **_purchase_key(purchase),
        kind="captured",
        reference=reference,
        amount=provider_payment.amount_received,
        currency=provider_payment.currency,
        provider=provider_payment.provider,
        now=now,
        details={"refused": reason, **account_detail(account)},
    )
    fee_cents, currency, provider = provider_payment.fee_cents, provider_payment.currency, provider_payment.provider
    return [item, *_fee_items(purchase, "fee", reference, fee_cents, currency, provider, account, now)]


def simulated_refund_item(purchase: Purchase, refund: Refund, now: int) -> dynamo.TransactItem:
    """Return the entry for the refund of a simulated payment, which succeeds at once."""
    assert purchase.payment is not None  # an order was paid
    return ledger.entry_item(
        **_purchase_key(purchase),
        kind="refunded",
        reference=refund.id,
        amount=refund.amount_cents,
        currency=purchase.currency,
        provider=purchase.payment.provider,
        now=now,
        details=_included(refund),
    )


def external_refund_items(purchase: Purchase, refund: Refund, provider_refund: ProviderRefund, now: int) -> list[dynamo.TransactItem]:
    """Return the entries for a refund that was made in the provider's dashboard, and for the fee that it returned."""
    assert provider_refund.id is not None  # it was read from the provider
    item = ledger.entry_item(
        **_purchase_key(purchase),
        kind="refunded",
        reference=provider_refund.id,
        amount=provider_refund.amount_cents,
        currency=provider_refund.currency,
        provider=provider_refund.provider,
        now=now,
        details={"by_hand": True, **account_detail(provider_refund.account), **_included(refund)},
    )
    return [item, *_returned_fee_items(purchase, provider_refund, now)]


def refund_status_items(
    purchase: Purchase, before: Refund, after: Refund, provider_refund: ProviderRefund, now: int
) -> list[dynamo.TransactItem]:
    """Return the entries for a refund's new status if money moves, and for the fee that it returned.

    The money leaves when the provider accepts the refund, and comes back if the refund fails later. The operator's fee then stays returned.
    """
    has_left = before.status == "due" and after.status in ("pending", "succeeded")
    has_come_back = before.status in ("pending", "succeeded") and provider_refund.status == "failed"
    if not (has_left or has_come_back):
        return []
    assert provider_refund.id is not None  # the provider has created the refund
    item = ledger.entry_item(
        **_purchase_key(purchase),
        kind="refunded" if has_left else "refund_failed",
        reference=provider_refund.id,
        amount=before.amount_cents,
        currency=before.currency,
        provider=provider_refund.provider,
        now=now,
        details={"refund_id": before.id, "reason": before.reason, **account_detail(provider_refund.account), **_included(before)},
    )
    return [item, *(_returned_fee_items(purchase, provider_refund, now) if has_left else [])]


def dispute_items(
    purchase: Purchase,
    provider_dispute: ProviderDispute,
    known_status: DisputeStatus | None,
    dispute: Dispute,
    now: int,
) -> list[dynamo.TransactItem]:
    """Return the entries for a dispute's new status: the money leaves when the dispute opens and comes back when it is won.

    `known_status` is None for a dispute that is new to us; if it is already won, it gets both entries. If an appeal changes the decision,
    the money moves again. The reference then includes the purchase's version, because each kind and reference can have only one entry.
    """
    kinds: list[EntryKind] = ["disputed"] if known_status in (None, "won") else []
    is_appeal = known_status in ("won", "lost")
    if provider_dispute.status == "won":
        kinds.append("dispute_won")
    return [
        ledger.entry_item(
            **_purchase_key(purchase),
            kind=kind,
            reference=f"{provider_dispute.id}-{purchase.version}" if is_appeal else provider_dispute.id,
            amount=provider_dispute.amount_cents,
            currency=provider_dispute.currency,
            provider=provider_dispute.provider,
            now=now,
            details={
                "event_id": purchase.event_id,
                "amount_cents": provider_dispute.amount_cents,
                "currency": provider_dispute.currency,
                "reason": provider_dispute.reason,
                **account_detail(provider_dispute.account),
                **_included(dispute),
            },
        )
        for kind in kinds
    ]


def record_decline(purchase: Purchase, provider_payment: ProviderPayment, now: int) -> None:
    """Record, once, a declined attempt to pay. The entry is written without a transaction, because nothing else changes."""
    if provider_payment.charge_id is None or provider_payment.decline_code is None:
        return
    ledger.record_entry(
        **_purchase_key(purchase),
        kind="declined",
        reference=provider_payment.charge_id,
        amount=provider_payment.amount,
        currency=provider_payment.currency,
        provider=provider_payment.provider,
        now=now,
        details={"why": provider_payment.decline_code},
    )


def record_simulated_decline(purchase: Purchase, payment: Payment, now: int) -> None:
    """Record a declined attempt at a simulated payment, after which the buyer may try again. Records at most one attempt a second."""
    ledger.record_entry(
        **_purchase_key(purchase),
        kind="declined",
        reference=f"{payment.provider}-{now}",
        amount=payment.amount_cents,
        currency=purchase.currency,
        provider=payment.provider,
        now=now,
    )


def record_returned_fee(purchase: Purchase, fee: ReturnedFee, now: int) -> bool:
    """Record, once, a part of the fee that the operator gave back by hand. Returns whether the entry is new."""
    return ledger.record_entry(
        **_purchase_key(purchase),
        kind="fee_returned",
        reference=fee.id,
        amount=fee.amount_cents,
        currency=fee.currency,
        provider=fee.provider,
        now=now,
        details={"by_hand": True, **account_detail(fee.account)},
    )


def _returned_fee_items(purchase: Purchase, refund: ProviderRefund, now: int) -> list[dynamo.TransactItem]:
    """Return the entry for the part of the operator's fee that a refund gave back to the promoter's account, if any."""
    cents, currency = refund.returned_fee_cents, refund.currency
    return _fee_items(purchase, "fee_returned", str(refund.id), cents, currency, refund.provider, refund.account, now)


def _fee_items(
    purchase: Purchase, kind: EntryKind, reference: str, cents: int, currency: str, provider: str, account: str | None, now: int
) -> list[dynamo.TransactItem]:
    if not cents:
        return []
    item = ledger.entry_item(
        **_purchase_key(purchase),
        kind=kind,
        reference=reference,
        amount=cents,
        currency=currency,
        provider=provider,
        now=now,
        details=account_detail(account),
    )
    return [item]


def _included(change: Purchase | Refund | Dispute) -> dict[str, Any]:
    """Return the entry details with the taxes and the fee that the amount of a change includes, if any."""
    taxes = {"taxes": to_builtins(change.taxes)} if change.taxes else {}
    return {**taxes, "included_fee_cents": change.included_fee_cents} if change.included_fee_cents else taxes


def _purchase_key(purchase: Purchase) -> _PurchaseKey:
    return {"event_id": purchase.event_id, "purchase_id": purchase.id}
