"""The waiting room over HTTP: state, status, proof, and the controls for admins.

Joining is a route of reservations, because it takes what the user has bought already.
"""

from typing import Annotated, Any

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.edge.http import CacheableReply, Reply, RequestContext, route
from chalicelib.errors import InvalidInput
from chalicelib.waiting_room import admin_controls, room_cache, service
from chalicelib.waiting_room.model import NoWaitingRoom, RoomState

bp = Blueprint(__name__)


class RateBody(Struct, forbid_unknown_fields=True):
    """The new waves: `wave_size` buyers every `wave_seconds`."""

    wave_size: Annotated[int, Meta(ge=1, le=1_000_000)]
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)]


class LetInBody(Struct, forbid_unknown_fields=True):
    """How many buyers to admit at once."""

    count: Annotated[int, Meta(ge=1, le=1_000_000)]


@route(bp, "GET", "/events/{event_id}/waiting-room/state")
def state(request: RequestContext, event_id: str) -> CacheableReply:
    return room_cache.get_room(event_id, request.now).document


@route(bp, "GET", "/events/{event_id}/waiting-room/status")
def status(request: RequestContext, event_id: str) -> Reply:
    token = request.query("token")
    if token is None:
        raise InvalidInput("Send the `token` that you got when you joined the waiting room.", path="token")
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
    room = admin_controls.set_rate(event_id, body.wave_size, body.wave_seconds, admin.user_id, request.now)
    return _plan_reply(room, f"From now on, {body.wave_size} buyers are admitted every {body.wave_seconds} seconds.")


@route(bp, "POST", "/admin/events/{event_id}/waiting-room/let-in")
def let_in(request: RequestContext, event_id: str) -> Reply:
    admin, body = request.require_role("admin"), request.parse_body(LetInBody)
    room = admin_controls.let_in(event_id, body.count, admin.user_id, request.now)
    return _plan_reply(room, f"{body.count} more buyers are admitted at once; before the opening, with the first wave.")


@route(bp, "DELETE", "/events/{event_id}/waiting-room/clear")
def clear(request: RequestContext, event_id: str) -> Reply:
    cleared = admin_controls.clear(event_id, request.require_role("admin").user_id, request.now)
    return Reply({"cleared": cleared, "message": "The waiting room was cleared. Its tokens are no longer valid; buyers must join again."})


def _plan_reply(room: RoomState, message: str) -> Reply:
    details: dict[str, Any] = {"room": room.room, "segments": room.segments, "total": room.total}
    return Reply({"message": message, **details})
