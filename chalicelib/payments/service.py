"""How money is taken: not at all for free orders, by Stripe where a key is set up, by simulation where the stage allows it."""

from msgspec.structs import replace

from chalicelib import settings
from chalicelib.payments import stripe_api
from chalicelib.payments.model import Intent, Outcome, Payment, PaymentsUnavailable, SimulationRefused, SimulationRequired
from chalicelib.payments.stripe_api import retrieve, verified_event

__all__ = ["finish", "give_back", "look", "open_with_provider", "retrieve", "start", "stop", "verified_event"]


def start(amount_cents: int, currency: str) -> Payment:
    """A payment that is not opened with its provider yet; raises PaymentsUnavailable when nobody can take it."""
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    if settings.optional_secret("stripe_api_key"):
        return Payment("stripe", "open", amount_cents, currency)
    if settings.current().payment_simulation == "on":
        return Payment("simulated", "open", amount_cents, currency)
    raise PaymentsUnavailable()


def finish(payment: Payment, simulate: Outcome | None) -> Payment:
    """A payment without a provider as it ended. The caller's transaction makes it true, with the tickets or the release."""
    if payment.provider == "free":
        return replace(payment, status="captured")
    if settings.current().payment_simulation == "off":
        raise PaymentsUnavailable()
    if simulate is None:
        raise SimulationRequired('Say how the simulated payment ends: "success" or "fail".', path="$.simulate")
    return replace(payment, status="captured" if simulate == "success" else "declined")


def open_with_provider(payment: Payment, purchase_id: str, event_id: str, user_id: str) -> Intent:
    """Open the payment at Stripe; asked again, the same one."""
    attempt = f"{payment.amount_cents}-{payment.currency}"
    metadata = {"event_id": event_id, "user_id": user_id}
    return stripe_api.create(purchase_id, attempt, payment.amount_cents, payment.currency, metadata)


def look(payment: Payment, simulate: Outcome | None = None) -> Intent:
    """The payment as Stripe sees it; `simulate` has no place there."""
    if simulate is not None:
        raise SimulationRefused("Payments are real here; leave `simulate` out.", path="$.simulate")
    assert payment.reference is not None
    return retrieve(payment.reference)


def stop(payment: Payment | None) -> Intent | None:
    """See to it that nobody can pay any more. The payment if the money came in all the same, else None.

    Without a reference nothing was opened that anybody could pay: who opens it now will not be able to write that down.
    """
    if payment is None or payment.provider != "stripe" or payment.reference is None:
        return None
    intent = stripe_api.cancel(payment.reference)
    return None if intent.status == "canceled" else intent


def give_back(payment: Payment, purchase_id: str) -> None:
    """Refund all of it at Stripe; repeating is safe."""
    assert payment.reference is not None
    stripe_api.refund(payment.reference, purchase_id)
