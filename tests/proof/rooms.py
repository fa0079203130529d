"""Waiting rooms: joining, opening with the draw, waves, and what managers do with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.catalog import revisions
from chalicelib.foundation import memory, settings
from chalicelib.waiting_room.draw import ROUND_SECONDS_AFTER_CLOSING
from chalicelib.waiting_room.due_changes import OPENING_LEASE_SECONDS
from chalicelib.waiting_room.entry_list import LEASE_SECONDS, SETTLING_SECONDS
from tests import builders, invariants, shops
from tests.proof.harness import Flow
from tests.proof.scenes import StoredScene, open_app
from tests.simulation import faults
from tests.waiting_room.beacon import open_beacon
from tests.waiting_room.sale import SECONDS_TO_OPENING, create_sale, get_status, join


class RoomScene(StoredScene):
    """A sale with a waiting room that four users have joined. Its waves follow the stock."""

    def __init__(self, api, time, **waiting_room):
        super().__init__(api, time)
        self.event_id, self.tier_id = create_sale(api, time, follow_stock=True, capacity=12, **waiting_room)
        self.tokens = {user: join(api, self.event_id, user) for user in ("ada", "bob", "eve", "kim")}

    def close(self):
        self.time.advance(SECONDS_TO_OPENING - settings.current().draw_closing_seconds)

    def crash_while_listing(self):
        """An instance crashes after it has written a part of the list of entries, and its lease ends."""
        self.close()
        with faults.crash_after(12, table="waiting-room") as crash:
            self.load()
        assert crash.was_triggered
        self.time.advance(LEASE_SECONDS)

    def open(self):
        self.time.advance(SECONDS_TO_OPENING)

    def wait_for_round(self):
        """After the closing, until the mirrors of the beacon have the round of the draw."""
        self.time.advance(ROUND_SECONDS_AFTER_CLOSING + 5)

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
        reply = self.api.post(f"/events/{self.event_id}/waiting-room/join", user="new")
        if reply.status == 200:
            self.tokens["new"] = reply.json["token"]
        return reply

    def get_pass(self):
        """The first in the line gets a pass for the other shop."""
        user = min(self.tokens, key=lambda user: get_status(self.api, self.event_id, self.tokens[user])["position"])
        reply = self.api.post(f"/events/{self.event_id}/waiting-room/pass", json={"token": self.tokens[user]}, user=user)
        if reply.status == 200:
            self.shop_pass = reply.json["shop_pass"]
        return reply

    def use_pass(self):
        body = {"shop_pass": self.shop_pass, "session": "first"}
        return self.api.post(f"/events/{self.event_id}/waiting-room/pass-uses", json=body)

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

    def __copy__(self):
        copied = object.__new__(RoomScene)
        copied.__dict__ |= self.__dict__ | {"tokens": dict(self.tokens)}
        return copied

    ROUNDS = (OPENING_LEASE_SECONDS, LEASE_SECONDS)

    def recover(self, seconds):
        """The next instance that looks after the leases of a crashed one finishes the list and the opening."""
        self.time.advance(seconds)
        builders.run_sweep()

    def check_recovered(self):
        """Positions are unique."""
        invariants.check(self.time.now, recovered=True)
        room = self.load().json["room"]
        if room > 1:
            self.tokens = {user: join(self.api, self.event_id, user) for user in self.tokens}
        if self.time.now < self.load().json["on_sale_at"]:
            self.open()
        if self.load().json["key"] is None:  # numbers of crashed joins delay the list
            self.time.advance(SETTLING_SECONDS)
        self.load()
        positions = [get_status(self.api, self.event_id, token)["position"] for token in self.tokens.values()]
        assert None not in positions
        assert len(set(positions)) == len(positions)

    def outcome(self):
        """Somebody who joins again gets another number, so the line may be longer than the number of people."""
        state = self.load().json
        return {"room": state["room"], "waiting": state["total"] >= len(self.tokens)}


@contextmanager
def _open(time: Any) -> Iterator[RoomScene]:
    with open_app() as api, shops.isolated_shop(api):
        yield RoomScene(api, time)


@contextmanager
def _open_with_beacon(time: Any) -> Iterator[RoomScene]:
    with open_beacon(time), open_app() as api, shops.isolated_shop(api):
        yield RoomScene(api, time, randomness="key_and_beacon")


@contextmanager
def _open_with_other_shop(time: Any) -> Iterator[RoomScene]:
    with open_app() as api, shops.isolated_shop(api):
        yield RoomScene(api, time, shop_url="https://tickets.example/")


# name -> (the steps before, the step that a fault breaks)
STEPS: dict[str, tuple[list[str], str]] = {
    "first load": (["clear"], "load"),
    "join before the opening": ([], "join"),
    "closing of the draw": (["close"], "load"),
    "list of entries after a crash": (["crash_while_listing"], "load"),
    "opening after the closing": (["close", "load", "open"], "load"),
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

BEACON_STEPS: dict[str, tuple[list[str], str]] = {
    "list that names a round": (["close"], "load"),
    "round of the beacon": (["close", "load", "wait_for_round"], "load"),
}

SHOP_STEPS: dict[str, tuple[list[str], str]] = {
    "pass for another shop": (["open", "load"], "get_pass"),
    "use of a pass": (["open", "load", "get_pass"], "use_pass"),
}

ROUTES = {
    "POST /events/{event_id}/waiting-room/pass": "room: pass for another shop",
    "POST /events/{event_id}/waiting-room/pass-uses": "room: use of a pass",
}

# Clearing a room again begins another room.
FLOWS = {
    f"room: {name}": Flow(scene, before, step, is_repeated=name != "clear", is_change=step != "load")
    for scene, steps in ((_open, STEPS), (_open_with_beacon, BEACON_STEPS), (_open_with_other_shop, SHOP_STEPS))
    for name, (before, step) in steps.items()
}
