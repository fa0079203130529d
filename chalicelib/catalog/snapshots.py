"""The snapshot: the catalog in this instance's memory.

There are two caches: the head, which is read every `head_check_seconds` (5 by default), and its catalog, which follows the changes when the
head shows a new public revision. In between, a snapshot costs no call to the store. A catalog may lack the latest changes to drafts, which
buyers do not see: functions for managers load them.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec.structs import replace

from chalicelib.catalog import store
from chalicelib.catalog.model import Catalog, CatalogHead, Event, RegionClaim
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge.languages import Language
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation import clock, settings
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.inventory.availability import CHECK_SECONDS

CATALOG_SECONDS = 300  # a catalog without public changes is read again after this time
MAX_REPLIES = 2000  # of a few KB each; only a very large catalog reaches this limit, because replies for unknown ids are not cached

_head_cache: TtlCache[CatalogHead] = TtlCache(lambda: settings.current().head_check_seconds)
_catalog_cache: TtlCache[Catalog] = TtlCache(lambda: CATALOG_SECONDS, counted=True)
_refreshed: Memory[Literal["at"], int] = Memory()  # when the head was last read because of an unknown id
_translations: Memory[Language, tuple[Catalog, Catalog]] = Memory()  # the last catalog in each language, with the original

# The replies of `response_cache`. They are kept here so that they are dropped together with the snapshot.
reply_cache: TtlCache[CacheableReply[Any]] = TtlCache(lambda: CHECK_SECONDS, max_keys=MAX_REPLIES)


def snapshot() -> Catalog:
    """Return the catalog, which is at most `head_check_seconds` old, or older while the store is unavailable."""
    now = clock.now()
    head = _head_cache.get(now, None, store.read_head)
    return _catalog_cache.get(now, head.public_revision, lambda: store.load(head, _catalog_cache.peek()))


def in_language(catalog: Catalog, language: Language | None) -> Catalog:
    """Return a catalog with its texts in a language. Repeated calls return the same object until the catalog changes."""
    if language is None:
        return catalog
    known = _translations.entries.get(language)
    if known is None or known[0] is not catalog:
        known = catalog, catalog.in_language(language)
        _translations.entries[language] = known
    return known[1]


def snapshot_with_drafts() -> Catalog:
    """Return the catalog with all its drafts, which is at most `head_check_seconds` old."""
    current, head = snapshot(), _head_cache.peek()
    if head is not None and current.revision < head.revision:
        _catalog_cache.expire()
        current = snapshot()
    return current


def find_known_event(event_id: str) -> Event | None:
    """Return an event from this instance's memory, however old it is. Loads the snapshot only if the event is unknown."""
    cached = _catalog_cache.peek()
    event = cached.events.get(event_id) if cached is not None else None
    return event or snapshot().events.get(event_id)


def refresh_snapshot() -> Catalog:
    """Read the head again and return the snapshot. Use this for ids that are not in the snapshot, but may be new.

    The head is read at most once a second. Otherwise every request for an unknown id would cause a strongly consistent read.
    """
    now = clock.now()
    if _refreshed.entries.get("at") != now:
        _refreshed.entries["at"] = now
        _head_cache.expire()
    return snapshot_with_drafts()


def load_current() -> Catalog:
    """Return the stored catalog, read with strong consistency. Use this for changes and for admins, never for buyers' requests.

    If the revision of the head matches the snapshot, the snapshot is current, because every change makes a new revision.
    """
    head = _head_cache.refetch(clock.now(), None, store.read_head)
    cached = _catalog_cache.peek()
    if cached is not None and cached.revision == head.revision:
        return cached
    return _catalog_cache.refetch(clock.now(), head.public_revision, lambda: store.load(head, cached))


def find_snapshot(has: Callable[[Catalog], bool]) -> Catalog:
    """Return the snapshot if `has` accepts it. Otherwise refresh it first, because the missing entry may be newer than the snapshot."""
    current = snapshot()
    return current if has(current) else refresh_snapshot()


def find_event(event_id: str) -> Event | None:
    """Return the event, even if it is newer than this instance's snapshot. Returns None if there is no such event."""
    return _snapshot_with(event_id).find_event(event_id)


