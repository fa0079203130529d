"""web/src/place.ts: when a waiting page fetches the public document, and what it makes of it. Its clock and its network are the test's."""

import msgspec
import pytest

from chalicelib.waiting_room import draw, tokens
from chalicelib.waiting_room.model import Arrival
from tests import javascript
from tests.simulation.display import PAUSE_SECONDS
from tests.waiting_room import random_rooms

# Each case: `steps` of [action, value], from `opened_at`. Prints the moments of the fetches, as seconds since then, and the last view.
RUN = """
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { Place } from "$WEB/src/place.ts";

let pending = 0;
const digest = crypto.subtle.digest.bind(crypto.subtle);
crypto.subtle.digest = (...content) => {
  pending += 1;
  return digest(...content).finally(() => (pending -= 1));
};
async function settle() {
  do await setImmediate();
  while (pending > 0);
}

async function run({ steps, now, kept = {}, hidden = false, random = 0.5 }) {
  const start = now, fetches = [], proofs = [], timers = new Set();
  let room = null, failure = null, isStopped = false, joined = null;
  const place = new Place({
    fetchRoom: async () => {
      fetches.push(now - start);
      if (failure !== null) throw Object.assign(new Error("refused"), { status: failure });
      return room;
    },
    join: async () => {
      if (joined instanceof Error) throw joined;
      return joined;
    },
    proveEntry: async () => {
      proofs.push(now - start);
      if (failure !== null || proofs.length === 1) throw new Error("refused");
      return { index: 0, page_size: 1, path: [] };
    },
    memory: { read: (name) => kept[name] ?? null, write: (name, value) => (kept[name] = value) },
    now: () => now,
    random: () => random,
    isHidden: () => hidden,
    later: (seconds, action) => {
      const timer = { at: now + seconds, action };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    changed: () => {},
  });
  async function wait(until) {
    for (;;) {
      const next = [...timers].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > until) break;
      timers.delete(next);
      now = Math.max(now, next.at); // later, after a sleep
      next.action();
      await settle();
    }
    now = until;
  }
  const actions = {
    room: (value) => void (room = value),
    failure: (value) => void (failure = value),
    start: () => place.start(),
    wait: (seconds) => wait(now + seconds),
    sleep: (seconds) => void (now += seconds), // the device sleeps: no timer fires
    token: (value) => void (joined = value),
    refusal: (code) => void (joined = Object.assign(new Error("refused"), { status: 403, code })),
    enter: () => place.enter(),
    otherTab: (value) => ((kept.token = value), place.tokenChanged()),
  };
  for (const [action, value] of steps) {
    await actions[action](value);
    await settle();
  }
  place.stop();
  const round = (moments) => moments.map((moment) => Math.round(10 * moment) / 10);
  return { fetches: round(fetches), proofs: round(proofs), view: place.view(), kept };
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await run(JSON.parse(line))));
"""
OPENS = random_rooms.OPENS
KEY = bytes(range(32))


def _room(**changes):
    """The document of a room that opens at OPENS and has one arrival, as a client gets it."""
    plan = [{"since": OPENS, "base": 0, "wave_size": 1, "interval": 30}]
    room = {"event_id": "e", "room": 1, "on_sale_at": OPENS, "commitment": draw.commitment(KEY), "key": None, "n": None, "offsets": [0]}
    return {**room, "segments": plan, "total": 3, "pass_seconds": 180, "stopped": None, "may_return": None, **changes}


def _opened(**changes):
    return _room(**{"key": KEY.hex(), "n": 3, **changes})


def _token(number: int = 2, **changes) -> str:
    return tokens.sign_arrival(msgspec.structs.replace(Arrival("e", 1, "u", 0, number, OPENS - 50, OPENS + 90_000), **changes))


def _run(*steps, now: float = OPENS - 600, **case):
    return javascript.run_module(RUN, [{"steps": steps, "now": now, **case}])[0]


@pytest.mark.parametrize(
    ("now", "room", "seconds", "hidden", "expected"),
    [
        (OPENS - 600, _room(), 100, False, [0, 30, 60, 90]),
        (OPENS - 600, _room(), 130, True, [0, 60, 120]),
        (OPENS - 30, _room(), 29, False, [0, 8, 16, 24]),
        (OPENS - 30, _room(), 29, True, [0, 20]),
        (OPENS - 3, _room(), 8, True, [0, 4.5, 6, 7.5]),  # just after the opening, and until the draw is there
        (OPENS + 60, _room(), 8, False, [0, 1.8, 3.6, 5.4, 7.2]),  # the shop waits for the public random number
        (OPENS + 60, _opened(), 8, False, [0, 1.8, 3.6, 5.4, 7.2]),
        (OPENS + 60, _opened(), 30, True, [0, 20]),
        (OPENS + 60, _opened(stopped="sold_out"), 70, False, [0, 30, 60]),
    ],
)
def test_the_document_is_fetched_as_often_as_it_changes(now, room, seconds, hidden, expected):
    assert _run(["room", room], ["start"], ["wait", seconds], now=now, hidden=hidden)["fetches"] == expected


