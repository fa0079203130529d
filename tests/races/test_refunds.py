"""Refunds, disputes and buyers at one order and its seats: step by step in orders that a seed decides, and on real threads."""

import threading
from collections import Counter
from contextlib import contextmanager
from itertools import combinations

import pytest

from chalicelib import dynamo
from chalicelib.inventory import service as inventory
from chalicelib.purchases.record import store
from tests import builders, invariants
from tests.faults import worlds
from tests.purchases import stripe_shop
from tests.simulation import faults
from tests.simulation.interleavings import for_seeds
from tests.simulation.threads import at_once

THREADS = 16
SEEDS, SEEDS_AT_STRIPE = range(60), range(24)

pytestmark = pytest.mark.usefixtures("threaded_store")


def ids(order_id, *numbers):
    return [f"{order_id}-{number}" for number in numbers]


def refund(api, order_id, *numbers, key=""):
    """Of these tickets, or of all that are left."""
    return builders.refund(api, order_id, key=key or str(numbers), **({"tickets": ids(order_id, *numbers)} if numbers else {}))


def outcome(reply):
    return reply.status, reply.json.get("error")


def taken_back(order_id):
    return Counter(number for one in store.load(order_id).refunds for number in one.tickets)


def stock(tier_id):
    return [(shard.sold, shard.held, shard.available) for shard in inventory.scan_shards() if shard.id.startswith(tier_id)]


def unconverted(api, world, quantity):
    """An order whose confirmation died before it told the shards, and whose holds are over."""
    order_id = builders.reserve(api, "ada", world.event_id, world.floor, quantity).json["id"]
    builders.begin(api, "ada", order_id)
    with faults.crash_before(1, table="inventory"):
        builders.confirm(api, "ada", order_id)
    return order_id


def settled(time, run):
    invariants.check(time.now)
    time.advance(400)
    builders.sweep()
    invariants.check(time.now, recovered=True)


def test_two_refunds_that_overlap_and_a_sweep_that_converts(api, time):
    ends = set()

    def scenario(play):
        with worlds.fresh(api) as world:
            order_id = unconverted(api, world, 3)
            time.advance(181)
            api.get(f"/events/{world.event_id}")
            actors = {"one": lambda: refund(api, order_id, 1, 2), "two": lambda: refund(api, order_id, 2, 3), "sweep": builders.sweep}
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                assert {outcome(run.results[name]) for name in ("one", "two")} == {(201, None), (400, "refund_invalid")}
                assert stock(world.floor) == [(1, 0, 9)]
            assert set(taken_back(order_id).values()) <= {1}
            ends.add(tuple(sorted(taken_back(order_id))))
            settled(time, run)

    for_seeds(SEEDS, scenario)
    assert ends >= {(1, 2), (2, 3)}


def test_a_refund_that_keeps_its_seats_and_a_sweep_that_converts(api, time):
    def scenario(play):
        with worlds.fresh(api) as world:
            order_id = unconverted(api, world, 2)
            time.advance(181)
            api.get(f"/events/{world.event_id}")
            run = play(
                {"refund": lambda: builders.refund(api, order_id, return_seats=False), "sweep": builders.sweep}, crashes=play.seed % 2
            )
            settled(time, run)
            assert stock(world.floor) == [(2, 0, 8)]

    for_seeds(SEEDS, scenario)


def test_a_refund_and_a_buyer_who_waits_for_the_seat(api, time):
    ends = set()

    def scenario(play):
        with worlds.fresh(api) as world:
            order_id = builders.buy(api, "ada", world.event_id, world.balcony, 4).json["order"]["id"]
            actors = {
                "refund": lambda: refund(api, order_id, 1, 4),
                "bob": lambda: builders.reserve(api, "bob", world.event_id, world.balcony, 2),
                "eve": lambda: builders.reserve(api, "eve", world.event_id, world.balcony, 2),
            }
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                got = sorted(run.results[name].status for name in ("bob", "eve"))
                assert got in ([201, 409], [409, 409])
                ends.add(tuple(got))
            settled(time, run)

    for_seeds(SEEDS, scenario)
    assert ends == {(201, 409), (409, 409)}


@contextmanager
def shop_of(api, time):
    with worlds.fresh(api), stripe_shop.opened(api, time) as shop:
        yield shop


def told(shop, kinds, count=1):
    """The latest events of a kind as deliveries that are posted by hand."""
    return [shop.fake.signed_delivery(event["id"]) for event in shop.fake.events(kinds)[-count:]]


