"""Scheduled jobs, with the same logging and metrics as requests.

Lambda imports a job's own module, such as `chalicelib.purchases.jobs`, and not `app.py`. So neither Chalice's middleware nor anything else
that `app.py` registers applies to jobs.

Each feature registers its jobs, with their intervals, in its `jobs.py`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any

import msgspec
from chalice.app import Blueprint, LambdaFunctionEvent, Rate
from msgspec import Struct

from chalicelib.foundation import clock, deadline, ids, log, settings
from chalicelib.foundation.log import logger

Report = dict[str, Any]
MAX_REPORT_CHARACTERS = 10_000
INTERVALS: dict[str, int] = {}  # job -> seconds between two runs; complete once `app.py` has registered all blueprints


def seconds_to_write(*, extends: bool = False) -> float:
    """Return for how many seconds this region may still write. 0: another region sells, or this region has been cut off.

    With `extends`, first try to extend this time.
    """
    if not settings.current().regions:
        return math.inf
    # Imported by name, because the edge is below the catalog and `.importlinter` would refuse the import.
    lease = import_module("chalicelib.catalog.snapshots")
    if extends:
        lease.extend_lease(clock.now())
    return float(lease.seconds_to_sell())


@contextmanager
def may_write() -> Iterator[None]:
    """Give the block the time in which this region may still write. The sweep extends this time each minute."""
    with deadline.within(seconds_to_write()):
        yield


def scheduled_job(
    bp: Blueprint, name: str, *, minutes: int, description: str, extends: bool = False, in_parts: bool = False
) -> Callable[[Callable[[], Report]], Any]:
    """Register `run() -> report` as a function `(event, context) -> report` that EventBridge calls every `minutes` minutes.

    The report is logged as `<name>.done`. The job's deadline is shortly before Lambda would end the job. The result is recorded for admins
    (`record_run`). An exception is logged as `<name>.failed` and raised again, so that Lambda counts it as an error and retries. In a
    region that may not write, the job does nothing. With `extends`, the job first extends the time in which the region may write. Its
    deadline is then the end of this time, unless it works `in_parts`, each with `may_write`.

    Changes of a table may call the job too (`infra/event_sources.py`). The job then does all its work, and no change has to be read.
    """
    INTERVALS[name] = minutes * 60

    def wrap(run: Callable[[], Report]) -> Any:
        @wraps(run)
        def handle(event: Any) -> Report:
            began = clock.precise_now()

            def record(report: Report | None, error: Exception | None) -> None:
                record_run(name, int(began), round((clock.precise_now() - began) * 1000), report, error)

            with log.scope(ids.new_id()):
                try:
                    with deadline.within(lambda_seconds(event.context)):
                        if not (left := seconds_to_write(extends=extends)):
                            return {"standby": True}
                        with deadline.within(math.inf if in_parts else left):
                            report = run()
                except Exception as error:
                    logger.exception(f"{name}.failed")
                    record(None, error)
                    raise
                logger.info(f"{name}.done", **report)
                record(report, None)
                return report

        registered = bp.schedule(Rate(minutes, unit=Rate.MINUTES), name=name, description=description)(handle)
        # Chalice has no decorator for a function with both a schedule and a stream. `schedule` makes a CloudWatchEvent, which requires
        # EventBridge's fields.
        registered.event_class = LambdaFunctionEvent
        return registered

    return wrap


class JobRun(Struct, frozen=True, kw_only=True):
    """The last run of a job: when it began (epoch seconds), how long it took, and the type of its error if it failed.

    `succeeded_at` is the time at which the last successful run began, and `report` is the value that this run returned.
    """

    name: str
    began_at: int
    milliseconds: int
    error: str | None
    succeeded_at: int | None
    report: dict[str, Any]


def record_run(name: str, began_at: int, milliseconds: int, report: Report | None, error: Exception | None) -> None:
    """Record how a run ended, in one conditional write. A failure of the store does not affect the job.

    An earlier run never overwrites a later one.
    """
    from chalicelib.dynamodb import dynamo  # the store is not needed before the job runs
    from chalicelib.edge import store

    values: dict[str, Any] = {"began_at": began_at, "milliseconds": milliseconds, "error": None if error is None else type(error).__name__}
    if error is None:
        content = msgspec.to_builtins(report or {}, enc_hook=str)
        is_short = len(msgspec.json.encode(content)) <= MAX_REPORT_CHARACTERS
        values |= {"succeeded_at": began_at, "report": content if is_short else {}}
    try:
        store.save_run(name, values, began_at)
    except dynamo.STORE_ERRORS as failure:
        logger.warning("job.not_recorded", job=name, error=type(failure).__name__, store_code=dynamo.error_code(failure))


def load_runs(names: Sequence[str]) -> dict[str, JobRun]:
    """Return the last run of each job by name. Jobs that never ran are left out."""
    from chalicelib.edge import store

    return {
        row.id: JobRun(
            name=row.id,
            began_at=int(row.began_at),
            milliseconds=int(row.milliseconds),
            error=row.error,
            succeeded_at=None if row.succeeded_at is None else int(row.succeeded_at),
            report=row.report or {},
        )
        for row in store.load_runs(names)
    }


# The time between the deadline of a request or job and the moment when Lambda ends it. It covers the longest call to the store or to
# Secrets Manager that can begin just before the deadline (each has one timeout for connecting and one for the response). The rest is for
# the reply.
RESERVE_SECONDS = 5


def lambda_seconds(lambda_context: Any) -> float:
    """Return the seconds left for calls before Lambda ends the function. Outside Lambda, as in the local runtime, returns infinity."""
    if lambda_context is None:
        return math.inf
    return float(lambda_context.get_remaining_time_in_millis()) / 1000 - RESERVE_SECONDS
