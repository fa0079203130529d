"""A sale with a waiting room, used over HTTP as a client would."""

from chalicelib.dynamodb import dynamo
from chalicelib.waiting_room.store import WaitingRoomRow
from tests import builders

SECONDS_TO_OPENING = 600


def create_sale(api, time, name="Drop", capacity=50, *, opens_in=SECONDS_TO_OPENING, **waiting_room):
    """An event that opens in ten minutes, with waves of 3 every 30 seconds and turns of a minute without a grace; (event id, tier id).

    `opens_in` is another number of seconds until the opening.
    """
    opens = builders.clock.iso(time.now + opens_in)
    waves = {"wave_size": 3, "wave_seconds": 30, "pass_seconds": 60, "grace_seconds": 0} | waiting_room
    event_id = builders.create_event(api, name, on_sale_at=opens, status="scheduled", waiting_room=waves)
    return event_id, builders.create_tier(api, event_id, capacity=capacity, per_user_limit=4)


def join(api, event_id, user):
    """The token that the user gets."""
    reply = api.post(f"/events/{event_id}/waiting-room/join", user=user)
    assert reply.status == 200, reply.json
    return reply.json["token"]


def join_many(api, event_id, count):
    """Let the users u0, u1, ... join; their tokens by user."""
    return {f"u{number}": join(api, event_id, f"u{number}") for number in range(count)}


def get_status(api, event_id, token):
    reply = api.get(f"/events/{event_id}/waiting-room/status", query={"token": token})
    assert reply.status == 200, reply.json
    return reply.json


def users_by_position(api, event_id, tokens):
    """The users in the order of their positions, first to last."""
    positions = {user: get_status(api, event_id, token)["position"] for user, token in tokens.items()}
    return sorted(positions, key=positions.get)


def reserve(api, event_id, tier_id, user, token, quantity=1):
    body = {"tier_id": tier_id, "quantity": quantity, "token": token}
    return api.post(f"/events/{event_id}/reservations", json=body, user=user)


def make_earlier(event_id):
    """Make the room one of an earlier version, whose list has groups instead of their members."""
    dynamo.update_now(WaitingRoomRow(f"room#{event_id}"), [WaitingRoomRow.groups.remove()])
