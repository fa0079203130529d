"""The allocator: who gets returned tickets, in which order, and what passers-by get; parallel and crashing allocators."""

from contextlib import suppress
from itertools import count
from types import SimpleNamespace

import pytest

from chalicelib.addons.waitlist import allocator, kept_stocks, store
from chalicelib.addons.waitlist.model import Entry
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, ids, settings
from chalicelib.inventory.availability import read_stock
from chalicelib.inventory.store import scan_shards
from tests import builders, invariants
from tests.addons.waitlist import lines
from tests.simulation import faults


@pytest.fixture(autouse=True)
def _invariants(api, time):
    yield
    builders.run_sweep()
    lines.run_allocator()
    invariants.check(time.now, recovered=True)


@pytest.fixture
def sold_out(api, time):
    return lines.sold_out_shop(api, time, sold=4)


def statuses(api, *users):
    return [lines.own(api, user)[0]["status"] for user in users]


def test_the_first_whose_quantity_fits_gets_the_offer(api, sold_out):
    event_id, _, orders = sold_out
    for user, quantity in (("w1", 2), ("w2", 1), ("w3", 1)):
        lines.join(api, user, event_id, quantity)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    assert statuses(api, "w1", "w2", "w3") == ["waiting", "offered", "waiting"]
    lines.give_back(api, orders[1])
    lines.give_back(api, orders[2])
    lines.run_allocator()
    assert statuses(api, "w1", "w2", "w3") == ["offered", "offered", "waiting"]


def test_strangers_see_which_tickets_on_hold_are_for_the_waitlist(api, sold_out, time):
    event_id, tier_id, orders = sold_out

    def on_hold():
        time.advance(60)
        [line] = api.get(f"/events/{event_id}/availability").json["availability"]
        return line["available"], line["reserved"], line["reserved_for_waitlist"]

    assert on_hold() == (0, 0, 0)
    lines.join(api, "w1", event_id)
    lines.join(api, "w2", event_id, 3)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    lines.give_back(api, orders[1])
    assert on_hold() == (0, 2, 2), "one ticket is offered to w1, and one is kept for w2"
    [offer] = lines.own(api, "w1")
    checkout = builders.start_checkout(api, "w1", offer["offer"]["id"])
    assert builders.confirm(api, "w1", checkout.json["id"]).status == 201
    assert on_hold() == (0, 1, 1)
    assert api.delete(f"/waitlist/{lines.own(api, 'w2')[0]['id']}", user="w2").status == 200
    lines.run_allocator()
    assert builders.reserve(api, "x", event_id, tier_id).status == 201
    assert on_hold() == (0, 1, 0), "a stranger is paying"


def test_tickets_are_kept_back_for_a_large_party_and_not_for_ever(api, sold_out, time):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id, 3)
    lines.join(api, "w2", event_id, 2)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    time.advance(3600)
    assert lines.run_allocator()["offered"] == 0
    lines.give_back(api, orders[1])
    assert builders.reserve(api, "passer-by", event_id, sold_out[1]).status == 409
    time.advance(3600)
    assert lines.run_allocator()["offered"] == 1  # the turn is over: w2 gets both
    time.advance(3600)
    api.delete(f"/waitlist/{lines.own(api, 'w2')[0]['id']}", user="w2")
    lines.give_back(api, orders[2])
    assert lines.run_allocator()["offered"] == 1
    assert statuses(api, "w1", "w2") == ["offered", "declined"]


def join_parties_of_two(api, event_id):
    for user in ("w1", "w2"):
        assert lines.join(api, user, event_id, 2).status == 201


