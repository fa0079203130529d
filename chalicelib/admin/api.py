"""What an admin does to a running sale. Every route needs the role `admin`."""

from typing import Any

from chalice.app import Blueprint

from chalicelib import clock
from chalicelib.admin import service
from chalicelib.catalog import service as catalog
from chalicelib.edge.respond import Answer, Call, route
from chalicelib.waiting_room import service as waiting_room

bp = Blueprint(__name__)


@route(bp, "POST", "/admin/events/{event_id}/pause")
def pause(call: Call, event_id: str) -> Answer:
    return _set_paused(call, event_id, True, "The sale is paused. Living reservations can still be paid.")


@route(bp, "POST", "/admin/events/{event_id}/resume")
def resume(call: Call, event_id: str) -> Answer:
    return _set_paused(call, event_id, False, "The sale goes on.")


@route(bp, "GET", "/admin/events/{event_id}/status")
def status(call: Call, event_id: str) -> Answer:
    call.require("admin")
    return Answer(service.status(event_id, call.now))


def _set_paused(call: Call, event_id: str, paused: bool, message: str) -> Answer:
    event = catalog.set_paused(event_id, paused, call.require("admin").user_id, call.now)
    waiting_room.follow(event, call.now)
    shown: dict[str, Any] = {"id": event.id, "name": event.name, "venue": event.venue, "starts_at": clock.iso(event.starts_at)}
    return Answer({"message": message, "event": {**shown, "paused": event.paused}})
