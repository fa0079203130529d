"""The snapshot: the catalog in this instance's memory.

There are two caches: the head, which is read every few seconds, and its catalog, which is loaded when the revision of the head has changed
or after a few minutes. In between, a snapshot costs no call to the store.
"""

from collections.abc import Callable
from typing import Any, Literal

from chalicelib.catalog import store
from chalicelib.catalog.model import Catalog, CatalogHead, Event
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation import clock, settings
from chalicelib.foundation.memory import Memory

MAX_REPLIES = 2000  # of a few KB each; only a very large catalog reaches this limit, because replies for unknown ids are not cached

_head_cache: TtlCache[CatalogHead] = TtlCache(lambda: settings.current().head_check_seconds)
_catalog_cache: TtlCache[Catalog] = TtlCache(lambda: settings.current().cache_seconds, counted=True)
_refreshed: Memory[Literal["at"], int] = Memory()  # when the head was last read because of an unknown id

# The replies of `response_cache`. They are kept here so that they are dropped together with the snapshot.
reply_cache: TtlCache[CacheableReply[Any]] = TtlCache(lambda: settings.current().stock_cache_seconds, max_keys=MAX_REPLIES)


def snapshot() -> Catalog:
    """Return the catalog, which is at most `head_check_seconds` old, or older while the store is unavailable."""
    now = clock.now()
    head = _head_cache.get(now, None, store.read_head)
    return _catalog_cache.get(now, head.revision, lambda: store.load(head))


def find_known_event(event_id: str) -> Event | None:
    """Return an event as this instance knows it, however old that is. Loads the snapshot only if the event is unknown."""
    known = _catalog_cache.peek()
    event = known.events.get(event_id) if known is not None else None
    return event or snapshot().events.get(event_id)


def refresh_snapshot() -> Catalog:
    """Read the head again and return the snapshot. Use this for ids that are not in the snapshot, but may be new.

    The head is read at most once a second. Otherwise every request for an unknown id would cause a strongly consistent read.
    """
    now = clock.now()
    if _refreshed.entries.get("at") != now:
        _refreshed.entries["at"] = now
        _head_cache.expire()
    return snapshot()


def load_current() -> Catalog:
    """Return the stored catalog, read with strong consistency. Use this for changes and for admins, never for buyers' requests.

    If the revision of the head matches the snapshot, the snapshot is current, because every change makes a new revision.
    """
    now = clock.now()
    head = _head_cache.refetch(now, None, store.read_head)
    known = _catalog_cache.peek()
    if known is not None and known.revision == head.revision:
        return known
    return _catalog_cache.refetch(now, head.revision, lambda: store.load(head))


def find_snapshot(has: Callable[[Catalog], bool]) -> Catalog:
    """Return the snapshot if `has` accepts it. Otherwise refresh it first, because the missing entry may be newer than the snapshot."""
    current = snapshot()
    return current if has(current) else refresh_snapshot()


def keep(changed: Catalog) -> None:
    """Cache the catalog that a change by this instance has produced. The head decides whether this catalog is still current."""
    _catalog_cache.put(clock.now(), changed.revision, changed)


def invalidate() -> None:
    """Drop this instance's snapshot, so that the next call loads it from the store."""
    _head_cache.forget()
    _catalog_cache.forget()
    _refreshed.forget()
    reply_cache.forget()
