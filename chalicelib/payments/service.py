"""How money is taken: not at all for free orders, and by simulation where the stage allows it."""

from msgspec.structs import replace

from chalicelib import settings
from chalicelib.payments.model import Outcome, Payment, PaymentsUnavailable, SimulationRequired


def start(amount_cents: int, currency: str) -> Payment:
    """Open a payment; raises PaymentsUnavailable when there is something to pay and nobody to take it."""
    if amount_cents == 0:
        return Payment("free", "open", 0, currency)
    if settings.current().payment_simulation == "off":
        raise PaymentsUnavailable()
    return Payment("simulated", "open", amount_cents, currency)


def finish(payment: Payment, simulate: Outcome | None) -> Payment:
    """The payment as it ended. The caller's transaction makes it true, together with the tickets or the release."""
    if payment.provider == "free":
        return replace(payment, status="captured")
    if settings.current().payment_simulation == "off":
        raise PaymentsUnavailable()
    if simulate is None:
        raise SimulationRequired('Say how the simulated payment ends: "success" or "fail".', path="$.simulate")
    return replace(payment, status="captured" if simulate == "success" else "declined")
