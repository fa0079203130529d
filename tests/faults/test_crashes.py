"""A crash after every single store call of every flow, then recovery, then the invariants.

The crash points are generated: each flow is run once to count its calls, then once for each of them.
"""

import itertools
from collections.abc import Callable

import pytest

from chalicelib.inventory import service as inventory
from chalicelib.purchases import store
from tests import builders, invariants
from tests.bed import faults
from tests.faults import worlds

Step = Callable[[], object]


class Story:
    """One buyer's way through a world, in steps; `before` runs undisturbed, `flow` is what crashes."""

    def __init__(self, api, time, world):
        self.api, self.time, self.world = api, time, world
        self.id = ""

    def reserve(self):
        items = [{"tier_id": self.world.floor, "quantity": 2}, {"tier_id": self.world.balcony, "quantity": 1}]
        reply = self.api.post(
            f"/events/{self.world.event_id}/reservations", json={"items": items}, user="ada", headers={"Idempotency-Key": "r"}
        )
        self.id = (reply.json or {}).get("id", "")
        return reply

    def begin(self):
        return builders.begin(self.api, "ada", self.id)

    def confirm(self):
        return builders.confirm(self.api, "ada", self.id)

    def decline(self):
        return builders.confirm(self.api, "ada", self.id, "fail")

    def release(self):
        return self.api.delete(f"/reservations/{self.id}", user="ada")

    def lapse(self):
        self.time.advance(181)

    def sweep(self):
        return builders.sweep()

    def compete(self):
        """Somebody else wants what a lapsed reservation still holds."""
        return builders.reserve(self.api, "bob", self.world.event_id, self.world.balcony, 4)


FLOWS = {
    "reserve": ([], ["reserve"]),
    "release": (["reserve"], ["release"]),
    "checkout": (["reserve"], ["begin"]),
    "confirm": (["reserve", "begin"], ["confirm"]),
    "decline": (["reserve", "begin"], ["decline"]),
    "expire in a sweep": (["reserve", "lapse"], ["sweep"]),
    "expire in a sweep, paying": (["reserve", "begin", "lapse"], ["sweep"]),
    "expire for somebody else": (["reserve", "lapse"], ["compete"]),
    "confirm too late": (["reserve", "begin", "lapse"], ["confirm"]),
    "reserve again after a lapse": (["reserve", "lapse"], ["reserve"]),
}


def run(story, steps):
    for step in steps:
        getattr(story, step)()


def count_calls(api, time, before, flow):
    with worlds.fresh(api) as world:
        story = Story(api, time, world)
        run(story, before)
        with faults.calls() as made:
            run(story, flow)
    return len(made)


@pytest.mark.parametrize("name", FLOWS)
def test_a_crash_after_any_call_ends_well(api, time, name):
    before, flow = FLOWS[name]
    calls = count_calls(api, time, before, flow)
    assert calls >= 1
    for number in range(1, calls + 1):
        with worlds.fresh(api) as world:
            story = Story(api, time, world)
            run(story, before)
            with faults.crash_after(number):
                run(story, flow)
            invariants.check(time.now)
            _recover(time)
            invariants.check(time.now, recovered=True)
            _nothing_is_held()


@pytest.mark.parametrize("name", ["confirm", "decline", "checkout", "release", "reserve"])
def test_after_a_crash_the_client_that_tries_again_gets_what_it_wanted(api, time, name):
    before, flow = FLOWS[name]
    calls = count_calls(api, time, before, flow)
    for number in range(1, calls + 1):
        with worlds.fresh(api) as world:
            story = Story(api, time, world)
            run(story, before)
            purchase_id = story.id
            with faults.crash_after(number):
                run(story, flow)
            story.id = purchase_id or story.id
            time.advance(31)  # the lock of a dead execution ends
            reply = getattr(story, flow[-1])()
            assert reply.status in (200, 201), (number, reply.json)
            if name == "confirm":
                assert len(reply.json["tickets"]) == 3
            invariants.check(time.now)
            _recover(time)
            invariants.check(time.now, recovered=True)


def test_a_crash_of_the_recovery_itself_is_recovered(api, time):
    for first, second in itertools.product(range(1, 4), range(1, 4)):
        with worlds.fresh(api) as world:
            story = Story(api, time, world)
            run(story, ["reserve", "begin"])
            with faults.crash_after(first):
                story.confirm()
            time.advance(181)
            with faults.crash_after(second):
                story.sweep()
            invariants.check(time.now)
            _recover(time)
            invariants.check(time.now, recovered=True)


def _recover(time):
    time.advance(200)
    builders.sweep()
    assert builders.sweep()["holds_over"] == 0


def _nothing_is_held():
    assert [shard.held for shard in inventory.scan()] == [0, 0]
    assert all(one.state in ("paid", "expired", "cancelled") for one in store.every_purchase())
