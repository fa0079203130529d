"""Rules that decide when tickets are on sale, and the errors for tickets that are not on sale. Nothing here uses the store."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from chalicelib.catalog.model import Catalog, Event, PublicEventStatus, Tier, TierStatus
from chalicelib.foundation import clock
from chalicelib.foundation.errors import ApiError
from chalicelib.inventory.model import Stock


class EventNotOnSale(ApiError):
    code: ClassVar[str] = "event_not_on_sale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event is not on sale."

    def __init__(self, phase: Literal["scheduled", "closed", "cancelled"], on_sale_at: str | None) -> None:
        message = {
            "scheduled": f"The sale for this event has not opened yet. Come back at {on_sale_at}.",
            "closed": "The sale for this event has ended.",
            "cancelled": "This event was cancelled.",
        }[phase]
        super().__init__(message, event_status=phase, on_sale_at=on_sale_at)


class TierNotOnSale(ApiError):
    code: ClassVar[str] = "tier_not_on_sale"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This ticket is not on sale at the moment. Choose a different ticket."


class RoundPublic(ApiError):
    """The sale cannot be postponed, because the random number of its draw is public."""

    code: ClassVar[str] = "round_public"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The public random number that decides this draw is already known, so the sale can no longer be postponed. Reset the waiting room "
        "first. Everybody then has to join again."
    )


def current_tier_status(catalog: Catalog, tier: Tier, now: int, stock: Stock | None = None) -> TierStatus:
    """Return a tier's status at `now`, which depends on its sale period and, if `stock` is given, on the available tickets."""
    if not catalog.states[tier.status].purchasable:
        return tier.status
    if tier.sale_starts_at is not None and now < tier.sale_starts_at:
        return "coming-soon"
    if tier.sale_ends_at is not None and now > tier.sale_ends_at:
        return "closed"
    if stock is not None and stock.available <= 0:
        return "sold-out"
    return tier.status


def event_phase(event: Event, now: int) -> Literal["scheduled", "open", "closed", "cancelled"]:
    """Return the sale phase according to the event's own dates and status, regardless of its tiers."""
    if event.status == "cancelled":
        return "cancelled"
    if event.status == "past" or now > event.last_sale_at:
        return "closed"
    return "scheduled" if event.on_sale_at is not None and now < event.on_sale_at else "open"


def public_event_status(catalog: Catalog, event: Event, now: int, stocks: Mapping[str, Stock]) -> PublicEventStatus:
    """Return an event's status for buyers. It is `sold_out` if no tier on sale has available tickets; held tickets are not available."""
    phase = event_phase(event, now)
    if phase != "open":
        return phase
    tiers = catalog.visible_tiers(event)
    statuses = {
        current_tier_status(catalog, tier, now, catalog.tier_stock(tier, stocks) if tier.stock_id in stocks else None) for tier in tiers
    }
    if not tiers or statuses & {"available", "test"}:
        return "on_sale"
    if "coming-soon" in statuses:
        return "scheduled"
    return "sold_out" if "sold-out" in statuses else "closed"


def cheapest_tier(catalog: Catalog, event: Event, now: int, stocks: Mapping[str, Stock]) -> Tier | None:
    """Return the tier with the "from" price of an event: the cheapest tier that can be bought now.

    If no tier can be bought now, return the cheapest tier whose sale begins later, or else the cheapest sold-out tier. Returns None if
    there is no such tier either.
    """
    tiers = [(current_tier_status(catalog, tier, now, stocks.get(tier.stock_id)), tier) for tier in catalog.visible_tiers(event)]
    for statuses in (("available", "test"), ("coming-soon",), ("sold-out",)):
        for status, tier in tiers:  # cheapest first
            if status in statuses:
                return tier
    return None


def sale_refusal(catalog: Catalog, event: Event, tier: Tier, now: int, allow_test: bool, *, is_presale: bool = False) -> ApiError | None:
    """Return the error for a tier that cannot be bought at `now`. Returns None if the tier can be bought.

    In a presale, the event's sale need not have opened. Checks neither the stock, nor whether the event is paused, nor whether the buyer
    has the code that the tier requires.
    """
    phase = event_phase(event, now)
    if phase != "open" and not (is_presale and phase == "scheduled"):
        on_sale_at = None if event.on_sale_at is None else clock.iso(event.on_sale_at)
        return EventNotOnSale(phase, on_sale_at)
    status = "closed" if tier.removed else current_tier_status(catalog, tier, now)
    if status == "test" and not allow_test:
        status = "closed"
    elif catalog.states[status].purchasable:
        return None
    starts_at = tier.sale_starts_at if status == "coming-soon" else None
    message = catalog.states[status].message
    return TierNotOnSale(message, tier_id=tier.id, reason=status, sale_starts_at=None if starts_at is None else clock.iso(starts_at))
