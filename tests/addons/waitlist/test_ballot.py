"""Ballots: people register for days, the draw decides the order, and the waitlist offers the tickets in this order."""

import gc
import json
from contextlib import suppress
from datetime import datetime
from unittest import mock

import pytest

from chalicelib.addons.waitlist import allocator, store
from chalicelib.addons.waitlist.model import Entry, Place
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, deadline, ids
from chalicelib.notifications import outbox
from chalicelib.notifications.store import list_event_notifications
from chalicelib.tickets import service as tickets
from chalicelib.waiting_room import room_cache, verify
from tests import builders, invariants
from tests.addons.waitlist.ballots import DAYS, create_ballot, draw, make_draw, register
from tests.addons.waitlist.lines import join, own, run_allocator
from tests.checkin.test_dates import Tour
from tests.simulation.call_log import record_calls
from tests.simulation.limits import simulate
from tests.simulation.randomness import repeatable_randomness
from tests.simulation.scheduler import current_actor
from tests.waiting_room import sale
from tests.waiting_room.beacon import open_beacon
from tests.waiting_room.test_entry_rules import create_account

pytestmark = pytest.mark.usefixtures("store", "time")

USERS = [f"u{number}" for number in range(8)]


@pytest.fixture
def chosen_numbers():
    """Let each run of the test have the same draw."""
    with repeatable_randomness(0) as start_numbers:
        start_numbers("ballot")
        yield


def statuses(api, *users: str) -> list[str]:
    return [own(api, user)[0]["status"] for user in users]


def offers(api, event_id) -> list[dict]:
    return list(api.get(f"/events/{event_id}/ballot").json["offers"])


def change(api, event_id, **fields):
    return api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token())


@pytest.mark.usefixtures("chosen_numbers")
def test_tickets_are_offered_in_the_drawn_order(api, time):
    event_id, _ = create_ballot(api, time)
    assert api.get(f"/events/{event_id}").json["has_ballot"] is True
    register(api, event_id, *USERS)
    entry = own(api, "u0")[0]
    assert (entry["status"], entry["has_number"], entry["drawn_position"], entry["position"]) == ("waiting", True, None, None)
    assert api.get(f"/events/{event_id}/ballot").json == {"event_id": event_id, "room": None, "offers": [], "next_cursor": None}
    order = draw(api, time, *USERS)
    assert set(order[:3]) != set(USERS[:3]), "a draw that cannot be told from the order of arrival"
    assert [own(api, user)[0]["drawn_position"] for user in order] == list(range(1, 9))
    assert statuses(api, *order) == ["offered"] * 3 + ["waiting"] * 5
    assert [offer["position"] for offer in offers(api, event_id)] == [1, 2, 3]
    invariants.check(time.now)


def test_the_stock_is_not_read_for_each_person_who_registers(api, time):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, "u0")
    with record_calls() as calls:
        register(api, event_id, "u1")
    assert [entry.operation for entry in calls.entries if "inventory" in entry.tables] == []


def test_an_offer_that_nobody_pays_goes_to_the_next(api, time):
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, "ada", "bob", "eve")
    first, second, third = draw(api, time, "ada", "bob", "eve")
    expires_at = own(api, first)[0]["offer"]["expires_at"]
    assert datetime.fromisoformat(expires_at).timestamp() == time.now + 86_400
    time.advance(86_401)
    builders.run_sweep()
    run_allocator()
    assert statuses(api, first, second, third) == ["expired", "offered", "waiting"]
    [declined] = own(api, second)
    assert api.delete(f"/waitlist/{declined['id']}", user=second).status == 200
    assert join(api, second, event_id).json["has_number"] is False  # the draw is over
    run_allocator()
    assert statuses(api, first, second, third) == ["expired", "waiting", "offered"]
    assert [offer["position"] for offer in offers(api, event_id)] == [1, 2, 3]
    invariants.check(time.now)


def test_an_offer_is_paid_like_any_other(api, time):
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, "ada")
    draw(api, time, "ada")
    checkout = builders.start_checkout(api, "ada", own(api, "ada")[0]["offer"]["id"])
    assert builders.confirm(api, "ada", checkout.json["id"]).status == 201
    run_allocator()
    assert statuses(api, "ada") == ["accepted"]
    invariants.check(time.now)


