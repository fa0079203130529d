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
from chalicelib.payments.providers.stripe_client import check_key

__all__ = [
    "cancel_payment",
    "check_key",
    "create_refund",
    "fetch_by_id",
    "fetch_dispute",
    "fetch_payment",
    "fetch_refund",
    "find_by_id",
    "has_external_provider",
    "is_external",
    "list_disputes",
    "list_events",
    "list_payments",
    "list_refunds",
    "list_refunds_of_payment",
    "new_payment",
    "open_payment",
    "resolve",
    "verify_event",
]


def new_payment(amount_cents: int, currency: str, requested: ProviderName | None = None) -> Payment:
    """Choose who takes the money; nothing is opened with them yet. A total of 0 is free, whatever was `requested`.

    Raises ProviderNotOffered if the requested provider cannot be had here, PaymentsUnavailable if nobody can take the money.
    """
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    if requested is not None and (requested == "free" or not PROVIDERS[requested].is_offered()):
        raise ProviderNotOffered(f"Payments by `{requested}` are not offered here. Leave `provider` out.", path="$.provider")
    chosen = requested or _default_provider()
    if not PROVIDERS[chosen].is_offered():
        raise PaymentsUnavailable()
    return Payment(chosen, "open", amount_cents, currency)


def is_external(provider: str) -> bool:
    """Whether the provider of this name is a company with books of its own, where payments are opened, verified and refunded."""
    return PROVIDERS[msgspec.convert(provider, ProviderName)].IS_EXTERNAL


def has_external_provider() -> bool:
    """Whether any external provider takes payments in this stage."""
    return any(provider.IS_EXTERNAL and provider.is_offered() for provider in PROVIDERS.values())


def resolve(payment: Payment, simulate: SimulatedOutcome | None) -> Payment | None:
    """The payment as it ended, if no external provider has to be asked, else None. Becomes true with the caller's transaction.

    Raises SimulationRequired, SimulationRefused and PaymentsUnavailable.
    """
    return PROVIDERS[payment.provider].resolve(payment, simulate)


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
    return fetch_by_id(payment.provider_id)


def cancel_payment(payment: Payment | None) -> ProviderPayment | None:
    """Make sure that nobody can pay any more. None on success; the payment if its money has come in, or still may.

    Raises ProviderUnavailable.
    """
    return PROVIDERS[payment.provider].cancel_payment(payment) if payment is not None else None


def create_refund(
    purchase_id: str, refund_id: str, attempt: int, payment_intent_id: str, amount_cents: int, *, look_first: bool
) -> ProviderRefund:
    """Make one refund at the external provider.

    `look_first`: an earlier call may have made it, and the provider forgets idempotency keys after a day. The refund that is there
    is then returned instead, also one of an earlier attempt that was taken for refused.
    """
    for refund in list_refunds_of_payment(payment_intent_id) if look_first else []:
        if refund.refund_id == refund_id and (refund.attempt == attempt or refund.status != "failed"):
            return replace(refund, attempt=attempt)
    return stripe.create_refund(purchase_id, refund_id, attempt, payment_intent_id, amount_cents)


def _default_provider() -> ProviderName:
    usual = settings.current().payment_provider
    if usual != "auto":
        return usual
    return next((name for name, provider in PROVIDERS.items() if provider.IS_EXTERNAL and provider.is_offered()), "simulated")
