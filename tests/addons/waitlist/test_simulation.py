"""A sold-out event with 500 entries of 1 to 6 tickets: random returns, refusals, payments and expiries, and an allocator that crashes.

After each turn the offers that were made are held against the rule by a judge of its own, which knows nothing of the allocator's plan.
"""

import random
from contextlib import contextmanager

import pytest

from chalicelib.addons.waitlist import allocator, kept_stocks, store
from chalicelib.addons.waitlist.model import Entry
from chalicelib.addons.waitlist.offer_plan import Turns, plan_offers
from chalicelib.catalog import service as catalog
from chalicelib.foundation import settings
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import offers as reserved_offers
from chalicelib.purchases import store as purchases
from chalicelib.purchases.model import ACTIVE_STATES
from tests import builders, invariants, seeds
from tests.addons.waitlist import lines
from tests.simulation import faults

ENTRIES, CAPACITY, TURN_SECONDS = 500, 60, 600
TURNS = Turns(2 * TURN_SECONDS, 2 * TURN_SECONDS)
TURNS_WITH_CRASHES = 60
KINDS_OF_CALLS = 9  # that a run of the allocator makes to the store: each crashes once before and once after


class Sale:
    """The event and its line over time. The first buyers hold or have bought all tickets and return them at random."""

    def __init__(self, api, time, seed):
        self.api, self.time, self.random = api, time, random.Random(seed)
        self.event_id, self.tier_id = builders.create_shop(api, capacity=CAPACITY, per_user_limit=6)
        self.given_out = [self.give_out(number) for number in range(CAPACITY // 3)]
        time.advance(5)
        current = catalog.load_current()
        tier = current.tiers[self.tier_id]
        self.stock_id, self.shards = tier.stock_id, tier.shards
        store.open_line(self.event_id, 2 * 10**9)
        for number in range(ENTRIES):
            quantity = self.random.choice((1, 1, 2, 2, 3, 4, 5, 6))
            fields = {"tier_ids": [self.tier_id], "quantity": quantity, "joined_at": time.now, "ttl": time.now + 10**8}
            assert store.create_entry(
                Entry(id=f"{self.event_id}.{number:026}", user_id=f"w{number}", event_id=self.event_id, **fields), None
            )
        kept_stocks.keep_stocks_for_line(current, current.events[self.event_id], [tier], {})

    def give_out(self, number):
        """A reservation, or an order, of three tickets. Returns what gives them back."""
        user = f"first-{number}"
        if number % 2:
            order_id = builders.create_order(self.api, (self.event_id, self.tier_id), 3, user)
            return lambda: builders.refund(self.api, order_id, key=order_id)
        reservation_id = builders.reserve(self.api, user, self.event_id, self.tier_id, 3).json["id"]
        return lambda: self.api.delete(f"/reservations/{reservation_id}", user=user)

    def free(self):
        return read_stock({self.stock_id: self.shards})[self.stock_id].available

    def live(self, *, crashes=False):
        """What happens between two runs: some are given back, some offers are paid, declined, or left to expire. Some processes crash."""
        for _ in range(self.random.choice((0, 1, 1, 2))):
            if self.given_out:
                self.given_out.pop(self.random.randrange(len(self.given_out)))()
        for entry in store.list_offered(self.event_id):
            match self.random.randrange(8):
                case 0:
                    self.act(crashes, lambda entry=entry: self.api.delete(f"/waitlist/{entry.id}", user=entry.user_id))
                case 1 if self.random.random() < 0.3:
                    builders.start_checkout(self.api, entry.user_id, entry.purchase_id, key=entry.purchase_id)
                    self.act(crashes, lambda entry=entry: builders.confirm(self.api, entry.user_id, entry.purchase_id))
        waiting = store.list_places(self.event_id)
        if waiting and self.random.random() < 0.3:
            entry = self.random.choice(waiting).entry
            self.act(crashes, lambda: self.api.delete(f"/waitlist/{entry.id}", user=entry.user_id))
        self.time.advance(TURN_SECONDS)

    def act(self, crashes, request):
        """Send a request, whose process crashes at one of its first calls if `crashes`."""
        if crashes:
            with self.random.choice((faults.crash_after, faults.crash_before))(self.random.randint(1, 6)):
                request()
        else:
            request()


def judge(sale, before, free, turns):
    """Nobody is overtaken against the rule. No ticket is unused while a fitting party waits, unless kept back for the first large party."""
    after = {place.entry.id: place for place in store.list_places(sale.event_id)}
    left, is_first = free, True
    for place in before:
        quantity = place.entry.quantity
        if place.entry.id not in after:
            left -= quantity
            assert left >= 0, f"{place.entry.id} got {quantity}, and those before were to have them"
            continue
        since = after[place.entry.id].passed_at
        keeps = place.passed_at is not None and is_first and turns.keeps_back(place.passed_at, sale.time.now)
        is_first = is_first and (left == 0 or place.passed_at is None)
        assert quantity > left, f"{place.entry.id} asks for {quantity} of {left} and got nothing"
        if left > 0:
            assert since is not None
        if keeps:
            left = 0
    return len(before) - len(after)


def assert_nothing_is_held_in_vain():
    """Every ticket that is held is paid, or held by a reservation, a payment or an offer that is still open."""
    holds = {hold_id.partition(".")[0] for shard in scan_shards() for hold_id in shard.holds}
    over = [
        purchase.id for purchase in purchases.load_many(holds).values() if not purchase.was_order and purchase.state not in ACTIVE_STATES
    ]
    assert not over, f"purchases that are over hold tickets: {over}"


@contextmanager
def started_sale(api, time, seed):
    with settings.override(waitlist_offer_seconds=5 * TURN_SECONDS), pytest.MonkeyPatch.context() as patched:
        patched.setattr(allocator, "TURNS", TURNS)
        with settings.override(hold_seconds=20 * 86_400):
            sale = Sale(api, time, seed)
        yield sale


class CrashPlan:
    """Lets runs of the allocator crash before and after every kind of call that they make to the store, one kind after the other."""

    def __init__(self):
        self.left, self.known = [], set()

    def run(self):
        """Run the allocator; it crashes if there is a kind of call left to crash at."""
        if not self.left:
            with faults.record_calls() as calls:
                lines.run_allocator()
            kinds = {(entry.operation, entry.tables[0]) for entry in calls.entries} - self.known
            self.known |= kinds
            self.left = [(crash, *kind) for kind in sorted(kinds) for crash in (faults.crash_before, faults.crash_after)]
            return
        crash, operation, table = self.left[0]
        with crash(1, operation=operation, table=table) as crashed:
            lines.run_allocator()
        if crashed.was_triggered:
            self.left.pop(0)
        else:  # perhaps in another run
            self.left.append(self.left.pop(0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_crashes_at_any_step_neither_overtake_nor_leave_tickets_idle(threaded_store, api, time, seed):
    with started_sale(api, time, seed) as sale:
        plan = CrashPlan()
        for turn in range(TURNS_WITH_CRASHES):
            sale.live(crashes=bool(turn % 3))
            builders.run_sweep()
            plan.run()
            time.advance(reserved_offers.WRITE_SECONDS)
            builders.run_sweep()
            lines.run_allocator()  # what the crash kept from being offered; from here on the turn is judged
            before, free = store.list_places(sale.event_id), sale.free()
            assert builders.reserve(api, f"passer-by-{turn}", sale.event_id, sale.tier_id).status == 409
            judge(sale, before, free, TURNS)
            assert_nothing_is_held_in_vain()
        invariants.check(time.now)
        assert len(plan.known) >= KINDS_OF_CALLS
        assert plan.left == []
        assert len(store.list_places(sale.event_id)) < ENTRIES - 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 2 + seeds.examples(5)))
def test_each_run_is_judged_by_what_was_free_when_it_began(threaded_store, api, time, seed):
    with started_sale(api, time, seed) as sale:
        offered, keeping = play(sale, 40)
        assert offered > 20
        assert keeping > 3
        invariants.check(time.now)


def play(sale, turns):
    """Let the sale go on and judge each run. Returns how many offers were made, and in how many runs tickets were kept back."""
    offered = keeping = 0
    for _ in range(turns):
        sale.live()
        builders.run_sweep()
        before, free = store.list_places(sale.event_id), sale.free()
        lines.run_allocator()
        offered += judge(sale, before, free, TURNS)
        keeping += sale.free() > 0 and any(place.passed_at and TURNS.keeps_back(place.passed_at, sale.time.now) for place in before)
        assert_nothing_is_held_in_vain()
    return offered, keeping


def backwards(places, *arguments):
    return plan_offers(places[::-1], *arguments)


def to_who_asks_for_least(places, *arguments):
    return plan_offers(sorted(places, key=lambda place: place.entry.quantity), *arguments)


def without_keeping(places, supplies, free, now, turns, *more):
    return plan_offers(places, supplies, free, now, None, *more)


def strictly_in_order(places, *arguments):
    return plan_offers(places[:1], *arguments)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [backwards, to_who_asks_for_least, without_keeping, strictly_in_order])
def test_the_judge_sees_an_allocator_that_breaks_the_rule(threaded_store, api, time, monkeypatch, rule):
    monkeypatch.setattr(allocator, "plan_offers", rule)
    with started_sale(api, time, 5) as sale, pytest.raises(AssertionError, match="got"):
        play(sale, 40)
