"""Change the capacity of a stock, also while it is selling.

`resize` changes each shard by one conditional write, so a crash in between leaves a resize that a repetition completes. `resize_items`
is for a stock of few shards, which changes in one transaction with what else says how large it is.
"""

from chalicelib import dynamo, parallel
from chalicelib.inventory import store
from chalicelib.inventory.model import CapacityInUse, Shard, Stock, level, shard_ids

MAX_ROUNDS = 20


def resize(stock_id: str, shard_count: int, capacity: int, *, grow_to: int | None = None) -> list[Shard]:
    """Set the capacity of a stock with `shard_count` shards; `grow_to` is the new number of shards, if it is to have more.

    New shards are filled by what the capacity grows; tickets never move from one shard to another. `capacity` is the new total, so the
    call may be repeated. Returns the shards as they were read last.

    Raises CapacityInUse if too few tickets are free; shards that were already made smaller are made larger again.
    """
    ids = shard_ids(stock_id, max(shard_count, grow_to or 0))
    if len(ids) > shard_count:
        known = store.read_shards(ids[:shard_count])
        marks = {"is_pooled": any(shard.is_pooled for shard in known), "is_kept": any(shard.is_kept for shard in known)}
        _create_empty(ids[shard_count:], is_open=Stock.total_of(known).is_open, **marks)
    original_capacity: int | None = None
    for _ in range(MAX_ROUNDS):
        shards = store.read_shards(ids)
        stock = Stock.total_of(shards)
        original_capacity = stock.capacity if original_capacity is None else original_capacity
        change = capacity - stock.capacity
        if change == 0:
            return shards
        if change < 0 and stock.available < -change:
            if stock.capacity < original_capacity:
                _change_available(shards, original_capacity - stock.capacity)
            raise CapacityInUse(capacity=capacity, sold=stock.sold, held=stock.held)
        _change_available(shards, change)
    raise dynamo.StoreUnavailable("the stock kept changing while it was resized")


def resize_items(stock_id: str, shard_count: int, capacity: int, *, grow_to: int) -> list[dynamo.TransactItem]:
    """Transaction items that set the capacity of a stock, which gets `grow_to` shards. They fail if it is resized or runs short meanwhile.

    Raises CapacityInUse if too few tickets are free.
    """
    shards = store.read_shards(shard_ids(stock_id, shard_count))
    stock = Stock.total_of(shards)
    change = capacity - stock.capacity
    if stock.available < -change:
        raise CapacityInUse(capacity=capacity, sold=stock.sold, held=stock.held)
    new_ids = shard_ids(stock_id, grow_to)[shard_count:]
    targets = level([shard.available for shard in shards] + [0] * len(new_ids), change)
    resized = [
        store.resize_shard_item(shard, shard.capacity + target - shard.available)
        for shard, target in zip(shards, targets, strict=False)
        if target != shard.available
    ]
    new = [
        store.new_shard_item(shard_id, capacity=target, sold=0, is_open=stock.is_open, is_kept=any(shard.is_kept for shard in shards))
        for shard_id, target in zip(new_ids, targets[len(shards) :], strict=True)
    ]
    return [*resized, *map(store.create_shard_item, new)]


def _create_empty(ids: list[str], *, is_open: bool, is_pooled: bool, is_kept: bool) -> None:
    """Create those of the shards that do not exist, without tickets."""
    marks = {"is_open": is_open, "is_pooled": is_pooled, "is_kept": is_kept}
    items = [store.new_shard_item(shard_id, capacity=0, sold=0, **marks) for shard_id in ids]
    parallel.call_each(store.create_shard, items)


def _change_available(shards: list[Shard], change: int) -> None:
    """Add capacity to the shards with the fewest tickets, or remove it from those with the most.

    A write is refused if a sale or another resize came first; then the next round goes on from what it finds.
    """
    targets = level([shard.available for shard in shards], change)
    changed = [(shard, target - shard.available) for shard, target in zip(shards, targets, strict=True) if target != shard.available]
    parallel.call_each(lambda entry: store.resize_shard(entry[0], entry[0].capacity + entry[1]), changed)
