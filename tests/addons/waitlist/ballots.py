"""Events whose tickets are given out by a ballot, and people who take part."""

from chalicelib.foundation import clock
from tests import builders
from tests.addons.waitlist.lines import join, own, run_allocator
from tests.waiting_room import sale

DAYS = 3 * 86_400


def create_ballot(api, time, capacity=3, **waiting_room) -> tuple[str, str]:
    """A published event whose draw is in three days. Returns the ids of the event and of its tier."""
    opens = clock.iso(time.now + DAYS)
    event_id = builders.create_event(api, "Ballot", on_sale_at=opens, status="scheduled", waiting_room={"ballot": True} | waiting_room)
    return event_id, builders.create_tier(api, event_id, capacity=capacity, per_user_limit=4)


def register(api, event_id, *users, quantity=1, **fields) -> None:
    """Let the users take part in the draw with these wishes."""
    for user in users:
        reply = join(api, user, event_id, quantity, token=sale.join(api, event_id, user), **fields)
        assert reply.status == 201, reply.json


def make_draw(time) -> None:
    """Let the allocator close the draw, publish the list and open the sale, as its schedule does."""
    time.advance(DAYS - 60)
    assert run_allocator()["offered"] == 0
    time.advance(60)


def draw(api, time, *users) -> list[str]:
    """Make the draw and its offers. Returns the users in the drawn order."""
    make_draw(time)
    run_allocator()
    return sorted(users, key=lambda user: own(api, user)[0]["drawn_position"])
