"""The schedule that ends what is over and finishes what was interrupted."""

from typing import Any

from chalice.app import Blueprint, Rate

from chalicelib import clock
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.purchases.sweep import run_sweep

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="sweep", description="Ends holds whose time is over and finishes what was interrupted.")
@scheduled_job("sweep")
def sweep() -> dict[str, Any]:
    return run_sweep(clock.now())
