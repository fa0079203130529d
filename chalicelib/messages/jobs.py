"""The function that sends what is in the outbox."""

from typing import Any

from chalice.app import Blueprint, Rate
from msgspec.structs import asdict

from chalicelib import clock
from chalicelib.edge.scheduled import scheduled_job

bp = Blueprint(__name__)


@bp.schedule(Rate(1, unit=Rate.MINUTES), name="send_messages", description="Sends the mails that wait, and tries those again that failed.")
@scheduled_job("send_messages")
def send_messages() -> dict[str, Any]:
    from chalicelib.messages import composition, event_notices  # all functions load this module, one of them sends mails
    from chalicelib.notifications import delivery

    event_notices.queue_mails(clock.now())
    return asdict(delivery.send_due(composition.compose))
