"""Change the capacity of a stock, even while it is on sale, and sell tickets without holding them first.

`resize_stock` changes each shard with one conditional write. A crash in between leaves a partial resize, which a repeated call completes.
`resize_stock_items` resizes a stock with few shards, in one transaction with the other items that depend on its capacity.
`DirectSale` records tickets that another system has sold.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.inventory import store
from chalicelib.inventory.model import CapacityInUse, NotEnoughTickets, Shard, Stock, level, shard_ids

MAX_ROUNDS = 20


def resize_stock(
    stock_id: str, shard_count: int, capacity: int, *, grow_to: int | None = None, known: Sequence[Shard] | None = None
) -> list[Shard]:
    """Set the capacity of a stock with `shard_count` shards; `grow_to` is the new number of shards, if the stock needs more.

    Only added capacity goes to new shards; tickets never move from one shard to another. `capacity` is the new total, so the call may be
    repeated. `known` are all shards as the caller last read or wrote them, which saves a read if the capacity must change. Returns the
    shards as they were last read or written.

    Raises CapacityInUse if too few tickets are free; shards that were already made smaller are enlarged again.
    """
    ids = shard_ids(stock_id, max(shard_count, grow_to or 0))
    if known is not None and Stock.total_of(known).capacity != capacity:
        shards = list(known)  # if they have changed since, the conditional writes fail
    else:
        shards = _create_missing(ids, shard_count, store.read_shards(ids))
    original_capacity: int | None = None
    for _ in range(MAX_ROUNDS):
        shards = shards or store.read_shards(ids)
        stock = Stock.total_of(shards)
        original_capacity = stock.capacity if original_capacity is None else original_capacity
        change = capacity - stock.capacity
        if change == 0:
            return shards
        if change < 0 and stock.available < -change:
            if stock.capacity < original_capacity:
                _change_available(shards, original_capacity - stock.capacity)
            raise CapacityInUse(capacity=capacity, sold=stock.sold, held=stock.held)
        shards = _change_available(shards, change)
    raise dynamo.Contention("the stock kept changing while it was resized")


def resize_stock_items(stock_id: str, shard_count: int, capacity: int, *, grow_to: int) -> list[dynamo.TransactItem]:
    """Return the transaction items that set the capacity of a stock and its number of shards (`grow_to`).

    The transaction is cancelled if the stock is resized or runs short in the meantime. Raises CapacityInUse if too few tickets are free.
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
        store.new_shard(shard_id, capacity=target, sold=0, is_open=stock.is_open, is_kept=any(shard.is_marked for shard in shards))
        for shard_id, target in zip(new_ids, targets[len(shards) :], strict=True)
    ]
    return [*resized, *map(store.create_shard_item, new)]


def _create_missing(ids: Sequence[str], shard_count: int, found: list[Shard]) -> list[Shard]:
    """Create the missing shards after the first `shard_count`, without tickets.

    Returns all shards, or an empty list if another call created some in the meantime, so that the caller must read them again.
    """
    known_ids = {shard.id for shard in found}
    missing = [shard_id for shard_id in ids[shard_count:] if shard_id not in known_ids]
    if not missing:
        return found
    old = [shard for shard in found if shard.id in ids[:shard_count]]
    marks = {"is_pooled": any(shard.is_pooled for shard in old), "is_kept": any(shard.is_marked for shard in old)}
    is_open = Stock.total_of(old).is_open
    items = [store.new_shard(shard_id, capacity=0, sold=0, is_open=is_open, **marks) for shard_id in missing]
    created = [shard for shard in parallel.call_each(store.create_shard, items) if shard is not None]
    return [*found, *created] if len(created) == len(missing) else []


def _change_available(shards: Sequence[Shard], change: int) -> list[Shard]:
    """Add capacity to the shards with the fewest tickets, or remove it from the shards with the most.

    A write is refused if a sale or another resize came first; the next round then continues from the current state. Returns the shards if
    all of them were written, otherwise an empty list: another resize may have changed the rest, so the caller must read them again.
    """
    targets = level([shard.available for shard in shards], change)
    changed = [(shard, target - shard.available) for shard, target in zip(shards, targets, strict=True) if target != shard.available]
    written = parallel.call_each(lambda entry: store.resize_shard(entry[0], entry[0].capacity + entry[1]), changed)
    found = [shard for shard in written if shard is not None]
    return found if len(found) == len(shards) else []


# Direct sales: tickets that another system has sold are counted as sold in one transaction, without a hold, because no buyer is waiting.
#
# If a shard is busy, some of these transactions fail and are repeated. A hold needs only a single write and would conflict less, but
# a crash would leave held tickets behind.


class DirectSale:
    """The available tickets of one stock as last read, minus the tickets that `take` took.

    The conditions of the writes decide whether the tickets are sold. `is_pooled` means that the tickets are also taken from a pool.
    """

    def __init__(self, stock_id: str, shard_count: int, *, is_pooled: bool = False) -> None:
        self._shard_ids, self._is_pooled = shard_ids(stock_id, shard_count), is_pooled
        self._heap: list[tuple[int, str]] = []
        self.reload()

    def reload(self) -> None:
        """Read the stock again, because a transaction was cancelled."""
        self._heap = [(-shard.available, shard.id) for shard in store.read_shards(self._shard_ids) if shard.available]
        heapq.heapify(self._heap)

    @property
    def available(self) -> int:
        return -sum(available for available, _ in self._heap)

    def take(self, quantity: int) -> list[str]:
        """Take `quantity` tickets from the fullest shards, or raise NotEnoughTickets. Returns the shard id of each ticket."""
        if self.available < quantity:
            raise NotEnoughTickets(self.available, quantity, [])
        taken: list[str] = []
        while len(taken) < quantity:
            negative, shard_id = heapq.heappop(self._heap)
            part = min(-negative, quantity - len(taken))
            taken += [shard_id] * part
            if part < -negative:
                heapq.heappush(self._heap, (negative + part, shard_id))
        return taken

    def items(self, taken: Iterable[str]) -> list[dynamo.TransactItem]:
        """Return transaction items that count these tickets as sold. An item fails if its shard has too few or contradicts `is_pooled`."""
        return [store.sell_item(shard_id, quantity, self._is_pooled) for shard_id, quantity in Counter(taken).items()]
