"""The races of a drop one step at a time: a seed decides which actor makes the next store call, so a failure can be replayed.

With odd seeds one actor may also crash at a store call; then recovery runs before the invariants are checked again.
"""

from collections import Counter

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.inventory.display import invalidate_figures
from chalicelib.inventory.store import new_shard, scan_shards
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation.faults import without_lower_bound
from tests.simulation.interleavings import explore, run_seeds
from tests.simulation.moments import Moment

SEEDS = 20
OLD, ADA, BOB = "old", "ada", "bob"

pytestmark = pytest.mark.usefixtures("threaded_store")


class Shop:
    """A tier of three shards and a small tier on the side. Every scenario starts with `restock`."""

    def __init__(self, api, time):
        self.api, self.time = api, time
        self.event_id, self.tier = builders.create_shop(api, capacity=201)  # three shards
        self.side = builders.create_tier(api, self.event_id, "Side", capacity=1)
        self.moment = None

    def restock(self, *available, side=1):
        """Go back to the first restock, before which nothing was sold, and put these amounts of tickets into the tier's shards."""
        self.moment = self.moment or Moment(self.time)
        self.moment.return_to()
        amounts = (*available, *(0 for _ in range(3 - len(available))))
        items = [shard for n, amount in enumerate(amounts) for shard in _shard_items(f"{self.tier}#{n}", amount)]
        dynamo.batch_put([*items, *_shard_items(f"{self.side}#0", side)])
        invalidate_figures()
        self.warm_up()

    def warm_up(self):
        """Load the catalog into the cache: an actor that loads it would make another wait whose turn it is."""
        self.api.get(f"/events/{self.event_id}")

    def expire_holds(self):
        self.time.advance(181)
        self.warm_up()

    def reserve(self, user=ADA, quantity=1, **headers):
        path, body = f"/events/{self.event_id}/reservations", {"tier_id": self.tier, "quantity": quantity}
        return self.api.post(path, json=body, user=user, headers=headers)

    def reserve_both(self, user, *tiers):
        return builders.reserve_items(self.api, user, self.event_id, dict.fromkeys(tiers, 1))

    def create_reservation(self, user=ADA, quantity=1):
        reply = self.reserve(user, quantity)
        assert reply.status == 201, reply.json
        return reply.json["id"]

    def create_checkout(self, user=ADA, quantity=1):
        reservation_id = self.create_reservation(user, quantity)
        assert builders.start_checkout(self.api, user, reservation_id, key=reservation_id).status == 201
        return reservation_id

    def confirm(self, reservation_id, user=ADA):
        return builders.confirm(self.api, user, reservation_id)

    def release(self, reservation_id, user=ADA):
        return self.api.delete(f"/reservations/{reservation_id}", user=user)

    def expire_and_sweep(self):
        """Expire every hold, then sweep. Requests that started before have read an earlier clock."""
        self.time.advance(181)
        return builders.run_sweep()

    def set_sales(self, action):
        return self.api.post(f"/admin/events/{self.event_id}/{action}", token=builders.admin_token())

    def check(self, run):
        if run.crashed:
            invariants.check_recovery(self.time)
        else:
            invariants.check(self.time.now)


@pytest.fixture
def shop(api, time):
    with settings.override(request_seconds=600):  # an actor may move the clock by minutes while a request of another one runs
        yield Shop(api, time)


def _shard_items(shard_id, amount):
    return [new_shard(shard_id, capacity=amount, sold=0, is_open=True)]


def statuses(run):
    return Counter(reply.status for reply in run.results.values() if hasattr(reply, "status"))


def errors(run):
    return {reply.json.get("error") for reply in run.results.values() if reply.status >= 400}


def max_crashes(play):
    return play.seed % 2


