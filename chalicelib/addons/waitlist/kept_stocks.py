"""Stocks that are reserved for the line of an event, and the marks on their shards that keep returned tickets for the line.

When a stock sells out while people are waiting for it, the stock is reserved for the line until nobody waits for the stock. Therefore, an
entry for a sale that has not opened yet takes no tickets from the buyers at the opening. While the free tickets are too few for the
smallest request in the line, they are on public sale.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence, Set

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.addons.waitlist import store
from chalicelib.addons.waitlist.model import Draw, Line
from chalicelib.addons.waitlist.offer_plan import TierSupply, free_tickets
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, ReleaseTo, Tier
from chalicelib.catalog.sale_rules import sale_refusal
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids
from chalicelib.inventory import service as inventory
from chalicelib.inventory.display import read_shards_by_stock
from chalicelib.inventory.model import Shard

SEED_BYTES = 16
MAX_ATTEMPTS = 5


class EventStock(Struct, frozen=True):
    """The stock of an event's tiers that are on sale: their `supplies` by key, and the shards and free tickets by stock id."""

    supplies: dict[str, TierSupply]
    shards: dict[str, list[Shard]]
    free: dict[str, int]

    def for_line(self, line: Line) -> dict[str, TierSupply]:
        """Return the supplies, by key, whose tickets may be offered to the line."""
        return {key: supply for key, supply in self.supplies.items() if supply.tier.stock_id in line.stock_ids}


def read_stock(current: Catalog, event: Event, line: Line, now: int) -> EventStock:
    """Read the stock of an event, and mark the shards whose tickets are kept for the line. The reads are strongly consistent.

    Leaves out tiers that require a code, because the line never gets their tickets.
    """
    open_tiers = [tier for tier in _with_resale(current, event) if not tier.requires_code]
    tiers = [tier for tier in open_tiers if sale_refusal(current, event, tier, now, catalog.allows_test_sales()) is None]
    supplies = {supply.key: supply for supply in (TierSupply(tier, tuple(current.tier_shard_counts(tier))) for tier in tiers)}
    shards = _read_shards(current, event, {tier.stock_id for tier in tiers} | line.stock_ids)
    free = {stock_id: sum(shard.available for shard in stock_shards) for stock_id, stock_shards in shards.items()}
    stock = EventStock(supplies, shards, free)
    _mark_kept(event, stock, line)
    return stock


def keep_wanted(event: Event, stock: EventStock, line: Line, wanted: Set[str]) -> bool:
    """Reserve the sold-out tiers that people want for the line, and release the tiers that nobody wants. `wanted` has keys of supplies.

    Returns whether stocks were released. If so, the caller must run again, because somebody may have joined in the meantime.
    """
    sold_out = {
        supply.tier.stock_id
        for key, supply in stock.supplies.items()
        if key in wanted and min(stock.free[stock_id] for stock_id in supply.stock_ids) == 0
    }
    if sold_out - line.stock_ids:
        store.add_stocks(event.id, sold_out - line.stock_ids)
        _mark_kept(event, stock, replace(line, stock_ids=line.stock_ids | sold_out))
    released = line.stock_ids - {supply.tier.stock_id for key, supply in stock.supplies.items() if key in wanted}
    if released:
        # A line lists a stock before the stock's shards are marked, and until their marks are removed. So a retry after a crash finds all
        # marks.
        _mark_kept(event, stock, replace(line, stock_ids=(line.stock_ids | sold_out) - released))
        store.remove_stocks(line, released)
    return bool(released)


def release_leftovers(current: Catalog, event: Event, stock: EventStock, line: Line, too_large: Mapping[str, int]) -> None:
    """Put leftovers that are too few for the smallest request on public sale. Keep all tickets of the line's other stocks.

    `too_large` has the size of the smallest waiting party, by key, for tiers whose free tickets are too few even for that party. When more
    tickets come back to the shards of these tiers, the shards keep all their tickets again. So the public never gets tickets that are
    enough for a party in the line.
    """
    shards, free, supplies = stock.shards, stock.free, stock.for_line(line)
    if too_large:
        shards = _read_shards(current, event, {supply.tier.stock_id for supply in supplies.values()})
        free = {stock_id: sum(shard.available for shard in stock_shards) for stock_id, stock_shards in shards.items()}
    leftovers = [supply for key, supply in supplies.items() if 0 < free_tickets(supply, free) < too_large.get(key, 0)]
    kept = _kept_ids(event, (supply for supply in supplies.values() if supply not in leftovers), free)
    released = _kept_ids(event, leftovers, free) - kept
    for stock_id, stock_shards in shards.items():
        changed = [shard for shard in stock_shards if shard.is_marked and shard.kept_above != shard.available]
        if stock_id in released and changed:
            inventory.keep_above(stock_id, changed)
        elif stock_id not in released and any(shard.kept_above is not None for shard in stock_shards):
            inventory.set_kept(stock_id, len(stock_shards), stock_id in kept)