def test_nobody_else_can_buy(api, time):
    event_id, tier_id = create_ballot(api, time)
    register(api, event_id, "ada")
    token = sale.join(api, event_id, "eve")
    draw(api, time, "ada")
    for late in (token, sale.join(api, event_id, "late"), None):
        reply = sale.reserve(api, event_id, tier_id, "eve", late) if late else builders.reserve(api, "new", event_id, tier_id)
        assert (reply.status, reply.json["error"]) == (409, "drawn_by_ballot")
    assert sale.get_status(api, event_id, token)["can_enter"] is False
    for path, body in (("rate", {"wave_size": 5, "wave_seconds": 5}), ("let-in", {"count": 5})):
        reply = api.post(f"/admin/events/{event_id}/waiting-room/{path}", json=body, token=builders.admin_token())
        assert (reply.status, reply.json["error"]) == (409, "drawn_by_ballot")
    assert sale.get_status(api, event_id, token)["can_enter"] is False
    entry = join(api, "late", event_id)
    reply = api.post(f"/waitlist/{entry.json['id']}/notify", token=builders.admin_token())
    assert (reply.status, reply.json["error"]) == (409, "drawn_by_ballot")


def test_wishes_are_ranked_and_counted(api, time):
    event_id, floor = create_ballot(api, time, capacity=2)
    balcony = builders.create_tier(api, event_id, "Balcony", capacity=4, price_cents=3000)
    register(api, event_id, *USERS[:4], quantity=2, tier_ids=[floor, balcony])
    order = draw(api, time, *USERS[:4])
    items = [own(api, user)[0]["offer"]["items"][0] for user in order[:3]]
    assert [(item["tier_name"], item["quantity"]) for item in items] == [("Floor", 2), ("Balcony", 2), ("Balcony", 2)]
    assert statuses(api, order[3]) == ["waiting"]
    invariants.check(time.now)


def test_dates_are_wishes_in_order_of_preference(api, time):
    """Everybody wants Saturday most, then Friday. Saturday has room for one person, and the pass for all dates is nobody's wish."""
    tour = Tour(api, time, on_sale_at=clock.iso(time.now + DAYS), status="scheduled", waiting_room={"ballot": True})
    for name in ("saturday", "friday"):
        tour.change_tier(tour.tier_ids[name], capacity=1)
    register(api, tour.event_id, *USERS[:3], tier_ids=[tour.tier_ids[name] for name in ("saturday", "friday")])
    order = draw(api, time, *USERS[:3])
    assert statuses(api, *order) == ["offered", "offered", "waiting"]
    offered = [own(api, user)[0]["offer"] for user in order[:2]]
    assert [offer["items"][0]["tier_name"] for offer in offered] == ["saturday", "friday"]
    for user, offer, name in zip(order, offered, ("saturday", "friday"), strict=False):
        builders.confirm(api, user, builders.start_checkout(api, user, offer["id"]).json["id"])
        ticket = tickets.get_ticket(f"{offer['id']}-1")
        assert catalog.load_current().tiers[ticket.tier_id].date_ids == [name]
    invariants.check(time.now)


def test_a_party_that_is_too_large_does_not_keep_the_tickets_from_smaller_ones(api, time):
    event_id, _ = create_ballot(api, time, capacity=3)
    register(api, event_id, *USERS, quantity=2)
    register(api, event_id, "one")
    order = draw(api, time, *USERS, "one")
    assert statuses(api, "one", order[0] if order[0] != "one" else order[1]) == ["offered", "offered"]
    invariants.check(time.now)


