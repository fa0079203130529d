"""Random histories of buyers, admins, schedules, crashes and the clock; the invariants hold after each step."""

from contextlib import ExitStack
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import CapacityInUse
from chalicelib.purchases.record import store
from tests import builders, invariants
from tests.faults import worlds
from tests.simulation import faults

USERS = st.sampled_from(["ada", "bob", "eve"])
EXPECTED = {200, 201, 400, 403, 404, 409}


def dying(most):
    """After which call the process dies; mostly it lives, since histories that die at every step get nowhere."""
    return st.one_of(st.just(0), st.just(0), st.integers(1, most))


class History(RuleBasedStateMachine):
    def __init__(self, api, time):
        super().__init__()
        self.api, self.time = api, time
        self.exit = ExitStack()
        self.world = self.exit.enter_context(worlds.fresh(api))
        self.known: dict[str, str] = {}
        self.keys = count()

    def teardown(self):
        self.time.advance(400)
        builders.sweep()
        invariants.check(self.time.now, recovered=True)
        self.exit.close()

    def _expect(self, reply):
        assert reply.status in EXPECTED, reply.json

    @rule(user=USERS, floor=st.integers(0, 4), balcony=st.integers(0, 3), crash=dying(6))
    def reserve(self, user, floor, balcony, crash):
        wanted = [(self.world.floor, floor), (self.world.balcony, balcony)]
        items = [{"tier_id": tier_id, "quantity": quantity} for tier_id, quantity in wanted if quantity]
        path = f"/events/{self.world.event_id}/reservations"
        if crash:
            with faults.crash_after(crash):
                self.api.post(path, json={"items": items}, user=user)
            return
        reply = self.api.post(path, json={"items": items}, user=user)
        self._expect(reply)
        if reply.status == 201:
            self.known[user] = reply.json["id"]

    @rule(user=USERS, floor=st.integers(0, 4), balcony=st.integers(0, 3))
    def buy(self, user, floor, balcony):
        """All the way, so that there are orders: alone, a history seldom has the right steps in the right order."""
        self.reserve(user, floor, balcony, 0)
        self.begin(user, 0)
        self.confirm(user, "success", 0)

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0, 2), some=st.integers(0, 7), seats=st.booleans(), fee=st.sampled_from([0, 100]), crash=dying(8))
    def refund(self, which, some, seats, fee, crash):
        """Some tickets of an order, by the bits of a number, also such that went back before; where there is none, of a reservation."""
        every = [one.id for one in store.scan_purchases() if one.is_order] or list(self.known.values())
        order_id = sorted(every)[which % len(every)]
        numbers = [number for number in (1, 2, 3) if some & 1 << number - 1]
        wish = {"tickets": [f"{order_id}-{number}" for number in numbers]} if numbers else {}
        asked = {"key": str(next(self.keys)), "return_seats": seats, "fee_cents": fee, **wish}
        self._step(crash, lambda: builders.refund(self.api, order_id, **asked))

    @precondition(lambda self: self.known)
    @rule(user=USERS, crash=dying(3))
    def begin(self, user, crash):
        self._step(crash, lambda: builders.begin(self.api, user, self.known.get(user, "none"), key=self.known.get(user, "none")))

    @precondition(lambda self: self.known)
    @rule(user=USERS, outcome=st.sampled_from(["success", "success", "fail"]), crash=dying(5))
    def confirm(self, user, outcome, crash):
        self._step(crash, lambda: builders.confirm(self.api, user, self.known.get(user, "none"), outcome))

    @precondition(lambda self: self.known)
    @rule(user=USERS, crash=dying(4))
    def release(self, user, crash):
        self._step(crash, lambda: self.api.delete(f"/reservations/{self.known.get(user, 'none')}", user=user))

    @rule(crash=dying(8))
    def sweep(self, crash):
        self._step(crash, builders.sweep)

    @rule(paused=st.booleans())
    def pause(self, paused):
        action = "pause" if paused else "resume"
        self._expect(self.api.post(f"/admin/events/{self.world.event_id}/{action}", token=builders.admin_token()))

    @rule(seconds=st.sampled_from([1, 60, 181]))
    def wait(self, seconds):
        self.time.advance(seconds)

    @rule(capacity=st.integers(1, 20))
    def resize(self, capacity):
        try:
            inventory.resize(self.world.floor, 1, capacity)
        except CapacityInUse:
            return

    @invariant()
    def holds(self):
        invariants.check(self.time.now)

    def _step(self, crash, act):
        if crash:
            with faults.crash_after(crash):
                act()
            return
        done = act()
        if not isinstance(done, dict):
            self._expect(done)


def test_random_histories_keep_the_invariants(api, time, threaded_store):
    """On the local store, which is several times as fast as moto, so several times as many."""
    run_state_machine_as_test(
        lambda: History(api, time),
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,  # the same histories everywhere; other seeds are for long runs by hand
            suppress_health_check=list(HealthCheck),
        ),
    )
