"""What admins change: they create events and tiers, and pause and resume sales.

Each change is one transaction with its audit entry and a new revision of the catalog. So all instances see it within seconds, and
of two concurrent changes the second is built again on the result of the first.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib import clock, dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.catalog import publications, snapshots, store
from chalicelib.catalog.model import Catalog, Event, Tier, WaitingRoomConfig
from chalicelib.errors import ApiError, InvalidInput, NotFound
from chalicelib.ids import Id
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import default_shard_count
from chalicelib.money import Cents, Currency

MAX_ATTEMPTS = 5
DEFAULT_CURRENCY = "USD"
MAX_CAPACITY = 1_000_000
MAX_SHARDS_IN_TRANSACTION = dynamo.MAX_TRANSACT_ITEMS - 3  # with the tier, the audit entry and the new revision

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
Text = Annotated[str, Meta(max_length=10_000)]
Moment = Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset or Z.")]

T = TypeVar("T")


class NewEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """An event to create. `scheduled` and `on_sale` both publish it: which of the two it is depends on `on_sale_at`."""

    name: Name
    venue: Name
    starts_at: Moment
    on_sale_at: Moment
    description: Text = ""
    status: Literal["draft", "scheduled", "on_sale"] = "draft"
    waiting_room: WaitingRoomConfig | None = None


class NewTier(Struct, frozen=True, forbid_unknown_fields=True):
    """A tier to create."""

    event_id: Id
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
    default_message: ClassVar[str] = "This event is managed by the bootstrap file. Change it there and apply the file."


class TierNameTaken(ApiError):
    code: ClassVar[str] = "tier_name_taken"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The event already has a ticket type with this name. Choose another name."


class CatalogChanging(ApiError):
    code: ClassVar[str] = "catalog_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Other admins are changing the catalog at this moment. Try again."


def create_event(event_id: str, new: NewEvent, actor: str, now: int) -> Event:
    """Create an event. If `event_id` exists, an earlier execution created it, and it is returned unchanged."""
    starts_at, on_sale_at = _epoch_seconds("starts_at", new.starts_at), _epoch_seconds("on_sale_at", new.on_sale_at)
    if new.on_sale_at >= new.starts_at:
        raise InvalidInput("The sale must open before the event starts. Choose an earlier `on_sale_at`.", path="$.on_sale_at")
    event = Event(
        id=event_id,
        name=new.name.strip(),
        venue=new.venue.strip(),
        description=new.description,
        starts_at=starts_at,
        on_sale_at=on_sale_at,
        status="draft" if new.status == "draft" else "active",
        waiting_room=new.waiting_room,
        date=clock.iso(starts_at),
        managed_by="api",
        created_at=now,
        updated_at=now,
    )

    def build(catalog: Catalog) -> _Change[Event]:
        if event_id in catalog.events:
            return _Change(catalog.events[event_id], [])
        entry = audit.entry_item(f"event#{event_id}", "event.created", actor, now, {"name": event.name, "status": event.status})
        return _Change(event, [store.create_event_item(event), entry])

    return _commit(build)


def create_tier(tier_id: str, new: NewTier, actor: str, now: int) -> Tier:
    """Create a tier with its stock, which is closed while the event is paused. If `tier_id` exists, it is returned unchanged.

    Stock that is too large for the transaction is written before it, as a publication.
    """
    if default_shard_count(new.capacity) <= MAX_SHARDS_IN_TRANSACTION:
        return _create_tier(tier_id, new, actor, now, None)
    with publications.open_publication(now) as publication:
        tier = _create_tier(tier_id, new, actor, now, publication)
        if tier.stock_id != publication.stock_id(tier_id):  # an earlier execution has created it
            publication.discard()
    return tier


def set_paused(event_id: str, paused: bool, actor: str, now: int) -> Event:
    """Pause or resume the sale of an event. Repeating the call completes a pause that was interrupted by a crash.

    The event's flag is set first, so that new shards are created closed; then the shards, which decide what is sold.
    """

    def build(catalog: Catalog) -> _Change[Event]:
        event = catalog.events.get(event_id)
        if event is None:
            raise NotFound("There is no event with this id.", event_id=event_id)
        if event.paused == paused:
            return _Change(event, [])
        action = "event.paused" if paused else "event.resumed"
        entry = audit.entry_item(f"event#{event_id}", action, actor, now, {})
        return _Change(replace(event, paused=paused), [store.set_paused_item(event_id, paused, actor, now), entry])

    event = _commit(build)
    _apply_pause(event_id, paused)
    return event


def invalidate_everywhere(actor: str, now: int) -> None:
    """Make all instances load the catalog again: this one at once, the others when they next read the head."""
    dynamo.transact([store.increment_revision_item(), audit.entry_item("catalog", "catalog.invalidated", actor, now, {})])
    snapshots.invalidate()
    inventory.invalidate()


def _create_tier(tier_id: str, new: NewTier, actor: str, now: int, publication: publications.Publication | None) -> Tier:
    stock_id = tier_id if publication is None else publication.stock_id(tier_id)

    def build(catalog: Catalog) -> _Change[Tier]:
        if tier_id in catalog.tiers:
            return _Change(catalog.tiers[tier_id], [])
        event = _get_changeable_event(catalog, new.event_id)
        tier = _build_tier(tier_id, stock_id, new, _currency(catalog, new), now)
        if any(_comparable_name(other.name) == _comparable_name(tier.name) for other in catalog.tiers_of(event.id)):
            raise TierNameTaken(name=tier.name)
        details = {"event_id": event.id, "name": tier.name, "price_cents": tier.price_cents, "capacity": tier.capacity}
        entry = audit.entry_item(f"tier#{tier_id}", "tier.created", actor, now, details)
        is_open = not event.paused
        shards = inventory.new_shard_items(stock_id, capacity=tier.capacity, sold=0, shard_count=tier.shards, is_open=is_open)
        return _Change(tier, [store.create_tier_item(tier), entry, *_stock_items(shards, publication)])

    return _commit(build)


def _stock_items(shards: list[dict[str, Any]], publication: publications.Publication | None) -> list[dynamo.TransactItem]:
    """Transaction items that create the shards; or, for a publication, write them now and return the item that ends it."""
    if publication is None:
        return inventory.create_shard_items(shards)
    publication.write_shards(shards)
    return [publication.end_item()]


class _Change(Struct, Generic[T], frozen=True):
    """A change of the catalog: its result, and the transaction items that make it; none if there is nothing to change."""

    result: T
    items: list[dynamo.TransactItem]


def _commit(build: Callable[[Catalog], _Change[T]]) -> T:
    """Build a change on the current catalog and commit it; after a conflict, build it again on the catalog as it is then."""
    for _ in range(MAX_ATTEMPTS):
        try:
            return _try_commit(build)
        except dynamo.TransactionCanceled:
            continue
    raise CatalogChanging(retryAfterSeconds=1)


def _try_commit(build: Callable[[Catalog], _Change[T]]) -> T:
    """Build a change and commit it once; raises TransactionCanceled if the catalog was changed after it was read."""
    catalog = snapshots.load_current()
    change = build(catalog)
    if change.items:
        dynamo.transact([store.increment_revision_item(catalog.revision), *change.items])
        snapshots.invalidate()
    return change.result


def _apply_pause(event_id: str, paused: bool) -> None:
    """Open or close the shards. A pause and a resume may run concurrently: the one that finishes last follows the event's flag."""
    for _ in range(MAX_ATTEMPTS):
        for stock_id, shard_count in snapshots.load_current().shard_counts([event_id]).items():
            inventory.set_open(stock_id, shard_count, not paused)
        inventory.invalidate()
        paused_now = store.is_paused(event_id)
        if paused_now == paused:
            return
        paused = paused_now
    raise CatalogChanging(retryAfterSeconds=1)


