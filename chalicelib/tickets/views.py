"""How a ticket looks over HTTP."""

from msgspec import Struct
from msgspec.structs import asdict

from chalicelib import clock
from chalicelib.catalog.model import Catalog
from chalicelib.clock import Timestamp
from chalicelib.tickets.model import Attendee, Ticket, TicketState

BASE_PATH = "/api/v1"  # of all routes, on AWS and locally


class TicketEvent(Struct, frozen=True, kw_only=True):
    """The event of a ticket. All but the id is null if the catalog no longer has it."""

    id: str
    name: str | None
    venue: str | None
    starts_at: Timestamp | None


class TicketTier(Struct, frozen=True, kw_only=True):
    """The tier of a ticket. The price is what was paid, not what the tier costs today."""

    id: str
    name: str | None
    price_cents: int


class TicketView(Struct, frozen=True, kw_only=True):
    """A ticket in its buyer's list."""

    id: str
    code: str
    qr_sig: str
    state: TicketState
    created_at: Timestamp
    order_id: str
    qr_url: str
    event: TicketEvent
    tier: TicketTier
    attendee: Attendee | None


class FullTicketView(TicketView, frozen=True, kw_only=True):
    """One ticket, with how many people it admits, and how many of them are in.

    `transfer_expires_at` is there while the owner offers it to somebody else.
    """

    admits: int
    admitted: int
    currency: str
    transfer_expires_at: Timestamp | None


class TicketPageView(Struct, frozen=True, kw_only=True):
    """A page of the caller's tickets, those of the newest order first. `next_cursor` is null on the last page."""

    tickets: list[TicketView]
    next_cursor: str | None


class TicketListView(Struct, frozen=True, kw_only=True):
    """A buyer's tickets, those of the newest order first."""

    tickets: list[TicketView]
    count: int


def ticket_view(ticket: Ticket, catalog: Catalog) -> TicketView:
    """The ticket as buyers see it. Names are null if the catalog no longer has the event or tier."""
    event, tier = catalog.events.get(ticket.event_id), catalog.tiers.get(ticket.tier_id)
    return TicketView(
        id=ticket.id,
        code=ticket.code,
        qr_sig=ticket.qr_sig,
        state=ticket.state,
        created_at=clock.iso(ticket.created_at),
        order_id=ticket.purchase_id,
        qr_url=f"{BASE_PATH}/tickets/{ticket.id}/qr",
        event=TicketEvent(
            id=ticket.event_id,
            name=event.name if event else None,
            venue=event.venue if event else None,
            starts_at=clock.iso(event.starts_at) if event else None,
        ),
        tier=TicketTier(id=ticket.tier_id, name=tier.name if tier else None, price_cents=ticket.price_cents),
        attendee=ticket.attendee,
    )


def full_ticket_view(ticket: Ticket, catalog: Catalog, now: int) -> FullTicketView:
    """The ticket by itself."""
    is_offered = ticket.transfer is not None and ticket.transfer.is_open(now)
    return FullTicketView(
        **asdict(ticket_view(ticket, catalog)),
        admits=ticket.admits,
        admitted=ticket.admitted,
        currency=ticket.currency,
        transfer_expires_at=clock.iso(ticket.transfer.expires_at) if ticket.transfer and is_offered else None,
    )
