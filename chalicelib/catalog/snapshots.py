"""The catalog in this instance's memory.

Two caches: the head, looked at every few seconds, and the catalog of that head, loaded when the head's revision moved or
after some minutes. While the clock stands still a warm snapshot asks the store nothing.
"""

from collections.abc import Hashable
from typing import Any

from chalicelib import clock, settings
from chalicelib.cache import TtlCache
from chalicelib.catalog import store
from chalicelib.catalog.model import Catalog, CatalogHead

_heads: TtlCache[CatalogHead] = TtlCache(lambda: settings.current().head_check_seconds)
_catalogs: TtlCache[Catalog] = TtlCache(lambda: settings.current().cache_seconds, counted=True)

# What was made from snapshots, by address (see `pages`); here, so that it goes when they go.
derived_caches: dict[Hashable, TtlCache[Any]] = {}


def snapshot() -> Catalog:
    """The catalog as this instance knows it: right within `head_check_seconds`, older only while the store is out of reach."""
    now = clock.now()
    head = _heads.get(now, None, store.read_head)
    return _catalogs.get(now, head.revision, lambda: store.load(head))


def refresh_snapshot() -> Catalog:
    """As `snapshot`, after a look at the head: for what a snapshot does not know, which may be new."""
    _heads.expire()
    return snapshot()


def load_current() -> Catalog:
    """The catalog as the store has it now, strongly consistent; for changes and for admins, never for buyers' reads."""
    return store.load(store.read_head())


def invalidate() -> None:
    """Let the next snapshot load again, in this instance."""
    _heads.invalidate()
    _catalogs.invalidate()
    derived_caches.clear()