@pytest.mark.parametrize("places_in_memory", [1, 2, 5])
def test_everybody_is_considered_in_the_drawn_order_however_few_places_are_in_memory(api, time, monkeypatch, places_in_memory):
    monkeypatch.setattr(allocator, "DRAWN_PLACES", places_in_memory)
    monkeypatch.setattr(allocator, "DRAWN_PAGE", 2)
    event_id, floor = create_ballot(api, time, capacity=3)
    balcony = builders.create_tier(api, event_id, "Balcony", capacity=5, per_user_limit=4)
    wishes = {f"p{number}": (1 + number % 3, [[floor], [balcony, floor], [floor, balcony]][number % 5 % 3]) for number in range(10)}
    for user, (quantity, tier_ids) in wishes.items():
        register(api, event_id, user, quantity=quantity, tier_ids=tier_ids)
    make_draw(time)
    late = {f"late{number}": (1, [balcony]) for number in range(3)}
    for user, (quantity, tier_ids) in late.items():
        assert join(api, user, event_id, quantity, tier_ids=tier_ids).status == 201
    run_allocator()
    free, expected = {floor: 3, balcony: 5}, dict[str, str]()
    order = sorted(wishes, key=lambda user: own(api, user)[0]["drawn_position"])
    for user in [*order, *late]:
        quantity, tier_ids = (wishes | late)[user]
        tier_id = next((tier_id for tier_id in tier_ids if free[tier_id] >= quantity), None)
        if tier_id is not None:
            free[tier_id] -= quantity
            expected[user] = tier_id
    offered = {user: entry["offer"]["items"][0]["tier_id"] for user in [*order, *late] if (entry := own(api, user)[0])["offer"]}
    assert offered == expected
    invariants.check(time.now)


def join_many_late(event_id, tier_ids, count, now) -> None:
    """Let people join the waitlist after the draw, without the API."""
    fields = {"event_id": event_id, "tier_ids": tier_ids, "quantity": 1, "joined_at": now, "ttl": now + 10**7, "parts": 4}
    entries = [Entry(id=f"{event_id}.{ids.new_id()}", user_id=f"late{number}", **fields) for number in range(count)]
    dynamo.batch_put(row for entry in entries for row in (store._entry_row(entry), store._place_row(entry)))


def read_slowly(monkeypatch, act, page_size=4):
    """Let the line be read in small pages, with a call of `act` for each."""
    read = store.read_pages

    def read_pages(event_id, after=None, size=page_size):
        for page in read(event_id, after, min(size, page_size)):
            act(page)
            yield page

    monkeypatch.setattr(store, "LAST_PAGE", page_size)
    monkeypatch.setattr(store, "read_pages", read_pages)


def test_a_long_line_does_not_fill_the_memory(api, time, monkeypatch):
    monkeypatch.setattr(allocator, "DRAWN_PLACES", 10)
    event_id, tier_id = create_ballot(api, time)
    register(api, event_id, "ada")
    make_draw(time)
    join_many_late(event_id, [tier_id], 400, time.now)
    in_memory, make_offer = [], allocator.make_offer

    def count_and_offer(*given, **named):
        in_memory.append(sum(type(each) is Place for each in gc.get_objects()))
        return make_offer(*given, **named)

    monkeypatch.setattr(allocator, "make_offer", count_and_offer)
    read_slowly(monkeypatch, lambda _: None)
    gc.collect()
    assert run_allocator()["offered"] == 3
    assert max(in_memory) <= 10 + 2 * 4 * store.PARTS
    assert statuses(api, "ada", "late0", "late1") == ["offered"] * 3


@pytest.mark.parametrize("seconds", [25, 65])
def test_one_run_offers_all_tickets_however_long_it_reads_the_line(api, time, monkeypatch, seconds):
    """A run begins each minute, and a lease that nobody extends lasts half a minute."""
    event_id, tier_id = create_ballot(api, time, capacity=20)
    register(api, event_id, "ada")
    make_draw(time)
    join_many_late(event_id, [tier_id], 60, time.now)
    began, offered, make_offer = time.now, [], allocator.make_offer

    def take(seconds: float) -> None:
        if (actor := current_actor()) is not None:
            actor.pause("works", actor.wake + seconds)

    def offer_slowly(*given, **named):
        take(1)
        made = make_offer(*given, **named)
        offered.append(current_actor().wake)
        return made

    monkeypatch.setattr(allocator, "make_offer", offer_slowly)
    read_slowly(monkeypatch, lambda page: take(len(page) * seconds / 61))
    with clock.override(lambda: began + (0 if (actor := current_actor()) is None else actor.wake)):
        simulate(
            {f"run {number}": (60.0 * number, lambda number=number: allocator.allocate_all(began + 60 * number)) for number in range(3)}
        )
    assert len(offered) == 20
    assert max(offered) <= seconds + 25


