"""Seats over HTTP: name their guests, invite them; and the guest's own page, for those who have the link."""

from contextlib import nullcontext

from chalice.app import Blueprint

from chalicelib.accounts.model import email_key
from chalicelib.catalog import service as catalog
from chalicelib.catalog.answers import AnswersRequired
from chalicelib.edge.http import Done, Reply, RequestContext, route
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.operation import IF_NONE_MATCH
from chalicelib.edge.rate_limits import INVITE, MAIL, RateLimited, limited
from chalicelib.foundation import clock
from chalicelib.tickets import qr
from chalicelib.tickets.model import AttendeeLocked, TicketFrozen, TicketNotFound, TicketVoid
from chalicelib.tickets.qr_replies import QR_MEDIA_TYPES, QrQuery, qr_reply
from chalicelib.tickets.seats import service, views
from chalicelib.tickets.seats.answers import guest_options
from chalicelib.tickets.seats.model import GuestAdmitted, InvitationNotFound, NamedGuest, NoInvitation, SeatNotFound
from chalicelib.tickets.seats.views import InvitationView, SeatView, TicketSeatsView

bp = Blueprint(__name__)

_CHANGE_ERRORS = (SeatNotFound, AttendeeLocked, GuestAdmitted, TicketVoid)


@route(bp, "GET", "/tickets/{ticket_id}/seats", access="user", errors=(TicketNotFound,))
def list_ticket_seats(request: RequestContext, ticket_id: str) -> Reply[TicketSeatsView]:
    """List the seats of one of the caller's tickets, with their guests."""
    user_id = request.require_user().user_id
    seats = service.list_ticket_seats(user_id, ticket_id)
    ticket = seats[0].ticket
    event = catalog.snapshot().events.get(ticket.event_id)
    until = clock.iso(service.guests_until(event)) if event else None
    options = guest_options(ticket.tier_id)
    return Reply(TicketSeatsView(seats=[views.seat_view(seat, user_id) for seat in seats], options=options, guests_until=until))


@route(
    bp, "PUT", "/seats/{seat_id}/guest", access="user", headers=(ACCEPT_LANGUAGE,), errors=(*_CHANGE_ERRORS, AnswersRequired, RateLimited)
)
def name_guest(request: RequestContext, seat_id: str, body: NamedGuest) -> Reply[SeatView]:
    """Name the guest of a seat and invite them by mail; the codes and the link of an earlier guest stop working."""
    user_id = request.require_user().user_id
    with limited(request, INVITE, user_id), limited(request, MAIL, email_key(body.email)) if body.email else nullcontext():
        seat = service.assign(user_id, seat_id, body, request.language, request.now)
    return Reply(views.seat_view(seat, user_id))


@route(bp, "DELETE", "/seats/{seat_id}/guest", access="user", errors=_CHANGE_ERRORS)
def remove_guest(request: RequestContext, seat_id: str) -> Reply[SeatView]:
    """Take a seat back from its guest, whose code and link stop working."""
    user_id = request.require_user().user_id
    return Reply(views.seat_view(service.remove(user_id, seat_id, request.now), user_id))


@route(
    bp,
    "POST",
    "/seats/{seat_id}/invitation",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(SeatNotFound, NoInvitation, TicketVoid, RateLimited),
)
def invite_guest(request: RequestContext, seat_id: str) -> Reply[SeatView]:
    """Mail the invitation for a seat again."""
    user_id = request.require_user().user_id
    seat, email = service.get_invited(user_id, seat_id)
    with limited(request, INVITE, user_id), limited(request, MAIL, email_key(email)):
        invited = service.send_invitation(seat, request.language, request.now)
    return Reply(views.seat_view(invited, user_id))


@route(bp, "GET", "/guests/{token}", access="public", errors=(InvitationNotFound,))
def show_invitation(request: RequestContext, token: str) -> Reply[InvitationView]:  # noqa: ARG001
    """Show a guest their seat and their code for the door."""
    return Reply(views.invitation_view(service.open_invitation(token), catalog.snapshot()))


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
    seat = service.open_invitation(token)
    if seat.guest is None:
        raise InvitationNotFound()
    return qr_reply(request, query, seat.ticket, qr.guest_text(seat.ticket, seat.guest))


@route(bp, "DELETE", "/guests/{token}", access="public", errors=(InvitationNotFound,))
def erase_guest(request: RequestContext, token: str) -> Reply[Done]:
    """Decline a seat as its guest and delete your data. A guest who is already in keeps the seat, without a name."""
    service.erase(token, request.now)
    return Reply(Done("We have deleted your name, your email address and your answers."))
