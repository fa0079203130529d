"""Reservations, checkout sessions and orders over HTTP."""

from typing import Annotated, Any, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib import settings
from chalicelib.edge import limits
from chalicelib.edge.idempotency import once
from chalicelib.edge.respond import Answer, Call, route
from chalicelib.errors import InvalidInput, NotFound
from chalicelib.payments.model import Outcome
from chalicelib.purchases import checkout, orders, service, shapes, undoing, webhooks
from chalicelib.purchases.hosting import CheckoutOptions
from chalicelib.purchases.model import MAX_LINES, MAX_QUANTITY, PromoCodeInvalid, Purchase
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
    items: Annotated[list[ItemBody], Meta(min_length=1, max_length=MAX_LINES)] | None = None
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
    simulate: Outcome | None = None


@route(bp, "POST", "/events/{event_id}/reservations")
def reserve(call: Call, event_id: str) -> Answer:
    body = call.body(ReservationBody)
    user_id, wanted = _buyer(call, body.token), _wanted(body)
    limits.check(call, limits.RESERVE, user_id)

    def execute(purchase_id: str) -> Answer:
        purchase = service.reserve(user_id, event_id, wanted, body.token, purchase_id, call.now)
        return Answer(shapes.reservation(purchase, call.now), 201)

    return once(call, user_id, execute)


@route(bp, "GET", "/events/{event_id}/reservations")
def active_reservation(call: Call, event_id: str) -> Answer:
    user_id = _buyer(call, call.query("token"))
    return Answer(shapes.reservation(service.active(user_id, event_id, call.now), call.now))


@route(bp, "DELETE", "/reservations/{reservation_id}")
def release(call: Call, reservation_id: str) -> Answer:
    purchase = service.release(call.user().user_id, reservation_id, call.now)
    status = shapes.reservation_status(purchase, call.now)
    return Answer({"id": purchase.id, "status": status, "message": "The tickets were given back."})


@route(bp, "POST", "/checkout/sessions")
def begin_checkout(call: Call) -> Answer:
    user_id, body = call.user().user_id, call.body(CheckoutBody)
    limits.check(call, limits.CHECKOUT, user_id)

    def execute(_: str) -> Answer:
        if body.promo_code:
            raise PromoCodeInvalid("This promo code is not valid for this event.", path="$.promo_code")
        begun = checkout.begin(user_id, body.reservation_id, _options(body), call.now)
        return _session_answer(begun, call.now)

    return once(call, user_id, execute, required=True)


@route(bp, "GET", "/checkout/sessions/{session_id}")
def checkout_session(call: Call, session_id: str) -> Answer:
    return Answer(shapes.checkout_session(checkout.session(call.user().user_id, session_id), call.now))


@route(bp, "POST", "/checkout/confirm")
def confirm(call: Call) -> Answer:
    user_id, body = call.user().user_id, call.body(ConfirmBody)
    limits.check(call, limits.CONFIRM, user_id)
    done = checkout.confirm(user_id, body.checkout_id, body.simulate, call.now)
    created = done.purchase.was_order and not done.repeated
    return Answer(shapes.confirmation(done.purchase, done.tickets, done.repeated, call.now), 201 if created else 200)


@route(bp, "GET", "/me/order")
def my_order(call: Call) -> Answer:
    user_id = call.user().user_id
    event_id = call.query("event_id")
    if event_id is None:
        raise InvalidInput("Name the event.", path="event_id")
    return _order_answer(*orders.newest(user_id, event_id))


@route(bp, "GET", "/orders/{order_id}")
def order(call: Call, order_id: str) -> Answer:
    return _order_answer(*orders.own(call.user().user_id, order_id))


@route(bp, "POST", "/webhooks/stripe")
def stripe_webhook(call: Call) -> Answer:
    return Answer({"received": webhooks.take_in(call.raw_body(), call.header("stripe-signature") or "", call.now)})


@route(bp, "DELETE", "/admin/events/{event_id}/orders")
def undo_orders(call: Call, event_id: str) -> Answer:
    admin = call.require("admin")
    if settings.current().identity != "demo":
        raise NotFound("Orders can be undone where the demo identity is on, and nowhere else.")
    orders, voided = undoing.undo_orders(event_id, admin.user_id, call.now)
    return Answer({"orders_deleted": orders, "tickets_deleted": voided, "message": "The seats are for sale again."})


def _buyer(call: Call, token: str | None) -> str:
    """The caller; where the header names users, a guest's token stands for one who sends none."""
    if call.identity is None and settings.current().identity == "demo":
        guest = waiting_room.guest(token)
        if guest is not None:
            return guest
    return call.user().user_id


def _order_answer(purchase: Purchase, tickets: list[Any]) -> Answer:
    return Answer({"order": shapes.order_with_event(purchase), "tickets": [shapes.ticket(one) for one in tickets]})


def _session_answer(begun: checkout.Begun, now: int) -> Answer:
    body = shapes.checkout_session(begun.purchase, now, begun.client_secret, begun.url)
    if begun.opened:
        return Answer(body, 201)
    return Answer({**body, "message": "This reservation is being checked out already (idempotent)."})


def _wanted(body: ReservationBody) -> list[service.Wanted]:
    if body.items is not None:
        if body.tier_id is not None or body.quantity is not None:
            raise InvalidInput("Send either `tier_id` and `quantity`, or `items`.", path="$.items")
        wanted = [service.Wanted(item.tier_id, item.quantity) for item in body.items]
        if len({one.tier_id for one in wanted}) < len(wanted):
            raise InvalidInput("Name each tier once.", path="$.items")
        if sum(one.quantity for one in wanted) > MAX_QUANTITY:
            raise InvalidInput(f"At most {MAX_QUANTITY} tickets in one purchase.", path="$.items")
        return wanted
    if body.tier_id is None:
        raise InvalidInput("Object missing required field `tier_id`.", path="$.tier_id")
    if body.quantity is None:
        raise InvalidInput("Object missing required field `quantity`.", path="$.quantity")
    return [service.Wanted(body.tier_id, body.quantity)]


def _options(body: CheckoutBody) -> CheckoutOptions:
    """How the buyer wants to pay, and what they said about themselves, which is kept with the purchase."""
    details = {name: value for name, value in (("responses", body.responses), ("attendees", body.attendees)) if value}
    return CheckoutOptions(
        provider=body.provider, page=body.page, success_url=body.success_url, cancel_url=body.cancel_url, details=details
    )
