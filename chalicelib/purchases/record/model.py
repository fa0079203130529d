"""A purchase: one buyer's attempt, from the hold to the order. Its `state` is the arbiter of everything that belongs to it."""

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.inventory.model import Hold
from chalicelib.payments.model import Payment

PurchaseState = Literal["held", "paying", "paid", "partially_refunded", "refunded", "expired", "cancelled"]
ACTIVE_STATES: tuple[PurchaseState, ...] = ("held", "paying")
ORDER_STATES: tuple[PurchaseState, ...] = ("paid", "partially_refunded")

MAX_QUANTITY = 50
MAX_LINE_ITEMS = 10


class LineItem(Struct, frozen=True):
    """Tickets of one tier, at the price that was shown when they were held."""

    tier_id: str
    tier_name: str
    quantity: int
    price_cents: int
    admits: int
    holds: list[Hold]
    stripe_price_id: str | None = None

    @property
    def total_cents(self) -> int:
        return self.quantity * self.price_cents


class Refund(Struct, frozen=True, kw_only=True):
    """Money that goes back, from the payment `capture` (null: nobody's money but simulated or none). `at` in epoch seconds.

    `due` until the provider has taken it on, `failed` when it could not be made although it was tried again. `tickets` are the
    numbers of those that went with it; `fee_cents` was kept of their price. `by_hand`: made in the provider's dashboard.
    """

    id: str
    status: Literal["due", "pending", "succeeded", "failed"]
    amount_cents: int
    currency: str
    reason: str
    by: str
    at: int
    tickets: list[int] = []
    fee_cents: int = 0
    seats_returned: bool = True
    payment_intent_id: str | None = None
    attempt: int = 1
    provider_id: str | None = None
    failure: str | None = None
    note: str | None = None
    is_external: bool = False


class Dispute(Struct, frozen=True, kw_only=True):
    """A buyer's bank asks the money back. `voided`: the numbers of the tickets that a lost one took."""

    id: str
    status: Literal["open", "won", "lost"]
    amount_cents: int
    currency: str
    reason: str
    payment_intent_id: str
    at: int
    voided: list[int] = []


class Purchase(Struct, frozen=True, kw_only=True):
    """`version` goes up with every write: the fence. Times in epoch seconds. Tickets are numbered from 1, line by line."""

    id: str
    user_id: str
    event_id: str
    state: PurchaseState
    version: int
    lines: list[LineItem]
    currency: str
    created_at: int
    expires_at: int
    payment: Payment | None = None
    checkout_at: int | None = None
    ended_at: int | None = None
    checkout_details: dict[str, Any] = {}
    pass_id: str | None = None  # the waiting room's pass that it was reserved with
    refunds: list[Refund] = []
    disputes: list[Dispute] = []

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def total_cents(self) -> int:
        return sum(line.total_cents for line in self.lines)

    @property
    def holds(self) -> list[Hold]:
        return [hold for line in self.lines for hold in line.holds]

    def is_active(self, now: int) -> bool:
        """Whether it still holds its tickets: neither ended nor out of time."""
        return self.state in ACTIVE_STATES and self.expires_at > now

    @property
    def is_order(self) -> bool:
        """Whether somebody can come in with it."""
        return self.state in ORDER_STATES

    @property
    def was_order(self) -> bool:
        """Whether tickets were ever issued, though all of them may have been taken back."""
        return self.is_order or any(refund.tickets for refund in self.refunds) or any(dispute.voided for dispute in self.disputes)

    @property
    def is_declined(self) -> bool:
        return self.state == "cancelled" and self.payment is not None and self.payment.status == "declined"

    @property
    def returned_tickets(self) -> set[int]:
        """The numbers of the tickets that were refunded, or lost in a dispute."""
        refunded = {number for refund in self.refunds for number in refund.tickets}
        return refunded | {number for dispute in self.disputes for number in dispute.voided}

    @property
    def kept_tickets(self) -> list[int]:
        """The numbers of the tickets that its owner has paid for and keeps."""
        return [number for number in range(1, self.quantity + 1) if number not in self.returned_tickets] if self.is_order else []

    @property
    def is_disputed(self) -> bool:
        """Whether a bank is still to decide about the money that its tickets were bought with."""
        return any(one.status == "open" and self.is_own_payment(one.payment_intent_id) for one in self.disputes)

    def is_own_payment(self, payment_intent_id: str) -> bool:
        """Whether that is the order's own payment, and not a second one that went back."""
        return self.payment is not None and self.payment.payment_intent_id == payment_intent_id

    @property
    def payment_intent_ids(self) -> set[str | None]:
        """The payments whose money is in the books of this purchase: its own, and those that went back at once."""
        return {self.payment.payment_intent_id if self.payment else None, *(refund.payment_intent_id for refund in self.refunds)}

    @property
    def refunded_cents(self) -> int:
        """What went back, or will, of the order's own payment."""
        own = self.payment.payment_intent_id if self.payment else None
        return sum(refund.amount_cents for refund in self.refunds if refund.payment_intent_id == own)

    def with_refunds(self, *changed: Refund) -> "Purchase":
        """The purchase with these refunds as they are now; new ones come last."""
        return replace(self, refunds=list({one.id: one for one in (*self.refunds, *changed)}.values()))

    def refunded_total(self, payment_intent_id: str | None, *, include_due: bool) -> int:
        """Cents of one payment that have left towards the buyer; `due`: and those that are to leave."""
        states = ("due", "pending", "succeeded") if include_due else ("pending", "succeeded")
        return sum(one.amount_cents for one in self.refunds if one.payment_intent_id == payment_intent_id and one.status in states)

    def price_of(self, number: int) -> int:
        return next(line.price_cents for line, numbers in self._numbered() if number in numbers)

    def seats(self, numbers: Iterable[int]) -> list[Hold]:
        """From which shards the tickets came: the holds that became them, each with as many as are asked for."""
        wanted = set(numbers)
        found = []
        for line, of_line in self._numbered():
            first = of_line.start
            for hold in line.holds:
                taken = len(wanted.intersection(range(first, first + hold.quantity)))
                first += hold.quantity
                if taken:
                    found.append(Hold(hold.shard_id, hold.hold_id, taken))
        return found

    def _numbered(self) -> Iterable[tuple[LineItem, range]]:
        first = 1
        for line in self.lines:
            yield line, range(first, first + line.quantity)
            first += line.quantity

    def refund(self, refund_id: str) -> Refund | None:
        return next((one for one in self.refunds if one.id == refund_id), None)

    def dispute(self, dispute_id: str) -> Dispute | None:
        return next((one for one in self.disputes if one.id == dispute_id), None)


class BuyerRecord(Struct, frozen=True):
    """What one user has of one event: the active purchase, if any, and what was bought."""

    user_id: str
    event_id: str
    active_id: str | None
    active_until: int
    active_quantity: int
    bought: int
    orders: frozenset[str]
    passes: frozenset[str]  # those that bought something