def test_a_run_that_lost_the_lease_while_it_read_the_line_makes_no_offer(api, time, monkeypatch):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, *USERS)
    make_draw(time)

    def lose_lease(_):
        store.end_lease(event_id, store.find_line(event_id).leased_by)
        assert store.take_lease(event_id, "other", time.now)
        time.advance(allocator.RENEWAL_SECONDS)

    with monkeypatch.context() as patched:
        read_slowly(patched, lose_lease)
        patched.setattr(allocator, "make_offer", mock.Mock(side_effect=AssertionError))
        assert run_allocator()["offered"] == 0
    assert store.find_line(event_id).leased_by == "other"
    time.advance(60)
    assert run_allocator()["offered"] == 3


def test_a_reading_that_runs_out_of_time_offers_nothing(api, time, monkeypatch):
    """The places that were not read may be before the others in the drawn order."""
    event_id, _ = create_ballot(api, time)
    register(api, event_id, *USERS)
    make_draw(time)
    with monkeypatch.context() as patched, deadline.within(10), suppress(deadline.DeadlineExceeded):
        read_slowly(patched, lambda _: time.advance(8), page_size=1)
        allocator.allocate_all(time.now)
    assert offers(api, event_id) == []
    time.advance(60)
    assert run_allocator()["offered"] == 3
    assert [offer["position"] for offer in offers(api, event_id)] == [1, 2, 3]


@pytest.fixture
def with_leftovers(api, time, monkeypatch):
    """A ballot with a tier that nobody wants, after a run that considered everybody. Returns the event, the tiers, and the places read."""
    monkeypatch.setattr(allocator, "PLACES_PER_SECOND", 0.01)  # a full count each 14 minutes
    event_id, floor = create_ballot(api, time, capacity=1)
    box = builders.create_tier(api, event_id, "Box", capacity=2, price_cents=8000)
    register(api, event_id, *USERS[:4], tier_ids=[floor])
    register(api, event_id, *USERS[4:], tier_ids=[floor, box], max_price_cents=8000)
    set_price(api, box, 9000)
    make_draw(time)
    assert run_allocator()["offered"] == 1
    read = list[str]()
    read_slowly(monkeypatch, lambda page: read.extend(place.entry.user_id for place in page))
    return event_id, floor, box, read


def set_price(api, tier_id, price_cents):
    assert api.patch(f"/tiers/{tier_id}", json={"price_cents": price_cents}, token=builders.admin_token()).status == 200


def run_later(time, seconds=60) -> int:
    time.advance(seconds)
    return run_allocator()["offered"]


def test_the_line_is_not_read_again_for_tickets_that_nobody_wants(api, time, with_leftovers):
    _, _, _, read = with_leftovers
    run_later(time)  # the census of the first run was made before the offers
    read.clear()
    for _ in range(5):
        assert run_later(time) == 0
    assert read == []
    assert run_later(time, 900) == 0
    assert set(read) < set(USERS), "the full count considers everybody again"


def test_only_people_who_have_joined_are_considered_for_tickets_that_are_left_over(api, time, with_leftovers):
    event_id, _, box, read = with_leftovers
    run_later(time)
    read.clear()
    for user in ("late", "later"):
        assert join(api, user, event_id, tier_ids=[box]).status == 201
        assert run_later(time) == 1
    assert set(read) <= {"late", "later"}
    assert statuses(api, "late", "later") == ["offered"] * 2
    invariants.check(time.now)


def test_everybody_is_considered_when_a_price_falls_or_a_ticket_comes_back(api, time, with_leftovers):
    _, _, box, _ = with_leftovers
    run_later(time)
    [winner] = [user for user in USERS if statuses(api, user) == ["offered"]]
    assert api.delete(f"/waitlist/{own(api, winner)[0]['id']}", user=winner).status == 200
    assert run_later(time) == 1
    assert run_later(time) == 0
    set_price(api, box, 8000)
    assert run_later(time) == 2
    invariants.check(time.now)