def find_event_for_tiers(event_id: str, tier_ids: Iterable[str]) -> Event | None:
    """Return the event like `find_event`, with only the dates for which tickets of these tiers are valid (`Event.for_tiers`)."""
    catalog = _snapshot_with(event_id)
    event = catalog.find_event(event_id)
    return None if event is None else catalog.narrow(event, tier_ids)


def _snapshot_with(event_id: str) -> Catalog:
    """Return a snapshot with the event, if there is such an event. A draft may have newer changes, so all drafts are loaded for it."""
    catalog = find_snapshot(lambda catalog: catalog.find_event(event_id) is not None)
    event = catalog.find_event(event_id)
    return snapshot_with_drafts() if event is not None and event.status == "draft" else catalog


def keep(changed: Catalog) -> None:
    """Cache the catalog that a change by this instance has produced. The head decides whether this catalog is still current."""
    _catalog_cache.put(clock.now(), changed.head.public_revision, changed)


def write_if_due() -> int:
    """Write a snapshot to the store, for other instances, if one is due. Returns the number of snapshots written."""
    head = _head_cache.get(clock.now(), None, store.read_head)
    return int(store.is_snapshot_due(head, snapshot()) and store.write_snapshot(load_current()))


def expire() -> None:
    """Make the next call read the head, and load what has changed since this instance's snapshot."""
    _head_cache.forget()
    _refreshed.forget()
    reply_cache.forget()


def invalidate() -> None:
    """Drop this instance's snapshot, so that the next call loads it from the store."""
    expire()
    _catalog_cache.forget()


# Which region sells, in a stage with a standby (docs/regions.md).
#
# Each region has a claim beside the head of the catalog, which only this region writes, because DynamoDB's replication keeps only the last
# write of an item. The region with the highest term sells, until the time in its claim. It extends this time each minute, if it can ask the
# other region or the witness, and neither of them knows of a higher term. So a region that is cut off stops by itself, and another region
# may sell once the time has passed. The claims are read together with the head, so the fence costs no call.

LEASE_SECONDS = 180  # three runs of the sweep, so that two failed runs do not stop a sale
# For the requests that a region has accepted before it stops. The other region waits longer than this before it sells.
LAST_REQUEST_SECONDS = 30


def seconds_to_sell() -> float:
    """Return for how many seconds this region may still write: 0 if it does not sell."""
    claims = _head_cache.get(clock.now(), None, store.read_head).claims
    own = _claim_of(settings.current().region, claims)
    if any(claim.term > own.term for claim in claims):
        return 0
    return max(0.0, own.until - clock.precise_now())


def extend_lease(now: int) -> None:
    """Let this region sell for LEASE_SECONDS more, if it sells. It stops if another region has taken over. Logs why it cannot continue."""
    current = settings.current()
    own = _claim_of(current.region, store.read_claims(current.region))
    if not own.until:
        return
    found = [claims for region in current.other_regions if (claims := ask_region(region)) is not None]
    if any(claim.term > own.term for claims in found for claim in claims):
        logger.warning("region.taken_over", term=own.term)
        store.extend_claim(own, 0, sold_until=min(own.until, now + LAST_REQUEST_SECONDS))
    elif found or own.is_alone:
        store.extend_claim(own, now + LEASE_SECONDS)
    else:
        logger.error("region.cut_off", until=clock.iso(own.until))


def ask_region(region: str) -> list[RegionClaim] | None:
    """Return the claims that another region knows, or None if it cannot be asked."""
    try:
        return store.read_claims(region)
    except dynamo.STORE_ERRORS as error:
        logger.warning("region.not_asked", extra={"other_region": region, "error": type(error).__name__})
        return None


def claim_sales(regions: list[str], own: RegionClaim, until: int) -> None:
    """Write this region's claim, with this time, into the tables of these regions. Raises the store's errors."""
    for region in regions:
        store.save_claim(region, replace(own, until=until))


def _claim_of(region: str, claims: list[RegionClaim] | tuple[RegionClaim, ...]) -> RegionClaim:
    return next((claim for claim in claims if claim.region == region), RegionClaim(region, 0, 0))
