"""Capacities set through the API: create event pools, and resize stock to the capacity in the catalog.

Every ticket of an event with a pool is also taken from the pool. An event gets its pool with its first capacity, while it is a draft, and
keeps it for good; if the capacity is removed, the pool has no limit. Before the catalog refers to a new pool, the shards of the tiers are
marked, so that an instance that does not know the pool yet cannot hold tickets of these tiers. See
docs/decisions/0043-capacity-of-events.md.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import snapshots
from chalicelib.catalog.event_states import EventHasSales
from chalicelib.catalog.forms import check_date_capacity
from chalicelib.catalog.model import Catalog, Event, EventDate, ReleaseTo, Tier
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import addons
from chalicelib.foundation.errors import ApiError
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.capacity import resize_stock, resize_stock_items
from chalicelib.inventory.display import invalidate_figures
from chalicelib.inventory.model import MAX_HOLDS, CapacityInUse, Shard, Stock, default_shard_count

MAX_ROUNDS = 5
NO_STOCK_LEFT: Mapping[str, Any] = {"capacity": 0, "holdbacks": []}  # the values of a deleted tier, for `count_writes`
# Leaves room for the event or tier, the audit entry, the head, the log, and two entries of the stock ledger.
MAX_SHARDS_IN_TRANSACTION = dynamo.MAX_TRANSACT_ITEMS - 6


class CapacityTooSmall(ApiError):
    """The new capacity is below the number of sold, held and held-back tickets; `minimum` is the smallest capacity allowed now."""

    code: ClassVar[str] = "capacity_too_small"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The capacity is below the number of tickets sold or on hold."

    def __init__(self, capacity: int, sold: int, held: int, held_back: int = 0) -> None:
        minimum = sold + held + held_back
        figures = f"{sold} tickets are sold, {held} are on hold and {held_back} are held back"
        if not held_back:
            figures = f"{sold} tickets are sold and {held} are on hold"
        message = f"{figures}. Choose a capacity of {minimum} or more."
        super().__init__(message, capacity=capacity, minimum=minimum, sold=sold, held=held, held_back=held_back)


class HoldbacksTooLarge(ApiError):
    """More tickets would be held back than are free; `maximum` is the largest number that the tier can hold back now."""

    code: ClassVar[str] = "holdbacks_too_large"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Too few tickets are free to hold back this many."

    def __init__(self, held_back: int, maximum: int, sold: int, held: int) -> None:
        message = f"{sold} tickets are sold and {held} are on hold, so at most {maximum} can be held back. Choose smaller quantities."
        super().__init__(message, path="$.holdbacks", held_back=held_back, maximum=maximum, sold=sold, held=held)


class HoldbackInUse(ApiError):
    """More tickets were issued or sold from a holdback than it would have; `minimum` is its smallest quantity now."""

    code: ClassVar[str] = "holdback_in_use"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Tickets were issued or sold from this holdback."

    def __init__(self, holdback_id: str, issued: int) -> None:
        message = f"{issued} tickets were issued or sold from the holdback {holdback_id}. Keep a quantity of {issued} or more."
        super().__init__(message, path="$.holdbacks", holdback_id=holdback_id, minimum=issued)


class HoldbackReleased(ApiError):
    code: ClassVar[str] = "holdback_released"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This holdback has been released, so no more tickets can be issued from it."


class CapacityNeedsDraft(ApiError):
    code: ClassVar[str] = "capacity_needs_draft"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Only a draft can get its first capacity. Unpublish the event first, or limit its ticket types instead."
    )


def count_writes(values: Mapping[str, Any], event_id: str, tier_id: str | None = None) -> int:
    """Return how many shards the new `values` of an event or of a tier may write. They cost nothing if they change no stock."""
    catalog = snapshots.snapshot_with_drafts()
    event, tier = catalog.events.get(event_id), catalog.tiers.get(tier_id or "")
    if event is None:
        return 0
    changed = {name for name in ("capacity", "holdbacks") if name in values and values[name] != getattr(tier or event, name)}
    shards = 0
    if changed and tier is not None:
        shards = max(tier.shards, _tier_shards(values["capacity"], event) if "capacity" in changed else 0)
    if "holdbacks" in changed or (changed and tier is None):
        shards += event.pool_shards
    if changed and tier is None and event.pool_id is None:  # the first capacity also marks the shards of all tiers
        shards += default_shard_count(values["capacity"]) + sum(other.shards for other in catalog.listed_tiers(event_id))
    return shards


def count_new_shards(event_id: str, capacity: int | None, held_back: int) -> int:
    """Return how many shards the creation of a tier writes. A pool changes by at most one shard for each ticket held back."""
    event = snapshots.snapshot_with_drafts().events.get(event_id)
    return 0 if event is None else _tier_shards(capacity, event) + min(event.pool_shards, held_back)


def _tier_shards(capacity: int | None, event: Event) -> int:
    return default_shard_count(event.pool_limit if capacity is None else capacity)


class CatalogStock(Struct, frozen=True):
    """A stock as the catalog defines it. The first `created` shards exist from the start; a large pool gets its other shards later.

    `capacity` does not include the `held_back` tickets.
    """

    stock_id: str
    shards: int
    created: int
    capacity: int
    is_open: bool
    is_pooled: bool
    held_back: int

    @classmethod
    def from_tier(cls, catalog: Catalog, tier: Tier) -> "CatalogStock":
        event = catalog.events[tier.event_id]
        is_pooled, held_back = event.pool_id is not None, tier.stock_limit - tier.stock_capacity
        return cls(tier.stock_id, tier.shards, tier.shards, tier.stock_capacity, not event.is_closed, is_pooled, held_back)

    @classmethod
    def from_pool(cls, catalog: Catalog, event: Event) -> "CatalogStock":
        assert event.pool_id is not None
        created, capacity = min(event.pool_shards, MAX_SHARDS_IN_TRANSACTION), catalog.pool_capacity(event)
        return cls(event.pool_id, event.pool_shards, created, capacity, not event.is_closed, False, event.pool_limit - capacity)


def add_pool(catalog: Catalog, event: Event) -> tuple[Event, list[dynamo.TransactItem]]:
    """Add a pool to an event that gets its first capacity. Returns the event, and the transaction items that create the pool.

    For a large pool, the items create only the first shards, and `resize_pool` adds the rest. From this call until the event is saved, the
    event's tiers sell nothing. Raises CapacityNeedsDraft, EventHasSales and CapacityTooSmall.
    """
    if event.id in catalog.events and event.status != "draft":
        raise CapacityNeedsDraft(event_id=event.id)
    after = replace(event, pool_id=f"event:{event.id}", pool_shards=default_shard_count(event.pool_limit))
    pool = CatalogStock.from_pool(catalog, after)
    if pool.capacity < 0:
        raise CapacityTooSmall(event.pool_limit, 0, 0, pool.held_back)
    if event.id in catalog.events:
        _mark_tiers(catalog, event.id)
    capacity = pool.capacity if pool.created == pool.shards else min(pool.capacity, pool.created * MAX_HOLDS)
    shards = inventory.new_shards(pool.stock_id, capacity=capacity, sold=0, shard_count=pool.created, is_open=pool.is_open)
    return after, inventory.create_shard_items(shards)


def with_changed_pool(catalog: Catalog, before: Event, after: Event) -> tuple[Event, list[Shard] | None]:
    """Shrink the pool if the new capacity is smaller. Returns the event with its new number of shards, and the result of `_shrink`.

    Raises CapacityTooSmall.
    """
    after = replace(after, pool_shards=max(before.pool_shards, default_shard_count(after.pool_limit)))
    pool = CatalogStock.from_pool(catalog, after)
    try:
        return after, _shrink(CatalogStock.from_pool(catalog, before), pool)
    except CapacityInUse as error:
        raise pool_refusal(catalog, after, error) from None


def pool_refusal(catalog: Catalog, event: Event, error: CapacityInUse) -> CapacityTooSmall:
    """Return the error for a change to an event whose pool has too few free tickets."""
    held_back = event.pool_limit - catalog.pool_capacity(event)
    return CapacityTooSmall(event.pool_limit, int(error.details["sold"]), int(error.details["held"]), held_back)


def shrink_stocks(catalog: Catalog, before: Tier | None, after: Tier) -> list[Shard] | None:
    """Shrink the stock of a changed tier, and the event's pool if a new or changed tier holds back more. Returns the result of `_shrink`.

    `before` is None for a new tier, whose stock does not exist yet. Raises CapacityTooSmall and HoldbacksTooLarge.
    """
    shards = None
    if before is not None:
        stock, new_stock = CatalogStock.from_tier(catalog, before), CatalogStock.from_tier(catalog, after)
        try:
            shards = _shrink(stock, new_stock)
        except CapacityInUse as error:
            raise refusal(after, error, is_by_holdbacks=after.holdbacks != before.holdbacks) from None
    event, more = catalog.events[after.event_id], after.held_back - (0 if before is None else before.held_back)
    if event.pool_id is not None and event.capacity is not None and more > 0:
        pool = CatalogStock.from_pool(catalog, event)
        try:
            _shrink(pool, replace(pool, capacity=pool.capacity - more))
        except CapacityInUse as error:
            raise refusal(after, error, is_by_holdbacks=True) from None
    return shards


def holdback_stock_items(before: Tier, after: Tier) -> list[dynamo.TransactItem]:
    """Return the transaction items that give the stocks of a changed tier's holdbacks their new capacities.

    The transaction must also write the tier. So a holdback's stock always has the capacity in the catalog, and nobody can issue more
    tickets than the holdback has. Raises HoldbackInUse.
    """
    items: list[dynamo.TransactItem] = []
    for holdback_id in before.issuing:
        capacity = after.holdback_capacity(holdback_id)
        if capacity == before.holdback_capacity(holdback_id):
            continue
        try:
            items += resize_stock_items(before.holdback_stock_id(holdback_id), 1, capacity, grow_to=1)
        except CapacityInUse as error:
            raise HoldbackInUse(holdback_id, int(error.details["sold"]) + int(error.details["held"])) from None
    return items


def issued_counts(tier: Tier) -> dict[str, int]:
    """Return how many tickets of each holdback that has a stock are issued, sold, or held by a quota of the box office.

    Reads nothing if no holdback has a stock.
    """
    stocks = read_stock(tier.holdback_shard_counts) if tier.issuing else {}
    found = {holdback_id: stocks[tier.holdback_stock_id(holdback_id)] for holdback_id in tier.issuing}
    return {holdback_id: stock.sold + stock.held for holdback_id, stock in found.items()}


def refusal(tier: Tier, error: CapacityInUse, *, is_by_holdbacks: bool) -> CapacityTooSmall | HoldbacksTooLarge:
    """Return the error for a change to a tier if the tier's stock or the event's pool has too few free tickets."""
    capacity, sold, held = (int(error.details[name]) for name in ("capacity", "sold", "held"))
    if is_by_holdbacks:
        return HoldbacksTooLarge(tier.held_back, max(0, tier.held_back + capacity - sold - held), sold, held)
    held_back = tier.stock_limit - tier.stock_capacity
    return CapacityTooSmall(capacity + held_back, sold, held, held_back)


def resize_stocks(tier: Tier, known: Sequence[Shard] | None = None, *, with_pool: bool, released_to: ReleaseTo | None = None) -> Stock:
    """Resize the stock of a changed tier, and the event's pool if the tier's holdbacks have changed. Returns the tier's stock.

    `known` are the shards of the tier's stock as `_shrink` left them. `released_to` says who gets released tickets: the add-ons prepare the
    stock before it grows, so that the first tickets already go to the right people. They do so again afterwards, because the waitlist may
    have taken the sold-out stock for its line in the meantime.
    """
    prepare = partial(prepare_release, tier, released_to) if released_to is not None else None
    if prepare is not None:
        prepare()
    if with_pool:
        complete_pool(tier.event_id)
    stock = resize_tier_stock(tier, None if prepare is not None else known)
    if prepare is not None:
        prepare()
    return stock


def released_to(before: Tier, after: Tier) -> ReleaseTo | None:
    """Return who gets the tickets that a change releases from holdbacks, or None if it releases none."""
    kept = {holdback.id: holdback.quantity for holdback in after.active_holdbacks}
    released = [holdback for holdback in before.active_holdbacks if holdback.quantity > kept.get(holdback.id, 0)]
    return common_release_to(holdback.release_to for holdback in released) if released else None


def common_release_to(several: Iterable[ReleaseTo]) -> ReleaseTo:
    """Return who gets tickets that are released together: the waitlist, unless all releases name the same people."""
    named = set(several)
    return named.pop() if len(named) == 1 else "waitlist"


def prepare_release(tier: Tier, to: ReleaseTo) -> None:
    """Let the add-ons prepare the stock of a tier for tickets that are about to be added."""
    catalog = snapshots.load_current()
    for prepare in addons.hooks("prepare_release"):
        prepare(catalog, catalog.events[tier.event_id], tier, to)


def check_date_capacities(event: Event, tiers: Iterable[Tier], path: str | None = None, dates: Sequence[EventDate] = ()) -> None:
    """Raise InvalidInput if an event could sell too many tickets for a date. `tiers` are all its tiers that are not deleted.

    The error names `path`, or else the date's place in `dates`. If a stock is larger than in the catalog, its own size counts, because its
    tickets can be sold until a smaller capacity takes effect. Reads the stocks only if a date has a capacity.
    """
    limited = [date for date in event.dates if date.capacity is not None]
    concerned = [tier for tier in tiers if any(tier.is_valid_on(date.id) for date in limited)]
    if not concerned:
        return
    counts = {tier.stock_id: tier.shards for tier in concerned} | ({event.pool_id: event.pool_shards} if event.pool_id is not None else {})
    sizes = {stock_id: stock.capacity for stock_id, stock in read_stock(counts).items()}
    limits = {tier.id: max(tier.stock_limit, sizes.get(tier.stock_id, 0) + tier.stock_limit - tier.stock_capacity) for tier in concerned}
    event_limit = max(event.pool_limit, sizes.get(event.pool_id or "", 0))
    for date in limited:
        valid = [limits[tier.id] for tier in concerned if tier.is_valid_on(date.id)]
        check_date_capacity(date, valid, event_limit, path or f"$.dates[{[other.id for other in dates].index(date.id)}].capacity")


def complete_pool(event_id: str) -> None:
    """Resize the pool of an event, if it has one, after a change to its tiers' holdbacks has been committed or refused."""
    catalog = snapshots.load_current()
    event = catalog.events[event_id]
    if event.pool_id is not None:
        resize_pool(catalog, event)