def test_a_run_counts_a_line_after_a_run_that_had_only_time_to_consider_everybody(api, time, with_leftovers, monkeypatch):
    """One run has no time to read a very long line twice."""
    event_id, _, _, read = with_leftovers
    run_later(time)
    read.clear()
    time.advance(900)
    with monkeypatch.context() as patched, suppress(deadline.DeadlineExceeded):
        patched.setattr(allocator._Pass, "_serve_line", mock.Mock(side_effect=deadline.DeadlineExceeded))
        allocator.allocate(store.find_line(event_id), time.now)
    assert len(read) == 7
    for _ in range(2):
        assert run_later(time) == 0
    assert len(read) == 7 + 7, "the next run counts the line, and the run after it reads nothing"
    assert (store.find_census(event_id).people, store.find_census(event_id).full_at) == (7, time.now - 60)
    run_later(time, 900)
    assert len(read) == 7 + 7 + 2 * 7, "the next full count considers everybody again"


def test_somebody_who_joins_while_a_run_considers_the_others_is_considered_by_the_next(api, time, with_leftovers, monkeypatch):
    event_id, _, box, _ = with_leftovers
    serve = allocator._Pass._serve_in_order

    def serve_and_join(*given):
        serve(*given)
        monkeypatch.setattr(allocator._Pass, "_serve_in_order", serve)
        assert join(api, "late", event_id, tier_ids=[box]).status == 201

    monkeypatch.setattr(allocator._Pass, "_serve_in_order", serve_and_join)
    assert run_later(time) == 0
    assert run_later(time) == 1
    assert statuses(api, "late") == ["offered"]


def test_people_can_change_their_wishes_and_withdraw_until_the_draw(api, time):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, "ada", "bob")
    for user in ("ada", "bob"):
        assert api.delete(f"/waitlist/{own(api, user)[0]['id']}", user=user).status == 200
    register(api, event_id, "ada", quantity=2)
    order = draw(api, time, "ada")
    assert order == ["ada"]
    assert statuses(api, "ada", "bob") == ["offered", "left"]
    assert own(api, "ada")[0]["offer"]["items"][0]["quantity"] == 2
    assert run_allocator()["offered"] == 0
    invariants.check(time.now)


def test_wishes_without_a_number_count_only_after_the_draw(api, time):
    event_id, _ = create_ballot(api, time)
    assert join(api, "ada", event_id).json["error"] == "token_invalid"
    token = sale.join(api, event_id, "bob")
    assert join(api, "ada", event_id, token=token).json["error"] == "token_of_another_user"
    register(api, event_id, *USERS[:3])
    make_draw(time)
    reply = join(api, "ada", event_id, token=sale.join(api, event_id, "ada"))
    assert (reply.status, reply.json["has_number"]) == (201, False)
    assert run_allocator()["offered"] == 3
    assert statuses(api, *USERS[:3], "ada") == ["offered"] * 3 + ["waiting"]
    invariants.check(time.now)


def test_tickets_that_nobody_wants_go_to_people_who_come_after_the_draw(api, time):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, "ada")
    draw(api, time, "ada")
    assert join(api, "late", event_id).status == 201
    assert run_allocator()["offered"] == 1
    assert (statuses(api, "late"), len(offers(api, event_id))) == (["offered"], 1)
    invariants.check(time.now)


def test_the_first_account_with_an_address_has_its_place_even_if_the_second_could_get_other_tickets(api, time):
    event_id, floor = create_ballot(api, time, entry="account", capacity=1)
    balcony = builders.create_tier(api, event_id, "Balcony", capacity=1)
    for user, tier_id in (("ada.l", floor), ("adal", balcony)):
        create_account(user, f"{user}@gmail.com")
        register(api, event_id, user, tier_ids=[tier_id], quantity=1)
    assert (
        api.patch(
            f"/tiers/{floor}", json={"holdbacks": [{"id": "a", "reason": "press", "quantity": 1}]}, token=builders.admin_token()
        ).status
        == 200
    )
    draw(api, time)
    assert statuses(api, "ada.l", "adal") == ["waiting", "waiting"]


