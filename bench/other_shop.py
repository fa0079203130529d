"""`python -m bench.other_shop`: a waiting room lets 100,000 people into another shop, 500 each minute, through the gate for Python.

The people have joined; the room opens, and nobody else can reach the shop, whatever they send. Everybody asks for a pass within
DELAY_SECONDS of their turn, shows it at the gate, and looks at some pages; then the turn ends. Meanwhile, strangers try to reach the shop
without a pass, with forged passes and with other people's passes, and some people ask for their pass too early. The shop itself checks that
each request belongs to somebody whose turn it is. Runs on a virtual clock, against DynamoDB's limits for a key. Takes ten minutes.
"""

import random
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from unittest import mock

import jwt

from bench import entries
from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from chalicelib.foundation import clock
from chalicelib.waiting_room import model, room_cache, store, tokens
from tests import builders
from tests.client import Client, ClientReply
from tests.simulation.instances import Result, simulated_fleet
from tests.simulation.limits import Limits

PEOPLE, INSTANCES = 100_000, 20
WAVE_SIZE, WAVE_SECONDS, TURN_SECONDS = 250, 30, 600
OPENING = entries.CLOSING_SECONDS  # the virtual second of the opening; the draw closes at second 0
DELAY_SECONDS, PAGES = 20, 1
STRANGERS = 1  # a second; each tries everything
SHOP = "https://tickets.example/harbor/"
LINE = "https://shop.example/events/harbor/line"
EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "waiting-room" / "waiting_room_pass_wsgi.py"


class Shop:
    """A shop behind the gate. It notes when each pass may be used, and each request from anybody whose turn it is not."""

    def __init__(self) -> None:
        self.turns: dict[str, tuple[int, int]] = {}  # pass -> its first and last second
        self.visitors: dict[str, int] = {}  # pass -> the second of its first request
        self.requests, self.intruders = 0, 0
        self.gate: Callable[..., list[bytes]]  # passes requests on to `serve`

    def get(self, query: str, cookie: str, address: str) -> tuple[str, str] | None:
        """Send a request to the gate. Returns the redirect's location and cookie, or None if the shop has answered."""
        environ = {"PATH_INFO": "/harbor/", "QUERY_STRING": query, "HTTP_COOKIE": cookie, "REMOTE_ADDR": address}
        headers: dict[str, str] = {}
        body = self.gate(environ, lambda _, found: headers.update(found))
        return None if list(body) == [b"tickets"] else (headers["location"], headers.get("set-cookie", "").split(";")[0])

    def serve(self, environ: dict[str, str], start_response: Any) -> list[bytes]:
        now = clock.now()
        kept = SimpleCookie(environ["HTTP_COOKIE"]).get("fairgate_pass")
        shop_pass = kept.value.rpartition(".")[0] if kept else ""  # the session follows the pass in the cookie
        first, last = self.turns.get(shop_pass, (0, 0))
        self.requests += 1
        self.intruders += not first <= now < last
        if kept:
            self.visitors.setdefault(shop_pass, now)
        start_response("200 OK", [])
        return [b"tickets"]


