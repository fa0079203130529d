"""The reset of an event's orders over HTTP; only where the demo identity is on. Refunds of single orders are in `admin`."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation import settings
from chalicelib.foundation.errors import NotFound
from chalicelib.purchases.refunds import demo_reset

bp = Blueprint(__name__)


class ResetView(Struct, frozen=True):
    """How many orders were refunded, and how many of their tickets became void."""

    orders_deleted: int
    tickets_deleted: int
    message: str


@route(bp, "DELETE", "/admin/events/{event_id}/orders", access="admin")
def reset_orders(request: RequestContext, event_id: str) -> Reply[ResetView]:
    """Refund all orders of an event and return their seats to the stock. Demo stages only."""
    admin = request.require_user()
    if settings.current().identity != "demo":
        raise NotFound("Orders can be reset only in a demo stage (FAIRGATE_IDENTITY=demo). Refund them one by one instead.")
    orders, voided = demo_reset.reset_orders(event_id, admin.user_id, request.now)
    message = "The orders have been refunded and their seats are back on sale. Orders with a disputed payment are unchanged."
    return Reply(ResetView(orders, voided, message))
