"""The waiting room over HTTP: join, state, status, proof, and the admin's controls."""

from typing import Annotated, Any

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib import ids, settings
from chalicelib.edge import challenge, limits
from chalicelib.edge.respond import Answer, Call, Document, route
from chalicelib.errors import InvalidInput
from chalicelib.waiting_room import live, rooms, service
from chalicelib.waiting_room.model import NoWaitingRoom, State
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
def join(call: Call, event_id: str) -> Answer:
    user_id = _joining(call)
    limits.check(call, limits.JOIN, user_id, event_id)
    body = call.body(JoinBody) if call.raw_body() else JoinBody()
    worker = GUEST if user_id.startswith(GUEST) else user_id  # a guest's id is new with each request

    def check_work() -> None:
        challenge.verify(body.challenge, body.nonce, event_id, worker, call.now)

    try:
        joined = service.join(event_id, user_id, check_work, call.now)
    except NoWaitingRoom:
        joined = service.open_to_all(event_id)
    return Answer({**joined, "user_id": user_id})


@route(bp, "GET", "/events/{event_id}/waiting-room/state")
def state(call: Call, event_id: str) -> Document:
    return rooms.known(event_id, call.now).document


@route(bp, "GET", "/events/{event_id}/waiting-room/status")
def status(call: Call, event_id: str) -> Answer:
    token = call.query("token")
    if token is None:
        raise InvalidInput("Send the token that joining gave you.", path="token")
    try:
        return Answer(service.status(event_id, token, call.now))
    except NoWaitingRoom:
        return Answer(service.open_to_all(event_id))


@route(bp, "GET", "/events/{event_id}/waiting-room/proof")
def proof(call: Call, event_id: str) -> Answer:
    return Answer(service.proof(event_id, call.now))


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/rate")
def set_rate(call: Call, event_id: str) -> Answer:
    admin, body = call.require("admin"), call.body(RateBody)
    changed = live.set_rate(event_id, body.wave_size, body.wave_seconds, admin.user_id, call.now)
    return _changed(changed, "The waves have changed.")


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/let-in")
def let_in(call: Call, event_id: str) -> Answer:
    admin, body = call.require("admin"), call.body(LetInBody)
    return _changed(live.let_in(event_id, body.count, admin.user_id, call.now), f"{body.count} more may come in.")


@route(bp, "DELETE", "/events/{event_id}/waiting-room/clear")
def clear(call: Call, event_id: str) -> Answer:
    cleared = live.clear(event_id, call.require("admin").user_id, call.now)
    return Answer({"cleared": cleared, "message": "A new waiting room has begun. Old tokens are worth nothing; join again."})


def _joining(call: Call) -> str:
    """The user who joins. Where the header names users, one without a name joins as a guest, whose token is the user."""
    if call.identity is None and settings.current().identity == "demo":
        return GUEST + ids.new_id().lower()
    return call.user().user_id


def _changed(room: State, message: str) -> Answer:
    facts: dict[str, Any] = {"room": room.room, "segments": room.segments, "total": room.total}
    return Answer({"message": message, **facts})
