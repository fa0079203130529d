"""Reservations over HTTP: join the waiting room in front of them, reserve, show the active one, release."""

from collections.abc import Sequence
from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import asdict

from chalicelib.edge import proof_of_work, rate_limits
from chalicelib.edge.auth import Unauthenticated, UserRequired
from chalicelib.edge.http import Reply, RequestContext, route
from chalicelib.edge.idempotency import IDEMPOTENCY_KEY, execute_once
from chalicelib.edge.proof_of_work import ChallengeExpired, ChallengeInvalid, ChallengeRequired
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.foundation import ids, settings
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.payments.model import PROVIDER_ERRORS, PaymentNotCompleted
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.errors import ReservationConverted, ReservationEnded, ReservationNotFound
from chalicelib.purchases.record.model import MAX_LINE_ITEMS, MAX_QUANTITY
from chalicelib.purchases.record.views import ReservationStatus, ReservationView
from chalicelib.purchases.reservations import service
from chalicelib.purchases.reservations.errors import RESERVE_ERRORS
from chalicelib.purchases.reservations.service import RequestedItem
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.model import GUEST_PREFIX, JoiningStopped, NoWaitingRoom
from chalicelib.waiting_room.views import JoinView

bp = Blueprint(__name__)

Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


class JoinBody(Struct, forbid_unknown_fields=True):
    """Empty, unless joining requires proof of work: then the challenge from the refused first request, and the nonce that solves it."""

    challenge: Annotated[str, Meta(max_length=512)] | None = None
    nonce: Annotated[str, Meta(max_length=64)] | None = None


_NO_WORK = JoinBody()


class ItemBody(Struct, forbid_unknown_fields=True):
    tier_id: Id
    quantity: Quantity


ItemBodies = Annotated[list[ItemBody], Meta(min_length=1, max_length=MAX_LINE_ITEMS)]
WaitingRoomToken = Annotated[str, Meta(max_length=2048)]


class ReservationBody(Struct, forbid_unknown_fields=True):
    """Either one tier with its quantity, or `items`. `token` is the waiting room's, if the event has one."""

    tier_id: Id | None = None
    quantity: Quantity | None = None
    items: ItemBodies | None = None
    token: WaitingRoomToken | None = None


class ActiveReservationQuery(Struct, forbid_unknown_fields=True):
    """`token` is the waiting room's; in a demo stage it stands for a guest."""

    token: Annotated[str, Meta(max_length=2048)] | None = None


class ReleaseView(Struct, frozen=True):
    """A reservation that was given back."""

    id: str
    status: ReservationStatus
    message: str


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/join",
    access="public",
    errors=(Unauthenticated, UserRequired, JoiningStopped, ChallengeRequired, ChallengeInvalid, ChallengeExpired, RateLimited),
)
def join_waiting_room(request: RequestContext, event_id: str, body: JoinBody = _NO_WORK) -> Reply[JoinView]:
    """Join the waiting room of an event, or get the place that you already have."""
    # Not a route of the waiting room, which cannot know what was bought with the place that the user has.
    user_id = _joining_user_id(request)
    solver = GUEST_PREFIX if user_id.startswith(GUEST_PREFIX) else user_id  # a guest gets a new id with each request

    def check_work() -> None:
        proof_of_work.verify_solution(body.challenge, body.nonce, event_id, solver, request.now)

    def is_pass_used(pass_id: str) -> bool:
        return queries.is_pass_used(user_id, event_id, pass_id)

    with rate_limits.limited(request, rate_limits.JOIN, user_id, event_id) as attempt:
        try:
            joined = waiting_room.join(event_id, user_id, check_work, is_pass_used, request.now)
            view, attempt.is_bounded = joined.view, joined.is_new  # a user has one place
        except NoWaitingRoom:
            view = waiting_room.status_without_room(event_id)
    return Reply(JoinView(**asdict(view), user_id=user_id))


