"""What the managers' forms compute: times in other timezones, amounts, and conflicting edits."""

import pytest

from chalicelib.foundation import money
from tests.javascript import run_module

RUN = """
import { createInterface } from "node:readline";
import * as zoned from "$WEB/src/manage/zoned-time.ts";
import * as amounts from "$WEB/src/manage/amounts.ts";
import * as formats from "$WEB/src/formats.ts";
import * as draft from "$WEB/src/manage/draft.ts";
import * as choices from "$WEB/src/manage/parts/choices.ts";
import * as events from "$WEB/src/manage/events/event-values.ts";
import * as tiers from "$WEB/src/manage/tickets/tier-values.ts";
const saved = (tier, typed) => tiers.toFields({ ...tiers.toValues(tier, "UTC"), ...typed }, "UTC");
const created = () => events.toFields(events.emptyValues());
const shown = (event) => events.toFields(events.toValues(event));
const { digitsOf, money } = formats;
const rooms = { ...zoned, ...amounts, digitsOf, money, ...draft, ...choices, toTax: tiers.toTax, saved, created, shown };
for await (const line of createInterface({ input: process.stdin })) {
  const { name, given } = JSON.parse(line);
  console.log(JSON.stringify(rooms[name](...given)));
}
"""


def run(name, *given):
    (result,) = run_module(RUN, [{"name": name, "given": given}])
    return result


def test_a_time_is_that_of_clocks_in_its_zone():
    cases = [
        ("2027-07-01T20:00", "Europe/Berlin", "2027-07-01T18:00:00Z"),
        ("2027-01-01T20:00", "Europe/Berlin", "2027-01-01T19:00:00Z"),
        ("2027-01-01T00:30", "America/Denver", "2027-01-01T07:30:00Z"),
        ("2027-06-01T12:00", "Asia/Kathmandu", "2027-06-01T06:15:00Z"),
        ("2027-03-28T01:59", "Europe/Berlin", "2027-03-28T00:59:00Z"),
        ("2027-03-28T03:00", "Europe/Berlin", "2027-03-28T01:00:00Z"),
        ("2027-10-31T03:00", "Europe/Berlin", "2027-10-31T02:00:00Z"),
    ]
    asked = [{"name": "fromLocal", "given": [local, zone]} for local, zone, _ in cases]
    asked += [{"name": "toLocal", "given": [iso, zone]} for _, zone, iso in cases]
    assert run_module(RUN, asked) == [iso for *_, iso in cases] + [local for local, *_ in cases]


def test_a_repeated_hour_means_the_first_and_a_skipped_one_moves_later():
    assert run("fromLocal", "2027-10-31T02:30", "Europe/Berlin") == "2027-10-31T00:30:00Z"
    assert run("fromLocal", "2027-03-28T02:30", "Europe/Berlin") == "2027-03-28T01:30:00Z"


def test_a_zone_that_the_browser_does_not_know_is_utc():
    assert [run("knownZone", zone) for zone in ("America/Denver", "Mars/Base")] == ["America/Denver", "UTC"]
    assert run("fromLocal", "2027-07-01T20:00", "Mars/Base") == "2027-07-01T20:00:00Z"


def test_an_empty_time_is_null():
    assert (run("fromLocal", "", "UTC"), run("toLocal", None, "UTC")) == (None, "")


@pytest.mark.parametrize(
    ("typed", "currency", "cents"),
    [("89.50", "USD", 8950), ("89,5", "EUR", 8950), ("25", "EUR", 2500), ("0", "EUR", 0), ("1500", "JPY", 1500), (" 7.05 ", "USD", 705)]
    + [(wrong, "USD", None) for wrong in ("", "1.234", "-1", "1 000", "free", "1e3")]
    + [("15.5", "JPY", None)],
)
def test_amounts_are_typed_in_major_units(typed, currency, cents):
    assert run("toCents", typed, currency) == cents


def test_amounts_are_shown_with_the_digits_of_their_currency():
    assert [run("fromCents", 8950, "USD"), run("fromCents", 1500, "JPY")] == ["89.50", "1500"]


def test_currencies_have_the_same_decimals_as_in_the_api():
    codes = sorted(money.CURRENCIES)
    assert run_module(RUN, [{"name": "digitsOf", "given": [code]} for code in codes]) == list(map(money.digits, codes))


