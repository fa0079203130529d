"""Change the capacity of a stock, also while it is selling.

`resize` changes each shard by one conditional write, so a crash in between leaves a resize that a repetition completes. `resize_items`
is for a stock of few shards, which changes in one transaction with what else says how large it is.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.inventory import store
from chalicelib.inventory.model import CapacityInUse, NotEnoughTickets, Shard, Stock, level, shard_ids

MAX_ROUNDS = 20


def resize(
    stock_id: str, shard_count: int, capacity: int, *, grow_to: int | None = None, known: Sequence[Shard] | None = None
) -> list[Shard]:
    """Set the capacity of a stock with `shard_count` shards; `grow_to` is the new number of shards, if it is to have more.

    New shards are filled by what the capacity grows; tickets never move from one shard to another. `capacity` is the new total, so the
    call may be repeated. `known`: all shards as the caller has read or written them; if they must change, that saves a read. Returns the
    shards as they were read or written last.

    Raises CapacityInUse if too few tickets are free; shards that were already made smaller are made larger again.
    """
    ids = shard_ids(stock_id, max(shard_count, grow_to or 0))
    if known is not None and Stock.total_of(known).capacity != capacity:
        shards = list(known)  # its writes are refused if they are not so any more
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


def _create_missing(ids: Sequence[str], shard_count: int, found: list[Shard]) -> list[Shard]:
    """Create those behind the first `shard_count` shards that do not exist, without tickets. Returns all; nothing if they must be read."""
    known_ids = {shard.id for shard in found}
    missing = [shard_id for shard_id in ids[shard_count:] if shard_id not in known_ids]
    if not missing:
        return found
    old = [shard for shard in found if shard.id in ids[:shard_count]]
    marks = {"is_pooled": any(shard.is_pooled for shard in old), "is_kept": any(shard.is_kept for shard in old)}
    is_open = Stock.total_of(old).is_open
    items = [store.new_shard_item(shard_id, capacity=0, sold=0, is_open=is_open, **marks) for shard_id in missing]
    created = [shard for shard in parallel.call_each(store.create_shard, items) if shard is not None]
    return [*found, *created] if len(created) == len(missing) else []


def _change_available(shards: Sequence[Shard], change: int) -> list[Shard]:
    """Add capacity to the shards with the fewest tickets, or remove it from those with the most.

    A write is refused if a sale or another resize came first; then the next round goes on from what it finds. Returns the shards if each
    of them was written, and nothing otherwise: another resize may have written those that were not, so they must be read again.
    """
    targets = level([shard.available for shard in shards], change)
    changed = [(shard, target - shard.available) for shard, target in zip(shards, targets, strict=True) if target != shard.available]
    written = parallel.call_each(lambda entry: store.resize_shard(entry[0], entry[0].capacity + entry[1]), changed)
    found = [shard for shard in written if shard is not None]
    return found if len(found) == len(shards) else []


# Sell tickets without holding them first: those that another system has sold. Nobody waits for these writes, so a transaction makes them.
#
# A shard that many buyers hold tickets of refuses some of the transactions, which are then repeated. A hold, which takes a single write,
# would serve buyers better, but it would also leave tickets to recover after a crash.


class DirectSale:
    """The available tickets of one stock as they were read, less those that were taken here. Conditions decide, not these figures.

    `is_pooled`: the tickets are also taken from a pool.
    """

    def __init__(self, stock_id: str, shard_count: int, *, is_pooled: bool = False) -> None:
        self._shard_ids, self._is_pooled = shard_ids(stock_id, shard_count), is_pooled
        self._heap: list[tuple[int, str]] = []
        self.reload()

    def reload(self) -> None:
        """Read the stock again, because a transaction was canceled."""
        self._heap = [(-shard.available, shard.id) for shard in store.read_shards(self._shard_ids) if shard.available]
        heapq.heapify(self._heap)

    @property
    def available(self) -> int:
        return -sum(available for available, _ in self._heap)

    def take(self, quantity: int) -> list[str]:
        """The shard of each of so many tickets, from the fullest shards. Raises NotEnoughTickets, and takes nothing then."""
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
        """Transaction items that count these tickets as sold; canceled if a shard has fewer left than it had, or another pool."""
        return [store.sell_item(shard_id, quantity, self._is_pooled) for shard_id, quantity in Counter(taken).items()]
