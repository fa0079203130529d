"""Cancellation of a purchase that is not paid: first its payment at the provider, then the purchase, then its holds."""

from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.foundation import log
from chalicelib.payments import service as payments
from chalicelib.payments.model import Payment, PaymentNotCompleted, ProviderPayment, ProviderUnavailable
from chalicelib.purchases.record import hold_updates, ledger_entries, store
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.settlement import service as settlement

EndState = Literal["expired", "cancelled"]


class CancellationResult(Struct, frozen=True):
    """The purchase after an attempt to cancel it, and how many holds went back to the stock.

    `outcome` is `ended`; `paid` if its money had come in, which is settled then; `unknown` if the provider did not answer; `processing`
    if the bank is still deciding about the payment, so that it cannot be cancelled. The last two leave the purchase as it was.
    """

    outcome: Literal["ended", "paid", "unknown", "processing"]
    purchase: Purchase
    released: int = 0

    def require_decided(self) -> Self:
        """Return this result if the purchase has ended or is paid. Else raises ProviderUnavailable or PaymentNotCompleted."""
        if self.outcome == "unknown":
            raise ProviderUnavailable()
        if self.outcome == "processing":
            message = "Your bank has not answered yet. We hold your tickets until it does. Please check again in a minute."
            raise PaymentNotCompleted(message, payment_status="processing")
        return self


def cancel_purchase(purchase: Purchase, state: EndState, now: int, declined: Payment | None = None) -> CancellationResult:
    """End a `held` or `paying` purchase as `state`. If its money turns out to have come in, it is settled instead.

    `declined` is the declined payment, if that is the reason. Raises Conflict if the purchase has changed: a checkout that saves the id
    of a payment at the same time changes it, so no payment stays open for a purchase that has ended.
    """
    try:
        provider_payment = payments.cancel_payment(purchase.payment)
    except ProviderUnavailable:
        return CancellationResult("unknown", purchase)
    return finish_cancellation(purchase, provider_payment, state, now, declined)


def finish_cancellation(
    purchase: Purchase, provider_payment: ProviderPayment | None, state: EndState, now: int, declined: Payment | None = None
) -> CancellationResult:
    """As `cancel_purchase`, after `payments.cancel_payment` has answered with `provider_payment`."""
    if provider_payment is not None and provider_payment.is_paid:
        return CancellationResult("paid", settlement.settle_payment(purchase, provider_payment, now).purchase)
    if provider_payment is not None:
        return CancellationResult("processing", purchase)
    ended = replace(purchase, state=state, ended_at=now, payment=declined or purchase.payment)
    saved = store.save(purchase, ended, ledger_entries.payment_items(purchase, declined, now) if declined else [])
    released = hold_updates.release_holds(purchase)
    log.info(f"reservation.{state}", purchase_id=purchase.id, event_id=purchase.event_id, quantity=purchase.quantity)
    return CancellationResult("ended", saved, released)