def test_one_address_gets_one_offer(api, time):
    """A place moves to the last person who proves its address; another account may have registered with it before."""
    event_id, _ = create_ballot(api, time, entry="account")
    create_account("ada", "ada.l@gmail.com")
    register(api, event_id, "ada")
    create_account("twin", "adal@gmail.com")
    register(api, event_id, "twin")
    draw(api, time)
    assert sorted(statuses(api, "ada", "twin")) == ["offered", "waiting"]
    for _ in range(2):
        time.advance(60)
        assert run_allocator()["offered"] == 0
    assert len(offers(api, event_id)) == 1
    invariants.check(time.now)


def test_accounts_that_share_a_place_hold_no_tickets_once_it_had_its_offer(api, time, monkeypatch):
    """Otherwise, many accounts with one address could use up the time of every run."""
    event_id, _ = create_ballot(api, time, entry="account", capacity=2)
    twins = ["ada.l", "adal", "a.dal", "ad.al"]
    for name in twins:
        create_account(name, f"{name}@gmail.com")
        register(api, event_id, name)
    tried, make_offer = [], allocator.make_offer
    monkeypatch.setattr(allocator, "make_offer", lambda *given, **named: (tried.append(given[1].user_id), make_offer(*given, **named))[1])
    draw(api, time)
    for _ in range(2):
        time.advance(60)
        run_allocator()
    assert len(tried) == 1
    with monkeypatch.context() as patched:
        patched.setattr(store, "list_ballot_offers", lambda *_: [])  # a run that read them before the offer was made
        run_allocator()
    assert len(tried) == 2
    assert sorted(statuses(api, *twins)) == ["offered", *["waiting"] * 3]
    invariants.check(time.now)


def test_losers_are_told_in_portions_that_fit_into_a_run(api, time, monkeypatch):
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, *USERS)
    make_draw(time)
    told, queue = [], outbox.queue_notification

    def queue_slowly(notification):
        told.append(notification.user_id)
        queue(notification)
        time.advance(1)

    monkeypatch.setattr(outbox, "queue_notification", queue_slowly)
    runs = 0
    while store.find_line(event_id).notified_up_to(1) != "~":
        with deadline.within(7):
            allocator.allocate_all(time.now)
        runs += 1
        time.advance(60)
    assert sorted(set(told)) == sorted(told)
    assert len(told) == 7
    assert runs > 1


def test_a_run_tells_only_as_many_losers_as_it_may_queue_emails(api, time, monkeypatch):
    monkeypatch.setattr(outbox, "bulk_limit", lambda: 3)
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, *USERS)
    make_draw(time)
    counts, queue = [], outbox.queue_notification

    def told():
        return [each.user_id for each in list_event_notifications(event_id, 50, None)[0] if each.kind == "ballot_lost"]

    def crash_after_two(notification):
        if len(told()) == 2:
            raise ConnectionError
        return queue(notification)

    with mock.patch.object(outbox, "queue_notification", crash_after_two), pytest.raises(ConnectionError):
        allocator.allocate(store.find_line(event_id), time.now)
    while store.find_line(event_id).notified_up_to(1) != "~":
        time.advance(60)
        run_allocator()
        counts.append(len(told()))
    assert counts == [3, 6, 7]
    assert len(set(told())) == 7


def test_a_run_keeps_the_lease_while_it_tells_the_losers(api, time, monkeypatch):
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, *USERS)
    make_draw(time)
    queue, is_free = outbox.queue_notification, []

    def queue_slowly(notification):
        queue(notification)
        time.advance(store.LEASE_SECONDS // 2)
        is_free.append(store.take_lease(event_id, "other", time.now))

    monkeypatch.setattr(outbox, "queue_notification", queue_slowly)
    run_allocator()
    assert is_free == [False] * 7


def test_a_run_that_lost_the_lease_tells_no_more_losers(api, time, monkeypatch):
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, *USERS)
    make_draw(time)
    queue, told = outbox.queue_notification, []

    def lose_lease(notification):
        queue(notification)
        told.append(notification.user_id)
        store.end_lease(event_id, store.find_line(event_id).leased_by)
        assert store.take_lease(event_id, "other", time.now)
        time.advance(allocator.RENEWAL_SECONDS)

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "queue_notification", lose_lease)
        run_allocator()
    assert (len(told), store.find_line(event_id).notified_up_to(1)) == (1, None)
    time.advance(60)
    run_allocator()
    assert store.find_line(event_id).notified_up_to(1) == "~"
    assert len([found for found in list_event_notifications(event_id, 100, None)[0] if found.kind == "ballot_lost"]) == 7


