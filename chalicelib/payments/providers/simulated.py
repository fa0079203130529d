"""Simulated payments, whose outcome the caller chooses. For local runs and test stages, never for production."""

from msgspec.structs import replace

from chalicelib.foundation import settings
from chalicelib.payments.model import CheckoutPage, Payment, PaymentMetadata, PaymentsUnavailable, SimulatedOutcome, SimulationRequired


def is_offered() -> bool:
    return settings.current().payment_simulation == "on"


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> None:  # noqa: ARG001
    return None


def cancel_payment(payment: Payment) -> None:  # noqa: ARG001
    return None


def local_outcome(payment: Payment, simulate: SimulatedOutcome | None) -> Payment:
    """Return the payment as captured or declined, as `simulate` says. Raises SimulationRequired and PaymentsUnavailable."""
    if not is_offered():
        raise PaymentsUnavailable()
    if simulate is None:
        raise SimulationRequired('Say how the simulated payment ends: "success" or "fail".', path="$.simulate")
    return replace(payment, status="captured" if simulate == "success" else "declined")
