"""The schedule of the allocator."""

from typing import Any

import msgspec
from chalice.app import Blueprint, Rate

from chalicelib import clock
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.waitlist.allocator import allocate_all

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="offer_tickets", description="Offers tickets that came back to those who wait for them.")
@scheduled_job("offer_tickets")
def offer_tickets() -> dict[str, Any]:
    return dict(msgspec.to_builtins(allocate_all(clock.now())))
