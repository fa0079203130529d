"""The calendar file of an event, read by the library that calendar programs of Python use."""

from datetime import UTC, date, datetime, timedelta

import pytest
from icalendar import Calendar

from chalicelib.foundation import clock, settings
from tests import builders
from tests.bootstrap.conftest import event as file_event
from tests.bootstrap.conftest import ticket

SHOP = "https://tickets.example.org"
NASTY = 'Café; "Noir", \\n\nBEGIN:VEVENT\r\nSUMMARY:forged \U0001f3b8 ' + "ö" * 60


@pytest.fixture(autouse=True)
def shop_url():
    with settings.override(shop_url=f"{SHOP}/"):
        yield


def read(api, event_id):
    """The only event of the file."""
    (entry,) = read_all(api, event_id)
    return entry


def read_all(api, event_id, **headers):
    """The events of the file; checks what holds for every file."""
    reply = api.get(f"/events/{event_id}/calendar.ics", headers=headers)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert all(len(line) <= 75 for line in reply.body.split(b"\r\n")), "RFC 5545 folds longer lines"
    assert b"\n" not in reply.body.replace(b"\r\n", b"")
    entries = Calendar.from_ical(reply.body.decode()).walk("VEVENT")
    assert not any(entry.errors for entry in entries)
    return entries


def test_a_calendar_gets_the_event_with_its_place_and_its_link(api, time):
    starts_at, ends_at = time.now + 30 * 86_400, time.now + 30 * 86_400 + 7200
    event_id = builders.create_event(api, "Night", venue="Hall", description="Loud.", starts_at=clock.iso(starts_at))
    change = {"ends_at": clock.iso(ends_at), "address": "1 Main Street", "city": "Denver", "timezone": "America/Denver"}
    assert api.patch(f"/events/{event_id}", json=change, token=builders.admin_token()).status == 200
    entry = read(api, event_id)
    assert entry["SUMMARY"] == "Night"
    assert entry["LOCATION"] == "Hall, 1 Main Street, Denver"
    assert entry["DESCRIPTION"] == f"Loud.\n\n{SHOP}/events/{event_id}"
    assert entry["URL"] == f"{SHOP}/events/{event_id}"
    assert entry.start == datetime.fromtimestamp(starts_at, UTC)
    assert entry.end == datetime.fromtimestamp(ends_at, UTC)


def test_text_of_promoters_stays_text(api, time):
    event_id = builders.create_event(api, NASTY, description=NASTY)
    entry = read(api, event_id)
    expected = api.get(f"/events/{event_id}").json["name"].replace("\r", "")
    assert entry["SUMMARY"] == expected


def test_a_changed_event_replaces_its_entry_and_a_cancelled_one_cancels_it(api, time):
    event_id = builders.create_event(api)
    before = read(api, event_id)
    later = clock.iso(time.now + 40 * 86_400)
    assert api.patch(f"/events/{event_id}", json={"starts_at": later}, token=builders.admin_token()).status == 200
    time.advance(10)
    after = read(api, event_id)
    assert (after["UID"], after["STATUS"]) == (before["UID"], "CONFIRMED")
    assert after["SEQUENCE"] > before["SEQUENCE"]
    assert before["UID"].endswith("@tickets.example.org")
    assert api.post(f"/events/{event_id}/cancel", token=builders.admin_token()).status == 200
    time.advance(10)
    assert read(api, event_id)["STATUS"] == "CANCELLED"


def test_days_without_a_time_are_whole_days(api, apply_document):
    apply_document([file_event("fest", date="2026-09-01", end_date="2026-09-03")], [ticket("fest-pass")])
    entry = read(api, "fest")
    assert (entry.start, entry.end) == (date(2026, 9, 1), date(2026, 9, 4))


def test_a_time_of_the_file_is_that_of_its_timezone(api, apply_document):
    apply_document([file_event("fest", date="2026-09-01T20:00:00")], [ticket("fest-pass")])  # in America/Denver
    assert read(api, "fest").start == datetime(2026, 9, 2, 2, tzinfo=UTC)


def test_drafts_have_no_file(api, time):
    event_id = builders.create_event(api, status="draft")
    assert api.get(f"/events/{event_id}/calendar.ics").status == 404


def test_before_the_sale_opens_the_calendar_also_reminds_of_the_opening(api, time):
    opens_at = time.now + 86_400
    event_id = builders.create_event(api, "Night", on_sale_at=clock.iso(opens_at))
    whole, opening = read_all(api, event_id, **{"Accept-Language": "es"})
    assert whole["SUMMARY"] == "Night"
    assert opening["SUMMARY"] == "Empieza la venta de entradas: Night"
    assert (opening.start, opening["URL"]) == (datetime.fromtimestamp(opens_at, UTC), f"{SHOP}/events/{event_id}")
    (alarm,) = opening.walk("VALARM")
    assert alarm["TRIGGER"].dt == timedelta(minutes=-15)
    assert opening["UID"] != whole["UID"]
    time.advance(86_400)
    assert read(api, event_id)["SUMMARY"] == "Night"


def test_a_cancelled_event_has_no_opening(api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 86_400))
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status == 200
    assert read(api, event_id)["STATUS"] == "CANCELLED"
