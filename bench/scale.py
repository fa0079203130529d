"""`make scale`: simulate large shops and sales, and compare each figure with the bound that docs/performance.md states.

Runs BENCHES, one on each core; `python -m bench.<name>` runs one of them. Exits with 1 if a figure misses its bound. The bench `other_shop`
belongs to the gate for other shops, and runs only with `make scale ARGS=other_shop`.
"""

import argparse
import importlib
import io
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout

from bench.measure import Bound, print_bounds

CORES, MINUTES = 2, 30  # of all benches together
# The longest come first, so that no core waits long for the last of them.
BENCHES = (
    "waitlist",
    "entries",
    "instances",
    "background_work",
    "reports",
    "joins",
    "cancellation",
    "ballots",
    "large_catalog",
    "sell_out",
)


def run(name: str) -> tuple[list[Bound], float, str]:
    """Run a bench in this process. Returns its figures, its processor time in seconds, and what it printed."""
    began, details = (time.monotonic(), time.process_time()), io.StringIO()
    with redirect_stdout(details):
        bounds = list(importlib.import_module(f"bench.{name}").take_bounds())
    wall, cpu = time.monotonic() - began[0], time.process_time() - began[1]
    return bounds, cpu, f"\n## bench.{name}: {wall:,.0f} s, of which {cpu:,.0f} s of processor time\n\n{details.getvalue()}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="Compare all figures of scale with their bounds.")
    parser.add_argument("benches", nargs="*", metavar="bench", default=BENCHES, help=f"default: {' '.join(BENCHES)}")
    chosen = parser.parse_args().benches
    began, bounds, total_cpu = time.monotonic(), list[Bound](), 0.0
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, max_tasks_per_child=1) as pool:
        for measured, cpu, details in pool.map(run, chosen):
            print(details, flush=True)
            bounds += measured
            total_cpu += cpu
    print(f"All benches took {(time.monotonic() - began) / 60:.0f} minutes on {os.cpu_count()} cores.")
    # Wall time would also count what else the machine does.
    bounds.append(Bound(f"processor time of these benches, on each of {CORES} cores", total_cpu / CORES / 60, "min", MINUTES))
    return print_bounds(bounds)


if __name__ == "__main__":
    sys.exit(main())