def _shrink(before: CatalogStock, after: CatalogStock) -> list[Shard] | None:
    """Resize a stock to the smaller of the two capacities, and add the new shards of `after`, which stay empty for now.

    Returns the shards, or None if there was nothing to do. Raises CapacityInUse.
    """
    if after.capacity >= before.capacity and after.shards <= before.created:
        return None
    return resize_stock(before.stock_id, before.created, min(before.capacity, after.capacity), grow_to=after.shards)


def resize_tier_stock(tier: Tier, known: Sequence[Shard] | None = None) -> Stock:
    """Resize a tier's stock to the tier's changed capacity. Returns the stock as people see it.

    `known` are the stock's shards as `_shrink` left them.
    """
    stock = (tier.stock_id, tier.shards, tier.shards, tier.stock_capacity)
    return _resize_stock(*stock, lambda catalog: CatalogStock.from_tier(catalog, catalog.tiers[tier.id]), known)


def resize_pool(catalog: Catalog, event: Event, known: Sequence[Shard] | None = None) -> None:
    """Resize the pool of an event to its capacity in the catalog. `known` are the pool's shards as `_shrink` left them."""
    pool = CatalogStock.from_pool(catalog, event)
    stock = (pool.stock_id, pool.created, pool.shards, pool.capacity)
    _resize_stock(*stock, lambda catalog: CatalogStock.from_pool(catalog, catalog.events[event.id]), known)


