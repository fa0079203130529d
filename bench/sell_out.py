"""`python -m bench.sell_out`: stocks of four sizes sell out at 1,000 holds a second, as in the table of docs/performance.md.

It runs on a virtual clock, so the speed of this machine does not matter. It takes six minutes.
"""

import os

from chalicelib.foundation import settings
from infra.local.environment import LOCAL_CREDENTIALS
from tests import engines
from tests.simulation.sell_out import SellOutReport, sell_out

RATE = 1000
SIZES = (100, 1000, 10_000, 100_000)  # tickets

HEAD = [
    "| tickets | tickets a hold | shards | largest item | units for a hold | hottest shard | refused writes | throttled |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
]


def row(capacity: int, quantity: int) -> str:
    with settings.override(stage="bench"), engines.local(), engines.fresh_stage():
        report: SellOutReport = sell_out(capacity, rate=RATE, quantity=quantity)
    assert report.holds * quantity == capacity, "everything is sold"
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


def main() -> None:
    os.environ.update(LOCAL_CREDENTIALS, POWERTOOLS_LOG_LEVEL="CRITICAL", POWERTOOLS_METRICS_DISABLED="true")
    print("\n".join(HEAD), flush=True)
    for capacity in SIZES:
        for quantity in (1, 2):
            print(row(capacity, quantity), flush=True)


if __name__ == "__main__":
    main()
