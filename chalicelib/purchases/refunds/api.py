"""The reset of an event's orders over HTTP; only where the demo identity is on. Refunds of single orders are in `admin`."""

from chalice.app import Blueprint

from chalicelib import settings
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.errors import NotFound
from chalicelib.purchases.refunds import demo_reset

bp = Blueprint(__name__)


@route(bp, "DELETE", "/admin/events/{event_id}/orders")
def reset_orders(request: RequestContext, event_id: str) -> Reply:
    admin = request.require_role("admin")
    if settings.current().identity != "demo":
        raise NotFound("Orders can be reset only in a demo stage (FAIRGATE_IDENTITY=demo). Refund them one by one instead.")
    orders, voided = demo_reset.reset_orders(event_id, admin.user_id, request.now)
    message = "The orders are refunded and their seats are for sale again. Orders with a disputed payment stay as they are."
    return Reply({"orders_deleted": orders, "tickets_deleted": voided, "message": message})