def test_a_ticket_that_fits_nobody_in_the_line_goes_on_public_sale(api, sold_out, time):
    event_id, tier_id, orders = sold_out
    join_parties_of_two(api, event_id)
    lines.give_back(api, orders[0])
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    lines.run_allocator()
    time.advance(5)
    assert api.get(f"/events/{event_id}/availability").json["availability"][0]["available"] == 1
    assert lines.join(api, "w3", event_id).json["error"] == "tickets_available"
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201
    lines.run_allocator()
    lines.give_back(api, orders[1])
    lines.give_back(api, orders[2])
    assert builders.reserve(api, "other", event_id, tier_id).status == 409, "two tickets are enough for w1"
    lines.run_allocator()
    assert statuses(api, "w1", "w2") == ["offered", "waiting"]


def test_nobody_passes_a_party_for_which_the_next_ticket_is_enough(api, sold_out):
    """One ticket is on public sale when another comes back: no run of the allocator is necessary to keep both."""
    event_id, tier_id, orders = sold_out
    join_parties_of_two(api, event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    lines.run_allocator()
    lines.give_back(api, orders[1])
    for quantity in (1, 2):
        assert builders.reserve(api, "passer-by", event_id, tier_id, quantity).status == 409
    lines.run_allocator()
    assert statuses(api, "w1", "w2") == ["offered", "waiting"]


def test_a_party_of_one_that_joins_at_the_same_moment_gets_the_ticket(api, sold_out, monkeypatch):
    event_id, _, orders = sold_out
    join_parties_of_two(api, event_id)
    lines.give_back(api, orders[0])
    release_leftovers = kept_stocks.release_leftovers

    def join_and_release(*arguments):
        monkeypatch.undo()
        assert lines.join(api, "w3", event_id).status == 201
        release_leftovers(*arguments)

    monkeypatch.setattr(kept_stocks, "release_leftovers", join_and_release)
    lines.run_allocator()
    lines.run_allocator()
    assert statuses(api, "w1", "w2", "w3") == ["waiting", "waiting", "offered"]


@pytest.mark.parametrize("others", [0, 1])
def test_a_person_with_another_reservation_keeps_no_ticket_off_public_sale(api, sold_out, others):
    """The others in the line want two tickets."""
    event_id, tier_id, orders = sold_out
    other = builders.create_tier(api, event_id, "Balcony")
    lines.join(api, "w1", event_id, tier_ids=[tier_id])
    for number in range(others):
        lines.join(api, f"large-{number}", event_id, 2, tier_ids=[tier_id])
    reservation = builders.reserve(api, "w1", event_id, other).json["id"]
    lines.give_back(api, orders[0])
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    lines.run_allocator()
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201
    lines.run_allocator()
    api.delete(f"/reservations/{reservation}", user="w1")
    lines.give_back(api, orders[1])
    assert builders.reserve(api, "other", event_id, tier_id).status == 409
    lines.run_allocator()
    assert statuses(api, "w1") == ["offered"]


def test_a_person_with_another_reservation_lets_nobody_pass_the_next_in_line(api, sold_out):
    """Both want one ticket. One is on public sale when somebody without a reservation joins and another ticket comes back."""
    event_id, tier_id, orders = sold_out
    other = builders.create_tier(api, event_id, "Balcony")
    lines.join(api, "w1", event_id, tier_ids=[tier_id])
    builders.reserve(api, "w1", event_id, other)
    assert lines.join(api, "w2", event_id, 2, tier_ids=[tier_id]).status == 201
    lines.give_back(api, orders[0])
    lines.run_allocator()
    lines.give_back(api, orders[1])
    for quantity in (1, 2):
        assert builders.reserve(api, "passer-by", event_id, tier_id, quantity).status == 409
    lines.run_allocator()
    assert statuses(api, "w1", "w2") == ["waiting", "offered"]


def test_a_ticket_that_is_kept_back_for_a_large_party_is_not_on_public_sale_until_the_last_day(api, sold_out, time):
    event_id, tier_id, orders = sold_out
    starts_at = time.now + 30 * 86_400 - 5
    join_parties_of_two(api, event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    time.advance(3600)
    lines.run_allocator()
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    time.set(starts_at - 86_400)
    lines.run_allocator()
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201


def test_the_last_ticket_of_an_event_with_a_capacity_fits_nobody(api, time):
    event_id, floor = builders.create_shop(api, event_capacity=2, capacity=2)
    balcony = builders.create_tier(api, event_id, "Balcony", capacity=2)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"b-{tier_id}") for tier_id in (floor, balcony)]
    time.advance(5)
    assert lines.join(api, "w1", event_id, 2, tier_ids=[balcony]).status == 201
    lines.give_back(api, orders[0])
    lines.run_allocator()
    lines.give_back(api, orders[1])
    assert builders.reserve(api, "passer-by", event_id, floor).status == 409
    lines.run_allocator()
    assert statuses(api, "w1") == ["offered"]


