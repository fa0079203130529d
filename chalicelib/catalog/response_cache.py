"""The public answers as encoded documents, one for each address, kept while the catalog stands and the stock in them is young.

A warm read is a look into a dictionary. A page is rebuilt at most every `stock_cache_seconds` and instance, with one read of
the stock it shows; statuses that the clock moves are never older than that.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from chalicelib import settings
from chalicelib.cache import TtlCache
from chalicelib.catalog import service, views
from chalicelib.catalog.model import Catalog, Event, Tier, event_phase
from chalicelib.catalog.snapshots import derived_caches
from chalicelib.edge.http import CacheableReply
from chalicelib.inventory import service as inventory

MAX_PAGES = 2000  # each is some KB; addresses come from the catalog, so only a huge one gets here
LIST_MAX_AGE = 2
STOCK_MAX_AGE = 1


def events(now: int) -> CacheableReply:
    catalog = service.snapshot()

    def body() -> Any:
        listed = _listed_events(catalog)
        stocks = inventory.cached_stock(catalog.shard_counts(one.id for one in listed if event_phase(one, now) == "open"), now)
        return [views.event(catalog, one, stocks, now) for one in listed]

    return _cached_body("events", catalog, now, LIST_MAX_AGE, body)


def event(event_id: str, now: int) -> CacheableReply:
    catalog, one = service.get_visible_event(event_id)

    def body() -> Any:
        return views.event_with_tiers(catalog, one, inventory.cached_stock(catalog.shard_counts([event_id]), now), now)

    return _cached_body(("event", event_id), catalog, now, LIST_MAX_AGE, body)


def availability(event_id: str, now: int) -> CacheableReply:
    catalog, one = service.get_visible_event(event_id)

    def body() -> Any:
        return views.availability(catalog, one, inventory.cached_stock(catalog.shard_counts([event_id]), now), now)

    return _cached_body(("availability", event_id), catalog, now, STOCK_MAX_AGE, body)


def ticket_types(event_id: str | None, status: str | None, now: int) -> CacheableReply:
    """All ticket types that are displayed, or those of one event or of one status."""
    catalog = service.snapshot()
    if event_id is not None and event_id not in catalog.events:
        return CacheableReply.encode({"ticket_types": [], "total": 0}, max_age=STOCK_MAX_AGE)

    def body() -> Any:
        chosen = [
            (of, tier)
            for of in _listed_events(catalog)
            if event_id in (None, of.id)
            for tier in _in_display_order(catalog.shown_tiers(of))
            if status in (None, tier.status)
        ]
        stocks = inventory.cached_stock({tier.stock_id: tier.shards for _, tier in chosen}, now)
        lines = [views.ticket_type(catalog, of, tier, stocks, now) for of, tier in chosen]
        return {"ticket_types": lines, "total": len(lines)}

    return _cached_body(("types", event_id, status), catalog, now, LIST_MAX_AGE, body)


def _listed_events(catalog: Catalog) -> list[Event]:
    """What public lists show, in the promoter's order."""
    listed = (one for one in catalog.events.values() if one.status not in ("draft", "test") and not one.removed)
    return sorted(listed, key=lambda one: (one.display_order, one.starts_at, one.id))


def _in_display_order(tiers: Iterable[Tier]) -> list[Tier]:
    return sorted(tiers, key=lambda tier: (tier.display_order, tier.id))


def _cached_body(address: Hashable, catalog: Catalog, now: int, max_age: int, body: Callable[[], Any]) -> CacheableReply:
    page: TtlCache[CacheableReply] | None = derived_caches.get(address)
    if page is None:
        if len(derived_caches) >= MAX_PAGES:
            derived_caches.clear()
        page = derived_caches.setdefault(address, TtlCache(lambda: settings.current().stock_cache_seconds))
    return page.get(now, catalog, lambda: CacheableReply.encode(body(), max_age=max_age))
