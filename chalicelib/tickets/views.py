"""Tickets, seats and invitations as HTTP replies."""

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict, replace

from chalicelib.catalog.custom_options import AnswerValue, CustomOption
from chalicelib.catalog.model import CancelledDate, Catalog, EventDate
from chalicelib.catalog.views import iso_or_none
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.tickets import seats, service
from chalicelib.tickets.model import Attendee, GuestAnswer, GuestDetails, InvitationNotFound, Seat, Ticket, TicketState, order_number

BASE_PATH = "/api/v1"  # for all routes, on AWS and locally


class TicketEvent(Struct, frozen=True, kw_only=True):
    """The event of a ticket, from the current catalog. All fields except `id` are null if the catalog no longer has the event.

    `dates` are the dates for which the ticket is valid; `starts_at`, `ends_at` and `venue` follow from them. The dates and the cancelled
    dates have their texts only in the caller's language.
    """

    id: str
    name: str | None
    venue: str | None
    address: str | None
    starts_at: Timestamp | None
    doors_minutes: int | None
    ends_at: Timestamp | None
    timezone: str | None
    cancelled: bool | None
    allows_reentry: bool | None
    dates: list[EventDate] | None
    cancelled_dates: list[CancelledDate] | None


class TicketTier(Struct, frozen=True, kw_only=True):
    """The tier of a ticket. `price_cents` is the price that was paid, not the current price of the tier."""

    id: str
    name: str | None
    price_cents: int


class VisibleTicketView(Struct, frozen=True, kw_only=True):
    """A ticket, the number of people it admits, and how many of them are inside. Only the owner gets `code`, `qr_sig` and `qr_url`.

    A ticket for several dates counts the people who are inside on the current date, or else on the next date.

    `attendee` can be changed before `attendee_until`, which is null if the catalog no longer has the event. `transfer_expires_at` is set
    while the owner offers the ticket to somebody else. `used` is true once somebody has come in, even if nobody is inside now; a used
    ticket cannot be given away. `for_resale` is true while the owner offers the ticket for resale. `transferable` is false during that
    time, and if the event's rules exclude transfers. `number` is the number of the first seat; it is set a second or two after the sale.
    """

    id: str
    number: str | None
    code: str | UnsetType = UNSET
    qr_sig: str | UnsetType = UNSET
    state: TicketState
    created_at: Timestamp
    order_id: str
    order_number: str
    qr_url: str | UnsetType = UNSET
    event: TicketEvent
    tier: TicketTier
    attendee: Attendee | None
    attendee_until: Timestamp | None
    admits: int
    admitted: int
    used: bool
    currency: str
    transfer_expires_at: Timestamp | None
    transferable: bool
    for_resale: bool


class TicketView(VisibleTicketView, frozen=True, kw_only=True):
    """A ticket with its code and the address of its QR code, as its owner sees it."""

    code: str
    qr_sig: str
    qr_url: str


class TicketPageView(Struct, frozen=True, kw_only=True):
    """A page of the caller's tickets. Tickets of the newest order come first. `next_cursor` is null on the last page."""

    tickets: list[TicketView]
    next_cursor: str | None


class TicketListView(Struct, frozen=True, kw_only=True):
    """A page of a buyer's tickets. Tickets of the newest order come first. `count` is the number of tickets on this page."""

    tickets: list[TicketView]
    count: int


def ticket_event(ticket: Ticket, catalog: Catalog) -> TicketEvent:
    """Return the event of a ticket. All fields except `id` are null if the catalog no longer has the event."""
    event = service.event_of(ticket, catalog)
    return TicketEvent(
        id=ticket.event_id,
        name=event.name if event else None,
        venue=event.venue if event else None,
        address=event.address if event else None,
        starts_at=clock.iso(event.starts_at) if event else None,
        doors_minutes=event.doors_minutes if event else None,
        ends_at=iso_or_none(event.ends_at) if event else None,
        timezone=event.timezone if event else None,
        cancelled=event.status == "cancelled" if event else None,
        allows_reentry=event.allows_reentry if event else None,
        dates=[replace(date, names={}) for date in event.dates] if event else None,
        cancelled_dates=[replace(date, reasons={}) for date in event.cancelled_dates] if event else None,
    )


def ticket_view(ticket: Ticket, catalog: Catalog, now: int) -> TicketView:
    """Return the ticket as buyers see it. Names are null if the catalog no longer has the event or tier."""
    event, tier = service.event_of(ticket, catalog), catalog.tiers.get(ticket.tier_id)
    ticket_today = (
        ticket
        if event is None or not event.dates
        else ticket.with_checkins_on(service.door_times_at(catalog.events[event.id], event, now).date)
    )
    offer = ticket.transfer if ticket.transfer is not None and ticket.transfer.is_open(now) else None
    return TicketView(
        id=ticket.id,
        number=ticket.seat_number(1),
        code=ticket.code,
        qr_sig=ticket.qr_sig,
        state=ticket.state,
        created_at=clock.iso(ticket.created_at),
        order_id=ticket.purchase_id,
        order_number=order_number(ticket.purchase_id, event),
        qr_url=f"{BASE_PATH}/tickets/{ticket.id}/qr",
        event=ticket_event(ticket, catalog),
        tier=TicketTier(id=ticket.tier_id, name=tier.name if tier else None, price_cents=ticket.price_cents),
        attendee=ticket.attendee,
        attendee_until=clock.iso(service.attendee_until(event)) if event else None,
        admits=ticket.admits,
        admitted=ticket_today.inside_count,
        used=bool(ticket.checkins),
        currency=ticket.currency,
        transfer_expires_at=clock.iso(offer.expires_at) if offer else None,
        transferable=service.allows_transfers(ticket, event) and ticket.listed_at is None,
        for_resale=ticket.is_for_resale,
    )


