"""Events, tiers and display states as buyers meet them, and the rules of when something is for sale. Nothing here touches a store."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from msgspec import Meta, Struct

from chalicelib import clock
from chalicelib.errors import ApiError
from chalicelib.inventory.model import Stock

EventKind = Literal["draft", "active", "past", "cancelled", "test"]
TierStatus = Literal["available", "sold-out", "coming-soon", "closed", "test"]
EventStatus = Literal["scheduled", "on_sale", "sold_out", "closed", "cancelled"]
ManagedBy = Literal["bootstrap", "api"]


class WaitingRoomConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the event's waiting room differs from the settings, in the bootstrap file and in the API; null follows them."""

    enabled: bool = True
    wave_size: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    pass_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    follow_stock: bool = False  # waves no larger than what can still be bought, and than the payment provider takes


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Times are epoch seconds; `ends_at` is the last second. `date` and `end_date` are what the promoter wrote."""

    id: str
    name: str
    venue: str
    starts_at: int
    status: EventKind
    date: str
    managed_by: ManagedBy
    description: str = ""
    end_date: str | None = None
    ends_at: int | None = None
    on_sale_at: int | None = None
    display_order: int = 0
    timezone: str = "UTC"
    image_url: str | None = None
    featured: bool = False
    purchase_limit: int | None = None
    waiting_room: WaitingRoomConfig | None = None
    metadata: dict[str, Any] = {}
    removed: bool = False  # it has gone from the bootstrap file
    created_at: int = 0
    updated_at: int = 0
    paused: bool = False  # kept apart from the event, so that it survives an apply

    def limit(self, default: int) -> int:
        """Tickets of this event for one user; `default` where the event is silent."""
        return self.purchase_limit or default

    @property
    def last_sale_at(self) -> int:
        """The last second in which a ticket may be sold: the end, or the start of an event that says no end."""
        return self.starts_at if self.ends_at is None else self.ends_at


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One kind of ticket. Its stock is in inventory under `stock_id`, in `shards` shards."""

    id: str
    event_id: str
    name: str
    price_cents: int
    currency: str
    capacity: int
    status: TierStatus
    stock_id: str
    shards: int
    managed_by: ManagedBy
    description: str = ""
    per_user_limit: int | None = None
    max_per_transaction: int | None = None
    admits: int = 1
    sale_starts_at: int | None = None
    sale_ends_at: int | None = None
    display_order: int = 0
    stripe_price_id: str | None = None
    availability: dict[str, Any] | None = None  # as in the file
    metadata: dict[str, Any] = {}
    removed: bool = False
    created_at: int = 0
    updated_at: int = 0

    def limit(self, default: int) -> int:
        """Tickets of this tier in one purchase; `default` where the tier is silent."""
        for limit in (self.per_user_limit, self.max_per_transaction):
            if limit is not None:
                return limit
        return default


class DisplayState(Struct, frozen=True, forbid_unknown_fields=True):
    purchasable: bool
    display: bool
    message: str | None = None


DEFAULT_STATES: dict[str, DisplayState] = {
    "available": DisplayState(True, True),
    "sold-out": DisplayState(False, True, "Sold out"),
    "coming-soon": DisplayState(False, True, "On sale soon"),
    "closed": DisplayState(False, False, "Sales have ended"),
    "test": DisplayState(True, False, "Test ticket, not for production"),
}


class CatalogHead(Struct, frozen=True):
    """What is served. Version 0: nothing was applied yet. `at` is epoch seconds, when `by` applied it."""

    version: int = 0
    revision: int = 0
    checksum: str = ""
    at: int = 0
    by: str = ""


class VersionContent(Struct, frozen=True):
    """What a version holds for readers."""

    events: list[Event]
    tiers: list[Tier]
    states: dict[str, DisplayState]


