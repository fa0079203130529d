"""Release holdbacks at their time or when tickets have sold out, and open the stocks of holdbacks and of tickets for resale.

The sweep releases holdbacks every minute.

A release takes three steps: the catalog records the release, with its audit entry; the stock grows to the capacity that it then has in the
catalog; the catalog records that the release is complete. So the stock never has more tickets than the catalog says, and after a crash
between any two writes, the next run finds the incomplete release and finishes it. See docs/decisions/0184-holdbacks.md.

Complimentary tickets are issued from the holdback's own stock. The transaction that records a release also shrinks this stock to the issued
tickets, which stay held back. If some of them are revoked later, the next run releases them too. See
docs/decisions/0186-complimentary-tickets.md.
"""

import random

from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import capacities, snapshots, store
from chalicelib.catalog.capacities import HoldbackReleased
from chalicelib.catalog.model import MAX_RESALE_PRICES, MAX_RESALE_PRICES_OF_EVENT, Catalog, Event, Holdback, HoldbackRelease, Tier
from chalicelib.catalog.revisions import CatalogChange, commit, differences
from chalicelib.catalog.sale_rules import event_phase
from chalicelib.catalog.tier_management import change_tier, settle_stock
from chalicelib.foundation import clock, deadline, log
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.log import logger
from chalicelib.inventory import service as inventory
from chalicelib.inventory.availability import is_sold_out, read_stock
from chalicelib.inventory.model import CapacityInUse, shard_ids
from chalicelib.inventory.store import read_shards

ACTOR = "schedule"  # in the audit log
SECONDS_FOR_TIER = 3  # with less time left, the next run continues


def open_stock(tier_id: str, holdback_id: str, actor: str, now: int) -> Tier:
    """Give a holdback a stock of its own, from which tickets can be issued, unless it has one. Returns the tier.

    The stock is open while the event is open, and only purchases with an access code for the holdback look for tickets there. Its tickets
    are not in the event's pool, because the pool contains no held-back tickets. Raises NotFound and HoldbackReleased.
    """

    def build(catalog: Catalog) -> CatalogChange[Tier]:
        before = catalog.tiers.get(tier_id)
        if before is None or before.removed:
            raise NotFound("There is no ticket type with this id.", tier_id=tier_id)
        if holdback_id not in {holdback.id for holdback in before.active_holdbacks}:
            if any(holdback.id == holdback_id for holdback in before.holdbacks):
                raise HoldbackReleased(holdback_id=holdback_id)
            raise NotFound("The ticket type has no holdback with this id.", path="$.holdback_id", holdback_id=holdback_id)
        if holdback_id in before.issuing:
            return CatalogChange(before, [])
        change = _change(before, replace(before, issuing=[*before.issuing, holdback_id]), "tier.holdback_opened", actor, now)
        capacity, is_open = before.holdback_capacity(holdback_id), not catalog.events[before.event_id].is_closed
        shards = inventory.new_shards(before.holdback_stock_id(holdback_id), capacity=capacity, sold=0, shard_count=1, is_open=is_open)
        return replace(change, items=[*change.items, *inventory.create_shard_items(shards)])

    return commit(build)[1]


def open_resale_stock(tier_id: str, price_cents: int, actor: str, now: int) -> Tier | None:
    """Create the stock of a tier's tickets for resale at a price, unless it exists, and let the waitlist have the first tickets.

    Returns the tier at this price. Returns None if the tier or its event has too many other prices already, or the tier no longer exists.
    The tier's current price always has a place, so orders with discounts cannot use up all places.
    """

    attempts = 0

    def build(catalog: Catalog) -> CatalogChange[Tier]:
        nonlocal attempts
        attempts += 1
        before = catalog.tiers[tier_id]
        of_event = sum(len(tier.resale_prices) for tier in catalog.event_tiers(before.event_id))
        is_full = len(before.resale_prices) >= MAX_RESALE_PRICES or of_event >= MAX_RESALE_PRICES_OF_EVENT
        if before.removed or price_cents in before.resale_prices or (is_full and price_cents != before.price_cents):
            return CatalogChange(before, [])
        after = replace(before, resale_prices=[*before.resale_prices, price_cents])
        change = _change(before, after, "tier.resale_opened", actor, now)
        stock_id, is_open = before.for_resale(price_cents).stock_id, not catalog.events[before.event_id].is_closed
        if attempts > 1 and read_shards(shard_ids(stock_id, 1)):  # the previous release has dropped the price from the catalog
            return change
        shards = inventory.new_shards(stock_id, capacity=0, sold=0, shard_count=1, is_open=is_open)
        return replace(change, items=[*change.items, *inventory.create_shard_items(shards)])

    tier = snapshots.snapshot().tiers.get(tier_id)
    if tier is not None and price_cents not in tier.resale_prices:
        tier = commit(build)[1]
    if tier is None or tier.removed or price_cents not in tier.resale_prices:
        return None
    resale_tier = tier.for_resale(price_cents)
    capacities.prepare_release(resale_tier, "waitlist")
    return resale_tier