@route(
    bp, "POST", "/events/{event_id}/reservations", access="public", statuses=(201, 200), headers=(IDEMPOTENCY_KEY,), errors=RESERVE_ERRORS
)
def reserve(request: RequestContext, event_id: str, body: ReservationBody) -> Reply[ReservationView]:
    """Reserve tickets: nobody else can buy them until the reservation expires."""
    user_id, items = _require_buyer(request, body.token), _requested_items(body)
    with rate_limits.limited(request, rate_limits.RESERVE, user_id) as attempt:

        def execute(purchase_id: str) -> Reply[ReservationView]:
            purchase = service.reserve(user_id, event_id, items, body.token, purchase_id, attempt, request.now)
            attempt.is_bounded = True  # the buyer's record has counted it
            return Reply(views.reservation_view(purchase, request.now), 201)

        def find_result(purchase_id: str) -> Reply[ReservationView] | None:
            purchase = service.find_earlier(purchase_id, request.now)
            return Reply(views.reservation_view(purchase, request.now), 201) if purchase is not None else None

        return execute_once(request, user_id, execute, find_result=find_result)


@route(bp, "GET", "/events/{event_id}/reservations", access="public", errors=(Unauthenticated, UserRequired, ReservationNotFound))
def show_active_reservation(request: RequestContext, event_id: str, query: ActiveReservationQuery) -> Reply[ReservationView]:
    """Show the caller's active reservation for an event."""
    user_id = _require_buyer(request, query.token)
    return Reply(views.reservation_view(service.get_active_reservation(user_id, event_id, request.now), request.now))


@route(
    bp,
    "DELETE",
    "/reservations/{reservation_id}",
    access="user",
    errors=(ReservationNotFound, ReservationConverted, ReservationEnded, PaymentNotCompleted, *PROVIDER_ERRORS),
)
def release_reservation(request: RequestContext, reservation_id: str) -> Reply[ReleaseView]:
    """Release a reservation."""
    purchase = service.release(request.require_user().user_id, reservation_id, request.now)
    status = views.reservation_status(purchase, request.now)
    return Reply(ReleaseView(purchase.id, status, "The reservation is cancelled and its tickets are released."))


def _joining_user_id(request: RequestContext) -> str:
    """The id of the user who joins. In a demo stage, a request without a user gets a new guest id, which its token carries."""
    if request.identity is None and settings.current().identity == "demo":
        return GUEST_PREFIX + ids.new_id().lower()
    return request.require_user().user_id


def _require_buyer(request: RequestContext, token: str | None) -> str:
    """The caller's user id. Where the demo header names users, a guest's waiting room token stands for a caller without the header."""
    if request.identity is None and settings.current().identity == "demo":
        guest = waiting_room.guest_user_id(token)
        if guest is not None:
            return guest
    return request.require_user().user_id


def read_items(items: Sequence[ItemBody]) -> list[RequestedItem]:
    """The items of a request. Raises InvalidInput for a tier that is named twice, and for too many tickets."""
    if len({item.tier_id for item in items}) < len(items):
        raise InvalidInput("List each tier only once.", path="$.items")
    if sum(item.quantity for item in items) > MAX_QUANTITY:
        raise InvalidInput(f"You can buy at most {MAX_QUANTITY} tickets in one purchase.", path="$.items")
    return [RequestedItem(item.tier_id, item.quantity) for item in items]


def _requested_items(body: ReservationBody) -> list[RequestedItem]:
    if body.items is not None:
        if body.tier_id is not None or body.quantity is not None:
            raise InvalidInput("Send either `tier_id` and `quantity`, or `items`.", path="$.items")
        return read_items(body.items)
    if body.tier_id is None:
        raise InvalidInput("Object missing required field `tier_id`.", path="$.tier_id")
    if body.quantity is None:
        raise InvalidInput("Object missing required field `quantity`.", path="$.quantity")
    return [RequestedItem(body.tier_id, body.quantity)]
