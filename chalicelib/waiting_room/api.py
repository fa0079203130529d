"""The waiting room over HTTP: its state, a buyer's status, the proof of the draw, and the controls for managers and admins.

The route for joining is in `purchases/api.py`, because joining depends on the user's earlier purchases.
"""

import re
from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.accounts.model import AddressBody, Email
from chalicelib.catalog import permissions
from chalicelib.edge import cursors, proof_of_work
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE
from chalicelib.edge.proof_of_work import WORK_ERRORS
from chalicelib.edge.rate_limits import CARD_CHECK, ENTRY_CODE, JOIN, RateLimited, count_effect_or_refuse, limited, limited_by_address
from chalicelib.edge.routes import CacheableReply, Done, Reply, RequestContext, route
from chalicelib.foundation.errors import InvalidInput
from chalicelib.notifications.model import recipient_key
from chalicelib.payments.model import PROVIDER_ERRORS, CardRefused, PaymentsUnavailable, ProviderId
from chalicelib.waiting_room import appeals, room_cache, service, tokens
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.appeals import MAX_TEXT
from chalicelib.waiting_room.entries import MAX_PAGE_BITS
from chalicelib.waiting_room.model import (
    TOKEN_ERRORS,
    AppealAnswered,
    AppealExists,
    AppealStatus,
    CardNotNeeded,
    CodeExpired,
    CodeInvalid,
    CodeNotNeeded,
    DrawnByBallot,
    EntryUnknown,
    GroupsClosed,
    JoiningStopped,
    NoOtherShop,
    NotInGroup,
    NoWaitingRoom,
    RefusalUnknown,
    RoomCleared,
    RoomState,
    ShopPassRefused,
    TokenUnknown,
    TooManyAppeals,
    TooManyChanges,
)
from chalicelib.waiting_room.room_cache import LoadedRoom
from chalicelib.waiting_room.tokens import PassKey
from chalicelib.waiting_room.views import (
    KEYS_PATH,
    AppealsView,
    AppealView,
    CardFormView,
    CardProofView,
    EntryPageView,
    EntryProofView,
    GroupView,
    ProofView,
    QueueStatusView,
    TokenBody,
    VerifierView,
    appeal_view,
)

bp = Blueprint(__name__)

ENTRIES_MAX_AGE_SECONDS = 3600
KEYS_MAX_AGE_SECONDS = 3600


class RateBody(Struct, forbid_unknown_fields=True):
    """The new waves: `wave_size` buyers every `wave_seconds`."""

    wave_size: Annotated[int, Meta(ge=1, le=1_000_000)]
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)]


class LetInBody(Struct, forbid_unknown_fields=True):
    """The number of buyers to admit at once."""

    count: Annotated[int, Meta(ge=1, le=1_000_000)]


class StatusQuery(Struct, forbid_unknown_fields=True):
    """`token` is the token that the user got by joining the waiting room."""

    token: str


class EntriesQuery(Struct, forbid_unknown_fields=True):
    """The number of the page, from 0."""

    page: Annotated[int, Meta(ge=0, lt=1 << MAX_PAGE_BITS)] = 0


class PassUseBody(Struct, forbid_unknown_fields=True):
    """The pass that a buyer has shown to the shop, and the shop's id for the session in which the buyer did so."""

    shop_pass: Annotated[str, Meta(max_length=1024)]
    session: Annotated[str, Meta(min_length=1, max_length=200)]


class PassUseView(Struct, frozen=True):
    """Whether the pass was used in this session only."""

    is_first: bool


class PassKeysView(Struct, frozen=True):
    """The keys that sign passes, as a JSON Web Key Set (RFC 7517)."""

    keys: list[PassKey]


class CodeBody(Struct, forbid_unknown_fields=True):
    """An address, and the six-digit code in the last email to it."""

    email: Email
    code: Annotated[str, Meta(pattern=r"\A[0-9]{6}\Z", examples=["271828"], description="Six digits.")]


