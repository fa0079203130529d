"""The last run of each scheduled job, recorded for admins in one conditional write when the run ends."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.dynamodb import dynamo
from chalicelib.edge import store
from chalicelib.foundation.log import logger

MAX_REPORT_CHARACTERS = 10_000


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


def record_run(name: str, began_at: int, milliseconds: int, report: dict[str, Any] | None, error: Exception | None) -> None:
    """Record how a run ended. An earlier run never overwrites a later one, and a failure of the store does not affect the job."""
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
