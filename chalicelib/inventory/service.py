"""What other features may do with stock. A stock is addressed by its id and its number of shards.

Each tier has one, and so has an event with a capacity of its own: its pool, which the tickets of all its tiers are also taken from.
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
    """Make the tickets of these holds available again, once their purchase is no longer active. Returns how many holds still existed."""
    return sum(hold_attempts.release(hold) for hold in holds)


def convert_holds(holds: list[Hold]) -> int:
    """Count the tickets of these holds as sold, once their purchase is paid. Returns how many holds still existed."""
    return sum(store.convert_hold(hold) for hold in holds)


def hold_all(holds_by_line: Iterable[list[Hold]]) -> list[list[Hold]]:
    """Hold the tickets of several lines, or of none: if the hold of a line fails, the earlier ones are released and its error is raised.

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

    `sold` tickets, which were sold elsewhere, fill the shards from the first one on; the rest of the capacity is available.
    """
    items = []
    for shard_id, share in zip(shard_ids(stock_id, shard_count), split_evenly(capacity, shard_count), strict=True):
        sold_here = min(share, sold)
        sold -= sold_here
        items.append(store.new_shard_item(shard_id, capacity=share, sold=sold_here, is_open=is_open, is_pooled=is_pooled))
    return items


def create_shard_items(items: list[dict[str, Any]]) -> list[dynamo.TransactItem]:
    """Transaction items that create new shards; they fail if one exists."""
    return [store.create_shard_item(item) for item in items]


def delete_shard_items(stock_id: str, shard_count: int) -> list[dynamo.TransactItem]:
    """Transaction items that delete a stock of which nothing is sold or held; they fail for any other."""
    return [store.delete_free_shard_item(shard_id) for shard_id in shard_ids(stock_id, shard_count)]


def delete_unused(ids_of_shards: Sequence[str]) -> int:
    """Delete shards of stock that no tier has. Returns how many; those that were ever held or sold from stay."""
    return sum(parallel.call_each(store.delete_unused_shard, ids_of_shards))


def set_open(shard_counts: Mapping[str, int], is_open: bool) -> dict[str, Stock]:
    """Open or close stocks, given as stock id -> number of shards, for new holds, with immediate effect; existing holds are not affected.

    Returns the stocks as they are when that is done, as `read_stock` does.
    """
    ids = [shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)]
    shards = [shard for shard in parallel.call_each(lambda shard_id: store.set_open(shard_id, is_open), ids) if shard is not None]
    for stock_id in shard_counts:
        display.note_change(stock_id)
    return stocks_of(shards)


def mark_pooled(stock_id: str, shard_count: int) -> bool:
    """Let the tickets of a stock be held only together with tickets of a pool. False if some are sold or held already."""
    return all(parallel.call_each(store.mark_pooled, shard_ids(stock_id, shard_count)))


def set_kept(stock_id: str, shard_count: int, is_kept: bool) -> None:
    """Keep the available tickets of a stock for people who wait, or no longer. From then on, each shard by itself takes holds only of
    those who `takes_kept`; a crash in between leaves the rest to a repetition.
    """
    parallel.call_each(lambda shard_id: store.set_kept(shard_id, is_kept), shard_ids(stock_id, shard_count))
    display.note_change(stock_id)


def correct_open_flags(shards: Sequence[Shard]) -> int:
    """Close those of the shards that are open, and open those that are closed. Returns how many; those that have changed since are left."""
    written = parallel.call_each(lambda shard: store.set_open(shard.id, not shard.is_open, shard.version), shards)
    return sum(shard is not None for shard in written)
