"""The latency of each endpoint on a warm instance, with a simulated network between the instance and the store.

Tours of the whole API in this process measure the processor time of each endpoint and count its round trips. The duration of a trip is
drawn from a log-normal distribution instead of waiting, and often enough that the p95 is stable. Parallel trips count as one.
"""

import math
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chalice.app import Chalice
from msgspec import Struct

from bench.app_in_process import app_in_process
from bench.measure import Measure
from bench.tour import visit_all
from chalicelib.foundation import clock, settings
from tests.client import Client, ClientReply
from tests.simulation.call_log import record_calls
from tests.simulation.limits import percentile

TRIP_P50_MS, TRIP_P99_MS = 4.0, 20.0
_Z99 = 2.3263478740408408  # the 99th percentile of the standard normal distribution
STORE_LIMIT_MS = 50.0  # limit for the store's part of an endpoint's p95
TOURS = 20
DRAWS = 4000
PURCHASE = (
    "POST /events/{event_id}/waiting-room/join",
    "GET /events/{event_id}/waiting-room/status",
    "POST /events/{event_id}/reservations",
    "POST /checkout/sessions",
    "POST /checkout/confirm",
)


class Samples(Struct):
    """The samples of one endpoint: milliseconds of processor time of each call, and the number of round trips of a call."""

    cpu_ms: list[float]
    trips: int


class Latency(Struct, frozen=True):
    """The p95 of an endpoint in milliseconds: the total, and the store's part."""

    total_ms: float
    store_ms: float


class TouringClient(Client):
    """A client that reports the route of each request."""

    def __init__(self, inner: Client, app: Chalice, note: Callable[[str, Callable[[], ClientReply]], ClientReply]) -> None:
        self._inner, self._note = inner, note
        routes = [(method, path) for path, methods in app.routes.items() for method in methods]
        # Routes with fewer parameters first: /tickets/types is not the ticket `types`.
        routes.sort(key=lambda route: route[1].count("{"))
        self._patterns = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for method, path in routes]

    def request(self, method: str, path: str, **options: Any) -> ClientReply:
        return self._note(self._operation(method, f"/v1{path.partition('?')[0]}"), partial(self._inner.request, method, path, **options))

    def _operation(self, method: str, path: str) -> str:
        found = next(known for verb, pattern, known in self._patterns if verb == method and pattern.fullmatch(path))
        return f"{method} {found.removeprefix('/v1')}"


def take_measures(scratch: Path) -> Iterator[Measure]:  # noqa: ARG001
    samples = take_samples(TOURS)
    drawn = random.Random(1)
    for operation in sorted(samples, key=lambda name: name.split()[::-1]):
        latency = simulate(samples[operation], drawn)
        note = f"{samples[operation].trips} round trips; the store's part {latency.store_ms:.0f} ms"
        note += f", above {STORE_LIMIT_MS:g}" if latency.store_ms > STORE_LIMIT_MS else ""
        yield Measure(f"p95 of {operation}", latency.total_ms, "ms", ("the limit", 200.0), 1.0, note)
    note = f"five calls, each with a network of {TRIP_P50_MS:g} ms (p50) and {TRIP_P99_MS:g} ms (p99) before the API too"
    yield Measure("p95 of a purchase end to end", purchase_p95(samples, drawn), "ms", ("the limit", 1000.0), 1.0, note)


def take_samples(tours: int) -> dict[str, Samples]:
    """Return operation -> samples, from `tours` tours for processor time and one more for round trips, after a tour to warm up.

    If a tour calls an operation several times, the last call counts, because the instance is warm then.
    """
    seen: dict[str, float] = {}

    def measure(operation: str, send: Callable[[], ClientReply]) -> ClientReply:
        began = time.process_time()
        reply = send()
        seen[operation] = (time.process_time() - began) * 1000
        return reply

    def count(operation: str, send: Callable[[], ClientReply]) -> ClientReply:
        with record_calls() as log:
            reply = send()
        seen[operation] = log.sequential_round_trips
        return reply

    import app

    with app_in_process(rate_limits="on") as api, settings.override(address_factor=10_000):
        cpu_ms = defaultdict(list)
        for _ in range(1 + tours):
            visit_all(TouringClient(api, app.app, measure))
            for operation, value in seen.items():
                cpu_ms[operation].append(value)
        now = clock.now()
        with clock.override(lambda: now):  # no cache expires, so the counts are always the same
            visit_all(TouringClient(api, app.app, count))
    return {operation: Samples(cpu_ms[operation][1:], int(trips)) for operation, trips in seen.items()}


def simulate(samples: Samples, drawn: random.Random) -> Latency:
    """Return the latency of an endpoint from its samples and drawn trips."""
    stores = [store_ms(samples.trips, drawn) for _ in range(DRAWS)]
    totals = [store + drawn.choice(samples.cpu_ms) for store in stores]
    return Latency(percentile(totals, 95), percentile(stores, 95))


def purchase_p95(samples: dict[str, Samples], drawn: random.Random) -> float:
    """Return the p95 of a buyer's five calls in milliseconds, including the network between the buyer and the API."""
    return percentile((sum(_call_ms(samples[operation], drawn) for operation in PURCHASE) for _ in range(DRAWS)), 95)


def _call_ms(samples: Samples, drawn: random.Random) -> float:
    return store_ms(samples.trips + 1, drawn) + drawn.choice(samples.cpu_ms)


def store_ms(trips: int, drawn: random.Random) -> float:
    """Return the milliseconds of `trips` sequential round trips."""
    sigma = math.log(TRIP_P99_MS / TRIP_P50_MS) / _Z99
    return sum(drawn.lognormvariate(math.log(TRIP_P50_MS), sigma) for _ in range(trips))


if __name__ == "__main__":
    for measure in take_measures(Path()):
        print(measure.text_line(), measure.note)
