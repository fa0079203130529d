"""A ticket over HTTP, and its QR code."""

from hashlib import sha256
from typing import Literal

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.edge.http import Reply, RequestContext, etag_matches, route
from chalicelib.edge.operation import IF_NONE_MATCH
from chalicelib.tickets import qr, service
from chalicelib.tickets.model import Attendee, AttendeeLocked, Ticket, TicketFrozen, TicketNotFound, TicketVoid
from chalicelib.tickets.views import TicketView, ticket_view

ImageFormat = Literal["svg", "png"]

QR_TYPES: dict[ImageFormat, str] = {"svg": "image/svg+xml", "png": "image/png"}
QR_MEDIA_TYPES = tuple(QR_TYPES.values())
QR_HEADERS = {"Cache-Control": "private, max-age=300", "Vary": "Accept"}

bp = Blueprint(__name__)


class AttendeeBody(Struct, forbid_unknown_fields=True):
    """`attendee` is who comes with the ticket; null takes the name off it."""

    attendee: Attendee | None


class QrQuery(Struct, forbid_unknown_fields=True):
    """`format`: if it is left out, the header Accept decides."""

    format: ImageFormat | None = None


@route(bp, "GET", "/tickets/{ticket_id}", access="user")
def show_ticket(request: RequestContext, ticket_id: str) -> Reply[TicketView]:
    """Show a ticket to its owner, and to those who admit people to its event."""
    ticket = _get_visible_ticket(request, ticket_id)
    return Reply(ticket_view(ticket, catalog.snapshot(), request.now))


@route(bp, "PATCH", "/tickets/{ticket_id}", access="user", errors=(AttendeeLocked, TicketVoid, TicketFrozen))
def change_attendee(request: RequestContext, ticket_id: str, body: AttendeeBody) -> Reply[TicketView]:
    """Change the name on a ticket; only its owner may, until shortly before the event."""
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
    image_format = query.format or _accepted_format(request)
    ticket = _get_visible_ticket(request, ticket_id)
    if not ticket.admissible:
        raise TicketVoid() if ticket.state == "void" else TicketFrozen()
    text = qr.text(ticket)
    etag = f'"{image_format}-{sha256(text.encode()).hexdigest()[:32]}"'
    headers = {**QR_HEADERS, "ETag": etag}
    if etag_matches(request.header("if-none-match"), etag):
        return Reply("", 304, headers)
    render = qr.svg if image_format == "svg" else qr.png
    return Reply(render(qr.modules(text)), 200, {**headers, "Content-Type": QR_TYPES[image_format]})


def _get_visible_ticket(request: RequestContext, ticket_id: str) -> Ticket:
    """The ticket, for its owner, and for those who admit people to its event.

    Raises TicketNotFound for others, because a 403 would reveal that it exists.
    """
    user = request.require_user()
    ticket = service.get_ticket(ticket_id)
    if ticket.owner_id == user.user_id or permissions.may_admit(user, ticket.event_id):
        return ticket
    raise TicketNotFound()


def _accepted_format(request: RequestContext) -> ImageFormat:
    """The first of the two types in the Accept header, else SVG."""
    accept = request.header("accept") or ""
    accepted = {accept.find(media_type): name for name, media_type in QR_TYPES.items() if media_type in accept}
    return accepted[min(accepted)] if accepted else "svg"
