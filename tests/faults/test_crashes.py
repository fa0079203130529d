"""Every kind of fault at every store call of every flow, then recovery, then the invariants.

The tests are generated: each flow runs once to count its calls, then once for each of them and each kind of fault.
"""

import itertools
from copy import copy

import pytest

from tests import invariants, shops
from tests.faults.kinds import FAULTS
from tests.proof import buyers
from tests.proof.buyers import BuyerScene
from tests.simulation import faults
from tests.simulation.moments import Moment

pytestmark = pytest.mark.usefixtures("threaded_store")

# Statuses that a fault of the store may lead to. Never 500, which stands for an error that nobody handles.
STATUSES = {200, 201, 409, 503}


# name -> (the steps before, which succeed; the step that the fault breaks)
POOLED = {f"{name}, event capacity": buyers.STEPS[name] for name in buyers.POOLED}
FLOWS = buyers.STEPS | POOLED

REPEATABLE = [
    "decline",
    "release",
    "reserve",
    "order",
    "buy a package",
    "cancel an order",
    "check in",
    "name a guest",
    "give a seat to another guest",
    "take a seat back",
    "admit a guest",
    "offer a ticket",
    "accept a ticket",
    "cancel an offer",
    "order with a promo code",
    "checkout with a promo code",
    "confirm with a promo code",
    "take an expired use",
    "create a promo code",
    "change a promo code",
]
BOTH_INSTANCES = ["checkout", "checkout on another instance", "confirm", "confirm on another instance"]


def flows_to_break(api, time, name, shop):
    """For each call of a flow: its number, and the flow with the steps before it done, in the shop as it was then."""
    before, step = FLOWS[name]
    flow = BuyerScene(api, time, shop)
    reply = flow.run(*before)
    assert reply is None or reply.status in (200, 201), reply.json
    moment = Moment(time)
    with faults.record_calls() as calls:
        copy(flow).run(step)
    assert len(calls) >= 1
    for number in range(1, len(calls) + 1):
        moment.return_to()
        yield number, copy(flow), step


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("kind", FAULTS)
def test_recovery_repairs_a_fault_at_any_call(api, time, name, kind):
    with shops.isolated_shop(api, 5 if name in POOLED else None) as shop:
        for number, flow, step in flows_to_break(api, time, name, shop):
            reply = None
            with FAULTS[kind](number) as fault:
                reply = flow.run(step)
            assert fault.was_triggered
            assert reply is None or reply.status in STATUSES, (number, reply.json)
            invariants.check(time.now)
            flow.settle()


@pytest.mark.parametrize("name", [*BOTH_INSTANCES, *REPEATABLE])
@pytest.mark.parametrize("kind", ["crash before the answer", "throttled", "timeout of the answer", "repeated by the SDK"])
def test_after_a_fault_a_client_that_tries_again_succeeds(api, time, name, kind):
    with shops.isolated_shop(api) as shop:
        for number, flow, step in flows_to_break(api, time, name, shop):
            purchase_id = flow.id
            with FAULTS[kind](number):
                flow.run(step)
            flow.id = purchase_id or flow.id
            time.advance(31)  # the lock of the crashed execution ends
            reply = flow.run(step)
            assert reply.status in (200, 201), (number, reply.json)
            if name.startswith("confirm"):
                assert len(reply.json["tickets"]) == 3
            invariants.check(time.now)
            flow.settle()


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("has_key", [True, False], ids=["with the key", "without a key"])
def test_the_holder_of_the_last_tickets_never_gets_sold_out(api, time, kind, has_key):
    with shops.isolated_shop(api) as shop:
        moment = Moment(time)
        with faults.record_calls() as calls:
            shop.reserve("ada", balcony=4, key="r")
        for number in range(1, len(calls) + 1):
            moment.return_to()
            with FAULTS[kind](number):
                shop.reserve("ada", balcony=4, key="r")
            time.advance(31)  # the lock of the crashed execution ends
            held = api.get(f"/events/{shop.event_id}/reservations", user="ada").json.get("id")
            again = shop.reserve("ada", balcony=4, key="r" if has_key else "")
            if held is not None:
                named = again.json.get("id") if has_key else again.json.get("reservation_id")
                assert named == held, (number, again.json)
            invariants.check(time.now)


def test_a_crash_of_the_recovery_itself_is_recovered(api, time):
    with shops.isolated_shop(api) as shop:
        flow = BuyerScene(api, time, shop)
        flow.run("reserve", "start_checkout")
        moment = Moment(time)
        for first, second in itertools.product(range(1, 4), range(1, 5)):
            moment.return_to()
            with faults.crash_after(first):
                flow.confirm()
            time.advance(181)
            with faults.crash_after(second):
                flow.sweep()
            invariants.check(time.now)
            flow.settle()