def test_returned_tickets_go_to_the_waitlist_until_it_is_empty(api, sold_out):
    event_id, tier_id, orders = sold_out
    entry_id = lines.join(api, "w1", event_id, 3).json["id"]
    lines.give_back(api, orders[0])
    assert builders.reserve(api, "passer-by", event_id, tier_id).json["error"] == "not_enough_tickets"
    shown = api.get(f"/events/{event_id}/availability").json["availability"][0]
    assert (shown["capacity"], shown["available"], shown["sold"]) == (4, 0, 3)
    api.delete(f"/waitlist/{entry_id}", user="w1")
    lines.run_allocator()
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201


def test_a_promoter_may_let_passers_by_have_what_comes_back(api, sold_out):
    event_id, tier_id, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.join(api, "w2", event_id)
    api.patch(f"/events/{event_id}", json={"waitlist": {"keeps_tickets": False}}, token=builders.admin_token())
    lines.run_allocator()
    lines.give_back(api, orders[0])
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201
    lines.give_back(api, orders[1])
    assert lines.run_allocator()["offered"] == 1
    api.patch(f"/events/{event_id}", json={"waitlist": None}, token=builders.admin_token())
    lines.run_allocator()
    lines.give_back(api, orders[2])
    assert builders.reserve(api, "other", event_id, tier_id).status == 409


def test_a_buyer_who_is_buying_something_else_is_passed_over_for_now(api, sold_out, time):
    event_id, _, orders = sold_out
    other = builders.create_tier(api, event_id, "Balcony")
    lines.join(api, "w1", event_id, tier_ids=[sold_out[1]])
    lines.join(api, "w2", event_id, tier_ids=[sold_out[1]])
    reservation = builders.reserve(api, "w1", event_id, other)
    assert reservation.status == 201
    lines.give_back(api, orders[0])
    assert lines.run_allocator() == {"offered": 1, "ended": 0, "deferred": 1}
    assert statuses(api, "w1", "w2") == ["waiting", "offered"]
    api.delete(f"/reservations/{reservation.json['id']}", user="w1")
    lines.give_back(api, orders[1])
    assert lines.run_allocator()["offered"] == 1
    assert statuses(api, "w1", "w2") == ["offered", "offered"]


def test_an_offer_that_cannot_be_read_keeps_nobody_waiting(api, sold_out):
    event_id, _, orders = sold_out
    for user in ("w1", "w2"):
        lines.join(api, user, event_id)
    lines.give_back(api, orders[0])
    lines.run_allocator()
    lines.give_back(api, orders[1])
    with builders.unreadable(lines.own(api, "w1")[0]["offer"]["id"]):
        assert lines.run_allocator() == {"offered": 1, "ended": 0, "deferred": 0}
    assert statuses(api, "w1", "w2") == ["offered", "offered"]


def test_a_buyer_at_the_limit_is_passed_over(api, sold_out):
    event_id, tier_id, orders = sold_out
    other = builders.create_tier(api, event_id, "Balcony", per_user_limit=6)
    lines.join(api, "w1", event_id, tier_ids=[tier_id])
    builders.buy(api, "w1", event_id, other, 6)
    lines.give_back(api, orders[0])
    assert lines.run_allocator() == {"offered": 0, "ended": 0, "deferred": 1}


