"""`python -m bench.joins`: people join the waiting room of one event, most of them after its opening, as in docs/performance.md.

It runs on a virtual clock, against DynamoDB's limits for a partition key. It takes three minutes.
"""

import os
import secrets

from chalicelib.foundation import settings
from infra.local.environment import LOCAL_CREDENTIALS
from infra.local.gateway import Gateway
from tests import engines
from tests.client import Client
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


def main() -> None:
    os.environ.update(
        LOCAL_CREDENTIALS, POWERTOOLS_LOG_LEVEL="CRITICAL", POWERTOOLS_METRICS_DISABLED="true", AWS_EC2_METADATA_DISABLED="true"
    )
    import app

    secret = {"jwt_secret": secrets.token_hex(32), "ticket_keys": f"k1:{secrets.token_hex(32)}"}
    shape = {"identity": "demo", "payment_simulation": "on", "rate_limits": "off"}
    with settings.override(**shape, **secret), engines.local(), engines.fresh_stage():
        report = join_at_once(
            Client(Gateway(app.app)), rate=RATE, seconds=SECONDS, opening=OPENING, instances=INSTANCES, counters=COUNTERS, start=START
        )
        print(f"{RATE:,} joins a second for {SECONDS} s, open after {OPENING} s: {describe(report)}")


if __name__ == "__main__":
    main()
