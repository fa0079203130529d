"""The state of the stage for admins: the scheduled jobs, their backlogs, the limits for buyers, and the open cases about money."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors, scheduled
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.scheduled import INTERVALS, JobRun
from chalicelib.foundation import clock, parallel, settings
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import NotFound
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case
from chalicelib.notifications import outbox
from chalicelib.payments import service as payments
from chalicelib.reconciliation.jobs import load_last_run

_WEBHOOKS = "retry_webhooks"
LATE_INTERVALS = 3  # a job is late after this many intervals without a run
MAX_COUNT = 1000  # a larger backlog is shown as this number


class BacklogView(Struct, frozen=True):
    """Work that is due and not yet done. `due` is at most 1000.

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
    the last run of `retry_webhooks` found due; its `oldest_due_at` ignores failing endpoints. `compared_at` is when our books were last
    compared with the payment provider's books; it is null before the first comparison. `limits` maps the name of each limit to the requests
    and seconds that it allows a user, such as `5/60`; it is empty if rate limits are off.
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
        lambda: parallel.both(load_last_run, lambda: scheduled.load_runs(sorted(INTERVALS))),
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


# Open cases: unfinished refunds, undecided disputes, and findings from the reconciliation.

_POSITION = r"\d{11}#[^#]+#(refund|dispute|finding)#.+"

_TEXT, _TIME = {"type": "string"}, {"type": "string", "format": "date-time"}
_CASE_FIELDS = {"order_id": _TEXT, "kind": {"enum": ["refund", "dispute", "finding"]}, "id": _TEXT, "since": _TIME}
_CASE_SCHEMA = {
    "properties": {**_CASE_FIELDS, "next_try_at": {"anyOf": [_TIME, {"type": "null"}]}},
    "required": [*_CASE_FIELDS, "next_try_at"],
}
OpenCase = Annotated[dict[str, Any], Meta(description="An open case. Each kind has its own details.", extra_json_schema=_CASE_SCHEMA)]


class OpenCasesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page of the open cases."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 100
    cursor: Cursor | None = None


class LastRunView(Struct, frozen=True, kw_only=True):
    """The last run of the reconciliation, with the numbers of payments, refunds and disputes that it compared in [since, until).

    `unheard` counts events that no webhook had delivered. `repaired` and `findings` are counts by kind.
    """

    at: Timestamp
    since: Timestamp
    until: Timestamp
    payments: int
    refunds: int
    disputes: int
    unheard: int
    repaired: dict[str, int]
    findings: dict[str, int]


class OpenCasesView(Struct, frozen=True, kw_only=True):
    """A page of the open cases, oldest first. `last_run` is null before the first run, and `next_cursor` is null on the last page."""

    open: list[OpenCase]
    next_cursor: str | None
    last_run: LastRunView | None
    stripe_call_budget: int


def list_open_cases(query: OpenCasesQuery) -> OpenCasesView:
    """Return a page of the open cases, with the result of the last reconciliation."""
    after = cursors.decode(query.cursor, _POSITION) if query.cursor is not None else None
    last_run, (open_cases, last) = load_last_run(), money_cases.list_cases(query.limit, after)
    return OpenCasesView(
        open=[_case_view(case) for case in open_cases],
        next_cursor=cursors.encode(last) if last else None,
        last_run=LastRunView(at=clock.iso(last_run.at), **last_run.report.view()) if last_run else None,
        stripe_call_budget=payments.call_rate(),
    )


def dismiss_case(order_id: str, case_id: str, actor: str, now: int) -> None:
    """Close a case that a person has resolved: a finding, or a refund that has failed for good.

    Disputes close when the bank decides, and other refunds when they succeed. Raises NotFound if the case cannot be closed by hand or has
    just changed.
    """
    case = money_cases.find_manual_case(order_id, case_id)
    if case is None:
        raise NotFound("No open case with this id can be closed by hand. Disputes and pending refunds close automatically.")
    entry = audit.entry_item(
        f"order#{order_id}", "finding.dismissed", actor, now, {"finding": case_id}, event_id=case.details.get("event_id")
    )
    try:
        dynamo.transact([money_cases.dismiss_case_item(case), entry])
    except dynamo.ConditionFailed:
        raise NotFound("This case has just changed. Reload the list of open cases.") from None


def _case_view(case: Case) -> OpenCase:
    return {**case.view(), "next_try_at": clock.iso(case.next_at) if case.next_at is not None else None}