def test_people_at_their_limit_are_passed_over_anywhere_in_the_line(api, time):
    event_id, tier_id, orders = lines.sold_out_shop(api, time, 3)
    other = builders.create_tier(api, event_id, "Balcony", capacity=50, per_user_limit=6)
    line = ["w1", "full-1", "full-2", "w2", "full-3", "w3", "full-4"]
    for user in line:
        assert lines.join(api, user, event_id, tier_ids=[tier_id]).status == 201
    for user in line:
        if user.startswith("full"):
            builders.buy(api, user, event_id, other, 6)
    for order in orders:
        lines.give_back(api, order)
    assert lines.run_allocator()["offered"] == 3
    assert statuses(api, *line) == ["offered", "waiting", "waiting", "offered", "waiting", "offered", "waiting"]


@pytest.fixture
def with_many_at_their_limit(api, sold_out):
    """A line that begins with more people at their limit than a run could once pass over. Returns the ids of event, tier and the first
    order."""
    event_id, tier_id, orders = sold_out
    other = builders.create_tier(api, event_id, "Balcony", capacity=5000, per_user_limit=6)
    with settings.override(rate_limits="off"):
        for number in range(110):
            lines.join(api, f"full-{number}", event_id, tier_ids=[tier_id])
            assert builders.buy(api, f"full-{number}", event_id, other, 6).status == 201
        yield event_id, tier_id, orders[0]


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_any_number_of_people_at_their_limit_delays_nobody(api, with_many_at_their_limit):
    event_id, tier_id, order_id = with_many_at_their_limit
    lines.join(api, "free", event_id, tier_ids=[tier_id])
    lines.run_allocator()
    lines.give_back(api, order_id)
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    assert lines.run_allocator() == {"offered": 1, "ended": 0, "deferred": 110}
    assert statuses(api, "free") == ["offered"]


@pytest.mark.slow
@pytest.mark.not_on_moto
def test_tickets_for_which_only_people_at_their_limit_wait_go_on_sale(api, with_many_at_their_limit):
    event_id, tier_id, order_id = with_many_at_their_limit
    lines.run_allocator()
    lines.give_back(api, order_id)
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    assert lines.run_allocator()["offered"] == 0
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201
    assert statuses(api, "full-0", "full-109") == ["waiting", "waiting"]


def test_a_large_party_at_its_limit_keeps_no_tickets_back(api, sold_out, time):
    event_id, tier_id, orders = sold_out
    other = builders.create_tier(api, event_id, "Balcony", capacity=50, per_user_limit=6)
    lines.join(api, "w1", event_id, 3, tier_ids=[tier_id])
    builders.buy(api, "w1", event_id, other, 6)
    lines.join(api, "w2", event_id, 2, tier_ids=[tier_id])
    lines.give_back(api, orders[0])
    lines.run_allocator()
    time.advance(3600)
    lines.give_back(api, orders[1])
    assert lines.run_allocator()["offered"] == 1
    assert statuses(api, "w1", "w2") == ["waiting", "offered"]


def test_a_person_who_leaves_during_a_run_passes_the_tickets_on(api, sold_out, monkeypatch):
    event_id, _, orders = sold_out
    entry_id = lines.join(api, "w1", event_id).json["id"]
    for user in ("w2", "w3"):
        lines.join(api, user, event_id)
    lines.give_back(api, orders[0])
    lines.give_back(api, orders[1])
    plan_offers = allocator.plan_offers

    def plan_and_leave(*arguments):
        plan = plan_offers(*arguments)
        api.delete(f"/waitlist/{entry_id}", user="w1")
        return plan

    monkeypatch.setattr(allocator, "plan_offers", plan_and_leave)
    assert lines.run_allocator()["offered"] == 2
    assert statuses(api, "w1", "w2", "w3") == ["left", "offered", "offered"]


