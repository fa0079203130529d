"""Checkout over HTTP: open a session, show it, confirm it."""

from typing import Annotated, Literal

import msgspec
from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.edge import idempotency, rate_limits
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.errors import InvalidInput
from chalicelib.ids import Id
from chalicelib.payments.model import SimulatedOutcome
from chalicelib.purchases.checkout import service
from chalicelib.purchases.checkout.checkout_page import CheckoutOptions
from chalicelib.purchases.checkout.service import CheckoutResult
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.errors import PromoCodeInvalid
from chalicelib.purchases.record.model import MAX_QUANTITY, Attendee, CheckoutDetails, ShortText

bp = Blueprint(__name__)

MAX_DETAILS_BYTES = 4096  # of responses and attendees together, as JSON


class CheckoutBody(Struct, forbid_unknown_fields=True):
    """`page`: `own`, to pay on the shop's page, or `hosted`, the provider's page, which returns to `success_url` or `cancel_url`."""

    reservation_id: Id
    promo_code: Annotated[str, Meta(max_length=64)] | None = None
    responses: dict[Annotated[str, Meta(max_length=64)], ShortText] | None = None
    attendees: Annotated[list[Attendee], Meta(max_length=MAX_QUANTITY)] | None = None
    provider: Literal["simulated", "stripe"] | None = None
    page: Literal["own", "hosted"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None


class ConfirmBody(Struct, forbid_unknown_fields=True):
    checkout_id: Id
    simulate: SimulatedOutcome | None = None


@route(bp, "POST", "/checkout/sessions")
def open_checkout(request: RequestContext) -> Reply:
    user_id, body = request.require_user().user_id, request.parse_body(CheckoutBody)
    key = idempotency.require_key(request, user_id)
    with rate_limits.limited(request, rate_limits.CHECKOUT, user_id) as attempt:
        if body.promo_code:
            raise PromoCodeInvalid("This promo code is not valid for this event. Correct it, or order without one.", path="$.promo_code")
        result = service.open_checkout(user_id, body.reservation_id, _options(body), key, request.now)
        attempt.is_bounded = result.is_new  # a purchase is opened once
    return _session_reply(result, request.now)


@route(bp, "GET", "/checkout/sessions/{session_id}")
def show_checkout(request: RequestContext, session_id: str) -> Reply:
    purchase = queries.get_own_checkout(request.require_user().user_id, session_id)
    return Reply(views.checkout_session_view(purchase, request.now))


@route(bp, "POST", "/checkout/confirm")
def confirm(request: RequestContext) -> Reply:
    user_id, body = request.require_user().user_id, request.parse_body(ConfirmBody)
    with rate_limits.limited(request, rate_limits.CONFIRM, user_id) as attempt:
        result = service.confirm(user_id, body.checkout_id, body.simulate, request.now)
        attempt.is_bounded = not result.repeated  # a purchase is paid or declined once
    is_new_order = result.purchase.was_order and not result.repeated
    view = views.confirmation_view(result.purchase, result.tickets, result.repeated, request.now)
    return Reply(view, 201 if is_new_order else 200)


def _session_reply(result: CheckoutResult, now: int) -> Reply:
    if result.is_replay:
        opened_at = result.purchase.checkout_at or now
        return idempotency.replayed(views.checkout_session_view(result.purchase, opened_at, result.client_secret, result.url), 201)
    session = views.checkout_session_view(result.purchase, now, result.client_secret, result.url)
    if result.is_new:
        return Reply(session, 201)
    return Reply({**session, "message": "The checkout of this reservation is open already (idempotent)."})


def _options(body: CheckoutBody) -> CheckoutOptions:
    """How the buyer wants to pay, and the answers and attendees that are stored with the purchase."""
    return CheckoutOptions(
        provider=body.provider, page=body.page, success_url=body.success_url, cancel_url=body.cancel_url, details=_details(body)
    )


def _details(body: CheckoutBody) -> CheckoutDetails:
    """The answers and attendees. Raises InvalidInput if they are too large together; its path names the larger one."""
    details = CheckoutDetails(body.responses or {}, body.attendees or [])
    sizes = {"responses": len(msgspec.json.encode(details.responses)), "attendees": len(msgspec.json.encode(details.attendees))}
    if sum(sizes.values()) > MAX_DETAILS_BYTES:
        message = f"`responses` and `attendees` may have at most {MAX_DETAILS_BYTES // 1024} KB together. Send shorter ones."
        raise InvalidInput(message, path=f"$.{max(sizes, key=lambda name: sizes[name])}")
    return details
