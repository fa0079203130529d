"""What other features may do with stock. A stock is addressed by its id and its number of shards.

Each tier has a stock. An event with a capacity of its own also has one, its pool, from which the tickets of all its tiers are taken too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import parallel
from chalicelib.inventory import display, hold_attempts, store
from chalicelib.inventory.allocation import check_figures, hold, leave_expired
from chalicelib.inventory.availability import cached_stock, read_stock
from chalicelib.inventory.capacity import resize, resize_items
from chalicelib.inventory.display import StockGroup, invalidate, read_shards_by_stock
from chalicelib.inventory.model import Hold, Shard, Stock, shard_ids, split_evenly, stocks_of
from chalicelib.inventory.store import extend_hold, read_shards, return_sold_item, scan_shards, scan_slice, table_name

__all__ = [
    "StockGroup",
    "cached_stock",
    "check_figures",
    "convert_holds",
    "correct_open_flags",
    "create_shard_items",
    "delete_shard_items",
    "delete_unused",
    "extend_hold",
    "hold",
    "hold_all",
    "invalidate",
    "leave_expired",
    "mark_pooled",
    "new_shard_items",
    "read_shards",
    "read_shards_by_stock",
    "read_stock",
    "release_holds",
    "resize",
    "resize_items",
    "return_sold_item",
    "scan_shards",
    "scan_slice",
    "set_kept",
    "set_open",
    "table_name",
]


def release_holds(holds: list[Hold]) -> int:
    """Make the tickets of these holds available again after their purchase has ended. Returns how many holds still existed."""
    return sum(hold_attempts.release(hold) for hold in holds)


def convert_holds(holds: list[Hold]) -> int:
    """Count the tickets of these holds as sold after their purchase is paid. Returns how many holds still existed."""
    return sum(store.convert_hold(hold) for hold in holds)


def hold_all(holds_by_line: Iterable[list[Hold]]) -> list[list[Hold]]:
    """Hold the tickets of all lines or of no line: if a hold fails, release the earlier holds and raise its error.

    `holds_by_line` is a generator that calls `hold` for one line after the other. Only for holds that no purchase refers to yet.
    """
    completed: list[list[Hold]] = []
    try:
        for holds in holds_by_line:
            completed.append(holds)  # noqa: PERF402
    except Exception:
        release_holds([hold for holds in completed for hold in holds])
        raise
    return completed


def new_shard_items(
    stock_id: str, *, capacity: int, sold: int, shard_count: int, is_open: bool, is_pooled: bool = False
) -> list[dict[str, Any]]:
    """The shards of a new stock in wire format, for `create_shard_items`, or for `dynamo.batch_put` into `table_name()`.

    `sold` tickets, which were sold elsewhere, fill the first shards; the rest of the capacity is available.
    """
    items = []
    for shard_id, share in zip(shard_ids(stock_id, shard_count), split_evenly(capacity, shard_count), strict=True):
        sold_here = min(share, sold)
        sold -= sold_here
        items.append(store.new_shard_item(shard_id, capacity=share, sold=sold_here, is_open=is_open, is_pooled=is_pooled))
    return items


def create_shard_items(items: list[dict[str, Any]]) -> list[dynamo.TransactItem]:
    """Transaction items that create new shards; canceled if one of them exists."""
    return [store.create_shard_item(item) for item in items]


def delete_shard_items(stock_id: str, shard_count: int) -> list[dynamo.TransactItem]:
    """Transaction items that delete a stock; canceled if any of its tickets is sold or held."""
    return [store.delete_free_shard_item(shard_id) for shard_id in shard_ids(stock_id, shard_count)]


def delete_unused(ids_of_shards: Sequence[str]) -> int:
    """Delete shards of stocks that belong to no tier, except shards that were ever written to. Returns how many were deleted."""
    return sum(parallel.call_each(store.delete_unused_shard, ids_of_shards))


def set_open(shard_counts: Mapping[str, int], is_open: bool) -> dict[str, Stock]:
    """Open or close stocks, given as stock id -> number of shards, for new holds. Takes effect at once; existing holds stay.

    Returns the resulting stocks in the form of `read_stock`.
    """
    ids = [shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)]
    shards = [shard for shard in parallel.call_each(lambda shard_id: store.set_open(shard_id, is_open), ids) if shard is not None]
    for stock_id in shard_counts:
        display.note_change(stock_id)
    return stocks_of(shards)


def mark_pooled(stock_id: str, shard_count: int) -> bool:
    """Require that tickets of a stock are held together with tickets of a pool. False if some are sold or held already."""
    return all(parallel.call_each(store.mark_pooled, shard_ids(stock_id, shard_count)))


def set_kept(stock_id: str, shard_count: int, is_kept: bool) -> None:
    """Start or stop keeping the available tickets of a stock for the waitlist.

    Each shard switches by itself, and a kept shard accepts only holds with `takes_kept`. After a crash in between, repeat the call.
    """
    parallel.call_each(lambda shard_id: store.set_kept(shard_id, is_kept), shard_ids(stock_id, shard_count))
    display.note_change(stock_id)


def correct_open_flags(shards: Sequence[Shard]) -> int:
    """Close the open ones of these shards and open the closed ones, except shards that have changed since. Returns how many changed."""
    written = parallel.call_each(lambda shard: store.set_open(shard.id, not shard.is_open, shard.version), shards)
    return sum(shard is not None for shard in written)
