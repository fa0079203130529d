"""The promo codes of a bootstrap file as the store keeps them."""

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from msgspec.structs import asdict

from chalicelib.catalog.tier_management import DEFAULT_CURRENCY
from chalicelib.promotions import forms
from chalicelib.promotions.forms import NewPromoCode
from chalicelib.promotions.model import PromoCode, normalize
from chalicelib.rollouts import dates
from chalicelib.rollouts.document import EventEntry, PromoCodeEntry, TicketEntry


def to_promo_codes(events: Mapping[str, EventEntry], tickets: Mapping[str, TicketEntry]) -> list[PromoCode]:
    """The promo codes of all events, without the stock of their uses yet."""
    codes = []
    for event in events.values():
        zone = dates.timezone(event.metadata.timezone)
        codes += [to_promo_code(code, event.id, tickets.values(), zone) for code in event.promo_codes]
    return codes


def to_promo_code(entry: PromoCodeEntry, event_id: str, tickets: Iterable[TicketEntry], zone: tzinfo) -> PromoCode:
    """One promo code, by the rules of the API; its dates are in `zone` and right. Raises InvalidInput."""
    currency = next((ticket.currency for ticket in tickets if ticket.event_id == event_id), DEFAULT_CURRENCY)
    fields = {name: value for name, value in asdict(entry).items() if name not in ("starts_at", "expires_at")}
    promo_code = PromoCode(
        event_id=event_id,
        currency=currency,
        stock_id="",
        shards=0,
        managed_by="bootstrap",
        created_at=0,
        updated_at=0,
        code=normalize(entry.code),
        starts_at=None if entry.starts_at is None else dates.epoch_seconds(entry.starts_at, zone),
        expires_at=None if entry.expires_at is None else dates.epoch_seconds(entry.expires_at, zone, is_end=True),
        **NewPromoCode(**fields).values(entry.discount_type, currency),
    )
    forms.check(promo_code)
    return promo_code
