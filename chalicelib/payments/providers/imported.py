"""Orders sold by another system, which holds their money and refunds it. Buyers cannot pay this way here."""

from chalicelib.payments.model import CheckoutPage, Payment, PaymentMetadata, PaymentsUnavailable, SimulatedOutcome


def is_offered() -> bool:
    return False


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> None:  # noqa: ARG001
    return None


def cancel_payment(payment: Payment) -> None:  # noqa: ARG001
    return None


def local_outcome(payment: Payment, simulate: SimulatedOutcome | None) -> Payment:  # noqa: ARG001
    """Raises PaymentsUnavailable."""
    raise PaymentsUnavailable()
