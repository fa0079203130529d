"""Cancellation of a purchase that is not paid: first its payment at the provider, then the purchase, then its holds."""

from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from chalicelib import log
from chalicelib.inventory import service as inventory
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, PaymentNotCompleted, ProviderUnavailable
from chalicelib.purchases.record import ledger_entries, store
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.settlement import service as settlement

EndState = Literal["expired", "cancelled"]


class CancellationResult(Struct, frozen=True):
    """The purchase after an attempt to cancel it, and how many holds went back to the stock.

    `outcome` is `ended`; `paid`, because its money had come in and was settled; `unknown`, because the provider did not answer; or
    `processing`, because the bank decides about the payment and it is too late to cancel it. With the last two it goes on for now.
    """

    outcome: Literal["ended", "paid", "unknown", "processing"]
    purchase: Purchase
    released: int = 0

    def require_decided(self) -> Self:
        """For a caller that cannot wait: raises ProviderUnavailable or PaymentNotCompleted if the purchase goes on."""
        if self.outcome == "unknown":
            raise ProviderUnavailable()
        if self.outcome == "processing":
            message = "Your bank has not answered yet. The tickets stay reserved for you until it does."
            raise PaymentNotCompleted(message, payment_status="processing")
        return self


def cancel_purchase(purchase: Purchase, state: EndState, now: int, declined: Payment | None = None) -> CancellationResult:
    """End a `held` or `paying` purchase as `state`. If its money turns out to have come in, it is settled instead.

    `declined`: the payment as it failed, if that is why. Raises Conflict: a checkout that opens a payment at the same time changes
    the purchase, so a payment is never opened for a purchase that has ended.
    """
    try:
        provider_payment = payments.cancel_payment(purchase.payment)
    except ProviderUnavailable:
        return CancellationResult("unknown", purchase)
    if provider_payment is not None and provider_payment.is_paid:
        return CancellationResult("paid", settlement.settle_payment(purchase, provider_payment, now).purchase)
    if provider_payment is not None:
        return CancellationResult("processing", purchase)
    ended = replace(purchase, state=state, ended_at=now, payment=declined or purchase.payment)
    saved = store.save(purchase, ended, ledger_entries.payment_items(purchase, declined, now) if declined else [])
    released = inventory.release_holds(purchase.holds)
    log.info(f"reservation.{state}", purchase_id=purchase.id, event_id=purchase.event_id, quantity=purchase.quantity)
    return CancellationResult("ended", saved, released)
