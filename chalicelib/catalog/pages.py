"""The public answers as encoded documents, one for each address, kept while the catalog stands and the stock in them is young.

A warm read is a look into a dictionary. A page is rebuilt at most every `stock_cache_seconds` and instance, with one read of
the stock it shows; statuses that the clock moves are never older than that.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from chalicelib import settings
from chalicelib.cache import TtlCache
from chalicelib.catalog import service, shapes
from chalicelib.catalog.model import Catalog, Event, Tier, event_phase
from chalicelib.catalog.snapshots import derived
from chalicelib.edge.respond import Document
from chalicelib.inventory import service as inventory

MAX_PAGES = 2000  # each is some KB; addresses come from the catalog, so only a huge one gets here
LIST_MAX_AGE = 2
STOCK_MAX_AGE = 1


def events(now: int) -> Document:
    catalog = service.snapshot()

    def body() -> Any:
        listed = _listed(catalog)
        stocks = inventory.levels(catalog.wanted(one.id for one in listed if event_phase(one, now) == "open"), now)
        return [shapes.event(catalog, one, stocks, now) for one in listed]

    return _page("events", catalog, now, LIST_MAX_AGE, body)


def event(event_id: str, now: int) -> Document:
    catalog, one = service.visible(event_id)

    def body() -> Any:
        return shapes.event_with_tiers(catalog, one, inventory.levels(catalog.wanted([event_id]), now), now)

    return _page(("event", event_id), catalog, now, LIST_MAX_AGE, body)


def availability(event_id: str, now: int) -> Document:
    catalog, one = service.visible(event_id)

    def body() -> Any:
        return shapes.availability(catalog, one, inventory.levels(catalog.wanted([event_id]), now), now)

    return _page(("availability", event_id), catalog, now, STOCK_MAX_AGE, body)


def ticket_types(event_id: str | None, status: str | None, now: int) -> Document:
    """All ticket types that are displayed, or those of one event or of one status."""
    catalog = service.snapshot()
    if event_id is not None and event_id not in catalog.events:
        return Document.of({"ticket_types": [], "total": 0}, max_age=STOCK_MAX_AGE)

    def body() -> Any:
        chosen = [
            (of, tier)
            for of in _listed(catalog)
            if event_id in (None, of.id)
            for tier in _in_order(catalog.shown_tiers(of))
            if status in (None, tier.status)
        ]
        stocks = inventory.levels({tier.stock_id: tier.shards for _, tier in chosen}, now)
        lines = [shapes.ticket_type(catalog, of, tier, stocks, now) for of, tier in chosen]
        return {"ticket_types": lines, "total": len(lines)}

    return _page(("types", event_id, status), catalog, now, LIST_MAX_AGE, body)


def _listed(catalog: Catalog) -> list[Event]:
    """What public lists show, in the promoter's order."""
    listed = (one for one in catalog.events.values() if one.status not in ("draft", "test") and not one.removed)
    return sorted(listed, key=lambda one: (one.display_order, one.starts_at, one.id))


def _in_order(tiers: Iterable[Tier]) -> list[Tier]:
    return sorted(tiers, key=lambda tier: (tier.display_order, tier.id))


def _page(address: Hashable, catalog: Catalog, now: int, max_age: int, body: Callable[[], Any]) -> Document:
    page: TtlCache[Document] | None = derived.get(address)
    if page is None:
        if len(derived) >= MAX_PAGES:
            derived.clear()
        page = derived.setdefault(address, TtlCache(lambda: settings.current().stock_cache_seconds))
    return page.get(now, catalog, lambda: Document.of(body(), max_age=max_age))
