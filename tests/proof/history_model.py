"""A model of a shop with one event, and what may be stored in it. It predicts the replies of the shop and their effects.

The model knows no calls to the store, no shards and no retries: it says what buyers, managers and the door are promised. Where a promise
leaves something open, the model does too. Expired reservations end when a request or a sweep finds them, so until then their tickets may
or may not count as available; and after a crash, a call has taken effect or not, and some tickets may stay on hold until they expire.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from chalicelib.catalog import service as catalog
from chalicelib.foundation import addons
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from chalicelib.tickets.store import scan_tickets

PURCHASE_LIMIT, HOLD_SECONDS, USES_OF_BUYER = 6, 180, 2
ACTIVE, POOL = ("held", "paying"), "pool"
# The states in which a waitlist entry may be next. An entry of the last four has ended.
ENTRY_STATES = {"waiting": {"offered", "left", "closed"}, "offered": {"accepted", "declined", "expired"}}


class Ticket(Struct):
    """A ticket: its owner, whether it is valid, and who is in, as the seats of guests, or None for the ticket's own code."""

    owner: str
    admits: int
    is_valid: bool = True
    inside: list[int | None] = field(default_factory=list)


class Purchase(Struct):
    """A purchase: the tier of each ticket, the numbers of the tickets that its buyer keeps, and the seats that were not returned."""

    user: str
    state: str
    tiers: list[str]
    expires_at: int
    code: str | None = None
    kept: set[int] = field(default_factory=set)
    not_returned: list[str] = field(default_factory=list)

    @property
    def was_order(self) -> bool:
        return self.state in ("paid", "partially_refunded", "refunded")

    def is_active(self, now: int) -> bool:
        return self.state in ACTIVE and self.expires_at > now

    def has_lapsed(self, now: int) -> bool:
        return self.state in ACTIVE and self.expires_at <= now


class Observed(Struct, frozen=True):
    """What is stored: purchases as (state, buyer), tickets as (owner, is valid, people inside), the available units of each stock, how many
    tickets buyers have bought, the states of waitlist entries, and whether the sale is paused.
    """

    purchases: Mapping[str, tuple[str, str]]
    tickets: Mapping[str, tuple[str, bool, int]]
    available: Mapping[str, int]
    bought: Mapping[str, int]
    entries: Mapping[str, str]
    is_paused: bool


def observe(event_id: str) -> Observed:
    available: Counter[str] = Counter()
    for shard in scan_shards():
        available[shard.stock_id] += shard.available
    return Observed(
        purchases={purchase.id: (purchase.state, purchase.user_id) for purchase in store.scan_purchases()},
        tickets={ticket.id: (ticket.owner_id, ticket.state == "valid", ticket.inside_count) for ticket in scan_tickets()},
        available=available,
        bought={record.user_id: record.bought for record in store.scan_buyers()},
        entries=_entries(),
        is_paused=catalog.load_current().events[event_id].paused,
    )


def _entries() -> dict[str, str]:
    if not addons.is_on("waitlist"):
        return {}
    from chalicelib.addons.waitlist import store as waitlists

    return {entry.id: entry.state for entry in waitlists.scan_entries()}


