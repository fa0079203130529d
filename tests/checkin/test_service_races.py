"""A scan and what else may happen to its ticket at the same moment, in every order of their store calls with two preemptions."""

import itertools

import pytest

from chalicelib.tickets import service as tickets
from chalicelib.tickets import store
from tests import builders, invariants
from tests.checkin.conftest import Door
from tests.simulation.interleavings import explore

pytestmark = pytest.mark.usefixtures("threaded_store")


class Entrance(Door):
    """A door with a new ticket for each schedule."""

    buyers = itertools.count()

    def __init__(self, api, time):
        super().__init__(api, time)
        self.tier_id = builders.create_tier(api, self.event_id, "Many", capacity=1000, price_cents=0)

    def sell(self):
        self.order_id = builders.create_order(self.api, (self.event_id, self.tier_id), 1, user=f"buyer-{next(self.buyers)}")
        self.tickets = [tickets.get_ticket(f"{self.order_id}-1")]

    def refund(self):
        return builders.refund(self.api, self.order_id, key=self.order_id)


@pytest.fixture
def entrance(api, time):
    yield Entrance(api, time)
    invariants.check(time.now)


def statuses(run):
    return sorted(reply.status for reply in run.results.values())


def two_scanners(entrance):
    def scenario(play):
        entrance.sell()
        run = play({"north": lambda: entrance.scan(gate="N"), "south": lambda: entrance.scan(gate="S")})
        assert statuses(run) == [200, 409]

    return scenario


def test_one_of_two_scanners_succeeds(entrance):
    explore(two_scanners(entrance))


def test_without_the_condition_both_would_succeed(entrance, monkeypatch):
    monkeypatch.setattr(store, "_same_scans", lambda ticket: store.TicketRow.id.exists())
    with pytest.raises(AssertionError):
        explore(two_scanners(entrance))


def test_a_scan_beside_a_refund_is_before_it_or_refused(entrance):
    def scenario(play):
        entrance.sell()
        run = play({"scan": entrance.scan, "refund": entrance.refund})
        assert run.results["refund"].status == 201
        scan = run.results["scan"]
        assert (scan.status, entrance.ticket.inside_count) in ((200, 1), (410, 0))
        assert entrance.ticket.state == "void"

    explore(scenario)


def test_an_undo_beside_a_scan_leaves_one_check_in_at_most(entrance):
    def scenario(play):
        entrance.sell()
        assert entrance.scan().status == 200
        run = play({"undo": entrance.undo, "scan": entrance.scan})
        assert run.results["undo"].status == 200
        assert (run.results["scan"].status, entrance.ticket.inside_count) in ((200, 1), (409, 0))

    explore(scenario)


def test_a_scan_beside_its_own_undo_counts_before_the_undo_or_not_at_all(entrance):
    def scenario(play):
        entrance.sell()
        scan = {"device": "north", "scan_id": "1"}
        run = play({"undo": lambda: entrance.undo(checkin_id="north/1"), "scan": lambda: entrance.scan(**scan)})
        assert (run.results["undo"].status, run.results["scan"].status) in ((200, 200), (409, 409))
        assert entrance.ticket.inside_count == 0

    explore(scenario)


@pytest.fixture
def reentry(entrance):
    """The same entrance, where people may go out and come back."""
    changed = entrance.api.patch(f"/events/{entrance.event_id}", json={"allows_reentry": True}, token=builders.admin_token())
    assert changed.status == 200, changed.json
    return entrance


def test_one_of_two_scanners_readmits_a_ticket_after_its_exit(reentry):
    def scenario(play):
        reentry.sell()
        assert (reentry.scan().status, reentry.scan(direction="out").status) == (200, 200)
        run = play({"north": lambda: reentry.scan(gate="N"), "south": lambda: reentry.scan(gate="S")})
        assert statuses(run) == [200, 409]
        assert reentry.ticket.inside_count == 1

    explore(scenario)


def test_an_exit_beside_a_scan_comes_first_or_the_scan_is_refused(reentry):
    def scenario(play):
        reentry.sell()
        assert reentry.scan().status == 200
        run = play({"exit": lambda: reentry.scan(direction="out"), "scan": reentry.scan})
        assert run.results["exit"].status == 200
        assert (run.results["scan"].status, reentry.ticket.inside_count) in ((200, 1), (409, 0))

    explore(scenario)
