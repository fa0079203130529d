"""A crash after every store call of joining, opening, pausing, letting in and clearing a waiting room, and then a retry."""

import pytest

from chalicelib.catalog import revisions
from chalicelib.foundation import memory
from chalicelib.waiting_room.due_changes import OPENING_LEASE_SECONDS
from tests import builders, invariants, shops
from tests.simulation import faults
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join


class Sale:
    """A sale that four users have joined, whose waves follow the stock, and the steps of its flows."""

    def __init__(self, api, time):
        self.api, self.time = api, time
        self.event_id, self.tier_id = create_sale(api, time, follow_stock=True, capacity=12)
        self.tokens = {user: join(api, self.event_id, user) for user in ("ada", "bob", "eve", "kim")}

    def open(self):
        self.time.advance(SECONDS_TO_OPENING)

    def wait_for_wave(self):
        """Until the size of the second wave is decided: three have a pass, twelve tickets are left, and nobody buys more than six."""
        self.time.advance(27)

    def crash_while_opening(self):
        """An instance crashes after it has closed the counter, and its lease ends."""
        self.open()
        with faults.crash_after(4, table="waiting-room") as crash:
            self.load()
        assert crash.was_triggered
        self.time.advance(OPENING_LEASE_SECONDS)

    def load(self):
        memory.forget_everything()
        return self.api.get(f"/events/{self.event_id}/waiting-room/state")

    def change_catalog(self):
        revisions.invalidate_everywhere("admin", self.time.now)

    def join(self):
        self.tokens["new"] = join(self.api, self.event_id, "new")

    def _call_as_admin(self, method, path, **arguments):
        return self.api.request(method, path, token=builders.admin_token(), **arguments)

    def pause(self):
        return self._call_as_admin("POST", f"/admin/events/{self.event_id}/pause")

    def resume(self):
        return self._call_as_admin("POST", f"/admin/events/{self.event_id}/resume")

    def let_in(self):
        return self._call_as_admin("POST", f"/admin/events/{self.event_id}/waiting-room/let-in", json={"count": 2})

    def clear(self):
        return self._call_as_admin("DELETE", f"/events/{self.event_id}/waiting-room/clear")


FLOWS = {
    "first load": (["clear"], "load"),
    "join before the opening": ([], "join"),
    "opening": (["open"], "load"),
    "opening after a crash": (["crash_while_opening"], "load"),
    "join that runs the draw": (["open"], "join"),
    "join after the opening": (["open", "load"], "join"),
    "first poll after a change of the catalog": (["open", "load", "change_catalog"], "load"),
    "wave that follows the stock": (["open", "load", "wait_for_wave"], "load"),
    "pause": (["open", "load"], "pause"),
    "resume": (["open", "load", "pause"], "resume"),
    "let in": (["open", "load"], "let_in"),
    "clear": (["open", "load"], "clear"),
}


def prepare(api, time, steps):
    """A sale after these steps."""
    sale = Sale(api, time)
    for step in steps:
        getattr(sale, step)()
    return sale


@pytest.mark.parametrize("name", FLOWS)
def test_a_retry_after_a_crash_at_any_store_call_leaves_a_sound_room(api, time, name):
    before, flow = FLOWS[name]
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
            getattr(sale, flow)()  # the client, the admin or the next instance retries
            time.advance(OPENING_LEASE_SECONDS)  # for so long nobody takes over from an instance that crashed while it opened the room
            builders.run_sweep()
            invariants.check(time.now, recovered=True)
            check_that_positions_are_unique(sale)


def check_that_positions_are_unique(sale):
    room = sale.load().json["room"]
    if room > 1:
        sale.tokens = {user: join(sale.api, sale.event_id, user) for user in sale.tokens}
    if sale.time.now < sale.load().json["on_sale_at"]:
        sale.open()
    sale.load()
    positions = [get_status(sale.api, sale.event_id, token)["position"] for token in sale.tokens.values()]
    assert None not in positions
    assert len(set(positions)) == len(positions)
