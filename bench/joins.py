"""`python -m bench.joins`: people join the waiting room of one event, most of them after its opening, as in docs/performance.md.

It runs on a virtual clock, against DynamoDB's limits for a partition key. It takes three minutes.
"""

import sys
from collections.abc import Iterator

from bench.app_in_process import app_in_process
from bench.measure import Bound, print_bounds
from tests.simulation.joins import JoinReport, join_at_once

START = 1_780_315_200  # 2026-06-01T12:00:00Z
RATE, SECONDS, OPENING = 3_000, 10, 3
INSTANCES, COUNTERS = 300, 8


def describe(report: JoinReport) -> str:
    return (
        f"replies {dict(report.replies)}, {report.throttled} calls throttled, busiest key {report.busiest_key:.0f} writes/s; "
        f"{report.drawn:,} drawn, {report.late:,} late, at most {report.largest_shift} places from the order of arrival, "
        f"{report.unused} positions unused"
    )


def take_bounds(rate: int = RATE) -> Iterator[Bound]:
    with app_in_process() as api:
        report = join_at_once(api, rate=rate, seconds=SECONDS, opening=OPENING, instances=INSTANCES, counters=COUNTERS, start=START)
    load = f"{rate:,} joins a second for {SECONDS} s, open after {OPENING} s"
    print(f"{load}: {describe(report)}")
    yield Bound(f"{load}: people who could not join", rate * SECONDS - report.replies[200], "people", 0)
    yield Bound(f"{load}: throttled", report.throttled, "calls", 0)
    yield Bound(f"{load}: late arrivals away from their place in the order of arrival", report.largest_shift, "places", rate / 4)


if __name__ == "__main__":
    sys.exit(print_bounds(take_bounds()))
