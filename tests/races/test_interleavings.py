"""The races of a drop one step at a time: who comes first at each store call is decided by a seed, so what fails can be replayed.

With odd seeds one actor may also die at a store call; then recovery runs before the invariants are asked for.
"""

from collections import Counter

import pytest

from chalicelib import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.purchases.record import store
from infra import tables
from tests import builders, invariants
from tests.simulation.interleavings import explore, for_seeds
from tests.simulation.threads import without_condition

SEEDS = range(100)
OLD, ADA, BOB = "old", "ada", "bob"

pytestmark = pytest.mark.usefixtures("threaded_store")


class Shop:
    """One tier and one on the side, whose stock every scenario lays out anew over tables that are otherwise empty."""

    def __init__(self, api, time):
        self.api, self.time = api, time
        self.event_id, self.tier = builders.shop(api, capacity=101)  # three shards
        self.side = builders.tier(api, self.event_id, "Side", capacity=1)

    def lay_out(self, *available, side=1):
        """Nobody has anything; the shards of the tier have this much."""
        for feature in ("purchases", "buyers", "tickets", "wallets", "idempotency"):
            _empty(feature)
        amounts = (*available, *(0 for _ in range(3 - len(available))))
        items = [shard for n, amount in enumerate(amounts) for shard in _shard(f"{self.tier}#{n}", amount)]
        dynamo.batch_put(inventory.table_name(), [*items, *_shard(f"{self.side}#0", side)])
        self.warm()

    def warm(self):
        """Nobody has to load the catalog: one actor would wait for the other, who is not on turn."""
        self.api.get(f"/events/{self.event_id}")

    def lapse(self):
        self.time.advance(181)
        self.warm()

    def reserve(self, user=ADA, quantity=1, **headers):
        path, body = f"/events/{self.event_id}/reservations", {"tier_id": self.tier, "quantity": quantity}
        return self.api.post(path, json=body, user=user, headers=headers)

    def reserve_both(self, user, *tiers):
        items = [{"tier_id": tier, "quantity": 1} for tier in tiers]
        return self.api.post(f"/events/{self.event_id}/reservations", json={"items": items}, user=user)

    def reserved(self, user=ADA, quantity=1):
        reply = self.reserve(user, quantity)
        assert reply.status == 201, reply.json
        return reply.json["id"]

    def paying(self, user=ADA, quantity=1):
        reservation_id = self.reserved(user, quantity)
        assert builders.begin(self.api, user, reservation_id, key=reservation_id).status == 201
        return reservation_id

    def confirm(self, reservation_id, user=ADA):
        return builders.confirm(self.api, user, reservation_id)

    def release(self, reservation_id, user=ADA):
        return self.api.delete(f"/reservations/{reservation_id}", user=user)

    def late_sweep(self):
        """The clock passes the end of every hold, then the schedule runs. Whoever began before has read an earlier clock."""
        self.time.advance(181)
        return builders.sweep()

    def switch(self, way):
        return self.api.post(f"/admin/events/{self.event_id}/{way}", token=builders.admin_token())

    def check(self, run):
        invariants.check(self.time.now)
        if run.crashed:
            self.time.advance(400)
            builders.sweep()
            invariants.check(self.time.now, recovered=True)


@pytest.fixture
def shop(api, time):
    return Shop(api, time)


def _shard(shard_id, amount):
    (item,) = inventory.new_shard_items(shard_id.rpartition("#")[0], capacity=amount, sold=0, shards=1, is_open=True)
    return [{**item, "id": {"S": shard_id}}]


def _empty(feature):
    keys = [key["AttributeName"] for key in tables.definitions()[feature]["KeySchema"]]
    table = dynamo.table_name(feature)
    for page in dynamo.client().get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            dynamo.client().delete_item(TableName=table, Key={key: item[key] for key in keys})


def statuses(run):
    return Counter(reply.status for reply in run.results.values() if hasattr(reply, "status"))


