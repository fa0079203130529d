"""Races of the allocator with every process that changes its data: step by step in an order from a seed, and on threads.

With odd seeds one of them may also crash at a store call. Then recovery runs, and nothing may have been lost or doubled.
"""

from functools import partial

import pytest

from chalicelib.addons.waitlist import store
from chalicelib.foundation import settings
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import offers
from chalicelib.purchases import store as purchases
from tests import builders, invariants, seeds, shops
from tests.addons.waitlist import lines
from tests.simulation.interference import interfere_before
from tests.simulation.interleavings import Play, run_seeds
from tests.simulation.scheduler import Run
from tests.simulation.threads import run_in_threads

SEEDS, ROUNDS = 12, 4

pytestmark = pytest.mark.usefixtures("threaded_store")


class ThreadedPlay:
    """Plays actors as a `Play` does, but on real threads at once, in whatever order the machine chooses; nobody crashes."""

    def __init__(self, number):
        self.seed, self.run = 2 * number, Run(f"threads, round {number}")

    def __call__(self, actors, *, crashes=0):
        results = run_in_threads(len(actors), lambda work: work(), actors.values())
        self.run.results.update(zip(actors, results, strict=True))
        return self.run


def run_on_threads(scenario, **_):
    for number in range(seeds.count(ROUNDS)):
        scenario(ThreadedPlay(number))


@pytest.fixture(params=["seeds", "threads"])
def run_all(request):
    ways = {"seeds": partial(run_seeds, SEEDS), "threads": run_on_threads}
    with settings.override(request_seconds=100_000):  # an actor may move the clock by a day while another one's request runs
        yield ways[request.param]


class SoldOut:
    """The four tickets of a tier are sold to `b0` ... `b3`, and people wait: `w1` for one, `w2` for three, `w3` and `w4` for one."""

    def __init__(self, api, time, shop):
        self.api, self.time, self.shop, self.event_id, self.tier_id = api, time, shop, shop.event_id, shop.balcony
        self.orders = [str(builders.buy(api, f"b{number}", *self.tier).json["order"]["id"]) for number in range(4)]
        time.advance(5)  # figures are no older than that
        self.entries = {user: self.join(user, quantity) for user, quantity in (("w1", 1), ("w2", 3), ("w3", 1), ("w4", 1))}
        lines.run_allocator()
        shop.warm_up()

    @property
    def tier(self):
        return self.event_id, self.tier_id

    def join(self, user, quantity=1):
        reply = lines.join(self.api, user, self.event_id, quantity, tier_ids=[self.tier_id])
        assert reply.status == 201, reply.json
        return reply.json["id"]

    def give_back(self, *numbers):
        for number in numbers:
            lines.give_back(self.api, self.orders[number])

    def offer_ids(self):
        return {entry.user_id: entry.purchase_id for entry in store.list_offered(self.event_id)}

    def offered(self):
        return sorted(self.offer_ids())

    def states(self):
        return {entry.user_id: entry.state for entry in store.scan_entries()}

    def leave(self, user):
        return self.api.delete(f"/waitlist/{self.entries[user]}", user=user)

    def notify(self, user):
        return self.api.post(f"/waitlist/{self.entries[user]}/notify", token=builders.admin_token())

    def post(self, path):
        return self.api.post(path, token=builders.admin_token())

    def pass_by(self):
        return builders.reserve(self.api, "passer-by", *self.tier)

    def free(self):
        return sum(shard.available for shard in scan_shards() if shard.stock_id == self.tier_id)

    def check(self, *, is_open=True, is_recovered=True):
        """Every invariant holds, also after recovery; then no ticket is unused while a fitting party waits."""
        invariants.check(self.time.now)
        self.time.advance(max(offers.WRITE_SECONDS, store.LEASE_SECONDS))
        for _ in range(2):  # what the sweep returns is offered, and what the allocator lets go is for everybody
            builders.run_sweep()
            lines.run_allocator()
        invariants.check(self.time.now, recovered=is_recovered)
        if is_open:
            for place in store.list_places(self.event_id):
                assert place.entry.quantity > self.free(), f"{place.entry.user_id} waits while {self.free()} tickets lie"


@pytest.fixture
def play_sold_out(api, time, run_all):
    """Plays a scenario, a function of `play` and a new SoldOut, many times. `until` holds at the end, but not on threads."""

    def play_all(scenario, **until):
        def run(play: Play):
            with shops.isolated_shop(api) as shop:
                scenario(play, SoldOut(api, time, shop))

        run_all(run, **until)

    return play_all


def crashes(play):
    return play.seed % 2


def test_two_allocators(play_sold_out):
    def scenario(play, sold_out):
        sold_out.give_back(0, 1)
        run = play({"first": lines.run_allocator, "second": lines.run_allocator}, crashes=crashes(play))
        if not run.crashed:
            assert sum(report["offered"] for report in run.results.values()) == 2
        sold_out.check()
        assert sold_out.offered() == ["w1", "w3"]

    play_sold_out(scenario)


