"""How money is taken: not at all for free orders, by Stripe where a key is set up, by simulation where the stage allows it."""

from msgspec.structs import replace

from chalicelib import log, settings
from chalicelib.payments.model import (
    CheckoutPage,
    Payment,
    PaymentMetadata,
    PaymentsUnavailable,
    PriceMismatch,
    ProviderName,
    ProviderNotOffered,
    ProviderPayment,
    ProviderRefund,
    SimulatedOutcome,
    SimulationRefused,
    SimulationRequired,
)
from chalicelib.payments.providers import stripe
from chalicelib.payments.providers.stripe import (
    check_key,
    fetch_by_id,
    fetch_dispute,
    fetch_refund,
    find_by_id,
    list_disputes,
    list_events,
    list_payments,
    list_refunds,
    list_refunds_of_payment,
    verify_event,
)

__all__ = [
    "cancel_payment",
    "check_key",
    "create_refund",
    "fetch_by_id",
    "fetch_dispute",
    "fetch_payment",
    "fetch_refund",
    "find_by_id",
    "list_disputes",
    "list_events",
    "list_payments",
    "list_refunds",
    "list_refunds_of_payment",
    "new_payment",
    "open_payment",
    "resolve_offline",
    "verify_event",
]


def new_payment(amount_cents: int, currency: str, asked: ProviderName | None = None) -> Payment:
    """A payment that is not opened with its provider yet.

    Raises ProviderNotOffered for one that was asked for and is not to be had, PaymentsUnavailable when nobody can take it.
    """
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    by_stripe = bool(settings.optional_secret("stripe_api_key"))
    offered = {"stripe": by_stripe, "simulated": settings.current().payment_simulation == "on"}
    if asked is not None and not offered.get(asked, False):
        raise ProviderNotOffered(f"Payments by `{asked}` are not offered here.", path="$.provider")
    usual = settings.current().payment_provider
    chosen: ProviderName = asked or (usual if usual != "auto" else "stripe" if by_stripe else "simulated")
    if not offered[chosen]:
        raise PaymentsUnavailable()
    return Payment(chosen, "open", amount_cents, currency)


def resolve_offline(payment: Payment, simulate: SimulatedOutcome | None) -> Payment:
    """A payment without a provider as it ended. The caller's transaction makes it true, with the tickets or the release."""
    if payment.provider == "free":
        return replace(payment, status="captured")
    if settings.current().payment_simulation == "off":
        raise PaymentsUnavailable()
    if simulate is None:
        raise SimulationRequired('Say how the simulated payment ends: "success" or "fail".', path="$.simulate")
    return replace(payment, status="captured" if simulate == "success" else "declined")


def open_payment(payment: Payment, owner: PaymentMetadata, hosted: CheckoutPage | None) -> ProviderPayment:
    """Open the payment at Stripe, for our page or for its own; asked again, the same one. Raises PriceMismatch."""
    try:
        return _opened(payment, owner, hosted)
    except PriceMismatch as refused:
        log.count("price_mismatches")
        log.warning("payment.price_mismatch", purchase_id=owner.purchase_id, event_id=owner.event_id, **refused.details)
        raise


def _opened(payment: Payment, owner: PaymentMetadata, hosted: CheckoutPage | None) -> ProviderPayment:
    if hosted is None:
        return stripe.create_payment_intent(owner, payment.amount_cents, payment.currency)
    opened = stripe.create_checkout_session(owner, payment.currency, hosted)
    if (opened.amount, opened.currency) != (payment.amount_cents, payment.currency):
        stripe.cancel_by_id(opened.id)
        raise PriceMismatch(expected_cents=payment.amount_cents, provider_cents=opened.amount)
    return opened


def fetch_payment(payment: Payment, simulate: SimulatedOutcome | None = None) -> ProviderPayment:
    """The payment as Stripe sees it; `simulate` has no place there."""
    if simulate is not None:
        raise SimulationRefused("This payment is Stripe's to take; leave `simulate` out.", path="$.simulate")
    assert payment.provider_id is not None
    return fetch_by_id(payment.provider_id)


def cancel_payment(payment: Payment | None) -> ProviderPayment | None:
    """See to it that nobody can pay any more. The payment if the money came in all the same, or still may, else None.

    Without a reference nothing was opened that anybody could pay: who opens it now will not be able to write that down.
    """
    if payment is None or payment.provider != "stripe" or payment.provider_id is None:
        return None
    provider_payment = stripe.cancel_by_id(payment.provider_id)
    return None if provider_payment.is_closed else provider_payment


def create_refund(
    purchase_id: str, refund_id: str, attempt: int, payment_intent_id: str, amount_cents: int, *, again: bool
) -> ProviderRefund:
    """Make one refund at Stripe. `again`: an earlier try may have made it, and Stripe forgets idempotency keys after a day.

    So may an earlier attempt that was taken for refused, by somebody who read it before and asked after: that is the one then.
    """
    for made in stripe.list_refunds_of_payment(payment_intent_id) if again else []:
        if made.refund_id == refund_id and (made.attempt == attempt or made.status != "failed"):
            return replace(made, attempt=attempt)
    return stripe.create_refund(purchase_id, refund_id, attempt, payment_intent_id, amount_cents)
