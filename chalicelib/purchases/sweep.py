"""The sweep, which runs every minute and finishes what requests left behind.

A run corrects shards that a pause or resume did not reach, recovers expired holds, requests the refunds of cancelled events, makes due
refunds (`refunds_at_provider.DueRefunds`), deletes what unfinished publications left, and reports tiers with few tickets. A run ends before
the next run begins, and its work is saved. What it postpones comes last in the next run, so nobody waits behind a payment that never
completes.
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
from chalicelib.inventory.store import read_shards, scan_slice
from chalicelib.payments import provider_tasks
from chalicelib.payments.provider_tasks import alternate
from chalicelib.purchases import event_cancellation, hold_recovery
from chalicelib.purchases.hold_recovery import RecoveryReport
from chalicelib.purchases.refunds_at_provider import DueRefunds

# Table `sweep`: one item with the state that a run passes on to the next run.

_ID = "cursor"


class SweepState(Struct, frozen=True):
    """State that the next run needs.

    `shard_id` is where the next run continues to read the shards of all events; None means the start. `low_tiers` are the tiers that were
    low in the last run.
    """

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
    """Save the state for the next run. Concurrent runs may save in any order: shards are then read twice, or a tier is reported twice."""
    SweepRow(_ID, shard_id=state.shard_id, low_tiers=set(state.low_tiers) or None).save()


# A run reads the shards that can have holds, and a slice of all shards. So the cost of a run does not grow with the number of past events.

LINGER_SECONDS = 86_400  # every run reads an event's shards until this long after its last hold must have expired
SLICE = 250  # additional shards of the whole table in each run, so stray holds of old events are found within (all shards / SLICE) minutes


class SweptShards(Struct, frozen=True):
    """The shards and the catalog of a run, the state from the previous run, and where the slice of the next run begins."""

    shards: list[Shard]
    catalog: Catalog
    state: SweepState
    next_cursor: str | None

    def expired_holds(self, now: int) -> list[Hold]:
        """Return the expired holds, the earliest first. Postponing a hold changes its expiry, so postponed holds come last."""
        found = [(shard.expires_at(hold), hold) for shard in self.shards for hold in shard.expired_holds(now)]
        return [hold for _, hold in sorted(found, key=lambda entry: (entry[0], entry[1].hold_id))]

    def hand_on(self, low_tiers: frozenset[str], *, is_finished: bool) -> None:
        """Save which tiers are low and where the next run continues: after this slice if this run finished, otherwise at this slice."""
        state = SweepState(self.next_cursor if is_finished else self.state.shard_id, low_tiers)
        if state != self.state:
            save_state(state)


def read_swept_shards(now: int) -> SweptShards:
    """Read the shards of a run, with strongly consistent reads."""
    current = catalog.snapshot()
    shards = {shard.id: shard for shard in read_shards(_ids_on_sale(current, now))}
    state = load_state()
    others, next_cursor = scan_slice(state.shard_id, SLICE)
    return SweptShards([*(shards | {shard.id: shard for shard in others}).values()], current, state, next_cursor)


def _ids_on_sale(current: Catalog, now: int) -> Iterator[str]:
    for event in current.events.values():
        if _may_have_holds(event, now):
            for stock_id, shard_count in current.shard_counts([event.id]).items():
                yield from shard_ids(stock_id, shard_count)


def _may_have_holds(event: Event, now: int) -> bool:
    """Whether the event may have holds. Only its dates count, because a cancelled event or a closed tier may still have earlier holds."""
    chosen = settings.current()
    last_hold_until = event.last_sale_at + event.effective_hold_seconds(chosen.hold_seconds) + chosen.checkout_seconds
    return (event.on_sale_at is None or event.on_sale_at <= now) and now <= last_hold_until + LINGER_SECONDS


# Low stock: a tier is reported once when its available tickets fall to its `low_stock_at`. Before the tier is reported again, it must have
# had more tickets than that.


def report_low_stock(catalog: Catalog, shards: list[Shard], known: frozenset[str], now: int) -> frozenset[str]:
    """Report the low tiers that are not in `known`. Returns all tiers that are low now.

    `shards` must include the shards of all events on sale. If a run ends before the result is saved, the next run reports the same tiers
    again.
    """
    low = dict(_low_tiers(catalog, shards, now))
    for tier_id in sorted(low.keys() - known):
        tier = catalog.tiers[tier_id]
        log.count("low_stocks")
        log.warning("stock.low", tier_id=tier_id, event_id=tier.event_id, available=low[tier_id], low_stock_at=tier.low_stock_at)
    return frozenset(low)


def _low_tiers(catalog: Catalog, shards: list[Shard], now: int) -> Iterator[tuple[str, int]]:
    """Yield the id and the available tickets of each tier on sale that has at most `low_stock_at` tickets available."""
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


MAX_SECONDS = 50  # less than the time between two runs
SECONDS_WITHOUT_PROVIDER = 25  # for holds that need no provider
SECONDS_FOR_CANCELLATIONS = 15  # the rest is for calls to the provider: refunds, and expired holds with a payment


def run_sweep(now: int) -> dict[str, Any]:
    """Run the sweep once. Returns what it did and what remains, for the log.

    Concurrent runs do no harm, because every write has a condition. Raises the store's errors if the shards or the purchases cannot be
    read.
    """
    with deadline.within(MAX_SECONDS):
        return _run(now)


def _run(now: int) -> dict[str, Any]:
    swept = read_swept_shards(now)
    corrected = _unless_store_fails("sweep.flags_not_corrected", lambda: _correct_open_flags(swept))
    expired_holds = swept.expired_holds(now)
    report = RecoveryReport()
    with deadline.within(SECONDS_WITHOUT_PROVIDER):
        lapsed = hold_recovery.recover_holds(expired_holds, now, report)
    with deadline.within(SECONDS_FOR_CANCELLATIONS):
        cancelled = _unless_store_fails("sweep.cancellations_not_processed", lambda: event_cancellation.process_cancellations(now))
    refunds = DueRefunds(now)
    result = provider_tasks.run_each(alternate(refunds.tasks(), hold_recovery.expiry_tasks(lapsed, now, report)))
    deleted = _unless_store_fails("sweep.unpublished_not_deleted", lambda: catalog.delete_unpublished(swept.shards, now))
    snapshots = _unless_store_fails("sweep.snapshot_not_written", catalog.write_if_due)
    has_failed_step = corrected is None or cancelled is None or deleted is None
    # Thousands of refunds of a cancelled event may take many runs. They delay nothing else, so a run is unfinished only if they are late.
    has_work_left = result.gave_up or report.remaining > 0 or refunds.has_failed or (refunds.has_more and refunds.is_late)
    is_finished = not has_failed_step and not has_work_left
    low_tiers = report_low_stock(swept.catalog, swept.shards, swept.state.low_tiers, now)
    swept.hand_on(low_tiers, is_finished=corrected is not None and not result.gave_up and report.remaining == 0)
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
        "catalog_snapshots": snapshots,
        "refunds_due": refunds.begun,
        "has_more_refunds": refunds.has_more,
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


def _unless_store_fails(event: str, step: Callable[[], int | None]) -> int | None:
    """Run a step that no other step depends on. Returns its result, or None after a store failure, which is logged as `event`."""
    try:
        return step()
    except dynamo.STORE_ERRORS:
        log.exception(event)
        return None


def _correct_open_flags(swept: SweptShards) -> int:
    """Open or close shards that do not match the state of their event. Returns how many shards were corrected.

    A pause, a publication or a cancellation writes the event first, so the event decides. The snapshot only shows which shards to suspect.
    The events of the suspect shards are read after the shards, and a shard is changed only if it has not changed since it was read, so a
    concurrent pause is not undone. Shards that are not yet marked as pooled, although their event has a pool, are marked first and opened
    by the next run.
    """
    _mark_pooled(swept)
    suspects = _mismatched(swept.shards, swept.catalog)
    return inventory.correct_open_flags(_mismatched(suspects, catalog.load_current())) if suspects else 0


def _mark_pooled(swept: SweptShards) -> None:
    """Mark shards whose event has a pool, if a crash left them unmarked. An event never loses its pool, so any snapshot will do."""
    current = swept.catalog
    pooled = {tier.stock_id: tier.shards for tier in current.tiers.values() if current.events[tier.event_id].pool_id is not None}
    for stock_id in {shard.stock_id for shard in swept.shards if shard.stock_id in pooled and not shard.is_pooled}:
        inventory.mark_pooled(stock_id, pooled[stock_id])


def _mismatched(shards: list[Shard], current: Catalog) -> list[Shard]:
    closed = {stock_id: event.is_closed for event in current.events.values() for stock_id in current.shard_counts([event.id])}
    return [shard for shard in shards if closed.get(shard.stock_id, not shard.is_open) == shard.is_open]
