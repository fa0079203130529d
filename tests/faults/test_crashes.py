"""Every kind of fault at every single store call of every flow, then recovery, then the invariants.

The points are generated: each flow is run once to count its calls, then once for each of them and each kind of fault.
"""

import itertools
from contextlib import suppress
from functools import partial

import pytest

from chalicelib import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.purchases.record import store
from tests import builders, invariants
from tests.faults import worlds
from tests.simulation import faults

pytestmark = pytest.mark.usefixtures("threaded_store")

FAULTS = {
    "crash before": faults.crash_before,
    "crash after": faults.crash_after,
    "throttled": partial(faults.fail, error=faults.throttled),
    "conflict": partial(faults.fail, error=faults.conflict),
    "timeout before": partial(faults.fail, error=faults.timeout),
    "timeout after": faults.lost_answer,
    "internal error after": partial(faults.lost_answer, error=faults.internal_error),
    "repeated by the SDK": partial(faults.lost_answer, repeated=True),
}
# Answers that a fault of the store may lead to. Never 500, which says that we did not expect it.
ANSWERS = {200, 201, 409, 503}


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
        return builders.begin(self.api, "ada", self.id, key=self.id)

    def confirm(self):
        return builders.confirm(self.api, "ada", self.id)

    def decline(self):
        return builders.confirm(self.api, "ada", self.id, "fail")

    def release(self):
        return self.api.delete(f"/reservations/{self.id}", user="ada")

    def lapse(self):
        self.time.advance(181)

    def sweep(self):
        with suppress(*dynamo.STORE_ERRORS, dynamo.StoreUnavailable):  # Lambda counts it, and the next run comes in a minute
            builders.sweep()

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
    """The answer to the last step, None when it has none."""
    reply = None
    for step in steps:
        reply = getattr(story, step)()
    return reply


def points(api, time, name, world):
    """A story for each call of a flow, in a shop of its own, up to where the flow begins."""
    before, flow = FLOWS[name]
    story = Story(api, time, world)
    run(story, before)
    with faults.calls() as made:
        run(story, flow)
    assert len(made) >= 1
    for number in range(1, len(made) + 1):
        story = Story(api, time, worlds.World(api))
        ready = run(story, before)
        assert ready is None or ready.status == 201, ready.json
        yield number, story, flow


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_any_call_ends_well(api, time, name, kind):
    with worlds.fresh(api) as world:
        for number, story, flow in points(api, time, name, world):
            reply = None
            with FAULTS[kind](number) as fault:
                reply = run(story, flow)
            assert fault.happened
            assert reply is None or reply.status in ANSWERS, (number, reply.json)
            invariants.check(time.now)
            _recover(time)
            _nothing_is_held()
        invariants.check(time.now, recovered=True)


@pytest.mark.parametrize("name", ["confirm", "decline", "checkout", "release", "reserve"])
@pytest.mark.parametrize("kind", ["crash after", "throttled", "timeout after", "repeated by the SDK"])
def test_after_a_fault_the_client_that_tries_again_gets_what_it_wanted(api, time, name, kind):
    with worlds.fresh(api) as world:
        for number, story, flow in points(api, time, name, world):
            purchase_id = story.id
            with FAULTS[kind](number):
                run(story, flow)
            story.id = purchase_id or story.id
            time.advance(31)  # the lock of a dead execution ends
            reply = run(story, flow)
            assert reply.status in (200, 201), (number, reply.json)
            if name == "confirm":
                assert len(reply.json["tickets"]) == 3
            invariants.check(time.now)
            _recover(time)
        invariants.check(time.now, recovered=True)


def test_a_crash_of_the_recovery_itself_is_recovered(api, time):
    with worlds.fresh(api):
        for first, second in itertools.product(range(1, 4), range(1, 5)):
            story = Story(api, time, worlds.World(api))
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
    assert {shard.held for shard in inventory.scan_shards()} == {0}
    assert all(one.state in ("paid", "expired", "cancelled") for one in store.scan_purchases())
