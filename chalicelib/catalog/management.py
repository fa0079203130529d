"""What admins change: events and tiers of their own, pauses. Each change is one transaction with its audit entry and the head's
revision, so that every instance notices within seconds and nobody changes what somebody else is changing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, ClassVar, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib import clock, dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.model import Catalog, Event, Tier, WaitingRoomConfig
from chalicelib.errors import ApiError, InvalidInput, NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import default_shard_count
from chalicelib.money import Cents, Currency

ATTEMPTS = 5
DEFAULT_CURRENCY = "USD"
MAX_CAPACITY = 1_000_000

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Text = Annotated[str, Meta(max_length=10_000)]
Moment = Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset or Z.")]

Created = TypeVar("Created")


class NewEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """`scheduled` and `on_sale` both publish the event: which of the two it is, the clock says."""

    name: Name
    venue: Name
    starts_at: Moment
    on_sale_at: Moment
    description: Text = ""
    status: Literal["draft", "scheduled", "on_sale"] = "draft"
    waiting_room: WaitingRoomConfig | None = None


class NewTier(Struct, frozen=True, forbid_unknown_fields=True):
    event_id: Annotated[str, Meta(min_length=1, max_length=100)]
    name: Name
    price_cents: Cents
    capacity: Annotated[int, Meta(ge=1, le=MAX_CAPACITY)]
    per_user_limit: Annotated[int, Meta(ge=1, le=50)] | None = None
    description: Text = ""
    currency: Currency | None = None
    admits: Annotated[int, Meta(ge=1, le=100)] = 1
    display_order: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0


class ManagedByBootstrap(ApiError):
    code: ClassVar[str] = "managed_by_bootstrap"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event comes from the bootstrap file; change it there."


class TierNameTaken(ApiError):
    code: ClassVar[str] = "tier_name_taken"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event has a ticket of this name."


class CatalogChanging(ApiError):
    code: ClassVar[str] = "catalog_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Others are changing the catalog; try again."


def create_event(event_id: str, new: NewEvent, actor: str, now: int) -> Event:
    """Create an event under `event_id`; the same again if it exists, since then an earlier execution made it."""
    if new.on_sale_at >= new.starts_at:
        raise InvalidInput("The sale must open before the event starts.", path="$.on_sale_at")
    starts_at = int(new.starts_at.timestamp())
    event = Event(
        id=event_id,
        name=new.name.strip(),
        venue=new.venue.strip(),
        description=new.description,
        starts_at=starts_at,
        on_sale_at=int(new.on_sale_at.timestamp()),
        status="draft" if new.status == "draft" else "active",
        waiting_room=new.waiting_room,
        date=clock.iso(starts_at),
        managed_by="api",
        created_at=now,
        updated_at=now,
    )

    def creation(catalog: Catalog) -> tuple[Event, list[dynamo.TransactItem]]:
        if event_id in catalog.events:
            return catalog.events[event_id], []
        entry = audit.entry_item(f"event#{event_id}", "event.created", actor, now, {"name": event.name, "status": event.status})
        return event, [store.put_event_item(event), entry]

    return _commit(creation)


def create_tier(tier_id: str, new: NewTier, actor: str, now: int) -> Tier:
    """Create a tier with its stock under `tier_id`; the same again if it exists. Its stock is closed while its event is paused."""

    def creation(catalog: Catalog) -> tuple[Tier, list[dynamo.TransactItem]]:
        if tier_id in catalog.tiers:
            return catalog.tiers[tier_id], []
        event = _get_changeable_event(catalog, new.event_id)
        tier = _build_tier(tier_id, new, _currency(catalog, new), now)
        if any(_comparable_name(other.name) == _comparable_name(tier.name) for other in catalog.tiers_of(event.id)):
            raise TierNameTaken(name=tier.name)
        details = {"event_id": event.id, "name": tier.name, "price_cents": tier.price_cents, "capacity": tier.capacity}
        stock = inventory.create_stock_items(
            tier.stock_id, capacity=tier.capacity, sold=0, shard_count=tier.shards, is_open=not event.paused
        )
        return tier, [store.put_tier_item(tier), audit.entry_item(f"tier#{tier_id}", "tier.created", actor, now, details), *stock]

    return _commit(creation)


def set_paused(event_id: str, paused: bool, actor: str, now: int) -> Event:
    """Stop or resume the sale of an event; repeating it finishes what a crash left.

    The flag first, so that shards made from now on are born closed; then the shards, which is what decides.
    """

    def flag(catalog: Catalog) -> tuple[Event, list[dynamo.TransactItem]]:
        event = catalog.events.get(event_id)
        if event is None:
            raise NotFound("There is no such event.", event_id=event_id)
        if event.paused == paused:
            return event, []
        action = "event.paused" if paused else "event.resumed"
        entry = audit.entry_item(f"event#{event_id}", action, actor, now, {})
        return replace(event, paused=paused), [store.set_paused_item(event_id, paused, actor, now), entry]

    event = _commit(flag)
    _apply_pause(event_id, paused)
    return event


def invalidate_everywhere(actor: str, now: int) -> None:
    """Let every instance load the catalog again, this one at once, the others when they next look at the head."""
    dynamo.transact([store.bump_revision_item(), audit.entry_item("catalog", "catalog.invalidated", actor, now, {})])
    snapshots.invalidate()
    inventory.invalidate()


def _commit(make: Callable[[Catalog], tuple[Created, list[dynamo.TransactItem]]]) -> Created:
    """Commit what `make` says about the catalog as it is, if the catalog is still so; no items: nothing to do."""
    for _ in range(ATTEMPTS):
        catalog = snapshots.load_current()
        made, items = make(catalog)
        if not items:
            return made
        try:
            dynamo.transact([store.bump_revision_item(catalog.revision), *items])
        except dynamo.TransactionCanceled:
            continue  # somebody else changed the catalog between our read and our write; look again
        snapshots.invalidate()
        return made
    raise CatalogChanging(retryAfterSeconds=1)


def _apply_pause(event_id: str, paused: bool) -> None:
    """Bring the shards to the flag. Who pauses and who resumes may run at once: whoever ends last follows the flag."""
    for _ in range(ATTEMPTS):
        for stock_id, shards in snapshots.load_current().shard_counts([event_id]).items():
            inventory.set_open(stock_id, shards, not paused)
        inventory.invalidate()
        flag = store.is_paused(event_id)
        if flag == paused:
            return
        paused = flag
    raise CatalogChanging(retryAfterSeconds=1)


def _get_changeable_event(catalog: Catalog, event_id: str) -> Event:
    event = catalog.events.get(event_id)
    if event is None:
        raise NotFound("There is no such event.", event_id=event_id)
    if event.managed_by == "bootstrap":
        raise ManagedByBootstrap(event_id=event_id)
    return event


def _build_tier(tier_id: str, new: NewTier, currency: str, now: int) -> Tier:
    limit = new.per_user_limit
    return Tier(
        id=tier_id,
        event_id=new.event_id,
        name=new.name.strip(),
        description=new.description,
        price_cents=new.price_cents,
        currency=currency,
        capacity=new.capacity,
        per_user_limit=settings.current().tier_purchase_limit if limit is None else limit,
        admits=new.admits,
        display_order=new.display_order,
        status="available",
        stock_id=tier_id,
        shards=default_shard_count(new.capacity),
        managed_by="api",
        created_at=now,
        updated_at=now,
    )


def _currency(catalog: Catalog, new: NewTier) -> str:
    """An event has one currency: that of its first tier."""
    others = {tier.currency for tier in catalog.tiers_of(new.event_id)}
    chosen = new.currency or next(iter(others), DEFAULT_CURRENCY)
    if others and chosen not in others:
        raise InvalidInput(f"The event's other tickets are sold in {', '.join(sorted(others))}.", path="$.currency")
    return chosen


def _comparable_name(name: str) -> str:
    """Names that people can't tell apart are the same."""
    return " ".join(name.split()).casefold()