def test_the_tickets_of_very_many_open_offers_are_counted_in_portions(api, time, monkeypatch):
    monkeypatch.setattr(allocator, "OFFERS_PORTION", 2)
    event_id, _ = create_ballot(api, time, capacity=5)
    register(api, event_id, *USERS)
    make_draw(time)
    sizes, load = [], allocator._load_purchases
    monkeypatch.setattr(allocator, "_load_purchases", lambda offered: sizes.append(len(offered)) or load(offered))
    run_allocator()
    assert store.find_line(event_id).notified_up_to(1) == "~"
    assert sizes == [0, 2, 2, 1]


def test_nothing_is_offered_before_the_round_of_the_beacon(api, time):
    with open_beacon(time):
        event_id, _ = create_ballot(api, time, randomness="key_and_beacon")
        register(api, event_id, *USERS)
        time.advance(DAYS)  # the allocator is late, so the list is, and the round
        assert run_allocator()["offered"] == 0
        assert own(api, "u0")[0]["drawn_position"] is None
        time.advance(60)
        assert run_allocator()["offered"] == 3
    invariants.check(time.now)


@pytest.mark.parametrize("crashes_at", [0, 1, 2])
def test_a_crash_changes_neither_the_order_nor_the_number_of_offers(api, time, monkeypatch, crashes_at):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, *USERS)
    make_draw(time)
    made, make_offer = [], allocator.make_offer

    def crash(*arguments, **named):
        if len(made) == crashes_at:
            raise RuntimeError("crash")
        made.append(make_offer(*arguments, **named))
        return made[-1]

    with monkeypatch.context() as patched:
        patched.setattr(allocator, "make_offer", crash)
        run_allocator()
    assert len(made) == crashes_at
    time.advance(60)
    assert run_allocator()["offered"] == 3 - crashes_at
    assert [offer["position"] for offer in offers(api, event_id)] == [1, 2, 3]
    invariants.check(time.now)


def test_the_order_of_the_offers_can_be_checked(api, time, tmp_path, capsys):
    event_id, _ = create_ballot(api, time, capacity=4)
    register(api, event_id, *USERS)
    api.delete(f"/waitlist/{own(api, 'u3')[0]['id']}", user="u3")
    draw(api, time)
    pages = api.get(f"/events/{event_id}/waiting-room/proof").json["entries"]["pages"]
    (tmp_path / "entries").mkdir()
    for page in range(pages):
        listed = api.get(f"/events/{event_id}/waiting-room/entries", query={"page": str(page)}).json
        (tmp_path / "entries" / str(page)).write_text(json.dumps(listed))
    proof = api.get(f"/events/{event_id}/waiting-room/proof").json
    (tmp_path / "proof").write_text(json.dumps(proof))
    noted = ["--commitment", proof["commitment"], "--root", proof["entries"]["root"]]

    def check(document) -> tuple[int, str]:
        (tmp_path / "ballot").write_text(json.dumps(document))
        code = verify.main([str(tmp_path / "proof"), *noted, "--entries", str(tmp_path / "entries"), "--ballot", str(tmp_path / "ballot")])
        return code, "".join(capsys.readouterr())

    ballot = api.get(f"/events/{event_id}/ballot").json
    code, text = check(ballot)
    assert (code, "4 places were offered tickets" in text) == (0, True), text
    first, *others = ballot["offers"]
    for forged, fault in (
        ([others[0] | {"position": first["position"]}, *others[1:]], "did not give this place"),
        ([first, first, *others], "follows the offer"),
        ([first | {"digest": "00" * 32}, *others], "does not have its entrant"),
        ([first | {"counter": 9}, *others], "did not give this place"),
    ):
        code, text = check(ballot | {"offers": forged})
        assert (code, fault in text) == (1, True), text
    assert check(ballot | {"room": 2})[0] == 1
    for unusable in ({"next_cursor": None}, ballot | {"next_cursor": "MQ"}):
        assert check(unusable)[0] == 2


