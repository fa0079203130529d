"""A sale of a ticket for resale and what else happens at the same moment, in every order of the store calls with two preemptions."""

import itertools

import pytest

from chalicelib.purchases import resale, store
from chalicelib.tickets import store as tickets_store
from chalicelib.tickets.store import scan_listings
from tests import builders, invariants
from tests.purchases.test_resale import Market
from tests.simulation.interleavings import explore

pytestmark = pytest.mark.usefixtures("threaded_store")


class Fair(Market):
    """New sellers and buyers in each schedule, who find the resale stock empty."""

    numbers = itertools.count(1)

    def __init__(self, api, time):
        super().__init__(api, time, capacity=5000)

    def prepare(self, quantity=1, buyers=1):
        """Offer tickets of one seller, and open a checkout of each buyer. Returns the seller's order and the checkouts."""
        number = next(self.numbers)
        self.seller = f"seller-{number}"
        self.buyers = [f"buyer-{number}-{place}" for place in range(buyers)]
        order_id = self.offered_by(self.seller, quantity)
        return order_id, [self.open_checkout(buyer) for buyer in self.buyers]

    def pay(self, place, checkout_id):
        return builders.confirm(self.api, self.buyers[place], checkout_id)

    def finish(self, order_id):
        """Take what is left out of the stock, so that the next schedule begins with an empty one."""
        builders.run_sweep()
        resale.withdraw_tickets(store.load(order_id), None, self.time.now)
        assert list(scan_listings()) == []


@pytest.fixture
def fair(api, time):
    fair = Fair(api, time)
    yield fair
    invariants.check_recovery(time)


@pytest.mark.slow
def test_two_buyers_get_two_tickets_of_one_order(fair):
    def scenario(play):
        order_id, checkouts = fair.prepare(2, buyers=2)
        run = play({place: lambda place=place: fair.pay(place, checkouts[place]) for place in range(2)})
        assert sorted(reply.status for reply in run.results.values()) == [201, 201]
        assert fair.states(order_id) == ["void", "void"]
        fair.finish(order_id)

    explore(scenario)


def test_a_ticket_is_used_or_sold(fair):
    def scenario(play):
        order_id, [checkout_id] = fair.prepare()
        run = play({"scan": lambda: fair.admit(f"{order_id}-1"), "pay": lambda: fair.pay(0, checkout_id)})
        assert {name: reply.status for name, reply in run.results.items()} in ({"scan": 200, "pay": 409}, {"scan": 410, "pay": 201})
        fair.finish(order_id)

    explore(scenario)


@pytest.mark.slow
def test_a_ticket_is_refunded_or_sold(fair):
    def scenario(play):
        order_id, [checkout_id] = fair.prepare()
        run = play({"refund": lambda: builders.refund(fair.api, order_id, key=order_id), "pay": lambda: fair.pay(0, checkout_id)})
        assert {name: reply.status for name, reply in run.results.items()} in ({"refund": 201, "pay": 409}, {"refund": 409, "pay": 201})
        assert len(store.load(order_id).refunds) == 1
        fair.finish(order_id)

    explore(scenario)


def test_a_withdrawal_beside_a_reservation_leaves_one_of_them(fair):
    def scenario(play):
        order_id, _ = fair.prepare(buyers=0)
        run = play({"withdraw": lambda: fair.withdraw(order_id, fair.seller), "reserve": lambda: fair.reserve(f"of-{order_id}")})
        assert {name: reply.status for name, reply in run.results.items()} in (
            {"withdraw": 200, "reserve": 409},
            {"withdraw": 409, "reserve": 201},
        )
        if (reserved := run.results["reserve"]).status == 201:
            assert fair.api.delete(f"/reservations/{reserved.json['id']}", user=f"of-{order_id}").status == 200
        fair.finish(order_id)

    explore(scenario)


@pytest.mark.slow
def test_an_offer_beside_a_scan_a_refund_or_itself(fair):
    def scenario(play, other):
        fair.seller = f"seller-{next(fair.numbers)}"
        order_id = fair.buy(1, fair.seller)
        others = {
            "scan": lambda: fair.admit(f"{order_id}-1"),
            "refund": lambda: builders.refund(fair.api, order_id, key=order_id),
            "offer": lambda: fair.offer(order_id, fair.seller),
        }
        run = play({"offered": lambda: fair.offer(order_id, fair.seller), "other": others[other]})
        assert run.results["offered"].status in (200, 409)
        fair.finish(order_id)

    for other in ("scan", "refund", "offer"):
        explore(lambda play, other=other: scenario(play, other))


@pytest.mark.slow
def test_the_sweep_beside_a_payment_after_a_scan(fair):
    def scenario(play):
        order_id, [checkout_id] = fair.prepare(2)
        fair.admit(f"{order_id}-1")
        run = play({"sweep": builders.run_sweep, "pay": lambda: fair.pay(0, checkout_id)})
        assert run.results["pay"].status == 201
        fair.finish(order_id)

    explore(scenario)


def test_without_the_condition_on_the_ticket_somebody_comes_in_with_a_sold_ticket(api, time, monkeypatch):
    fair = Fair(api, time)
    monkeypatch.setattr(tickets_store, "_UNUSED", tickets_store.TicketRow.id.exists())

    def scenario(play):
        order_id, [checkout_id] = fair.prepare()
        run = play({"scan": lambda: fair.admit(f"{order_id}-1"), "pay": lambda: fair.pay(0, checkout_id)})
        assert {name: reply.status for name, reply in run.results.items()} in ({"scan": 200, "pay": 409}, {"scan": 410, "pay": 201})

    with pytest.raises(AssertionError):
        explore(scenario)
