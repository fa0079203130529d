"""Reservations, checkout sessions and orders over HTTP."""

from typing import Annotated, Any, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib import settings
from chalicelib.edge import rate_limits
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.idempotency import execute_once
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.payments.model import SimulatedOutcome
from chalicelib.purchases.checkout import service as checkout
from chalicelib.purchases.checkout.checkout_page import CheckoutOptions
from chalicelib.purchases.provider_events import webhook
from chalicelib.purchases.record import queries as order_queries
from chalicelib.purchases.record import views
from chalicelib.purchases.record.errors import PromoCodeInvalid
from chalicelib.purchases.record.model import MAX_LINE_ITEMS, MAX_QUANTITY, Purchase
from chalicelib.purchases.refunds import demo_reset
from chalicelib.purchases.reservations import service as reservations
from chalicelib.waiting_room import service as waiting_room

bp = Blueprint(__name__)

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]
Text = Annotated[str, Meta(max_length=500)]


class ItemBody(Struct, forbid_unknown_fields=True):
    tier_id: Id
    quantity: Quantity


class ReservationBody(Struct, forbid_unknown_fields=True):
    """Either one tier with its quantity, or `items`. `token` is the waiting room's, where the event has one."""

    tier_id: Id | None = None
    quantity: Quantity | None = None
    items: Annotated[list[ItemBody], Meta(min_length=1, max_length=MAX_LINE_ITEMS)] | None = None
    token: Annotated[str, Meta(max_length=2048)] | None = None