@pytest.mark.parametrize("verdict", [None, True, False])
def test_a_refund_and_the_webhooks_of_a_dispute(api, time, verdict):
    """Whoever is first: the refund is refused, or taken on and kept back by Stripe, which knew of the dispute before we did."""
    ends = set()

    def scenario(play):
        with shop_of(api, time) as shop:
            order_id = shop.buy()
            made = shop.fake.create_dispute(shop.charge(order_id).id)
            opened, withdrawn = told(shop, "charge.dispute.*", 2)
            if verdict is not None:
                shop.fake.close_dispute(made["id"], won=verdict)
            actors = {
                "refund": lambda: refund(api, order_id, 1),
                "opened": lambda: shop.webhook(*opened),
                "withdrawn": lambda: shop.webhook(*withdrawn),
            }
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                assert {run.results[name].status for name in ("opened", "withdrawn")} == {200}
                ends.add(run.results["refund"].status)
            shop.fake.deliver()
            stripe_shop.books_balance(shop)
            for seconds in (301, 3600, 86_400):
                time.advance(seconds)
                builders.sweep()
                shop.fake.deliver()
            stripe_shop.books_balance(shop, recovered=True)
            assert len(shop.refunds()) == (verdict is True and bool(store.load(order_id).refunds))

    for_seeds(SEEDS_AT_STRIPE, scenario)
    assert ends == {None: {201, 409}, True: {201}, False: {201, 409}}[verdict]


def test_a_refund_that_is_due_made_by_a_sweep_a_person_and_a_webhook(api, time):
    """The first try's answer was lost: three find it at once, or make it again under the same key."""

    def scenario(play):
        with shop_of(api, time) as shop:
            order_id = shop.buy()
            shop.fake.fail_next_request("POST", "/v1/refunds", status=500, execute=bool(play.seed % 3), should_retry=False)
            due = refund(api, order_id).json["refund"]
            assert due["status"] == "due"
            time.advance(60)
            api.get(f"/events/{shop.event_id}")
            path = f"/admin/orders/{order_id}/refunds/{due['id']}/retry"
            actors = {
                "sweep": builders.sweep,
                "person": lambda: api.post(path, token=builders.admin_token()),
            }
            if play.seed % 3:
                [hook] = told(shop, "refund.created")
                actors["webhook"] = lambda: shop.webhook(*hook)
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                assert run.results["person"].status in (200, 409)
            time.advance(60)
            builders.sweep()
            assert shop.refunds() == [(10_000, "succeeded")]
            stripe_shop.books_balance(shop, recovered=True)

    for_seeds(SEEDS_AT_STRIPE, scenario)


@contextmanager
def all_reading_before_any_writes(monkeypatch):
    """Each thread has read the order, as it is when it is asked for a refund, before one of them changes it."""
    barrier, load, reads = threading.Barrier(THREADS), store.load, threading.local()

    def met(purchase_id):
        found = load(purchase_id)
        reads.count = getattr(reads, "count", 0) + 1
        if reads.count == 2:  # the first one asks who answers for it
            barrier.wait(timeout=20)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(store, "load", met)
        yield


def bought(api):
    event_id, tier_id = builders.shop(api)
    return tier_id, builders.buy(api, "ada", event_id, tier_id, 4).json["order"]["id"]


PAIRS = list(combinations((1, 2, 3, 4), 2))


@pytest.mark.parametrize("wanted", [(PAIRS * 3)[:THREADS], [()] * THREADS, [*PAIRS, (), (1,), (2,), (3,), (4,), *PAIRS[:5]]])
def test_sixteen_who_refund_overlapping_tickets_give_each_back_once(api, time, monkeypatch, wanted):
    tier_id, order_id = bought(api)
    with all_reading_before_any_writes(monkeypatch):
        replies = at_once(THREADS, lambda given: refund(api, order_id, *given[1], key=str(given[0])), list(enumerate(wanted)))
    assert {outcome(reply) for reply in replies} <= {
        (201, None),
        (400, "refund_invalid"),
        (409, "not_refundable"),
        (503, "store_unavailable"),
    }
    given = Counter(one for reply in replies if reply.status == 201 for one in reply.json["refund"]["tickets"])
    assert given == Counter(ids(order_id, *sorted(taken_back(order_id))))
    assert sum(given.values()) in (2, 3, 4)
    assert stock(tier_id) == [(4 - len(given), 0, 6 + len(given))]
    invariants.check(time.now, recovered=True)


def test_without_the_version_the_same_ticket_goes_back_twice(api, time, monkeypatch):
    """The twin: what stands between two refunds of one ticket is the version that was read."""
    conditional = dynamo.update

    def blind(row, actions, condition=None):
        return conditional(row, actions, None if isinstance(row, store.PurchaseRow) else condition)

    monkeypatch.setattr(dynamo, "update", blind)
    _, order_id = bought(api)
    with all_reading_before_any_writes(monkeypatch):
        replies = at_once(THREADS, lambda number: refund(api, order_id, 1, key=str(number)), range(THREADS))
    assert sum(reply.status == 201 for reply in replies) > 1
    with pytest.raises(AssertionError, match="sold and 0 to convert"):
        invariants.check(time.now)


def test_one_key_on_sixteen_threads_is_one_refund(api, time):
    _, order_id = bought(api)
    replies = at_once(THREADS, lambda _: refund(api, order_id, 1), range(32))
    kinds = Counter(outcome(reply) for reply in replies)
    assert kinds[(201, None)] == 1
    assert set(kinds) <= {(201, None), (200, None), (409, "request_in_flight")}
    assert taken_back(order_id) == {1: 1}
    invariants.check(time.now)
