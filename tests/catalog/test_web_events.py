"""How the web pages date events and show the text of promoters: modules without a browser."""

import pytest

from tests.javascript import run_module

RUN = """
process.env.TZ = "Asia/Tokyo";
import * as readline from "node:readline";
import { dateFilters } from "$WEB/src/event-dates.ts";
import { eventTime, period } from "$WEB/src/formats.ts";
import { linked } from "$WEB/src/links.ts";
const sentence = (iso, timezone, locale) => eventTime(iso, timezone, locale, (time, own) => `${time} | ${own}`);
const functions = { dateFilters, sentence, period, linked };
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [name, ...values] = JSON.parse(line);
  console.log(JSON.stringify(functions[name](...values)));
}
"""
WEDNESDAY = 1_794_416_400  # 2026-11-11, 10:00 in Denver


def filters(starts_at, ends_at=None, *, now=WEDNESDAY, status="on_sale"):
    event = {"starts_at": starts_at, "ends_at": ends_at, "timezone": "America/Denver", "status": status}
    return run_module(RUN, [["dateFilters", event, now]])[0]


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "expected"),
    [
        ("2026-11-12T05:00:00Z", None, ["today", "2026-11"]),  # 22:00 in Denver, already the next day in UTC
        ("2026-11-11T08:00:00Z", None, ["today", "2026-11"]),  # began at 1:00 and has no end
        ("2026-11-11T06:00:00Z", None, ["past"]),  # 23:00 on the day before
        ("2026-11-11T06:00:00Z", "2026-11-11T17:30:00Z", ["today", "2026-11"]),  # still on
        ("2026-11-11T14:00:00Z", "2026-11-11T16:59:00Z", ["past"]),
        ("2026-11-12T19:00:00Z", None, ["later", "2026-11"]),
        ("2026-11-13T19:00:00Z", None, ["weekend", "2026-11"]),  # Friday
        ("2026-11-16T05:00:00Z", None, ["weekend", "2026-11"]),  # Sunday night
        ("2026-11-16T19:00:00Z", None, ["later", "2026-11"]),
        ("2026-11-12T19:00:00Z", "2026-11-15T19:00:00Z", ["weekend", "2026-11"]),
        ("2026-11-12T19:00:00Z", "2026-11-13T07:00:00Z", ["later", "2026-11"]),  # ends at midnight, before Friday begins
        ("2026-10-01T19:00:00Z", "2026-12-15T19:00:00Z", ["today", "weekend", "2026-11"]),  # has begun, so not in October
        ("2027-05-15T06:00:00Z", None, ["later", "2027-05"]),
    ],
)
def test_events_are_grouped_by_their_dates_in_their_own_time_zone(starts_at, ends_at, expected):
    assert filters(starts_at, ends_at) == expected


def test_on_a_saturday_an_event_of_today_is_also_one_of_the_weekend():
    saturday = WEDNESDAY + 3 * 86_400
    assert filters("2026-11-15T03:00:00Z", now=saturday) == ["today", "weekend", "2026-11"]
    assert filters("2026-11-16T03:00:00Z", now=saturday) == ["weekend", "2026-11"]
    assert filters("2026-11-21T03:00:00Z", now=saturday) == ["later", "2026-11"]  # the next Friday


def test_a_cancelled_event_has_a_group_of_its_own_until_its_day_is_over():
    assert filters("2026-11-12T05:00:00Z", status="cancelled") == ["cancelled", "today", "2026-11"]
    assert filters("2026-11-10T05:00:00Z", status="cancelled") == ["past"]


def test_the_time_of_an_event_has_its_end():
    denver, french = "America/Denver", "Europe/Paris"
    cases = {
        ("2035-01-07T03:00:00Z", "2035-01-07T06:30:00Z", denver): "Saturday, January 6, 2035, 8:00 – 11:30 PM MST",
        ("2035-01-07T03:00:00Z", None, denver): "Saturday, January 6, 2035 at 8:00 PM MST",
        ("2035-05-14T22:00:00Z", "2035-05-16T22:00:00Z", french): "Tuesday, May 15 – Wednesday, May 16, 2035",
        ("2035-05-14T22:00:00Z", "2035-05-15T21:59:00Z", french): "Tuesday, May 15, 2035",
        ("2035-01-07T03:00:00Z", "2035-01-07T06:30:00Z", denver, "short"): "Sat, Jan 6, 2035, 8:00 PM",
        ("2035-05-14T12:00:00Z", "2035-05-16T20:00:00Z", french, "short"): "Mon, May 14 – Wed, May 16, 2035",
    }
    found = run_module(RUN, [["period", start, end, zone, "en-US", bool(short)] for start, end, zone, *short in cases])
    assert [" ".join(text.split()) for text in found] == list(cases.values())
    assert not any(" PM" in text for text in found), "the space before it does not break the line"


@pytest.mark.parametrize(
    ("timezone", "locale", "expected"),
    [
        ("America/Denver", "en-US", "Saturday, January 6, 2035 at 8:00 PM MST | Sunday, January 7, 2035 at 12:00 PM GMT+9"),
        ("America/Denver", "es-ES", "sábado, 6 de enero de 2035, 20:00 GMT\u20117 | domingo, 7 de enero de 2035, 12:00 GMT+9"),
        ("Asia/Seoul", "en-US", "Sunday, January 7, 2035 at 12:00 PM GMT+9"),
        (None, "en-US", "Sunday, January 7, 2035 at 12:00 PM GMT+9"),  # the event's zone is unknown
    ],
)
def test_a_deadline_is_shown_in_the_zone_of_the_event_and_in_the_reader_s(timezone, locale, expected):
    [found] = run_module(RUN, [["sentence", "2035-01-07T03:00:00Z", timezone, locale]])
    assert " ".join(found.split()) == expected


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://a.example/tour?x=1&y=2#map.", ["https://a.example/tour?x=1&y=2#map"]),
        ("(http://a.example/), “https://b.example/b”!", ["http://a.example/", "https://b.example/b"]),
        ("HTTPS://A.EXAMPLE/Ö", ["https://a.example/%C3%96"]),
        ("javascript:alert(1) data:text/html,x ftp://a.example www.a.example", []),
        ("https://", []),
        ("xhttps://a.example", []),
        ('<a href="https://a.example/">x</a>', ["https://a.example/"]),
    ],
)
def test_only_web_addresses_become_links(text, links):
    [parts] = run_module(RUN, [["linked", text]])
    assert [part["href"] for part in parts if isinstance(part, dict)] == links
    assert "".join(part if isinstance(part, str) else part["text"] for part in parts) == text