def _resize_stock(
    stock_id: str,
    created: int,
    shards: int,
    capacity: int,
    find: Callable[[Catalog], CatalogStock],
    known: Sequence[Shard] | None = None,
) -> Stock:
    """Resize a stock to a capacity. Returns the stock as people see it.

    If two changes run at once, the last one to finish applies the capacity that the catalog has by then. To ensure this, the function is
    called after the catalog has changed, and reads the catalog again after it has resized the stock.
    """
    for _ in range(MAX_ROUNDS):
        found = resize_stock(stock_id, created, capacity, grow_to=shards, known=known)
        known = None
        # New shards copy the state of the other shards, but may have missed a later pause or a new pool.
        current = find(snapshots.load_current())
        if current.is_pooled and not all(shard.is_pooled for shard in found):
            inventory.mark_pooled(current.stock_id, current.shards)
        if any(shard.is_open != current.is_open for shard in found):
            inventory.set_open({current.stock_id: current.shards}, current.is_open)
        invalidate_figures()
        if current.capacity == capacity:
            return replace(Stock.shown_of(found), is_open=current.is_open)
        created, shards, capacity = current.created, current.shards, current.capacity
    raise CatalogChanging(retry_after_seconds=1)


def _mark_tiers(catalog: Catalog, event_id: str) -> None:
    """Mark the tiers of a draft, so that they sell only with the event's pool. Raises EventHasSales if they already have sales."""
    for tier in catalog.listed_tiers(event_id):
        if not inventory.mark_pooled(tier.stock_id, tier.shards):
            raise EventHasSales("Tickets for this event have been sold or reserved. Limit its ticket types instead.", event_id=event_id)
