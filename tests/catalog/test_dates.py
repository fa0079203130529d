"""An event with several dates: what it requires, what follows from the dates, and one limit per person over all of them."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from dateutil import rrule

from chalicelib.catalog.forms import MAX_RULE_DAYS, DateRule, expand_rule
from chalicelib.foundation import clock
from chalicelib.inventory.capacity import resize_stock
from tests import builders, invariants
from tests.checkin.test_dates import DAY, Tour


@pytest.fixture
def tour(api, time):
    return Tour(api, time)


def test_the_times_of_the_event_follow_from_its_dates(tour):
    event = tour.api.get(f"/events/{tour.event_id}").json
    assert (event["starts_at"], event["ends_at"]) == (tour.dates[0]["starts_at"], tour.dates[2]["starts_at"])
    later = [date | {"starts_at": clock.iso(tour.starts_at + (number + 1) * DAY)} for number, date in enumerate(tour.dates)]
    moved = tour.change(dates=later[::-1])
    assert (moved["starts_at"], [date["id"] for date in moved["dates"]]) == (later[0]["starts_at"], ["friday", "saturday", "sunday"])
    refused = tour.change(400, starts_at=tour.dates[0]["starts_at"])
    assert (refused["path"], refused["rule"]) == ("$.starts_at", "follows_from_dates")
    found = tour.api.get("/events", query={"from": later[1]["starts_at"][:10], "to": later[1]["starts_at"][:10]}).json
    assert [event["id"] for event in found] == [tour.event_id]


@pytest.mark.parametrize(
    ("change", "path", "rule"),
    [
        ({"id": "saturday"}, "$.dates[1].id", "date_repeated"),
        ({"ends_at": "2026-01-01T00:00:00Z"}, "$.dates[0].ends_at", "ends_before_start"),
        ({"starts_at": "9999-12-31T23:00:00-09:00"}, "$.dates[0].starts_at", "not_a_time"),
    ],
)
def test_dates_need_ids_of_their_own_and_times_in_order(tour, change, path, rule):
    refused = tour.change(400, dates=[tour.dates[0] | change, *tour.dates[1:]])
    assert (refused["path"], refused["rule"]) == (path, rule)


def test_a_ticket_type_names_dates_that_exist_and_stay(tour):
    refused = tour.change_tier(tour.tier_ids["friday"], 400, date_ids=["friday", "monday"])
    assert (refused["path"], refused["rule"]) == ("$.date_ids[1]", "unknown_date")
    refused = tour.change(400, dates=tour.dates[1:])
    assert (refused["path"], refused["rule"], refused["tier_id"]) == ("$.dates", "date_in_use", tour.tier_ids["friday"])
    tour.change_tier(tour.tier_ids["friday"], date_ids=["saturday"])
    tour.change(dates=tour.dates[1:])


def test_dates_of_sold_tickets_stay(tour):
    for name in ("weekend", "pass"):
        tour.buy(name, user=name)
        refused = tour.change_tier(tour.tier_ids[name], 400, date_ids=["sunday"])
        assert (refused["path"], refused["rule"]) == ("$.date_ids", "date_in_use")
    tour.change_tier(tour.tier_ids["weekend"], date_ids=["saturday", "sunday", "friday"])
    tour.change_tier(tour.tier_ids["friday"], date_ids=["saturday"])
    tour.change_tier(tour.tier_ids["weekend"], date_ids=[])
    refused = tour.change(400, dates=tour.dates[1:])  # of a pass
    assert (refused["path"], refused["rule"]) == ("$.dates", "date_in_use")


def test_tickets_show_their_own_dates(tour):
    tour.change(dates=[tour.dates[0], tour.dates[1] | {"venue": "Arena"}, tour.dates[2]])
    order_ids = {name: tour.buy(name, user=name).purchase_id for name in ("saturday", "weekend")}
    seen = {name: tour.api.get(f"/tickets/{order_id}-1", user=name).json["event"] for name, order_id in order_ids.items()}
    assert [date["id"] for date in seen["weekend"]["dates"]] == ["saturday", "sunday"]
    assert {name: (event["starts_at"], event["venue"]) for name, event in seen.items()} == {
        "saturday": (tour.dates[1]["starts_at"], "Arena"),
        "weekend": (tour.dates[1]["starts_at"], "Hall"),
    }
    order = tour.api.get(f"/orders/{order_ids['saturday']}", user="saturday").json["order"]
    assert (order["event_starts_at"], order["event_venue"]) == (tour.dates[1]["starts_at"], "Arena")


def test_a_ticket_type_is_sold_until_its_last_date_is_over(tour):
    tour.go_to(0, 1)
    statuses = {tier["name"]: tier["status"] for tier in tour.api.get(f"/events/{tour.event_id}").json["tiers"]}
    assert statuses == {"friday": "closed", "saturday": "available", "sunday": "available", "pass": "available", "weekend": "available"}
    assert builders.reserve(tour.api, "ada", tour.event_id, tour.tier_ids["friday"]).json["error"] == "tier_not_on_sale"
    assert builders.reserve(tour.api, "ada", tour.event_id, tour.tier_ids["saturday"]).status == 201


def test_a_calendar_file_has_each_date(tour):
    text = tour.api.get(f"/events/{tour.event_id}/calendar.ics").body.decode()
    assert [line for line in text.split("\r\n") if line.startswith("SUMMARY")] == [f"SUMMARY:Night: {date['name']}" for date in tour.dates]
    assert text.count("BEGIN:VEVENT") == len({line for line in text.split("\r\n") if line.startswith("UID")}) == 3


@pytest.mark.usefixtures("threaded_store")
def test_one_limit_per_person_holds_over_all_dates_in_a_race(tour):
    tour.change(purchase_limit=3)
    names = list(tour.tier_ids)

    def buy(number):
        reserved = builders.reserve(tour.api, "ada", tour.event_id, tour.tier_ids[names[number % 5]])
        if reserved.status != 201:
            return reserved.json["error"]
        checkout = builders.start_checkout(tour.api, "ada", reserved.json["id"], key=f"key-{reserved.json['id']}")
        return builders.confirm(tour.api, "ada", checkout.json["id"]).status

    def buy_until_refused(number):
        replies = list(itertools.takewhile(lambda reply: reply != "purchase_limit_exceeded", (buy(number) for _ in range(10_000))))
        assert len(replies) < 10_000
        assert set(replies) <= {201, "active_reservation_exists"}
        return replies.count(201)

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(buy_until_refused, range(5))) == 3
    assert sum(ticket["admits"] for ticket in tour.api.get("/me/tickets", user="ada").json["tickets"]) == 3


def add(tour, status=200, **fields):
    body = {"starts_at": tour.dates[0]["starts_at"]} | fields
    reply = tour.api.post(f"/admin/events/{tour.event_id}/dates", json=body, token=builders.admin_token())
    assert reply.status == status, reply.json
    return reply.json


def test_a_rule_adds_dates_at_the_same_time_of_day(tour):
    tour.change(timezone="Europe/Madrid")
    rule = {"rule": "FREQ=WEEKLY;BYDAY=SA;COUNT=3", "starts_at": "2026-10-17T18:00:00Z", "duration_minutes": 90}
    added = add(tour, **rule)["dates"][3:]
    assert [(date["id"], date["starts_at"], date["ends_at"]) for date in added] == [
        ("2026-10-17", "2026-10-17T18:00:00Z", "2026-10-17T19:30:00Z"),
        ("2026-10-24", "2026-10-24T18:00:00Z", "2026-10-24T19:30:00Z"),
        ("2026-10-31", "2026-10-31T19:00:00Z", "2026-10-31T20:30:00Z"),  # after the end of summer time
    ]
    assert add(tour, **rule)["dates"][3:] == added
    matinee = add(tour, rule="FREQ=DAILY;UNTIL=20261018", starts_at="2026-10-17T14:00:00Z")["dates"]
    assert {"2026-10-17-1600", "2026-10-18"} <= {date["id"] for date in matinee}


def test_dates_of_a_rule_get_the_ticket_types_of_a_date(tour):
    tour.change_tier(tour.tier_ids["friday"], price_cents=4500, capacity=7)
    body = {"rule": "FREQ=WEEKLY;COUNT=3", "tiers_of": "friday"}
    tiers = {tier["name"]: tier for tier in add(tour, **body)["tiers"] if tier["name"].startswith("friday")}
    first, *new = sorted(tiers)
    ids = [tiers[name]["date_ids"] for name in new]
    assert first == "friday"
    assert new == [f"friday, {date_id}" for [date_id] in ids]
    assert [(tiers[name]["price_cents"], tiers[name]["available"], tiers[name]["status"]) for name in new] == [(4500, 7, "available")] * 2
    assert len(add(tour, **body)["tiers"]) == len(tour.tier_ids) + 2, "a repeated request adds nothing"
    assert builders.buy(tour.api, "ada", tour.event_id, tiers[new[0]]["id"]).status == 201
    [ticket] = tour.api.get("/me/tickets", user="ada").json["tickets"]
    assert [date["id"] for date in ticket["event"]["dates"]] == ids[0]
    invariants.check(tour.time.now)


@pytest.mark.parametrize("tiers_of", ["nowhere", ""])
def test_a_date_without_ticket_types_is_refused_and_no_date_is_added(tour, tiers_of):
    refused = add(tour, 400, rule="FREQ=WEEKLY;COUNT=3", tiers_of=tiers_of)
    assert (refused["path"], refused["rule"]) == ("$.tiers_of", "without_tiers")
    assert len(add(tour, rule="FREQ=WEEKLY;COUNT=1")["dates"]) == 3


def test_too_many_copies_add_no_date(tour):
    tour.create_tier("friday, balcony", ["friday"])
    refused = add(tour, 409, rule="FREQ=WEEKLY;COUNT=50", tiers_of="friday")
    assert refused["error"] == "too_many_tiers"
    assert len(add(tour, rule="FREQ=WEEKLY;COUNT=1")["dates"]) == 3


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=61",
        "FREQ=DAILY;COUNT=2;UNTIL=20270101",
        "FREQ=DAILY;UNTIL=21000101",
        "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=SECONDLY;COUNT=2",
        "FREQ=DAILY;BYSECOND=1,2,3;COUNT=2",
        "FREQ=DAILY;INTERVAL=0;COUNT=2",
        "FREQ=DAILY;BYDAY=XX;COUNT=2",
        "FREQ=DAILY;BYMONTH=13;COUNT=2",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=1",
        "FREQ=DAILY;FREQ=WEEKLY;COUNT=2",
        "COUNT=2",
        "",
    ],
)
def test_a_rule_without_a_near_end_is_refused(tour, rule):
    refused = add(tour, 400, rule=rule)
    assert (refused["path"], refused["rule"]) == ("$.rule", "invalid_rule")


@pytest.mark.parametrize("rule", ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31;COUNT=2", "FREQ=DAILY;BYSETPOS=-2;COUNT=60"])
@pytest.mark.parametrize("year", [2026, 2028, 2051, 9990])
def test_a_rule_that_no_day_matches_is_refused_soon(tour, monkeypatch, rule, year):
    """dateutil looks at each day until the year 9999."""
    looked_at, rebuild = [], rrule._iterinfo.rebuild
    monkeypatch.setattr(rrule._iterinfo, "rebuild", lambda info, year, month: (looked_at.append(year), rebuild(info, year, month)))
    refused = add(tour, 400, rule=rule, starts_at=f"{year}-10-17T18:00:00Z")
    assert (refused["path"], refused["rule"]) == ("$.rule", "invalid_rule")
    assert 0 < len(set(looked_at)) <= 50


@pytest.mark.parametrize("year", [2023, 2024, 2026, 2096, 2099, 2100, 2399, 9960, 9995])
def test_rules_have_the_same_dates_as_without_the_shortcut(year):
    start = datetime(year, 2, 20, 18, tzinfo=UTC)
    for text in ("FREQ=WEEKLY;INTERVAL=3;BYDAY=MO,SU;WKST=SU", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"):
        _, dates = expand_rule(DateRule(f"{text};COUNT=30", start), [], "UTC")
        until = datetime(year, 2, 20, 18) + timedelta(days=MAX_RULE_DAYS)
        expected = list(rrule.rrulestr(text, dtstart=datetime(year, 2, 20, 18)).replace(until=until))[:30]
        assert [date.starts_at.replace(tzinfo=None) for date in dates] == expected


class Hall(Tour):
    """A tour with 100 places on Friday, all of which its ticket types sell, 140 on Saturday, and any number on Sunday."""

    def __init__(self, api, time):
        super().__init__(api, time)
        for name, capacity in {"friday": 70, "saturday": 20, "sunday": 500, "pass": 30, "weekend": 10}.items():
            self.change_tier(self.tier_ids[name], capacity=capacity)
        self.change(dates=self.with_capacities(100, 140, None))

    def with_capacities(self, *capacities):
        return [date | {"capacity": capacity} for date, capacity in zip(self.dates, capacities, strict=True)]

    def refusal(self, change, *args, **fields):
        refused = change(*args, 400, **fields)
        assert refused["rule"] == "above_date_capacity", refused
        return refused["path"], refused["date_id"], refused["capacity"], refused["tickets"]

    def resize(self, name, capacity):
        return self.api.patch(f"/tiers/{self.tier_ids[name]}", json={"capacity": capacity}, token=builders.admin_token())


@pytest.fixture
def hall(api, time):
    yield Hall(api, time)
    invariants.check(time.now)


def test_the_ticket_types_of_a_date_cannot_exceed_its_capacity(hall):
    assert hall.refusal(hall.change_tier, hall.tier_ids["pass"], capacity=31) == ("$.capacity", "friday", 100, 101)
    hall.change_tier(hall.tier_ids["friday"], capacity=60)
    hall.change_tier(hall.tier_ids["pass"], capacity=40)
    assert hall.refusal(hall.change_tier, hall.tier_ids["friday"], capacity=61) == ("$.capacity", "friday", 100, 101)
    assert hall.refusal(hall.change_tier, hall.tier_ids["sunday"], date_ids=["sunday", "saturday"]) == ("$.date_ids", "saturday", 140, 570)
    hall.change_tier(hall.tier_ids["sunday"], capacity=900)  # Sunday has no capacity


def test_a_capacity_counts_passes_and_tickets_without_a_limit(hall):
    lowered = hall.with_capacities(100, 59, None)
    assert hall.refusal(hall.change, dates=lowered[::-1]) == ("$.dates[1].capacity", "saturday", 59, 60)
    assert hall.refusal(hall.change, dates=hall.with_capacities(100, 140, 539)) == ("$.dates[2].capacity", "sunday", 539, 540)
    assert hall.refusal(hall.change_tier, hall.tier_ids["weekend"], capacity=None) == ("$.capacity", "saturday", 140, None)
    hall.change(dates=hall.with_capacities(None, None, None))
    hall.change_tier(hall.tier_ids["weekend"], capacity=None)


def test_new_ticket_types_count_for_the_dates_of_their_event(hall):
    body = {"name": "Balcony", "price_cents": 100, "capacity": 1}
    refused = hall.api.post(f"/events/{hall.event_id}/tiers", json=body, token=builders.admin_token())
    assert (refused.status, refused.json["rule"]) == (400, "above_date_capacity"), refused.json
    assert hall.api.delete(f"/tiers/{hall.tier_ids['pass']}", token=builders.admin_token()).status == 200
    created = hall.api.post(f"/events/{hall.event_id}/tiers", json=body | {"capacity": 30}, token=builders.admin_token())
    assert created.status == 201, created.json


@pytest.mark.needs_addon
def test_copied_ticket_types_count_for_the_dates_of_their_event(hall):
    copied = hall.api.post(
        f"/admin/events/{hall.event_id}/tickets/packages/{hall.tier_ids['friday']}/duplicate", token=builders.admin_token()
    )
    assert (copied.status, copied.json["rule"]) == (400, "above_date_capacity"), copied.json


def test_the_capacity_of_the_event_limits_all_of_its_dates(api, time):
    tour = Tour(api, time, status="draft", capacity=50)
    tour.change_tier(tour.tier_ids["pass"], capacity=None)
    tour.change(dates=[date | {"capacity": 50} for date in tour.dates])
    refused = tour.change(400, capacity=51)
    assert (refused["path"], refused["rule"], refused["tickets"]) == ("$.capacity", "above_date_capacity", 51)
    tour.change(capacity=40)


def test_availability_says_what_is_left_of_each_date(hall):
    hall.buy("pass", 3)
    hall.buy("saturday", 2, user="bob")
    shown = hall.api.get(f"/events/{hall.event_id}/availability").json
    assert shown["dates"] == [
        {"date_id": "friday", "capacity": 100, "available": 97},
        {"date_id": "saturday", "capacity": 140, "available": 55},
    ]


def test_tickets_count_until_their_stock_has_shrunk(hall):
    """Another change made the stock of Friday's tickets larger than the catalog says, and will notice that only later."""
    hall.change_tier(hall.tier_ids["friday"], capacity=60)
    resize_stock(hall.tier_ids["friday"], 1, 70)
    assert hall.refusal(hall.change_tier, hall.tier_ids["pass"], capacity=31) == ("$.capacity", "friday", 100, 101)
    hall.change_tier(hall.tier_ids["friday"], capacity=60)  # the same capacity again, which the stock now gets
    hall.change_tier(hall.tier_ids["pass"], capacity=40)