def test_no_tickets_are_kept_back_for_a_party_that_is_now_larger_than_the_tier(api, sold_out, time):
    event_id, tier_id, orders = sold_out
    lines.join(api, "w1", event_id, 3)
    for order_id in orders[:2]:
        lines.give_back(api, order_id)
    lines.run_allocator()
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 2}, token=builders.admin_token()).status == 200
    time.advance(3600)
    lines.give_back(api, orders[2])
    lines.run_allocator()
    time.advance(5)
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201
    assert api.patch(f"/tiers/{tier_id}", json={"capacity": 6}, token=builders.admin_token()).status == 200
    assert builders.reserve(api, "other", event_id, tier_id).status == 409, "more capacity is for the line"
    lines.run_allocator()
    assert statuses(api, "w1") == ["offered"]


def test_two_large_parties_do_not_keep_tickets_from_the_others_for_good(api, sold_out, time):
    """The second party is first passed over while nothing is kept back for the first. Its own turns would fill the gaps between them."""
    event_id, _, orders = sold_out
    for user, quantity in (("w1", 3), ("w2", 1)):
        lines.join(api, user, event_id, quantity)
    lines.give_back(api, orders[0])
    assert lines.run_allocator()["offered"] == 1  # to w2: w1 is passed over
    for user, quantity in (("w3", 3), ("w4", 1), ("w5", 1)):
        lines.join(api, user, event_id, quantity)
    time.advance(2 * 3600)
    lines.give_back(api, orders[1])
    assert lines.run_allocator()["offered"] == 1  # to w4: w3 is passed over
    time.advance(3600)
    lines.give_back(api, orders[2])
    hours = 0
    while hours < 100 and lines.run_allocator()["offered"] == 0:
        hours += 1
        time.advance(3600)
    assert hours == 2  # the length of the second turn of w1
    assert statuses(api, "w1", "w3", "w5") == ["waiting", "waiting", "offered"]


def test_each_line_gets_its_turn_if_a_run_ends_early(api, time, monkeypatch):
    """A run has time for one line; the next run begins with the other."""
    orders = {}
    for name in ("a", "b"):
        event_id, tier_id = builders.create_shop(api, capacity=1)
        orders[event_id] = str(builders.buy(api, f"buyer-{name}", event_id, tier_id).json["order"]["id"])
    time.advance(5)
    for event_id in orders:
        lines.join(api, "w1", event_id)
    lines.run_allocator()
    for order_id in orders.values():
        lines.give_back(api, order_id)
    for _ in range(2):
        time.advance(60)
        with monkeypatch.context() as patched:
            left = iter([100.0] * 3)  # read before the line, before its offer and after its page
            patched.setattr(allocator, "deadline", SimpleNamespace(remaining=lambda left=left: next(left, 0.0)))
            assert lines.run_allocator()["offered"] == 1
    assert [entry["status"] for entry in lines.own(api, "w1")] == ["offered", "offered"]


def test_replies_to_more_capacity_say_what_is_kept_for_the_waitlist(api, sold_out):
    event_id, tier_id, _ = sold_out
    lines.join(api, "w1", event_id, 1)
    capacity = {"token": builders.admin_token(), "json": {"capacity": 8}}
    changed = api.patch(f"/tiers/{tier_id}", **capacity).json
    shown = api.get(f"/tiers/{tier_id}", token=builders.admin_token()).json
    for tier in (changed, shown):
        assert (tier["available"], tier["reserved"], tier["reserved_for_waitlist"], tier["status"]) == (0, 4, 4, "sold-out")
    assert "reserved: 4 (4 of them for people on the waitlist)" in changed["warnings"][0]
    [package] = api.get(f"/admin/events/{event_id}/tickets/packages", token=builders.admin_token()).json["packages"]
    assert (package["available"], package["reserved_count"], package["reserved_for_waitlist"]) == (0, 4, 4)


