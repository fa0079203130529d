"""Capacities through the API: the pool of an event with a capacity of its own, and stock that follows what the catalog says.

A pool is a stock from which the tickets of all tiers of an event are taken too. An event gets it with its first capacity, while it is a
draft, and keeps it; without a capacity the pool has no limit. Before the catalog says so, the shards of the tiers are marked: from then on
an instance that does not know of the pool holds nothing of them. See docs/decisions/0043-capacity-of-events.md.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.catalog import snapshots
from chalicelib.catalog.event_states import EventHasSales
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.dynamodb import dynamo
from chalicelib.foundation.errors import ApiError
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import MAX_HOLDS, CapacityInUse, Shard, Stock, default_shard_count

MAX_ROUNDS = 5
MAX_SHARDS_IN_TRANSACTION = dynamo.MAX_TRANSACT_ITEMS - 3  # with the event or tier, the audit entry and the new revision


class CapacityTooSmall(ApiError):
    """`minimum` is the smallest capacity that the event or tier can have now."""

    code: ClassVar[str] = "capacity_too_small"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The capacity is below the number of tickets sold or on hold."

    def __init__(self, capacity: int, sold: int, held: int) -> None:
        minimum = sold + held
        message = f"{sold} tickets are sold and {held} are on hold. Choose a capacity of {minimum} or more."
        super().__init__(message, capacity=capacity, minimum=minimum, sold=sold, held=held)


class CapacityNeedsDraft(ApiError):
    code: ClassVar[str] = "capacity_needs_draft"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Only a draft can get its first capacity. Unpublish the event first, or limit its ticket types instead."
    )


class CatalogStock(Struct, frozen=True):
    """A stock as the catalog says it should be. The first `created` of its shards exist; a large pool gets the others afterwards."""

    stock_id: str
    shards: int
    created: int
    capacity: int
    is_open: bool
    is_pooled: bool

    @classmethod
    def of_tier(cls, catalog: Catalog, tier: Tier) -> "CatalogStock":
        event = catalog.events[tier.event_id]
        return cls(tier.stock_id, tier.shards, tier.shards, tier.stock_capacity, not event.is_closed, event.pool_id is not None)

    @classmethod
    def of_pool(cls, event: Event) -> "CatalogStock":
        assert event.pool_id is not None
        created = min(event.pool_shards, MAX_SHARDS_IN_TRANSACTION)
        return cls(event.pool_id, event.pool_shards, created, event.pool_capacity, not event.is_closed, False)


def add_pool(catalog: Catalog, event: Event) -> tuple[Event, list[dynamo.TransactItem]]:
    """An event with its first capacity, with its pool, and the transaction items that create the pool.

    Of a large pool they create a part, and `follow_pool` the rest. From now on the tiers sell nothing until the event is saved. Raises
    CapacityNeedsDraft and EventHasSales.
    """
    if event.id in catalog.events:
        if event.status != "draft":
            raise CapacityNeedsDraft(event_id=event.id)
        _mark_tiers(catalog, event.id)
    after = replace(event, pool_id=f"event:{event.id}", pool_shards=default_shard_count(event.pool_capacity))
    pool = CatalogStock.of_pool(after)
    capacity = pool.capacity if pool.created == pool.shards else pool.created * MAX_HOLDS
    shards = inventory.new_shard_items(pool.stock_id, capacity=capacity, sold=0, shard_count=pool.created, is_open=pool.is_open)
    return after, inventory.create_shard_items(shards)


def with_changed_pool(before: Event, after: Event) -> tuple[Event, list[Shard] | None]:
    """The event with as many shards as its new capacity needs, and what `shrink` returns: a pool that gets smaller is so now.

    Raises CapacityTooSmall.
    """
    after = replace(after, pool_shards=max(before.pool_shards, default_shard_count(after.pool_capacity)))
    return after, shrink(CatalogStock.of_pool(before), CatalogStock.of_pool(after))


def shrink(before: CatalogStock, after: CatalogStock) -> list[Shard] | None:
    """Bring a stock to the smaller one of its two capacities, and add the shards of `after`, still empty.

    Returns its shards; None if there was nothing to do. Raises CapacityTooSmall.
    """
    if after.capacity >= before.capacity and after.shards <= before.created:
        return None
    capacity = min(before.capacity, after.capacity)
    try:
        return inventory.resize(before.stock_id, before.created, capacity, grow_to=after.shards)
    except CapacityInUse as error:
        raise CapacityTooSmall(after.capacity, error.details["sold"], error.details["held"]) from None


def follow_tier(tier: Tier, known: Sequence[Shard] | None = None) -> Stock:
    """Bring the stock of a tier to its capacity, after that has changed; returns it. `known`: its shards as `shrink` has just left them."""
    stock = (tier.stock_id, tier.shards, tier.shards, tier.stock_capacity)
    return _follow(*stock, lambda catalog: CatalogStock.of_tier(catalog, catalog.tiers[tier.id]), known)


def follow_pool(event: Event, known: Sequence[Shard] | None = None) -> None:
    """Bring the pool of an event to its capacity, after that has changed or the pool is new. `known` as for `follow_tier`."""
    pool = CatalogStock.of_pool(event)
    stock = (pool.stock_id, pool.created, pool.shards, pool.capacity)
    _follow(*stock, lambda catalog: CatalogStock.of_pool(catalog.events[event.id]), known)


def _follow(
    stock_id: str,
    created: int,
    shards: int,
    capacity: int,
    find: Callable[[Catalog], CatalogStock],
    known: Sequence[Shard] | None = None,
) -> Stock:
    """Bring a stock to a capacity; returns it. Of two changes at once the one that finishes last follows what the catalog says then.

    So the stock is read or written after the catalog has changed, and the catalog is read after that.
    """
    for _ in range(MAX_ROUNDS):
        found = inventory.resize(stock_id, created, capacity, grow_to=shards, known=known)
        known = None
        # New shards were added as the others are, but may have missed a pause or a pool since.
        current = find(snapshots.load_current())
        if current.is_pooled and not all(shard.is_pooled for shard in found):
            inventory.mark_pooled(current.stock_id, current.shards)
        if any(shard.is_open != current.is_open for shard in found):
            inventory.set_open({current.stock_id: current.shards}, current.is_open)
        inventory.invalidate()
        if current.capacity == capacity:
            return replace(Stock.total_of(found), is_open=current.is_open)
        created, shards, capacity = current.created, current.shards, current.capacity
    raise CatalogChanging(retryAfterSeconds=1)


def _mark_tiers(catalog: Catalog, event_id: str) -> None:
    """Let the tiers of a draft sell only together with its pool. Raises EventHasSales if they have sold without one."""
    for tier in catalog.tiers_of(event_id):
        if not inventory.mark_pooled(tier.stock_id, tier.shards):
            raise EventHasSales("Tickets for this event have been sold or reserved. Limit its ticket types instead.", event_id=event_id)
