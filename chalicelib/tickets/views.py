"""How a ticket looks over HTTP."""

from msgspec import Struct

from chalicelib.catalog.model import Catalog
from chalicelib.catalog.views import iso_or_none
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.tickets import service
from chalicelib.tickets.model import Attendee, Ticket, TicketState

BASE_PATH = "/api/v1"  # of all routes, on AWS and locally


class TicketEvent(Struct, frozen=True, kw_only=True):
    """The event of a ticket, as the catalog has it now. All but the id is null if the catalog no longer has it."""

    id: str
    name: str | None
    venue: str | None
    address: str | None
    starts_at: Timestamp | None
    ends_at: Timestamp | None
    timezone: str | None
    cancelled: bool | None


class TicketTier(Struct, frozen=True, kw_only=True):
    """The tier of a ticket. The price is what was paid, not what the tier costs today."""

    id: str
    name: str | None
    price_cents: int


class TicketView(Struct, frozen=True, kw_only=True):
    """A ticket, with how many people it admits, and how many of them are in.

    `attendee` can be changed before `attendee_until`, which is null if the catalog no longer has the event. `transfer_expires_at` is there
    while the owner offers the ticket to somebody else. `number` is that of its first seat; it comes a second or two after the sale.
    """

    id: str
    number: str | None
    code: str
    qr_sig: str
    state: TicketState
    created_at: Timestamp
    order_id: str
    qr_url: str
    event: TicketEvent
    tier: TicketTier
    attendee: Attendee | None
    attendee_until: Timestamp | None
    admits: int
    admitted: int
    currency: str
    transfer_expires_at: Timestamp | None


class TicketPageView(Struct, frozen=True, kw_only=True):
    """A page of the caller's tickets, those of the newest order first. `next_cursor` is null on the last page."""

    tickets: list[TicketView]
    next_cursor: str | None


class TicketListView(Struct, frozen=True, kw_only=True):
    """A page of a buyer's tickets, those of the newest order first. `count` is how many this page has."""

    tickets: list[TicketView]
    count: int


def ticket_event(ticket: Ticket, catalog: Catalog) -> TicketEvent:
    """The event of a ticket. All but the id is null if the catalog no longer has it."""
    event = catalog.events.get(ticket.event_id)
    return TicketEvent(
        id=ticket.event_id,
        name=event.name if event else None,
        venue=event.venue if event else None,
        address=event.address if event else None,
        starts_at=clock.iso(event.starts_at) if event else None,
        ends_at=iso_or_none(event.ends_at) if event else None,
        timezone=event.timezone if event else None,
        cancelled=event.status == "cancelled" if event else None,
    )


def ticket_view(ticket: Ticket, catalog: Catalog, now: int) -> TicketView:
    """The ticket as buyers see it. Names are null if the catalog no longer has the event or tier."""
    event, tier = catalog.events.get(ticket.event_id), catalog.tiers.get(ticket.tier_id)
    offer = ticket.transfer if ticket.transfer is not None and ticket.transfer.is_open(now) else None
    return TicketView(
        id=ticket.id,
        number=ticket.seat_number(1),
        code=ticket.code,
        qr_sig=ticket.qr_sig,
        state=ticket.state,
        created_at=clock.iso(ticket.created_at),
        order_id=ticket.purchase_id,
        qr_url=f"{BASE_PATH}/tickets/{ticket.id}/qr",
        event=ticket_event(ticket, catalog),
        tier=TicketTier(id=ticket.tier_id, name=tier.name if tier else None, price_cents=ticket.price_cents),
        attendee=ticket.attendee,
        attendee_until=clock.iso(service.attendee_until(event)) if event else None,
        admits=ticket.admits,
        admitted=ticket.admitted,
        currency=ticket.currency,
        transfer_expires_at=clock.iso(offer.expires_at) if offer else None,
    )