def test_more_capacity_goes_to_the_waitlist(api, sold_out):
    event_id, tier_id, _ = sold_out
    lines.join(api, "w1", event_id, 2)
    api.patch(f"/tiers/{tier_id}", json={"capacity": 7}, token=builders.admin_token())
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 409
    assert lines.run_allocator()["offered"] == 1
    lines.run_allocator()  # nobody waits any more
    assert builders.reserve(api, "passer-by", event_id, tier_id).status == 201


def test_a_paused_event_makes_no_offers(api, sold_out):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    api.post(f"/admin/events/{event_id}/pause", token=builders.admin_token())
    lines.give_back(api, orders[0])
    assert lines.run_allocator()["offered"] == 0
    api.post(f"/admin/events/{event_id}/resume", token=builders.admin_token())
    assert lines.run_allocator()["offered"] == 1


def test_an_offer_lasts_shorter_as_the_event_comes_near(api, sold_out, time):
    event_id, _, orders = sold_out
    users = [f"w{number}" for number in range(6)]
    for user in users:
        lines.join(api, user, event_id)
    starts_at = time.now + 30 * 86_400 - 5
    for order, left, seconds in zip(orders, (2 * 86_400, 1800, 600), (43_200, 900, 600), strict=False):
        time.set(starts_at - left)
        lines.give_back(api, order)
        builders.run_sweep()
        lines.run_allocator()
        offers = [entry["offer"] for user in users for entry in lines.own(api, user) if entry["status"] == "offered"]
        assert max(offer["expires_in_seconds"] for offer in offers) == seconds


def test_the_tiers_of_an_event_with_a_capacity_share_what_comes_back(api, time):
    event_id, floor = builders.create_shop(api, event_capacity=2, capacity=2)
    balcony = builders.create_tier(api, event_id, "Balcony", capacity=2)
    orders = [builders.create_order(api, (event_id, tier_id), 1, f"b-{tier_id}") for tier_id in (floor, balcony)]
    time.advance(5)
    assert lines.join(api, "w1", event_id, tier_ids=[balcony]).status == 201
    lines.give_back(api, orders[0])
    assert builders.reserve(api, "passer-by", event_id, floor).status == 409  # it would take the ticket of the event that w1 waits for
    assert lines.run_allocator()["offered"] == 1
    assert statuses(api, "w1") == ["offered"]


def test_when_an_event_is_over_its_line_is_forgotten(api, sold_out, time):
    event_id, _, _ = sold_out
    lines.join(api, "w1", event_id)
    time.advance(31 * 86_400)
    lines.run_allocator()
    lines.run_allocator()
    assert store.find_line(event_id) is None
    assert statuses(api, "w1") == ["closed"]


def test_two_allocators_do_not_run_at_once(api, sold_out, time):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.give_back(api, orders[0])
    assert store.take_lease(event_id, "other", time.now)
    assert lines.run_allocator()["offered"] == 0
    time.advance(store.LEASE_SECONDS)
    assert lines.run_allocator()["offered"] == 1


def test_an_allocator_whose_lease_has_passed_on_makes_no_offer(api, sold_out, time, monkeypatch):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.give_back(api, orders[0])
    find_blocked = allocator.offers.find_blocked

    def lose_lease(*arguments):
        store.end_lease(event_id, store.find_line(event_id).leased_by)
        store.take_lease(event_id, "other", time.now)
        return find_blocked(*arguments)

    monkeypatch.setattr(allocator.offers, "find_blocked", lose_lease)
    assert lines.run_allocator()["offered"] == 0
    assert statuses(api, "w1") == ["waiting"]
    [tier_stock] = read_stock({shard.stock_id: 1 for shard in scan_shards()}).values()
    assert (tier_stock.available, tier_stock.held) == (1, 0)


