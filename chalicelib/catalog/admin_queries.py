"""The catalog as managers see it: all events and tiers, including drafts, in their current stored state."""

from collections.abc import Mapping

from msgspec.structs import asdict, replace

from chalicelib.catalog import service, views
from chalicelib.catalog.event_states import EventState
from chalicelib.catalog.model import Catalog, Event, Tier
from chalicelib.catalog.tier_management import ChangedTier
from chalicelib.catalog.views import (
    AdminEventView,
    AdminEventWithTiersView,
    AdminTierView,
    ChangedTierView,
    EventWithTiersView,
    TiersView,
    TierView,
)
from chalicelib.edge import cursors
from chalicelib.edge.languages import Language
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation.errors import NotFound
from chalicelib.inventory.availability import read_shown_stock
from chalicelib.inventory.model import Stock

# Sort keys of events, and of tiers within the events.
_EventKey = tuple[int, int, str]
_TierKey = tuple[int, int, str, int, int, str]


def list_events(limit: int, cursor: str | None, now: int) -> tuple[list[AdminEventView], str | None]:
    """Return a page of all events in display order, and the cursor of the next page. Reads only the stock of this page.

    Raises InvalidInput if the cursor is invalid.
    """
    catalog = service.load_current()
    keyed = ((event.sort_key, event) for event in _sorted_events(catalog))
    events, next_cursor = cursors.take_page(keyed, _EventKey, limit, cursor)
    stocks = read_shown_stock(catalog.shard_counts([event.id for event in events]))
    return cursors.fit_page(((event.sort_key, views.admin_event_view(catalog, event, stocks, now)) for event in events), next_cursor)


def get_event(event_id: str, now: int, language: Language | None = None) -> AdminEventWithTiersView:
    """Return an event with all its tiers. Raises NotFound."""
    return _event_view(service.in_language(service.load_current(), language), event_id, now)


def changed_event_view(event_id: str, now: int) -> AdminEventWithTiersView:
    """Return an event that this instance has just changed. Uses the snapshot, which includes the change. Raises NotFound."""
    return _event_view(service.snapshot(), event_id, now)


def _event_view(catalog: Catalog, event_id: str, now: int) -> AdminEventWithTiersView:
    event = _get_event(catalog, event_id)
    stocks = read_shown_stock(catalog.all_shard_counts([event_id]))
    return views.managed_event_view(catalog, event, stocks, now)


def event_state_view(state: EventState, now: int) -> AdminEventWithTiersView:
    """Return an event as it was read after a change to its state."""
    return views.managed_event_view(state.catalog, state.event, state.stocks, now)


def list_tiers(event_id: str | None, limit: int, cursor: str | None, now: int) -> tuple[list[AdminTierView], str | None]:
    """Return a page of the tiers of one event, or of all events if `event_id` is None, and the cursor of the next page.

    Events are in display order, and the tiers of each event are ordered by price. Reads only the stock of the events on the page.
    Raises NotFound and InvalidInput.
    """
    catalog = service.load_current()
    events = _sorted_events(catalog) if event_id is None else [_get_event(catalog, event_id)]
    keys = {
        tier.id: (*event.sort_key, tier.price_cents, tier.display_order, tier.id)
        for event in events
        for tier in catalog.listed_tiers(event.id)
    }
    tiers, next_cursor = cursors.take_page(((key, catalog.tiers[tier_id]) for tier_id, key in keys.items()), _TierKey, limit, cursor)
    event_ids = {tier.event_id for tier in tiers}
    stocks = read_shown_stock(catalog.all_shard_counts(event_ids))
    return cursors.fit_page(((keys[tier.id], views.admin_tier_view(catalog, tier, stocks, now)) for tier in tiers), next_cursor)


def get_tier(tier_id: str, now: int, language: Language | None = None) -> AdminTierView:
    """Return a tier. Raises NotFound."""
    return _tier_view(service.in_language(service.load_current(), language), tier_id, {}, now)


def changed_tier_view(changed: ChangedTier, now: int) -> ChangedTierView:
    """Return a tier that this instance has just changed. Uses the snapshot, which includes the change. Raises NotFound."""
    view = _tier_view(service.snapshot(), changed.tier.id, changed.stocks, now)
    return ChangedTierView(
        **asdict(view), warnings=views.sales_warnings(view.sold, view.reserved, view.reserved_for_waitlist, "name and price")
    )


def _tier_view(catalog: Catalog, tier_id: str, known: Mapping[str, Stock], now: int) -> AdminTierView:
    """Return a tier. Reads only the stocks that are not in `known`."""
    tier = catalog.tiers.get(tier_id)
    if tier is None or tier not in catalog.listed_tiers(tier.event_id) or catalog.find_event(tier.event_id) is None:
        raise NotFound("There is no ticket type with this id.", tier_id=tier_id)
    resale = {resale.stock_id: resale.shards for resale in tier.resale_tiers}
    counts = catalog.tier_shard_counts(tier) | tier.holdback_shard_counts | resale
    unknown = {stock_id: shards for stock_id, shards in counts.items() if stock_id not in known}
    return views.admin_tier_view(catalog, tier, {**known, **read_shown_stock(unknown)}, now)


def managed_event_reply(event_id: str, language: Language | None, now: int) -> CacheableReply[EventWithTiersView]:
    """Return the reply of the public event route for a manager of the event. Raises NotFound."""
    view = get_event(event_id, now, language)
    tiers = [_as_tier_view(tier) for tier in view.tiers]
    return CacheableReply.encode_private(EventWithTiersView(**(asdict(view) | {"tiers": tiers})), view.version)


def managed_tiers_reply(event_id: str, language: Language | None, now: int) -> CacheableReply[TiersView]:
    """Return the reply of the public tier list for a manager of the event. Raises NotFound."""
    tiers = sorted(get_event(event_id, now, language).tiers, key=lambda tier: (tier.position, tier.id))
    return CacheableReply.encode_private(TiersView(tiers=[_as_tier_view(tier) for tier in tiers]), 0)


def managed_tier_reply(tier_id: str, language: Language | None, now: int) -> CacheableReply[TierView]:
    """Return the reply of the public tier route for a manager of the event. Raises NotFound."""
    view = get_tier(tier_id, now, language)
    return CacheableReply.encode_private(_as_tier_view(view), view.version)


def _as_tier_view(view: AdminTierView) -> TierView:
    return TierView(**asdict(view))


def created_event_view(event: Event, now: int) -> AdminEventWithTiersView:
    """Return an event as it was created, without tiers. Reads nothing, because the event is already stored and a read could fail."""
    return views.managed_event_view(Catalog.build([event], []), event, {}, now)


def created_tier_view(tier: Tier, known: Catalog, now: int) -> AdminTierView:
    """Return a tier as it was created, with all tickets available. `known` is a recent catalog. Reads nothing."""
    stock = Stock(capacity=tier.stock_capacity, available=tier.stock_capacity, held=0, sold=0, is_open=True)
    event = service.find_known_event(tier.event_id)  # the catalog with the tier is in this instance's memory
    events = [] if event is None else [replace(event, pool_id=None)]  # the pool's stock would have to be read
    catalog = Catalog.build(events, [tier], known.states, choices=known.choices)
    return views.admin_tier_view(catalog, tier, {tier.stock_id: stock}, now)


def _sorted_events(catalog: Catalog) -> list[Event]:
    """Return the events in display order, without deleted ones."""
    return sorted((event for event in catalog.events.values() if event.deleted_at is None), key=lambda event: event.sort_key)


def _get_event(catalog: Catalog, event_id: str) -> Event:
    event = catalog.find_event(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    return event
