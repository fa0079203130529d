"""A buyer's own orders and tickets over HTTP."""

from chalice.app import Blueprint

from chalicelib.catalog import service as catalog
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.errors import InvalidInput
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.model import Purchase
from chalicelib.tickets.model import Ticket
from chalicelib.tickets.views import ticket_view

bp = Blueprint(__name__)


@route(bp, "GET", "/me/order")
def show_newest_order(request: RequestContext) -> Reply:
    user_id = request.require_user().user_id
    event_id = request.query_id("event_id")
    if event_id is None:
        raise InvalidInput("Name the event: add ?event_id=... to the address.", path="event_id")
    return _order_reply(*queries.get_newest_order(user_id, event_id))


@route(bp, "GET", "/orders/{order_id}")
def show_order(request: RequestContext, order_id: str) -> Reply:
    return _order_reply(*queries.get_own_order(request.require_user().user_id, order_id))


@route(bp, "GET", "/me/tickets")
def list_my_tickets(request: RequestContext) -> Reply:
    tickets = queries.list_own_tickets(request.require_user().user_id)
    snapshot = catalog.snapshot()
    return Reply({"tickets": [ticket_view(ticket, snapshot) for ticket in tickets], "count": len(tickets)})


def _order_reply(purchase: Purchase, tickets: list[Ticket]) -> Reply:
    order = views.full_order_view(purchase, queries.load_details(purchase))
    return Reply({"order": order, "tickets": [views.order_ticket_view(ticket) for ticket in tickets]})