class Attendee(Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: Text
    email: Annotated[str, Meta(max_length=254, pattern="^[^@\\s]+@[^@\\s]+$")] | None = None


class CheckoutBody(Struct, forbid_unknown_fields=True):
    """`page`: pay in the shop's own page or on the provider's (`hosted`), which returns to `success_url` or `cancel_url`."""

    reservation_id: Id
    promo_code: Annotated[str, Meta(max_length=64)] | None = None
    responses: dict[Annotated[str, Meta(max_length=64)], Text] | None = None
    attendees: Annotated[list[Attendee], Meta(max_length=MAX_QUANTITY)] | None = None
    provider: Literal["simulated", "stripe"] | None = None
    page: Literal["own", "hosted"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None


class ConfirmBody(Struct, forbid_unknown_fields=True):
    checkout_id: Id
    simulate: SimulatedOutcome | None = None


@route(bp, "POST", "/events/{event_id}/reservations")
def reserve(request: RequestContext, event_id: str) -> Reply:
    body = request.parse_body(ReservationBody)
    user_id, wanted = _buyer(request, body.token), _wanted(body)
    rate_limits.check(request, rate_limits.RESERVE, user_id)

    def execute(purchase_id: str) -> Reply:
        purchase = reservations.reserve(user_id, event_id, wanted, body.token, purchase_id, request.now)
        return Reply(views.reservation_view(purchase, request.now), 201)

    return execute_once(request, user_id, execute)


@route(bp, "GET", "/events/{event_id}/reservations")
def active_reservation(request: RequestContext, event_id: str) -> Reply:
    user_id = _buyer(request, request.query("token"))
    return Reply(views.reservation_view(reservations.get_active_reservation(user_id, event_id, request.now), request.now))


@route(bp, "DELETE", "/reservations/{reservation_id}")
def release(request: RequestContext, reservation_id: str) -> Reply:
    purchase = reservations.release(request.require_user().user_id, reservation_id, request.now)
    status = views.reservation_status(purchase, request.now)
    return Reply({"id": purchase.id, "status": status, "message": "The tickets were given back."})


@route(bp, "POST", "/checkout/sessions")
def begin_checkout(request: RequestContext) -> Reply:
    user_id, body = request.require_user().user_id, request.parse_body(CheckoutBody)
    rate_limits.check(request, rate_limits.CHECKOUT, user_id)

    def execute(_: str) -> Reply:
        if body.promo_code:
            raise PromoCodeInvalid("This promo code is not valid for this event.", path="$.promo_code")
        begun = checkout.open_checkout(user_id, body.reservation_id, _options(body), request.now)
        return _session_answer(begun, request.now)

    return execute_once(request, user_id, execute, required=True)


@route(bp, "GET", "/checkout/sessions/{session_id}")
def checkout_session(request: RequestContext, session_id: str) -> Reply:
    return Reply(views.checkout_session_view(checkout.get_session(request.require_user().user_id, session_id), request.now))


@route(bp, "POST", "/checkout/confirm")
def confirm(request: RequestContext) -> Reply:
    user_id, body = request.require_user().user_id, request.parse_body(ConfirmBody)
    rate_limits.check(request, rate_limits.CONFIRM, user_id)
    done = checkout.confirm(user_id, body.checkout_id, body.simulate, request.now)
    created = done.purchase.was_order and not done.repeated
    return Reply(views.confirmation_view(done.purchase, done.tickets, done.repeated, request.now), 201 if created else 200)


@route(bp, "GET", "/me/order")
def my_order(request: RequestContext) -> Reply:
    user_id = request.require_user().user_id
    event_id = request.query("event_id")
    if event_id is None:
        raise InvalidInput("Name the event.", path="event_id")
    return _order_answer(*order_queries.get_newest_order(user_id, event_id))


@route(bp, "GET", "/orders/{order_id}")
def order(request: RequestContext, order_id: str) -> Reply:
    return _order_answer(*order_queries.get_own_order(request.require_user().user_id, order_id))


@route(bp, "POST", "/webhooks/stripe")
def stripe_webhook(request: RequestContext) -> Reply:
    return Reply({"received": webhook.handle_webhook(request.read_body(), request.header("stripe-signature") or "", request.now)})


@route(bp, "DELETE", "/admin/events/{event_id}/orders")
def undo_orders(request: RequestContext, event_id: str) -> Reply:
    admin = request.require_role("admin")
    if settings.current().identity != "demo":
        raise NotFound("Orders can be undone where the demo identity is on, and nowhere else.")
    orders, voided = demo_reset.reset_orders(event_id, admin.user_id, request.now)
    return Reply({"orders_deleted": orders, "tickets_deleted": voided, "message": "The seats are for sale again."})


def _buyer(request: RequestContext, token: str | None) -> str:
    """The caller; where the header names users, a guest's token stands for one who sends none."""
    if request.identity is None and settings.current().identity == "demo":
        guest = waiting_room.guest_user_id(token)
        if guest is not None:
            return guest
    return request.require_user().user_id


def _order_answer(purchase: Purchase, tickets: list[Any]) -> Reply:
    return Reply({"order": views.order_with_event_view(purchase), "tickets": [views.ticket_view(one) for one in tickets]})


def _session_answer(begun: checkout.CheckoutResult, now: int) -> Reply:
    body = views.checkout_session_view(begun.purchase, now, begun.client_secret, begun.url)
    if begun.opened:
        return Reply(body, 201)
    return Reply({**body, "message": "This reservation is being checked out already (idempotent)."})


def _wanted(body: ReservationBody) -> list[reservations.RequestedItem]:
    if body.items is not None:
        if body.tier_id is not None or body.quantity is not None:
            raise InvalidInput("Send either `tier_id` and `quantity`, or `items`.", path="$.items")
        wanted = [reservations.RequestedItem(item.tier_id, item.quantity) for item in body.items]
        if len({one.tier_id for one in wanted}) < len(wanted):
            raise InvalidInput("Name each tier once.", path="$.items")
        if sum(one.quantity for one in wanted) > MAX_QUANTITY:
            raise InvalidInput(f"At most {MAX_QUANTITY} tickets in one purchase.", path="$.items")
        return wanted
    if body.tier_id is None:
        raise InvalidInput("Object missing required field `tier_id`.", path="$.tier_id")
    if body.quantity is None:
        raise InvalidInput("Object missing required field `quantity`.", path="$.quantity")
    return [reservations.RequestedItem(body.tier_id, body.quantity)]


def _options(body: CheckoutBody) -> CheckoutOptions:
    """How the buyer wants to pay, and what they said about themselves, which is kept with the purchase."""
    details = {name: value for name, value in (("responses", body.responses), ("attendees", body.attendees)) if value}
    return CheckoutOptions(
        provider=body.provider, page=body.page, success_url=body.success_url, cancel_url=body.cancel_url, checkout_details=details
    )
