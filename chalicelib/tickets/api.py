"""A buyer's tickets: the wallet, one ticket, its QR code."""

from hashlib import sha256
from typing import Any, ClassVar

from chalice.app import Blueprint

from chalicelib import clock
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog
from chalicelib.edge.http import Reply, RequestContext, etag_matches, route
from chalicelib.errors import ApiError, InvalidInput, NotFound
from chalicelib.tickets import qr, service
from chalicelib.tickets.model import Ticket

QR_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
QR_HEADERS = {"Cache-Control": "private, max-age=300", "Vary": "Accept"}

bp = Blueprint(__name__)


class TicketVoid(ApiError):
    code: ClassVar[str] = "ticket_void"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This ticket is void."


class TicketFrozen(ApiError):
    code: ClassVar[str] = "ticket_frozen"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "The payment for this ticket is disputed, so it cannot be used now. It counts again if the dispute ends and the payment stands."
    )


@route(bp, "GET", "/me/tickets")
def my_tickets(request: RequestContext) -> Reply:
    user = request.require_user()
    tickets = service.list_owned(user.user_id)
    now = catalog.snapshot()
    return Reply({"tickets": [_ticket_view(ticket, now) for ticket in tickets], "count": len(tickets)})


@route(bp, "GET", "/tickets/{ticket_id}")
def one_ticket(request: RequestContext, ticket_id: str) -> Reply:
    ticket = _get_visible_ticket(request, ticket_id)
    more = {"admits": ticket.admits, "currency": ticket.currency}
    return Reply({**_ticket_view(ticket, catalog.snapshot()), **more})


@route(bp, "GET", "/tickets/{ticket_id}/qr")
def ticket_qr(request: RequestContext, ticket_id: str) -> Reply:
    chosen = _image_format(request)
    ticket = _get_visible_ticket(request, ticket_id)
    if not ticket.admissible:
        raise TicketVoid() if ticket.state == "void" else TicketFrozen()
    content = qr.text(ticket)
    etag = f'"{chosen}-{sha256(content.encode()).hexdigest()[:32]}"'
    headers = {**QR_HEADERS, "ETag": etag}
    if etag_matches(request.header("if-none-match"), etag):
        return Reply("", 304, headers)
    draw = qr.svg if chosen == "svg" else qr.png
    return Reply(draw(qr.modules(content)), 200, {**headers, "Content-Type": QR_TYPES[chosen]})


def _get_visible_ticket(request: RequestContext, ticket_id: str) -> Ticket:
    """The ticket, if the caller owns it or works here; to everybody else it does not exist (a 403 would say that it does)."""
    user = request.require_user()
    ticket = service.get_ticket(ticket_id)
    if ticket.owner_id != user.user_id and not user.roles & {"admin", "staff"}:
        raise NotFound("There is no such ticket.")
    return ticket


def _image_format(request: RequestContext) -> str:
    """What `?format=` says, else the first of the two types that Accept names, else SVG."""
    asked = request.query("format")
    if asked is None:
        accept = request.header("accept") or ""
        named = {accept.find(media_type): name for name, media_type in QR_TYPES.items() if media_type in accept}
        return named[min(named)] if named else "svg"
    if asked not in QR_TYPES:
        raise InvalidInput("The format is `svg` or `png`.", path="$.format")
    return asked


def _ticket_view(ticket: Ticket, catalog_now: Catalog) -> dict[str, Any]:
    """A ticket as buyers see it. Names are null when the catalog does not have the event or tier any more."""
    event, tier = catalog_now.events.get(ticket.event_id), catalog_now.tiers.get(ticket.tier_id)
    return {
        "id": ticket.id,
        "code": ticket.code,
        "qr_sig": ticket.qr_sig,
        "state": ticket.state,
        "created_at": clock.iso(ticket.created_at),
        "order_id": ticket.purchase_id,
        "event": {
            "id": ticket.event_id,
            "name": event.name if event else None,
            "venue": event.venue if event else None,
            "starts_at": clock.iso(event.starts_at) if event else None,
        },
        # The price is what was paid, not what the tier costs today.
        "tier": {"id": ticket.tier_id, "name": tier.name if tier else None, "price_cents": ticket.price_cents},
    }
