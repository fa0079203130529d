"""web/src/forecast.ts: what a waiting page says about the tickets and the time of a turn. The crowds are simulated from a fixed seed."""

import random

from tests import javascript

# Each case: `sights` of [room, now], then the question [room, tier, position, limit, now]. Prints the chance, and the range of the turn.
RUN = """
import { createInterface } from "node:readline";
import { Forecast, turnRange } from "$WEB/src/forecast.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { sights, question: [room, tier, position, limit, now], status } = JSON.parse(line);
  const forecast = new Forecast();
  for (const sight of sights) forecast.observe(...sight);
  const chance = forecast.chanceGone(room, tier, position, limit, now);
  console.log(JSON.stringify({ chance, range: status && turnRange(room, status, now) }));
}
"""
OPENS = 1_900_000_000
WAVE, INTERVAL = 20, 10
CHOOSING = 45  # seconds from the admission to the reservation


def _room(taken: int, available: int | None, number: int = 1, **segment):
    plan = [{"since": OPENS, "base": 0, "wave_size": WAVE, "interval": INTERVAL, **segment}]
    return {"room": number, "segments": plan, "tickets": {"floor": {"available": available, "taken": taken}}}


def _ask(*sights, position: int = 1_000, limit: int = 4, status=None):
    (room, now) = sights[-1]
    return javascript.run_module(RUN, [{"sights": sights, "question": [room, "floor", position, limit, now], "status": status}])[0]


def test_the_chances_come_true():
    """In 1,800 sales, tickets are gone in about as many cases as the page said, whatever the buyers want."""
    rng = random.Random(7)
    cases, outcomes = [], []
    for _ in range(2_500):
        wishes = rng.choice([[0, 0, 1, 2, 2], [0, 2, 2, 4], [0, 0, 0, 0, 1], [1, 2, 3, 4]])
        began, seen = rng.randrange(0, 600, 10), rng.randrange(100, 900, 10)
        decided = [WAVE * ((at - CHOOSING) // INTERVAL) if at > CHOOSING else 0 for at in (began, began + seen)]
        position = decided[1] + rng.randrange(1, 1_500)
        capacity = int(position * sum(wishes) / len(wishes) * rng.uniform(0.8, 1.2))  # so close that nobody can be sure
        bought = [rng.choice(wishes) for _ in range(position - 1)]
        taken = [sum(bought[:count]) for count in decided]
        if taken[1] >= capacity:
            continue
        sights = [[_room(amount, capacity - amount), OPENS + at] for amount, at in zip(taken, (began, began + seen), strict=True)]
        cases.append({"sights": sights, "question": [sights[1][0], "floor", position, 4, sights[1][1]]})
        outcomes.append(sum(bought) >= capacity)
    chances = [result["chance"] for result in javascript.run_module(RUN, cases)]
    judged = [(chance, is_gone) for chance, is_gone in zip(chances, outcomes, strict=True) if chance is not None]
    assert len(judged) > 1_500
    for low, high in ((0, 0.05), (0.05, 0.35), (0.35, 0.65), (0.65, 0.95), (0.95, 1.01)):
        group = [(chance, is_gone) for chance, is_gone in judged if low <= chance < high]
        said, came = (sum(values) / len(group) for values in zip(*group, strict=True))
        assert abs(said - came) < 0.13, (low, high, len(group), said, came)


def test_nothing_is_said_before_enough_people_have_chosen():
    early = [_room(0, 500), OPENS]
    assert _ask(early, [_room(9, 491), OPENS + CHOOSING + 5])["chance"] is None
    assert _ask(early, [_room(40, 460), OPENS + CHOOSING + 100])["chance"] is not None
    assert _ask([_room(40, 460), OPENS + CHOOSING + 100])["chance"] is None  # of what came before, the page has seen nothing


def test_certain_cases_need_no_estimate():
    assert _ask([_room(500, 0), OPENS + 5])["chance"] == 1
    assert _ask([_room(40, None), OPENS + 5])["chance"] is None  # without a limit
    assert _ask([_room(0, 500), OPENS + 500], position=20)["chance"] == 0  # everybody ahead has chosen


def test_returned_tickets_and_a_reset_room_do_not_count_as_demand():
    first, later = OPENS + CHOOSING, OPENS + CHOOSING + 200
    returned = _ask([_room(300, 200), first], [_room(100, 400), first + 100], [_room(100, 400), later], position=800)
    assert returned["chance"] < 0.05
    assert _ask([_room(0, 500), first], [_room(400, 100, number=2), later])["chance"] is None


def test_the_turn_has_a_range_if_the_line_was_slower_than_planned():
    status = {"ahead": 199, "eta_seconds": 100, "paused": False}
    steady = _ask([_room(0, 9), OPENS + 600], status=status)["range"]
    slow = _room(0, 9)
    slow["segments"].append({"since": OPENS + 100, "base": 220, "wave_size": WAVE, "interval": INTERVAL, "waited": -400})
    assert steady is None
    assert _ask([slow, OPENS + 600], status=status)["range"] == [100, 200 * 600 / 400]
    assert _ask([slow, OPENS + 60], status=status)["range"] is None  # too early
    assert _ask([slow, OPENS + 600], status=status | {"paused": True})["range"] is None