@pytest.mark.parametrize("has_expired_hold", [False, True])
def test_two_reserves_of_one_user(shop, has_expired_hold):
    def scenario(play):
        shop.restock(4)
        if has_expired_hold:
            shop.create_reservation()
            shop.expire_holds()
        run = play({"phone": shop.reserve, "laptop": shop.reserve}, crashes=max_crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 1}
            if not has_expired_hold:
                assert errors(run) == {"active_reservation_exists"}
                assert sum(shard.held for shard in scan_shards()) == 1
        shop.check(run)

    run_seeds(SEEDS, scenario)


def test_two_reserves_with_one_idempotency_key(shop):
    def scenario(play):
        shop.restock(4)

        def send():
            return shop.reserve(**{"Idempotency-Key": "k"})

        run = play({"first": send, "again": send}, crashes=max_crashes(play))
        if not run.crashed:
            assert statuses(run)[201] == 1
            assert errors(run) <= {"request_in_flight"}
        shop.check(run)

    run_seeds(SEEDS, scenario)


def test_three_reserves_of_the_last_ticket(shop):
    def scenario(play):
        shop.restock(1)
        run = play({user: lambda user=user: shop.reserve(user) for user in (ADA, BOB, "eve")}, crashes=max_crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 2}
        shop.check(run)

    run_seeds(SEEDS, scenario)


def test_reserve_and_sweep_when_an_expired_hold_has_all_tickets(shop):
    """The reserve never fails as sold out: the tickets of an expired hold are available, whether it or the sweep releases them."""

    def scenario(play):
        shop.restock(2)
        shop.create_reservation(OLD, 2)
        shop.expire_holds()
        run = play({ADA: lambda: shop.reserve(ADA, 2), "sweep": builders.run_sweep}, crashes=max_crashes(play))
        if not run.crashed:
            assert run.results[ADA].status == 201, run.results[ADA].json
        shop.check(run)

    run_seeds(SEEDS, scenario)


@pytest.mark.slow
def test_reserve_and_sweep_in_every_schedule_with_two_preemptions(shop):
    def scenario(play):
        shop.restock(2)
        shop.create_reservation(OLD, 2)
        shop.expire_holds()
        run = play({ADA: lambda: shop.reserve(ADA, 2), "sweep": builders.run_sweep})
        assert run.results[ADA].status == 201, run.results[ADA].json
        shop.check(run)

    assert len(explore(scenario, preemptions=2)) > 50


@pytest.mark.slow
def test_confirm_and_sweep_at_the_end_of_the_hold(shop):
    states = set()

    def scenario(play):
        shop.restock(4)
        checkout_id = shop.create_checkout(quantity=2)
        run = play({ADA: lambda: shop.confirm(checkout_id), "sweep": shop.expire_and_sweep}, crashes=max_crashes(play))
        state = store.load(checkout_id).state
        if ADA not in run.crashed:
            assert (run.results[ADA].status, state) in {(201, "paid"), (409, "expired")}
            states.add(state)
        shop.check(run)

    run_seeds(SEEDS, scenario, until=lambda: states == {"paid", "expired"})


def test_confirm_and_release(shop):
    states = set()

    def scenario(play):
        shop.restock(4)
        checkout_id = shop.create_checkout(quantity=2)
        run = play({"pay": lambda: shop.confirm(checkout_id), "leave": lambda: shop.release(checkout_id)}, crashes=max_crashes(play))
        if not run.crashed:
            assert (run.results["pay"].status, run.results["leave"].status) in {(201, 409), (409, 200)}
            states.add(store.load(checkout_id).state)
        shop.check(run)

    run_seeds(SEEDS, scenario, until=lambda: states == {"paid", "cancelled"})


def test_two_confirms(shop):
    def scenario(play):
        shop.restock(4)
        checkout_id = shop.create_checkout(quantity=2)
        run = play({"client": lambda: shop.confirm(checkout_id), "webhook": lambda: shop.confirm(checkout_id)}, crashes=max_crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 200: 1}
        assert len({tuple(ticket["code"] for ticket in reply.json["tickets"]) for reply in run.results.values()}) <= 1
        shop.check(run)

    run_seeds(SEEDS, scenario)


