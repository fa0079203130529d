"""Two functions that send messages: `send_webhooks` right after they are queued, and `retry_webhooks` every minute for due retries."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.edge import scheduled
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock, deadline, ids, log
from chalicelib.foundation.log import logger

bp = Blueprint(__name__)

MAX_SECONDS = 45  # per run, even if no Lambda timeout applies


@bp.lambda_function(name="send_webhooks")
def send_webhooks(event: Any, context: Any) -> dict[str, Any]:
    """Make the first attempts of newly queued deliveries. If time runs out, `retry_webhooks` makes the remaining attempts."""
    from chalicelib.addons.outgoing_webhooks import outbox, sender  # imported here, because other functions load this module too

    if not (left := scheduled.seconds_to_write()):
        return {"batchItemFailures": []}  # the region that sells sends them
    with log.scope(ids.new_id()), deadline.within(min(MAX_SECONDS, left, scheduled.lambda_seconds(context))):
        attempts = sender.send_queued(outbox.queued_deliveries(event["Records"]))
        logger.info("send_webhooks.done", attempts=attempts)
    return {"batchItemFailures": []}


@scheduled_job(bp, "retry_webhooks", minutes=1, description="Retries failed webhooks of promoters.")
def retry_webhooks() -> dict[str, Any]:
    from chalicelib.addons.outgoing_webhooks import sender

    with deadline.within(MAX_SECONDS):
        return sender.send_due(clock.now())
