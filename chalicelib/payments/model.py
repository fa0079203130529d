"""One way of paying for one purchase."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.errors import InvalidInput, Refusal

Outcome = Literal["success", "fail"]
Provider = Literal["free", "simulated", "stripe"]
PaymentStatus = Literal["open", "captured", "declined", "cancelled", "refund_due", "refunded"]


class Payment(Struct, frozen=True):
    """`free` needs no provider; `simulated` stands in for one where a stage allows it. Kept inside the purchase.

    `reference` is the provider's id of the payment, null until it was opened there.
    """

    provider: Provider
    status: PaymentStatus
    amount_cents: int
    currency: str
    reference: str | None = None


class Intent(Struct, frozen=True):
    """A payment as the provider sees it: `status` in Stripe's words, amounts in minor units, `currency` in capitals."""

    id: str
    status: str
    amount: int
    amount_received: int
    currency: str
    purchase_id: str | None
    client_secret: str | None

    @property
    def captured(self) -> bool:
        return self.status == "succeeded"

    def pays(self, payment: Payment) -> bool:
        """Whether what came in is what was asked for."""
        return (self.amount_received, self.currency) == (payment.amount_cents, payment.currency)


class SimulationRequired(InvalidInput):
    code: ClassVar[str] = "simulate_required"


class SimulationRefused(InvalidInput):
    code: ClassVar[str] = "simulation_refused"


class PaymentsUnavailable(Refusal):
    code: ClassVar[str] = "payments_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "No payment provider is set up in this stage, so nothing with a price can be bought."


class ProviderUnavailable(Refusal):
    """The provider did not answer, or asked us to come back. What it may have done is found out with the next try."""

    code: ClassVar[str] = "payment_provider_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The payment provider is not answering. Nothing is lost; try again shortly."

    def __init__(self) -> None:
        super().__init__(retryAfterSeconds=5)


class PaymentNotCompleted(Refusal):
    code: ClassVar[str] = "payment_not_completed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment has not gone through yet. Finish it, or try another card."
