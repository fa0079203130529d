"""Public catalog replies, cached in encoded form while the catalog is unchanged and the stock figures are fresh.

A repeated request costs one dictionary lookup. While the catalog is unchanged, each instance encodes a reply at most once every
CHECK_SECONDS, so a status that depends on the clock is never older than that.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Annotated, TypeVar

from msgspec import Meta

from chalicelib.accounts import profiles
from chalicelib.accounts.profiles import PublicSeller
from chalicelib.catalog import search, service, stock_ledger, views
from chalicelib.catalog.model import Catalog, Event, Tier, TierStatus, in_display_order
from chalicelib.catalog.sale_rules import event_phase, public_event_status
from chalicelib.catalog.snapshots import reply_cache
from chalicelib.catalog.stock_ledger import StockLedgerView
from chalicelib.catalog.views import AvailabilityView, EventWithTiersView, ListedEventView, TicketTypesView
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import Language, LanguageQuery
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.ids import Id
from chalicelib.inventory.availability import cached_stock

LIST_MAX_AGE = 2
STOCK_MAX_AGE = 1
LEDGER_MAX_AGE = 5
FULL_PAGE_MAX_AGE = 3600  # of the stock ledger; its entries never change
MAX_LISTED = 1000  # events or tiers in one reply, unless they take more than `cursors.MAX_PAGE_BYTES`
SELLER_SECONDS = 600  # sellers' names rarely change; a locked promoter's events leave the lists at once

T = TypeVar("T")

_sellers: TtlCache[Mapping[str, PublicSeller]] = TtlCache(lambda: SELLER_SECONDS, max_keys=100)  # by the promoters of a page

# Sort key for the tiers of all events: the key of the event, then the order within the event.
_TierKey = tuple[int, int, int, str, int, str]


class TicketTypesQuery(LanguageQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Filters for the ticket types. `status` is the status in the bootstrap file."""

    event_id: Id | None = None
    status: TierStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_LISTED)] = MAX_LISTED
    cursor: Cursor | None = None


def events_reply(language: Language | None, now: int) -> CacheableReply[list[ListedEventView]]:
    """Return the public events. If they do not fit in one reply, a `Link` header leads to the rest (RFC 8288)."""
    catalog = service.snapshot_in(language)

    def encode() -> CacheableReply[list[ListedEventView]]:
        keyed = search.in_turns(_public_events(catalog), now)
        keys = {event.id: key for key, event in keyed}
        events, next_cursor = cursors.take_page(keyed, search.Key, MAX_LISTED, None)
        open_events = (event.id for event in events if event_phase(event, now) == "open")
        stocks = cached_stock(map(catalog.stock_group, open_events), now)
        sellers = _load_sellers(events, now)
        keyed_views = ((keys[event.id], views.listed_event_view(catalog, event, stocks, now, sellers)) for event in events)
        body, next_cursor = cursors.fit_page(keyed_views, next_cursor)
        link = cursors.link_headers(search.EventQuery(limit=search.MAX_LIMIT, language=language), next_cursor)
        return CacheableReply.encode(body, max_age=LIST_MAX_AGE, headers=link)

    return reply_cache.get(now, catalog, encode, ("events", language))


def filtered_events_reply(query: search.EventQuery, now: int) -> CacheableReply[list[ListedEventView]]:
    """Return a page of the public events that match a query, with a `Link` header to the next page (RFC 8288). Raises InvalidInput."""
    catalog = service.snapshot()
    page = search.find_events(catalog, _public_events(catalog), query, now)
    sellers = _load_sellers((event for _, event in page.events), now)
    shown = service.in_language(catalog, query.language)
    keyed_views = ((key, views.listed_event_view(shown, shown.events[event.id], page.stocks, now, sellers)) for key, event in page.events)
    body, next_cursor = cursors.fit_page(keyed_views, page.next_cursor)
    return CacheableReply.encode(body, max_age=LIST_MAX_AGE, headers=cursors.link_headers(query, next_cursor))


def event_reply(event_id: str, language: Language | None, now: int) -> CacheableReply[EventWithTiersView]:
    """Return an event with its tiers. Raises NotFound."""
    catalog, event = service.get_visible_event(event_id, language)

    def build_body() -> EventWithTiersView:
        stocks = cached_stock([catalog.stock_group(event_id)], now)
        return views.event_with_tiers_view(catalog, event, stocks, now)

    return cached_reply(("event", event_id, language), catalog, now, LIST_MAX_AGE, build_body)


def availability_reply(event_id: str, language: Language | None, now: int) -> CacheableReply[AvailabilityView]:
    """Return how many tickets of each tier of an event are left. Raises NotFound."""
    catalog, event = service.get_visible_event(event_id, language)

    def build_body() -> AvailabilityView:
        stocks = cached_stock([catalog.stock_group(event_id)], now)
        return views.availability_view(catalog, event, stocks, now)

    return cached_reply(("availability", event_id, language), catalog, now, STOCK_MAX_AGE, build_body)


def stock_ledger_reply(event_id: str, page: int, now: int) -> CacheableReply[StockLedgerView]:
    """Return a page of an event's stock ledger. Raises NotFound."""
    catalog, _ = service.get_visible_event(event_id)

    def encode() -> CacheableReply[StockLedgerView]:
        view = stock_ledger.load_page(event_id, page)
        if view is None:
            raise NotFound("The stock ledger has fewer pages.", event_id=event_id)
        return CacheableReply.encode(view, max_age=FULL_PAGE_MAX_AGE if view.page < view.pages - 1 else LEDGER_MAX_AGE)

    return reply_cache.get(now, catalog, encode, ("stock ledger", event_id, page))


