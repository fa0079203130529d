"""Free orders: nothing is opened anywhere, and the payment always succeeds."""

from msgspec.structs import replace

from chalicelib.payments.model import CheckoutPage, Payment, PaymentMetadata, SimulatedOutcome


def is_offered() -> bool:
    return True


def open_payment(payment: Payment, metadata: PaymentMetadata, page: CheckoutPage | None) -> None:  # noqa: ARG001
    return None


def cancel_payment(payment: Payment) -> None:  # noqa: ARG001
    return None


def local_outcome(payment: Payment, simulate: SimulatedOutcome | None) -> Payment:  # noqa: ARG001
    return replace(payment, status="captured")
