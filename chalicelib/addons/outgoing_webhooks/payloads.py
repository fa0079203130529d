"""JSON messages that tell promoters about changes. They never contain ticket codes, signatures, or buyers' names, addresses or answers."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from chalicelib.addons.outgoing_webhooks.model import Message, MessageType, message_id
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import CancelledDate, Event, EventDate
from chalicelib.catalog.views import iso_or_none
from chalicelib.changes.model import (
    Change,
    EventChanged,
    EventPaused,
    EventResumed,
    OrderPaid,
    OrderRefunded,
    TicketChange,
    TicketCheckedIn,
    TicketTransferred,
    WaitlistOffered,
)
from chalicelib.edge import deprecations
from chalicelib.foundation import clock, ids
from chalicelib.foundation.clock import Timestamp
from chalicelib.purchases.views import ReservationView, order_view, refund_view, reservation_view
from chalicelib.tickets.model import Ticket, TicketState

EventChange = Literal["created", "changed", "deleted", "paused", "resumed"]

# The event's fields that people do not edit.
_INTERNAL = frozenset({"version", "updated_at", "created_at", "pool_id", "pool_shards", "managed_by", "public_changes"})


class TicketData(Struct, frozen=True, kw_only=True):
    """A ticket in a message. `number` is the number of its first seat, or null in the first few seconds after the sale.

    `admitted` counts the people on `date`, the date of the last scan. `date` is null if the event has no dates or the ticket was never
    scanned.
    """

    id: str
    number: str | None
    order_id: str
    event_id: str
    tier_id: str
    state: TicketState
    admits: int
    admitted: int
    date: str | None
    price_cents: int
    currency: str
    created_at: Timestamp


class EventData(Struct, frozen=True, kw_only=True):
    """An event in a message."""

    id: str
    name: str
    venue: str
    status: str
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    dates: list[EventDate]
    cancelled_dates: list[CancelledDate]
    on_sale_at: Timestamp | None
    timezone: str
    capacity: int | None
    version: int


class Notice(Struct, frozen=True):
    """A message for the promoter of an event. If `promoter_id` is None, look up the promoter in the catalog."""

    message: Message
    event_id: str
    promoter_id: str | None = None


def notices(change: Change) -> Iterator[Notice]:
    """Yield the message about a change, if the change has one. A change that is delivered twice yields the same message."""
    data: dict[str, Any]
    match change:
        case OrderPaid(purchase=purchase):
            yield _notice("order.paid", purchase.id, change.at, purchase.event_id, {"order": order_view(purchase)})
        case OrderRefunded(purchase=purchase, refund=refund) if refund.tickets:
            data = {"order": order_view(purchase), "refund": refund_view(refund, purchase)}
            yield _notice("order.refunded", f"{purchase.id}/{refund.id}", change.at, purchase.event_id, data)
        case WaitlistOffered(purchase=purchase):
            offer, _ = deprecations.with_old_names(reservation_view(purchase, change.at), ReservationView)
            data = {"offer": offer, "waitlist_entry_id": purchase.waitlist_entry_id}
            yield _notice("waitlist.offered", purchase.id, change.at, purchase.event_id, data)
        case TicketCheckedIn(ticket=ticket, people=people):
            yield _ticket_notice("ticket.checked_in", change, {"ticket": _ticket_data(ticket), "people": people})
        case TicketTransferred(ticket=ticket):
            yield _ticket_notice("ticket.transferred", change, {"ticket": _ticket_data(ticket)})
        case EventChanged(event_id=event_id, before=before, after=after):
            event = after or before
            assert event is not None  # a change has `before`, `after` or both
            identity = f"{event.version}" if change.file_version is None else f"file-{change.file_version}"
            fields = _changed_fields(before, after) if before is not None and after is not None else []
            if before is None:
                yield _event_notice(event, "created", [], identity, change.at)
            elif after is None:
                yield _event_notice(event, "deleted", [], identity, change.at)
            elif fields:
                yield _event_notice(event, "changed", fields, identity, change.at)
        case EventPaused(event_id=event_id) | EventResumed(event_id=event_id):
            if (found := catalog.find_event(event_id)) is not None:
                done: EventChange = "paused" if isinstance(change, EventPaused) else "resumed"
                yield _event_notice(found, done, [], f"{change.at}", change.at)


def ping(nonce: str, endpoint_id: str) -> Message:
    """Return a message that tests an endpoint. The same `nonce`, which is an id, always gives the same message."""
    return _message("ping", nonce, ids.second_of(nonce), None, {"endpoint_id": endpoint_id})


def _notice(kind: MessageType, identity: str, at: int, event_id: str, data: dict[str, Any], promoter_id: str | None = None) -> Notice:
    return Notice(_message(kind, identity, at, event_id, data), event_id, promoter_id)


def _ticket_notice(kind: MessageType, change: TicketChange, data: dict[str, Any]) -> Notice:
    return _notice(kind, f"{change.ticket.id}/{change.sequence}", change.at, change.ticket.event_id, data)


def _event_notice(event: Event, change: EventChange, fields: list[str], identity: str, at: int) -> Notice:
    data = {"event": _event_data(event), "change": change, "fields": fields}
    return _notice("event.changed", f"{event.id}/{change}/{identity}", at, event.id, data, event.promoter_id)


def _message(kind: MessageType, identity: str, at: int, event_id: str | None, data: dict[str, Any]) -> Message:
    payload = msgspec.json.encode({"type": kind, "timestamp": clock.iso(at), "data": data}).decode()
    return Message(id=message_id(f"{kind}/{identity}", at), type=kind, event_id=event_id, at=at, payload=payload)


def _ticket_data(ticket: Ticket) -> TicketData:
    return TicketData(
        id=ticket.id,
        number=ticket.seat_number(1),
        order_id=ticket.purchase_id,
        event_id=ticket.event_id,
        tier_id=ticket.tier_id,
        state=ticket.state,
        admits=ticket.admits,
        admitted=ticket.with_checkins_on(ticket.last_checkin_date).inside_count,
        date=ticket.last_checkin_date,
        price_cents=ticket.price_cents,
        currency=ticket.currency,
        created_at=clock.iso(ticket.created_at),
    )


def _event_data(event: Event) -> EventData:
    return EventData(
        id=event.id,
        name=event.name,
        venue=event.venue,
        status=event.status,
        starts_at=iso_or_none(event.starts_at or None),
        ends_at=iso_or_none(event.ends_at),
        dates=event.dates,
        cancelled_dates=event.cancelled_dates,
        on_sale_at=iso_or_none(event.on_sale_at),
        timezone=event.timezone,
        capacity=event.capacity,
        version=event.version,
    )


def _changed_fields(before: Event, after: Event) -> list[str]:
    """Return the names of the changed fields that people edit."""
    names = sorted(set(Event.__struct_fields__) - _INTERNAL)
    return [name for name in names if getattr(before, name) != getattr(after, name)]
