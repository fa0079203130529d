"""What the catalog's answers look like."""

from collections.abc import Mapping
from typing import Any

from chalicelib import clock, settings
from chalicelib.catalog.model import Catalog, Event, Tier, event_status, sale_refusal, tier_state
from chalicelib.inventory.model import NO_STOCK, Stock

Stocks = Mapping[str, Stock]


def event(catalog: Catalog, one: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """An event as the public sees it."""
    return {
        "id": one.id,
        "name": one.name,
        "venue": one.venue,
        "description": one.description,
        "starts_at": clock.iso(one.starts_at),
        "ends_at": _iso(one.ends_at),
        "on_sale_at": _iso(one.on_sale_at),
        "status": event_status(catalog, one, now, stocks),
        "timezone": one.timezone,
        "image_url": one.image_url,
        "featured": one.featured,
        "display_order": one.display_order,
        "purchase_limit": _event_limit(one),
    }


def event_with_tiers(catalog: Catalog, one: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    tiers = [tier(catalog, each, stocks, now) for each in catalog.shown_tiers(one)]
    return {**event(catalog, one, stocks, now), "tiers": tiers}


def tier(catalog: Catalog, one: Tier, stocks: Stocks, now: int) -> dict[str, Any]:
    """A tier as the public sees it in its event; `status` and `message` are by the clock and the stock."""
    state = tier_state(catalog, one, now, stocks.get(one.stock_id, NO_STOCK))
    return {
        "id": one.id,
        "event_id": one.event_id,
        "name": one.name,
        "description": one.description,
        "price_cents": one.price_cents,
        "currency": one.currency,
        "capacity": one.capacity,
        "available": stocks.get(one.stock_id, NO_STOCK).available,
        "per_user_limit": _tier_limit(one),
        "admits": one.admits,
        "status": state,
        "message": catalog.states[state].message,
        "sale_starts_at": _iso(one.sale_starts_at),
        "sale_ends_at": _iso(one.sale_ends_at),
        "display_order": one.display_order,
        "metadata": one.metadata,
    }


def availability(catalog: Catalog, one: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """Figures as of `last_updated`; `capacity = available + reserved + sold` in each line."""
    lines = [(each, stocks.get(each.stock_id, NO_STOCK)) for each in catalog.shown_tiers(one)]
    return {
        "event_id": one.id,
        "event_name": one.name,
        "availability": [
            {
                "tier_id": each.id,
                "tier_name": each.name,
                "capacity": stock.capacity,
                "available": stock.available,
                "reserved": stock.held,
                "sold": stock.sold,
                "price_cents": each.price_cents,
                "per_user_limit": _tier_limit(each),
            }
            for each, stock in lines
        ],
        "last_updated": clock.iso(now),
    }


def ticket_type(catalog: Catalog, of: Event, one: Tier, stocks: Stocks, now: int) -> dict[str, Any]:
    """A tier as in the bootstrap file, with its event and what is left of it; `status` is the file's, `message` the clock's."""
    stock = stocks.get(one.stock_id, NO_STOCK)
    state = tier_state(catalog, one, now, stock)
    for_sale = not of.paused and sale_refusal(catalog, of, one, now, allow_test=False) is None
    return {
        "id": one.id,
        "event_id": one.event_id,
        "stripe_price_id": one.stripe_price_id,
        "name": one.name,
        "description": one.description,
        "price_cents": one.price_cents,
        "currency": one.currency,
        "status": one.status,
        "max_quantity": one.capacity,
        "sold_count": stock.sold,
        "display_order": one.display_order,
        "metadata": one.metadata,
        "availability": one.availability,
        "admits": one.admits,
        "per_user_limit": _tier_limit(one),
        "event_name": of.name,
        "event_date": of.date,
        "event_venue": of.venue,
        "available_quantity": stock.available,
        "is_available": for_sale and stock.available > 0,
        "message": catalog.states[state].message,
    }


def admin_event(catalog: Catalog, one: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """An event as admins see it: drafts and tests by their name, and who manages it."""
    shown = event(catalog, one, stocks, now)
    if one.status in ("draft", "test"):
        shown["status"] = one.status
    return {
        **shown,
        "paused": one.paused,
        "managed_by": one.managed_by,
        "removed": one.removed,
        "created_at": _iso(one.created_at or None),
        "updated_at": _iso(one.updated_at or None),
    }


def admin_tier(catalog: Catalog, one: Tier, stocks: Stocks, now: int) -> dict[str, Any]:
    stock = stocks.get(one.stock_id, NO_STOCK)
    return {
        **tier(catalog, one, stocks, now),
        "reserved": stock.held,
        "sold": stock.sold,
        "stripe_price_id": one.stripe_price_id,
        "managed_by": one.managed_by,
        "removed": one.removed,
        "created_at": _iso(one.created_at or None),
        "updated_at": _iso(one.updated_at or None),
    }


def _iso(epoch_seconds: int | None) -> str | None:
    return None if epoch_seconds is None else clock.iso(epoch_seconds)


def _event_limit(one: Event) -> int:
    return one.limit(settings.current().event_purchase_limit)


def _tier_limit(one: Tier) -> int:
    return one.limit(settings.current().tier_purchase_limit)
