"""Payments: free orders, simulated payments where the stage allows them, and Stripe where a key is set up.

`providers/protocol.py` says what each provider can do. What only an external one has (events, disputes, lists for reconciliation) is
re-exported here from Stripe, the only external provider so far.
"""

import msgspec
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
)
from chalicelib.payments.providers import stripe
from chalicelib.payments.providers.protocol import PROVIDERS
from chalicelib.payments.providers.stripe import (
    fetch_dispute,
    fetch_payment_by_id,
    fetch_refund,
    find_payment_by_id,
    list_disputes,
    list_events,
    list_payments,
    list_refunds,
    list_refunds_of_payment,
    verify_event,
)
from chalicelib.payments.providers.stripe_client import check_key

__all__ = [
    "cancel_payment",
    "check_key",
    "create_refund",
    "fetch_dispute",
    "fetch_payment",
    "fetch_payment_by_id",
    "fetch_refund",
    "find_payment_by_id",
    "has_external_provider",
    "has_own_page",
    "is_external",
    "list_disputes",
    "list_events",
    "list_payments",
    "list_refunds",
    "list_refunds_of_payment",
    "local_outcome",
    "new_payment",
    "open_payment",
    "verify_event",
]


def new_payment(amount_cents: int, currency: str, requested: ProviderName | None = None) -> Payment:
    """Choose the provider of a new payment; nothing is opened there yet. An amount of 0 is free, whatever was `requested`.

    Raises ProviderNotOffered if the requested provider is not offered here, PaymentsUnavailable if none is.
    """
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    if requested is not None and (requested == "free" or not PROVIDERS[requested].is_offered()):
        raise ProviderNotOffered(
            f"Payments by `{requested}` are not offered here. Leave `provider` out to pay the usual way.", path="$.provider"
        )
    chosen = requested or _default_provider()
    if not PROVIDERS[chosen].is_offered():
        raise PaymentsUnavailable()
    return Payment(chosen, "open", amount_cents, currency)


def is_external(provider: str) -> bool:
    """Whether the provider of this name is a company with books of its own, where payments are opened, verified and refunded."""
    return PROVIDERS[msgspec.convert(provider, ProviderName)].IS_EXTERNAL


def has_own_page() -> bool:
    """Whether buyers pay on the shop's own page: it is set up so, and their browsers may know the publishable key."""
    current = settings.current()
    return current.checkout_page == "own" and bool(current.stripe_publishable_key)


def has_external_provider() -> bool:
    """Whether any external provider takes payments in this stage."""
    return any(provider.IS_EXTERNAL and provider.is_offered() for provider in PROVIDERS.values())


def local_outcome(payment: Payment, simulate: SimulatedOutcome | None) -> Payment | None:
    """The payment captured or declined, if that is decided here; None if only its external provider knows. Writes nothing.

    Raises SimulationRequired or SimulationRefused if `simulate` is missing or out of place, and PaymentsUnavailable.
    """
    return PROVIDERS[payment.provider].local_outcome(payment, simulate)


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment | None:
    """Open the payment at its provider, for our page or for its own; the same one when called again. None if there is nothing to open.

    Raises PriceMismatch and ProviderUnavailable.
    """
    try:
        return PROVIDERS[payment.provider].open_payment(payment, metadata, page)
    except PriceMismatch as mismatch:
        log.count("price_mismatches")
        log.warning("payment.price_mismatch", purchase_id=metadata.purchase_id, event_id=metadata.event_id, **mismatch.details)
        raise


def fetch_payment(payment: Payment) -> ProviderPayment:
    """The payment as its provider has it now; it must have been opened there. Raises ProviderUnavailable."""
    assert payment.provider_id is not None
    return fetch_payment_by_id(payment.provider_id)


def cancel_payment(payment: Payment | None) -> ProviderPayment | None:
    """Make sure that nobody can pay any more. Returns None on success, or the payment if its money has come in or still may.

    Raises ProviderUnavailable.
    """
    return PROVIDERS[payment.provider].cancel_payment(payment) if payment is not None else None


def create_refund(
    purchase_id: str, refund_id: str, attempt: int, payment_intent_id: str, amount_cents: int, *, check_existing: bool
) -> ProviderRefund:
    """Make one refund at the external provider.

    With `check_existing`, for a refund that an earlier call may have made, one that the provider has already is returned instead: its
    idempotency keys protect for a day only. That may be one of an earlier attempt that seemed to be refused.
    """
    for refund in list_refunds_of_payment(payment_intent_id) if check_existing else []:
        if refund.refund_id == refund_id and (refund.attempt == attempt or refund.status != "failed"):
            return replace(refund, attempt=attempt)
    return stripe.create_refund(purchase_id, refund_id, attempt, payment_intent_id, amount_cents)


def _default_provider() -> ProviderName:
    setting = settings.current().payment_provider
    if setting != "auto":
        return setting
    return next((name for name, provider in PROVIDERS.items() if provider.IS_EXTERNAL and provider.is_offered()), "simulated")
