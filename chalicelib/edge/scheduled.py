"""Scheduled jobs, with the same logging and metrics as requests. Chalice's middleware does not run for jobs.

Each feature registers its jobs, with their intervals, in its `jobs.py`.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from chalice.app import Blueprint, Rate

from chalicelib.foundation import clock, deadline, ids, log
from chalicelib.foundation.log import logger

Report = dict[str, Any]
INTERVALS: dict[str, int] = {}  # job -> seconds between two runs; it is complete once `app` is imported


def scheduled_job(bp: Blueprint, name: str, *, minutes: int, description: str) -> Callable[[Callable[[], Report]], Any]:
    """Register `run() -> report` as a function `(event, context) -> report` that EventBridge calls every `minutes` minutes.

    The report is logged as `<name>.done`. The job's deadline is shortly before Lambda would end the job. The result is recorded for admins
    (`job_runs`). An exception is logged as `<name>.failed` and raised again, so that Lambda counts it as an error and retries.
    """
    INTERVALS[name] = minutes * 60

    def wrap(run: Callable[[], Report]) -> Any:
        @wraps(run)
        def handle(event: Any) -> Report:
            from chalicelib.edge import job_runs  # imports the store, which is not needed before the job runs

            began = clock.precise_now()

            def record(report: Report | None, error: Exception | None) -> None:
                job_runs.record_run(name, int(began), round((clock.precise_now() - began) * 1000), report, error)

            with log.scope(ids.new_id()):
                try:
                    with deadline.within(lambda_seconds(getattr(event, "context", None))):
                        report = run()
                except Exception as error:
                    logger.exception(f"{name}.failed")
                    record(None, error)
                    raise
                logger.info(f"{name}.done", extra=report)
                record(report, None)
                return report

        return bp.schedule(Rate(minutes, unit=Rate.MINUTES), name=name, description=description)(handle)

    return wrap


# The time between the deadline of a request or job and the moment when Lambda ends it. It covers the longest call to the store or to
# Secrets Manager that can begin just before the deadline (each has one timeout for connecting and one for the response). The rest is for
# the reply.
RESERVE_SECONDS = 5


def lambda_seconds(lambda_context: Any) -> float:
    """Return the seconds left for calls before Lambda ends the function. Outside Lambda, as in the local runtime, returns infinity."""
    if lambda_context is None:
        return math.inf
    return float(lambda_context.get_remaining_time_in_millis()) / 1000 - RESERVE_SECONDS
