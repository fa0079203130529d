"""The waiting room over HTTP: join, state, status, proof, and the admin's controls."""

from typing import Annotated, Any

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib import ids, settings
from chalicelib.edge import proof_of_work, rate_limits
from chalicelib.edge.http import CacheableReply, Reply, RequestContext, route
from chalicelib.errors import InvalidInput
from chalicelib.waiting_room import admin_controls, room_cache, service
from chalicelib.waiting_room.model import NoWaitingRoom, RoomState
from chalicelib.waiting_room.tokens import GUEST

bp = Blueprint(__name__)


class JoinBody(Struct, forbid_unknown_fields=True):
    """Empty, but where a place costs work: then the challenge that a first try was refused with, and the nonce that solves it."""

    challenge: Annotated[str, Meta(max_length=512)] | None = None
    nonce: Annotated[str, Meta(max_length=64)] | None = None


class RateBody(Struct, forbid_unknown_fields=True):
    wave_size: Annotated[int, Meta(ge=1, le=1_000_000)]
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)]


class LetInBody(Struct, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1, le=1_000_000)]


@route(bp, "POST", "/events/{event_id}/waiting-room/join")
def join(request: RequestContext, event_id: str) -> Reply:
    user_id = _joining(request)
    rate_limits.check(request, rate_limits.JOIN, user_id, event_id)
    body = request.parse_body(JoinBody) if request.read_body() else JoinBody()
    worker = GUEST if user_id.startswith(GUEST) else user_id  # a guest's id is new with each request

    def check_work() -> None:
        proof_of_work.verify_solution(body.challenge, body.nonce, event_id, worker, request.now)

    try:
        joined = service.join(event_id, user_id, check_work, request.now)
    except NoWaitingRoom:
        joined = service.status_without_room(event_id)
    return Reply({**joined, "user_id": user_id})


@route(bp, "GET", "/events/{event_id}/waiting-room/state")
def state(request: RequestContext, event_id: str) -> CacheableReply:
    return room_cache.get_room(event_id, request.now).document


@route(bp, "GET", "/events/{event_id}/waiting-room/status")
def status(request: RequestContext, event_id: str) -> Reply:
    token = request.query("token")
    if token is None:
        raise InvalidInput("Send the token that joining gave you.", path="token")
    try:
        return Reply(service.status(event_id, token, request.now))
    except NoWaitingRoom:
        return Reply(service.status_without_room(event_id))


@route(bp, "GET", "/events/{event_id}/waiting-room/proof")
def proof(request: RequestContext, event_id: str) -> Reply:
    return Reply(service.proof(event_id, request.now))


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/rate")
def set_rate(request: RequestContext, event_id: str) -> Reply:
    admin, body = request.require_role("admin"), request.parse_body(RateBody)
    changed = admin_controls.set_rate(event_id, body.wave_size, body.wave_seconds, admin.user_id, request.now)
    return _changed(changed, "The waves have changed.")


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/let-in")
def let_in(request: RequestContext, event_id: str) -> Reply:
    admin, body = request.require_role("admin"), request.parse_body(LetInBody)
    return _changed(admin_controls.let_in(event_id, body.count, admin.user_id, request.now), f"{body.count} more may come in.")


@route(bp, "DELETE", "/events/{event_id}/waiting-room/clear")
def clear(request: RequestContext, event_id: str) -> Reply:
    cleared = admin_controls.clear(event_id, request.require_role("admin").user_id, request.now)
    return Reply({"cleared": cleared, "message": "A new waiting room has begun. Old tokens are worth nothing; join again."})


def _joining(request: RequestContext) -> str:
    """The user who joins. Where the header names users, one without a name joins as a guest, whose token is the user."""
    if request.identity is None and settings.current().identity == "demo":
        return GUEST + ids.new_id().lower()
    return request.require_user().user_id


def _changed(room: RoomState, message: str) -> Reply:
    details: dict[str, Any] = {"room": room.room, "segments": room.segments, "total": room.total}
    return Reply({"message": message, **details})
