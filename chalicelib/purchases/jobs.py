"""The schedules that keep two promises: every state has an exit, and every payment ends in tickets or in a refund."""

from typing import Any

import msgspec
from chalice.app import Blueprint, Rate

from chalicelib import clock
from chalicelib.edge.job import job
from chalicelib.purchases import reconciliation, sweeping

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="sweep", description="Ends what is over and finishes what was interrupted.")
@job("sweep")
def sweep() -> dict[str, Any]:
    return sweeping.run(clock.now())


@bp.schedule(Rate(15, unit=Rate.MINUTES), name="reconcile", description="Compares our books with Stripe's, and puts right what differs.")
@job("reconcile")
def reconcile() -> dict[str, Any]:
    report = reconciliation.run(clock.now())
    return dict(msgspec.to_builtins(report)) if report is not None else {"off": "Stripe takes no payments here."}
