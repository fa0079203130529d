"""Buying over HTTP: join the waiting room, reserve, check out and confirm, or order in one call. Also the payment provider's webhook."""

from collections.abc import Sequence
from typing import Annotated, Literal, Protocol

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from chalicelib.accounts.model import Email, LegalTextId
from chalicelib.catalog.forms import check_place
from chalicelib.catalog.sale_rules import EventNotOnSale
from chalicelib.dynamodb import dynamo
from chalicelib.edge import idempotency, proof_of_work, rate_limits
from chalicelib.edge.auth import Unauthenticated, UserRequired
from chalicelib.edge.error_replies import BodyTooLarge
from chalicelib.edge.idempotency import IDEMPOTENCY_KEY, execute_once
from chalicelib.edge.proof_of_work import WORK_ERRORS
from chalicelib.edge.rate_limits import RateLimited
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import ids, settings
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import Cents
from chalicelib.foundation.settings import ExternalProviderName
from chalicelib.inventory.model import SalePaused
from chalicelib.payments import service as payments
from chalicelib.payments.model import PROVIDER_ERRORS, PaymentNotCompleted, ProviderDescription, SimulatedOutcome
from chalicelib.promotions.model import USE_ERRORS, PromoCode, normalize
from chalicelib.promotions.views import ValidationView, validation_view
from chalicelib.purchases import checkout, orders, provider_events, queries, reservations, views
from chalicelib.purchases.answers import SentAnswers
from chalicelib.purchases.checkout import CheckoutRequest, CheckoutResult
from chalicelib.purchases.checkout_page import CheckoutOptions, SentDetails
from chalicelib.purchases.errors import (
    CHECKOUT_ERRORS,
    CONFIRM_ERRORS,
    RESERVE_ERRORS,
    CheckoutNotFound,
    OrderAlreadyPaid,
    OrderNotFound,
    PaymentRefunded,
    ReservationConverted,
    ReservationEnded,
    ReservationNotFound,
)
from chalicelib.purchases.model import MAX_LINE_ITEMS, MAX_QUANTITY, CheckoutDetails, InvoiceBuyer, RequestedItem, ReservationRequest
from chalicelib.purchases.orders import OrderRequest, OrderResult
from chalicelib.purchases.provider_events import SignatureRefused
from chalicelib.purchases.views import (
    CheckoutSessionView,
    ConfirmationView,
    OrderView,
    PendingOrderView,
    ReservationState,
    ReservationView,
)
from chalicelib.tickets.model import Attendee, SentAttendee
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.entries import EntryProof
from chalicelib.waiting_room.model import (
    DEMO_PREFIX,
    TOKEN_ERRORS,
    EntryRefused,
    GroupFull,
    GroupsClosed,
    InAnotherGroup,
    InvitationInvalid,
    JoiningStopped,
    NoOtherShop,
    NotInGroup,
    NoWaitingRoom,
    PlaceInUse,
)
from chalicelib.waiting_room.views import JoinView, ShopPassView, TokenBody, WaitingRoomToken

# Reservations over HTTP: join the waiting room, reserve, show the active reservation, release.

bp = Blueprint(__name__)

Quantity = Annotated[int, Meta(ge=1, le=MAX_QUANTITY)]


class JoinBody(Struct, forbid_unknown_fields=True):
    """Leave the body empty unless joining requires proof of work, a verified address, an access code, or a payment card.

    For the work, send the challenge from the refused first request and the nonce that solves it. For the address, send the proof that
    `POST /events/{event_id}/waiting-room/address` returned. The verified address of an account needs no proof. Send the access code as the
    promoter gave it to you; joining again needs no code. For the card, send the proof that `POST /events/{event_id}/waiting-room/card`
    returned.

    With `longer_turn`, your turn and the time to pay are longer. Anybody may ask for this without giving a reason. If you already have a
    place, join again to ask for it. With an `invitation`, you join the group, share its place, and give up your own.
    """

    challenge: Annotated[str, Meta(max_length=512)] | None = None
    nonce: Annotated[str, Meta(max_length=64)] | None = None
    address_proof: Annotated[str, Meta(max_length=128)] | None = None
    access_code: Annotated[str, Meta(max_length=64)] | None = None
    card_proof: Annotated[str, Meta(max_length=128)] | None = None
    longer_turn: bool = False
    invitation: Annotated[str, Meta(max_length=128)] | None = None


