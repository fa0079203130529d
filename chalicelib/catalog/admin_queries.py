"""The catalog as admins see it: everything, drafts too, as the store has it now."""

from typing import Any

from chalicelib.catalog import service, views
from chalicelib.catalog.model import Catalog, Event
from chalicelib.errors import NotFound
from chalicelib.inventory import service as inventory

View = dict[str, Any]


def events(now: int) -> list[View]:
    catalog = service.load_current()
    stocks = inventory.read_stock(catalog.shard_counts(catalog.events))
    ordered = sorted(catalog.events.values(), key=lambda one: (one.display_order, one.starts_at, one.id))
    return [views.admin_event(catalog, one, stocks, now) for one in ordered]


def event(event_id: str, now: int) -> View:
    """The event with all its tiers; raises NotFound."""
    catalog = service.load_current()
    one = _event(catalog, event_id)
    stocks = inventory.read_stock(catalog.shard_counts([event_id]))
    tiers = [views.admin_tier(catalog, tier, stocks, now) for tier in catalog.tiers_of(event_id)]
    return {**views.admin_event(catalog, one, stocks, now), "tiers": tiers}


def tiers(event_id: str | None, now: int) -> list[View]:
    """The tiers of one event (raises NotFound when there is none), or of all events."""
    catalog = service.load_current()
    events = list(catalog.events) if event_id is None else [_event(catalog, event_id).id]
    stocks = inventory.read_stock(catalog.shard_counts(events))
    return [views.admin_tier(catalog, tier, stocks, now) for one in events for tier in catalog.tiers_of(one)]


def tier(tier_id: str, now: int) -> View:
    catalog = service.load_current()
    one = catalog.tiers.get(tier_id)
    if one is None:
        raise NotFound("There is no such ticket.", tier_id=tier_id)
    return views.admin_tier(catalog, one, inventory.read_stock({one.stock_id: one.shards}), now)


def _event(catalog: Catalog, event_id: str) -> Event:
    one = catalog.events.get(event_id)
    if one is None:
        raise NotFound("There is no such event.", event_id=event_id)
    return one