def errors(run):
    return {reply.json.get("error") for reply in run.results.values() if reply.status >= 400}


def crashes(play):
    return play.seed % 2


def test_reserve_and_reserve_of_one_user(shop):
    def scenario(play):
        shop.lay_out(4)
        run = play({"phone": shop.reserve, "laptop": shop.reserve}, crashes=crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 1}
            assert errors(run) == {"active_reservation_exists"}
            assert sum(shard.held for shard in inventory.scan_shards()) == 1
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_reserve_and_reserve_of_one_user_whose_last_one_is_over(shop):
    def scenario(play):
        shop.lay_out(4)
        shop.reserved()
        shop.lapse()
        run = play({"phone": shop.reserve, "laptop": shop.reserve}, crashes=crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 1}
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_a_key_sent_twice(shop):
    def scenario(play):
        shop.lay_out(4)

        def send():
            return shop.reserve(**{"Idempotency-Key": "k"})

        run = play({"first": send, "again": send}, crashes=crashes(play))
        if not run.crashed:
            assert statuses(run)[201] == 1
            assert errors(run) <= {"request_in_flight"}
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_the_last_ticket(shop):
    def scenario(play):
        shop.lay_out(1)
        run = play({user: lambda user=user: shop.reserve(user) for user in (ADA, BOB, "eve")}, crashes=crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 2}
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_reserve_and_sweep_at_the_end_of_a_hold_that_has_it_all(shop):
    """Never a false "sold out": what is over goes back to whoever asks, whoever gives it back."""

    def scenario(play):
        shop.lay_out(2)
        shop.reserved(OLD, 2)
        shop.lapse()
        run = play({ADA: lambda: shop.reserve(ADA, 2), "sweep": builders.sweep}, crashes=crashes(play))
        if not run.crashed:
            assert run.results[ADA].status == 201, run.results[ADA].json
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_reserve_and_sweep_in_every_order_with_two_preemptions(shop):
    def scenario(play):
        shop.lay_out(2)
        shop.reserved(OLD, 2)
        shop.lapse()
        run = play({ADA: lambda: shop.reserve(ADA, 2), "sweep": builders.sweep})
        assert run.results[ADA].status == 201, run.results[ADA].json
        shop.check(run)

    assert len(explore(scenario, preemptions=2)) > 50


def test_confirm_and_sweep_at_the_end_of_the_hold(shop):
    ends = set()

    def scenario(play):
        shop.lay_out(4)
        paying = shop.paying(quantity=2)
        run = play({ADA: lambda: shop.confirm(paying), "sweep": shop.late_sweep}, crashes=crashes(play))
        state = store.load(paying).state
        if ADA not in run.crashed:
            assert (run.results[ADA].status, state) in {(201, "paid"), (409, "expired")}
            ends.add(state)
        shop.check(run)

    for_seeds(SEEDS, scenario)
    assert ends == {"paid", "expired"}


def test_confirm_and_release(shop):
    ends = set()

    def scenario(play):
        shop.lay_out(4)
        paying = shop.paying(quantity=2)
        run = play({"pay": lambda: shop.confirm(paying), "leave": lambda: shop.release(paying)}, crashes=crashes(play))
        if not run.crashed:
            assert (run.results["pay"].status, run.results["leave"].status) in {(201, 409), (409, 200)}
            ends.add(store.load(paying).state)
        shop.check(run)

    for_seeds(SEEDS, scenario)
    assert ends == {"paid", "cancelled"}


def test_confirm_and_confirm(shop):
    def scenario(play):
        shop.lay_out(4)
        paying = shop.paying(quantity=2)
        run = play({"client": lambda: shop.confirm(paying), "webhook": lambda: shop.confirm(paying)}, crashes=crashes(play))
        if not run.crashed:
            assert statuses(run) == {201: 1, 200: 1}
        assert len({tuple(one["code"] for one in reply.json["tickets"]) for reply in run.results.values()}) <= 1
        shop.check(run)

    for_seeds(SEEDS, scenario)