_NO_WORK = JoinBody()


class ItemBody(Struct, forbid_unknown_fields=True):
    """Tickets of a tier. With `resale_price_cents`, they are tickets that other buyers offer for resale at this price.

    Tickets for resale cannot be combined with other items.
    """

    tier_id: Id
    quantity: Quantity
    resale_price_cents: Cents | None = None


ItemBodies = Annotated[list[ItemBody], Meta(min_length=1, max_length=MAX_LINE_ITEMS)]
PromoCodeInput = Annotated[str, Meta(max_length=64)]  # as buyers type it


Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="64 hexadecimal digits.", examples=["5f" * 32])]


class EntryProofBody(Struct, forbid_unknown_fields=True):
    """The proof of `GET /events/{event_id}/waiting-room/entries/{digest}` that the buyer's number belongs to the buyer.

    Without this proof, the reservation needs an extra read of the list of entries.
    """

    index: Annotated[int, Meta(ge=0)]
    page_size: Annotated[int, Meta(ge=1)]
    path: Annotated[list[Hash], Meta(max_length=64)]

    def decode(self) -> EntryProof:
        """Return the proof with its hashes as bytes."""
        return EntryProof(self.index, self.page_size, [bytes.fromhex(beside) for beside in self.path])


class PassBody(Struct, forbid_unknown_fields=True):
    """The waiting room's token, and optionally the proof that saves the shop a read."""

    token: WaitingRoomToken
    entry_proof: EntryProofBody | None = None


class ReservationBody(Struct, forbid_unknown_fields=True):
    """Send either `tier_id` and `quantity`, or `items`. `token` is the waiting room's token, if the event has a waiting room.

    `entry_proof` saves the shop a read if the token has a number from the draw.

    `promo_code` is needed for tiers that require a code, and to buy before the sale opens. The reservation then holds one use of the code.
    A reservation that does not need the code does not use it: send the code with the checkout.
    """

    tier_id: Id | None = None
    quantity: Quantity | None = None
    items: ItemBodies | None = None
    token: WaitingRoomToken | None = None
    entry_proof: EntryProofBody | None = None
    promo_code: PromoCodeInput | None = None


class ActiveReservationQuery(Struct, forbid_unknown_fields=True):
    """`token` is the waiting room's token. In a demo stage it identifies a guest.

    With `promo_code`, the reservation is shown at the price that it would have with this code. Only a checkout uses the code.
    """

    token: Annotated[str, Meta(max_length=2048)] | None = None
    promo_code: PromoCodeInput | None = None


class ReleaseView(Struct, frozen=True):
    """A reservation that was released."""

    id: str
    state: ReservationState
    message: str


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/join",
    access="public",
    errors=(
        Unauthenticated,
        UserRequired,
        JoiningStopped,
        EntryRefused,
        PlaceInUse,
        GroupsClosed,
        GroupFull,
        InvitationInvalid,
        InAnotherGroup,
        RateLimited,
        *WORK_ERRORS,
    ),
)
def join_waiting_room(request: RequestContext, event_id: str, body: JoinBody = _NO_WORK) -> Reply[JoinView]:
    """Join the waiting room of an event, or get the place that you already have."""
    # This route is not in the waiting room's module, because that module cannot know whether the user has already used their place to buy.
    user_id = _joining_user_id(request)
    solver = DEMO_PREFIX if request.identity is None else user_id  # in a demo stage, each request without a user gets a new id

    def check_work() -> None:
        proof_of_work.verify_solution(body.challenge, body.nonce, event_id, solver, request.now)

    def is_pass_used(pass_id: str) -> bool:
        return queries.is_pass_used(user_id, event_id, pass_id)

    def move_pass(pass_id: str, from_user_id: str) -> list[dynamo.TransactItem] | None:
        return queries.move_pass_items(event_id, pass_id, from_user_id, user_id)

    def regain_pass(pass_id: str) -> list[dynamo.TransactItem]:
        return queries.regain_pass_items(event_id, pass_id, user_id)

    def read_code() -> PromoCode | None:
        return None if body.access_code is None else checkout.read_code(user_id, event_id, body.access_code, request.now)

    with rate_limits.limited(request, rate_limits.JOIN, user_id, scope=event_id) as attempt:
        try:
            joined = waiting_room.join(
                event_id,
                user_id,
                check_work,
                is_pass_used,
                request.now,
                address_proof=body.address_proof,
                card_proof=body.card_proof,
                read_code=read_code,
                move_pass=move_pass,
                longer_turn=body.longer_turn,
                invitation=body.invitation,
                regain_pass=regain_pass,
            )
            view, attempt.is_bounded_by_record = joined.view, joined.is_new  # a user has one place
        except NoWaitingRoom:
            view = waiting_room.status_without_room(event_id)
    return Reply(JoinView(**asdict(view), user_id=user_id))


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/group/leave",
    access="user",
    errors=(NoWaitingRoom, NotInGroup, GroupsClosed, RateLimited, *TOKEN_ERRORS),
)
def leave_group(request: RequestContext, event_id: str, body: TokenBody) -> Reply[Done]:
    """Leave your group in the waiting room. You then have no place, and can join again by yourself."""
    user_id = request.require_user().user_id
    with rate_limits.limited(request, rate_limits.JOIN, user_id, scope=f"{event_id} group"):
        waiting_room.leave_group(event_id, user_id, body.token, request.now)
    return Reply(Done("You have left the group. Join the waiting room again to get a place of your own."))


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/pass",
    access="public",
    errors=(Unauthenticated, UserRequired, NoOtherShop, SalePaused, EventNotOnSale, *TOKEN_ERRORS),
)
def issue_pass(request: RequestContext, event_id: str, body: PassBody) -> Reply[ShopPassView]:
    """Get a pass for the shop that sells this event's tickets, once it is your turn."""
    proof = body.entry_proof.decode() if body.entry_proof is not None else None
    return Reply(waiting_room.issue_pass(event_id, _require_buyer(request, body.token), body.token, proof, request.now))


