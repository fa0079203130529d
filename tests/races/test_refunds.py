"""Races of refunds, disputes and buyers for one order and its seats: step by step in an order that a seed decides, and on threads."""

import threading
from collections import Counter
from contextlib import contextmanager
from itertools import combinations

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.inventory.store import scan_shards
from chalicelib.purchases import store
from tests import builders, invariants, shops
from tests.simulation import faults
from tests.simulation.interleavings import run_seeds
from tests.simulation.threads import run_in_threads
from tests.stripe_shop import open_shop

THREADS = 16
SEEDS, SEEDS_AT_STRIPE = 30, 16

pytestmark = pytest.mark.usefixtures("threaded_store")


def refund(api, order_id, *numbers, key=""):
    """Refund these tickets, or all that are left."""
    return builders.refund(
        api, order_id, key=key or str(numbers), **({"tickets": builders.ticket_ids(order_id, *numbers)} if numbers else {})
    )


def outcome(reply):
    return reply.status, reply.json.get("error")


def refunded_tickets(order_id):
    return Counter(number for refund in store.load(order_id).refunds for number in refund.tickets)


def stock(tier_id):
    return [(shard.sold, shard.held, shard.available) for shard in scan_shards() if shard.id.startswith(tier_id)]


def buy_without_conversion(api, shop, quantity):
    """Create an order whose confirmation crashed before its holds were converted. Returns its id."""
    order_id = builders.reserve(api, "ada", shop.event_id, shop.floor, quantity).json["id"]
    builders.start_checkout(api, "ada", order_id)
    with faults.crash_before(1, table="inventory"):
        builders.confirm(api, "ada", order_id)
    return order_id


def test_two_overlapping_refunds_and_a_sweep_that_converts(api, time):
    outcomes = set()

    def scenario(play):
        with shops.isolated_shop(api) as shop:
            order_id = buy_without_conversion(api, shop, 3)
            time.advance(181)
            shop.warm_up()
            actors = {
                "first": lambda: refund(api, order_id, 1, 2),
                "second": lambda: refund(api, order_id, 2, 3),
                "sweep": builders.run_sweep,
            }
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                assert {outcome(run.results[name]) for name in ("first", "second")} == {(201, None), (400, "refund_invalid")}
                assert stock(shop.floor) == [(1, 0, 9)]
            assert set(refunded_tickets(order_id).values()) <= {1}
            outcomes.add(tuple(sorted(refunded_tickets(order_id))))
            invariants.check_recovery(time)

    run_seeds(SEEDS, scenario, until=lambda: outcomes >= {(1, 2), (2, 3)})


def test_a_refund_that_returns_no_seats_and_a_sweep_that_converts(api, time):
    def scenario(play):
        with shops.isolated_shop(api) as shop:
            order_id = buy_without_conversion(api, shop, 2)
            time.advance(181)
            shop.warm_up()
            play({"refund": lambda: builders.refund(api, order_id, return_seats=False), "sweep": builders.run_sweep}, crashes=play.seed % 2)
            invariants.check_recovery(time)
            assert stock(shop.floor) == [(2, 0, 8)]

    run_seeds(SEEDS, scenario)


def test_a_refund_and_two_buyers_who_want_its_seats(api, time):
    outcomes = set()

    def scenario(play):
        with shops.isolated_shop(api) as shop:
            order_id = builders.buy(api, "ada", shop.event_id, shop.balcony, 4).json["order"]["id"]
            actors = {
                "refund": lambda: refund(api, order_id, 1, 4),
                "bob": lambda: builders.reserve(api, "bob", shop.event_id, shop.balcony, 2),
                "eve": lambda: builders.reserve(api, "eve", shop.event_id, shop.balcony, 2),
            }
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                got = sorted(run.results[name].status for name in ("bob", "eve"))
                assert got in ([201, 409], [409, 409])
                outcomes.add(tuple(got))
            invariants.check_recovery(time)

    run_seeds(SEEDS, scenario, until=lambda: outcomes == {(201, 409), (409, 409)})


@contextmanager
def isolated_stripe_shop(api, time):
    with shops.isolated_shop(api), open_shop(api, time) as shop:
        yield shop


def signed_events(shop, kinds, count=1):
    """The latest events of these kinds, each as the (body, headers) of a webhook."""
    return [shop.fake.signed_delivery(event["id"]) for event in shop.fake.events(kinds)[-count:]]


@pytest.mark.parametrize("won", [None, True, False])
def test_a_refund_and_the_webhooks_of_a_dispute(api, time, won):
    """The refund is refused, or accepted and then refused by Stripe, which knew of the dispute before we did."""
    outcomes = set()

    def scenario(play):
        with isolated_stripe_shop(api, time) as shop:
            order_id = shop.buy()
            dispute = shop.fake.create_dispute(shop.fetch_charge(order_id).id)
            opened, withdrawn = signed_events(shop, "charge.dispute.*", 2)
            if won is not None:
                shop.fake.close_dispute(dispute["id"], won=won)
            actors = {
                "refund": lambda: refund(api, order_id, 1),
                "opened": lambda: shop.post_webhook(*opened),
                "withdrawn": lambda: shop.post_webhook(*withdrawn),
            }
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                assert {run.results[name].status for name in ("opened", "withdrawn")} == {200}
                outcomes.add(run.results["refund"].status)
            shop.fake.deliver()
            shop.assert_books_balance()
            for seconds in (301, 3600, 86_400):
                time.advance(seconds)
                builders.run_sweep()
                shop.fake.deliver()
            shop.assert_books_balance(recovered=True)
            assert len(shop.list_refunds()) == (won is True and bool(store.load(order_id).refunds))

    expected = {None: {201, 409}, True: {201}, False: {201, 409}}[won]
    run_seeds(SEEDS_AT_STRIPE, scenario, until=lambda: outcomes >= expected)
    assert outcomes == expected


