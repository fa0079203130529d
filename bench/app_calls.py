"""Microseconds per call of the app with an API Gateway event, as on a warm Lambda, compared with a bare Chalice handler."""

import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from bench import bare_chalice
from bench.app_in_process import app_in_process
from bench.measure import Measure
from chalicelib.foundation import clock
from infra.local import initial_data
from infra.local.gateway import Gateway

CALLS = 400
ROUNDS = 15
EVENT = "summits-v-harbor"
EVENT_WITH_WAITING_ROOM = "dj-kiro-warehouse"
BARE_CHALICE = "bare Chalice"
MAX_RATIO = 3.0


def take_measures(scratch: Path) -> Iterator[Measure]:
    with app_in_process():
        initial_data.create_tables_and_catalog(clock.now(), scratch / "demo.json", lambda _: None)
        import app

        yield from _read_measures(app.app)
        # The sale opens tomorrow. Polls are measured the day after, when every position has to be computed.
        with clock.override(lambda: time.time() + 2 * 86_400):
            yield from _poll_measures(app.app)


def _read_measures(app: Chalice) -> Iterator[Measure]:
    event_call = _prepared_call(app, f"/v1/events/{EVENT}")
    etag = event_call()["headers"]["ETag"]
    calls = {
        BARE_CHALICE: _prepared_call(bare_chalice.create_app(), bare_chalice.PATH),
        "GET /events/{id}": event_call,
        "GET /events/{id}, gzip": _prepared_call(app, f"/v1/events/{EVENT}", {"accept-encoding": "gzip"}),
        "GET /events/{id}, 304": _prepared_call(app, f"/v1/events/{EVENT}", {"if-none-match": etag}),
        "GET /events/{id}/availability": _prepared_call(app, f"/v1/events/{EVENT}/availability"),
        "GET /events": _prepared_call(app, "/v1/events"),
    }
    expected = dict.fromkeys(calls, 200) | {"GET /events/{id}, 304": 304}
    for name, call in calls.items():
        assert call()["statusCode"] == expected[name], name
    figures = _microseconds(calls)
    floor = figures.pop(BARE_CHALICE)
    yield Measure("a bare Chalice handler", floor, "µs")
    for name, figure in figures.items():
        yield Measure(name, figure, "µs", (BARE_CHALICE, floor), MAX_RATIO, "warm instance")


def _poll_measures(app: Chalice) -> Iterator[Measure]:
    tokens = [_join(app, f"buyer-{number}") for number in range(50)]
    room = f"/v1/events/{EVENT_WITH_WAITING_ROOM}/waiting-room"
    polls = itertools.cycle([_prepared_call(app, f"{room}/status?token={token}") for token in tokens])
    calls = {
        BARE_CHALICE: _prepared_call(bare_chalice.create_app(), bare_chalice.PATH),
        "status": lambda: next(polls)(),
        "state": _prepared_call(app, f"{room}/state"),
    }
    for name, call in calls.items():
        assert call()["statusCode"] == 200, name
    figures = _microseconds(calls)
    floor = figures[BARE_CHALICE]
    yield Measure("GET .../waiting-room/status", figures["status"], "µs", (BARE_CHALICE, floor), note="50 tokens in turn, warm instance")
    yield Measure("GET .../waiting-room/state", figures["state"], "µs", (BARE_CHALICE, floor), MAX_RATIO, "warm instance")


def _join(app: Chalice, user: str) -> str:
    reply = Gateway(app).handle(
        "POST", f"/api/v1/events/{EVENT_WITH_WAITING_ROOM}/waiting-room/join", [("X-User-Id", user), ("Accept", "*/*")], b""
    )
    return str(json.loads(reply.body)["token"])


def _microseconds(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median per call. The calls take turns, so that a slowdown of the machine affects all of them."""
    rounds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                call()
            rounds[name].append((time.perf_counter() - began) / CALLS * 1e6)
    return {name: statistics.median(figures) for name, figures in rounds.items()}


def _prepared_call(app: Chalice, path: str, headers: dict[str, str] | None = None) -> Callable[[], Any]:
    all_headers = {"accept": "application/json", "user-agent": "bench", "host": "api.example", **(headers or {})}
    event = Gateway(app).proxy_event("GET", f"/api{path}", list(all_headers.items()))
    # As on Lambda, one instance serves one request at a time and needs no state per thread.
    app.__class__ = Chalice
    return lambda: app(event, None)
