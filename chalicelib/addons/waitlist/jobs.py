"""The schedule of the allocator."""

from typing import Any

import msgspec
from chalice.app import Blueprint

from chalicelib.addons.waitlist.allocator import allocate_all
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock

bp = Blueprint(__name__)


@scheduled_job(bp, "offer_tickets", minutes=1, description="Offers returned tickets to the waitlist.")
def offer_tickets() -> dict[str, Any]:
    return dict(msgspec.to_builtins(allocate_all(clock.now())))
