"""The sweep: correct shards that a pause or resume did not reach, recover expired holds, process due refunds, refund the orders
of cancelled events, delete what is unpublished.

A run ends by itself before the next one begins, and what it did stays done. What it postponed is behind everything else for the next
run, so nobody waits behind a payment that does not come to an end.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import deadline, log
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard
from chalicelib.payments import provider_tasks
from chalicelib.payments.provider_tasks import alternate
from chalicelib.purchases.event_cancellation import service as event_cancellation
from chalicelib.purchases.refunds import due_refunds
from chalicelib.purchases.reservations import hold_recovery
from chalicelib.purchases.reservations.hold_recovery import RecoveryReport
from chalicelib.purchases.sweep import low_stock, swept_shards
from chalicelib.purchases.sweep.swept_shards import SweptShards

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
    swept = swept_shards.read_shards(now)
    corrected = _unless_store_fails("sweep.flags_not_corrected", lambda: _correct_open_flags(swept))
    expired_holds = swept.expired_holds(now)
    report = RecoveryReport()
    with deadline.within(SECONDS_WITHOUT_PROVIDER):
        lapsed = hold_recovery.recover_holds(expired_holds, now, report)
    with deadline.within(SECONDS_FOR_CANCELLATIONS):
        cancelled = _unless_store_fails("sweep.cancellations_not_processed", lambda: event_cancellation.process_cancellations(now))
    refunds = due_refunds.load_due(now)
    result = provider_tasks.run_each(alternate(refunds.tasks(now), hold_recovery.expiry_tasks(lapsed, now, report)))
    deleted = _unless_store_fails("sweep.unpublished_not_deleted", lambda: catalog.delete_unpublished(swept.shards, now))
    is_finished = None not in (corrected, cancelled, deleted) and not (result.gave_up or report.remaining or refunds.remaining)
    low_tiers = low_stock.report(swept.catalog, swept.shards, swept.state.low_tiers, now)
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