class CardBody(Struct, forbid_unknown_fields=True):
    """The `card` that the provider's form has returned, or the `check_id` of an earlier reply.

    A card needs the same proof of work as joining.
    """

    card: ProviderId | None = None
    check_id: ProviderId | None = None
    challenge: Annotated[str, Meta(max_length=512)] | None = None
    nonce: Annotated[str, Meta(max_length=64)] | None = None


class AddressProofView(Struct, frozen=True):
    """The proof that you can read the email sent to an address. Send it when you join the waiting room of this event."""

    address_proof: str


AppealText = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]


class AppealBody(Struct, forbid_unknown_fields=True):
    """Your text for the promoter, and the `refusal` that you got when you tried to join.

    An appeal needs the same proof of work as joining.
    """

    refusal: Annotated[str, Meta(max_length=128)]
    text: AppealText
    challenge: Annotated[str, Meta(max_length=512)] | None = None
    nonce: Annotated[str, Meta(max_length=64)] | None = None


class AnswerBody(Struct, forbid_unknown_fields=True):
    """The answer to an appeal: `granted` gives its writer a place. The writer sees the `answer`."""

    status: Literal["granted", "denied"]
    answer: Annotated[str, Meta(max_length=MAX_TEXT)] = ""


class AppealsQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of the list."""

    status: AppealStatus = "open"
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class PlanView(Struct, frozen=True):
    """The admission plan after a change. `total` is the number of users who have joined."""

    message: str
    room: int
    segments: list[Segment]
    total: int


class ClearedView(Struct, frozen=True):
    """The result of clearing a waiting room. `cleared` is the number of users who had joined it."""

    cleared: int
    message: str


@route(bp, "GET", "/events/{event_id}/waiting-room/state", access="public", errors=(NoWaitingRoom,))
def show_waiting_room(request: RequestContext, event_id: str) -> CacheableReply[RoomState]:
    """Show the public state of a waiting room, from which a buyer's browser computes the buyer's place."""
    return room_cache.get_room(event_id, request.now).document


@route(bp, "GET", "/events/{event_id}/waiting-room/status", access="public", errors=(TokenUnknown, RoomCleared))
def show_queue_status(request: RequestContext, event_id: str, query: StatusQuery) -> Reply[QueueStatusView]:
    """Show the place in the queue that a token represents."""
    try:
        return Reply(service.queue_status(event_id, query.token, request.now))
    except NoWaitingRoom:
        return Reply(service.status_without_room(event_id))


@route(bp, "GET", "/events/{event_id}/waiting-room/proof", access="public", errors=(NoWaitingRoom,))
def show_draw_proof(request: RequestContext, event_id: str) -> Reply[ProofView]:
    """Show everything that is needed to check the draw."""
    return Reply(service.draw_proof(event_id, request.now))


@route(bp, "GET", "/events/{event_id}/waiting-room/entries", access="public", errors=(NoWaitingRoom, EntryUnknown))
def show_entries(request: RequestContext, event_id: str, query: EntriesQuery) -> CacheableReply[EntryPageView]:
    """Show a page of the list of entries, which is published after the draw has closed and before the key is."""
    return CacheableReply.encode(service.entry_page(event_id, query.page, request.now), max_age=ENTRIES_MAX_AGE_SECONDS)


@route(bp, "GET", "/events/{event_id}/waiting-room/entries/{digest}", access="public", errors=(NoWaitingRoom, EntryUnknown))
def show_entry_proof(request: RequestContext, event_id: str, digest: str) -> CacheableReply[EntryProofView]:
    """Show an entry of the list, with the proof that the list has it. `digest` is explained in the reply."""
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise EntryUnknown()
    return CacheableReply.encode(service.entry_proof(event_id, digest, request.now), max_age=ENTRIES_MAX_AGE_SECONDS)


@route(bp, "GET", KEYS_PATH, access="public")
def show_pass_keys(request: RequestContext) -> CacheableReply[PassKeysView]:  # noqa: ARG001
    """Show the public keys with which other shops check passes that are signed with EdDSA."""
    return CacheableReply.encode(PassKeysView([tokens.public_key()]), max_age=KEYS_MAX_AGE_SECONDS)


@route(bp, "POST", "/events/{event_id}/waiting-room/pass-uses", access="public", errors=(NoOtherShop, ShopPassRefused))
def use_pass(request: RequestContext, event_id: str, body: PassUseBody) -> Reply[PassUseView]:
    """Record that the shop has seen a pass, so that nobody else gets in with it."""
    return Reply(PassUseView(service.use_pass(event_id, body.shop_pass, body.session, request.now)))


@route(bp, "GET", "/admin/events/{event_id}/waiting-room/verifier", access="manager", errors=(NoOtherShop,))
def show_verifier(request: RequestContext, event_id: str) -> Reply[VerifierView]:
    """Show what the shop that sells the event's tickets needs to check passes. With HS256, this includes a secret."""
    return Reply(service.verifier(permissions.require_manager(request.require_user(), event_id)))


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/code",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    errors=(NoWaitingRoom, CodeNotNeeded, JoiningStopped, RateLimited),
)
def mail_code(request: RequestContext, event_id: str, body: AddressBody) -> Reply[Done]:
    """Request an email with a six-digit code, which verifies your address for the waiting room of an event."""
    user_id = request.require_user().user_id
    with limited(request, JOIN, user_id, scope=f"{event_id} code"), limited(request, ENTRY_CODE, recipient_key(body.email)):
        service.mail_code(event_id, user_id, body.email, request.language, request.now)
    return Reply(Done("We have sent an email with a code to this address. The code is valid for 15 minutes."))


