"""The scheduled function that queues turn notices and event notices, and sends the emails in the outbox and the push messages."""

from typing import Any

from chalice.app import Blueprint
from msgspec.structs import asdict

from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock

bp = Blueprint(__name__)


@scheduled_job(bp, "send_messages", minutes=1, description="Sends waiting emails and push messages, and retries failed ones.")
def send_messages() -> dict[str, Any]:
    from chalicelib.addons.messages import (
        composition,
        event_notices,
        push,
        turn_notices,
    )  # imported here, because other functions load this module too
    from chalicelib.notifications import delivery

    turn_notices.queue_mails(clock.now())
    event_notices.queue_mails(clock.now())
    push.send_due(composition.compose_push, clock.now())
    return asdict(delivery.send_due(composition.compose))