def test_a_leftover_ticket_on_public_sale(play_sold_out):
    """Only w2 waits, for three. While one ticket is on public sale, two come back, and somebody joins for one."""

    def scenario(play, sold_out):
        for user in ("w1", "w3", "w4"):
            sold_out.leave(user)
        sold_out.give_back(0)
        lines.run_allocator()
        actors = {
            "returns": lambda: sold_out.give_back(1, 2),
            "passer-by": lambda: sold_out.pass_by().status,
            "joiner": lambda: lines.join(sold_out.api, "w5", sold_out.event_id, tier_ids=[sold_out.tier_id]).status,
            "allocator": lines.run_allocator,
        }
        run = play(actors, crashes=crashes(play))
        sold_out.check(is_recovered="passer-by" not in run.crashed)
        if run.results.get("passer-by") == 409 and run.results.get("joiner") == 409 and not run.crashed:
            assert sold_out.offered() == ["w2"]

    play_sold_out(scenario)


def test_an_allocator_and_a_manager_offer_the_only_ticket_once(play_sold_out):
    outcomes = set()

    def scenario(play, sold_out):
        sold_out.give_back(0)
        run = play({"allocator": lines.run_allocator, "manager": lambda: sold_out.notify("w4")}, crashes=crashes(play))
        if not run.crashed:
            refused = run.results["manager"].json.get("error")
            outcomes.add(refused)
            assert sold_out.offered() == (["w1"] if refused else ["w4"])
        sold_out.check()
        assert sold_out.offered() in (["w1"], ["w4"])

    play_sold_out(scenario, until=lambda: None in outcomes)
    assert outcomes <= {None, "not_enough_tickets"}


def test_an_allocator_and_a_manager_who_offer_to_the_same_person(play_sold_out):
    def scenario(play, sold_out):
        sold_out.give_back(0, 1)
        run = play({"allocator": lines.run_allocator, "manager": lambda: sold_out.notify("w1")}, crashes=crashes(play))
        if not run.crashed:
            refused = run.results["manager"].json.get("error")  # the last: both tickets are held, and the first offer is not yet written
            assert refused in (None, "waitlist_entry_not_waiting", "not_enough_tickets")
        sold_out.check()
        assert sold_out.offered() == ["w1", "w3"]

    play_sold_out(scenario)


def test_an_allocator_while_the_first_leaves(play_sold_out):
    outcomes = set()

    def scenario(play, sold_out):
        sold_out.give_back(0)
        run = play({"allocator": lines.run_allocator, "w1": lambda: sold_out.leave("w1")}, crashes=crashes(play))
        if not run.crashed:
            outcomes.add(sold_out.states()["w1"])
        sold_out.check()
        if not run.crashed:
            assert run.results["w1"].status == 200
            assert sold_out.offered() == ["w3"]

    play_sold_out(scenario, until=lambda: "left" in outcomes)
    assert outcomes <= {"left", "declined"}


@pytest.mark.parametrize("end", ["accept", "decline", "expire"])
def test_two_allocators_and_the_end_of_an_offer(play_sold_out, end):
    """The allocators note how it has ended, and pass on what came back."""

    def scenario(play, sold_out):
        sold_out.give_back(0)
        lines.run_allocator()
        offer_id = sold_out.offer_ids()["w1"]
        builders.start_checkout(sold_out.api, "w1", offer_id, key=offer_id)
        if end == "expire":
            sold_out.time.advance(2 * 86_400)
            sold_out.shop.warm_up()
        ways = {
            "accept": lambda: builders.confirm(sold_out.api, "w1", offer_id),
            "decline": lambda: sold_out.leave("w1"),
            "expire": builders.run_sweep,
        }
        run = play({"allocator": lines.run_allocator, end: ways[end], "other": lines.run_allocator}, crashes=crashes(play))
        is_converted = "accept" not in run.crashed  # after a crash, only the sweep after the end of the hold converts it
        sold_out.check(is_recovered=is_converted)
        state = sold_out.states()["w1"]
        if not run.crashed:
            assert state == {"accept": "accepted", "decline": "declined", "expire": "expired"}[end]
        line = store.find_line(sold_out.event_id)
        assert line.accepted + line.declined + line.expired == (state != "offered")
        assert sold_out.offered() == {"offered": ["w1"], "accepted": []}.get(state, ["w3"])
        if not is_converted:
            sold_out.time.advance(2 * 86_400)
            sold_out.check()

    play_sold_out(scenario)


def test_accepting_an_offer_as_it_expires(play_sold_out):
    """It is paid, or goes to the next; the payment that comes too late is given back, or takes a ticket that is still there."""

    def scenario(play, sold_out):
        sold_out.give_back(0)
        lines.run_allocator()
        offer_id = sold_out.offer_ids()["w1"]
        builders.start_checkout(sold_out.api, "w1", offer_id, key=offer_id)
        sold_out.time.advance(86_400)
        sold_out.shop.warm_up()
        actors = {
            "w1": lambda: builders.confirm(sold_out.api, "w1", offer_id),
            "sweep": builders.run_sweep,
            "allocator": lines.run_allocator,
        }
        play(actors, crashes=crashes(play))
        sold_out.check()
        is_paid = purchases.load(offer_id).is_order
        assert sold_out.offered() == ([] if is_paid else ["w3"])
        assert sold_out.states()["w1"] == ("accepted" if is_paid else "expired")

    play_sold_out(scenario)