def test_a_refund_that_is_due_and_a_sweep_an_admin_and_a_webhook(api, time):
    """The answer to the first try was lost: all three find the refund, or create it again under the same key."""

    def scenario(play):
        with isolated_stripe_shop(api, time) as shop:
            order_id = shop.buy()
            shop.fake.fail_next_request("POST", "/v1/refunds", status=500, execute=bool(play.seed % 3), should_retry=False)
            due = refund(api, order_id).json["refund"]
            assert due["status"] == "due"
            time.advance(60)
            api.get(f"/events/{shop.event_id}")
            path = f"/admin/orders/{order_id}/refunds/{due['id']}/retry"
            actors = {
                "sweep": builders.run_sweep,
                "admin": lambda: api.post(path, token=builders.admin_token()),
            }
            if play.seed % 3:
                [webhook] = signed_events(shop, "refund.created")
                actors["webhook"] = lambda: shop.post_webhook(*webhook)
            run = play(actors, crashes=play.seed % 2)
            if not run.crashed:
                assert run.results["admin"].status in (200, 409)
            time.advance(60)
            builders.run_sweep()
            assert shop.list_refunds() == [(10_000, "succeeded")]
            shop.assert_books_balance(recovered=True)

    run_seeds(SEEDS_AT_STRIPE, scenario)


@contextmanager
def read_before_any_write(monkeypatch):
    """Every thread reads the order for its refund before any of them changes it."""
    barrier, load, reads = threading.Barrier(THREADS), store.load, threading.local()

    def load_and_wait(purchase_id):
        purchase = load(purchase_id)
        reads.count = getattr(reads, "count", 0) + 1
        if reads.count == 1:  # later ones follow a conflict
            barrier.wait(timeout=60)
        return purchase

    with monkeypatch.context() as patch:
        patch.setattr(store, "load", load_and_wait)
        yield


def create_order(api):
    """An order of four tickets: the ids of its tier and of the order."""
    shop = builders.create_shop(api)
    return shop[1], builders.create_order(api, shop, 4)


PAIRS = list(combinations((1, 2, 3, 4), 2))


@pytest.mark.parametrize("numbers", [(PAIRS * 3)[:THREADS], [()] * THREADS, [*PAIRS, (), (1,), (2,), (3,), (4,), *PAIRS[:5]]])
def test_sixteen_overlapping_refunds_at_once_refund_each_ticket_once(api, time, monkeypatch, numbers):
    tier_id, order_id = create_order(api)
    with read_before_any_write(monkeypatch):
        replies = run_in_threads(THREADS, lambda request: refund(api, order_id, *request[1], key=str(request[0])), list(enumerate(numbers)))
    assert {outcome(reply) for reply in replies} <= {
        (201, None),
        (400, "refund_invalid"),
        (409, "not_refundable"),
        (503, "store_unavailable"),
    }
    refunded = Counter(ticket_id for reply in replies if reply.status == 201 for ticket_id in reply.json["refund"]["tickets"])
    assert refunded == Counter(builders.ticket_ids(order_id, *sorted(refunded_tickets(order_id))))
    assert sum(refunded.values()) in (2, 3, 4)
    assert stock(tier_id) == [(4 - len(refunded), 0, 6 + len(refunded))]
    invariants.check(time.now, recovered=True)


def test_without_the_version_the_same_ticket_is_refunded_twice(api, time, monkeypatch):
    """The counter-test: only the version that was read prevents a second refund of the same ticket."""
    conditional = dynamo.update

    def update_blindly(row, actions, condition=None):
        return conditional(row, actions, None if isinstance(row, store.PurchaseRow) else condition)

    monkeypatch.setattr(dynamo, "update", update_blindly)
    _, order_id = create_order(api)
    with read_before_any_write(monkeypatch):
        replies = run_in_threads(THREADS, lambda number: refund(api, order_id, 1, key=str(number)), range(THREADS))
    assert sum(reply.status == 201 for reply in replies) > 1
    with pytest.raises(AssertionError, match="sold and 0 to convert"):
        invariants.check(time.now)


def test_one_key_on_sixteen_threads_is_one_refund(api, time):
    _, order_id = create_order(api)
    replies = run_in_threads(THREADS, lambda _: refund(api, order_id, 1), range(32))
    counts = Counter(outcome(reply) for reply in replies)
    assert counts[(201, None)] == 1
    assert set(counts) <= {(201, None), (200, None), (409, "request_in_flight")}
    assert refunded_tickets(order_id) == {1: 1}
    invariants.check(time.now)
