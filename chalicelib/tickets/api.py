"""Routes for tickets, their QR codes, their seats, and the guests of the seats."""

from contextlib import nullcontext

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.catalog.custom_options import AnswersRequired
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.operation import IF_NONE_MATCH
from chalicelib.edge.rate_limits import INVITE, MAIL, RateLimited, limited, limited_for_caller
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import clock
from chalicelib.notifications.model import recipient_key
from chalicelib.tickets import qr, seats, service, views
from chalicelib.tickets.model import (
    AttendeeLocked,
    GuestAdmitted,
    HolderErased,
    InvitationNotFound,
    NamedGuest,
    NoInvitation,
    SeatNotFound,
    SentAttendee,
    TicketFrozen,
    TicketNotFound,
    TicketVoid,
)
from chalicelib.tickets.qr import QR_MEDIA_TYPES, QrQuery, qr_reply
from chalicelib.tickets.seats import guest_options
from chalicelib.tickets.views import InvitationView, SeatView, TicketSeatsView, TicketView, VisibleTicketView, door_view, ticket_view

bp = Blueprint(__name__)


class AttendeeBody(Struct, forbid_unknown_fields=True):
    """`attendee` is the person who comes with the ticket; null removes the name."""

    attendee: SentAttendee | None


@route(bp, "GET", "/tickets/{ticket_id}", access="user", headers=(ACCEPT_LANGUAGE,))
def show_ticket(request: RequestContext, ticket_id: str) -> Reply[VisibleTicketView]:
    """Show a ticket to its owner, and without its code and email address to the people who work at its event."""
    user, ticket = request.require_user(), service.get_ticket(ticket_id)
    if ticket.owner_id == user.user_id:
        return Reply(ticket_view(ticket, catalog.snapshot_in(request.language), request.now))
    if permissions.may_admit(user, ticket.event_id):
        return Reply(door_view(ticket, catalog.snapshot(), request.now))
    raise TicketNotFound()  # a 403 would reveal that the ticket exists


@route(
    bp,
    "PATCH",
    "/tickets/{ticket_id}",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(AttendeeLocked, HolderErased, TicketVoid, RateLimited),
)
@limited_for_caller(INVITE)
def change_attendee(request: RequestContext, ticket_id: str, body: AttendeeBody) -> Reply[TicketView]:
    """Change the name on a ticket. Only the owner can do this, until shortly before the event."""
    ticket = service.get_owned_ticket(request.require_user().user_id, ticket_id)
    changed = service.change_attendee(ticket, body.attendee, request.now)
    return Reply(ticket_view(changed, catalog.snapshot_in(request.language), request.now))


@route(
    bp,
    "GET",
    "/tickets/{ticket_id}/qr",
    access="user",
    statuses=(200, 304),
    headers=(IF_NONE_MATCH,),
    media_types=QR_MEDIA_TYPES,
    errors=(TicketVoid, TicketFrozen),
)
def show_qr_code(request: RequestContext, ticket_id: str, query: QrQuery) -> Reply[str | bytes]:
    """Return the QR code of one of the caller's tickets as an image."""
    ticket = service.get_owned_ticket(request.require_user().user_id, ticket_id)
    return qr.qr_reply(request, query, ticket, qr.text(ticket))


# Seats: the owner names and invites guests, and guests see their own page through the link.

_CHANGE_ERRORS = (SeatNotFound, AttendeeLocked, GuestAdmitted, TicketVoid)


@route(bp, "GET", "/tickets/{ticket_id}/seats", access="user", errors=(TicketNotFound,))
def list_ticket_seats(request: RequestContext, ticket_id: str) -> Reply[TicketSeatsView]:
    """List the seats of one of the caller's tickets, with their guests."""
    user_id = request.require_user().user_id
    found = seats.list_ticket_seats(user_id, ticket_id)
    ticket = found[0].ticket
    event = service.event_of(ticket, catalog.snapshot())
    until = clock.iso(seats.guests_until(event)) if event else None
    options = guest_options(ticket.tier_id)
    return Reply(TicketSeatsView(seats=[views.seat_view(seat, user_id) for seat in found], options=options, guests_until=until))


@route(
    bp, "PUT", "/seats/{seat_id}/guest", access="user", headers=(ACCEPT_LANGUAGE,), errors=(*_CHANGE_ERRORS, AnswersRequired, RateLimited)
)
def name_guest(request: RequestContext, seat_id: str, body: NamedGuest) -> Reply[SeatView]:
    """Name the guest of a seat and invite the guest by email. The code and the link of an earlier guest stop working."""
    user_id = request.require_user().user_id
    with limited(request, INVITE, user_id):
        if body.email:  # a refused request must not use up the address's limit
            seats.check_guest(user_id, seat_id, body, request.now)
        with limited(request, MAIL, recipient_key(body.email), scope="seat") if body.email else nullcontext():
            seat = seats.name_guest(user_id, seat_id, body, request.language, request.now)
    return Reply(views.seat_view(seat, user_id))


@route(bp, "DELETE", "/seats/{seat_id}/guest", access="user", errors=_CHANGE_ERRORS)
def remove_guest(request: RequestContext, seat_id: str) -> Reply[SeatView]:
    """Take a seat back from its guest, whose code and link stop working."""
    user_id = request.require_user().user_id
    return Reply(views.seat_view(seats.remove_guest(user_id, seat_id, request.now), user_id))


@route(
    bp,
    "POST",
    "/seats/{seat_id}/invitation",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(SeatNotFound, NoInvitation, TicketVoid, RateLimited),
)
def invite_guest(request: RequestContext, seat_id: str) -> Reply[SeatView]:
    """Resend the email with the invitation for a seat."""
    user_id = request.require_user().user_id
    seat, email = seats.get_invitable_seat(user_id, seat_id)
    with limited(request, INVITE, user_id), limited(request, MAIL, recipient_key(email), scope="seat"):
        invited = seats.send_invitation(seat, request.language, request.now)
    return Reply(views.seat_view(invited, user_id))


@route(bp, "GET", "/guests/{token}", access="public", headers=(ACCEPT_LANGUAGE,), errors=(InvitationNotFound,))
def show_invitation(request: RequestContext, token: str) -> Reply[InvitationView]:
    """Show a guest their seat and their code for the door."""
    return Reply(views.invitation_view(seats.get_invited_seat(token), catalog.snapshot_in(request.language)))


@route(
    bp,
    "GET",
    "/guests/{token}/qr",
    access="public",
    statuses=(200, 304),
    headers=(IF_NONE_MATCH,),
    media_types=QR_MEDIA_TYPES,
    errors=(InvitationNotFound, TicketVoid, TicketFrozen),
)
def show_guest_qr_code(request: RequestContext, token: str, query: QrQuery) -> Reply[str | bytes]:
    """Return the QR code of a guest as an image."""
    seat = seats.get_invited_seat(token)
    if seat.guest is None:
        raise InvitationNotFound()
    return qr_reply(request, query, seat.ticket, qr.guest_text(seat.ticket, seat.guest))


@route(bp, "DELETE", "/guests/{token}", access="public", errors=(InvitationNotFound,))
def erase_guest(request: RequestContext, token: str) -> Reply[Done]:
    """Decline a seat as its guest and delete the guest's data. A guest who has already entered keeps the seat, but without a name."""
    seats.erase_guest(token, request.now)
    return Reply(Done("We have deleted your name, your email address and your answers."))