def test_an_allocator_a_refund_and_a_passer_by(play_sold_out):
    def scenario(play, sold_out):
        actors = {
            "refund": lambda: builders.refund(sold_out.api, sold_out.orders[0]),
            "passer-by": sold_out.pass_by,
            "allocator": lines.run_allocator,
        }
        run = play(actors, crashes=crashes(play))
        if not run.crashed:
            assert run.results["passer-by"].status == 409
        sold_out.check()
        if not run.crashed:
            assert sold_out.offered() == ["w1"]

    play_sold_out(scenario)


def test_an_allocator_and_a_pause(play_sold_out):
    outcomes = set()

    def scenario(play, sold_out):
        sold_out.give_back(0, 1)
        path = f"/admin/events/{sold_out.event_id}"
        play({"allocator": lines.run_allocator, "pause": lambda: sold_out.post(f"{path}/pause")}, crashes=crashes(play))
        outcomes.add(len(sold_out.offered()))
        sold_out.check(is_open=False)
        sold_out.post(f"{path}/pause")  # also if the admin has crashed
        while_paused = sold_out.offered()
        sold_out.give_back(2)
        lines.run_allocator()
        assert sold_out.offered() == while_paused
        sold_out.post(f"{path}/resume")
        assert sold_out.pass_by().status == 409
        sold_out.check()
        assert sold_out.offered() == ["w1", "w3", "w4"]

    play_sold_out(scenario)
    assert outcomes <= {0, 1, 2}


def test_an_allocator_and_the_cancellation_of_the_event(play_sold_out):
    def scenario(play, sold_out):
        sold_out.give_back(0, 1)
        actors = {"allocator": lines.run_allocator, "cancel": lambda: sold_out.post(f"/events/{sold_out.event_id}/cancel")}
        play(actors, crashes=crashes(play))
        sold_out.post(f"/events/{sold_out.event_id}/cancel")
        sold_out.time.advance(90_000)
        for _ in range(2):
            builders.run_sweep()
            lines.run_allocator()
        sold_out.check(is_open=False)
        assert sold_out.offered() == []
        assert not [purchase for purchase in purchases.scan_purchases() if purchase.is_order or purchase.is_active(sold_out.time.now)]
        assert {shard.held for shard in scan_shards()} == {0}

    play_sold_out(scenario)


def test_an_allocator_while_the_last_leaves_and_the_next_joins(play_sold_out):
    """Whether the mark was removed or not, the next run of the allocator finds who waits."""

    def scenario(play, sold_out):
        for user in ("w2", "w3", "w4"):
            sold_out.leave(user)
        actors = {
            "w1": lambda: sold_out.leave("w1"),
            "next": lambda: lines.join(sold_out.api, "next", sold_out.event_id, tier_ids=[sold_out.tier_id]),
            "allocator": lines.run_allocator,
        }
        run = play(actors, crashes=crashes(play))
        sold_out.check()
        assert run.crashed or run.results["next"].status == 201
        first = "w1" if sold_out.states()["w1"] == "waiting" else "next"
        if "next" in sold_out.states():
            sold_out.give_back(0)
            assert sold_out.pass_by().status == 409
            lines.run_allocator()
            assert sold_out.offered() == [first]

    play_sold_out(scenario)


@pytest.mark.parametrize("number", range(1, 16))
def test_joining_and_leaving_on_two_devices_leaves_no_mark(api, time, number):
    """Otherwise returned tickets would be kept for an empty line, and passers-by would be refused."""
    with shops.isolated_shop(api) as shop:
        order_id = builders.create_order(api, (shop.event_id, shop.balcony), 4)
        time.advance(5)

        def leave():
            for entry in lines.own(api, "w1"):
                api.delete(f"/waitlist/{entry['id']}", user="w1")
            lines.run_allocator()

        with interfere_before(number, leave) as happened:
            lines.join(api, "w1", shop.event_id, tier_ids=[shop.balcony])
        leave()
        lines.run_allocator()
        builders.refund(api, order_id)
        assert happened or number > 8
        assert builders.reserve(api, "passer-by", shop.event_id, shop.balcony).status == 201
        invariants.check(time.now)


def test_one_person_who_joins_twice_at_once(play_sold_out):
    def scenario(play, sold_out):
        join = lambda: lines.join(sold_out.api, "new", sold_out.event_id, tier_ids=[sold_out.tier_id])  # noqa: E731
        run = play({"phone": join, "laptop": join, "allocator": lines.run_allocator}, crashes=crashes(play))
        if not run.crashed:
            assert sorted(run.results[name].status for name in ("phone", "laptop")) == [200, 201]
            assert run.results["phone"].json["id"] == run.results["laptop"].json["id"]
        sold_out.check()
        assert [place.entry.user_id for place in store.list_places(sold_out.event_id)].count("new") <= 1

    play_sold_out(scenario)
