"""How events and tiers look over HTTP to those who manage them: drafts too, with where they are managed and their version."""

from typing import Any

from msgspec import UNSET
from msgspec.structs import asdict

from chalicelib.catalog.model import Catalog, Event, ManagedBy, Tier
from chalicelib.catalog.queue_configs import WaitingRoomConfig, WaitlistConfig
from chalicelib.catalog.views import EventFieldsView, Stocks, TierView, event_view, iso_or_none, tier_view
from chalicelib.foundation import settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.inventory.model import NO_STOCK


class AdminEventView(EventFieldsView, frozen=True, kw_only=True):
    """An event as those who manage it see it: with the status `draft` or `test`, and where it is managed. A draft may have no start."""

    paused: bool
    managed_by: ManagedBy
    removed: bool
    promoter_id: str | None
    hold_seconds: int
    guests_until: Timestamp | None
    waiting_room: WaitingRoomConfig | None
    waitlist: WaitlistConfig | None
    metadata: dict[str, Any]
    version: int
    created_at: Timestamp | None
    updated_at: Timestamp | None


class AdminTierView(TierView, frozen=True, kw_only=True):
    """A tier as those who manage its event see it: with the tickets that are held, and where it is managed."""

    hidden: bool
    low_stock_at: int | None
    reserved: int
    stripe_price_id: str | None
    managed_by: ManagedBy
    removed: bool
    version: int
    created_at: Timestamp | None
    updated_at: Timestamp | None


class AdminEventWithTiersView(AdminEventView, frozen=True, kw_only=True):
    """An event as those who manage it see it, with all its tiers."""

    tiers: list[AdminTierView]


def managed_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> AdminEventWithTiersView:
    """An event and all its tiers as those who manage it see them."""
    tiers = [admin_tier_view(catalog, tier, stocks, now) for tier in catalog.listed_tiers(event.id)]
    return AdminEventWithTiersView(**asdict(admin_event_view(catalog, event, stocks, now)), tiers=tiers)


def admin_event_view(catalog: Catalog, event: Event, stocks: Stocks, now: int) -> AdminEventView:
    """An event as those who manage it see it."""
    view = asdict(event_view(catalog, event, stocks, now))
    view["starts_at"] = iso_or_none(event.starts_at or None)
    if event.status in ("draft", "test"):
        view["status"] = event.status
    return AdminEventView(
        **view,
        paused=event.paused,
        managed_by=event.managed_by,
        removed=event.removed,
        promoter_id=event.promoter_id,
        hold_seconds=event.seconds_of_hold(settings.current().hold_seconds),
        guests_until=iso_or_none(event.guests_until),
        waiting_room=event.waiting_room,
        waitlist=event.waitlist,
        metadata=event.metadata,
        version=event.version,
        created_at=iso_or_none(event.created_at or None),
        updated_at=iso_or_none(event.updated_at or None),
    )


def admin_tier_view(catalog: Catalog, tier: Tier, stocks: Stocks, now: int) -> AdminTierView:
    """A tier as those who manage its event see it."""
    view = {name: value for name, value in asdict(tier_view(catalog, tier, stocks, now)).items() if value is not UNSET}
    return AdminTierView(
        **view,
        hidden=tier.hidden,
        low_stock_at=tier.low_stock_at,
        reserved=stocks.get(tier.stock_id, NO_STOCK).held,
        stripe_price_id=tier.stripe_price_id,
        managed_by=tier.managed_by,
        removed=tier.removed,
        version=tier.version,
        created_at=iso_or_none(tier.created_at or None),
        updated_at=iso_or_none(tier.updated_at or None),
    )
