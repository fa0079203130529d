"""A ticket over HTTP, and its QR code."""

from hashlib import sha256

from chalice.app import Blueprint

from chalicelib.catalog import service as catalog
from chalicelib.edge.http import Reply, RequestContext, etag_matches, route
from chalicelib.errors import InvalidInput
from chalicelib.tickets import qr, service
from chalicelib.tickets.model import Ticket, TicketFrozen, TicketNotFound, TicketVoid
from chalicelib.tickets.views import ticket_view

QR_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
QR_HEADERS = {"Cache-Control": "private, max-age=300", "Vary": "Accept"}

bp = Blueprint(__name__)


@route(bp, "GET", "/tickets/{ticket_id}")
def get_ticket(request: RequestContext, ticket_id: str) -> Reply:
    ticket = _get_visible_ticket(request, ticket_id)
    return Reply({**ticket_view(ticket, catalog.snapshot()), "admits": ticket.admits, "currency": ticket.currency})


@route(bp, "GET", "/tickets/{ticket_id}/qr")
def get_qr_code(request: RequestContext, ticket_id: str) -> Reply:
    image_format = _image_format(request)
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
    """The ticket, for its owner, the staff of its event and admins.

    Raises TicketNotFound for others, because a 403 would reveal that it exists.
    """
    user = request.require_user()
    ticket = service.get_ticket(ticket_id)
    if ticket.owner_id == user.user_id or "admin" in user.roles or user.is_staff_of(ticket.event_id):
        return ticket
    raise TicketNotFound()


def _image_format(request: RequestContext) -> str:
    """The format in `?format=`, else the first of the two types in the Accept header, else SVG."""
    requested = request.query("format")
    if requested is None:
        accept = request.header("accept") or ""
        accepted = {accept.find(media_type): name for name, media_type in QR_TYPES.items() if media_type in accept}
        return accepted[min(accepted)] if accepted else "svg"
    if requested not in QR_TYPES:
        raise InvalidInput("`format` must be `svg` or `png`.", path="$.format")
    return requested
