"""The function that sends what is in the outbox."""

from collections.abc import Sequence
from typing import Any

from chalice.app import Blueprint
from msgspec.structs import asdict

from chalicelib.changes.model import Change
from chalicelib.changes.stream import stream_consumer
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock

bp = Blueprint(__name__)


@scheduled_job(bp, "send_messages", minutes=1, description="Sends waiting emails and retries those that failed.")
def send_messages() -> dict[str, Any]:
    from chalicelib.addons.messages import composition, event_notices  # all functions load this module, one of them sends mails
    from chalicelib.notifications import delivery

    event_notices.queue_mails(clock.now())
    return asdict(delivery.send_due(composition.compose))


# The function that passes the changes of purchases, tickets and the catalog on to those who follow them.


@bp.lambda_function(name="follow_changes")
@stream_consumer("follow_changes")
def follow_changes(changes: Sequence[Change]) -> None:
    from chalicelib.addons.messages import followers  # all functions load this module, one of them has followers

    followers.pass_on(changes)
