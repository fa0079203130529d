"""Sales over time and the funnel as the page of an event's sales shows them (web/src/manage/sales/series.ts): nothing is lost."""

from chalicelib.foundation import clock
from tests.javascript import run_module

SCRIPT = """
import { createInterface } from "node:readline";
import { soldOverTime } from "$WEB/src/manage/sales/series.ts";
for await (const line of createInterface({ input: process.stdin })) {
  const { hours, tiers } = JSON.parse(line);
  console.log(JSON.stringify(soldOverTime(hours, tiers, "Others", 3)));
}
"""
START = 1_780_315_200  # 2026-06-01T12:00:00Z


def draw(*sales):
    """Draw sales, given as (hours after the start, tier, how many)."""
    tiers = {name: sum(sold for _, tier, sold in sales if tier == name) for _, name, _ in sales}
    hours = [{"hour": clock.iso(START + 3600 * hour), "tier_id": tier, "sold": sold} for hour, tier, sold in sales]
    shown = [{"tier_id": name, "tier_name": name.upper(), "sold": sold} for name, sold in tiers.items()]
    [result] = run_module(SCRIPT, [{"hours": hours, "tiers": shown}])
    return result


def test_hours_without_sales_are_there_and_tiers_add_up():
    drawn = draw((0, "a", 5), (0, "b", 1), (3, "a", 2))
    assert drawn["times"] == [START + 3600 * hour for hour in range(4)]
    assert drawn["total"] == [6, 0, 0, 2]
    assert drawn["sold"] == [{"name": "A", "values": [5, 5, 5, 7]}, {"name": "B", "values": [1, 1, 1, 1]}]


def test_a_long_time_is_drawn_by_days():
    drawn = draw((0, "a", 5), (1, "a", 1), (24 * 5, "a", 2))
    assert [clock.iso(at) for at in drawn["times"][:2]] == ["2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"]
    assert drawn["total"] == [6, 0, 0, 0, 0, 2]


def test_the_smallest_of_many_tiers_are_drawn_as_others():
    drawn = draw((0, "a", 9), (0, "b", 8), (0, "c", 2), (1, "d", 1))
    assert drawn["sold"] == [{"name": "A", "values": [9, 9]}, {"name": "B", "values": [8, 8]}, {"name": "Others", "values": [2, 3]}]
    assert drawn["total"] == [19, 1]


def test_nothing_sold_is_nothing_drawn():
    assert draw() == {"times": [], "sold": [], "total": []}


DOOR_SCRIPT = """
import { createInterface } from "node:readline";
import { checkInsOverTime } from "$WEB/src/manage/sales/series.ts";
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(checkInsOverTime(JSON.parse(line))));
"""


def test_admissions_add_up_over_the_hours_of_the_door():
    hours = [
        {"hour": clock.iso(START + 3600 * hour), "tier_id": tier, "people_admitted": people}
        for hour, tier, people in ((0, "a", 0), (9, "a", 5), (9, "b", 1), (11, "a", 2))
    ]
    drawn, nobody = run_module(DOOR_SCRIPT, [hours, hours[:1]])
    assert drawn == {"times": [START + 3600 * hour for hour in (9, 10, 11)], "people": [6, 6, 8]}
    assert nobody == {"times": [], "people": []}


FUNNEL_SCRIPT = """
import { createInterface } from "node:readline";
import { funnelSteps } from "$WEB/src/manage/sales/series.ts";
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(funnelSteps(JSON.parse(line))));
"""


def test_a_step_of_the_funnel_is_never_more_than_all_of_the_previous_one():
    counts = {"joined": 12, "admitted": 3, "reservations": 5, "checkouts": 4, "orders": 2}  # people reserve more than once
    drawn, direct = run_module(FUNNEL_SCRIPT, [counts, counts | {"joined": None, "admitted": None, "orders": 0}])
    assert [(step["count"], step["ofPrevious"]) for step in drawn] == [(12, None), (3, 0.25), (5, None), (4, 0.8), (2, 0.5)]
    assert [(step["step"], step["ofPrevious"]) for step in direct] == [("reservations", None), ("checkouts", 0.8), ("orders", 0)]
