"""The sweep: correct shards that a pause or resume did not reach, recover expired holds, process due refunds, refund the orders
of cancelled events, delete what is unpublished.

A run ends by itself before the next one begins, and what it did stays done. What it postponed is behind everything else for the next
run, so nobody waits behind a payment that does not come to an end.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute, UnicodeSetAttribute

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.sale_rules import current_tier_status, event_phase
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log, settings
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Hold, Shard, Stock, shard_ids
from chalicelib.payments import provider_tasks
from chalicelib.payments.provider_tasks import alternate
from chalicelib.purchases import event_cancellation, hold_recovery, refunds_at_provider
from chalicelib.purchases.hold_recovery import RecoveryReport

# Table `sweep`: one item with what a run hands on to the next one.

_ID = "cursor"


class SweepState(Struct, frozen=True):
    """`shard_id`: where the next run goes on reading the shards of all events; None: at the start. `low_tiers`: reported as low."""

    shard_id: str | None = None
    low_tiers: frozenset[str] = frozenset()


class SweepRow(dynamo.Table):
    feature = "sweep"
    contents = "How far the sweep has read the shards of all events."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    shard_id = UnicodeAttribute(null=True)
    low_tiers = UnicodeSetAttribute(null=True)


def load_state() -> SweepState:
    row = SweepRow.find(_ID)
    return SweepState(row.shard_id, frozenset(row.low_tiers or ())) if row is not None else SweepState()


def save_state(state: SweepState) -> None:
    """Hand this on. Two runs at once may save in any order: shards are then read twice, or a tier is reported twice."""
    SweepRow(_ID, shard_id=state.shard_id, low_tiers=set(state.low_tiers) or None).save()


# Which shards a sweep reads: those in which holds can be, and a slice of all, so that it costs no more the more was ever sold.

LINGER_SECONDS = 86_400  # how long the shards of an event are read in every run after its last hold must have expired
SLICE = 250  # shards of the whole table that a run reads in addition: strays of old events are found within (all shards / SLICE) minutes


class SweptShards(Struct, frozen=True):
    """The shards of a run, the catalog that named them, what the run before has handed on, and where the slice of the next run begins."""

    shards: list[Shard]
    catalog: Catalog
    state: SweepState
    next_cursor: str | None

    def expired_holds(self, now: int) -> list[Hold]:
        """The holds that have expired, the one that expired first being the first. One that was postponed is behind those that were not."""
        found = [(shard.expires_at(hold), hold) for shard in self.shards for hold in shard.expired_holds(now)]
        return [hold for _, hold in sorted(found, key=lambda entry: (entry[0], entry[1].hold_id))]

    def hand_on(self, low_tiers: frozenset[str], *, is_finished: bool) -> None:
        """Keep which tiers are low, and where the next run goes on: behind this slice, if this run is finished."""
        state = SweepState(self.next_cursor if is_finished else self.state.shard_id, low_tiers)
        if state != self.state:
            save_state(state)


def read_shards(now: int) -> SweptShards:
    """Read the shards that a run is about; strongly consistent."""
    current = catalog.snapshot()
    shards = {shard.id: shard for shard in inventory.read_shards(_ids_on_sale(current, now))}
    state = load_state()
    others, next_cursor = inventory.scan_slice(state.shard_id, SLICE)
    return SweptShards([*(shards | {shard.id: shard for shard in others}).values()], current, state, next_cursor)


def _ids_on_sale(current: Catalog, now: int) -> Iterator[str]:
    for event in current.events.values():
        if _may_have_holds(event, now):
            for stock_id, shard_count in current.shard_counts([event.id]).items():
                yield from shard_ids(stock_id, shard_count)


def _may_have_holds(event: Event, now: int) -> bool:
    """By its dates alone: an event that is cancelled, or a tier that is closed, may have holds from before that."""
    chosen = settings.current()
    last_hold_until = event.last_sale_at + event.effective_hold_seconds(chosen.hold_seconds) + chosen.checkout_seconds
    return (event.on_sale_at is None or event.on_sale_at <= now) and now <= last_hold_until + LINGER_SECONDS


# Tiers of which few tickets are left: each is reported once when it comes to the number that it names, and again after it had more.


def report_low_stock(catalog: Catalog, shards: list[Shard], known: frozenset[str], now: int) -> frozenset[str]:
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


MAX_SECONDS = 50  # less than from one run to the next
SECONDS_WITHOUT_PROVIDER = 25  # for holds that need no provider, so that refunds and checkouts get the other half

SECONDS_FOR_CANCELLATIONS = 15


def run_sweep(now: int) -> dict[str, Any]:
    """Run the sweep once. Returns what was done and what remains, for the log. Two runs at once do no harm: every write has a condition.

    Raises the store's errors if the shards or the purchases cannot be read.
    """
    with deadline.within(MAX_SECONDS):
        return _run(now)


def _run(now: int) -> dict[str, Any]:
    swept = read_shards(now)
    corrected = _unless_store_fails("sweep.flags_not_corrected", lambda: _correct_open_flags(swept))
    expired_holds = swept.expired_holds(now)
    report = RecoveryReport()
    with deadline.within(SECONDS_WITHOUT_PROVIDER):
        lapsed = hold_recovery.recover_holds(expired_holds, now, report)
    with deadline.within(SECONDS_FOR_CANCELLATIONS):
        cancelled = _unless_store_fails("sweep.cancellations_not_processed", lambda: event_cancellation.process_cancellations(now))
    refunds = refunds_at_provider.load_due(now)
    result = provider_tasks.run_each(alternate(refunds.tasks(now), hold_recovery.expiry_tasks(lapsed, now, report)))
    deleted = _unless_store_fails("sweep.unpublished_not_deleted", lambda: catalog.delete_unpublished(swept.shards, now))
    has_failed_step = corrected is None or cancelled is None or deleted is None
    has_work_left = result.gave_up or report.remaining > 0 or refunds.remaining > 0
    is_finished = not has_failed_step and not has_work_left
    low_tiers = report_low_stock(swept.catalog, swept.shards, swept.state.low_tiers, now)
    swept.hand_on(low_tiers, is_finished=is_finished)
    active_holds = sum(shard.held for shard in swept.shards) - sum(hold.quantity for hold in expired_holds)
    _count_run(is_finished, active_holds, swept.catalog.version)
    return {
        "shards": len(swept.shards),
        "holds_over": len(expired_holds),
        "active_holds": active_holds,
        "low_tiers": len(low_tiers),
        "reopened_or_closed": corrected,
        "orders_of_cancelled_events": cancelled,
        "shards_deleted": deleted,
        "refunds_due": refunds.begun,
        "refunds_remaining": refunds.remaining,
        "gave_up": result.gave_up,
        "finished": is_finished,
        "seconds_left": round(deadline.remaining()),
        **msgspec.to_builtins(report),
    }


def _count_run(is_finished: bool, active_holds: int, catalog_version: int) -> None:
    log.count("sweep_runs")
    log.gauge("active_holds", active_holds)
    log.gauge("catalog_version", catalog_version)
    if not is_finished:
        log.count("sweeps_unfinished")


def _unless_store_fails(event: str, step: Callable[[], int]) -> int | None:
    """The result of a step that the others do not depend on; None if the store failed at it, which is logged as `event`."""
    try:
        return step()
    except dynamo.STORE_ERRORS:
        log.exception(event)
        return None


def _correct_open_flags(swept: SweptShards) -> int:
    """Open or close shards that do not match the state of their event. Returns how many were corrected.

    A pause, a publication or a cancellation writes the event first, so the event decides. The snapshot only says which shards to suspect:
    then the event is read after the shards, and a shard is changed only if it is still as it was read. So a pause at the same time is not
    undone. Shards that missed that their event has a pool are marked first, and opened by the next run.
    """
    _mark_pooled(swept)
    suspects = _mismatched(swept.shards, swept.catalog)
    return inventory.correct_open_flags(_mismatched(suspects, catalog.load_current())) if suspects else 0


def _mark_pooled(swept: SweptShards) -> None:
    """Mark the shards of tiers whose event has a pool, if a crash left them out. An event never loses its pool, so any snapshot will do."""
    current = swept.catalog
    pooled = {tier.stock_id: tier.shards for tier in current.tiers.values() if current.events[tier.event_id].pool_id is not None}
    for stock_id in {shard.stock_id for shard in swept.shards if shard.stock_id in pooled and not shard.is_pooled}:
        inventory.mark_pooled(stock_id, pooled[stock_id])


def _mismatched(shards: list[Shard], current: Catalog) -> list[Shard]:
    closed = {stock_id: event.is_closed for event in current.events.values() for stock_id in current.shard_counts([event.id])}
    return [shard for shard in shards if closed.get(shard.stock_id, not shard.is_open) == shard.is_open]
