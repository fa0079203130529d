"""What buyers send in a drop reaches the local store by its fast way: a call that MiniStack has to process takes several times as long."""

import pytest

from devtools.dynamodb.plain_calls import NotPlain, PlainCalls
from tests import builders

WAITING_ROOM = {"enabled": True, "wave_size": 100, "wave_seconds": 1}


@pytest.fixture
def slow_calls(monkeypatch):
    """The calls that were not plain, as operation and request."""
    calls, prepare = [], PlainCalls.__init__

    def watch(operation, handler):
        def handle(request):
            try:
                return handler(request)
            except NotPlain:
                calls.append((operation, request))
                raise

        return handle

    def watched(self, *arguments):
        prepare(self, *arguments)
        self.handlers = {operation: watch(operation, handler) for operation, handler in self.handlers.items()}

    monkeypatch.setattr(PlainCalls, "__init__", watched)
    return calls


def test_a_purchase_in_five_steps(slow_calls, threaded_store, api, time):
    event_id = builders.create_event(api, waiting_room=WAITING_ROOM)
    tier_id = builders.create_tier(api, event_id)
    room = f"/events/{event_id}/waiting-room"
    slow_calls.clear()
    token = api.post(f"{room}/join", user="ada").json["token"]
    time.advance(2)
    assert api.get(f"{room}/status?token={token}", user="ada").json["can_enter"]
    body = {"tier_id": tier_id, "quantity": 1, "token": token}
    reservation = api.post(f"/events/{event_id}/reservations", json=body, user="ada").json["id"]
    checkout = builders.start_checkout(api, "ada", reservation).json["id"]
    assert builders.confirm(api, "ada", checkout).status == 201
    assert slow_calls == []