class Catalog(Struct, frozen=True, eq=False):
    """All events and tiers at one revision. Compared by identity: whoever keeps something made from it can tell in no time."""

    version: int
    revision: int
    events: dict[str, Event]
    tiers: dict[str, Tier]
    states: dict[str, DisplayState]
    by_event: dict[str, tuple[Tier, ...]]

    @classmethod
    def of(
        cls,
        events: Iterable[Event],
        tiers: Iterable[Tier],
        states: Mapping[str, DisplayState] | None = None,
        *,
        version: int = 0,
        revision: int = 0,
    ) -> Self:
        by_event: dict[str, list[Tier]] = {}
        known = {tier.id: tier for tier in tiers}
        for tier in sorted(known.values(), key=lambda one: (one.price_cents, one.display_order, one.id)):
            by_event.setdefault(tier.event_id, []).append(tier)
        return cls(
            version=version,
            revision=revision,
            events={event.id: event for event in events},
            tiers=known,
            states={**DEFAULT_STATES, **(states or {})},
            by_event={event_id: tuple(of_event) for event_id, of_event in by_event.items()},
        )

    def tiers_of(self, event_id: str) -> tuple[Tier, ...]:
        """The event's tiers by price, those that are not displayed too."""
        return self.by_event.get(event_id, ())

    def shown_tiers(self, event: Event) -> tuple[Tier, ...]:
        """What a buyer sees of them: by the display state of the tier's status; a test event shows its test tiers."""
        return tuple(
            tier
            for tier in self.tiers_of(event.id)
            if not tier.removed and (self.states[tier.status].display or event.status == tier.status == "test")
        )

    def shard_counts(self, event_ids: Iterable[str]) -> dict[str, int]:
        """Stock id -> number of shards, for all tiers of these events, as `inventory.service.read_stock` takes them."""
        return {tier.stock_id: tier.shards for event_id in event_ids for tier in self.tiers_of(event_id)}


class EventNotOnSale(ApiError):
    code: ClassVar[str] = "event_not_on_sale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event is not on sale."


class TierNotOnSale(ApiError):
    code: ClassVar[str] = "tier_not_on_sale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket is not on sale."


def tier_state(catalog: Catalog, tier: Tier, now: int, stock: Stock | None = None) -> TierStatus:
    """The tier's status by the clock and, where a `stock` is given, by what is left of it."""
    if not catalog.states[tier.status].purchasable:
        return tier.status
    if tier.sale_starts_at is not None and now < tier.sale_starts_at:
        return "coming-soon"
    if tier.sale_ends_at is not None and now > tier.sale_ends_at:
        return "closed"
    if stock is not None and stock.available <= 0:
        return "sold-out"
    return tier.status


def event_phase(event: Event, now: int) -> Literal["scheduled", "open", "closed", "cancelled"]:
    """What the event alone says, before its tiers are asked."""
    if event.status == "cancelled":
        return "cancelled"
    if event.status == "past" or now > event.last_sale_at:
        return "closed"
    return "scheduled" if event.on_sale_at is not None and now < event.on_sale_at else "open"


def event_status(catalog: Catalog, event: Event, now: int, stocks: Mapping[str, Stock]) -> EventStatus:
    """What buyers are told. An event is sold out when nothing is left of all that is for sale now, held tickets included."""
    phase = event_phase(event, now)
    if phase != "open":
        return phase
    tiers = catalog.shown_tiers(event)
    states = {tier_state(catalog, tier, now, stocks.get(tier.stock_id)) for tier in tiers}
    if not tiers or states & {"available", "test"}:
        return "on_sale"
    if "coming-soon" in states:
        return "scheduled"
    return "sold_out" if "sold-out" in states else "closed"


def sale_refusal(catalog: Catalog, event: Event, tier: Tier, now: int, allow_test: bool) -> ApiError | None:
    """Why this tier can't be bought now, or None. How much is left is the stock's to say, and whether the event is paused too."""
    phase = event_phase(event, now)
    if phase != "open":
        on_sale_at = None if event.on_sale_at is None else clock.iso(event.on_sale_at)
        return EventNotOnSale(event_status=phase, on_sale_at=on_sale_at)
    state = "closed" if tier.removed else tier_state(catalog, tier, now)
    if state == "test" and not allow_test:
        state = "closed"
    elif catalog.states[state].purchasable:
        return None
    opens = tier.sale_starts_at if state == "coming-soon" else None
    message = catalog.states[state].message
    return TierNotOnSale(message, tier_id=tier.id, reason=state, sale_starts_at=None if opens is None else clock.iso(opens))