@route(bp, "POST", "/events/{event_id}/waiting-room/address", access="user", errors=(NoWaitingRoom, CodeInvalid, CodeExpired, RateLimited))
def prove_address(request: RequestContext, event_id: str, body: CodeBody) -> Reply[AddressProofView]:
    """Verify your address for the waiting room of an event with the code that was mailed to it."""
    user_id = request.require_user().user_id
    with limited(request, JOIN, user_id, scope=f"{event_id} address"):
        return Reply(AddressProofView(service.prove_address(event_id, user_id, body.email, body.code, request.now)))


@route(
    bp,
    "GET",
    "/events/{event_id}/waiting-room/card",
    access="public",
    errors=(NoWaitingRoom, CardNotNeeded, JoiningStopped, PaymentsUnavailable),
)
def show_card_form(request: RequestContext, event_id: str) -> Reply[CardFormView]:
    """Show what a page needs to take the payment card of somebody who wants to join the waiting room of an event."""
    return Reply(service.show_card_form(event_id, request.now))


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/card",
    access="user",
    errors=(NoWaitingRoom, CardNotNeeded, CardRefused, JoiningStopped, RateLimited, *WORK_ERRORS, *PROVIDER_ERRORS),
)
def check_card(request: RequestContext, event_id: str, body: CardBody) -> Reply[CardProofView]:
    """Have your payment card confirmed by its bank, for the waiting room of an event. Nothing is charged."""
    user_id = request.require_user().user_id
    with limited(request, JOIN, user_id, scope=f"{event_id} card"):
        if body.check_id is not None:
            return Reply(service.finish_card_check(event_id, user_id, body.check_id, request.now))
        if body.card is None:
            raise InvalidInput("Send a `card`, or the `check_id` of an earlier reply.", path="$.card")
        proof_of_work.verify_solution(body.challenge, body.nonce, event_id, user_id, request.now)
        count_effect_or_refuse(CARD_CHECK, user_id, request.now)  # fails if it cannot be counted
        with limited_by_address(request, CARD_CHECK):
            return Reply(service.check_card(event_id, user_id, body.card, request.now))


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/group",
    access="user",
    errors=(NoWaitingRoom, NotInGroup, GroupsClosed, RateLimited, *TOKEN_ERRORS),
)
def show_group(request: RequestContext, event_id: str, body: TokenBody) -> Reply[GroupView]:
    """Show your group in the waiting room and its invitation. If you have no group, your place becomes the place of a new group."""
    user_id = request.require_user().user_id
    with limited(request, JOIN, user_id, scope=f"{event_id} group"):
        return Reply(service.show_group(event_id, user_id, body.token, request.now))


