"""Checkout over HTTP: open a session, show it, confirm it."""

from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.edge import idempotency, rate_limits
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.foundation.ids import Id
from chalicelib.payments.model import SimulatedOutcome
from chalicelib.purchases.checkout import service
from chalicelib.purchases.checkout.answers import SentAnswers
from chalicelib.purchases.checkout.checkout_page import CheckoutOptions, SentDetails
from chalicelib.purchases.checkout.errors import CHECKOUT_ERRORS, CONFIRM_ERRORS
from chalicelib.purchases.checkout.service import CheckoutResult
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.errors import CheckoutNotFound
from chalicelib.purchases.record.model import MAX_QUANTITY, CheckoutDetails
from chalicelib.purchases.record.views import CheckoutSessionView, ConfirmationView
from chalicelib.tickets.model import Attendee, EmailAddress

bp = Blueprint(__name__)


class CheckoutAttendee(Attendee, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who comes with a ticket, with the answers to what is asked for each ticket, by option id."""

    responses: SentAnswers = {}


PromoCodeInput = Annotated[str, Meta(max_length=64)]  # as buyers write it


class CheckoutFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """`page`: `own`, to pay on the shop's page, or `hosted`, the provider's page, which returns to `success_url` or `cancel_url`;
    `either` is the one that the shop is set up for.

    `attendees` are those of the tickets, in the order of the items. `responses` are the answers to the options of the packages, by option
    id: true or false, a text, or a list of choices. Where nothing is asked, they are texts of any kind.
    """

    promo_code: PromoCodeInput | None = None
    responses: SentAnswers | None = None
    attendees: Annotated[list[CheckoutAttendee], Meta(max_length=MAX_QUANTITY)] | None = None
    customer_email: EmailAddress | None = None
    provider: Literal["simulated", "stripe"] | None = None
    page: Literal["own", "hosted", "either"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None


class CheckoutBody(CheckoutFields, forbid_unknown_fields=True, kw_only=True):
    reservation_id: Id


class ConfirmBody(Struct, forbid_unknown_fields=True):
    checkout_id: Id
    simulate: SimulatedOutcome | None = None


@route(bp, "POST", "/checkout/sessions", access="user", statuses=(201, 200), headers=(idempotency.REQUIRED_KEY,), errors=CHECKOUT_ERRORS)
def open_checkout(request: RequestContext, body: CheckoutBody) -> Reply[CheckoutSessionView]:
    """Open the checkout of a reservation and its payment."""
    user_id = request.require_user().user_id
    key = idempotency.require_key(request, user_id)
    with rate_limits.limited(request, rate_limits.CHECKOUT, user_id) as attempt:
        result = service.open_checkout(user_id, body.reservation_id, read_options(request, body), key, request.now)
        attempt.is_bounded = result.is_new  # a purchase is opened once
    return _session_reply(result, request.now)


@route(bp, "GET", "/checkout/sessions/{session_id}", access="user", errors=(CheckoutNotFound,))
def show_checkout(request: RequestContext, session_id: str) -> Reply[CheckoutSessionView]:
    """Show a checkout session."""
    purchase = queries.get_own_checkout(request.require_user().user_id, session_id)
    return Reply(views.checkout_session_view(purchase, request.now))


@route(bp, "POST", "/checkout/confirm", access="user", statuses=(201, 200), errors=CONFIRM_ERRORS)
def confirm_checkout(request: RequestContext, body: ConfirmBody) -> Reply[ConfirmationView]:
    """Turn a payment into tickets. Repeated, it returns the same tickets."""
    return confirm_purchase(request, body.checkout_id, body.simulate)


def confirm_purchase(request: RequestContext, purchase_id: str, simulate: SimulatedOutcome | None) -> Reply[ConfirmationView]:
    """Confirm the caller's purchase within their rate limit."""
    user_id = request.require_user().user_id
    with rate_limits.limited(request, rate_limits.CONFIRM, user_id) as attempt:
        result = service.confirm(user_id, purchase_id, simulate, request.now)
        attempt.is_bounded = not result.repeated  # a purchase is paid or declined once
    is_new_order = result.purchase.was_order and not result.repeated
    view = views.confirmation_view(result.purchase, result.tickets, result.repeated, request.now)
    return Reply(view, 201 if is_new_order else 200)


def _session_reply(result: CheckoutResult, now: int) -> Reply[CheckoutSessionView]:
    if result.is_replay:
        opened_at = result.purchase.checkout_at or now
        return idempotency.replayed(views.checkout_session_view(result.purchase, opened_at, result.client_secret, result.url), 201)
    session = views.checkout_session_view(result.purchase, now, result.client_secret, result.url)
    if result.is_new:
        return Reply(session, 201)
    return Reply(replace(session, message="The checkout for this reservation is already open (idempotent)."))


def read_options(request: RequestContext, body: CheckoutFields) -> CheckoutOptions:
    """How the buyer wants to pay, and what they have sent along."""
    attendees = body.attendees or []
    return CheckoutOptions(
        provider=body.provider,
        page=body.page,
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        promo_code=body.promo_code or None,
        language=request.language,
        details=CheckoutDetails(
            attendees=[Attendee(attendee.name, attendee.email) for attendee in attendees], customer_email=body.customer_email
        ),
        sent=SentDetails(body.responses or {}, [attendee.responses for attendee in attendees]),
    )
