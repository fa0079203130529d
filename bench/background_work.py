"""`python -m bench.background_work`: what the scheduled jobs and the revenue of an event cost in a shop with many events and orders.

The table is the one in docs/performance.md. Seconds are virtual: the store has the limits and answer times of tests/simulation/limits.py,
and parallel calls are made one after the other. Processor times depend on this machine and include the local store. Takes a few minutes.

The sweep runs over the events of bench.large_catalog, with three tiers and 21 shards each. Some of these events have an unpaid reservation.
The reconciliation is measured by its reads of the ledger only, for three spans. A run usually compares one.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from unittest import mock

from msgspec import Struct

from bench.app_in_process import app_in_process
from bench.large_catalog import write_events
from bench.measure import Bound, print_bounds
from chalicelib.addons.outgoing_webhooks import store as deliveries
from chalicelib.addons.outgoing_webhooks.model import Message
from chalicelib.addons.reports import analytics, projection
from chalicelib.addons.reports.store import ReportRow, delete_earlier_generations
from chalicelib.audit import service as audit
from chalicelib.bootstrap_file import rollout
from chalicelib.bootstrap_file.validation import validate_tree
from chalicelib.catalog import snapshots
from chalicelib.catalog.store import CatalogRow, read_head
from chalicelib.changes import jobs
from chalicelib.changes.model import CatalogPublished
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, parallel
from chalicelib.inventory.model import Hold, shard_ids
from chalicelib.inventory.store import hold_in_shard, new_shard
from chalicelib.ledger import service as ledger
from chalicelib.ledger.store import LedgerRow
from chalicelib.notifications import outbox
from chalicelib.purchases import sweep, sweep_store
from chalicelib.purchases.sweep_store import SweepRow, SweepState
from chalicelib.reconciliation import compare
from chalicelib.reconciliation.compare import ReconciliationReport
from tests.bootstrap import conftest as file_entries
from tests.simulation import capacity
from tests.simulation.call_log import record_calls
from tests.simulation.interception import Listener, StoreCall, intercept
from tests.simulation.limits import Limits, simulate

ORDERS = 10_000
EVENTS = 20_000
SELLING = 200  # events with sales since the last run
SPANS = 3  # a run of the reconciliation usually compares this many
PUBLISHED = 10_000  # events that one bootstrap file changes
ENTRIES = 2_000  # written to measure the rate of a key
SHARE = 4  # a job may take this part of the time between two runs
SWEEP_INTERVAL, RECONCILIATION_INTERVAL = 60, 900  # seconds
FOLLOW_SECONDS = 60  # Lambda ends a run of follow_changes after this time
START = 1_780_315_200


class Cost(Struct, frozen=True):
    """`seconds` are virtual seconds plus processor time. `throttled` counts the calls that a key refused because of its limits."""

    seconds: float
    throttled: int


def measure(name: str, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> Cost:
    """Print the trips, the units, the virtual seconds and the processor time of `work`, which runs twice."""
    prepare()
    with record_calls(measured=True) as calls:
        began = time.process_time()
        work()
        cpu = 1000 * (time.process_time() - began)
    prepare()
    report = simulate({name: (0.0, work)})
    reads, writes = calls.capacity
    throttled = report.throttles.total()
    print(
        f"| {name} | {len(calls):,} | {reads:,.0f} | {writes:,.0f} | {report.elapsed:.2f} s | {cpu:,.0f} ms | {throttled:,} |", flush=True
    )
    return Cost(report.elapsed + cpu / 1000, throttled)


def bounds(name: str, costs: Sequence[Cost], seconds: float, limit: float) -> Iterator[Bound]:
    """Bound the seconds of the work, and require that none of its calls is throttled."""
    yield Bound(name, seconds, "s", limit)
    yield Bound(f"{name}: throttled", sum(cost.throttled for cost in costs), "calls", 0)


def write_ledger(event_id: str, orders: int) -> None:
    """Write the ledger entries of simulated orders, and count them in the reports."""
    entries = [
        ledger.entry_item(
            event_id=event_id, purchase_id=purchase_id, kind=kind, reference="pi", amount=5000, currency="USD", provider="stripe", now=START
        )["Put"]["Item"]
        for purchase_id in (ids.new_id() for _ in range(orders))
        for kind in ("opened", "captured")
    ]
    dynamo.batch_put(map(LedgerRow.from_raw_data, entries))
    for start in range(0, len(entries), projection.BATCH):
        projection.count_entries(1, map(ledger.read_image, entries[start : start + projection.BATCH]))


def copy_generation(number: int) -> None:
    """Copy the reports of the first generation to another one."""
    rows = [row for row in ReportRow.scan() if row.lane.startswith("1#")]
    for row in rows:
        row.lane = f"{number}#{row.lane.partition('#')[2]}"
    dynamo.batch_put(rows)


def measure_reports(orders: int) -> Iterator[Bound]:
    write_ledger("fest", orders)
    measure(f"revenue of {orders:,} orders, from the ledger", lambda: ledger.revenue_report("fest"))
    cost = measure(f"revenue of {orders:,} orders", lambda: analytics.revenue_totals("fest"))
    yield from bounds(f"revenue of {orders:,} orders", [cost], cost.seconds, 0.2)
    measure("delete the reports that a rebuild replaced", lambda: delete_earlier_generations(1), lambda: copy_generation(0))


def measure_sweep(events: int) -> Iterator[Bound]:
    write_events(events)
    current = snapshots.snapshot()
    counts = current.shard_counts(current.events)
    keys = [shard_id for stock_id, count in counts.items() for shard_id in shard_ids(stock_id, count)]
    dynamo.batch_put(new_shard(key, capacity=80, sold=0, is_open=True) for key in keys)
    idle, selling = START + 3600, START + 7200

    def restart(now: int) -> None:
        sweep_store.save_state(SweepState(due_minute=now // 60, indexed_since=START))

    def sell() -> None:
        restart(selling)
        sold = random.sample(sorted(current.events), SELLING)
        for event_id in sold:
            purchase_id = ids.new_id()
            hold_in_shard(Hold(f"{current.event_tiers(event_id)[0].stock_id}#0", f"{purchase_id}.a", 1), selling - 1)
        sweep_store.mark_due(sold, selling // 60)

    shards = f"{events:,} events on sale ({len(keys):,} shards)"
    measure(f"sweep of {shards}, all read, as before in each run", lambda: sweep.run_sweep(START), SweepRow("cursor").delete)
    quiet = measure("sweep when nothing has changed", lambda: sweep.run_sweep(idle), lambda: restart(idle))
    busy = measure(f"sweep when {SELLING} of the events have an expired hold", lambda: sweep.run_sweep(selling), sell)
    name = f"sweep with {events:,} events on sale, of which {SELLING} sell"
    yield from bounds(name, [quiet, busy], max(quiet.seconds, busy.seconds), SWEEP_INTERVAL / SHARE)


def measure_reconciliation(events: int) -> Iterator[Bound]:
    event_ids, since = [ids.new_id() for _ in range(events)], START - 43_200  # before everything that the sweep has marked
    sweep_store.save_state(SweepState(due_minute=START // 60, indexed_since=START - 86_400))
    sweep_store.mark_due(event_ids[:SELLING], since // 60 + 10)

    def read_ledgers(of: Sequence[str]) -> None:
        report, turn = ReconciliationReport(since, since + 300), compare.Turn(since + 300, compare.RefundLimit())
        list(compare._captured_entries(compare.ComparisonRun(report, START, turn, []), of))

    def read_changed() -> None:
        read_ledgers(sorted(sweep_store.load_changed(since, since + 1800) or ()))

    measure(f"a span of the reconciliation, {events:,} events on sale, all read, as before", lambda: read_ledgers(event_ids))
    span = measure(f"a span of the reconciliation when {SELLING} of the events have sold", read_changed)
    name = f"reconciliation of {SPANS} spans with {events:,} events on sale, of which {SELLING} sell"
    yield from bounds(name, [span], SPANS * span.seconds, RECONCILIATION_INTERVAL / SHARE)


def measure_publication(events: int) -> Iterator[Bound]:
    """Measure the portions in which followers receive a bootstrap file that moves these events to another place."""
    for version, venue in enumerate(("Hall", "Dome"), 1):
        tree = {
            "version": str(version),
            "events": {f"fest-{number}": file_entries.event(f"fest-{number}", venue=venue) for number in range(events)},
            "ticket_types": {f"tier-{number}": file_entries.ticket(f"tier-{number}", f"fest-{number}") for number in range(events)},
        }
        assert rollout.apply(validate_tree(tree), "bench", START).result == "applied"
    head = read_head()
    positions, costs = [0], list[Cost]()
    while len(costs) < len(positions):
        portion = CatalogPublished(at=START, before=head.version - 1, version=head.version, position=positions[-1])
        began = time.process_time()
        report = simulate({"follow_changes": (0.0, partial(jobs.pass_on, [portion]))})
        costs.append(Cost(report.elapsed + time.process_time() - began, report.throttles.total()))
        positions += [int(row.position) for row in CatalogRow.query("passing")]
    load = f"a bootstrap file that changes {events:,} events"
    seconds = [cost.seconds for cost in costs]
    print(f"\n{load}: {len(seconds)} portions, which take {sum(seconds):,.1f} s together")
    yield from bounds(f"{load}: longest portion of follow_changes", costs, max(seconds), FOLLOW_SECONDS / SHARE)


class _KeyUnits(Listener):
    """Counts the write units of each partition key of a table and its indexes."""

    rank = 90

    def __init__(self) -> None:
        self.units = Counter[tuple[str, str]]()
        self._before: capacity.Items = {}

    def before(self, call: StoreCall) -> None:
        self._before = capacity.read_items(call.accesses)

    def after(self, call: StoreCall) -> None:
        after = capacity.read_items(call.accesses)
        self.units += capacity.index_units_by_key(call, self._before, after)
        self.units += Counter({key: write for key, (_, write) in capacity.consumed_units(call, self._before, after).items()})


def rate_of_key(write: Callable[[int], object]) -> float:
    """Write ENTRIES entries. Returns how many of them a second the busiest partition key of the table or of an index takes."""
    with intercept(counter := _KeyUnits()):
        for number in range(ENTRIES):
            write(number)
    return Limits().write_units * ENTRIES / max(counter.units.values())


def measure_lanes() -> Iterator[Bound]:
    """Measure the entries a second of lists that all entries of a day, an event or an endpoint share."""

    def record_check_in(number: int) -> None:
        details = {"ticket_id": f"{ids.new_id()}-1", "gate": "North", "admitted": 1}
        subject, event_id = f"ticket#{ids.new_id()}", f"event-{number % 10}"
        dynamo.transact([audit.entry_item(subject, "ticket.checked_in", f"staff-{number % 20}", START, details, event_id=event_id)])

    def queue_email(number: int) -> None:
        outbox.queue_notification(outbox.new_notification("order", ids.new_id(), 1, user_id=f"user-{number}", event_id="event", now=START))

    def queue_webhook(number: int) -> None:
        message = Message(id=ids.new_id(), type="order.paid", event_id="event", at=START, payload=f"{number:0600}")
        deliveries.add_delivery("promoter", "endpoint", message, START)

    for name, write in (
        ("check-ins a second of ten events in the audit log of a day", record_check_in),
        ("emails a second about one event", queue_email),
        ("webhooks a second to one endpoint", queue_webhook),
    ):
        yield Bound(f"{name}: highest rate of the busiest key", rate_of_key(write), "/s", 1000, is_minimum=True)


def take_bounds(orders: int = ORDERS, events: int = EVENTS) -> Iterator[Bound]:
    with app_in_process(), clock.override(lambda: float(START)):
        yield from measure_lanes()
        print("| what | calls | read units | write units | virtual | processor time | throttled |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
        yield from measure_reports(orders)
        with mock.patch.object(parallel, "FEW", 10_000):
            yield from measure_sweep(events)
            yield from measure_reconciliation(events)
    with app_in_process(), clock.override(lambda: float(START)), mock.patch.object(parallel, "FEW", 10_000):
        yield from measure_publication(min(events, PUBLISHED))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.background_work", description="Measure scheduled jobs in a large shop.")
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--events", type=int, default=EVENTS)
    arguments = parser.parse_args()
    return print_bounds(take_bounds(arguments.orders, arguments.events))


if __name__ == "__main__":
    sys.exit(main())