@route(
    bp,
    "POST",
    "/events/{event_id}/waiting-room/appeal",
    access="user",
    errors=(NoWaitingRoom, JoiningStopped, RefusalUnknown, AppealExists, TooManyAppeals, RateLimited, *WORK_ERRORS),
)
def write_appeal(request: RequestContext, event_id: str, body: AppealBody) -> Reply[AppealView]:
    """Write to the promoter after the waiting room has refused you. You can do this once for each event."""
    user_id = request.require_user().user_id
    with limited(request, JOIN, user_id, scope=f"{event_id} appeal"):
        proof_of_work.verify_solution(body.challenge, body.nonce, event_id, user_id, request.now)
        return Reply(service.appeal(event_id, user_id, body.refusal, body.text, request.now))


@route(bp, "GET", "/events/{event_id}/waiting-room/appeal", access="user")
def show_own_appeal(request: RequestContext, event_id: str) -> Reply[AppealView]:
    """Show your appeal to the promoter and its answer."""
    return Reply(service.own_appeal(event_id, request.require_user().user_id))


@route(bp, "GET", "/admin/events/{event_id}/waiting-room/appeals", access="manager")
def list_appeals(request: RequestContext, event_id: str, query: AppealsQuery) -> Reply[AppealsView]:
    """List the appeals of people whom the waiting room has refused."""
    event = permissions.require_manager(request.require_user(), event_id)
    after = None if query.cursor is None else cursors.decode(query.cursor, "[0-9]{10}#[0-9a-f]{32}")
    found = appeals.list_appeals(event.id, query.status, query.limit + 1, after)
    shown = found[: query.limit]
    next_cursor = cursors.encode(shown[-1][0]) if len(found) > query.limit else None
    return Reply(AppealsView([appeal_view(appeal) for _, appeal in shown], next_cursor))


@route(
    bp,
    "POST",
    "/admin/events/{event_id}/waiting-room/appeals/{appeal_id}/answer",
    access="manager",
    errors=(NoWaitingRoom, AppealAnswered, JoiningStopped),
)
def answer_appeal(request: RequestContext, event_id: str, appeal_id: str, body: AnswerBody) -> Reply[AppealView]:
    """Answer an appeal. Granting it gives its writer a place: in the draw, or after it once the draw has closed."""
    manager = request.require_user()
    event = permissions.require_manager(manager, event_id)
    return Reply(service.answer_appeal(event.id, appeal_id, body.status, body.answer, manager.user_id, request.now))


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/rate", access="manager", errors=(NoWaitingRoom, DrawnByBallot, TooManyChanges))
def set_wave_rate(request: RequestContext, event_id: str, body: RateBody) -> Reply[PlanView]:
    """Change how many buyers are admitted, and how often, from now on."""
    manager = request.require_user()
    permissions.require_manager(manager, event_id)
    room = service.set_rate(event_id, body.wave_size, body.wave_seconds, manager.user_id, request.now)
    return _plan_reply(room, f"From now on, {body.wave_size} buyers are admitted every {body.wave_seconds} seconds.")


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/let-in", access="manager", errors=(NoWaitingRoom, DrawnByBallot, TooManyChanges))
def let_buyers_in(request: RequestContext, event_id: str, body: LetInBody) -> Reply[PlanView]:
    """Admit a number of buyers immediately."""
    manager = request.require_user()
    permissions.require_manager(manager, event_id)
    room = service.let_buyers_in(event_id, body.count, manager.user_id, request.now)
    return _plan_reply(room, f"{body.count} more buyers are admitted now, or with the first wave if the sale has not opened.")


@route(bp, "DELETE", "/events/{event_id}/waiting-room/clear", access="admin", errors=(NoWaitingRoom,))
def clear_waiting_room(request: RequestContext, event_id: str) -> Reply[ClearedView]:
    """Clear a waiting room: everybody in it must join again."""
    cleared = service.clear_room(event_id, request.require_user().user_id, request.now)
    return Reply(ClearedView(cleared, "The waiting room was cleared. Its tokens are no longer valid; buyers must join again."))


def _plan_reply(changed: LoadedRoom, message: str) -> Reply[PlanView]:
    return Reply(PlanView(message, changed.room.number, changed.plan, changed.total))
