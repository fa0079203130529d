"""The system page for admins: the last runs of the scheduled jobs, their backlogs, and the limits for buyers."""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct, structs

from chalicelib.edge import scheduled
from chalicelib.edge.scheduled import INTERVALS, JobRun
from chalicelib.foundation import clock, parallel, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.ledger import money_cases
from chalicelib.notifications import outbox
from chalicelib.reconciliation import schedule

_WEBHOOKS = "retry_webhooks"
LATE_INTERVALS = 3  # a job is late after this many intervals without a run
MAX_COUNT = 1000  # a larger backlog is shown as this number


class BacklogView(Struct, frozen=True):
    """Work that is due and not done. `due` is at most 1000.

    `oldest_due_at` is when the oldest work became due; it is null if nothing is due.
    """

    due: int
    oldest_due_at: Timestamp | None


class JobView(Struct, frozen=True, kw_only=True):
    """A scheduled job, its last run, and when its next run is due. The fields about runs are null if the job has never run.

    `error` is the type of the error if the last run failed. `succeeded_at` is when the last successful run began. The state `late` means
    that the job should have run several times since its last run.
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
    """The state of the scheduled jobs, and the limits of this stage. `build` is the version and commit of the running code.

    While the jobs run, `mails` and `refunds` are processed within about two minutes. `webhooks` counts the webhooks of all promoters that
    the last run of `retry_webhooks` found due; its `oldest_due_at` ignores the webhooks of endpoints that fail. `compared_at` is when our
    books were last compared with the payment provider's books; it is null before the first comparison. `limits` maps the name of each
    limit to the requests and seconds that it allows a user, such as `5/60`; it is empty if rate limits are off.
    """

    at: Timestamp
    build: str
    jobs: list[JobView]
    mails: BacklogView
    refunds: BacklogView
    webhooks: BacklogView
    compared_at: Timestamp | None
    hold_seconds: int
    limits: dict[str, str]


def load_system(now: int) -> SystemView:
    """Return the state of the jobs and their backlogs at `now`. May miss writes from the last second."""
    (mails, refunds), (last_run, runs) = parallel.both(
        lambda: parallel.both(
            lambda: outbox.list_late_notifications(now, MAX_COUNT), lambda: list(money_cases.list_due("refund", now, MAX_COUNT))
        ),
        lambda: parallel.both(schedule.load_last_run, lambda: scheduled.load_runs(sorted(INTERVALS))),
    )
    current = settings.current()
    return SystemView(
        at=clock.iso(now),
        build=settings.build(),
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
    """Return the backlog that the job's last run reported, because the API is not permitted to read the endpoints of all promoters."""
    run = runs.get(_WEBHOOKS)
    if run is None or run.succeeded_at is None:
        return BacklogView(0, None)
    due, oldest_seconds = run.report.get("due", 0), run.report.get("oldest_seconds", 0)
    return BacklogView(min(due, MAX_COUNT), clock.iso(run.succeeded_at - oldest_seconds) if due else None)


def _backlog(times: Sequence[int]) -> BacklogView:
    return BacklogView(min(len(times), MAX_COUNT), clock.iso(min(times)) if times else None)


def _limits(current: settings.Settings) -> dict[str, str]:
    found = structs.asdict(current)
    return {name.removeprefix("limit_"): str(found[name]) for name in found if name.startswith("limit_")}
