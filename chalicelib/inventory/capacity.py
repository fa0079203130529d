"""A new capacity for a stock that may be selling: shard by shard, each by condition, so that a crash between is only unfinished."""

from chalicelib import dynamo
from chalicelib.inventory import store
from chalicelib.inventory.model import CapacityInUse, Shard, Stock, shard_ids, split_evenly

ROUNDS = 20


def resize(stock_id: str, shards: int, capacity: int, *, grow_to: int | None = None) -> None:
    """Bring the sum of the shards' capacities to `capacity`; `grow_to` more shards share what is added.

    The target is absolute, so repeating is safe. Raises CapacityInUse, with what is sold and held, when too little is free;
    shards that were made smaller before that was known are made larger again.
    """
    for number in range(shards, grow_to or 0):
        store.create_shard(store.new_shard_item(f"{stock_id}#{number}", capacity=0, sold=0, is_open=_is_open(stock_id, shards)))
    ids = shard_ids(stock_id, max(shards, grow_to or 0))
    before: int | None = None
    for _ in range(ROUNDS):
        found = store.read_shards(ids)
        stock = Stock.of(found)
        before = stock.capacity if before is None else before
        change = capacity - stock.capacity
        if change == 0:
            return
        if change < 0 and stock.available < -change:
            if stock.capacity < before:
                _grow(found, before - stock.capacity)
            raise CapacityInUse(capacity=capacity, sold=stock.sold, held=stock.held)
        _grow(found, change) if change > 0 else _shrink(found, -change)
    raise dynamo.StoreUnavailable("the stock kept changing")


def _is_open(stock_id: str, shards: int) -> bool:
    return Stock.of(store.read_shards(shard_ids(stock_id, shards))).open


def _grow(shards: list[Shard], more: int) -> None:
    """Add where the least is left. A refusal means that somebody resizes too; the next round sees the sum."""
    targets = split_evenly(sum(shard.available for shard in shards) + more, len(shards))
    for shard, target in zip(sorted(shards, key=lambda one: one.available), targets, strict=True):
        share = min(more, max(0, target - shard.available))
        if share and store.resize_shard(shard, shard.capacity + share):
            more -= share


def _shrink(shards: list[Shard], fewer: int) -> None:
    """Take where the most is left, what is free only. A refusal means a sale went first; the next round sees the rest."""
    for shard in sorted(shards, key=lambda one: one.available, reverse=True):
        share = min(fewer, shard.available)
        if share and store.resize_shard(shard, shard.capacity - share):
            fewer -= share
