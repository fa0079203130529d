"""What an admin does to a running sale and to its money. Every route needs the role `admin`; some are for an event's promoter too."""

from typing import Annotated, Any, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib import clock
from chalicelib.admin import money, service
from chalicelib.catalog import service as catalog
from chalicelib.edge.auth import Forbidden
from chalicelib.edge.idempotency import once
from chalicelib.edge.respond import Answer, Call, route
from chalicelib.purchases import refunds
from chalicelib.purchases.model import MAX_QUANTITY, Purchase, Refund
from chalicelib.waiting_room import service as waiting_room

bp = Blueprint(__name__)

Reason = Literal["requested_by_customer", "event_cancelled", "event_changed", "duplicate", "fraudulent", "goodwill"]


class RefundBody(Struct, forbid_unknown_fields=True):
    """`tickets`: ids, all that are left when silent. `fee_cents`: kept of each ticket instead of what the rule says."""

    reason: Reason
    tickets: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(min_length=1, max_length=MAX_QUANTITY)] | None = None
    fee_cents: Annotated[int, Meta(ge=0)] | None = None
    return_seats: bool = True
    note: Annotated[str, Meta(max_length=500)] | None = None


@route(bp, "POST", "/admin/events/{event_id}/pause")
def pause(call: Call, event_id: str) -> Answer:
    return _set_paused(call, event_id, True, "The sale is paused. Living reservations can still be paid.")


@route(bp, "POST", "/admin/events/{event_id}/resume")
def resume(call: Call, event_id: str) -> Answer:
    return _set_paused(call, event_id, False, "The sale goes on.")


@route(bp, "GET", "/admin/events/{event_id}/status")
def status(call: Call, event_id: str) -> Answer:
    call.require("admin")
    return Answer(service.status(event_id, call.now))


@route(bp, "GET", "/admin/orders/{order_id}")
def order(call: Call, order_id: str) -> Answer:
    return Answer(money.order(_order(call, order_id)))


@route(bp, "POST", "/admin/orders/{order_id}/refunds")
def refund(call: Call, order_id: str) -> Answer:
    _order(call, order_id)
    by, body = call.user().user_id, call.body(RefundBody)
    request = refunds.RefundRequest(
        reason=body.reason, tickets=body.tickets, fee_cents=body.fee_cents, return_seats=body.return_seats, note=body.note
    )
    return once(call, by, lambda refund_id: _refunded(*refunds.ask(order_id, request, refund_id, by, call.now), 201), required=True)


@route(bp, "POST", "/admin/orders/{order_id}/refunds/{refund_id}/retry")
def retry_refund(call: Call, order_id: str, refund_id: str) -> Answer:
    _order(call, order_id)
    return _refunded(*refunds.retry(order_id, refund_id, call.now), 200)


@route(bp, "GET", "/admin/events/{event_id}/money")
def event_money(call: Call, event_id: str) -> Answer:
    identity = call.identity or call.require("admin")
    if not money.answers_for(identity, event_id):
        raise Forbidden()
    return Answer(money.of_event(event_id))


@route(bp, "GET", "/admin/reconciliation")
def reconciliation(call: Call) -> Answer:
    call.require("admin")
    return Answer(money.open_matters())


@route(bp, "DELETE", "/admin/reconciliation/{order_id}/{finding}")
def dismiss_finding(call: Call, order_id: str, finding: str) -> Answer:
    money.dismiss(order_id, finding, call.require("admin").user_id, call.now)
    return Answer({"message": "Dismissed."})


def _order(call: Call, order_id: str) -> Purchase:
    return money.order_for(call.identity or call.require("admin"), order_id)


def _refunded(purchase: Purchase, refund: Refund, status: int) -> Answer:
    return Answer({**money.order(purchase), "refund": money.refund(refund, purchase)}, status)


def _set_paused(call: Call, event_id: str, paused: bool, message: str) -> Answer:
    event = catalog.set_paused(event_id, paused, call.require("admin").user_id, call.now)
    waiting_room.follow(event, call.now)
    shown: dict[str, Any] = {"id": event.id, "name": event.name, "venue": event.venue, "starts_at": clock.iso(event.starts_at)}
    return Answer({"message": message, "event": {**shown, "paused": event.paused}})