def door_view(ticket: Ticket, catalog: Catalog, now: int) -> VisibleTicketView:
    """Return the ticket as people who work at its event see it: without the data needed to forge it, and without the email address."""
    shown = asdict(ticket_view(ticket, catalog, now)) | {"code": UNSET, "qr_sig": UNSET, "qr_url": UNSET}
    return VisibleTicketView(**shown | {"attendee": replace(ticket.attendee, email=None) if ticket.attendee else None})


# Seats, as the ticket's owner sees them and as guests see their own seats.


class GuestView(Struct, frozen=True, kw_only=True):
    """A seat's guest, as the ticket's owner sees the guest. `url` is the guest's own page; it was last emailed at `invited_at`.

    `answers` are all answers by question. `option_answers` are the answers to options, each with the option as it was at the time. Erased
    values are null.
    """

    name: str | None
    email: str | None
    answers: dict[str, AnswerValue]
    option_answers: list[GuestAnswer]
    invited_at: Timestamp | None
    url: str | None


class SeatView(Struct, frozen=True, kw_only=True):
    """A seat of a ticket. `seat` is its number within the ticket. `admitted` is true if the guest has come in with the guest's own code.

    `number` is the seat's human-readable number within its event; it is set a second or two after the sale. `guest` is null if nobody was
    named, or if the ticket was given to another owner (`transferred`).
    """

    id: str
    ticket_id: str
    seat: int
    number: str | None
    state: TicketState
    transferred: bool
    guest: GuestView | None
    admitted: bool


class TicketSeatsView(Struct, frozen=True, kw_only=True):
    """All seats of a ticket. Guests can be named before `guests_until`, which is null if the catalog no longer has the event.

    `options` are the questions for each guest.
    """

    seats: list[SeatView]
    options: list[CustomOption]
    guests_until: Timestamp | None


class SeatPageView(Struct, frozen=True, kw_only=True):
    """A page of an order's seats. The first ticket's seats come first. `next_cursor` is null on the last page."""

    seats: list[SeatView]
    next_cursor: str | None


class InvitationView(Struct, frozen=True, kw_only=True):
    """A seat as its guest sees it. `code` and `qr_url` are null while the ticket is void or its payment is disputed."""

    id: str
    seat: int
    number: str | None
    state: TicketState
    name: str | None
    email: str | None
    answers: dict[str, AnswerValue]
    option_answers: list[GuestAnswer]
    event: TicketEvent
    tier_name: str | None
    code: str | None
    qr_url: str | None
    admitted: bool


def seat_view(seat: Seat, owner_id: str) -> SeatView:
    """Return a seat as this user sees it, without its guest if the ticket has another owner."""
    is_theirs = seat.ticket.owner_id == owner_id
    return SeatView(
        id=seat.id,
        ticket_id=seat.ticket.id,
        seat=seat.number,
        number=seat.ticket.seat_number(seat.number),
        state=seat.ticket.state,
        transferred=not is_theirs,
        guest=_guest_view(seat) if is_theirs else None,
        admitted=seat.checkin is not None,
    )


def _guest_view(seat: Seat) -> GuestView | None:
    if seat.guest is None:
        return None
    details = seat.details
    return GuestView(
        name=seat.guest.name,
        email=details.email if details else None,
        answers=_answers(details) if details else {},
        option_answers=details.option_answers if details else [],
        invited_at=iso_or_none(details.invited_at) if details else None,
        url=seats.page_url(seat.token) if seat.token else None,
    )


def _answers(details: GuestDetails) -> dict[str, AnswerValue]:
    return {**details.answers, **{answer.option_id: answer.value for answer in details.option_answers}}


def invitation_view(seat: Seat, catalog: Catalog) -> InvitationView:
    """Return a seat as its guest sees it. Raises InvitationNotFound if the seat has no guest."""
    guest, details, ticket = seat.guest, seat.details, seat.ticket
    if guest is None or details is None:
        raise InvitationNotFound()
    tier = catalog.tiers.get(ticket.tier_id)
    return InvitationView(
        id=seat.id,
        seat=seat.number,
        number=ticket.seat_number(seat.number),
        state=ticket.state,
        name=guest.name,
        email=details.email,
        answers=_answers(details),
        option_answers=details.option_answers,
        event=ticket_event(ticket, catalog),
        tier_name=tier.name if tier else None,
        code=guest.code if ticket.is_admissible else None,
        qr_url=f"{BASE_PATH}/guests/{seat.token}/qr" if ticket.is_admissible else None,
        admitted=seat.checkin is not None,
    )
