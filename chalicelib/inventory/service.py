"""What the features above may do with stock. A stock is named by its id and its number of shards; tiers map to it one to one."""

from collections.abc import Iterable
from typing import Any

from chalicelib import dynamo
from chalicelib.inventory import store
from chalicelib.inventory.allocation import hold
from chalicelib.inventory.availability import cached_stock, invalidate, read_stock
from chalicelib.inventory.capacity import resize
from chalicelib.inventory.model import Hold, Shard, shard_ids, split_evenly
from chalicelib.inventory.store import extend_hold, return_sold_item, scan_shards, table_name

__all__ = [
    "cached_stock",
    "convert_holds",
    "correct_open_flag",
    "create_stock_items",
    "extend_hold",
    "hold",
    "hold_all",
    "invalidate",
    "new_shard_items",
    "read_stock",
    "release_holds",
    "resize",
    "return_sold_item",
    "scan_shards",
    "set_open",
    "table_name",
]


def release_holds(holds: list[Hold]) -> int:
    """Make the tickets of these holds available again, once their purchase is no longer active. Returns how many holds still existed."""
    return sum(store.release_hold(hold) for hold in holds)


def convert_holds(holds: list[Hold]) -> int:
    """Count the tickets of these holds as sold, once their purchase is paid. Returns how many holds still existed."""
    return sum(store.convert_hold(hold) for hold in holds)


def hold_all(taken: Iterable[list[Hold]]) -> list[list[Hold]]:
    """What each of several `take`s has set aside, one after the other; if one of them fails, the others go back, and it is raised.

    Only for holds that no purchase lists yet: their ids were made for this execution alone, so none ever will.
    """
    held: list[list[Hold]] = []
    try:
        for holds in taken:
            held.append(holds)  # noqa: PERF402
    except Exception:
        release_holds([hold for holds in held for hold in holds])
        raise
    return held


def new_shard_items(stock_id: str, *, capacity: int, sold: int, shards: int, is_open: bool) -> list[dict[str, Any]]:
    """The items of a stock that nobody has ever used, for `dynamo.batch_put` into `table()`.

    `sold` tickets that were sold elsewhere are spread from the first shard on; each shard starts with the rest free.
    """
    items = []
    for shard_id, share in zip(shard_ids(stock_id, shards), split_evenly(capacity, shards), strict=True):
        gone = min(share, sold)
        sold -= gone
        items.append(store.new_shard_item(shard_id, capacity=share, sold=gone, is_open=is_open))
    return items


def create_stock_items(stock_id: str, *, capacity: int, sold: int, shards: int, is_open: bool) -> list[dynamo.TransactItem]:
    """Transaction items that create a stock unless it exists."""
    return [
        store.create_shard_item(item) for item in new_shard_items(stock_id, capacity=capacity, sold=sold, shards=shards, is_open=is_open)
    ]


def set_open(stock_id: str, shards: int, is_open: bool) -> None:
    """Let a stock be held from, or not: at once, for everybody. Living holds go on."""
    for shard_id in shard_ids(stock_id, shards):
        store.set_open(shard_id, is_open)


def correct_open_flag(seen: Shard) -> bool:
    """Turn a shard's flag round unless the shard has changed since it was seen."""
    return store.set_open(seen.id, not seen.open, seen.version)
