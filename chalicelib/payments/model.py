"""One way of paying for one purchase."""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.errors import InvalidInput, Refusal

Outcome = Literal["success", "fail"]


class Payment(Struct, frozen=True):
    """`free` needs no provider; `simulated` stands in for one where a stage allows it. Kept inside the purchase."""

    provider: Literal["free", "simulated"]
    status: Literal["open", "captured", "declined"]
    amount_cents: int
    currency: str


class SimulationRequired(InvalidInput):
    code: ClassVar[str] = "simulate_required"


class PaymentsUnavailable(Refusal):
    code: ClassVar[str] = "payments_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "No payment provider is set up in this stage, so nothing with a price can be bought."
