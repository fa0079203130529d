"""How events, tiers and stock look over HTTP."""

from collections.abc import Mapping
from typing import Any

from chalicelib import clock, settings
from chalicelib.catalog.model import Catalog, Event, PublicEventStatus, Tier, current_tier_status, public_event_status, sale_refusal
from chalicelib.inventory.model import NO_STOCK, Stock

Stocks = Mapping[str, Stock]


def event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """An event as the public sees it."""
    return {
        "id": event.id,
        "name": event.name,
        "venue": event.venue,
        "description": event.description,
        "starts_at": clock.iso(event.starts_at),
        "ends_at": _iso(event.ends_at),
        "on_sale_at": _iso(event.on_sale_at),
        "status": public_event_status(catalog, event, now, stocks),
        "timezone": event.timezone,
        "image_url": event.image_url,
        "featured": event.featured,
        "display_order": event.display_order,
        "purchase_limit": _event_limit(event),
    }


def event_with_tiers_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """An event and its visible tiers as the public sees them."""
    tiers = [tier_view(catalog, tier, stocks, now) for tier in catalog.visible_tiers(event)]
    return {**event_view(catalog, event, stocks, now), "tiers": tiers}


def tier_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> dict[str, Any]:
    """A tier as the public sees it in its event. `status` and `message` depend on the time and the stock."""
    status = current_tier_status(catalog, tier, now, stocks.get(tier.stock_id, NO_STOCK))
    return {
        "id": tier.id,
        "event_id": tier.event_id,
        "name": tier.name,
        "description": tier.description,
        "price_cents": tier.price_cents,
        "currency": tier.currency,
        "capacity": tier.capacity,
        "available": stocks.get(tier.stock_id, NO_STOCK).available,
        "per_user_limit": _tier_limit(tier),
        "admits": tier.admits,
        "status": status,
        "message": catalog.states[status].message,
        "sale_starts_at": _iso(tier.sale_starts_at),
        "sale_ends_at": _iso(tier.sale_ends_at),
        "display_order": tier.display_order,
        "metadata": tier.metadata,
    }


def availability_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """The tickets of each tier of an event; `capacity = available + reserved + sold` in each line."""
    lines = [(tier, stocks.get(tier.stock_id, NO_STOCK)) for tier in catalog.visible_tiers(event)]
    return {
        "event_id": event.id,
        "event_name": event.name,
        "availability": [
            {
                "tier_id": tier.id,
                "tier_name": tier.name,
                "capacity": stock.capacity,
                "available": stock.available,
                "reserved": stock.held,
                "sold": stock.sold,
                "price_cents": tier.price_cents,
                "per_user_limit": _tier_limit(tier),
            }
            for tier, stock in lines
        ],
        "last_updated": clock.iso(now),
    }


def ticket_type_view(
    catalog: Catalog, event: Event, event_status: PublicEventStatus, tier: Tier, stocks: Stocks, now: int
) -> dict[str, Any]:
    """A tier as in the bootstrap file, with its event and its stock. `status` is that of the file; `message` depends on the time."""
    stock = stocks.get(tier.stock_id, NO_STOCK)
    status = current_tier_status(catalog, tier, now, stock)
    for_sale = not event.paused and sale_refusal(catalog, event, tier, now, allow_test=False) is None
    return {
        "id": tier.id,
        "event_id": tier.event_id,
        "stripe_price_id": tier.stripe_price_id,
        "name": tier.name,
        "description": tier.description,
        "price_cents": tier.price_cents,
        "currency": tier.currency,
        "status": tier.status,
        "max_quantity": tier.capacity,
        "sold_count": stock.sold,
        "display_order": tier.display_order,
        "metadata": tier.metadata,
        "availability": tier.availability,
        "admits": tier.admits,
        "per_user_limit": _tier_limit(tier),
        "event_name": event.name,
        "event_date": event.date,
        "event_venue": event.venue,
        "event_status": event_status,
        "available_quantity": stock.available,
        "is_available": for_sale and stock.available > 0,
        "message": catalog.states[status].message,
    }


def admin_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> dict[str, Any]:
    """An event as admins see it: with the status `draft` or `test`, and where it is managed."""
    view = event_view(catalog, event, stocks, now)
    if event.status in ("draft", "test"):
        view["status"] = event.status
    return {
        **view,
        "paused": event.paused,
        "managed_by": event.managed_by,
        "removed": event.removed,
        "created_at": _iso(event.created_at or None),
        "updated_at": _iso(event.updated_at or None),
    }


def admin_tier_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> dict[str, Any]:
    """A tier as admins see it: with the tickets that are held and sold, and where it is managed."""
    stock = stocks.get(tier.stock_id, NO_STOCK)
    return {
        **tier_view(catalog, tier, stocks, now),
        "reserved": stock.held,
        "sold": stock.sold,
        "stripe_price_id": tier.stripe_price_id,
        "managed_by": tier.managed_by,
        "removed": tier.removed,
        "created_at": _iso(tier.created_at or None),
        "updated_at": _iso(tier.updated_at or None),
    }


def _iso(epoch_seconds: int | None) -> str | None:
    return None if epoch_seconds is None else clock.iso(epoch_seconds)


def _event_limit(event: Event) -> int:
    return event.limit(settings.current().event_purchase_limit)


def _tier_limit(tier: Tier) -> int:
    return tier.limit(settings.current().tier_purchase_limit)
