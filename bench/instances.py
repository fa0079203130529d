"""`python -m bench.instances`: the usage of a drop with 1, 10, 100 and 1,000 instances, as in the table of docs/performance.md.

It runs the drop of tests/simulation/drop.py on a virtual clock, so the speed of this machine does not matter. Arguments set other numbers
of instances. A run with 1,000 takes some minutes. Larger loads have benches of their own, which `python -m bench.scale` lists and runs.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from bench.prices import Usage, store_dollars
from tests.simulation.drop import DropPlan, DropReport, run_drop

INSTANCES = (1, 10, 100, 1000)
START = 1_780_315_200  # 2026-06-01T12:00:00Z; fixed, so that the same version always gives the same figures

HEAD = [
    "| instances | reads/s (peak) | writes/s (peak) | segments | state bytes | reserve p99 | refusal p99 | throttled | $ per hour |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
]


def row(report: DropReport) -> str:
    """Return the table's line for one run. Rates are averages from the opening to the end."""
    reads, writes = report.rate("reads"), report.rate("writes")
    dollars = 3600 * store_dollars(Usage(read_units=reads, write_units=writes))
    cells = [
        f"{report.plan.instances:,}",
        f"{reads:,.0f} ({report.peak('reads'):,.0f})",
        f"{writes:,.0f} ({report.peak('writes'):,.0f})",
        str(report.max_segments()),
        f"{report.state_bytes:,}",
        f"{report.percentile('reserve 201'):.0f} ms",
        f"{report.percentile('reserve 409'):.0f} ms",
        f"{report.throttles.total():,}",
        f"{dollars:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def shares(units: Counter[str]) -> str:
    """Return the tables with the largest shares of these units."""
    total = units.total() or 1
    return ", ".join(f"{table} {100 * amount / total:.0f} %" for table, amount in units.most_common(3))


def take_bounds(chosen: Sequence[int] = INSTANCES) -> Iterator[Bound]:
    reports = []
    print("\n".join(HEAD), flush=True)
    for instances in chosen:
        with app_in_process() as api:
            reports.append(run_drop(api, DropPlan(instances=instances), start=START))
        print(row(reports[-1]), flush=True)
    for report in reports:
        reads, writes = (shares(report.by_table(kind)) for kind in ("reads", "writes"))
        print(f"{report.plan.instances:,} instances: reads {reads}; writes {writes}")
        yield Bound(f"a drop on {report.plan.instances:,} instances: throttled", report.throttles.total(), "calls", 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.instances", description="Simulate a drop on many instances of the functions.")
    parser.add_argument("instances", nargs="*", type=int, default=INSTANCES, help="numbers of instances; one run for each")
    return print_bounds(take_bounds(parser.parse_args().instances))


if __name__ == "__main__":
    sys.exit(main())