@pytest.mark.parametrize(("chance", "pause"), list(enumerate(PAUSE_SECONDS)))
def test_a_page_pauses_as_in_the_simulation_of_what_it_shows(chance, pause):
    fetches = _run(["room", _opened()], ["start"], ["wait", 10], now=OPENS + 60, random=chance)["fetches"]
    assert fetches == [round(pause * number, 1) for number in range(len(fetches))]
    assert len(fetches) > 4


def test_a_silent_shop_is_asked_less_often_while_the_page_continues():
    steps = [["room", _opened()], ["start"], ["failure", 503], ["wait", 90], ["failure", None], ["wait", 31]]
    result = _run(*steps, now=OPENS + 60, kept={"token": _token()})
    assert result["fetches"][:8] == [0, 1.8, 5.4, 12.6, 27, 41.4, 55.8, 70.2]
    assert not result["view"]["isOffline"]
    offline = _run(*steps[:4], now=OPENS + 60, kept={"token": _token()})["view"]
    assert (offline["stage"], offline["isOffline"], offline["failure"]["status"]) == ("waiting", True, 503)


@pytest.mark.parametrize(("n", "expected"), [(3, [0, 8]), (100_000, [56, 115])])
def test_the_proofs_of_a_crowd_are_fetched_over_time(n, expected):
    """No cache has them. After a failure, it is as long again."""
    listed = _room(n=n, root="ab" * 32)
    result = _run(["room", listed], ["start"], ["wait", 300], now=OPENS - 85, kept={"token": _token()})
    assert (result["proofs"], result["view"]["draw"]["isListed"]) == (expected, True)


def test_a_refusal_to_join_stays_until_the_next_attempt():
    """The fetch after it succeeds, and says nothing about the refusal."""
    steps = [["room", _room()], ["start"], ["refusal", "entry_refused"], ["enter"], ["wait", 60]]
    refused = _run(*steps)["view"]
    assert (refused["stage"], refused["failure"]["code"], refused["isOffline"]) == ("none", "entry_refused", False)
    joined = _run(*steps, ["token", _token()], ["enter"])["view"]
    assert (joined["stage"], joined["failure"]) == ("waiting", None)


def test_a_device_that_wakes_up_fetches_at_once():
    steps = [["room", _room()], ["start"], ["wait", 2], ["sleep", 15], ["wait", 1]]
    assert _run(*steps)["fetches"] == [0, 17]


def test_the_draw_is_checked_against_the_noted_fingerprint():
    """Also after the page was reopened; a different fingerprint beside the key is detected."""
    noted = draw.commitment(KEY)
    replaced = {"commitment": draw.commitment(bytes(32))}
    before = _run(["room", _room()], ["token", _token()], ["start"], ["enter"])
    assert (before["view"]["stage"], before["view"]["draw"]) == ("waiting", _draw_result(noted=noted))
    for opened, is_kept in ((_opened(), True), (_opened(key="00" * 32, **replaced), False)):
        after = _run(["room", opened], ["start"], now=OPENS + 5, kept=before["kept"])["view"]
        assert after["draw"] == _draw_result(isKept=is_kept, noted=noted, arrival=2)
    unseen = _run(["room", _opened()], ["start"], now=OPENS + 5, kept={"token": _token()})["view"]
    assert unseen["draw"] == _draw_result(arrival=2)
    assert unseen["status"]["position"] == draw.position(KEY, 3, (0,), 0, 2)
    late = _run(["room", _opened()], ["start"], now=OPENS + 5, kept={"token": _token(counter=-1)})["view"]
    assert late["draw"] == _draw_result(isLate=True)


