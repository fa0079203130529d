"""Admin routes: pause, resume, sale status, orders, refunds, revenue, open cases. Promoters may use those of their own events' orders."""

from typing import Annotated, Any, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib import clock
from chalicelib.admin import open_cases, orders, sale_status
from chalicelib.catalog import service as catalog
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.idempotency import execute_once
from chalicelib.ids import Id
from chalicelib.purchases.record.model import MAX_QUANTITY, Purchase, Refund
from chalicelib.purchases.refunds import requests as refund_requests
from chalicelib.waiting_room import service as waiting_room

bp = Blueprint(__name__)

Reason = Literal["requested_by_customer", "event_cancelled", "event_changed", "duplicate", "fraudulent", "goodwill"]


class RefundBody(Struct, forbid_unknown_fields=True):
    """`tickets`: ids; null for all that the buyer still has. `fee_cents`: kept of each ticket; null for the settings' fee."""

    reason: Reason
    tickets: Annotated[list[Id], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None
    fee_cents: Annotated[int, Meta(ge=0)] | None = None
    return_seats: bool = True
    note: Annotated[str, Meta(max_length=500)] | None = None


@route(bp, "POST", "/admin/events/{event_id}/pause")
def pause(request: RequestContext, event_id: str) -> Reply:
    return _set_paused(request, event_id, True, "The sale is paused. Active reservations can still be paid.")


@route(bp, "POST", "/admin/events/{event_id}/resume")
def resume(request: RequestContext, event_id: str) -> Reply:
    return _set_paused(request, event_id, False, "The sale is open again.")


@route(bp, "GET", "/admin/events/{event_id}/status")
def show_status(request: RequestContext, event_id: str) -> Reply:
    request.require_role("admin")
    return Reply(sale_status.sale_status(event_id, request.now))


@route(bp, "GET", "/admin/orders/{order_id}")
def show_order(request: RequestContext, order_id: str) -> Reply:
    return Reply(orders.admin_order_view(_get_order(request, order_id)))


@route(bp, "POST", "/admin/orders/{order_id}/refunds")
def refund_order(request: RequestContext, order_id: str) -> Reply:
    _get_order(request, order_id)  # refuses callers who may not manage it
    by, body = request.require_user().user_id, request.parse_body(RefundBody)
    refund_request = refund_requests.RefundRequest(
        reason=body.reason, tickets=body.tickets, fee_cents=body.fee_cents, return_seats=body.return_seats, note=body.note
    )

    def execute(refund_id: str) -> Reply:
        return _refund_reply(*refund_requests.request_refund(order_id, refund_request, refund_id, by, request.now), 201)

    return execute_once(request, by, execute, required=True)


@route(bp, "POST", "/admin/orders/{order_id}/refunds/{refund_id}/retry")
def retry_refund(request: RequestContext, order_id: str, refund_id: str) -> Reply:
    _get_order(request, order_id)  # refuses callers who may not manage it
    return _refund_reply(*refund_requests.retry_refund(order_id, refund_id, request.now), 200)


@route(bp, "GET", "/admin/events/{event_id}/money")
def show_revenue(request: RequestContext, event_id: str) -> Reply:
    if not orders.may_manage(_require_identity(request), event_id):
        raise Forbidden()
    return Reply(orders.event_revenue(event_id))


@route(bp, "GET", "/admin/reconciliation")
def list_open_cases(request: RequestContext) -> Reply:
    request.require_role("admin")
    return Reply(open_cases.list_open_cases())


@route(bp, "DELETE", "/admin/reconciliation/{order_id}/{finding}")
def dismiss_case(request: RequestContext, order_id: str, finding: str) -> Reply:
    open_cases.dismiss_case(order_id, finding, request.require_role("admin").user_id, request.now)
    return Reply({"message": "The case is closed."})


def _get_order(request: RequestContext, order_id: str) -> Purchase:
    return orders.get_order(_require_identity(request), order_id)


def _require_identity(request: RequestContext) -> Identity:
    """The caller, whatever their roles. An anonymous request is refused as on a route for admins alone."""
    return request.identity or request.require_role("admin")


def _refund_reply(purchase: Purchase, refund: Refund, status: int) -> Reply:
    return Reply({**orders.changed_order_view(purchase), "refund": orders.admin_refund_view(refund, purchase)}, status)


def _set_paused(request: RequestContext, event_id: str, paused: bool, message: str) -> Reply:
    event = catalog.set_paused(event_id, paused, request.require_role("admin").user_id, request.now)
    waiting_room.reload(event, request.now)
    shown: dict[str, Any] = {"id": event.id, "name": event.name, "venue": event.venue, "starts_at": clock.iso(event.starts_at)}
    return Reply({"message": message, "event": {**shown, "paused": event.paused}})