def release_due(now: int) -> int | None:
    """Release the holdbacks that are due, and complete interrupted releases. Returns the number of tiers, or None if some are left.

    Reads the stock only of tiers whose next holdback is released when they are sold out, and of released holdbacks from which complimentary
    tickets were issued. An error in one tier does not stop the others.
    """
    current = snapshots.snapshot()
    count, is_finished = 0, True
    tiers = [tier for tier in current.tiers.values() if (tier.holdbacks or tier.releases) and not tier.removed]
    # There may be no time for the last tiers, so each run uses a different order. Tiers whose stock need not be read come first.
    for tier in sorted(random.sample(tiers, len(tiers)), key=lambda tier: not _has_begun(tier, now)):
        if deadline.remaining() < SECONDS_FOR_TIER:
            return None
        try:
            count += _release_tier(current, tier, now)
        except Exception:  # an error in one tier must not stop the releases of the others
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
        if any(release.issued for release in tier.releases):
            _, tier = commit(lambda catalog: _record_revoked(catalog, tier.id, now))
    if all(release.is_complete for release in tier.releases):
        return False
    _complete_releases(tier, now)
    return True


def _due_holdbacks(current: Catalog, event: Event, tier: Tier, now: int) -> list[Holdback]:
    """Return the holdbacks whose release time has come. If there are none, return the first that a sell-out releases now."""
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
    issued = capacities.issued_counts(before)
    releases = [
        HoldbackRelease(
            holdback.id,
            holdback.quantity - issued.get(holdback.id, 0),
            now,
            cause="time" if _is_time(holdback, now) else "sold_out",
            to=holdback.release_to,
            issued=issued.get(holdback.id, 0),
        )
        for holdback in before.active_holdbacks
        if holdback in due
    ]
    return _change_releases(before, [*before.releases, *releases], now)


def _record_revoked(catalog: Catalog, tier_id: str, now: int) -> CatalogChange[Tier]:
    """Record the release of complimentary tickets that were revoked after the release of their holdback."""
    before = catalog.tiers[tier_id]
    stocks = read_stock(before.holdback_shard_counts)
    releases = []
    for release in before.releases:
        revoked = stocks[before.holdback_stock_id(release.holdback_id)].available if release.issued else 0
        if revoked:
            release = replace(release, quantity=release.quantity + revoked, issued=release.issued - revoked, is_complete=False)
        releases.append(release)
    return _change_releases(before, releases, now)


def _change_releases(before: Tier, releases: list[HoldbackRelease], now: int) -> CatalogChange[Tier]:
    after = replace(before, releases=releases)
    change = _change(before, after, "tier.holdbacks_released", ACTOR, now)
    return replace(change, items=[*change.items, *capacities.holdback_stock_items(before, after)])


def _complete_releases(tier: Tier, now: int) -> None:
    """Add the tickets to the stock, and record that the tier's releases are complete.

    Raises CapacityInUse if more tickets are sold or held than the bootstrap file allows.
    """
    to = capacities.common_release_to(release.to for release in tier.releases if not release.is_complete)
    try:
        capacities.resize_stocks(tier, with_pool=True, released_to=to)
    except CapacityInUse:  # a manager has held back tickets while this or another release enlarged the stock, and they were sold
        if tier.managed_by != "api":
            raise
        settle_stock(tier.event_id, tier.id, ACTOR, now)
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


def _change(before: Tier, after: Tier, action: str, actor: str, now: int) -> CatalogChange[Tier]:
    if before.managed_by == "api":
        return change_tier(before, after, action, actor, now)
    if after == before:
        return CatalogChange(before, [])
    changes = differences(before, after)
    entry = audit.entry_item(f"tier#{after.id}", action, actor, now, {}, event_id=after.event_id, changes=changes)
    return CatalogChange(after, [store.put_releases_item(after), entry])