@route(
    bp, "POST", "/events/{event_id}/reservations", access="public", statuses=(201, 200), headers=(IDEMPOTENCY_KEY,), errors=RESERVE_ERRORS
)
def reserve(request: RequestContext, event_id: str, body: ReservationBody) -> Reply[ReservationView]:
    """Reserve tickets: nobody else can buy them until the reservation expires."""
    user_id = _require_buyer(request, body.token)
    reservation = read_tickets(request, user_id, event_id, _requested_items(body), body, body.promo_code)
    with rate_limits.limited(request, rate_limits.RESERVE, user_id) as attempt:

        def execute(purchase_id: str) -> Reply[ReservationView]:
            purchase = reservations.reserve(reservation, purchase_id, attempt)
            attempt.is_bounded_by_record = True  # the buyer's record has counted the attempt
            return Reply(views.reservation_view(purchase, request.now), 201)

        def find_result(purchase_id: str) -> Reply[ReservationView] | None:
            purchase = reservations.find_earlier(purchase_id, request.now)
            return Reply(views.reservation_view(purchase, request.now), 201) if purchase is not None else None

        return execute_once(request, user_id, execute, find_result=find_result)


@route(
    bp,
    "GET",
    "/events/{event_id}/reservations",
    access="public",
    errors=(Unauthenticated, UserRequired, ReservationNotFound, RateLimited, *USE_ERRORS),
)
def show_active_reservation(request: RequestContext, event_id: str, query: ActiveReservationQuery) -> Reply[ReservationView]:
    """Show the caller's active reservation for an event, or preview its price with a promo code."""
    purchase = reservations.get_active_reservation(_require_buyer(request, query.token), event_id, request.now)
    if query.promo_code:
        with rate_limits.limited_by_address(request, rate_limits.PROMO_CODE):
            purchase = checkout.preview_code(purchase, query.promo_code, request.now)
    return Reply(views.reservation_view(purchase, request.now))


@route(
    bp,
    "DELETE",
    "/reservations/{reservation_id}",
    access="user",
    errors=(ReservationNotFound, ReservationConverted, ReservationEnded, PaymentNotCompleted, *PROVIDER_ERRORS),
)
def release_reservation(request: RequestContext, reservation_id: str) -> Reply[ReleaseView]:
    """Release a reservation."""
    purchase = reservations.release(request.require_user().user_id, reservation_id, request.now)
    state = views.reservation_state(purchase, request.now)
    return Reply(ReleaseView(purchase.id, state, "The reservation is cancelled and its tickets are released."))


