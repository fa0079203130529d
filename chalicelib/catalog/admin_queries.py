"""The catalog as admins see it: all events and tiers, drafts too, as the store has them now."""

from collections.abc import Mapping
from typing import Any

from chalicelib.catalog import service, views
from chalicelib.catalog.model import Catalog, DisplayState, Event, Tier
from chalicelib.errors import NotFound
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Stock

View = dict[str, Any]


def list_events(now: int) -> list[View]:
    """All events in their display order."""
    catalog = service.load_current()
    stocks = inventory.read_stock(catalog.shard_counts(catalog.events))
    events = sorted(catalog.events.values(), key=lambda event: event.sort_key)
    return [views.admin_event_view(catalog, event, stocks, now) for event in events]


def get_event(event_id: str, now: int) -> View:
    """An event with all its tiers; raises NotFound."""
    catalog = service.load_current()
    event = _get_event(catalog, event_id)
    stocks = inventory.read_stock(catalog.shard_counts([event_id]))
    tiers = [views.admin_tier_view(catalog, tier, stocks, now) for tier in catalog.tiers_of(event_id)]
    return {**views.admin_event_view(catalog, event, stocks, now), "tiers": tiers}


def list_tiers(event_id: str | None, now: int) -> list[View]:
    """The tiers of one event, or of all events if `event_id` is None; raises NotFound."""
    catalog = service.load_current()
    event_ids = list(catalog.events) if event_id is None else [_get_event(catalog, event_id).id]
    stocks = inventory.read_stock(catalog.shard_counts(event_ids))
    tiers = [tier for event_id in event_ids for tier in catalog.tiers_of(event_id)]
    return [views.admin_tier_view(catalog, tier, stocks, now) for tier in tiers]


def get_tier(tier_id: str, now: int) -> View:
    """A tier; raises NotFound."""
    catalog = service.load_current()
    tier = catalog.tiers.get(tier_id)
    if tier is None:
        raise NotFound("There is no ticket type with this id.", tier_id=tier_id)
    return views.admin_tier_view(catalog, tier, inventory.read_stock({tier.stock_id: tier.shards}), now)


def created_event_view(event: Event, now: int) -> View:
    """An event as it was created, without any tiers. Reads nothing, because the event is in the store already."""
    return {**views.admin_event_view(Catalog.build([event], []), event, {}, now), "tiers": []}


def created_tier_view(tier: Tier, states: Mapping[str, DisplayState], now: int) -> View:
    """A tier as it was created, with all of its tickets; `states` are the catalog's. Reads nothing, as above."""
    stock = Stock(capacity=tier.capacity, available=tier.capacity, held=0, sold=0, is_open=True)
    return views.admin_tier_view(Catalog.build([], [tier], states), tier, {tier.stock_id: stock}, now)


def _get_event(catalog: Catalog, event_id: str) -> Event:
    event = catalog.events.get(event_id)
    if event is None:
        raise NotFound("There is no event with this id.", event_id=event_id)
    return event
