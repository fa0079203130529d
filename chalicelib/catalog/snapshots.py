"""The snapshot: the catalog in this instance's memory.

Two caches: the head, read every few seconds, and the catalog of that head, loaded when the head's revision has changed or after a
few minutes. In between a snapshot costs no call to the store.
"""

from collections.abc import Callable
from typing import Any, Literal

from chalicelib.catalog import store
from chalicelib.catalog.model import Catalog, CatalogHead
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation import clock, settings
from chalicelib.foundation.memory import Memory

MAX_REPLIES = 2000  # each has a few KB; only a very large catalog reaches this, because unknown ids are not kept

_head_cache: TtlCache[CatalogHead] = TtlCache(lambda: settings.current().head_check_seconds)
_catalog_cache: TtlCache[Catalog] = TtlCache(lambda: settings.current().cache_seconds, counted=True)
_refreshed: Memory[Literal["at"], int] = Memory()  # when the head was last read because of an unknown id

# The replies of `response_cache`. They are kept here so that they are dropped together with the snapshot.
reply_cache: TtlCache[CacheableReply[Any]] = TtlCache(lambda: settings.current().stock_cache_seconds, max_keys=MAX_REPLIES)


def snapshot() -> Catalog:
    """The catalog, at most `head_check_seconds` old; older only while the store is unavailable."""
    now = clock.now()
    head = _head_cache.get(now, None, store.read_head)
    return _catalog_cache.get(now, head.revision, lambda: store.load(head))


def refresh_snapshot() -> Catalog:
    """Read the head, at most once a second, and return the snapshot. For ids that are not in the snapshot, since they may be new.

    Not once for each unknown id: then anybody could make every request a strongly consistent read of one item.
    """
    now = clock.now()
    if _refreshed.entries.get("at") != now:
        _refreshed.entries["at"] = now
        _head_cache.expire()
    return snapshot()


def load_current() -> Catalog:
    """The catalog as the store has it now, strongly consistent. For changes and for admins, never for buyers' requests.

    If the head has the revision of this instance's snapshot, that is the present catalog: every change makes a new revision.
    """
    now = clock.now()
    head = _head_cache.refetch(now, None, store.read_head)
    known = _catalog_cache.peek()
    if known is not None and known.revision == head.revision:
        return known
    return _catalog_cache.refetch(now, head.revision, lambda: store.load(head))


def find_snapshot(has: Callable[[Catalog], bool]) -> Catalog:
    """The snapshot, refreshed if it lacks what the caller asks for, because that may be newer."""
    current = snapshot()
    return current if has(current) else refresh_snapshot()


def keep(changed: Catalog) -> None:
    """Keep the catalog as a change of this instance has made it. Whether it is still the present one, the head says."""
    _catalog_cache.put(clock.now(), changed.revision, changed)


def invalidate() -> None:
    """Drop this instance's snapshot, so that the next one is loaded from the store."""
    _head_cache.forget()
    _catalog_cache.forget()
    _refreshed.forget()
    reply_cache.forget()
