"""A ticket over HTTP, and its QR code."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.operation import IF_NONE_MATCH
from chalicelib.tickets import qr, qr_replies, service
from chalicelib.tickets.model import Attendee, AttendeeLocked, Ticket, TicketFrozen, TicketNotFound, TicketVoid
from chalicelib.tickets.qr_replies import QR_MEDIA_TYPES, QrQuery
from chalicelib.tickets.views import TicketView, ticket_view

bp = Blueprint(__name__)


class AttendeeBody(Struct, forbid_unknown_fields=True):
    """`attendee` is who comes with the ticket; null takes the name off it."""

    attendee: Attendee | None


@route(bp, "GET", "/tickets/{ticket_id}", access="user")
def show_ticket(request: RequestContext, ticket_id: str) -> Reply[TicketView]:
    """Show a ticket to its owner and to the staff of its event."""
    ticket = _get_visible_ticket(request, ticket_id)
    return Reply(ticket_view(ticket, catalog.snapshot(), request.now))


@route(bp, "PATCH", "/tickets/{ticket_id}", access="user", errors=(AttendeeLocked, TicketVoid, TicketFrozen))
def change_attendee(request: RequestContext, ticket_id: str, body: AttendeeBody) -> Reply[TicketView]:
    """Change the name on a ticket, until shortly before the event. Owners only."""
    ticket = service.get_owned(request.require_user().user_id, ticket_id)
    changed = service.change_attendee(ticket, body.attendee, request.now)
    return Reply(ticket_view(changed, catalog.snapshot(), request.now))


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
    """Return the QR code of a ticket as an image."""
    ticket = _get_visible_ticket(request, ticket_id)
    return qr_replies.qr_reply(request, query, ticket, qr.text(ticket))


def _get_visible_ticket(request: RequestContext, ticket_id: str) -> Ticket:
    """The ticket, for its owner, and for those who admit people to its event.

    Raises TicketNotFound for others, because a 403 would reveal that it exists.
    """
    user = request.require_user()
    ticket = service.get_ticket(ticket_id)
    if ticket.owner_id == user.user_id or permissions.may_admit(user, ticket.event_id):
        return ticket
    raise TicketNotFound()
