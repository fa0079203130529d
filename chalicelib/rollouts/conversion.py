"""The entries of a bootstrap file as the events and tiers that the catalog stores."""

from msgspec.structs import asdict

from chalicelib.catalog.custom_options import CustomOption
from chalicelib.catalog.model import Event, Tier
from chalicelib.foundation import settings
from chalicelib.rollouts import dates
from chalicelib.rollouts.document import EventEntry, TicketEntry, price_id, ticket_capacity
from chalicelib.rollouts.validation import ValidDocument


def to_events(valid: ValidDocument) -> dict[str, Event]:
    """The document's events by id."""
    return {key: _event(entry, valid) for key, entry in valid.document.events.items()}


def to_tiers(valid: ValidDocument) -> dict[str, Tier]:
    """The document's tiers by id in the current stage, without a stock yet.

    `stock_id` is empty, and `shards` is 0 where the file does not set it.
    """
    return {key: _tier(entry, valid) for key, entry in valid.document.ticket_types.items()}


def _event(entry: EventEntry, valid: ValidDocument) -> Event:
    metadata = valid.tree["events"][entry.id].get("metadata", {})
    promoter_id = metadata.get("promoter_id")
    zone = dates.timezone(entry.metadata.timezone)
    ends_on = entry.end_date or (entry.date if dates.DAY.fullmatch(entry.date) else None)
    return Event(
        id=entry.id,
        name=entry.name,
        venue=entry.venue,
        description=entry.metadata.description or "",
        starts_at=dates.epoch_seconds(entry.date, zone),
        ends_at=None if ends_on is None else dates.epoch_seconds(ends_on, zone, is_end=True),
        on_sale_at=None if entry.on_sale_at is None else dates.epoch_seconds(entry.on_sale_at, zone),
        guests_until=None if entry.guests_until is None else dates.epoch_seconds(entry.guests_until, zone, is_end=True),
        date=entry.date,
        end_date=entry.end_date,
        status=entry.status,
        display_order=entry.display_order,
        timezone=entry.metadata.timezone or "UTC",
        city=entry.metadata.city,
        image_url=entry.metadata.image_url,
        featured=entry.metadata.featured or False,
        purchase_limit=entry.purchase_limit,
        capacity=entry.capacity,
        waiting_room=entry.waiting_room,
        waitlist=entry.waitlist,
        promoter_id=promoter_id if isinstance(promoter_id, str) else None,
        metadata=metadata,
        managed_by="bootstrap",
    )


def _tier(entry: TicketEntry, valid: ValidDocument) -> Tier:
    event = valid.document.events[entry.event_id]
    zone = dates.timezone(event.metadata.timezone)
    window = entry.availability
    start, end = (window.start_date, window.end_date) if window else (None, None)
    return Tier(
        id=entry.id,
        event_id=entry.event_id,
        name=entry.name,
        description=entry.description,
        price_cents=entry.price_cents,
        currency=entry.currency,
        capacity=ticket_capacity(entry, event) or None,
        status=entry.status,
        per_user_limit=entry.per_user_limit,
        max_per_transaction=window.max_per_transaction if window else None,
        admits=entry.admits,
        is_sponsorship=entry.is_sponsorship,
        image_url=entry.image_url,
        options=[CustomOption(**asdict(option)) for option in entry.options],
        low_stock_at=entry.low_stock_at,
        sale_starts_at=None if start is None else dates.epoch_seconds(start, zone),
        sale_ends_at=None if end is None else dates.epoch_seconds(end, zone, is_end=True),
        display_order=entry.display_order,
        stripe_price_id=price_id(entry, settings.current().stage),
        availability=valid.tree["ticket_types"][entry.id].get("availability"),
        metadata=entry.metadata,
        stock_id="",
        shards=entry.shards or 0,
        managed_by="bootstrap",
    )
