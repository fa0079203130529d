"""Create, open, close and delete stocks, keep them for the waitlist, and release or convert holds.

Callers identify a stock by its id and its number of shards. Each tier has a stock. An event with its own capacity also has a stock, its
pool. Every ticket of the event's tiers is also taken from the pool.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.inventory import allocation, display, store
from chalicelib.inventory.allocation import HoldRequest, hold_tickets
from chalicelib.inventory.model import Hold, Shard, Stock, shard_ids, split_evenly, stocks_of


def release_holds(holds: list[Hold], *, is_unpaid: bool = False) -> int:
    """Make the tickets of these holds available again. Returns how many holds still existed.

    `is_unpaid` means that their purchase has ended without a payment; the shards then count the tickets as unpaid. Tickets of a request
    that was refused or interrupted do not count, because no buyer had them.
    """
    return sum(allocation.release(hold, is_unpaid=is_unpaid) for hold in holds)


def convert_holds(holds: list[Hold]) -> int:
    """Count the tickets of these holds as sold after their purchase has been paid. Returns how many holds still existed."""
    return sum(store.convert_hold(hold) for hold in holds)


@contextmanager
def all_or_none() -> Iterator[dict[str, list[Hold]]]:
    """Hold tickets of several stocks or of none. Yields a dict for the holds by stock id. An error in the block releases these holds.

    Use this only for holds that no purchase refers to yet.
    """
    held: dict[str, list[Hold]] = {}
    try:
        yield held
    except Exception:
        release_holds([hold for holds in held.values() for hold in holds])
        raise


def hold_all(requests: Iterable[HoldRequest]) -> dict[str, list[Hold]]:
    """Hold the tickets of all requests or of none. Returns the holds by stock id. Raises what `hold_tickets` raises."""
    with all_or_none() as held:
        for request in requests:
            held[request.stock_id] = hold_tickets(request)
    return held


NewShards = list[store.ShardRow]  # other features only pass them on


def new_shards(stock_id: str, *, capacity: int, sold: int, shard_count: int, is_open: bool, is_pooled: bool = False) -> NewShards:
    """Return the shards of a new stock, for `create_shard_items` or `dynamo.batch_put`.

    `sold` tickets, which were sold elsewhere, fill the first shards; the rest of the capacity is available.
    """
    shards = []
    for shard_id, share in zip(shard_ids(stock_id, shard_count), split_evenly(capacity, shard_count), strict=True):
        sold_here = min(share, sold)
        sold -= sold_here
        shards.append(store.new_shard(shard_id, capacity=share, sold=sold_here, is_open=is_open, is_pooled=is_pooled))
    return shards


def create_shard_items(shards: Iterable[store.ShardRow]) -> list[dynamo.TransactItem]:
    """Return transaction items that create new shards. They fail if any of these shards exists."""
    return list(map(store.create_shard_item, shards))


def delete_shard_items(stock_id: str, shard_count: int) -> list[dynamo.TransactItem]:
    """Return transaction items that delete a stock. They fail if any of its tickets is sold or held."""
    return [store.delete_free_shard_item(shard_id) for shard_id in shard_ids(stock_id, shard_count)]


def delete_unused_shards(shard_ids: Sequence[str]) -> int:
    """Delete these shards, except shards that were written to after their creation. Returns how many were deleted."""
    return sum(parallel.call_each(store.delete_unused_shard, shard_ids))


def delete_free_shards(shard_ids: Sequence[str]) -> int:
    """Delete these shards, except shards with sold or held tickets. Returns how many were deleted."""
    return sum(parallel.call_each(store.delete_free_shard, shard_ids))


def set_open(shard_counts: Mapping[str, int], is_open: bool) -> dict[str, Stock]:
    """Open or close stocks, given as stock id -> number of shards, for new holds. Takes effect at once; existing holds stay.

    Returns the resulting stocks in the same form as `availability.read_stock`.
    """
    ids = [shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)]
    shards = [shard for shard in parallel.call_each(lambda shard_id: store.set_open(shard_id, is_open), ids) if shard is not None]
    for stock_id in shard_counts:
        display.note_change(stock_id)
    return stocks_of(shards)


def mark_pooled(stock_id: str, shard_count: int) -> bool:
    """Require that tickets of a stock are held together with tickets of a pool. Returns False if tickets are already sold or held."""
    return all(parallel.call_each(store.mark_pooled, shard_ids(stock_id, shard_count)))


def set_kept(stock_id: str, shard_count: int, is_kept: bool) -> None:
    """Start or stop keeping the available tickets of a stock for the waitlist.

    Each shard switches separately, and a kept shard accepts only holds with `takes_kept`. After a crash in between, repeat the call.
    """
    parallel.call_each(lambda shard_id: store.set_kept(shard_id, is_kept), shard_ids(stock_id, shard_count))
    display.note_change(stock_id)


def keep_above(stock_id: str, shards: Iterable[Shard]) -> None:
    """Let everybody buy the tickets that these kept shards of a stock have now. If more come back, the shards keep their tickets again."""
    parallel.call_each(lambda shard: store.keep_above(shard.id, shard.available), list(shards))
    display.note_change(stock_id)


def correct_open_flags(shards: Sequence[Shard]) -> int:
    """Open these shards if they are closed, or close them if they are open, unless a shard has changed. Returns how many were written."""
    written = parallel.call_each(lambda shard: store.set_open(shard.id, not shard.is_open, shard.version), shards)
    return sum(shard is not None for shard in written)
