"""A sold-out event with 500 entries of 1 to 6 tickets: random returns, refusals, payments and expiries, and an allocator that crashes.

After each turn the offers that were made are held against the rule by a judge of its own, which knows nothing of the allocator's plan.
"""

import random

import pytest

from chalicelib import settings
from chalicelib.catalog import service as catalog
from chalicelib.inventory import service as inventory
from chalicelib.purchases.reservations import offers as reserved_offers
from chalicelib.waitlist import kept_stocks, store
from chalicelib.waitlist.allocation import Turns
from chalicelib.waitlist.model import Entry
from tests import builders, invariants
from tests.simulation import faults
from tests.waitlist import lines

pytestmark = pytest.mark.no_cover
ENTRIES, CAPACITY, TURN_SECONDS = 500, 60, 600


class Sale:
    """The event, its line, and what has become of it. Buyers of the first hour hold all tickets and give them back at random."""

    def __init__(self, api, time, seed):
        self.api, self.time, self.random = api, time, random.Random(seed)
        self.event_id, self.tier_id = builders.create_shop(api, capacity=CAPACITY, per_user_limit=6)
        self.given_out = [self.reserve(number) for number in range(CAPACITY // 3)]
        time.advance(5)
        current = catalog.load_current()
        tier = current.tiers[self.tier_id]
        self.stock_id, self.shards = tier.stock_id, tier.shards
        store.open_line(self.event_id)
        for number in range(ENTRIES):
            quantity = self.random.choice((1, 1, 2, 2, 3, 4, 5, 6))
            fields = {"tier_ids": [self.tier_id], "quantity": quantity, "joined_at": time.now, "ttl": time.now + 10**8}
            assert store.join(Entry(id=f"{self.event_id}.{number:026}", user_id=f"w{number}", event_id=self.event_id, **fields), None)
        kept_stocks.keep_for_line(current, current.events[self.event_id], [tier], {})

    def reserve(self, number):
        reply = builders.reserve(self.api, f"first-{number}", self.event_id, self.tier_id, 3)
        return f"first-{number}", reply.json["id"]

    def free(self):
        return inventory.read_stock({self.stock_id: self.shards})[self.stock_id].available

    def live(self):
        """What happens between two runs: some are given back, some offers are paid, declined, or left to expire."""
        for _ in range(self.random.choice((0, 1, 1, 2))):
            if self.given_out:
                user, reservation_id = self.given_out.pop(self.random.randrange(len(self.given_out)))
                self.api.delete(f"/reservations/{reservation_id}", user=user)
        for entry in store.list_offered(self.event_id):
            match self.random.randrange(8):
                case 0:
                    self.api.delete(f"/reservations/{entry.purchase_id}", user=entry.user_id)
                case 1 if self.random.random() < 0.3:
                    builders.start_checkout(self.api, entry.user_id, entry.purchase_id, key=entry.purchase_id)
                    builders.confirm(self.api, entry.user_id, entry.purchase_id)
        waiting = store.list_places(self.event_id)
        if waiting and self.random.random() < 0.3:
            entry = self.random.choice(waiting).entry
            self.api.delete(f"/waitlist/{entry.id}", user=entry.user_id)
        self.time.advance(TURN_SECONDS)


def judge(sale, before, free, turns):
    """Nobody is overtaken against the rule, and no ticket lies while somebody fitting waits, unless it is kept back for one before them."""
    after = {place.entry.id: place for place in store.list_places(sale.event_id)}
    left = free
    for place in before:
        quantity = place.entry.quantity
        if place.entry.id not in after:
            left -= quantity
            assert left >= 0
            continue
        since = after[place.entry.id].passed_at
        keeps = place.passed_at is not None and turns.keeps_back(place.passed_at, sale.time.now)
        assert quantity > left, f"{place.entry.id} asks for {quantity} of {left} and got nothing"
        if left > 0:
            assert since is not None
        if keeps:
            left = 0
    return len(before) - len(after)


@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_overtaken_and_nothing_lies_idle_also_with_crashes_at_every_step(threaded_store, api, time, seed):
    turns = Turns(7200, 3600)
    with settings.override(waitlist_offer_seconds=5 * TURN_SECONDS, waitlist_patience_seconds=7200, waitlist_keep_seconds=3600):
        with settings.override(hold_seconds=20 * 86_400):
            sale = Sale(api, time, seed)
        offered = crashes = 0
        for turn in range(40):
            sale.live()
            builders.run_sweep()
            crash = faults.crash_after if turn % 2 else faults.crash_before
            with crash(turn + 1) as crashed:
                lines.run_allocator()
            crashes += crashed.was_triggered
            time.advance(reserved_offers.WRITE_SECONDS)
            builders.run_sweep()
            lines.run_allocator()  # what the crash kept from being offered; from here on the turn is judged
            before, free = store.list_places(sale.event_id), sale.free()
            assert builders.reserve(api, f"passer-by-{turn}", sale.event_id, sale.tier_id).status == 409
            offered += judge(sale, before, free, turns)
        invariants.check(time.now)
        assert crashes > 20
        assert len(store.list_places(sale.event_id)) < ENTRIES - 30


@pytest.mark.parametrize("seed", range(2, 4))
def test_each_run_is_judged_by_what_was_free_when_it_began(threaded_store, api, time, seed):
    turns = Turns(7200, 3600)
    with settings.override(waitlist_offer_seconds=5 * TURN_SECONDS, waitlist_patience_seconds=7200, waitlist_keep_seconds=3600):
        with settings.override(hold_seconds=20 * 86_400):
            sale = Sale(api, time, seed)
        offered = 0
        for _ in range(40):
            sale.live()
            builders.run_sweep()
            before, free = store.list_places(sale.event_id), sale.free()
            lines.run_allocator()
            offered += judge(sale, before, free, turns)
        assert offered > 20
        invariants.check(time.now)
