"""A crash after every store call of joining, opening, pausing, letting in and clearing a waiting room, and then a retry."""

import pytest

from chalicelib.foundation import memory
from tests import invariants, shops
from tests.proof.rooms import STEPS, RoomScene
from tests.simulation import faults


def prepare(api, time, steps):
    """A sale after these steps."""
    sale = RoomScene(api, time)
    for step in steps:
        getattr(sale, step)()
    return sale


@pytest.mark.parametrize("name", STEPS)
def test_a_retry_after_a_crash_at_any_store_call_leaves_a_sound_room(api, time, name):
    before, flow = STEPS[name]
    with shops.isolated_shop(api):
        sale = prepare(api, time, before)
        with faults.record_calls() as store_calls:
            getattr(sale, flow)()
        call_count = len(list(store_calls))
    assert call_count >= 2
    for number in range(1, call_count + 1):
        with shops.isolated_shop(api):
            sale = prepare(api, time, before)
            with faults.crash_after(number):
                getattr(sale, flow)()
            memory.forget_everything()
            invariants.check(time.now)
            reply = getattr(sale, flow)()  # the client, the admin or the next instance retries
            assert reply is None or reply.status == 200, reply.json
            sale.settle()
