"""Ending a purchase that is not paid: the payment first, then the arbiter, then the stock."""

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
    """`how`: it was ended, it turned out to be paid, it changed under us, or it goes on for now: the provider did not say
    (`unknown`), or the payment is under way there, too late to cancel and not decided yet (`processing`).

    `purchase` is what this call has made of it, or what it was given.
    """

    how: Literal["ended", "paid", "changed", "unknown", "processing"]
    purchase: Purchase
    released: int = 0

    def require_decided(self) -> Self:
        """For a request that wants it over: raises ProviderUnavailable or PaymentNotCompleted when it goes on."""
        if self.how == "unknown":
            raise ProviderUnavailable()
        if self.how == "processing":
            raise PaymentNotCompleted("The bank has yet to answer; the tickets stay with you until it does.", payment_status="processing")
        return self


def cancel_purchase(purchase: Purchase, state: EndState, now: int, payment: Payment | None = None) -> CancellationResult:
    """`held|paying -> state`. A payment that can still be cancelled is; one that has come in ends in tickets instead.

    The version that was read is carried through: a checkout that opens a payment meanwhile raises it, and this is refused.
    """
    try:
        provider_payment = payments.cancel_payment(purchase.payment)
    except ProviderUnavailable:
        return CancellationResult("unknown", purchase)
    if provider_payment is not None and provider_payment.is_paid:
        return CancellationResult("paid", settlement.settle_payment(purchase, provider_payment, now).purchase)
    if provider_payment is not None:
        return CancellationResult("processing", purchase)
    over = replace(purchase, state=state, ended_at=now, payment=payment or purchase.payment)
    done = store.save(purchase, over, ledger_entries.payment_items(purchase, payment, now) if payment else [])
    if done is None:
        return CancellationResult("changed", purchase)
    released = inventory.release_holds(purchase.holds)
    log.info(f"reservation.{state}", purchase_id=purchase.id, event_id=purchase.event_id, quantity=purchase.quantity)
    return CancellationResult("ended", done, released)
