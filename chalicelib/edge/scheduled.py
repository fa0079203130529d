"""Scheduled functions, with the same logging and metrics as requests. Chalice's middleware does not run for them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from chalicelib import deadline, ids, log
from chalicelib.edge import time_limits


def scheduled_job(name: str) -> Callable[[Callable[[], dict[str, Any]]], Callable[[Any], dict[str, Any]]]:
    """Wrap `run() -> report` as a Lambda handler. The report is logged as `<name>.done` and returned.

    The job has a deadline, a little before Lambda ends it.
    An exception is logged as `<name>.failed` and raised again, so that Lambda counts it as an error and retries.
    """

    def wrap(run: Callable[[], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        @wraps(run)
        def handle(event: Any) -> dict[str, Any]:
            with log.scope(ids.new_id()), deadline.within(time_limits.lambda_seconds(getattr(event, "context", None))):
                try:
                    report = run()
                except Exception:
                    log.exception(f"{name}.failed")
                    raise
                log.info(f"{name}.done", **report)
                return report

        return handle

    return wrap
