"""How many tickets are left, for display. Cached for a short time in each instance; never used to decide a sale."""

from collections.abc import Mapping

from chalicelib import dynamo, log, settings
from chalicelib.inventory import store
from chalicelib.inventory.model import Shard, Stock, shard_ids
from chalicelib.memory import Memory

# (table, stock id) -> (time of the read in epoch seconds, stock)
_cached_stocks: Memory[tuple[str, str], tuple[int, Stock]] = Memory()


def read_stock(shard_counts: Mapping[str, int]) -> dict[str, Stock]:
    """Read stocks, given as stock id -> number of shards; stocks without shards are left out.

    Strongly consistent; one round trip for each 100 shards.
    """
    shards_by_stock: dict[str, list[Shard]] = {stock_id: [] for stock_id in shard_counts}
    for shard in store.read_shards(shard_id for stock_id, count in shard_counts.items() for shard_id in shard_ids(stock_id, count)):
        shards_by_stock[shard.id.rpartition("#")[0]].append(shard)
    return {stock_id: Stock.total_of(shards) for stock_id, shards in shards_by_stock.items() if shards}


def cached_stock(shard_counts: Mapping[str, int], now: int) -> dict[str, Stock]:
    """Like `read_stock`, but up to `stock_cache_seconds` old, and older while the store is unavailable."""
    table = store.table_name()
    if _select_stale(table, shard_counts, now):
        with _cached_stocks.lock:  # the first thread loads, the others wait and use what it loaded
            stale = _select_stale(table, shard_counts, now)
            if stale:
                _load(table, stale, now)
    return {stock_id: cached[1] for stock_id in shard_counts if (cached := _cached_stocks.entries.get((table, stock_id)))}


def invalidate() -> None:
    """Empty this instance's cache."""
    _cached_stocks.forget()


def _select_stale(table: str, shard_counts: Mapping[str, int], now: int) -> dict[str, int]:
    """Those of `shard_counts` that are not cached or are cached for too long."""
    max_age = settings.current().stock_cache_seconds
    cached_stocks = {stock_id: _cached_stocks.entries.get((table, stock_id)) for stock_id in shard_counts}
    fresh = {stock_id for stock_id, cached in cached_stocks.items() if cached and abs(now - cached[0]) < max_age}
    return {stock_id: count for stock_id, count in shard_counts.items() if stock_id not in fresh}


def _load(table: str, shard_counts: Mapping[str, int], now: int) -> None:
    """Read stocks into the cache. A store error is raised only if one of them was never cached."""
    try:
        stocks = read_stock(shard_counts)
    except dynamo.STORE_ERRORS as error:
        if not all((table, stock_id) in _cached_stocks.entries for stock_id in shard_counts):
            raise
        log.count("cache_stale")
        log.warning("stock.stale", error=type(error).__name__)
        return
    for stock_id, stock in stocks.items():
        _cached_stocks.entries[(table, stock_id)] = (now, stock)
