"""Change the capacity of a stock, also while it is selling.

Each shard is changed by one conditional write, so a crash in between leaves a resize that a repetition completes.
"""

from chalicelib import dynamo
from chalicelib.inventory import store
from chalicelib.inventory.model import CapacityInUse, Shard, Stock, shard_ids, split_evenly

MAX_ROUNDS = 20


def resize(stock_id: str, shard_count: int, capacity: int, *, grow_to: int | None = None) -> None:
    """Set the capacity of a stock with `shard_count` shards; `grow_to` is the new number of shards, if it is to have more.

    `capacity` is the new total, so the call may be repeated. Raises CapacityInUse if too few tickets are free; shards that were
    already made smaller are made larger again.
    """
    for number in range(shard_count, grow_to or 0):
        store.create_shard(store.new_shard_item(f"{stock_id}#{number}", capacity=0, sold=0, is_open=_is_open(stock_id, shard_count)))
    ids = shard_ids(stock_id, max(shard_count, grow_to or 0))
    original_capacity: int | None = None
    for _ in range(MAX_ROUNDS):
        shards = store.read_shards(ids)
        stock = Stock.total_of(shards)
        original_capacity = stock.capacity if original_capacity is None else original_capacity
        change = capacity - stock.capacity
        if change == 0:
            return
        if change < 0 and stock.available < -change:
            if stock.capacity < original_capacity:
                _grow(shards, original_capacity - stock.capacity)
            raise CapacityInUse(capacity=capacity, sold=stock.sold, held=stock.held)
        _grow(shards, change) if change > 0 else _shrink(shards, -change)
    raise dynamo.StoreUnavailable("the stock kept changing while it was resized")


def _is_open(stock_id: str, shard_count: int) -> bool:
    return Stock.total_of(store.read_shards(shard_ids(stock_id, shard_count))).is_open


def _grow(shards: list[Shard], amount: int) -> None:
    """Add capacity to the shards with the fewest tickets. A refused write means a concurrent resize; the next round sees the new total."""
    targets = split_evenly(sum(shard.available for shard in shards) + amount, len(shards))
    for shard, target in zip(sorted(shards, key=lambda shard: shard.available), targets, strict=True):
        share = min(amount, max(0, target - shard.available))
        if share and store.resize_shard(shard, shard.capacity + share):
            amount -= share


def _shrink(shards: list[Shard], amount: int) -> None:
    """Remove free capacity from the shards with the most tickets. A refused write means a sale came first; the next round goes on."""
    for shard in sorted(shards, key=lambda shard: shard.available, reverse=True):
        share = min(amount, shard.available)
        if share and store.resize_shard(shard, shard.capacity - share):
            amount -= share
