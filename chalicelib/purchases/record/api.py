"""A buyer's own orders and tickets over HTTP."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation.ids import Id
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.errors import OrderNotFound
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.record.views import OrderWithTicketsView
from chalicelib.tickets.model import TICKET_ID_FORM, Ticket
from chalicelib.tickets.seats import service as seats
from chalicelib.tickets.seats.views import SeatPageView, seat_view
from chalicelib.tickets.views import TicketListView, TicketPageView, TicketView, ticket_view

MAX_PAGE = 100

bp = Blueprint(__name__)


class OwnListQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of a list."""

    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 20
    cursor: cursors.Cursor | None = None


class MyTicketsQuery(OwnListQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE


class SeatListQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which page of the seats of an order."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 100
    cursor: cursors.Cursor | None = None


class NewestOrderQuery(Struct, forbid_unknown_fields=True):
    event_id: Id


@route(bp, "GET", "/me/order", access="user", errors=(OrderNotFound,))
def show_newest_order(request: RequestContext, query: NewestOrderQuery) -> Reply[OrderWithTicketsView]:
    """Show the caller's newest order for an event."""
    user_id = request.require_user().user_id
    return _order_reply(*queries.get_newest_order(user_id, query.event_id))


@route(bp, "GET", "/orders/{order_id}", access="user", errors=(OrderNotFound,))
def show_order(request: RequestContext, order_id: str) -> Reply[OrderWithTicketsView]:
    """Show one of the caller's orders with its tickets, including refunded orders."""
    return _order_reply(*queries.get_own_order(request.require_user().user_id, order_id))


@route(bp, "GET", "/orders/{order_id}/seats", access="user", errors=(OrderNotFound,))
def list_order_seats(request: RequestContext, order_id: str, query: SeatListQuery) -> Reply[SeatPageView]:
    """List the seats of one of the caller's orders, with their guests."""
    user_id = request.require_user().user_id
    _, tickets = queries.get_own_order(user_id, order_id)
    page, next_cursor = seats.list_page(tickets, query.limit, query.cursor)
    return Reply(SeatPageView(seats=[seat_view(seat, user_id) for seat in page], next_cursor=next_cursor))


@route(bp, "GET", "/me/tickets", access="user")
def list_my_tickets(request: RequestContext, query: MyTicketsQuery) -> Reply[TicketListView]:
    """List the caller's tickets, newest order first; like `GET /tickets`, in another shape."""
    tickets, next_cursor = _list_tickets(request, query)
    return Reply(TicketListView(tickets=tickets, count=len(tickets)), headers=cursors.link_headers(query, next_cursor))


@route(bp, "GET", "/tickets", access="user")
def list_tickets(request: RequestContext, query: OwnListQuery) -> Reply[TicketPageView]:
    """List the caller's tickets, newest order first."""
    tickets, next_cursor = _list_tickets(request, query)
    return Reply(TicketPageView(tickets=tickets, next_cursor=next_cursor))


def _list_tickets(request: RequestContext, query: OwnListQuery) -> tuple[list[TicketView], str | None]:
    """A page of the caller's tickets, and the cursor of the next one."""
    after = cursors.decode(query.cursor, TICKET_ID_FORM) if query.cursor is not None else None
    tickets, last = queries.list_ticket_page(request.require_user().user_id, query.limit, after)
    snapshot = catalog.snapshot()
    return [ticket_view(ticket, snapshot, request.now) for ticket in tickets], cursors.encode(last) if last else None


def _order_reply(purchase: Purchase, tickets: list[Ticket]) -> Reply[OrderWithTicketsView]:
    order = views.full_order_view(purchase, queries.load_details(purchase))
    return Reply(OrderWithTicketsView(order=order, tickets=[views.order_ticket_view(ticket, purchase) for ticket in tickets]))
