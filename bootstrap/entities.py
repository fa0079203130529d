"""The file's entries as the catalog keeps them."""

from bootstrap import times
from bootstrap.document import EventEntry, TicketEntry
from bootstrap.validate import Checked
from chalicelib.catalog.model import Event, Tier


def events(checked: Checked) -> dict[str, Event]:
    return {key: _event(entry, checked) for key, entry in checked.document.events.items()}


def tiers(checked: Checked) -> dict[str, Tier]:
    """The tiers as the file says them, without a stock: `stock_id` is empty, and `shards` is 0 where the file is silent."""
    return {key: _tier(entry, checked) for key, entry in checked.document.ticket_types.items()}


def _event(entry: EventEntry, checked: Checked) -> Event:
    where = times.zone(entry.metadata.timezone)
    ends_on = entry.end_date or (entry.date if times.DAY.fullmatch(entry.date) else None)
    return Event(
        id=entry.id,
        name=entry.name,
        venue=entry.venue,
        description=entry.metadata.description or "",
        starts_at=times.instant(entry.date, where),
        ends_at=None if ends_on is None else times.instant(ends_on, where, end=True),
        on_sale_at=None if entry.on_sale_at is None else times.instant(entry.on_sale_at, where),
        date=entry.date,
        end_date=entry.end_date,
        status=entry.status,
        display_order=entry.display_order,
        timezone=entry.metadata.timezone or "UTC",
        image_url=entry.metadata.image_url,
        featured=entry.metadata.featured or False,
        purchase_limit=entry.purchase_limit,
        waiting_room=entry.waiting_room,
        metadata=checked.tree["events"][entry.id].get("metadata", {}),
        managed_by="bootstrap",
    )


def _tier(entry: TicketEntry, checked: Checked) -> Tier:
    where = times.zone(checked.document.events[entry.event_id].metadata.timezone)
    window = entry.availability
    start, end = (window.start_date, window.end_date) if window else (None, None)
    return Tier(
        id=entry.id,
        event_id=entry.event_id,
        name=entry.name,
        description=entry.description,
        price_cents=entry.price_cents,
        currency=entry.currency,
        capacity=entry.max_quantity,
        status=entry.status,
        per_user_limit=entry.per_user_limit,
        max_per_transaction=window.max_per_transaction if window else None,
        admits=entry.admits,
        sale_starts_at=None if start is None else times.instant(start, where),
        sale_ends_at=None if end is None else times.instant(end, where, end=True),
        display_order=entry.display_order,
        stripe_price_id=entry.stripe_price_id,
        availability=checked.tree["ticket_types"][entry.id].get("availability"),
        metadata=entry.metadata,
        stock_id="",
        shards=entry.shards or 0,
        managed_by="bootstrap",
    )
