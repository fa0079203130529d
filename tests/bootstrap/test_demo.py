"""The demo catalog always has sales that are open and sales that open soon."""

import calendar
import json
import re
from datetime import UTC, date, datetime

import pytest

from bootstrap import demo
from bootstrap.files import merge, read_file
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_files, validate_tree
from infra.local.data_folder import RunSecrets
from infra.local.demo_access import create_access
from tests import builders
from tests.bootstrap.conftest import EXAMPLE

NIGHTLY = [date(2026, 1, 5), date(2026, 6, 1), date(2027, 2, 28), date(2028, 2, 29)]


def test_it_has_four_games_and_six_concerts_with_every_kind_of_tier():
    tree = demo.load()
    games = [event for event in tree["events"].values() if event["metadata"]["category"] == "basketball"]
    assert (len(tree["events"]), len(games)) == (10, 4)
    tickets = list(tree["ticket_types"].values())
    for event_id in tree["events"]:
        assert 2 <= sum(ticket["event_id"] == event_id for ticket in tickets) <= 4
    assert [ticket["id"] for ticket in tickets if ticket["price_cents"] == 0] == ["streetball-open-day-free"]
    assert [ticket["id"] for ticket in tickets if ticket["max_quantity"] == 20] == ["summits-v-harbor-courtside"]


def test_the_demo_promoter_sells_half_of_it_and_cities_can_be_searched(api, time):
    time.set(int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()))
    rollout.apply(validate_tree(demo.shift_dates(demo.load(), date(2026, 6, 1))), "demo", time.now)
    create_access("http://127.0.0.1:8000", "", None, RunSecrets(*["of-the-demo-" * 3] * 5, first_day=0))
    events = api.get("/events").json
    assert all(event["city"] and event["city"] not in event["venue"] for event in events)
    assert [event["name"] for event in api.get("/events", query={"city": "denver"}).json] == [
        "Mile High Summits vs. Harbor City Gulls",
        "Nova Lights: Afterglow Tour",
    ]
    token = builders.token("demo-promoter", "promoter")
    own = api.get("/promoters/demo-promoter/events", token=token).json["events"]
    assert len(own) == 5
    assert api.get(f"/events/{own[0]['id']}/analytics", token=token).status == 200
    [other, *_] = {event["id"] for event in events} - {event["id"] for event in own}
    assert api.get(f"/events/{other}/analytics", token=token).status == 403


@pytest.mark.parametrize("today", NIGHTLY)
def test_it_is_valid_on_any_day(today):
    assert validate_tree(demo.shift_dates(demo.load(), today)).tree["generated"] == today.isoformat()


@pytest.mark.parametrize("today", NIGHTLY)
def test_it_has_open_and_scheduled_sales_on_any_day(api, time, today):
    time.set(int(datetime(today.year, today.month, today.day, 12, tzinfo=UTC).timestamp()))
    rollout.apply(validate_tree(demo.shift_dates(demo.load(), today)), "demo", time.now)
    statuses = [event["status"] for event in api.get("/events").json]
    assert len(statuses) == 10
    assert statuses.count("on_sale") == 6
    assert statuses.count("scheduled") == 4


def test_its_texts_name_no_day_that_its_dates_leave():
    tree = demo.load()
    texts = [*tree["events"].values(), *tree["ticket_types"].values(), *(event["metadata"] for event in tree["events"].values())]
    shown = [entry.get(field) or "" for entry in texts for field in ("name", "description")]
    moving = re.compile(
        "|".join([*calendar.day_name, "weekend", "tonight", "tomorrow", *calendar.month_name[1:], r"20\d\d"]), re.IGNORECASE
    )
    assert [text for text in shown if moving.search(text)] == []


def test_local_times_stay_the_same_over_a_change_to_summer_time():
    tree = demo.load() | {"generated": "2026-03-01"}
    tree["events"] = {"a": {"date": "2026-03-07T20:00:00", "end_date": "2026-03-08", "metadata": {"doors": "19:00", "n": [1, None]}}}
    shifted = demo.shift_dates(tree, date(2026, 3, 3))["events"]["a"]
    assert shifted == {"date": "2026-03-09T20:00:00", "end_date": "2026-03-10", "metadata": {"doors": "19:00", "n": [1, None]}}


def test_it_is_formatted_for_people():
    text = demo.FILE.read_text()
    assert json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n" == text


def test_it_can_be_applied_together_with_the_example():
    shifted = demo.shift_dates(demo.load(), date(2026, 6, 1))
    files = merge([("example", read_file(EXAMPLE)), ("demo", shifted)])
    assert len(validate_files(files).document.events) == 14
