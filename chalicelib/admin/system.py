"""How the scheduled jobs ran, what they have before them, and the limits for buyers: for admins who ask whether everything runs."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from chalicelib.edge import job_runs
from chalicelib.edge.job_runs import JobRun
from chalicelib.edge.scheduled import INTERVALS
from chalicelib.foundation import clock, parallel, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.ledger import money_cases as cases
from chalicelib.notifications import outbox
from chalicelib.reconciliation import schedule

_WEBHOOKS = "retry_webhooks"
LATE_INTERVALS = 3  # a job that should have begun so many times since its last run does not run
COUNTED = 1000  # of each backlog: one that is larger is shown as so many


class BacklogView(Struct, frozen=True):
    """What is due and not done yet: how many, 1000 at most, and since when the oldest is due, null if there is none."""

    due: int
    oldest_due_at: Timestamp | None


class JobView(Struct, frozen=True, kw_only=True):
    """A scheduled job: its last run, null if it never ran, and when the next one is due.

    `error` is the type of error if the last run failed; `succeeded_at` is when the last one began that did not. `late`: it should have run
    several times since then.
    """

    name: str
    state: Literal["fine", "failed", "late", "never"]
    every_seconds: int
    began_at: Timestamp | None = None
    milliseconds: int | None = None
    error: str | None = None
    succeeded_at: Timestamp | None = None
    next_due_at: Timestamp | None = None


class SystemView(Struct, frozen=True, kw_only=True):
    """How far the scheduled jobs are, and the limits of this stage.

    `mails` and `refunds` are done within some two minutes while the jobs run. `webhooks` are those of all promoters that the last run of
    `retry_webhooks` found due; the time is of those to addresses that do not fail. `compared_at`: when the books were last compared with
    the payment provider's, null if never. `limits`: requests/seconds of each user by the name of the limit, empty if limits are off.
    """

    at: Timestamp
    jobs: list[JobView]
    mails: BacklogView
    refunds: BacklogView
    webhooks: BacklogView
    compared_at: Timestamp | None
    hold_seconds: int
    limits: dict[str, str]


def load_system(now: int) -> SystemView:
    """What is due at `now`. May miss what was written within the last second."""
    (mails, refunds), (last_run, runs) = parallel.both(
        lambda: parallel.both(lambda: outbox.list_late(now, COUNTED), lambda: cases.list_due("refund", now, COUNTED)),
        lambda: parallel.both(schedule.load_last_run, lambda: job_runs.load(sorted(INTERVALS))),
    )
    current = settings.current()
    return SystemView(
        at=clock.iso(now),
        jobs=[_job(name, seconds, runs.get(name), now) for name, seconds in sorted(INTERVALS.items())],
        mails=_backlog([due.due_at for due in mails]),
        refunds=_backlog([case.next_at for case in refunds if case.next_at is not None]),
        webhooks=_webhooks(runs),
        compared_at=None if last_run is None else clock.iso(last_run.at),
        hold_seconds=current.hold_seconds,
        limits=_limits(current) if current.rate_limits == "on" else {},
    )


def _job(name: str, every_seconds: int, run: JobRun | None, now: int) -> JobView:
    if run is None:
        return JobView(name=name, state="never", every_seconds=every_seconds)
    is_late = run.began_at + LATE_INTERVALS * every_seconds < now
    return JobView(
        name=name,
        state="failed" if run.error is not None else "late" if is_late else "fine",
        every_seconds=every_seconds,
        began_at=clock.iso(run.began_at),
        milliseconds=run.milliseconds,
        error=run.error,
        succeeded_at=None if run.succeeded_at is None else clock.iso(run.succeeded_at),
        next_due_at=clock.iso(run.began_at + every_seconds),
    )


def _webhooks(runs: Mapping[str, JobRun]) -> BacklogView:
    """What the job found due when it ran last, because the API may not read the endpoints of all promoters."""
    run = runs.get(_WEBHOOKS)
    if run is None or run.succeeded_at is None:
        return BacklogView(0, None)
    due, oldest_seconds = run.report.get("due", 0), run.report.get("oldest_seconds", 0)
    return BacklogView(min(due, COUNTED), clock.iso(run.succeeded_at - oldest_seconds) if due else None)


def _backlog(times: Sequence[int]) -> BacklogView:
    return BacklogView(min(len(times), COUNTED), clock.iso(min(times)) if times else None)


def _limits(current: settings.Settings) -> dict[str, str]:
    found = structs.asdict(current)
    return {name.removeprefix("limit_"): str(found[name]) for name in found if name.startswith("limit_")}
