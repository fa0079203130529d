"""The public replies, encoded and kept for as long as the catalog is unchanged and their stock figures are fresh.

A repeated request costs one look into a dictionary. Each instance encodes a reply again at most every `stock_cache_seconds`;
statuses that depend on the clock are never older than that.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from chalicelib.catalog import search, service, views
from chalicelib.catalog.model import Catalog, Event, Tier, event_phase, public_event_status
from chalicelib.catalog.snapshots import reply_cache
from chalicelib.catalog.views import AvailabilityView, EventView, EventWithTiersView, TicketTypesView
from chalicelib.edge.http import CacheableReply
from chalicelib.inventory import service as inventory

LIST_MAX_AGE = 2
STOCK_MAX_AGE = 1

T = TypeVar("T")


def events_reply(now: int) -> CacheableReply[list[EventView]]:
    """All public events."""
    catalog = service.snapshot()

    def build_body() -> list[EventView]:
        events = _public_events(catalog)
        open_events = (event.id for event in events if event_phase(event, now) == "open")
        stocks = inventory.cached_stock(map(catalog.stock_group, open_events), now)
        return [views.event_view(catalog, event, stocks, now) for event in events]

    return _cached_reply("events", catalog, now, LIST_MAX_AGE, build_body)


def filtered_events_reply(query: search.EventQuery, now: int) -> CacheableReply[list[views.EventView]]:
    """The page of the public events that a query asks for, with the `Link` to the next one (RFC 8288). Raises InvalidInput."""
    catalog = service.snapshot()
    page = search.find_events(catalog, _public_events(catalog), query, now)
    body = [views.event_view(catalog, event, page.stocks, now) for event in page.events]
    headers = {} if page.next_query is None else {"Link": f'<?{page.next_query}>; rel="next"'}
    return CacheableReply.encode(body, max_age=LIST_MAX_AGE, headers=headers)


def event_reply(event_id: str, now: int) -> CacheableReply[EventWithTiersView]:
    """An event with its tiers; raises NotFound."""
    catalog, event = service.get_visible_event(event_id)

    def build_body() -> EventWithTiersView:
        stocks = inventory.cached_stock([catalog.stock_group(event_id)], now)
        return views.event_with_tiers_view(catalog, event, stocks, now)

    return _cached_reply(("event", event_id), catalog, now, LIST_MAX_AGE, build_body)


def availability_reply(event_id: str, now: int) -> CacheableReply[AvailabilityView]:
    """How many tickets of each tier of an event are left; raises NotFound."""
    catalog, event = service.get_visible_event(event_id)

    def build_body() -> AvailabilityView:
        stocks = inventory.cached_stock([catalog.stock_group(event_id)], now)
        return views.availability_view(catalog, event, stocks, now)

    return _cached_reply(("availability", event_id), catalog, now, STOCK_MAX_AGE, build_body)


def tiers_reply(event_id: str, now: int) -> CacheableReply[views.TiersView]:
    """The tiers of an event in the order of their positions; raises NotFound."""
    catalog, event = service.get_visible_event(event_id)

    def build_body() -> views.TiersView:
        stocks = inventory.cached_stock([catalog.stock_group(event_id)], now)
        return views.TiersView(
            tiers=[views.tier_view(catalog, tier, stocks, now) for tier in in_display_order(catalog.visible_tiers(event))]
        )

    return _cached_reply(("tiers", event_id), catalog, now, LIST_MAX_AGE, build_body)


def tier_reply(tier_id: str, now: int) -> CacheableReply[views.TierView]:
    """A tier, also a hidden one; raises NotFound."""
    catalog, tier = service.get_visible_tier(tier_id)

    def build_body() -> views.TierView:
        return views.tier_view(catalog, tier, inventory.cached_stock([catalog.stock_group(tier.event_id)], now), now)

    return _cached_reply(("tier", tier_id), catalog, now, LIST_MAX_AGE, build_body)


def tier_availability_reply(tier_id: str, now: int) -> CacheableReply[views.TierAvailabilityView]:
    """How many tickets of a tier are left; raises NotFound."""
    catalog, tier = service.get_visible_tier(tier_id)

    def build_body() -> views.TierAvailabilityView:
        return views.tier_availability_view(catalog, tier, inventory.cached_stock([catalog.stock_group(tier.event_id)], now), now)

    return _cached_reply(("tier availability", tier_id), catalog, now, STOCK_MAX_AGE, build_body)


def ticket_types_reply(event_id: str | None, status: str | None, now: int) -> CacheableReply[TicketTypesView]:
    """The public tiers, of one event if `event_id` is given, and with one status if `status` is given."""
    catalog = service.snapshot()
    if event_id is not None and event_id not in catalog.events:
        return CacheableReply.encode(TicketTypesView(ticket_types=[], total=0), max_age=STOCK_MAX_AGE)

    def build_body() -> TicketTypesView:
        event_tiers = [
            (event, tier)
            for event in _public_events(catalog)
            if event_id in (None, event.id)
            for tier in in_display_order(catalog.visible_tiers(event))
            if status in (None, tier.status)
        ]
        events = {event.id: event for event, _ in event_tiers}
        # The stock of whole events, because an event's status also depends on tiers that are not in this list.
        stocks = inventory.cached_stock(map(catalog.stock_group, events), now)
        statuses = {event.id: public_event_status(catalog, event, now, stocks) for event in events.values()}
        ticket_types = [views.ticket_type_view(catalog, event, statuses[event.id], tier, stocks, now) for event, tier in event_tiers]
        return TicketTypesView(ticket_types=ticket_types, total=len(ticket_types))

    return _cached_reply(("types", event_id, status), catalog, now, LIST_MAX_AGE, build_body)


def _public_events(catalog: Catalog) -> list[Event]:
    """The events of public lists, in their display order."""
    public = (event for event in catalog.events.values() if event.status not in ("draft", "test") and not event.removed)
    return sorted(public, key=lambda event: event.sort_key)


def in_display_order(tiers: Iterable[Tier]) -> list[Tier]:
    """Tiers as the promoter wants them."""
    return sorted(tiers, key=lambda tier: (tier.display_order, tier.id))


def _cached_reply(key: Hashable, catalog: Catalog, now: int, max_age: int, build_body: Callable[[], T]) -> CacheableReply[T]:
    return reply_cache.get(now, catalog, lambda: CacheableReply.encode(build_body(), max_age=max_age), key)