def tiers_reply(event_id: str, language: Language | None, now: int) -> CacheableReply[views.TiersView]:
    """Return the tiers of an event by position. Raises NotFound."""
    catalog, event = service.get_visible_event(event_id, language)

    def build_body() -> views.TiersView:
        stocks = cached_stock([catalog.stock_group(event_id)], now)
        return views.TiersView(
            tiers=[views.tier_view(catalog, tier, stocks, now) for tier in in_display_order(catalog.visible_tiers(event))]
        )

    return cached_reply(("tiers", event_id, language), catalog, now, LIST_MAX_AGE, build_body)


def tier_reply(tier_id: str, language: Language | None, now: int) -> CacheableReply[views.TierView]:
    """Return a tier, which may be hidden. Raises NotFound."""
    catalog, tier = service.get_visible_tier(tier_id, language)

    def build_body() -> views.TierView:
        return views.tier_view(catalog, tier, cached_stock([catalog.stock_group(tier.event_id)], now), now)

    return cached_reply(("tier", tier_id, language), catalog, now, LIST_MAX_AGE, build_body)


def tier_availability_reply(tier_id: str, language: Language | None, now: int) -> CacheableReply[views.TierAvailabilityView]:
    """Return how many tickets of a tier are left. Raises NotFound."""
    catalog, tier = service.get_visible_tier(tier_id, language)

    def build_body() -> views.TierAvailabilityView:
        return views.tier_availability_view(catalog, tier, cached_stock([catalog.stock_group(tier.event_id)], now), now)

    return cached_reply(("tier availability", tier_id, language), catalog, now, STOCK_MAX_AGE, build_body)


def ticket_types_reply(query: TicketTypesQuery, now: int) -> CacheableReply[TicketTypesView]:
    """Return a page of the public tiers, with a `Link` header to the next page. `total` counts the tiers of all pages.

    Raises InvalidInput if the cursor is invalid.
    """
    catalog = service.snapshot_in(query.language)
    if query.event_id is not None and query.event_id not in catalog.events:
        return CacheableReply.encode(TicketTypesView(ticket_types=[], total=0), max_age=STOCK_MAX_AGE)
    is_first = query == TicketTypesQuery(event_id=query.event_id, status=query.status, language=query.language)
    if not is_first:  # callers can request any number of different pages, so only the first page is cached
        return _encode_ticket_types(catalog, query, now)
    return reply_cache.get(now, catalog, lambda: _encode_ticket_types(catalog, query, now), ("types", query))


def _encode_ticket_types(catalog: Catalog, query: TicketTypesQuery, now: int) -> CacheableReply[TicketTypesView]:
    keyed = search.in_turns(_public_events(catalog), now)
    keys = {event.id: key for key, event in keyed}
    listed = [
        (_tier_key(key, tier), (event, tier))
        for key, event in keyed
        if query.event_id in (None, event.id)
        for tier in in_display_order(catalog.visible_tiers(event))
        if query.status in (None, tier.status)
    ]
    event_tiers, next_cursor = cursors.take_page(listed, _TierKey, query.limit, query.cursor)
    events = {event.id: event for event, _ in event_tiers}
    # Read the stock of whole events, because an event's status also depends on tiers that are not in this list.
    stocks = cached_stock(map(catalog.stock_group, events), now)
    statuses = {event.id: public_event_status(catalog, event, now, stocks) for event in events.values()}
    keyed_views = (
        (_tier_key(keys[event.id], tier), views.ticket_type_view(catalog, event, statuses[event.id], tier, stocks, now))
        for event, tier in event_tiers
    )
    ticket_types, next_cursor = cursors.fit_page(keyed_views, next_cursor)
    body = TicketTypesView(ticket_types=ticket_types, total=len(listed))
    return CacheableReply.encode(body, max_age=LIST_MAX_AGE, headers=cursors.link_headers(query, next_cursor))


def _tier_key(event_key: search.Key, tier: Tier) -> _TierKey:
    return *event_key, tier.display_order, tier.id


def _public_events(catalog: Catalog) -> list[Event]:
    """Return the events of public lists, in any order. Ticket holders still find suspended events by their address."""
    listed = (event for event in catalog.events.values() if not (event.removed or event.suspended))
    return [event for event in listed if event.status not in ("draft", "test")]


def find_seller(event: Event, now: int) -> PublicSeller | None:
    """Return the event's promoter if an admin has verified the promoter; None if the shop sells the tickets. At most ten minutes old."""
    return None if event.suspended or event.promoter_id is None else _load_sellers([event], now).get(event.promoter_id)


def _load_sellers(events: Iterable[Event], now: int) -> Mapping[str, PublicSeller]:
    """Return the verified promoters of these events by their ids. Does not call the store for events without promoters."""
    promoter_ids = frozenset(event.promoter_id for event in events if event.promoter_id is not None)
    if not promoter_ids:
        return {}
    return _sellers.get(now, None, lambda: profiles.load_sellers(promoter_ids), promoter_ids)


def cached_reply(key: Hashable, catalog: Catalog, now: int, max_age: int, build_body: Callable[[], T]) -> CacheableReply[T]:
    """Return the cached reply for `key`. It is encoded again when the catalog has changed or the reply is CHECK_SECONDS old."""
    return reply_cache.get(now, catalog, lambda: CacheableReply.encode(build_body(), max_age=max_age), key)
