"""The sweep: recover expired holds, correct shards that a pause or resume did not reach, and process refunds that are due."""

from typing import Any

import msgspec

from chalicelib import log
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Shard
from chalicelib.payments import provider_tasks
from chalicelib.purchases.refunds import processing
from chalicelib.purchases.reservations import hold_recovery


def run_sweep(now: int) -> dict[str, Any]:
    """Run the sweep once. Returns what was done, for the log. Two runs at once do no harm: every write has a condition."""
    shards = list(inventory.scan_shards())
    expired_holds = [hold for shard in shards for hold in shard.expired_holds(now)]
    report = hold_recovery.RecoveryReport()
    lapsed = hold_recovery.recover_holds(expired_holds, now, report)
    provider_tasks.run_each(hold_recovery.expiry_tasks(lapsed, now, report))
    active_holds = sum(shard.held for shard in shards) - sum(hold.quantity for hold in expired_holds)
    log.count("sweep_runs")
    log.gauge("active_holds", active_holds)
    return {
        "shards": len(shards),
        "holds_over": len(expired_holds),
        "active_holds": active_holds,
        "reopened_or_closed": _correct_open_flags(shards),
        "shards_deleted": catalog.delete_unpublished(shards, now),
        "refunds_due": processing.process_due(now),
        **msgspec.to_builtins(report),
    }


def _correct_open_flags(shards: list[Shard]) -> int:
    """Open or close shards that do not match their event's pause flag. Returns how many were corrected.

    A pause or resume writes the flag first, so the flag decides. It is read after the shards, and a shard is changed only if it is
    still as it was read: so a pause at the same time is not undone.
    """
    current = catalog.load_current()
    paused = {tier.stock_id: current.events[tier.event_id].paused for tier in current.tiers.values()}
    wrong = [shard for shard in shards if paused.get(shard.id.rpartition("#")[0], not shard.is_open) == shard.is_open]
    return inventory.correct_open_flags(wrong)
