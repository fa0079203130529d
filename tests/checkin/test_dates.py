"""An event with several dates: each ticket is admitted once on each of its dates, online and by a device without a network."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.foundation import clock, settings
from chalicelib.tickets import service as tickets
from tests import builders, invariants
from tests.checkin.test_web_admission import Device, outcome

DAY = 86_400


class Tour:
    """An event on three evenings, from the second Friday on, with a ticket type for each evening, for two of them, and for all."""

    def __init__(self, api, time, **fields):
        self.api, self.time, self.starts_at = api, time, time.now + 11 * DAY
        self.dates = [
            {"id": name, "starts_at": clock.iso(self.starts_at + number * DAY), "name": name.title()}
            for number, name in enumerate(("friday", "saturday", "sunday"))
        ]
        self.event_id = builders.create_event(api, **fields)
        self.change(dates=self.dates, doors_minutes=60, allows_reentry=True)
        self.tier_ids = {name: self.create_tier(name, [name]) for name in ("friday", "saturday", "sunday")}
        self.tier_ids["pass"] = self.create_tier("pass", [])
        self.tier_ids["weekend"] = self.create_tier("weekend", ["saturday", "sunday"])

    def change(self, status=200, **fields):
        reply = self.api.patch(f"/events/{self.event_id}", json=fields, token=builders.admin_token())
        assert reply.status == status, reply.json
        return reply.json

    def create_tier(self, name, date_ids):
        tier_id = builders.create_tier(self.api, self.event_id, name)
        self.change_tier(tier_id, date_ids=date_ids)
        return tier_id

    def change_tier(self, tier_id, status=200, **fields):
        reply = self.api.patch(f"/tiers/{tier_id}", json=fields, token=builders.admin_token())
        assert reply.status == status, reply.json
        return reply.json

    def buy(self, name, quantity=1, user="ada"):
        reply = builders.buy(self.api, user, self.event_id, self.tier_ids[name], quantity)
        assert reply.status == 201, reply.json
        return tickets.get_ticket(f"{reply.json['order']['id']}-1")

    def go_to(self, day, minutes=0):
        """Go to this many minutes after the start of an evening (0: Friday)."""
        self.time.set(self.starts_at + day * DAY + 60 * minutes)

    @property
    def token(self):
        return builders.staff_token(self.event_id)

    def scan(self, ticket, **fields):
        return self.api.post("/checkin", json={"code": ticket.code} | fields, token=self.token)

    def refusal(self, ticket, **fields):
        reply = self.scan(ticket, **fields)
        assert reply.status >= 400, reply.json
        return reply.json["error"]


@pytest.fixture
def tour(api, time):
    yield Tour(api, time)
    invariants.check(time.now)


def test_a_pass_is_admitted_once_on_each_date(tour):
    ticket = tour.buy("pass")
    for day, name in enumerate(("friday", "saturday", "sunday")):
        tour.go_to(day, -30)
        admitted = tour.scan(ticket).json
        assert (admitted["checkin"]["date"], admitted["ticket"]["admitted"], admitted["ticket"]["remaining"]) == (name, 1, 0)
        assert tour.refusal(ticket) == "already_admitted"
    assert [checkin.date for checkin in tickets.get_ticket(ticket.id).checkins] == ["friday", "saturday", "sunday"]
    tour.go_to(3)
    assert tour.refusal(ticket) == "event_over"


def test_a_ticket_for_one_date_is_refused_on_the_others(tour):
    ticket = tour.buy("saturday")
    for day, minutes, expected in ((0, -30, "wrong_day"), (1, -120, "doors_not_open"), (2, -30, "event_over")):
        tour.go_to(day, minutes)
        assert tour.refusal(ticket) == expected
    assert tour.scan(ticket).json["ended_at"] == clock.iso(tour.starts_at + DAY + settings.current().doors_close_seconds)


@pytest.mark.usefixtures("threaded_store")
def test_two_doors_cannot_admit_a_pass_twice_on_a_date(tour):
    ticket = tour.buy("pass")
    for day in range(3):
        tour.go_to(day)
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: tour.scan(ticket), range(4)))
        assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]


def test_an_exit_and_an_undo_belong_to_the_date_of_their_check_in(tour):
    ticket = tour.buy("pass")
    tour.go_to(0)
    first = tour.scan(ticket).json["checkin"]
    tour.go_to(1)
    tour.scan(ticket)
    assert tour.scan(ticket, direction="out").json["checkin"]["date"] == "saturday"
    back = tour.scan(ticket).json
    assert (back["checkin"]["date"], back["ticket"]["admitted"]) == ("saturday", 1)
    undone = tour.api.post(f"/tickets/{ticket.id}/undo", json={"checkin_id": first["id"]}, token=tour.token)
    assert (undone.status, undone.json["ticket"]["admitted"]) == (200, 0)
    assert tour.refusal(ticket) == "already_admitted"


def test_a_scan_that_a_device_sends_later_counts_for_its_own_date(tour):
    ticket = tour.buy("pass")
    tour.go_to(0)
    scan = {"id": "s1", "at": clock.iso(tour.time.now), "code": ticket.code}
    tour.go_to(1)
    tour.scan(ticket)
    sync = {"device": "gate-1", "scans": [scan, scan | {"id": "s2"}]}
    outcomes = [one["outcome"] for one in tour.api.post("/checkin/sync", json=sync, token=tour.token).json["scans"]]
    assert outcomes == ["admitted", "conflict"]
    assert [checkin.date for checkin in tickets.get_ticket(ticket.id).checkins] == ["saturday", "friday"]


@pytest.mark.parametrize("day", [0, 1, 2])
@pytest.mark.parametrize("minutes", [-1439, -120, -30, 600])
def test_a_device_decides_like_the_api_on_each_date(tour, day, minutes):
    bought = [tour.buy(name, user=name) for name in ("friday", "weekend", "pass")]
    if day:
        tour.go_to(0)
        tour.scan(bought[2])
    tour.go_to(day, minutes)
    device = Device(tour)
    decisions = [device.decide(ticket.code)["code"] for ticket in bought]
    assert decisions == [outcome(tour.scan(ticket)) for ticket in bought]


def test_a_device_counts_the_people_of_the_current_date(tour):
    tour.buy("friday", 2)
    ticket = tour.buy("weekend", 3, user="bob")
    tour.go_to(1)
    device = Device(tour)
    assert device.ask(now=tour.time.now) == {"expected": 3, "admitted": 0, "gates": []}
    tour.scan(ticket, gate="North")
    assert Device(tour).ask(now=tour.time.now) == {"expected": 3, "admitted": 1, "gates": [["North", 1]]}
    tour.go_to(2)
    device = Device(tour)
    assert device.ask(now=tour.time.now) == {"expected": 3, "admitted": 0, "gates": []}
    device.uncounted = [{"ticketId": ticket.id, "at": tour.time.now, "gate": "South", "seat": None, "count": 1, "date": "sunday"}]
    assert device.decide(ticket.code)["code"] == "already_admitted"


HOUR = 3600


class Shows(Tour):
    """A tour with a matinee at 15:00 on Friday, if `starts_at` is 15:00, and an evening show five hours later, both without an end."""

    def __init__(self, api, time, **fields):
        super().__init__(api, time)
        self.evening_at = self.starts_at + 5 * HOUR
        matinee = {"id": "matinee", "starts_at": clock.iso(self.starts_at)}
        evening = {"id": "evening", "starts_at": clock.iso(self.evening_at)}
        self.change(dates=[*self.dates[1:], self.dates[0] | {"starts_at": clock.iso(self.starts_at - 3 * DAY)}, matinee, evening], **fields)
        self.tier_ids |= {name: self.create_tier(name, [name]) for name in ("matinee", "evening")}
        self.tier_ids["both"] = self.create_tier("both", ["matinee", "evening"])


def at(tour, hours, *bought):
    """Scan tickets, and let a device decide about them, this many hours after the start of the first show. Returns the outcomes."""
    tour.time.set(tour.starts_at + int(HOUR * hours))
    decisions = [Device(tour).decide(ticket.code)["code"] for ticket in bought]
    replies = [tour.scan(ticket) for ticket in bought]
    assert decisions == [outcome(reply) for reply in replies]
    return [reply.json["checkin"]["date"] if reply.status == 200 else reply.json["error"] for reply in replies]


def test_tickets_for_two_shows_on_a_day_are_admitted_to_each(api, time):
    tour = Shows(api, time, doors_minutes=None)
    both, matinee, evening = (tour.buy(name, user=name) for name in ("both", "matinee", "evening"))
    assert at(tour, -0.5, both, evening) == ["matinee", "doors_not_open"]
    assert at(tour, 4.5, both, matinee, evening) == ["evening", "event_over", "evening"]
    invariants.check(time.now)


def test_doors_of_a_show_close_when_the_next_one_opens_at_the_same_place(api, time):
    tour = Shows(api, time, doors_minutes=30)
    first, second, evening = (tour.buy(name, user=user) for name, user in (("matinee", "ada"), ("matinee", "bob"), ("evening", "cleo")))
    assert at(tour, 4.4, first, evening) == ["matinee", "doors_not_open"]
    assert at(tour, 4.6, second, evening) == ["event_over", "evening"]


def test_shows_at_two_places_do_not_close_each_other(api, time):
    tour = Shows(api, time, doors_minutes=None)
    shown = tour.change()["dates"]
    tour.change(dates=[date | ({"venue": "Elsewhere"} if date["id"] == "evening" else {}) for date in shown])
    matinee, evening = tour.buy("matinee"), tour.buy("evening", user="bob")
    assert at(tour, 4.5, matinee, evening) == ["matinee", "evening"]


def test_latecomers_of_one_of_two_overlapping_shows_are_admitted_until_the_other_begins(api, time):
    tour = Shows(api, time, doors_minutes=None)
    shown = tour.change()["dates"]
    soon = clock.iso(tour.starts_at + HOUR // 2)
    tour.change(dates=[date | ({"starts_at": soon} if date["id"] == "evening" else {}) for date in shown])
    first, second, early = (tour.buy(name, user=user) for name, user in (("matinee", "ada"), ("matinee", "bob"), ("evening", "cleo")))
    assert at(tour, 0.4, first, early) == ["matinee", "evening"]
    assert at(tour, 0.6, second) == ["event_over"]
