"""`python -m bench.sell_out`: stocks of four sizes sell out at 1,000 holds a second, as in the table of docs/performance.md.

It runs on a virtual clock, so the speed of this machine does not matter. It takes six minutes.
"""

import sys
from collections.abc import Iterator, Sequence

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from tests.simulation.sell_out import SellOutReport, sell_out

RATE = 1000
SIZES = (100, 1000, 10_000, 100_000)  # tickets

HEAD = [
    "| tickets | tickets a hold | shards | largest item | units for a hold | hottest shard | refused writes | throttled |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
]


def run(capacity: int, quantity: int) -> SellOutReport:
    with app_in_process():
        report = sell_out(capacity, rate=RATE, quantity=quantity)
    assert report.holds * quantity == capacity, "everything is sold"
    return report


def row(capacity: int, quantity: int, report: SellOutReport) -> str:
    cells = [
        f"{capacity:,}",
        str(quantity),
        f"{report.shards:,}",
        f"{report.largest_item / 1024:.1f} KB",
        f"{report.units_per_hold:.1f}",
        f"{report.hottest_shard:.0f} units/s",
        f"{report.refused_writes / report.holds:.0%}",
        str(report.throttled),
    ]
    return f"| {' | '.join(cells)} |"


def take_bounds(sizes: Sequence[int] = SIZES) -> Iterator[Bound]:
    print("\n".join(HEAD), flush=True)
    for capacity in sizes:
        reports = {quantity: run(capacity, quantity) for quantity in (1, 2)}
        for quantity, report in reports.items():
            print(row(capacity, quantity, report), flush=True)
        load = f"{capacity:,} tickets held at {RATE:,} holds a second"
        yield Bound(f"{load}: throttled", sum(report.throttled for report in reports.values()), "calls", 0)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
