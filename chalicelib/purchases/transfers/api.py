"""Transfers over HTTP: offer a ticket by a link, accept it, cancel the offer."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.catalog import service as catalog
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.foundation import clock, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.purchases.transfers import service
from chalicelib.purchases.transfers.errors import TicketUsed, TransferClosed, TransferExpired, TransferNotFound, TransferToSelf
from chalicelib.tickets.model import TicketFrozen, TicketVoid
from chalicelib.tickets.views import TicketView, ticket_view

bp = Blueprint(__name__)


class TransferView(Struct, frozen=True):
    """An open transfer. The first user who accepts `token` gets the ticket; `url` is the page of the shop that does it."""

    ticket_id: str
    token: str
    url: str
    expires_at: Timestamp


@route(
    bp,
    "POST",
    "/tickets/{ticket_id}/transfer",
    access="user",
    statuses=(201, 200),
    errors=(TicketUsed, TicketVoid, TicketFrozen, TransferClosed),
)
def offer_ticket(request: RequestContext, ticket_id: str) -> Reply[TransferView]:
    """Offer a ticket to another person by a link. A repeated request returns the same link until it expires or is cancelled."""
    request.is_repeatable = True
    result = service.offer(request.require_user().user_id, ticket_id, request.now)
    url = f"{settings.current().shop_url.rstrip('/')}/transfer#token={result.token}"  # behind the #, which no server's log shows
    view = TransferView(result.ticket.id, result.token, url, clock.iso(result.transfer.expires_at))
    return Reply(view, 201 if result.is_new else 200)


@route(
    bp,
    "DELETE",
    "/tickets/{ticket_id}/transfer",
    access="user",
    errors=(TransferNotFound, TransferClosed, TicketUsed, TicketVoid, TicketFrozen),
)
def cancel_transfer(request: RequestContext, ticket_id: str) -> Reply[TicketView]:
    """Cancel the transfer of a ticket; its link stops working."""
    ticket = service.cancel(request.require_user().user_id, ticket_id, request.now)
    return Reply(ticket_view(ticket, catalog.snapshot(), request.now))


@route(
    bp,
    "POST",
    "/transfers/{token}/accept",
    access="user",
    statuses=(201, 200),
    headers=(ACCEPT_LANGUAGE,),
    errors=(TransferNotFound, TicketUsed, TransferClosed, TransferToSelf, TransferExpired, TicketVoid, TicketFrozen),
)
def accept_transfer(request: RequestContext, token: str) -> Reply[TicketView]:
    """Accept a transferred ticket, with a new code; the old code stops working."""
    request.is_repeatable = True
    result = service.accept(request.require_user().user_id, token, request.language, request.now)
    return Reply(ticket_view(result.ticket, catalog.snapshot(), request.now), 200 if result.repeated else 201)