def test_the_first_fingerprint_counts_even_if_the_shop_shows_another_before_the_opening():
    replaced = {"commitment": draw.commitment(bytes(32))}
    steps = [["room", _room()], ["start"], ["room", _room(**replaced)], ["wait", 40]]
    before = _run(*steps)
    assert before["view"]["draw"] == _draw_result(isKept=False, noted=draw.commitment(KEY))
    after = _run(["room", _opened(key="00" * 32, **replaced)], ["start"], now=OPENS + 5, kept=before["kept"])["view"]
    assert after["draw"] == _draw_result(isKept=False, noted=draw.commitment(KEY))
    cleared = _run(["room", _room(room=2, **replaced)], ["start"], kept=before["kept"])["view"]
    assert cleared["draw"] == _draw_result(noted=replaced["commitment"])  # another room has another key


CHAIN, ROOT = "cd" * 32, "ab" * 32


def _beacon(number, chain=CHAIN, randomness="ef" * 32):
    return {"beacon": {"chain": chain, "round": number, "round_at": OPENS - 20, "randomness": randomness}}


@pytest.mark.parametrize(
    ("listed", "opened", "is_kept"),
    [
        (_beacon(7, randomness=None), _beacon(7), True),
        (_beacon(7, randomness=None), _beacon(8), False),  # another round, chosen when this one was known
        (_beacon(7, randomness=None), _beacon(7, chain="00" * 32), False),
        (_beacon(7, randomness=None), {}, False),
        ({}, {}, True),
        ({}, _beacon(7), False),
    ],
)
def test_what_decides_the_order_must_be_what_the_browser_saw_with_the_list(listed, opened, is_kept):
    before = _run(["room", _room(n=3, root=ROOT, **listed)], ["start"], now=OPENS - 60)
    noted = {"noted": draw.commitment(KEY), "notedRoot": ROOT, "notedRandomness": f"{CHAIN}/7" if listed else "key"}
    assert before["view"]["draw"] == _draw_result(**noted)
    after = _run(["room", _opened(root=ROOT, **opened)], ["start"], now=OPENS + 5, kept=before["kept"])["view"]
    assert after["draw"] == _draw_result(isKept=is_kept, **noted)


def test_the_draw_is_also_checked_for_visitors_without_a_place():
    before = _run(["room", _room()], ["start"])
    for opened, is_kept in ((_opened(), True), (_opened(key="00" * 32), False)):
        after = _run(["room", opened], ["start"], now=OPENS + 5, kept=before["kept"])["view"]
        assert (after["stage"], after["draw"]) == ("none", _draw_result(isKept=is_kept, noted=draw.commitment(KEY)))


def _draw_result(**changes):
    noted = {"noted": None, "notedRoot": None, "notedRandomness": None}
    result = {"isKept": True, **noted, "arrival": None, "isLate": False, "isListed": None, **changes}
    return {**result, "isBroken": not result["isKept"] or result["isListed"] is False}


def test_the_page_says_how_long_a_turn_lasts_and_when_it_comes_by_the_visitors_clock():
    script = """
import { createInterface } from "node:readline";
import { exactDuration, visitorsTime } from "$WEB/src/turn-times.ts";

process.env.TZ = "America/Denver";
for await (const line of createInterface({ input: process.stdin })) {
  const [seconds, locale] = JSON.parse(line);
  const today = new Date().setHours(18, 11, 59) / 1000;
  const times = [today, today + 86_400 * 400].map((moment) => visitorsTime(moment, locale));
  console.log(JSON.stringify({ length: exactDuration(seconds, locale), times }));
}
"""
    results = javascript.run_module(script, [(180, "en-US"), (90, "es-ES"), (60, "en-GB")])
    assert [result["length"] for result in results] == ["3 minutes", "90 segundos", "1 minute"]
    assert [result["times"][0].replace("\u202f", " ") for result in results] == ["6:12 PM", "18:12", "18:12"]
    assert all(len(result["times"][1]) > len(result["times"][0]) for result in results)


def test_a_place_is_shared_between_tabs_until_it_ends():
    shared = _run(["room", _room()], ["start"], ["otherTab", _token()])
    assert shared["view"]["stage"] == "waiting"
    cleared = _run(["room", _room()], ["start"], ["room", _room(room=2)], ["wait", 40], kept={"token": _token()})
    assert (cleared["view"]["stage"], cleared["view"]["wasCleared"], cleared["kept"]["token"]) == ("none", True, None)
    over = _run(["room", _opened()], ["start"], now=OPENS + 5, kept={"token": _token(expires_at=OPENS)})
    assert (over["view"]["stage"], over["view"]["wasCleared"], over["kept"]["token"]) == ("none", False, None)


def test_an_event_without_a_waiting_room_is_open_and_never_asked_again():
    result = _run(["room", None], ["start"], ["wait", 200])
    assert (result["fetches"], result["view"]["stage"]) == ([0], "open")