def test_the_list_of_offers_has_pages(api, time):
    event_id, _ = create_ballot(api, time, capacity=5)
    register(api, event_id, *USERS)
    draw(api, time)
    found, query = [], {"limit": "2"}
    while True:
        reply = api.get(f"/events/{event_id}/ballot", query=query)
        page = reply.json
        assert reply.headers["Cache-Control"] == "public, max-age=30"
        found += page["offers"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert [offer["position"] for offer in found] == [1, 2, 3, 4, 5]
    other = builders.create_event(api)
    assert api.get(f"/events/{other}/ballot").json == {"event_id": other, "room": None, "offers": [], "next_cursor": None}


def test_a_ballot_stays_one_around_its_draw(api, time):
    event_id, tier_id = create_ballot(api, time, capacity=5)
    register(api, event_id, "ada")
    time.advance(DAYS - 3600)
    refused = change(api, event_id, waiting_room={"ballot": False})
    assert (refused.status, refused.json["error"]) == (409, "sale_frozen"), refused.json
    time.advance(3600 - 60)
    run_allocator()
    time.advance(60)
    run_allocator()
    time.advance(4 * 86_400)
    builders.run_sweep()
    assert change(api, event_id, waiting_room={"ballot": False}).status == 200
    time.advance(room_cache.MAX_AGE_SECONDS)
    rate = {"wave_size": 5, "wave_seconds": 5}
    assert api.post(f"/admin/events/{event_id}/waiting-room/rate", json=rate, token=builders.admin_token()).status == 200
    time.advance(5)
    token = sale.join(api, event_id, "new")  # the rest is on general sale
    assert sale.reserve(api, event_id, tier_id, "new", token).status == 201
    invariants.check(time.now)


def test_a_ballot_needs_the_waitlist_and_has_no_groups(api, time):
    event_id, _ = create_ballot(api, time, entry="account", groups=True)
    assert api.get(f"/events/{event_id}/waiting-room/state").json.get("groups_until") is None
    assert change(api, event_id, waitlist={"enabled": False}).status == 200
    assert api.get(f"/events/{event_id}").json["has_waitlist"] is True


def test_an_opening_that_is_postponed_after_the_draw_offers_and_tells_nothing_before(api, time):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, *USERS)
    make_draw(time)
    api.get(f"/events/{event_id}/waiting-room/state")  # makes the draw
    assert change(api, event_id, on_sale_at=clock.iso(time.now + 3600)).status == 200
    time.advance(60)
    assert run_allocator()["offered"] == 0
    assert list_event_notifications(event_id, 50, None)[0] == []
    time.advance(3600)
    assert run_allocator()["offered"] == 3
    assert len(list_event_notifications(event_id, 50, None)[0]) == 5
    invariants.check(time.now)


def test_people_who_registered_before_the_room_was_cleared_are_not_told_that_they_lost(api, time):
    event_id, _ = create_ballot(api, time, capacity=1)
    register(api, event_id, "ada", "bob")
    assert api.delete(f"/events/{event_id}/waiting-room/clear", token=builders.admin_token()).status == 200
    register(api, event_id, "eve", "eli")
    [_, loser] = draw(api, time, "eve", "eli")
    assert [each.user_id for each in list_event_notifications(event_id, 50, None)[0] if each.kind == "ballot_lost"] == [loser]
    invariants.check(time.now)


def test_a_paused_event_offers_nothing_and_tells_nobody(api, time):
    event_id, _ = create_ballot(api, time)
    register(api, event_id, *USERS)
    make_draw(time)
    assert api.post(f"/admin/events/{event_id}/pause", json={}, token=builders.admin_token()).status == 200
    assert run_allocator()["offered"] == 0
    assert list_event_notifications(event_id, 50, None)[0] == []
    assert api.post(f"/admin/events/{event_id}/resume", json={}, token=builders.admin_token()).status == 200
    time.advance(60)
    assert run_allocator()["offered"] == 3
    invariants.check(time.now)