@route(
    bp,
    "GET",
    "/events/{event_id}/promo-codes/{code}/validate",
    access="public",
    errors=(NotFound, RateLimited, Unauthenticated, UserRequired),
)
def validate_promo_code(request: RequestContext, event_id: str, code: str) -> Reply[ValidationView]:
    """Check whether a promo code can be used now (by the caller, if signed in), and return its discount."""
    user_id = request.identity.user_id if request.identity is not None else None
    with rate_limits.limited_by_address(request, rate_limits.PROMO_CODE):
        found = checkout.validate_code(event_id, code, user_id, request.now)
    if found.promo_code is None:
        return Reply(ValidationView(code=normalize(code), valid=False, reason=found.reason))
    return Reply(validation_view(found.promo_code))


def _joining_user_id(request: RequestContext) -> str:
    """Return the id of the user who joins. In a demo stage, a request without a user gets a new guest id, which the token contains."""
    if request.identity is None and settings.current().identity == "demo":
        return DEMO_PREFIX + ids.new_id().lower()
    return request.require_user().user_id


def _require_buyer(request: RequestContext, token: str | None) -> str:
    """Return the caller's user id. In a demo stage, a guest's waiting room token identifies a caller without the demo header."""
    if request.identity is None and settings.current().identity == "demo":
        guest = waiting_room.guest_user_id(token)
        if guest is not None:
            return guest
    return request.require_user().user_id


def read_items(items: Sequence[ItemBody]) -> list[RequestedItem]:
    """Return the items of a request. Raises InvalidInput for a repeated tier, too many tickets, and resale tickets with other items."""
    if len({item.tier_id for item in items}) < len(items):
        raise InvalidInput("List each tier only once.", path="$.items")
    if sum(item.quantity for item in items) > MAX_QUANTITY:
        raise InvalidInput(f"You can buy at most {MAX_QUANTITY} tickets in one purchase.", path="$.items")
    if len(items) > 1 and any(item.resale_price_cents is not None for item in items):
        raise InvalidInput("Tickets for resale cannot be combined with other items.", path="$.items")
    return [RequestedItem(item.tier_id, item.quantity, item.resale_price_cents) for item in items]


class _SentPass(Protocol):
    """The fields of a request body that show that the buyer may buy now."""

    token: str | None
    entry_proof: EntryProofBody | None


def read_tickets(
    request: RequestContext, user_id: str, event_id: str, items: Sequence[RequestedItem], sent: _SentPass, promo_code: str | None
) -> ReservationRequest:
    """Return what a buyer wants to reserve now, with the pass that they sent."""
    return ReservationRequest(
        user_id=user_id,
        event_id=event_id,
        items=items,
        token=sent.token,
        entry_proof=sent.entry_proof.decode() if sent.entry_proof is not None else None,
        now=request.now,
        promo_code=promo_code or None,
    )


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


# Checkout over HTTP: open a session, show it, confirm it.


