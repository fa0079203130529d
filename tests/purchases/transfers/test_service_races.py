"""An acceptance and what else may happen to its ticket at the same moment, in every order of their store calls with two preemptions."""

import itertools

import pytest

from chalicelib.tickets import qr, store
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.purchases.transfers.conftest import Sender
from tests.simulation import faults
from tests.simulation.interleavings import explore

pytestmark = pytest.mark.usefixtures("threaded_store")


class Giver(Sender):
    """Somebody with a new ticket, and a link for it, in each schedule."""

    numbers = itertools.count()

    def __init__(self, api, time):
        super().__init__(api, time)
        self.tier_id = builders.create_tier(api, self.event_id, "Many", capacity=1000, price_cents=0)
        self.user = "ada"

    def sell(self):
        self.user = f"giver-{next(self.numbers)}"
        self.order_id = builders.create_order(self.api, (self.event_id, self.tier_id), 1, user=self.user)
        self.tickets = [tickets.get_ticket(f"{self.order_id}-1")]
        return self.offer(self.user).json["token"]

    def scan_old_code(self):
        return self.scan(qr.text(self.tickets[0]))


@pytest.fixture
def giver(api, time):
    return Giver(api, time)


def two_receivers(giver):
    def scenario(play):
        token = giver.sell()
        run = play({user: lambda user=user: giver.accept(token, user) for user in ("bob", "eve")})
        assert sorted(reply.status for reply in run.results.values()) == [201, 404]
        invariants.check(giver.time.now)

    return scenario


def test_one_of_two_acceptances_gets_the_ticket(giver):
    explore(two_receivers(giver))


def test_without_the_condition_both_would_get_it(giver, monkeypatch):
    monkeypatch.setattr(store, "_still_transferable", lambda ticket: store.TicketRow.id.exists())
    with pytest.raises(AssertionError):
        explore(two_receivers(giver))


def test_a_scan_beside_an_acceptance_admits_one_of_the_two_owners(giver):
    def scenario(play):
        token = giver.sell()
        run = play({"scan": giver.scan_old_code, "accept": lambda: giver.accept(token)})
        outcomes = {name: (reply.status, reply.json.get("error")) for name, reply in run.results.items()}
        assert outcomes in (
            {"scan": (200, None), "accept": (409, "ticket_used")},
            {"scan": (410, "code_replaced"), "accept": (201, None)},
        )

    explore(scenario)
    invariants.check(giver.time.now)


def test_a_refund_beside_an_acceptance_leaves_a_void_ticket(giver):
    def scenario(play):
        token = giver.sell()
        run = play(
            {"refund": lambda: builders.refund(giver.api, giver.order_id, key=giver.order_id), "accept": lambda: giver.accept(token)}
        )
        assert run.results["refund"].status == 201
        assert run.results["accept"].status in (201, 410)
        assert giver.ticket.state == "void"
        assert giver.refusal(giver.ticket.code) == (410, "ticket_refunded")

    explore(scenario)
    invariants.check(giver.time.now)


def test_a_cancelled_offer_gives_nothing_away(giver):
    def scenario(play):
        token = giver.sell()
        run = play({"cancel": lambda: giver.cancel(giver.user), "accept": lambda: giver.accept(token)})
        outcome = (run.results["cancel"].status, run.results["accept"].status, giver.ticket.owner_id)
        assert outcome in ((200, 404, giver.user), (404, 201, "bob"))

    explore(scenario)
    invariants.check(giver.time.now)


@pytest.mark.parametrize("kind", faults.KINDS)
def test_any_fault_at_any_call_leaves_one_owner_and_one_code(giver, kind):
    giver.accept(giver.sell(), "bob")  # fills all caches
    with faults.record_calls() as calls:
        giver.accept(giver.sell(), "bob")
    number_of_accept_calls = 2
    assert len(calls) > number_of_accept_calls
    for number in range(1, number_of_accept_calls + 1):
        token = giver.sell()
        with faults.KINDS[kind](number):
            giver.accept(token, "bob")
        invariants.check(giver.time.now)
        accepted = giver.accept(token, "bob")
        assert accepted.status in (200, 201), accepted.json
        assert giver.scan_old_code().json["error"] == "code_replaced"
        assert giver.scan(accepted.json["code"]).status == 200