@pytest.mark.slow
@pytest.mark.not_on_moto
@pytest.mark.parametrize("crash", [faults.crash_after, faults.crash_before])
def test_a_crash_at_any_step_loses_and_doubles_nothing(api, sold_out, time, crash):
    event_id, _, orders = sold_out
    for number in count(1):
        order_id = orders[0] if number == 1 else str(buy_offer(api, f"w{number - 1}"))
        lines.join(api, f"w{number}", event_id)
        lines.give_back(api, order_id)
        with crash(number) as crashed:
            lines.run_allocator()
        time.advance(allocator.offers.WRITE_SECONDS)
        builders.run_sweep()
        lines.run_allocator()
        assert statuses(api, f"w{number}") == ["offered"]
        invariants.check(time.now)
        if not crashed.was_triggered:
            assert number > 12
            return


def buy_offer(api, user):
    offer_id = lines.own(api, user)[0]["offer"]["id"]
    builders.start_checkout(api, user, offer_id, key=offer_id)
    assert builders.confirm(api, user, offer_id).status == 201
    return offer_id


def test_settings_decide_how_long_an_offer_lasts(api, sold_out):
    event_id, _, orders = sold_out
    lines.join(api, "w1", event_id)
    lines.give_back(api, orders[0])
    with settings.override(waitlist_offer_seconds=600):
        lines.run_allocator()
    assert lines.own(api, "w1")[0]["offer"]["expires_in_seconds"] == 600


@pytest.mark.slow
def test_a_line_whose_offers_expire_together_keeps_no_other_line_waiting(api, time, monkeypatch):
    shops = sorted(lines.sold_out_shop(api, time, sold=8) for _ in range(2))
    (busy, _, busy_orders), (other, _, other_orders) = shops
    for number, order_id in enumerate(busy_orders):
        lines.join(api, f"w{number}", busy)
        lines.give_back(api, order_id)
    lines.join(api, "next", other)
    lines.run_allocator()
    time.advance(2 * 86_400)
    builders.run_sweep()
    lines.give_back(api, other_orders[0])
    end_offer = store.end_offer

    def end_slowly(*arguments):
        time.advance(20)
        end_offer(*arguments)

    monkeypatch.setattr(store, "end_offer", end_slowly)
    for _ in range(2):
        with deadline.within(55), suppress(deadline.DeadlineExceeded):
            allocator.allocate_all(time.now)
    assert statuses(api, "next") == ["offered"]


def test_each_run_checks_the_next_of_many_offers(api, time, monkeypatch):
    """A ballot may have 100,000 offers that are open for hours. A run that read all of them would have no time for others."""
    event_id, _, orders = lines.sold_out_shop(api, time, sold=40)
    for number, order_id in enumerate(orders):
        assert lines.join(api, f"w{number}", event_id).status == 201
        lines.give_back(api, order_id)
    assert lines.run_allocator()["offered"] == 40
    time.advance(2 * 86_400)
    builders.run_sweep()
    monkeypatch.setattr(allocator, "MAX_CHECKED", 10)
    read, list_offered = list[int](), store.list_offered

    def note(*arguments, **options):
        read.append(len(found := list_offered(*arguments, **options)))
        return found

    monkeypatch.setattr(store, "list_offered", note)
    for ended in range(10, 50, 10):
        lines.run_allocator()
        assert read.pop() == 10
        assert store.find_census(event_id).offered == len(list_offered(event_id)) == 40 - ended
        time.advance(60)
    lines.run_allocator()
    assert store.find_line(event_id).checked_to is None
    assert set(statuses(api, *(f"w{number}" for number in range(40)))) == {"expired"}