class CheckoutAttendee(SentAttendee, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The attendee of a ticket. `responses` are the answers to the questions that are asked for each ticket, by option id."""

    responses: SentAnswers = {}


class CheckoutFields(Struct, forbid_unknown_fields=True, kw_only=True):
    """`page` chooses where the buyer pays: `own` is the shop's page, `hosted` is the provider's page, and `either` lets the shop decide.

    The provider's page sends the buyer back to `success_url` or `cancel_url`.

    `attendees` lists the tickets' attendees in the order of the items. `responses` are the answers to the options of the packages, by
    option id. An answer is true or false, a text, or a list of choices. If the packages have no options, the responses are free-form texts.

    `invoice` is the company to name on the invoice, if the event's seller issues `invoices`.

    `accepted_terms` is the id of the seller's terms that the buyer has accepted (`legal_texts` of `GET /events/{event_id}/seller`). It is
    kept with the order.

    Send `bank_transfer` as the `provider` to pay by transfer, if the reservation has `bank_transfer_days`. The tickets are then held until
    the transfer arrives, but at most for this number of days.
    """

    promo_code: PromoCodeInput | None = None
    responses: SentAnswers | None = None
    attendees: Annotated[list[CheckoutAttendee], Meta(max_length=MAX_QUANTITY)] | None = None
    customer_email: Email | None = None
    invoice: InvoiceBuyer | None = None
    accepted_terms: LegalTextId | None = None
    provider: Literal["simulated", "bank_transfer", ExternalProviderName] | None = None
    page: Literal["own", "hosted", "either"] | None = None
    success_url: str | None = None
    cancel_url: str | None = None


class CheckoutBody(CheckoutFields, forbid_unknown_fields=True, kw_only=True):
    """Set `replace` to change an open checkout when the buyer returns from the payment: the other fields replace the earlier fields.

    A different promo code changes the total, so the open payment is cancelled and a new payment is opened. The tickets and the time for
    which they are held stay the same.
    """

    reservation_id: Id
    replace: bool = False


class ConfirmBody(Struct, forbid_unknown_fields=True):
    """`simulate` decides the outcome of a simulated payment; leave it out for any other payment.

    After `decline`, as after a declined card, the buyer can pay again while the tickets are held. `fail` releases the tickets.
    """

    checkout_id: Id
    simulate: SimulatedOutcome | None = None


@route(bp, "POST", "/checkout/sessions", access="user", statuses=(201, 200), headers=(idempotency.REQUIRED_KEY,), errors=CHECKOUT_ERRORS)
def open_checkout(request: RequestContext, body: CheckoutBody) -> Reply[CheckoutSessionView]:
    """Open the checkout of a reservation and its payment."""
    user_id = request.require_user().user_id
    key = idempotency.require_key(request, user_id)
    with rate_limits.limited(request, rate_limits.CHECKOUT, user_id) as attempt:
        options = read_options(request, body)
        checkout_request = CheckoutRequest(
            user_id=user_id, purchase_id=body.reservation_id, options=options, key=key, now=request.now, replace=body.replace
        )
        result = checkout.open_checkout(checkout_request)
        attempt.is_bounded_by_record = result.is_new  # a checkout is opened only once
    return _session_reply(result, request.now, is_change=body.replace)


@route(bp, "GET", "/checkout/sessions/{session_id}", access="user", errors=(CheckoutNotFound,))
def show_checkout(request: RequestContext, session_id: str) -> Reply[CheckoutSessionView]:
    """Show a checkout session."""
    purchase = queries.get_own_checkout(request.require_user().user_id, session_id)
    return Reply(views.checkout_session_view(purchase, request.now))


@route(bp, "POST", "/checkout/confirm", access="user", statuses=(201, 200), errors=CONFIRM_ERRORS)
def confirm_checkout(request: RequestContext, body: ConfirmBody) -> Reply[ConfirmationView]:
    """Turn a payment into tickets. A repeated request returns the same tickets."""
    return confirm_purchase(request, body.checkout_id, body.simulate)


def confirm_purchase(request: RequestContext, purchase_id: str, simulate: SimulatedOutcome | None) -> Reply[ConfirmationView]:
    """Confirm the caller's purchase within their rate limit."""
    user_id = request.require_user().user_id
    with rate_limits.limited(request, rate_limits.CONFIRM, user_id) as attempt:
        result = checkout.confirm(user_id, purchase_id, simulate, request.now)
        attempt.is_bounded_by_record = not result.repeated  # a purchase is paid or declined only once
    is_new_order = result.purchase.was_order and not result.repeated
    view = views.confirmation_view(result.purchase, result.tickets, result.repeated, request.now)
    return Reply(view, 201 if is_new_order else 200)


def _session_reply(result: CheckoutResult, now: int, *, is_change: bool) -> Reply[CheckoutSessionView]:
    if result.is_replay:
        opened_at = result.purchase.checkout_at or now
        return idempotency.replayed(views.checkout_session_view(result.purchase, opened_at, result.client_secret, result.url), 201)
    session = views.checkout_session_view(result.purchase, now, result.client_secret, result.url)
    if result.is_new:
        return Reply(session, 201)
    message = "The checkout has been changed." if is_change else "The checkout for this reservation is already open (idempotent)."
    return Reply(replace(session, message=message))


def read_options(request: RequestContext, body: CheckoutFields) -> CheckoutOptions:
    """Return the options of a checkout request: how the buyer wants to pay, and the details that the buyer sent."""
    attendees = body.attendees or []
    if body.invoice is not None:
        check_place(body.invoice.country, None, "$.invoice")
    return CheckoutOptions(
        provider=body.provider,
        page=body.page,
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        promo_code=body.promo_code or None,
        language=request.language,
        accepted_terms=body.accepted_terms,
        details=CheckoutDetails(
            attendees=[Attendee(attendee.name, attendee.email) for attendee in attendees],
            customer_email=body.customer_email,
            invoice=body.invoice,
        ),
        sent=SentDetails(body.responses or {}, [attendee.responses for attendee in attendees]),
    )


# Orders over HTTP: order in one call, pay, cancel.


class OrderBody(CheckoutFields, forbid_unknown_fields=True, kw_only=True):
    """`token` is the waiting room's token, if the event has a waiting room."""

    event_id: Id
    items: ItemBodies
    token: WaitingRoomToken | None = None
    entry_proof: EntryProofBody | None = None


class PayBody(Struct, forbid_unknown_fields=True):
    """`simulate` decides the outcome of a simulated payment; leave it out for any other payment.

    After `decline`, as after a declined card, the buyer can pay again while the tickets are held. `fail` releases the tickets.
    """

    simulate: SimulatedOutcome | None = None


class CancelledOrderView(Struct, frozen=True):
    """An unpaid order that no longer holds tickets."""

    order: OrderView
    message: str


_NOT_SIMULATED = PayBody()


@route(
    bp,
    "POST",
    "/orders",
    access="user",
    statuses=(201, 200),
    headers=(idempotency.REQUIRED_KEY,),
    errors=(*RESERVE_ERRORS, *CHECKOUT_ERRORS),
)
def create_order(request: RequestContext, body: OrderBody) -> Reply[PendingOrderView]:
    """Hold tickets and open their payment in one call."""
    user_id = request.require_user().user_id
    items = read_items(body.items)
    options = read_options(request, body)
    order = OrderRequest(
        tickets=read_tickets(request, user_id, body.event_id, items, body, options.promo_code),
        options=options,
        key=idempotency.require_key(request, user_id),
    )
    with rate_limits.limited(request, rate_limits.RESERVE, user_id) as attempt:

        def execute(purchase_id: str) -> Reply[PendingOrderView]:
            return _order_reply(orders.create_order(order, purchase_id, attempt))

        def find_result(purchase_id: str) -> Reply[PendingOrderView] | None:
            earlier = orders.resume_order(order, purchase_id)
            return _order_reply(earlier) if earlier is not None else None

        return execute_once(request, user_id, execute, find_result=find_result, required=True)


@route(bp, "POST", "/orders/{order_id}/confirm", access="user", statuses=(201, 200), errors=(OrderNotFound, *CONFIRM_ERRORS))
def confirm_order(request: RequestContext, order_id: str, body: PayBody = _NOT_SIMULATED) -> Reply[ConfirmationView]:
    """Get the tickets of an order once it is paid."""
    try:
        return confirm_purchase(request, order_id, body.simulate)
    except CheckoutNotFound:
        raise OrderNotFound() from None


@route(
    bp,
    "POST",
    "/orders/{order_id}/cancel",
    access="user",
    errors=(OrderNotFound, OrderAlreadyPaid, ReservationEnded, PaymentRefunded, PaymentNotCompleted, *PROVIDER_ERRORS),
)
def cancel_order(request: RequestContext, order_id: str) -> Reply[CancelledOrderView]:
    """Cancel an unpaid order and release its tickets."""
    purchase = orders.cancel_order(request.require_user().user_id, order_id, request.now)
    return Reply(CancelledOrderView(views.order_view(purchase), "The order is cancelled and its tickets are released."))


def _order_reply(result: OrderResult) -> Reply[PendingOrderView]:
    payment = views.session_payment(result.purchase, result.client_secret, result.url)
    return Reply(PendingOrderView(order=views.full_order_view(result.purchase, result.details), payment=payment), 201)


# The payment provider's webhook over HTTP.


class ReceiptView(Struct, frozen=True):
    """A receipt for an event from the provider. `received` is the result of processing the event, in one word."""

    received: str


def _add_webhook(provider: ProviderDescription) -> None:
    """Add the route to which an external provider sends its events."""

    def receive_event(request: RequestContext) -> Reply[ReceiptView]:
        sent = request.header(provider.signature_header) if provider.signature_header is not None else None
        if provider.signature_parameter is not None:
            sent = request.query_parameter(provider.signature_parameter)
        return Reply(ReceiptView(provider_events.handle_webhook(provider.name, request.read_body(), sent or "", request.now)))

    receive_event.__name__ = f"receive_{provider.name}_event"
    receive_event.__doc__ = f"Receive an event from {provider.title}'s webhook."
    path = f"/webhooks/{provider.name}"
    route(bp, "POST", path, access="public", errors=(SignatureRefused, BodyTooLarge, *PROVIDER_ERRORS))(receive_event)


for _provider in payments.descriptions():
    _add_webhook(_provider)
