"""How much is left, for showing: from this instance's memory while it is fresh, never for deciding."""

from collections.abc import Mapping
from threading import Lock

from chalicelib import dynamo, log, settings
from chalicelib.inventory import store
from chalicelib.inventory.model import Shard, Stock, shard_ids

_cached: dict[tuple[str, str], tuple[int, Stock]] = {}
_loading = Lock()


def read_stock(wanted: Mapping[str, int]) -> dict[str, Stock]:
    """Stock id -> what its shards add up to now, strongly consistent; one round trip per 100 shards. `wanted`: id -> shards."""
    found: dict[str, list[Shard]] = {stock_id: [] for stock_id in wanted}
    for shard in store.read_shards(key for stock_id, shards in wanted.items() for key in shard_ids(stock_id, shards)):
        found[shard.id.rpartition("#")[0]].append(shard)
    return {stock_id: Stock.of(shards) for stock_id, shards in found.items() if shards}


def cached_stock(wanted: Mapping[str, int], now: int) -> dict[str, Stock]:
    """As `read`, but at most `stock_cache_seconds` old, and as old as it must be while the store is out of reach."""
    table = store.table_name()
    if _select_stale(table, wanted, now):
        with _loading:  # one reader loads for all that wait
            stale = _select_stale(table, wanted, now)
            if stale:
                _load(table, stale, now)
    return {stock_id: entry[1] for stock_id in wanted if (entry := _cached.get((table, stock_id)))}


def invalidate() -> None:
    """Drop the figures that this instance remembers."""
    _cached.clear()


def _select_stale(table: str, wanted: Mapping[str, int], now: int) -> dict[str, int]:
    limit = settings.current().stock_cache_seconds
    fresh = {stock_id for stock_id in wanted if (entry := _cached.get((table, stock_id))) and abs(now - entry[0]) < limit}
    return {stock_id: shards for stock_id, shards in wanted.items() if stock_id not in fresh}


def _load(table: str, wanted: Mapping[str, int], now: int) -> None:
    try:
        found = read_stock(wanted)
    except dynamo.STORE_ERRORS as error:
        if not all((table, stock_id) in _cached for stock_id in wanted):
            raise
        log.count("cache_stale")
        log.warning("stock.stale", error=type(error).__name__)
        return
    for stock_id, stock in found.items():
        _cached[(table, stock_id)] = (now, stock)
