"""The scheduled job that runs the sweep."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock

bp = Blueprint(__name__)


@scheduled_job(bp, "sweep", minutes=1, description="Releases expired holds and finishes what a crash interrupted.", extends=True)
def sweep() -> dict[str, Any]:
    from chalicelib.purchases.sweep import run_sweep  # imported here because every function loads this module, but only one runs the sweep

    return run_sweep(clock.now())
