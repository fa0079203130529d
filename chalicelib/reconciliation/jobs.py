"""The scheduled job that compares our books with the payment provider's, and our records with each other."""

from typing import Any

import msgspec
from chalice.app import Blueprint

from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock
from chalicelib.reconciliation import records, schedule

bp = Blueprint(__name__)


@scheduled_job(bp, "reconcile", minutes=15, description="Compares our books with the payment provider's and repairs the differences.")
def reconcile() -> dict[str, Any]:
    try:
        report = schedule.run(clock.now())
    finally:  # even while the provider does not answer
        checked = records.run(clock.now())
    compared = msgspec.to_builtins(report) if report is not None else {"off": "No payment provider takes payments on this stage."}
    return {**compared, "records": msgspec.to_builtins(checked)}
