"""What the scheduled jobs have before them, and the limits that hold for buyers: for admins who ask whether everything runs."""

from collections.abc import Sequence

from msgspec import Struct, structs

from chalicelib import clock, parallel, settings
from chalicelib.cases import service as cases
from chalicelib.clock import Timestamp
from chalicelib.notifications import outbox
from chalicelib.reconciliation import schedule

COUNTED = 1000  # of each backlog: one that is larger is shown as so many


class BacklogView(Struct, frozen=True):
    """What is due and not done yet: how many, 1000 at most, and since when the oldest is due, null if there is none."""

    due: int
    oldest_due_at: Timestamp | None


class SystemView(Struct, frozen=True, kw_only=True):
    """How far the scheduled jobs are, and the limits of this stage.

    `mails` and `refunds` are done within some two minutes while the jobs run. `compared_at`: when the books were last compared with the
    payment provider's, null if never. `limits`: requests/seconds of each user by the name of the limit, empty if limits are off.
    """

    at: Timestamp
    mails: BacklogView
    refunds: BacklogView
    compared_at: Timestamp | None
    hold_seconds: int
    limits: dict[str, str]


def load_system(now: int) -> SystemView:
    """What is due at `now`. May miss what was written within the last second."""
    (mails, refunds), last_run = parallel.both(
        lambda: parallel.both(lambda: outbox.list_late(now, COUNTED), lambda: cases.list_due("refund", now, COUNTED)),
        schedule.load_last_run,
    )
    current = settings.current()
    return SystemView(
        at=clock.iso(now),
        mails=_backlog([due.due_at for due in mails]),
        refunds=_backlog([case.next_at for case in refunds if case.next_at is not None]),
        compared_at=None if last_run is None else clock.iso(last_run.at),
        hold_seconds=current.hold_seconds,
        limits=_limits(current) if current.rate_limits == "on" else {},
    )


def _backlog(times: Sequence[int]) -> BacklogView:
    return BacklogView(min(len(times), COUNTED), clock.iso(min(times)) if times else None)


def _limits(current: settings.Settings) -> dict[str, str]:
    found = structs.asdict(current)
    return {name.removeprefix("limit_"): str(found[name]) for name in found if name.startswith("limit_")}
