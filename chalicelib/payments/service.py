"""How money is taken: not at all for free orders, by Stripe where a key is set up, by simulation where the stage allows it."""

from msgspec.structs import replace

from chalicelib import log, settings
from chalicelib.payments import stripe_api
from chalicelib.payments.model import (
    Hosted,
    Intent,
    Outcome,
    Owner,
    Payment,
    PaymentsUnavailable,
    PriceMismatch,
    Provider,
    ProviderNotOffered,
    RefundSeen,
    SimulationRefused,
    SimulationRequired,
)
from chalicelib.payments.stripe_api import (
    check_key,
    disputes_made,
    events_made,
    find,
    find_dispute,
    find_refund,
    intents_made,
    refunds_made,
    refunds_of,
    retrieve,
    verified_event,
)

__all__ = [
    "check_key",
    "disputes_made",
    "events_made",
    "find",
    "find_dispute",
    "find_refund",
    "finish",
    "intents_made",
    "look",
    "open_with_provider",
    "pay_back",
    "refunds_made",
    "refunds_of",
    "retrieve",
    "start",
    "stop",
    "verified_event",
]


def start(amount_cents: int, currency: str, asked: Provider | None = None) -> Payment:
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
    chosen: Provider = asked or (usual if usual != "auto" else "stripe" if by_stripe else "simulated")
    if not offered[chosen]:
        raise PaymentsUnavailable()
    return Payment(chosen, "open", amount_cents, currency)


def finish(payment: Payment, simulate: Outcome | None) -> Payment:
    """A payment without a provider as it ended. The caller's transaction makes it true, with the tickets or the release."""
    if payment.provider == "free":
        return replace(payment, status="captured")
    if settings.current().payment_simulation == "off":
        raise PaymentsUnavailable()
    if simulate is None:
        raise SimulationRequired('Say how the simulated payment ends: "success" or "fail".', path="$.simulate")
    return replace(payment, status="captured" if simulate == "success" else "declined")


def open_with_provider(payment: Payment, owner: Owner, hosted: Hosted | None) -> Intent:
    """Open the payment at Stripe, for our page or for its own; asked again, the same one. Raises PriceMismatch."""
    try:
        return _opened(payment, owner, hosted)
    except PriceMismatch as refused:
        log.count("price_mismatches")
        log.warning("payment.price_mismatch", purchase_id=owner.purchase_id, event_id=owner.event_id, **refused.facts)
        raise


def _opened(payment: Payment, owner: Owner, hosted: Hosted | None) -> Intent:
    if hosted is None:
        return stripe_api.create_intent(owner, payment.amount_cents, payment.currency)
    opened = stripe_api.create_session(owner, payment.currency, hosted)
    if (opened.amount, opened.currency) != (payment.amount_cents, payment.currency):
        stripe_api.cancel(opened.id)
        raise PriceMismatch(expected_cents=payment.amount_cents, provider_cents=opened.amount)
    return opened


def look(payment: Payment, simulate: Outcome | None = None) -> Intent:
    """The payment as Stripe sees it; `simulate` has no place there."""
    if simulate is not None:
        raise SimulationRefused("This payment is Stripe's to take; leave `simulate` out.", path="$.simulate")
    assert payment.reference is not None
    return retrieve(payment.reference)


def stop(payment: Payment | None) -> Intent | None:
    """See to it that nobody can pay any more. The payment if the money came in all the same, or still may, else None.

    Without a reference nothing was opened that anybody could pay: who opens it now will not be able to write that down.
    """
    if payment is None or payment.provider != "stripe" or payment.reference is None:
        return None
    intent = stripe_api.cancel(payment.reference)
    return None if intent.over else intent


def pay_back(purchase_id: str, refund_id: str, attempt: int, capture: str, amount_cents: int, *, again: bool) -> RefundSeen:
    """Make one refund at Stripe. `again`: an earlier try may have made it, and Stripe forgets idempotency keys after a day.

    So may an earlier attempt that was taken for refused, by somebody who read it before and asked after: that is the one then.
    """
    for made in stripe_api.refunds_of(capture) if again else []:
        if made.refund_id == refund_id and (made.attempt == attempt or made.status != "failed"):
            return replace(made, attempt=attempt)
    return stripe_api.refund(purchase_id, refund_id, attempt, capture, amount_cents)
