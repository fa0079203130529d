"""A crash after every store call of joining, the opening, pausing, steering and clearing; then somebody tries again."""

import pytest

from chalicelib.waiting_room import room_cache
from tests import builders, invariants, shops
from tests.simulation import faults
from tests.waiting_room.test_line import OPENS, join, make_drop, status


class Sale:
    def __init__(self, api, time):
        self.api, self.time = api, time
        self.event_id, self.tier_id = make_drop(api, time)
        self.tokens = {user: join(api, self.event_id, user) for user in ("ada", "bob", "eve", "kim")}

    def open(self):
        self.time.advance(OPENS)

    def load(self):
        room_cache.invalidate()
        return self.api.get(f"/events/{self.event_id}/waiting-room/state")

    def join(self):
        self.tokens["new"] = join(self.api, self.event_id, "new")

    def admin(self, method, path, **how):
        return self.api.request(method, path, token=builders.admin_token(), **how)

    def pause(self):
        return self.admin("POST", f"/admin/events/{self.event_id}/pause")

    def resume(self):
        return self.admin("POST", f"/admin/events/{self.event_id}/resume")

    def let_in(self):
        return self.admin("POST", f"/admin/events/{self.event_id}/waiting-room/let-in", json={"count": 2})

    def clear(self):
        return self.admin("DELETE", f"/events/{self.event_id}/waiting-room/clear")


FLOWS = {
    "first look": (["clear"], "load"),
    "join before the opening": ([], "join"),
    "opening": (["open"], "load"),
    "join that opens": (["open"], "join"),
    "join after the opening": (["open", "load"], "join"),
    "pause": (["open", "load"], "pause"),
    "resume": (["open", "load", "pause"], "resume"),
    "let in": (["open", "load"], "let_in"),
    "clear": (["open", "load"], "clear"),
}


def prepared(api, time, before):
    sale = Sale(api, time)
    for step in before:
        getattr(sale, step)()
    return sale


@pytest.mark.parametrize("name", FLOWS)
def test_a_crash_after_any_call_leaves_a_sound_room(api, time, name):
    before, flow = FLOWS[name]
    with shops.isolated_shop(api):
        sale = prepared(api, time, before)
        with faults.record_calls() as made:
            getattr(sale, flow)()
        calls = len(list(made))
    assert calls >= 2
    for number in range(1, calls + 1):
        with shops.isolated_shop(api):
            sale = prepared(api, time, before)
            with faults.crash_after(number):
                getattr(sale, flow)()
            room_cache.invalidate()
            invariants.check(time.now)
            getattr(sale, flow)()  # the client, the admin or the next instance tries again
            builders.run_sweep()
            invariants.check(time.now, recovered=True)
            everybody_has_a_place_of_their_own(sale)


def everybody_has_a_place_of_their_own(sale):
    room = sale.load().json["room"]
    if room > 1:
        sale.tokens = {user: join(sale.api, sale.event_id, user) for user in sale.tokens}
    if sale.time.now < sale.load().json["on_sale_at"]:
        sale.open()
    sale.load()
    positions = [status(sale.api, sale.event_id, token)["position"] for token in sale.tokens.values()]
    assert None not in positions
    assert len(set(positions)) == len(positions)
