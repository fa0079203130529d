"""Tiers of which few tickets are left: each is reported once when it comes to the number that it names, and again after it had more."""

from collections.abc import Iterator

from chalicelib.catalog.model import Catalog, Tier
from chalicelib.catalog.sale_rules import current_tier_status, event_phase
from chalicelib.foundation import log
from chalicelib.inventory.model import Shard, Stock


def report(catalog: Catalog, shards: list[Shard], known: frozenset[str], now: int) -> frozenset[str]:
    """Report the tiers that are low and not among the `known` ones. Returns all that are low now.

    `shards`: at least those of all events on sale. A run that ends before its caller has kept the result reports the same tiers again.
    """
    low = dict(_low_tiers(catalog, shards, now))
    for tier_id in sorted(low.keys() - known):
        tier = catalog.tiers[tier_id]
        log.count("low_stocks")
        log.warning("stock.low", tier_id=tier_id, event_id=tier.event_id, available=low[tier_id], low_stock_at=tier.low_stock_at)
    return frozenset(low)


def _low_tiers(catalog: Catalog, shards: list[Shard], now: int) -> Iterator[tuple[str, int]]:
    """The ids of the tiers for sale that have as few tickets as they name, or fewer, and how many."""
    by_stock: dict[str, list[Shard]] = {}
    for shard in shards:
        by_stock.setdefault(shard.stock_id, []).append(shard)
    stocks = {stock_id: Stock.total_of(of_stock) for stock_id, of_stock in by_stock.items()}
    for tier in catalog.tiers.values():
        if tier.low_stock_at is not None and tier.stock_id in stocks and _is_for_sale(catalog, tier, now):
            available = catalog.tier_stock(tier, stocks).available
            if available <= tier.low_stock_at:
                yield tier.id, available


def _is_for_sale(catalog: Catalog, tier: Tier, now: int) -> bool:
    is_open = event_phase(catalog.events[tier.event_id], now) == "open"
    return is_open and catalog.states[current_tier_status(catalog, tier, now)].purchasable