@pytest.mark.parametrize(
    ("available", "wanted", "winners"),
    [((1, 1, 1), (2, 2), 1), ((1, 1, 2), (2, 2), 2), ((1, 1, 1), (3, 3), 1), ((2, 2, 2), (3, 3), 2), ((1, 1, 1), (1, 2, 3), 1)],
)
def test_holds_that_span_shards_never_hear_a_false_sold_out(shop, available, wanted, winners):
    def scenario(play):
        shop.lay_out(*available)
        run = play({f"buyer-{n}": lambda n=n, q=q: shop.reserve(f"buyer-{n}", q) for n, q in enumerate(wanted)}, crashes=crashes(play))
        if not run.crashed:
            assert statuses(run)[201] >= winners, statuses(run)
            assert errors(run) <= {"not_enough_tickets"}
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_two_tiers_wanted_in_two_orders(shop):
    def scenario(play):
        shop.lay_out(1, side=1)
        run = play(
            {ADA: lambda: shop.reserve_both(ADA, shop.tier, shop.side), BOB: lambda: shop.reserve_both(BOB, shop.side, shop.tier)},
            crashes=crashes(play),
        )
        if not run.crashed:
            assert statuses(run) == {201: 1, 409: 1}
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_pause_and_reserve(shop):
    def scenario(play):
        shop.lay_out(4)
        run = play({ADA: shop.reserve, "admin": lambda: shop.switch("pause")}, crashes=crashes(play))
        if not run.crashed:
            assert run.results[ADA].status in (201, 403)
            assert not any(shard.open for shard in inventory.scan_shards())
            assert shop.reserve(BOB).status == 403
        shop.check(run)
        shop.switch("resume")
        assert all(shard.open for shard in inventory.scan_shards())

    for_seeds(SEEDS, scenario)


def test_pause_and_resume_end_as_the_flag_says(shop):
    def scenario(play):
        shop.lay_out(4)
        run = play({"pause": lambda: shop.switch("pause"), "resume": lambda: shop.switch("resume"), "sweep": builders.sweep})
        paused = shop.api.get(f"/admin/events/{shop.event_id}/status", token=builders.admin_token()).json["paused"]
        assert {shard.open for shard in inventory.scan_shards()} == {not paused}
        shop.check(run)
        shop.switch("resume")

    for_seeds(SEEDS, scenario)


def test_sweep_and_sweep(shop):
    def scenario(play):
        shop.lay_out(4, side=1)
        shop.reserved(ADA, 2)
        shop.paying(BOB, 2)
        shop.lapse()
        run = play({"one": builders.sweep, "two": builders.sweep}, crashes=crashes(play))
        if not run.crashed:
            assert sum(report["expired"] for report in run.results.values()) == 2
            assert sum(report["released"] for report in run.results.values()) == 2
        shop.check(run)

    for_seeds(SEEDS, scenario)


def test_a_seed_finds_what_a_missing_condition_lets_through(shop):
    def scenario(play):
        shop.lay_out(1)
        run = play({ADA: lambda: shop.reserve(ADA), BOB: lambda: shop.reserve(BOB)})
        shop.check(run)

    with without_condition("available >= :quantity"), pytest.raises(AssertionError, match="something is negative") as failed:
        for_seeds(SEEDS, scenario)
    assert "again: replay(scenario" in failed.value.__notes__[-1]


def test_confirm_release_and_sweep(shop):
    def scenario(play):
        shop.lay_out(4)
        paying = shop.paying(quantity=2)
        actors = {"pay": lambda: shop.confirm(paying), "leave": lambda: shop.release(paying), "sweep": shop.late_sweep}
        run = play(actors, crashes=play.seed % 3)
        shop.check(run)

    for_seeds(SEEDS, scenario)
