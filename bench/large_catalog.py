"""`python -m bench.large_catalog`: what a catalog of 10,000 events costs the instances, as in docs/performance.md.

The events are made through the API's store and have three tiers each. For every ten events there is a promoter with an account and a brand,
and an event of the bootstrap file, whose tiers have released holdbacks. Seconds of trips are virtual: the store has the limits and answer
times of tests/simulation/limits.py. Parallel calls are made one after the other, so a start is faster than shown. Processor times
depend on this machine. The load of a key with many instances is extrapolated from what ten instances add to it.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest import mock

from msgspec.structs import replace

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from chalicelib.catalog import snapshots, store
from chalicelib.catalog.event_management import update_event
from chalicelib.catalog.forms import EventChanges
from chalicelib.catalog.model import Brand, Event, HoldbackRelease, PromoterAccount, PromoterChoices, Tier, VersionContent
from chalicelib.catalog.revisions import CatalogChanging
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, parallel
from tests import engines
from tests.client import Client
from tests.simulation.call_log import record_calls
from tests.simulation.instances import simulated_fleet
from tests.simulation.limits import Limits, SimulationReport, simulate

EVENTS, TIERS = 10_000, 3
INSTANCES, FLEET, STARTS = 10, 1000, 300  # STARTS: instances that start in the same second
EDITS_PER_SECOND, SECONDS = 20, 10
START = 1_780_315_200
EVENT = Event(
    id="", name="", venue="Festhalle", starts_at=START + 9_000_000, status="active", date="2026-09-13T16:00:00Z", managed_by="api"
)
TIER = Tier(
    id="",
    event_id="",
    name="Floor",
    price_cents=5000,
    currency="chf",
    capacity=500,
    status="available",
    stock_id="",
    shards=7,
    managed_by="api",
)


def write_events(count: int) -> list[str]:
    """Write published events with tiers as earlier versions stored them: without a log or a snapshot. Returns the ids of the events."""
    words = ["".join(random.choices("abcdefghijklmnoprstuvwz", k=random.randint(3, 9))) for _ in range(2000)]
    event_ids, rows = [], []
    for number in range(count):
        event_ids.append(ids.new_id())
        name, description = " ".join(random.choices(words, k=3)), " ".join(random.choices(words, k=30))
        made = replace(EVENT, id=event_ids[-1], name=f"{name} {number}", slug=f"event-{number}", city="Bern", description=description)
        rows.append(store.CatalogRow("live", f"event#{made.id}", text=made))
        for price in range(TIERS):
            tier_id = ids.new_id()
            made_tier = replace(TIER, id=tier_id, event_id=made.id, stock_id=tier_id, price_cents=1000 * price)
            rows.append(store.CatalogRow("live", f"tier#{tier_id}", text=made_tier))
    dynamo.batch_put(rows)
    dynamo.transact([store.increment_revision_item()])
    return event_ids


def write_promoters(count: int) -> None:
    """Write promoters with connected accounts and brands."""
    rows = []
    for _ in range(count):
        promoter_id, color = ids.new_id(), f"#{random.randrange(16**6):06x}"
        account = PromoterAccount(promoter_id, f"acct_{random.randbytes(8).hex()}", "active")
        rows.append(store.CatalogRow("live", f"payments#{promoter_id}", text=account, by=promoter_id, at=START))
        choices = PromoterChoices(promoter_id, brand=Brand(color, color))
        rows.append(store.CatalogRow("live", f"promoter-taxes#{promoter_id}", text=choices, by=promoter_id, at=START))
    dynamo.batch_put(rows)


def publish_file(count: int) -> None:
    """Serve a version with events of the bootstrap file. Each of their tiers has a released holdback and a ticket for resale at a price."""
    events, tiers, rows = [], [], []
    for number in range(count):
        events.append(replace(EVENT, id=f"file-{number}", name=f"File {number}", managed_by="bootstrap"))
        for tier_number in range(TIERS):
            tier_id = f"file-{number}-{tier_number}"
            tiers.append(replace(TIER, id=tier_id, event_id=f"file-{number}", stock_id=tier_id, managed_by="bootstrap"))
            release = HoldbackRelease("artist", random.randint(1, 50), START + random.randrange(10_000), "time", "public", is_complete=True)
            rows.append(store.put_releases_item(replace(tiers[-1], releases=[release], resale_prices=[100 * random.randint(10, 90)])))
    for start in range(0, len(rows), dynamo.MAX_TRANSACT_ITEMS):
        dynamo.transact(rows[start : start + dynamo.MAX_TRANSACT_ITEMS])
    head = store.read_head()
    copied_parts = store.write_version(1, VersionContent(events, tiers, {}), b"{}")
    dynamo.transact(store.replace_head_items(head, replace(head.next(), version=1, copied_parts=copied_parts)))


def measure(name: str, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> tuple[float, float, int, float]:
    """Print the trips, units, virtual seconds and processor time of `work`, which runs three times.

    The processor time is measured in the last run and excludes the local store. Returns the virtual seconds, the processor time in ms, the
    number of throttled calls, and the read units of the busiest key.
    """
    prepare()
    with record_calls(measured=True) as calls:
        work()
    prepare()
    report = simulate({name: (0.0, work)})
    prepare()
    engine, of_engine = engines.local_engine(), [0.0]
    call = engine.call

    def timed_call(*request: Any) -> Any:
        began = time.thread_time()
        try:
            return call(*request)
        finally:
            of_engine[0] += time.thread_time() - began

    with mock.patch.object(engine, "call", timed_call):
        began = time.process_time()
        work()
        cpu = 1000 * (time.process_time() - began - of_engine[0])
    (reads, writes), busiest = calls.capacity, max(report.busiest_reads.values())
    print(
        f"| {name} | {calls.sequential_round_trips} | {reads:,.0f} | {writes:,.0f} | {report.elapsed:.2f} s | {cpu:.0f} ms |"
        f" {busiest:,.0f} |",
        flush=True,
    )
    return report.elapsed, cpu, report.throttles.total(), busiest


def elsewhere(change: Callable[[], object]) -> None:
    """Make a change as another instance would, without a change to the memory of this instance."""
    catalog, head = snapshots._catalog_cache.peek(), store.read_head()
    change()
    snapshots.invalidate()
    if catalog is not None:
        snapshots.keep(catalog)
    assert store.read_head() != head


@contextmanager
def sequential_calls() -> Iterator[None]:
    with mock.patch.object(parallel, "FEW", 10_000):
        yield


def run_fleet(event_ids: list[str], readers: int, seconds: int) -> tuple[SimulationReport, Counter[str]]:
    """Edit the catalog on a fleet of INSTANCES + `readers` instances, which also read it."""
    outcomes: Counter[str] = Counter()

    def edit(number: int) -> None:
        try:
            update_event(event_ids[number % len(event_ids)], EventChanges(venue=f"Hall {number} of {readers}"), "bench", START)
            outcomes["edited"] += 1
        except CatalogChanging:
            outcomes["refused"] += 1

    with simulated_fleet(INSTANCES + readers, start=START) as (timeline, fleet, service):
        for _ in range(INSTANCES + readers):  # at once, so each instance starts before the edits
            fleet.submit(lambda: snapshots.snapshot() and None)
        began = 60.0

        def forget_start() -> None:
            service.report.units.clear()
            service.report.busiest_reads.clear()
            service.report.busiest_seconds.clear()
            service.report.conflicts.clear()

        timeline.at(began, forget_start)
        for number in range(EDITS_PER_SECOND * seconds):
            timeline.at(began + number / EDITS_PER_SECOND, partial(fleet.submit, partial(edit, number)))
        for number in range(readers * seconds * 4):  # often enough for each instance to read the head as soon as it may
            timeline.at(began + number / (4 * readers), lambda: fleet.submit(lambda: snapshots.snapshot() and None))
        timeline.run()
    return service.report, outcomes


def largest_list(api: Client) -> int:
    """Return the bytes of the largest page of `GET /events`, while all events are in the future."""
    query, sizes = "", list[int]()
    with clock.override(lambda: float(START)):
        while not sizes or query:
            reply = api.get(f"/events{query}")
            sizes.append(len(reply.body))
            query = reply.headers.get("Link", "").partition(">")[0].removeprefix("<")
    print(f"GET /events: {len(sizes)} pages, {sum(sizes):,} bytes")
    return max(sizes)


def take_bounds(events: int = EVENTS, seconds: int = SECONDS) -> Iterator[Bound]:
    random.seed(1)
    with app_in_process() as api:
        event_ids = write_events(events)
        write_promoters(events // 10)
        publish_file(events // 10)

        def edit() -> None:
            update_event(random.choice(event_ids), EventChanges(venue=f"Hall {random.random()}"), "bench", START)

        print("| what | trips | read units | write units | virtual | CPU | busiest key, units/s |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        after_upgrade, upgrade_cpu, first_throttled, _ = measure("start from the entries", snapshots.snapshot, snapshots.invalidate)
        measure("write a snapshot", lambda: store.write_snapshot(snapshots.load_current()), edit)
        measure("start from the snapshot", snapshots.snapshot, snapshots.invalidate)
        for _ in range(100):
            edit()
        start, cpu, throttled, busiest = measure("the same, 100 changes later", snapshots.snapshot, snapshots.invalidate)
        _, edit_cpu, *_ = measure("follow an edit", snapshots.snapshot, lambda: elsewhere(edit))
        measure("nothing has changed", snapshots.snapshot, snapshots.expire)
        measure("edit", edit)
        catalog, half_of_key = f"a catalog of {events:,} events", Limits().read_units / 2
        yield Bound(f"{catalog}: trips of a start, even the first after an upgrade", max(start, after_upgrade), "s", 1)
        # The next run of the sweep writes a snapshot, so few instances start without one.
        yield Bound(f"{catalog}: processor time of a start without a snapshot", upgrade_cpu, "ms", 1000)
        yield Bound(f"{catalog}: processor time of a start from the snapshot", cpu, "ms", 300)
        yield Bound(f"{catalog}: processor time to follow an edit", edit_cpu, "ms", 20)
        yield Bound(f"{catalog}: a start, even the first after an upgrade: throttled", first_throttled + throttled, "calls", 0)
        yield Bound(f"{catalog}: {STARTS} starts in the same second: read units of the busiest key", STARTS * busiest, "/s", half_of_key)
        yield Bound(f"{catalog}: largest reply of GET /events", largest_list(api), "bytes", 1_000_000)
        with sequential_calls():
            few, _ = run_fleet(event_ids, INSTANCES, seconds)
            many, outcomes = run_fleet(event_ids, 2 * INSTANCES, seconds)
    print(f"\n{EDITS_PER_SECOND} edits a second: {dict(outcomes)}, conflicts {dict(many.conflicts)}, throttled {dict(many.throttles)}")
    load = f"{catalog}, {EDITS_PER_SECOND} edits a second"
    yield Bound(f"{load}: refused or throttled", outcomes["refused"] + many.throttles.total(), "calls", 0)
    limits = Limits()
    for position, (unit, limit) in enumerate((("read", limits.read_units), ("write", limits.write_units))):
        rates = {}
        for kind in ("head", "change", "live"):
            low, high = (max(units[position] for (_, key), units in report.units.items() if key.startswith(kind)) for report in (few, many))
            rates[kind] = (high + (high - low) / INSTANCES * (FLEET - 2 * INSTANCES)) / seconds
            print(f"{FLEET:,} instances: busiest key of {kind}: {rates[kind]:,.0f} {unit} units/s on average")
        name = f"{load}, {FLEET:,} instances: most {unit} units of a key, computed from {INSTANCES} instances"
        yield Bound(name, max(rates.values()), "/s", limit / 2)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.large_catalog", description="Measure a large catalog.")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="virtual seconds of edits")
    arguments = parser.parse_args()
    return print_bounds(take_bounds(arguments.events, arguments.seconds))


if __name__ == "__main__":
    sys.exit(main())