@pytest.mark.parametrize(
    ("available", "quantities", "min_reservations"),
    [((1, 1, 1), (2, 2), 1), ((1, 1, 2), (2, 2), 2), ((1, 1, 1), (3, 3), 1), ((2, 2, 2), (3, 3), 2), ((1, 1, 1), (1, 2, 3), 1)],
)
def test_reserves_over_several_shards_never_fail_as_sold_out_by_mistake(shop, available, quantities, min_reservations):
    def scenario(play):
        shop.restock(*available)
        run = play(
            {f"buyer-{n}": lambda n=n, q=q: shop.reserve(f"buyer-{n}", q) for n, q in enumerate(quantities)}, crashes=max_crashes(play)
        )
        if not run.crashed:
            assert statuses(run)[201] >= min_reservations, statuses(run)
            assert errors(run) <= {"not_enough_tickets"}
        shop.check(run)

    run_seeds(SEEDS, scenario)


def test_two_tiers_reserved_in_opposite_orders(shop):
    def scenario(play):
        shop.restock(1, side=1)
        run = play(
            {ADA: lambda: shop.reserve_both(ADA, shop.tier, shop.side), BOB: lambda: shop.reserve_both(BOB, shop.side, shop.tier)},
            crashes=max_crashes(play),
        )
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 1}
        shop.check(run)

    run_seeds(SEEDS, scenario)


def test_pause_and_reserve(shop):
    def scenario(play):
        shop.restock(4)
        run = play({ADA: shop.reserve, "admin": lambda: shop.set_sales("pause")}, crashes=max_crashes(play))
        if not run.crashed:
            assert run.results[ADA].status in (201, 403)
            assert not any(shard.is_open for shard in scan_shards())
            assert shop.reserve(BOB).status == 403
        shop.check(run)
        shop.set_sales("resume")
        assert all(shard.is_open for shard in scan_shards())

    run_seeds(SEEDS, scenario)


def test_after_pause_and_resume_the_shards_agree_with_the_flag(shop):
    def scenario(play):
        shop.restock(4)
        run = play({"pause": lambda: shop.set_sales("pause"), "resume": lambda: shop.set_sales("resume"), "sweep": builders.run_sweep})
        paused = shop.api.get(f"/admin/events/{shop.event_id}/status", token=builders.admin_token()).json["paused"]
        assert {shard.is_open for shard in scan_shards()} == {not paused}
        shop.check(run)
        shop.set_sales("resume")

    run_seeds(SEEDS, scenario)


def test_two_sweeps(shop):
    def scenario(play):
        shop.restock(4, side=1)
        shop.create_reservation(ADA, 2)
        shop.create_checkout(BOB, 2)
        shop.expire_holds()
        run = play({"first": builders.run_sweep, "second": builders.run_sweep}, crashes=max_crashes(play))
        if not run.crashed:
            assert sum(report["expired"] for report in run.results.values()) == 2
            assert sum(report["released"] for report in run.results.values()) == 2
        shop.check(run)

    run_seeds(SEEDS, scenario)


def test_without_the_condition_a_seed_finds_an_oversale(shop):
    def scenario(play):
        shop.restock(1)
        run = play({ADA: lambda: shop.reserve(ADA), BOB: lambda: shop.reserve(BOB)})
        shop.check(run)

    with without_lower_bound("available"), pytest.raises(AssertionError, match="something is negative") as failed:
        run_seeds(SEEDS, scenario, until=lambda: False)
    assert "to replay it: replay(scenario" in failed.value.__notes__[-1]


def test_confirm_release_and_sweep(shop):
    def scenario(play):
        shop.restock(4)
        checkout_id = shop.create_checkout(quantity=2)
        actors = {"pay": lambda: shop.confirm(checkout_id), "leave": lambda: shop.release(checkout_id), "sweep": shop.expire_and_sweep}
        run = play(actors, crashes=play.seed % 3)
        shop.check(run)

    run_seeds(SEEDS, scenario)