def test_amounts_have_their_decimals_even_where_the_browser_knows_none():
    """Newer versions of Chrome know no decimals of these currencies."""
    shown = [run("money", 1_250_050, code, "en").replace("\u00a0", " ") for code in ("HUF", "IDR", "MGA", "ISK", "KWD")]
    assert shown == ["HUF 12,500.50", "IDR 12,500.50", "MGA 1,250,050", "ISK 1,250,050", "KWD 1,250.050"]


def test_edits_that_meet_lose_nothing():
    base = {"name": "Night", "venue": "Hall", "city": "Bonn", "open": False}
    mine = base | {"name": "My night", "city": "Köln"}
    theirs = base | {"name": "Their night", "venue": "Great hall", "city": "Köln", "open": True}
    assert run("merge", base, mine, theirs) == {"name": "My night", "venue": "Great hall", "city": "Köln", "open": True}
    assert run("theirChanges", base, mine, theirs) == [
        {"field": "name", "before": "Night", "theirs": "Their night", "mine": "My night"},
        {"field": "venue", "before": "Hall", "theirs": "Great hall"},
        {"field": "open", "before": False, "theirs": True},
    ]


def test_only_what_differs_is_sent():
    assert run("differences", {"a": 1, "b": {"c": 2}, "d": None}, {"a": 1, "b": {"c": 3}, "d": 4}) == {"b": {"c": 3}, "d": 4}


def test_likely_time_zones_come_first():
    zones = [value for value, _ in run("timezones", "America/Denver", "Europe/Madrid")]
    assert zones[:3] == ["America/Denver", "Europe/Madrid", "UTC"]
    assert zones.index("Europe/Lisbon") < zones.index("America/New_York")
    assert len(zones) == len(set(zones)) > 300
    assert run("timezones", "Mars/Base", "UTC")[0] == ["Mars/Base", "Mars/Base"]


def test_common_currencies_come_first_with_their_names():
    choices = run("currencies", "KES", "es")
    assert choices[0][0] == "KES"
    assert choices[1] == ["EUR", "EUR – euro"]
    assert len(choices) == len({code for code, _ in choices}) > 100


@pytest.mark.parametrize(
    ("rate", "reason", "tax"),
    [
        ("", "", None),
        ("21", "", {"percent": "21"}),
        ("8,8750 %", "", {"percent": "8.875"}),
        ("7.0", " ", {"percent": "7"}),
        ("", "A charity", {"percent": "0", "exempt_because": "A charity"}),
    ],
)
def test_a_rate_may_be_typed_as_people_write_it(rate, reason, tax):
    assert run("toTax", rate, reason) == tax


TIER = {"name": "Seats", "price_cents": 2500, "currency": "EUR", "admits": 1}


@pytest.mark.parametrize("fee", [None, {"cents": 150, "percent": "0"}, {"cents": 0, "percent": "2.5"}, {"cents": 50, "percent": "10"}])
@pytest.mark.parametrize("tax", [None, "none", {"percent": "19"}, {"percent": "0", "exempt_because": "A charity"}])
def test_the_form_of_a_ticket_type_keeps_its_fee_and_tax(fee, tax):
    kept = run("saved", TIER | {"included_fee": fee, "tax": tax}, {})
    assert (kept["included_fee"], kept["tax"]) == (fee, tax)


def test_an_amount_that_is_none_names_its_field():
    assert run("saved", TIER, {"price_cents": "much"}) == "price_cents"
    assert run("saved", TIER, {"included_fee.cents": "1.234"}) == "included_fee.cents"
    assert run("saved", TIER, {"included_fee.cents": "1,5", "included_fee.percent": "2,50%"})["included_fee"] == {
        "cents": 150,
        "percent": "2.5",
    }


def test_a_new_event_has_the_rules_that_are_hardest_to_abuse():
    """One place for each address, and an order that nobody can know in advance. Events that say nothing keep the meaning of the API."""
    created = run("created")["waiting_room"]
    assert (created["enabled"], created["entry"], created["randomness"]) == (True, "verified_address", "key_and_beacon")
    event = {"name": "Drop", "timezone": "UTC", "waiting_room": None, "returns": None, "transfers": "free"}
    assert run("shown", event)["waiting_room"] is None
    kept = run("shown", event | {"waiting_room": {"wave_size": 7}})["waiting_room"]
    assert (kept["wave_size"], kept["entry"], kept["randomness"]) == (7, "open", "key")
