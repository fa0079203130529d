"""Events: a snapshot of an object at the moment when something happened to it."""

import copy
from typing import Any

from devtools.stripe.errors import Obj
from devtools.stripe.state import State

API_VERSION = "2026-10-28.endive"
KEPT_SECONDS = 30 * 86400


def public(obj: Any) -> Any:
    """A copy without the fake's own fields."""
    if isinstance(obj, dict):
        return {name: public(value) for name, value in obj.items() if not name.startswith("_")}
    if isinstance(obj, list):
        return [public(value) for value in obj]
    return copy.copy(obj)


def emit(state: State, kind: str, obj: Obj, previous: Obj | None = None) -> Obj:
    data: Obj = {"object": public(obj)}
    if previous is not None:
        data["previous_attributes"] = public(previous)
    event = {
        "id": state.new_id("evt", 24),
        "object": "event",
        "api_version": API_VERSION,
        "created": state.now(),
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": dict(state.request),
        "type": kind,
        "_delivered": True,
    }
    state.put("event", event)
    for listener in state.listeners:
        listener(event)
    return event