def _epoch_seconds(field: str, moment: datetime) -> int:
    try:
        return clock.epoch_seconds(moment)
    except ValueError as error:
        raise InvalidInput(f"In `{field}`, {error}.", path=f"$.{field}") from None


def _get_changeable_event(catalog: Catalog, event_id: str) -> Event:
    """An event that was created through the API; raises NotFound or ManagedByBootstrap."""
    event = catalog.events.get(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    if event.managed_by == "bootstrap":
        raise ManagedByBootstrap(event_id=event_id)
    return event


def _build_tier(tier_id: str, stock_id: str, new: NewTier, currency: str, now: int) -> Tier:
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
        stock_id=stock_id,
        shards=default_shard_count(new.capacity),
        managed_by="api",
        created_at=now,
        updated_at=now,
    )


def _currency(catalog: Catalog, new: NewTier) -> str:
    """The tier's currency, by default that of the event's other tiers; raises InvalidInput if it is another one."""
    existing = {tier.currency for tier in catalog.tiers_of(new.event_id)}
    currency = new.currency or next(iter(existing), DEFAULT_CURRENCY)
    if existing and currency not in existing:
        message = f"The other tickets of this event are sold in {', '.join(sorted(existing))}. Use the same currency."
        raise InvalidInput(message, path="$.currency")
    return currency


def _comparable_name(name: str) -> str:
    """Names that differ only in case or white space are the same for people, and so here."""
    return " ".join(name.split()).casefold()