def keep_stocks_for_line(current: Catalog, event: Event, tiers: Sequence[Tier], free: Mapping[str, int]) -> None:
    """Keep returned tickets of these sold-out tiers for the line. `free` has approximate numbers of free tickets by stock id."""
    stock_ids = [tier.stock_id for tier in tiers]
    store.add_stocks(event.id, stock_ids)
    counts = current.shard_counts([event.id])
    for stock_id in _kept_ids(event, (TierSupply(tier, tuple(current.tier_shard_counts(tier))) for tier in tiers), free):
        inventory.set_kept(stock_id, counts[stock_id], True)
    # If everybody has left in the meantime, an allocator may have removed the stocks from the line before their shards were marked. Add the
    # stocks again, so that the next allocator finds the marks.
    store.add_stocks(event.id, stock_ids)


def prepare_release(current: Catalog, event: Event, tier: Tier, to: ReleaseTo) -> None:
    """Decide who gets the tickets of a released holdback: the line first (in order or by a draw), or everybody until the tier sells out.

    Called before the tickets are added to the tier's stock, and again afterwards. Does nothing if nobody waits for the event.
    """
    line = store.find_line(event.id)
    if line is None:
        return
    stock_ids, supply = line.stock_ids, TierSupply(tier, tuple(current.tier_shard_counts(tier)))
    shards = _read_shards(current, event, stock_ids | {tier.stock_id} if to == "public" else {tier.stock_id})
    free = {stock_id: sum(shard.available for shard in stock_shards) for stock_id, stock_shards in shards.items()}
    if to == "public" and tier.stock_id in stock_ids:
        others = [other for other in _with_resale(current, event) if other.stock_id in stock_ids - {tier.stock_id}]
        supplies = (TierSupply(other, tuple(current.tier_shard_counts(other))) for other in others)
        _mark(shards, _kept_ids(event, supplies, free))
        store.remove_stocks(line, {tier.stock_id})
        return
    is_kept = tier.stock_id in stock_ids and all(shard.is_marked for shard in shards[tier.stock_id])
    is_sold_out = min(free[stock_id] for stock_id in supply.stock_ids) == 0
    if to == "draw" and (is_kept or is_sold_out):
        _begin_draw(event, tier)
    if to != "public" and not is_kept and is_sold_out:
        keep_stocks_for_line(current, event, [tier], free)


def _with_resale(current: Catalog, event: Event) -> list[Tier]:
    """Return the tiers of an event, each followed by one tier for each price at which its tickets are for resale."""
    return [each for tier in current.event_tiers(event.id) for each in (tier, *tier.resale_tiers)]


def _begin_draw(event: Event, tier: Tier) -> None:
    """Begin a draw of the tier's free tickets among everybody who waits now. It lasts until the tier is sold out again. Safe to repeat."""
    now = clock.now()
    draw = Draw(secrets.token_hex(SEED_BYTES), f"{event.id}.{ids.new_id()}", now)
    details = {"event": event.id, "seed": draw.seed, "last_entry": draw.last_id}
    entry = audit.entry_item(f"tier#{tier.id}", "waitlist.drawn", "waitlist", now, details, event_id=event.id)
    for _ in range(MAX_ATTEMPTS):
        line = store.find_line(event.id)
        if line is None or tier.stock_id in line.draws or store.set_draws(line, line.draws | {tier.stock_id: draw}, [entry]):
            return
    raise dynamo.Contention("the line of the event kept changing")


def release_stocks(current: Catalog, event: Event, line: Line) -> None:
    """Put the stocks of a line on public sale after the event has ended or its waitlist has been closed."""
    _mark(_read_shards(current, event, line.stock_ids), set())


def _read_shards(current: Catalog, event: Event, stock_ids: Set[str]) -> dict[str, list[Shard]]:
    """Read the shards of these stocks, and of the event's pool if it has one. Returns an empty dict if the event has none of the stocks."""
    counts = {stock_id: count for stock_id, count in current.shard_counts([event.id]).items() if stock_id in stock_ids}
    if counts and event.pool_id is not None:
        counts[event.pool_id] = event.pool_shards
    return read_shards_by_stock(counts) if counts else {}


def _kept_ids(event: Event, supplies: Iterable[TierSupply], free: Mapping[str, int]) -> set[str]:
    """Return the ids of the stocks whose free tickets are kept for the line.

    These are the stocks of the tiers, and the pool while it is the limiting stock. Returns an empty set if the event keeps no tickets.
    """
    if not event.keeps_for_waitlist:
        return set()
    kept = set()
    for supply in supplies:
        kept |= {stock_id for stock_id in supply.stock_ids if free.get(stock_id, 0) <= free.get(supply.tier.stock_id, 0)}
    return kept


def _mark_kept(event: Event, stock: EventStock, line: Line) -> None:
    _mark(stock.shards, _kept_ids(event, stock.for_line(line).values(), stock.free))


def _mark(shards: dict[str, list[Shard]], kept: Set[str]) -> None:
    for stock_id, stock_shards in shards.items():
        is_kept = stock_id in kept
        if any(shard.is_marked != is_kept for shard in stock_shards):
            inventory.set_kept(stock_id, len(stock_shards), is_kept)
            shards[stock_id] = [replace(shard, is_kept=is_kept, kept_above=None) for shard in stock_shards]