class ShopModel:
    """The event, its tiers and its promo code. `capacities` are by stock: the tiers, the pool of the event if it has one, and the code."""

    def __init__(self, capacities: dict[str, int], admits: dict[str, int]) -> None:
        self.capacities, self.admits = capacities, admits
        self.purchases: dict[str, Purchase] = {}
        self.tickets: dict[str, Ticket] = {}
        self.entries: dict[str, str] = {}
        self.strays: list[tuple[int, Counter[str]]] = []  # what calls that crashed may still hold, and until when
        self.is_paused = False

    # What the figures may be.

    def taken(self, purchase: Purchase) -> Counter[str]:
        """Return how many units of each stock a purchase has, while it is active or an order."""
        units = Counter(purchase.tiers if purchase.state in ACTIVE else [purchase.tiers[number - 1] for number in purchase.kept])
        units.update(purchase.not_returned)
        if POOL in self.capacities:
            units[POOL] = units.total()
        if purchase.code is not None and (purchase.state in ACTIVE or purchase.was_order):
            units[purchase.code] += 1
        return units

    def left(self, stock: str, now: int) -> tuple[int, int]:
        """Return the least and the greatest number of units that may be available."""
        most = self.capacities[stock]
        uncertain = sum(units[stock] for _, units in self.strays)
        for purchase in self.purchases.values():
            units = self.taken(purchase)[stock]
            if purchase.has_lapsed(now):
                uncertain += units
            else:
                most -= units
        return most - uncertain, most

    def bought(self, user: str) -> int:
        return sum(len(purchase.kept) for purchase in self.purchases.values() if purchase.user == user)

    def code_uses(self, user: str, code: str) -> int:
        return sum(purchase.code == code and purchase.was_order for purchase in self.purchases.values() if purchase.user == user)

    def active(self, user: str, now: int) -> Purchase | None:
        return next((each for each in self.purchases.values() if each.user == user and each.is_active(now)), None)

    # What happens.

    def hold(self, purchase_id: str, user: str, tiers: list[str], expires_at: int) -> None:
        self.purchases[purchase_id] = Purchase(user, "held", tiers, expires_at)

    def open_with_code(self, purchase_id: str, code: str) -> None:
        self.purchases[purchase_id].state, self.purchases[purchase_id].code = "paying", code

    def cancel(self, purchase_id: str) -> None:
        if self.purchases[purchase_id].state in ACTIVE:
            self.purchases[purchase_id].state = "cancelled"

    def pay(self, purchase_id: str) -> None:
        purchase = self.purchases[purchase_id]
        purchase.state, purchase.kept = "paid", set(range(1, len(purchase.tiers) + 1))
        for number, tier in enumerate(purchase.tiers, start=1):
            self.tickets[f"{purchase_id}-{number}"] = Ticket(purchase.user, self.admits[tier])

    def refund(self, purchase_id: str, numbers: set[int], *, return_seats: bool) -> None:
        purchase = self.purchases[purchase_id]
        purchase.kept -= numbers
        purchase.state = "partially_refunded" if purchase.kept else "refunded"
        if not return_seats:
            purchase.not_returned += [purchase.tiers[number - 1] for number in numbers]
        for number in numbers:
            self.tickets[f"{purchase_id}-{number}"].is_valid = False

    def leave_strays(self, tiers: list[str], code: str | None, until: int) -> None:
        """A crash may leave tickets and a use of a code on hold."""
        units = Counter([*tiers, *([POOL] * len(tiers)), *([code] if code else [])])
        self.strays.append((until, units))

    def interrupt_recovery(self, now: int) -> None:
        """A request that crashes may have ended expired reservations whose tickets stay on hold until the next sweep."""
        for purchase in self.purchases.values():
            if purchase.has_lapsed(now):
                self.leave_strays(purchase.tiers, purchase.code, purchase.expires_at)

    def sweep(self, now: int) -> None:
        """All that had expired has ended."""
        for purchase in self.purchases.values():
            if purchase.has_lapsed(now):
                purchase.state = "expired"
        self.strays = [(until, units) for until, units in self.strays if until > now]

    # What is stored.

    def differences(self, seen: Observed, now: int, stock_ids: Mapping[str, str]) -> Iterator[str]:
        """Compare with what is stored. An expired reservation may have been ended by any request."""
        for purchase_id, purchase in self.purchases.items():
            if purchase.has_lapsed(now) and seen.purchases.get(purchase_id, ("",))[0] == "expired":
                purchase.state = "expired"
        yield from _compare("purchases", {key: (each.state, each.user) for key, each in self.purchases.items()}, seen.purchases)
        tickets = {ticket_id: (ticket.owner, ticket.is_valid, len(ticket.inside)) for ticket_id, ticket in self.tickets.items()}
        yield from _compare("tickets", tickets, seen.tickets)
        bought = {user: self.bought(user) for user in seen.bought}
        yield from _compare("bought", bought, seen.bought)
        for stock in self.capacities:
            least, most = self.left(stock, now)
            available = seen.available[stock_ids.get(stock, stock)]
            if not least <= available <= most:
                yield f"{stock}: {available} available, expected {least} to {most}"
        if self.is_paused != seen.is_paused:
            yield f"the sale is paused: {seen.is_paused}"
        for entry_id, state in seen.entries.items():
            before = self.entries.get(entry_id, "waiting")
            if state not in (before, *ENTRY_STATES.get(before, ())):
                yield f"{entry_id}: was {before} and is {state}"
        self.entries = dict(seen.entries)


def _compare(name: str, expected: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    for key in expected.keys() | stored.keys():
        if expected.get(key) != stored.get(key):
            yield f"{name}: {key} is {stored.get(key)}, expected {expected.get(key)}"
