"""How the status of events and tiers depends on the time and the stock."""

import pytest

from chalicelib.foundation import clock
from tests.bootstrap.conftest import event, ticket
from tests.catalog.requests import hold_tickets

DAY = 86_400


def status_of_event(api) -> str:
    """The status of the only event, which is the same in the list and alone."""
    (listed,) = api.get("/events").json
    assert api.get("/events/fest").json["status"] == listed["status"]
    return listed["status"]


def test_the_status_of_an_event_follows_the_clock(api, apply_document, time):
    opens, ends = time.now + DAY, 1_788_328_799  # the last second of the last day, in Denver
    apply_document([event("fest", on_sale_at=clock.iso(opens))], [ticket("fest-pass", availability={"end_date": None})])
    for now, status in ((opens - 1, "scheduled"), (opens, "on_sale"), (ends, "on_sale"), (ends + 1, "closed")):
        time.set(now)
        assert (clock.iso(now), status_of_event(api)) == (clock.iso(now), status)


def test_the_status_of_a_tier_follows_its_sale_period(api, apply_document, time):
    window = {"start_date": clock.iso(time.now + 60), "end_date": clock.iso(time.now + 120)}
    apply_document(None, [ticket("fest-pass", availability=window)])
    start = time.now
    seen = []
    for now in (start + 59, start + 60, start + 120, start + 121):
        time.set(now)
        (tier,) = api.get("/events/fest").json["tiers"]
        (listed,) = api.get("/tickets/types").json["ticket_types"]
        seen.append((status_of_event(api), tier["status"], tier["message"], listed["is_available"], listed["message"]))
    assert seen == [
        ("scheduled", "coming-soon", "On sale soon", False, "On sale soon"),
        ("on_sale", "available", None, True, None),
        ("on_sale", "available", None, True, None),
        ("closed", "closed", "Sales have ended", False, "Sales have ended"),
    ]


def test_an_event_without_available_tickets_is_sold_out(api, apply_document, time):
    apply_document()
    assert status_of_event(api) == "on_sale"
    hold_tickets("fest-pass", 10)
    time.advance(1)
    assert status_of_event(api) == "sold_out"
    assert api.get("/events/fest").json["tiers"][0]["message"] == "Sold out"


@pytest.mark.parametrize(("status", "shown"), [("past", "closed"), ("cancelled", "cancelled")])
def test_a_past_or_cancelled_event_is_never_on_sale(api, apply_document, status, shown):
    apply_document([event("fest", status=status)])
    assert status_of_event(api) == shown
    assert not api.get("/tickets/types").json["ticket_types"][0]["is_available"]


def test_a_date_without_an_offset_is_in_the_timezone_of_the_event(api, apply_document):
    apply_document([event("fest", date="2026-07-01T20:00:00", metadata={"timezone": "Europe/Berlin"})], [])
    assert api.get("/events").json[0]["starts_at"] == "2026-07-01T18:00:00Z"
