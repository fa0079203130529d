"""`python -m bench.background_work`: what the scheduled jobs and the revenue of an event cost in a shop with many events and orders.

The table is the one in docs/performance.md. Seconds are virtual: the store has the limits and answer times of tests/simulation/limits.py,
and parallel calls are made one after the other. Processor times depend on this machine and include the local store. Takes a few minutes.
"""

import argparse
import os
import secrets
import time
from collections.abc import Callable

from chalicelib.addons.reports import analytics, projection
from chalicelib.addons.reports.store import ReportRow, delete_other_generations
from chalicelib.dynamodb import dynamo, wire_format
from chalicelib.foundation import clock, ids, settings
from chalicelib.ledger import service as ledger
from chalicelib.ledger.store import LedgerRow
from infra.local.environment import LOCAL_CREDENTIALS
from tests import engines
from tests.simulation.call_log import record_calls
from tests.simulation.limits import simulate

ORDERS = 10_000
START = 1_780_315_200


def measure(name: str, work: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> None:
    """Print the trips, the units, the virtual seconds and the processor time of `work`, which runs twice."""
    prepare()
    with record_calls(measured=True) as calls:
        began = time.process_time()
        work()
        cpu = 1000 * (time.process_time() - began)
    prepare()
    elapsed = simulate({name: (0.0, work)}).elapsed
    reads, writes = calls.capacity
    print(f"| {name} | {len(calls):,} | {reads:,.0f} | {writes:,.0f} | {elapsed:.2f} s | {cpu:,.0f} ms |", flush=True)


def write_ledger(event_id: str, orders: int) -> None:
    """Write the ledger entries of simulated orders, and count them in the reports."""
    entries = [
        ledger.entry_item(
            event_id=event_id, purchase_id=purchase_id, kind=kind, reference="pi", amount=5000, currency="USD", provider="stripe", now=START
        )["Put"]["Item"]
        for purchase_id in (ids.new_id() for _ in range(orders))
        for kind in ("opened", "captured")
    ]
    dynamo.batch_put(LedgerRow.name(), entries)
    for start in range(0, len(entries), projection.BATCH):
        projection.count_entries(1, map(ledger.read_image, entries[start : start + projection.BATCH]))


def copy_generation(number: int) -> None:
    """Copy the reports of the first generation to another one."""
    rows = [row for row in ReportRow.scan() if row.lane.startswith("1#")]
    for row in rows:
        row.lane = f"{number}#{row.lane.partition('#')[2]}"
    dynamo.batch_put(ReportRow.name(), map(wire_format.serialize_row, rows))


def measure_reports(orders: int) -> None:
    write_ledger("fest", orders)
    measure(f"revenue of {orders:,} orders, from the ledger", lambda: ledger.revenue_report("fest"))
    measure(f"revenue of {orders:,} orders", lambda: analytics.revenue_totals("fest"))
    measure("delete the reports that a rebuild replaced", lambda: delete_other_generations(1), lambda: copy_generation(2))


def main() -> None:
    os.environ.update(
        LOCAL_CREDENTIALS, POWERTOOLS_LOG_LEVEL="CRITICAL", POWERTOOLS_METRICS_DISABLED="true", AWS_EC2_METADATA_DISABLED="true"
    )
    parser = argparse.ArgumentParser(prog="python -m bench.background_work", description="Measure scheduled jobs in a large shop.")
    parser.add_argument("--orders", type=int, default=ORDERS)
    arguments = parser.parse_args()
    secret = {"jwt_secret": secrets.token_hex(32), "ticket_keys": f"k1:{secrets.token_hex(32)}"}
    with settings.override(identity="demo", **secret), engines.local(), engines.fresh_stage(), clock.override(lambda: float(START)):
        print("| what | calls | read units | write units | virtual | processor time |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        measure_reports(arguments.orders)


if __name__ == "__main__":
    main()
