"""`python -m bench.reports`: how far the reports are behind while one event sells 1,000 orders a second, as in docs/performance.md.

It runs on a virtual clock, against DynamoDB's limits for a partition key. It takes five minutes.
"""

import os
import secrets

from chalicelib.foundation import settings
from infra.local.environment import LOCAL_CREDENTIALS
from infra.local.gateway import Gateway
from tests import engines
from tests.client import Client
from tests.simulation.projection import ProjectionReport, project_sale

RATE, SECONDS = 1_000, 10


def describe(report: ProjectionReport) -> str:
    return (
        f"at most {report.behind:.1f} s behind, {report.units:.1f} write units an order, busiest key {report.busiest_key:.0f} writes/s; "
        f"{report.throttled} calls throttled, {report.conflicts} conflicts, failed runs {dict(report.failures)}"
    )


def main() -> None:
    os.environ.update(
        LOCAL_CREDENTIALS, POWERTOOLS_LOG_LEVEL="CRITICAL", POWERTOOLS_METRICS_DISABLED="true", AWS_EC2_METADATA_DISABLED="true"
    )
    import app

    secret = {"jwt_secret": secrets.token_hex(32), "ticket_keys": f"k1:{secrets.token_hex(32)}"}
    shape = {"identity": "demo", "payment_simulation": "on", "rate_limits": "off"}
    with settings.override(**shape, **secret), engines.local(), engines.fresh_stage():
        report = project_sale(Client(Gateway(app.app)), rate=RATE, seconds=SECONDS)
        print(f"{RATE:,} orders a second of one event for {SECONDS} s: {describe(report)}")


if __name__ == "__main__":
    main()
