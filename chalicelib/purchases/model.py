"""A purchase: one buyer's attempt, from the hold to the order. Its `state` is the arbiter of everything that belongs to it."""

from typing import Any, ClassVar, Literal

from msgspec import Struct

from chalicelib.errors import InvalidInput, NotFound, Refusal
from chalicelib.inventory.model import Hold
from chalicelib.payments.model import Payment

State = Literal["held", "paying", "paid", "refunded", "expired", "cancelled"]
LIVE: tuple[State, ...] = ("held", "paying")

MAX_QUANTITY = 50
MAX_LINES = 10


class Line(Struct, frozen=True):
    """Tickets of one tier, at the price that was shown when they were held."""

    tier_id: str
    tier_name: str
    quantity: int
    price_cents: int
    admits: int
    holds: list[Hold]

    @property
    def total_cents(self) -> int:
        return self.quantity * self.price_cents


class Purchase(Struct, frozen=True, kw_only=True):
    """`version` goes up with every write: the fence. Times in epoch seconds."""

    id: str
    user_id: str
    event_id: str
    state: State
    version: int
    lines: list[Line]
    currency: str
    created_at: int
    expires_at: int
    payment: Payment | None = None
    checkout_at: int | None = None
    ended_at: int | None = None
    details: dict[str, Any] = {}
    pass_id: str | None = None  # the waiting room's pass that it was reserved with

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def total_cents(self) -> int:
        return sum(line.total_cents for line in self.lines)

    @property
    def holds(self) -> list[Hold]:
        return [hold for line in self.lines for hold in line.holds]

    def lives(self, now: int) -> bool:
        """Whether it still holds its tickets: neither ended nor out of time."""
        return self.state in LIVE and self.expires_at > now

    @property
    def declined(self) -> bool:
        return self.state == "cancelled" and self.payment is not None and self.payment.status == "declined"


class Buying(Struct, frozen=True):
    """What one user has of one event: the active purchase, if any, and what was bought."""

    user_id: str
    event_id: str
    active_id: str | None
    active_until: int
    active_quantity: int
    bought: int
    orders: frozenset[str]
    passes: frozenset[str]  # those that bought something


class ReservationNotFound(NotFound):
    code: ClassVar[str] = "reservation_not_found"
    default_message: ClassVar[str] = "You have no such reservation."


class CheckoutNotFound(NotFound):
    code: ClassVar[str] = "checkout_session_not_found"
    default_message: ClassVar[str] = "You have no such checkout session."


class OrderNotFound(NotFound):
    code: ClassVar[str] = "order_not_found"
    default_message: ClassVar[str] = "You have no such order."


class ReservationOver(Refusal):
    code: ClassVar[str] = "reservation_expired_or_invalid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The reservation is over. Nothing was charged; please choose again."


class PaymentRefunded(Refusal):
    code: ClassVar[str] = "payment_refunded"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The payment came when the tickets were gone. All of it goes back to you."


class ReservationConverted(Refusal):
    code: ClassVar[str] = "reservation_converted"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The reservation became an order and cannot be given back."


class ActiveReservationExists(Refusal):
    code: ClassVar[str] = "active_reservation_exists"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You already have a reservation for this event. Finish it or give it back first."


class PassUsed(Refusal):
    code: ClassVar[str] = "pass_used"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "You have bought with this pass. Join the waiting room again to buy more."


class PurchaseLimitExceeded(Refusal):
    code: ClassVar[str] = "purchase_limit_exceeded"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "That is more than one person may buy for this event."


class TierLimitExceeded(InvalidInput):
    code: ClassVar[str] = "tier_limit_exceeded"


class PromoCodeInvalid(InvalidInput):
    code: ClassVar[str] = "promo_code_invalid"
