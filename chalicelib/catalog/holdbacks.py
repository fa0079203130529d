"""Release holdbacks at their time or when tickets have sold out. The sweep does this every minute.

A release takes three steps: the catalog records the release, with its audit entry; the stock grows to the capacity that it then has in the
catalog; the catalog records that the release is complete. So the stock never has more tickets than the catalog says, and after a crash
between any two writes, the next run finds the incomplete release and finishes it. See docs/decisions/0184-holdbacks.md.
"""

import random

from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import capacities, snapshots, store
from chalicelib.catalog.model import Catalog, Event, Holdback, HoldbackRelease, ReleaseTo, Tier
from chalicelib.catalog.revisions import CatalogChange, commit, differences
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.catalog.tier_management import change_tier
from chalicelib.foundation import clock, deadline, log
from chalicelib.foundation.log import logger
from chalicelib.inventory.availability import is_sold_out

ACTOR = "schedule"  # in the audit log
SECONDS_FOR_TIER = 3  # with less time left, the next run continues


def release_due(now: int) -> int | None:
    """Release the holdbacks that are due, and complete interrupted releases. Returns the number of tiers, or None if some are left.

    Reads the stock only of tiers whose next holdback is released when they are sold out. An error at one tier does not stop the others.
    """
    current = snapshots.snapshot()
    count, is_finished = 0, True
    tiers = [tier for tier in current.tiers.values() if tier.holdbacks and not tier.removed]
    # In any order there may be no time for the last tiers, so each run has another. What needs no look at the stock comes first.
    for tier in sorted(random.sample(tiers, len(tiers)), key=lambda tier: not _has_begun(tier, now)):
        if deadline.remaining() < SECONDS_FOR_TIER:
            return None
        try:
            count += _release_tier(current, tier, now)
        except Exception:  # whatever is wrong with one tier must not stop the releases of the others
            logger.exception("holdbacks.not_released", tier_id=tier.id)
            is_finished = False
    return count if is_finished else None


def _has_begun(tier: Tier, now: int) -> bool:
    """Return whether a holdback's time has come, or a release was interrupted."""
    return any(_is_time(holdback, now) for holdback in tier.active_holdbacks) or not all(release.is_complete for release in tier.releases)


def _release_tier(current: Catalog, tier: Tier, now: int) -> bool:
    """Release the due holdbacks of a tier, and complete its releases. Returns whether there was anything to do.

    A draft releases nothing: nobody can buy its tickets, and anybody may register and make drafts with large stocks.
    """
    event = current.find_event(tier.event_id)
    if event is None or event.removed:
        return False
    if event.status != "draft" and event_phase(event, now) not in ("closed", "cancelled"):
        due = _due_holdbacks(current, event, tier, now)
        if due:
            _, tier = commit(lambda catalog: _record_releases(catalog, tier.id, due, now))
    if all(release.is_complete for release in tier.releases):
        return False
    _complete_releases(tier)
    return True


def _due_holdbacks(current: Catalog, event: Event, tier: Tier, now: int) -> list[Holdback]:
    """Return the holdbacks whose time has come. If there are none, return the first one that waits for a sell-out that has happened."""
    timed = [holdback for holdback in tier.active_holdbacks if _is_time(holdback, now)]
    waiting = [holdback for holdback in tier.active_holdbacks if holdback.release_when_sold_out]
    if timed or not waiting or event_phase(event, now) != "open":
        return timed
    is_growing = any(not release.is_complete for release in tier.releases)
    counts = current.tier_shard_counts(tier).items()
    return waiting[:1] if not is_growing and any(is_sold_out(stock_id, count) for stock_id, count in counts) else []


def _is_time(holdback: Holdback, now: int) -> bool:
    return holdback.release_at is not None and clock.epoch_seconds(holdback.release_at) <= now


def _record_releases(catalog: Catalog, tier_id: str, due: list[Holdback], now: int) -> CatalogChange[Tier]:
    """Record the release of these holdbacks, except holdbacks that were changed, released or removed in the meantime."""
    before = catalog.tiers[tier_id]
    releases = [
        HoldbackRelease(
            holdback.id, holdback.quantity, now, cause="time" if _is_time(holdback, now) else "sold_out", to=holdback.release_to
        )
        for holdback in before.active_holdbacks
        if holdback in due
    ]
    return _change(before, replace(before, releases=[*before.releases, *releases]), now)


def _complete_releases(tier: Tier) -> None:
    """Add the tickets to the stock, and record that the tier's releases are complete."""
    to: ReleaseTo = "public" if all(release.is_complete or release.to == "public" for release in tier.releases) else "waitlist"
    capacities.resize_stocks(tier, with_pool=True, released_to=to)
    for release in tier.releases:
        if not release.is_complete:
            log.count("holdbacks_released")
            logger.info("holdback.released", tier_id=tier.id, holdback_id=release.holdback_id, quantity=release.quantity, to=release.to)

    def build(catalog: Catalog) -> CatalogChange[Tier]:
        before = catalog.tiers[tier.id]
        grown = [replace(release, is_complete=True) if release in tier.releases else release for release in before.releases]
        after = replace(before, releases=grown)
        return CatalogChange(before, []) if after == before else CatalogChange(after, [store.put_releases_item(after)])

    commit(build)


def _change(before: Tier, after: Tier, now: int) -> CatalogChange[Tier]:
    action = "tier.holdbacks_released"
    if before.managed_by == "api":
        return change_tier(before, after, action, ACTOR, now)
    if after == before:
        return CatalogChange(before, [])
    changes = differences(before, after)
    entry = audit.entry_item(f"tier#{after.id}", action, ACTOR, now, {}, event_id=after.event_id, changes=changes)
    return CatalogChange(after, [store.put_releases_item(after), entry])
