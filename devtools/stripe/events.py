"""Events: a snapshot of an object at the moment when something happened to it."""

from devtools.stripe.account_state import AccountState
from devtools.stripe.objects import StripeObject, public_copy

API_VERSION = "2026-10-28.endive"
RETENTION_SECONDS = 30 * 86400


def emit(state: AccountState, kind: str, obj: StripeObject, previous: StripeObject | None = None) -> StripeObject:
    """Store an event of this type and pass it to the listeners. `previous`: the fields that changed, with their old values."""
    data: StripeObject = {"object": public_copy(obj)}
    if previous is not None:
        data["previous_attributes"] = public_copy(previous)
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
    for listener in state.event_listeners:
        listener(event)
    return event
