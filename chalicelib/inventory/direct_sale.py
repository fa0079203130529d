"""Sell tickets without holding them first: those that another system has sold. Nobody waits for these writes, so a transaction makes them.

A shard that many buyers hold tickets of refuses some of the transactions, which are then repeated. A hold, which takes a single write,
would serve buyers better, but it would also leave tickets to recover after a crash.
"""

import heapq
from collections import Counter
from collections.abc import Iterable

from chalicelib.dynamodb import dynamo
from chalicelib.inventory import store
from chalicelib.inventory.model import NotEnoughTickets, shard_ids


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
