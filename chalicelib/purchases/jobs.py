"""The schedule that keeps the promise that every state has an exit."""

from typing import Any

from chalice.app import Blueprint, Rate

from chalicelib import clock
from chalicelib.edge.job import job
from chalicelib.purchases import sweeping

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="sweep", description="Ends what is over and finishes what was interrupted.")
@job("sweep")
def sweep() -> dict[str, Any]:
    return sweeping.run(clock.now())
