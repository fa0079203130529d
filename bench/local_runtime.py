"""`make run` as a process: reads, polls, joins and purchases per second with few and many buyers, and a drop.

The client runs on the same cores. The floor is the same HTTP server with a bare Chalice app behind it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yarl import URL

from bench import bare_chalice
from bench.buyers import FIVE_STEPS, JOIN_ONLY, THREE_STEPS, BuyerResults, create_sale, run_buyers
from bench.load_client import parse_base_url
from bench.measure import Measure
from bench.reads import read_repeatedly

READ_SECONDS = 3
BUY_SECONDS = 4
CONNECTIONS = 32  # for reads
TOKENS = 1000
THREE_STEP_BUYERS = (1, 50, 200, 1000)
FIVE_STEP_BUYERS = (50, 200)
JOINING_BUYERS = 50
MANY_TICKETS = 20_000
DROP_BUYERS, DROP_CONNECTIONS, DROP_TICKETS = 1000, 200, 100
EVENT = "summits-v-harbor"
BARE_ROUTE = "a bare HTTP route"

Floor = tuple[str, float]


def take_measures(scratch: Path) -> Iterator[Measure]:
    with bare_server() as bare:
        rate = read_repeatedly(bare, [bare_chalice.PATH], connections=CONNECTIONS, seconds=READ_SECONDS)
    floor = (BARE_ROUTE, rate.per_second)
    yield Measure("HTTP, " + BARE_ROUTE, rate.per_second, "requests/s", note=f"{CONNECTIONS} connections")
    with local_runtime(scratch / "data") as (base_url, admin_token):
        yield from _read_measures(base_url, admin_token, floor)
        yield from _purchase_measures(base_url, admin_token, floor)
        yield _drop_measure(base_url, admin_token, floor)


def _read_measures(base_url: URL, admin_token: str, floor: Floor) -> Iterator[Measure]:
    sale = create_sale(base_url, admin_token, MANY_TICKETS)
    tokens = run_buyers(base_url, sale, connections=JOINING_BUYERS, buyers=TOKENS, seconds=60, steps=JOIN_ONLY).tokens
    room = f"/events/{sale.event_id}/waiting-room"
    paths_by_name = {
        "GET /events/{id}": [f"/events/{EVENT}"],
        f"GET .../waiting-room/status, {TOKENS:,} tokens": [f"{room}/status?token={token}" for token in tokens],
        "GET .../waiting-room/state": [f"{room}/state"],
    }
    for name, paths in paths_by_name.items():
        rate = read_repeatedly(base_url, paths, connections=CONNECTIONS, seconds=READ_SECONDS, tolerance=16)
        note = f"{CONNECTIONS} connections; the client takes {rate.client_cpu:.0%} of a core"
        yield Measure(f"HTTP, {name}", rate.per_second, "requests/s", floor, note=note)


def _purchase_measures(base_url: URL, admin_token: str, floor: Floor) -> Iterator[Measure]:
    with_room = create_sale(base_url, admin_token, MANY_TICKETS)
    results = _checked(run_buyers(base_url, with_room, connections=JOINING_BUYERS, seconds=BUY_SECONDS, steps=JOIN_ONLY))
    yield Measure("HTTP, joins", results.per_second("joined"), "joins/s", floor, note=f"{JOINING_BUYERS} at once")
    without_room = create_sale(base_url, admin_token, MANY_TICKETS, waiting_room=False)
    for count in THREE_STEP_BUYERS:
        results = _checked(run_buyers(base_url, without_room, connections=count, seconds=BUY_SECONDS, steps=THREE_STEPS))
        yield _purchases("three", results, count, floor)
    for count in FIVE_STEP_BUYERS:
        results = _checked(run_buyers(base_url, with_room, connections=count, seconds=BUY_SECONDS, steps=FIVE_STEPS))
        yield _purchases("five", results, count, floor)


def _purchases(steps: str, results: BuyerResults, count: int, floor: Floor) -> Measure:
    note = "with journal and rate limits"
    return Measure(f"HTTP, purchases in {steps} steps, {count:,} at once", results.per_second("bought"), "purchases/s", floor, note=note)


def _drop_measure(base_url: URL, admin_token: str, floor: Floor) -> Measure:
    """Let a thousand buyers compete for a hundred tickets. Raises RuntimeError unless exactly a hundred are sold."""
    sale = create_sale(base_url, admin_token, DROP_TICKETS)
    results = _checked(run_buyers(base_url, sale, connections=DROP_CONNECTIONS, buyers=DROP_BUYERS, seconds=120, fresh_connections=True))
    if results.outcomes != {"bought": DROP_TICKETS, "refused": DROP_BUYERS - DROP_TICKETS}:
        raise RuntimeError(f"{DROP_TICKETS} tickets were on sale, but the buyers ended as {dict(results.outcomes)}")
    name = f"HTTP, {DROP_BUYERS:,} buyers for {DROP_TICKETS} tickets in five steps"
    responses = sum(len(times) for times in results.times.values())
    as_bare = ("as many bare HTTP routes", responses / floor[1])
    return Measure(name, results.seconds, "s", as_bare, note=f"{DROP_CONNECTIONS} at once; exactly {DROP_TICKETS} were sold")


def _checked(results: BuyerResults) -> BuyerResults:
    if results.errors:
        raise RuntimeError(f"requests failed under load: {results.errors.most_common()}")
    return results


@contextmanager
def bare_server() -> Iterator[URL]:
    """Run the bare server in a process of its own."""
    command = [sys.executable, "-m", "bench.bare_chalice"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield parse_base_url(f"http://127.0.0.1:{int(process.stdout.readline())}/api")
        assert process.stdin is not None
        process.stdin.close()


@contextmanager
def local_runtime(data: Path) -> Iterator[tuple[URL, str]]:
    """Run `make run` on a free port; yields its base URL and an admin's token."""
    environment: dict[str, Any] = {**os.environ, "PORT": "0", "DATA": str(data)}
    environment |= {"POWERTOOLS_LOG_LEVEL": "ERROR", "POWERTOOLS_METRICS_DISABLED": "true"}
    process = subprocess.Popen([sys.executable, "-m", "infra.local"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not any("Ctrl-C stops it" in line for line in process.stdout):
            raise RuntimeError("`make run` did not start; the reason is printed above")
        demo = json.loads((data / "demo.json").read_bytes())
        yield parse_base_url(demo["base_url"]), demo["admin"]["token"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