def test_a_line_that_the_store_refuses_keeps_no_other_line_waiting(api, time, monkeypatch):
    """The first line fails before its lease, so it would come first in every run."""
    (broken, _, _), (other, _, orders) = sorted(lines.sold_out_shop(api, time) for _ in range(2))
    for user, event_id in (("w1", broken), ("w2", other)):
        assert lines.join(api, user, event_id).status == 201
    lines.give_back(api, orders[0])
    end_offers = allocator.end_offers

    def fail(line, *arguments):
        if line.event_id == broken:
            raise dynamo.StoreUnavailable("throttled")
        return end_offers(line, *arguments)

    monkeypatch.setattr(allocator, "end_offers", fail)
    with pytest.raises(dynamo.StoreUnavailable):  # so that the run counts as failed
        allocator.allocate_all(time.now)
    assert statuses(api, "w1", "w2") == ["waiting", "offered"]


def test_lines_that_the_store_refuses_take_turns_with_the_others(api, time, monkeypatch):
    """Three failures in a row end a run, so three broken lines must not come first in every run."""
    shops = sorted(lines.sold_out_shop(api, time) for _ in range(4))
    for event_id, _, _ in shops:
        assert lines.join(api, "w1", event_id).status == 201
    last, _, orders = shops[-1]
    lines.give_back(api, orders[0])
    end_offers = allocator.end_offers

    def fail(line, *arguments):
        if line.event_id != last:
            raise dynamo.StoreUnavailable("throttled")
        return end_offers(line, *arguments)

    monkeypatch.setattr(allocator, "end_offers", fail)
    for _ in range(2):
        with pytest.raises(dynamo.StoreUnavailable):
            allocator.allocate_all(time.now)
        time.advance(60)
    monkeypatch.undo()
    assert store.find_entry("w1", last).state == "offered"


def test_a_run_stops_while_the_store_is_down(api, time, monkeypatch):
    shops = [lines.sold_out_shop(api, time)[0] for _ in range(5)]
    for event_id in shops:
        lines.join(api, "w1", event_id)
    tried = []

    def fail(line, *_):
        tried.append(line.event_id)
        raise dynamo.StoreUnavailable("down")

    monkeypatch.setattr(allocator, "end_offers", fail)
    with pytest.raises(dynamo.StoreUnavailable):
        allocator.allocate_all(time.now)
    monkeypatch.undo()
    assert len(tried) == allocator.MAX_FAILED_LINES


def test_people_who_wait_for_a_postponed_event_are_kept_until_after_its_new_date(api, sold_out, time):
    event_id, _, orders = sold_out
    for user in ("w1", "w2"):
        lines.join(api, user, event_id)
    new_start = time.now + 150 * 86_400
    assert api.patch(f"/events/{event_id}", json={"starts_at": clock.iso(new_start)}, token=builders.admin_token()).status == 200
    lines.run_allocator()
    kept_until = {row.pk.partition("#")[0]: int(row.ttl) for row in store.WaitlistRow.scan() if row.ttl}
    assert kept_until.keys() == {"user", "waiting", "arrivals", "census"}
    assert min(kept_until.values()) > new_start + 30 * 86_400
    lines.give_back(api, orders[0])
    lines.run_allocator()
    assert statuses(api, "w1", "w2") == ["offered", "waiting"]


def test_thousands_of_people_are_kept_longer_in_one_run(api, sold_out, time):
    event_id, tier_id, _ = sold_out
    fields = {"event_id": event_id, "tier_ids": [tier_id], "quantity": 1, "joined_at": time.now, "ttl": time.now + 10**7, "parts": 4}
    entries = [Entry(id=f"{event_id}.{ids.new_id()}", user_id=f"w{number}", **fields) for number in range(1000)]
    dynamo.batch_put(row for entry in entries for row in (store._entry_row(entry), store._place_row(entry)))
    store.open_line(event_id, time.now + 10**7)
    new_start = time.now + 150 * 86_400
    assert api.patch(f"/events/{event_id}", json={"starts_at": clock.iso(new_start)}, token=builders.admin_token()).status == 200
    lines.run_allocator()
    assert min(place.entry.ttl for place in store.list_places(event_id)) > new_start
