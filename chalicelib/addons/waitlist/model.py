"""The waitlist of a sold-out event: entries in the order in which people joined, and the offers that are made to them.

An offer is a purchase in state `held` (`purchases.record`), so its tickets are held in the same shards as everybody's.
"""

from typing import ClassVar, Literal

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.edge.languages import Language
from chalicelib.foundation.errors import ApiError, NotFound

# `accepted`: the offer was paid. `declined`: it was given back. `expired`: nobody paid for it in time. `left`: no offer was made yet.
EntryState = Literal["waiting", "offered", "accepted", "declined", "expired", "left"]
EntryStatus = EntryState | Literal["closed"]  # `closed`: the event is over, cancelled, or has no waitlist any more
OVER_STATES: tuple[EntryState, ...] = ("accepted", "declined", "expired", "left")

MAX_TIERS = 10  # of one entry
OFFER_SHARE = 4  # an offer lasts for this part of the time that is left until the event at most
LAST_DAY_SECONDS = 86_400  # before the event, in which no ticket is kept back for a large party


class Entry(Struct, frozen=True, kw_only=True):
    """Somebody who waits for `quantity` tickets of one of these tiers, in order of wish, for `max_price_cents` each at most.

    `id` is `<event id>.<ULID>`: ULIDs sort by the time of joining. Times are epoch seconds. `purchase_id` and `offered_until` are those of
    the offer.
    """

    id: str
    user_id: str
    event_id: str
    tier_ids: list[str]
    quantity: int
    joined_at: int
    ttl: int
    max_price_cents: int | None = None
    language: Language | None = None  # of mails about an offer, as they preferred when they joined
    state: EntryState = "waiting"
    purchase_id: str | None = None
    offered_until: int | None = None
    ended_at: int | None = None

    @property
    def is_over(self) -> bool:
        return self.state in OVER_STATES

    def accepts(self, tier: Tier) -> bool:
        """Whether this tier is asked for, at its present price."""
        return tier.id in self.tier_ids and (self.max_price_cents is None or tier.price_cents <= self.max_price_cents)


class Place(Struct, frozen=True):
    """An entry in its line. `passed_at`: when there were tickets for it the first time, but fewer than it asks for."""

    entry: Entry
    passed_at: int | None = None


class Line(Struct, frozen=True, kw_only=True):
    """What is kept of all who wait for an event.

    `stock_ids` are the stocks of the tiers that were sold out while people waited for them: what comes back to these is for the line.
    `namings` counts how often some were added.
    Until `leased_until` (epoch seconds) only the allocator `leased_by` makes offers. The numbers count entries whose offers have ended.
    """

    event_id: str
    stock_ids: frozenset[str] = frozenset()
    namings: int = 0
    leased_by: str | None = None
    leased_until: int = 0
    accepted: int = 0
    declined: int = 0
    expired: int = 0

    @property
    def conversion(self) -> float | None:
        """The share of ended offers that were paid; None before one has ended."""
        ended = self.accepted + self.declined + self.expired
        return round(self.accepted / ended, 4) if ended else None


def event_id_of(entry_id: str) -> str:
    """The event that an entry is in the waitlist of."""
    return entry_id.rpartition(".")[0]


def offer_ends_at(event: Event, tier: Tier, seconds: int, shortest: int, now: int) -> int:
    """When an offer that is made `now` expires: after `seconds`, sooner as the event comes near, but after `shortest` if there is time.

    Never after the last sale of the tier.
    """
    last_sale_at = event.last_sale_at if tier.sale_ends_at is None else min(event.last_sale_at, tier.sale_ends_at)
    left = last_sale_at - now
    return now + min(seconds, max(shortest, left // OFFER_SHARE), left)


class EntryNotFound(NotFound):
    code: ClassVar[str] = "waitlist_entry_not_found"
    default_message: ClassVar[str] = "There is no waitlist entry with this id."


class EntryNotWaiting(ApiError):
    code: ClassVar[str] = "waitlist_entry_not_waiting"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This entry is no longer waiting: it has received an offer, or its owner has left the waitlist."


class TicketsAvailable(ApiError):
    code: ClassVar[str] = "tickets_available"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Tickets are available now, so you can buy them without waiting. The waitlist is for tickets that are sold out or not on sale yet."
    )


class WaitlistClosed(ApiError):
    code: ClassVar[str] = "waitlist_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event has no waitlist."
