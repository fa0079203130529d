"""Payments: free orders, simulated payments where the stage allows them, and Stripe where a key is set up.

This module chooses the provider of a payment and passes each call on to it. `providers/protocol.py` describes what every provider can do,
and what only external providers have: events, refunds, disputes and lists of them.
"""

from collections.abc import Iterator
from typing import cast

from msgspec.structs import replace

from chalicelib.foundation import log, settings
from chalicelib.payments.model import (
    CheckoutPage,
    Payment,
    PaymentMetadata,
    PaymentsUnavailable,
    PriceMismatch,
    ProviderDispute,
    ProviderEvent,
    ProviderName,
    ProviderNotOffered,
    ProviderPayment,
    ProviderRefund,
    SimulatedOutcome,
)
from chalicelib.payments.providers.protocol import EXTERNAL, PROVIDERS, ExternalProvider
from chalicelib.payments.providers.stripe import check_key

__all__ = ["check_key"]


def new_payment(amount_cents: int, currency: str, requested: ProviderName | None = None) -> Payment:
    """Return a new payment with its provider chosen; nothing is opened at the provider yet.

    An amount of 0 is always free, whatever was `requested`. Raises ProviderNotOffered if the requested provider is not offered here, and
    PaymentsUnavailable if none was requested and the default provider is not offered.
    """
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    if requested is not None and (requested == "free" or not PROVIDERS[requested].is_offered()):
        raise ProviderNotOffered(
            f"Payments with `{requested}` are not available here. Leave out `provider` to use the default one.", path="$.provider"
        )
    chosen = requested or _default_provider()
    if not PROVIDERS[chosen].is_offered():
        raise PaymentsUnavailable()
    return Payment(chosen, "open", amount_cents, currency)


def is_external(provider: str) -> bool:
    """Whether the named provider is a company with its own books, where payments are opened, verified and refunded."""
    return provider in EXTERNAL


def has_own_page() -> bool:
    """Whether buyers pay on the shop's own page."""
    return settings.current().has_own_page


def has_external_provider() -> bool:
    """Whether any external provider takes payments in this stage."""
    return any(_offered())


def external_provider_names() -> list[ProviderName]:
    """The names of the external providers that take payments in this stage."""
    return [name for name, provider in EXTERNAL.items() if provider.is_offered()]


def local_outcome(payment: Payment, simulate: SimulatedOutcome | None) -> Payment | None:
    """Return the payment as captured or declined if that is decided here, or None if only its external provider knows. Writes nothing.

    Raises SimulationRequired if `simulate` is missing, SimulationRefused if it is not allowed, and PaymentsUnavailable.
    """
    return PROVIDERS[payment.provider].local_outcome(payment, simulate)


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> ProviderPayment | None:
    """Open the payment at its provider, for our own page or, with a `page`, for the provider's hosted page.

    A repeated call returns the same payment. Returns None if there is nothing to open. Raises PriceMismatch and ProviderUnavailable.
    """
    try:
        return PROVIDERS[payment.provider].open_payment(payment, metadata, page)
    except PriceMismatch as mismatch:
        log.count("price_mismatches")
        log.warning("payment.price_mismatch", purchase_id=metadata.purchase_id, event_id=metadata.event_id, **mismatch.details)
        raise


def fetch_payment(payment: Payment) -> ProviderPayment:
    """Fetch the current payment from its provider, where it must have been opened before. Raises ProviderUnavailable."""
    assert payment.provider_id is not None
    return external_provider(payment.provider).fetch_payment_by_id(payment.provider_id)


def external_provider(name: str) -> ExternalProvider:
    """The external provider with this stored name. Raises KeyError for any other name."""
    return EXTERNAL[cast(ProviderName, name)]


def list_payments(since: int, until: int) -> Iterator[ProviderPayment]:
    """Payments created in [since, until), epoch seconds, at all external providers, paid or not. Raises ProviderUnavailable."""
    return (payment for provider in _offered() for payment in provider.list_payments(since, until))


def list_refunds(since: int, until: int) -> Iterator[ProviderRefund]:
    """Refunds created in [since, until), epoch seconds, at all external providers. Raises ProviderUnavailable."""
    return (refund for provider in _offered() for refund in provider.list_refunds(since, until))


def list_disputes(since: int, until: int) -> Iterator[ProviderDispute]:
    """Disputes created in [since, until), epoch seconds, at all external providers. Raises ProviderUnavailable."""
    return (dispute for provider in _offered() for dispute in provider.list_disputes(since, until))


def list_events(since: int, until: int) -> Iterator[ProviderEvent]:
    """Events created in [since, until) that all external providers sent, or tried to send, to our webhooks. Raises ProviderUnavailable."""
    return (event for provider in _offered() for event in provider.list_events(since, until))


def cancel_payment(payment: Payment | None) -> ProviderPayment | None:
    """Make sure that the payment can no longer be paid. Returns None on success, or the payment if its money has come in or still may.

    Raises ProviderUnavailable.
    """
    return PROVIDERS[payment.provider].cancel_payment(payment) if payment is not None else None


def create_refund(
    provider: str, purchase_id: str, refund_id: str, attempt: int, payment_intent_id: str, amount_cents: int, *, check_existing: bool
) -> ProviderRefund:
    """Create one refund at the external provider of its payment.

    Set `check_existing` if an earlier call may already have created the refund: the provider's idempotency keys protect for one day only.
    A refund that the provider already has is then returned instead, even one of an earlier attempt that only seemed to be refused.
    """
    external = external_provider(provider)
    for refund in external.list_refunds_of_payment(payment_intent_id) if check_existing else []:
        if refund.refund_id == refund_id and (refund.attempt == attempt or refund.status != "failed"):
            return replace(refund, attempt=attempt)
    return external.create_refund(purchase_id, refund_id, attempt, payment_intent_id, amount_cents)


def _default_provider() -> ProviderName:
    setting = settings.current().payment_provider
    if setting != "auto":
        return setting
    return next((name for name, provider in EXTERNAL.items() if provider.is_offered()), "simulated")


def _offered() -> Iterator[ExternalProvider]:
    """The external providers that are set up in this stage."""
    return (provider for provider in EXTERNAL.values() if provider.is_offered())
