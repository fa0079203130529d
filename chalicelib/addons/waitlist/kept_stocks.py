"""Which stocks are for the line of an event, and the marks of their shards, which keep what comes back from passers-by.

A stock is for the line from when it is sold out while people wait for it, until nobody does. So an entry for a sale that has not opened yet
takes nothing from those who come to the opening.
"""

from collections.abc import Iterable, Mapping, Sequence, Set

from msgspec import Struct

from chalicelib.addons.waitlist import store
from chalicelib.addons.waitlist.model import Line, Place
from chalicelib.addons.waitlist.offer_plan import TierSupply
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.sale_rules import sale_refusal
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard


class FreeStock(Struct, frozen=True):
    """The tiers that the line may have tickets of, by id, and how many tickets are free, by stock id.

    `has_let_go`: what nobody waited for any more is for everybody again. Somebody may have joined just then.
    """

    supplies: dict[str, TierSupply]
    free: dict[str, int]
    has_let_go: bool


def read(current: Catalog, event: Event, line: Line, places: Sequence[Place], now: int) -> FreeStock:
    """Read the stocks that are for the line, and let the line and the marks of the shards say so; strongly consistent.

    The line names each stock before its shards are marked, and until their marks are removed.
    So a repetition after a crash finds all marks.
    """
    tiers = [tier for tier in current.tiers_of(event.id) if any(place.entry.accepts(tier) for place in places)]
    on_sale = [tier for tier in tiers if sale_refusal(current, event, tier, now, catalog.allows_test_sales()) is None]
    supplies = {tier.id: TierSupply(tier, tuple(current.tier_shard_counts(tier))) for tier in on_sale}
    shards = _read_shards(current, event, {tier.stock_id for tier in on_sale} | line.stock_ids)
    free = {stock_id: sum(shard.available for shard in of_stock) for stock_id, of_stock in shards.items()}
    sold_out = {supply.tier.stock_id for supply in supplies.values() if min(free[stock_id] for stock_id in supply.stock_ids) == 0}
    if sold_out - line.stock_ids:
        store.add_stocks(event.id, sold_out - line.stock_ids)
    for_line = {
        tier_id: supply
        for tier_id, supply in supplies.items()
        if supply.tier.stock_id in line.stock_ids or supply.tier.stock_id in sold_out
    }
    _mark(shards, _kept_ids(event, for_line.values(), free))
    forgotten = line.stock_ids - {supply.tier.stock_id for supply in for_line.values()}
    if forgotten:
        store.remove_stocks(line, forgotten)
    return FreeStock(for_line, free, bool(forgotten))


def keep_for_line(current: Catalog, event: Event, tiers: Sequence[Tier], free: Mapping[str, int]) -> None:
    """Let what comes back to these tiers, which are sold out, be for the line. `free` is how many tickets each stock has, about."""
    named = [tier.stock_id for tier in tiers]
    store.add_stocks(event.id, named)
    counts = current.shard_counts([event.id])
    for stock_id in _kept_ids(event, (TierSupply(tier, tuple(current.tier_shard_counts(tier))) for tier in tiers), free):
        inventory.set_kept(stock_id, counts[stock_id], True)
    # If all have left meanwhile, an allocator has taken the stocks off the line before they were marked, and would not find the marks.
    store.add_stocks(event.id, named)


def let_go(current: Catalog, event: Event, line: Line) -> None:
    """Let everybody have what was for the line of an event that is over, or has no waitlist any more."""
    _mark(_read_shards(current, event, line.stock_ids), set())


def _read_shards(current: Catalog, event: Event, stock_ids: Set[str]) -> dict[str, list[Shard]]:
    """The shards of these stocks of an event, and those of its pool, if there are any stocks."""
    counts = {stock_id: count for stock_id, count in current.shard_counts([event.id]).items() if stock_id in stock_ids}
    if counts and event.pool_id is not None:
        counts[event.pool_id] = event.pool_shards
    return inventory.read_shards_by_stock(counts) if counts else {}


def _kept_ids(event: Event, supplies: Iterable[TierSupply], free: Mapping[str, int]) -> set[str]:
    """The stocks whose free tickets are kept: those of the tiers, and the pool while it is what they are short of."""
    if not event.keeps_for_waitlist:
        return set()
    kept = set()
    for supply in supplies:
        kept |= {stock_id for stock_id in supply.stock_ids if free.get(stock_id, 0) <= free.get(supply.tier.stock_id, 0)}
    return kept


def _mark(shards: Mapping[str, Sequence[Shard]], kept: Set[str]) -> None:
    for stock_id, of_stock in shards.items():
        if any(shard.is_kept != (stock_id in kept) for shard in of_stock):
            inventory.set_kept(stock_id, len(of_stock), stock_id in kept)