@pytest.mark.usefixtures("threaded_store")
def test_no_date_is_oversold_while_managers_move_tickets_between_types(hall):
    """Buyers take whatever is on sale, while one manager resizes Friday's tickets and another one the passes."""

    def manage(name, capacities):
        return [hall.resize(name, capacity).status for capacity in capacities]

    def buy(number):
        name = ("friday", "pass")[number % 2]
        return builders.reserve(hall.api, f"buyer-{number}", hall.event_id, hall.tier_ids[name], 4).status

    with ThreadPoolExecutor(4) as pool:
        managers = [pool.submit(manage, "friday", [50, 80, 40, 80]), pool.submit(manage, "pass", [50, 20, 60, 50])]
        statuses = list(pool.map(buy, range(40)))
    answers = {status for manager in managers for status in manager.result()}
    assert answers <= {200, 400, 409, 503}
    assert statuses.count(201) <= 25  # of 4 tickets each
    invariants.check(hall.time.now)


def test_a_list_has_the_next_five_dates_so_that_tours_push_no_other_events_off_the_page(api, time):
    long = {"name": "\U0001f600" * 100, "venue": "\U0001f600" * 100}
    dates = [{"id": f"d{number}", "starts_at": clock.iso(time.now + (number + 1) * DAY), **long} for number in range(60)]
    for number in range(20):
        event_id = builders.create_event(api, f"Tour {number}", starts_at=dates[0]["starts_at"])
        assert api.patch(f"/events/{event_id}", json={"dates": dates}, token=builders.admin_token()).status == 200
    other = builders.create_event(api, "Concert", starts_at=clock.iso(time.now + 90 * DAY))
    cancelled = {"date_id": "d3", "reason": "R" * 500}
    assert api.post(f"/events/{event_id}/cancel", json=cancelled, token=builders.admin_token()).status == 200
    time.advance(2 * DAY)
    listed = {event["id"]: event for event in api.get("/events").json}
    assert ([date["id"] for date in listed[event_id]["dates"]], listed[event_id]["cancelled_dates"]) == (["d1", "d2", "d4", "d5", "d6"], [])
    assert other in listed
    assert len(api.get(f"/events/{event_id}").json["dates"]) == 60