def let_in(api: Client, event_id: str, people: int) -> tuple[Shop, Counter[str], int, float]:
    """Open the room and play everybody's turn. Returns the shop, all replies, the throttled calls, and the seconds until the last is in."""
    rng, replies = random.Random(7), Counter[str]()
    room, verifier = store.find_room(event_id), _verifier(api, event_id)
    assert room is not None
    shop, passes, entered = Shop(), list[str](), list[float]()
    gate = runpy.run_path(str(EXAMPLE))["Gate"](shop.serve, "https://shop.example/api/v1", LINE, path="/harbor/", **verifier)
    shop.gate = gate
    keys = api.get("/.well-known/jwks.json").json
    with (
        mock.patch.object(gate.keys, "fetch_data", return_value=keys),
        mock.patch.object(jwt.api_jwt, "datetime", _Clock),
        simulated_fleet(INSTANCES, start=entries.START, limits=Limits()) as (timeline, fleet, service),
    ):

        def ask_for_pass(number: int, turn: int | None) -> None:
            """Ask as a person; `turn` is the virtual second at which their turn begins, or None if it is not their turn yet."""

            def ask() -> ClientReply:
                body = {"token": tokens.sign_arrival(entries.arrival(room, number))}
                return api.post(f"/events/{event_id}/waiting-room/pass", json=body, user=f"user-{number}")

            def receive(result: Result) -> None:
                reply = result.value
                replies[f"pass {reply.status} {reply.json.get('error', '')}"] += 1
                if turn is not None and reply.status == 200:
                    enter(number, reply.json["shop_pass"], entries.START + turn)

            fleet.submit(ask, receive)

        def enter(number: int, shop_pass: str, since: int) -> None:
            shop.turns[shop_pass] = since, since + TURN_SECONDS
            passes.append(shop_pass)
            address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            location, cookie = shop.get(f"fairgate_pass={shop_pass}", "", address) or ("", "")
            replies[f"with a pass: {location}"] += 1
            if shop.get("", cookie, address) is None:
                entered.append(timeline.now)
            for _ in range(PAGES):
                timeline.at(timeline.now + rng.uniform(0, 500), lambda: look(cookie, address))
            timeline.at(since - entries.START + TURN_SECONDS + 2, lambda: look(cookie, address))

        def look(cookie: str, address: str) -> None:
            replies[f"a page: {(shop.get('', cookie, address) or ('shown', ''))[0]}"] += 1

        def intrude() -> None:
            taken = rng.choice(passes) if passes else "x.y.z"
            forged = f"{taken[:-5]}{'A' if taken[-5] != 'A' else 'B'}{taken[-4:]}"
            for query, cookie in (("", ""), ("a=1", "fairgate_pass=x"), (f"fairgate_pass={forged}", ""), (f"fairgate_pass={taken}", "")):
                replies[f"a stranger: {(shop.get(query, cookie, '192.0.2.9') or ('shown', ''))[0]}"] += 1

        def open_room() -> None:
            """Plan everybody's turn, once the draw has decided."""
            state = room_cache.get_room(event_id, clock.now()).state
            assert state.n == people
            for number in range(people):
                arrival = entries.arrival(room, number)
                wave = (model.line_position(state, arrival.counter, arrival.number) - 1) // WAVE_SIZE
                turn = OPENING + wave * WAVE_SECONDS
                timeline.at(turn + rng.uniform(2, DELAY_SECONDS), partial(ask_for_pass, number, turn))
                if wave > 1 and number % 50 == 0:  # some people do not wait
                    early = rng.uniform(OPENING + 3, turn - 10)
                    timeline.at(early, partial(ask_for_pass, number, None))

        for second in range(OPENING + 4):  # people request the state while the room closes, builds the list and opens
            timeline.at(second, lambda: fleet.submit(lambda: api.get(f"/events/{event_id}/waiting-room/state")))
        last = OPENING + -(-people // WAVE_SIZE) * WAVE_SECONDS
        for second in range(last):
            for _ in range(STRANGERS):
                timeline.at(second + rng.random(), intrude)
        timeline.at(OPENING + 1.9, open_room)
        timeline.run()
    return shop, replies, service.report.throttles.total(), max(entered, default=0.0) - OPENING


class _Clock(datetime):
    """The clock of PyJWT, on virtual time."""

    @classmethod
    def now(cls, tz: Any = None) -> "_Clock":
        return cls.fromtimestamp(clock.now(), tz or UTC)


def _verifier(api: Client, event_id: str) -> dict[str, str]:
    found = api.get(f"/admin/events/{event_id}/waiting-room/verifier", token=builders.admin_token()).json
    return {name: found[name] for name in ("issuer", "audience", "event")}


def take_bounds(people: int = PEOPLE) -> Iterator[Bound]:
    room_settings = {
        "wave_size": WAVE_SIZE,
        "wave_seconds": WAVE_SECONDS,
        "pass_seconds": TURN_SECONDS,
        "grace_seconds": 0,
        "shop_url": SHOP,
    }
    with app_in_process(draw_closing_seconds=entries.CLOSING_SECONDS) as api:
        event_id = entries.join(api, people, **room_settings)
        shop, replies, throttled, seconds = let_in(api, event_id, people)
    for reply, count in sorted(replies.items()):
        print(f"{count:>9,} {reply}")
    print(f"{shop.requests:,} requests reached the shop")
    minutes = Counter((second - entries.START - OPENING) // 60 for second in shop.visitors.values())
    name = f"{people:,} people in front of another shop"
    yield Bound(f"{name}: people who did not get in", people - len(shop.visitors), "people", 0)
    yield Bound(f"{name}: people let in within a minute", max(minutes.values()), "people", WAVE_SIZE * 60 // WAVE_SECONDS)
    yield Bound(f"{name}: the last person is in", seconds / 60, "min", -(-people // WAVE_SIZE) * WAVE_SECONDS / 60)
    yield Bound(f"{name}: requests of others that reached the shop", shop.intruders, "requests", 0)
    yield Bound(f"{name}: throttled", throttled, "calls", 0)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
