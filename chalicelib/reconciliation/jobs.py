"""The scheduled job that compares our books with the payment provider's, and our records with each other.

The comparison of the books goes account by account and span by span. Each run continues where the previous run stopped: first with the
operator's account, then with the promoters' accounts, beginning with the one whose last turn was longest ago.
"""

from typing import Any

import msgspec
from chalice.app import Blueprint
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.edge.scheduled import may_write, scheduled_job
from chalicelib.foundation import clock, deadline, log, settings
from chalicelib.ledger import money_cases
from chalicelib.payments import service as payments
from chalicelib.payments.model import list_cursors
from chalicelib.payments.provider_tasks import MAX_SILENT_ACCOUNTS
from chalicelib.purchases.sweep_store import load_changed
from chalicelib.reconciliation import compare, records
from chalicelib.reconciliation.compare import ReconciliationReport

bp = Blueprint(__name__)

FIRST_RUN_SECONDS = 3600  # the first run goes back this far. No payment is older, because the first deployment also starts this job
SETTLE_SECONDS = 600  # younger payments are still being processed
DAY_SECONDS = 86_400

# The operator's account has at most half of a run, or three quarters if no promoter has an account. Each promoter's account has at most one
# turn in a run. The last RECORDS_SECONDS are for the records.
TURN_SECONDS, RECORDS_SECONDS = 180, records.SECONDS_PER_RUN

# An unfinished span is compared again from its beginning. So the next span of an account is sized to take the fraction FILLED of a turn, at
# the pace of the previous span. It is at most twice as long as that span, because a span that is too long wastes the whole turn. If a span
# could not be compared, the next one is a quarter as long. The pace of a span that was cut short says little about longer ones.
SPAN_SECONDS = 900  # the first
MIN_SPAN_SECONDS, MAX_SPAN_SECONDS = compare.SHORTEST_SECONDS, 6 * 3600
FILLED = 0.7
SECONDS_TO_COMPARE = 10  # with less time left, no span is begun
UNKNOWN_SECONDS = DAY_SECONDS // compare.MAX_UNKNOWN_PAYMENTS  # after this, one more payment of an unknown purchase may be refunded


class LastRun(Struct):
    """The last run of the schedule: when it ran (`at`), and up to when the books have been compared (`until`), in epoch seconds."""

    at: int
    until: int
    report: ReconciliationReport


@scheduled_job(
    bp, "reconcile", minutes=15, description="Compares our books with the payment provider's and repairs the differences.", in_parts=True
)
def reconcile() -> dict[str, Any]:
    try:
        report = compare_books(clock.now())
    finally:  # even while the provider does not answer
        with may_write():
            checked = records.run(clock.now())
    compared = msgspec.to_builtins(report) if report is not None else {"off": "No payment provider takes payments on this stage."}
    return {**compared, "records": msgspec.to_builtins(checked)}


def compare_books(now: int) -> ReconciliationReport | None:
    """Continue the comparison where the last run stopped, and return the report of this run.

    Returns None if no external provider takes payments here. Raises StoreIsBehind, and ProviderUnavailable if the provider does not answer
    for the operator's account, or for several others in a row; the next run then starts with the unfinished span. If only the operator's
    account fails, the promoters' accounts get their turns first.
    """
    return _Run(now).finish() if payments.has_external_provider() else None


class _Run:
    def __init__(self, now: int) -> None:
        self._now = now
        self._end = now - SETTLE_SECONDS - catalog.longest_hold_seconds() - settings.current().checkout_seconds
        self._operator = load_operator(self._end - FIRST_RUN_SECONDS, now)
        self._since = int(self._operator.until)
        list_cursors.entries.update(self._operator.cursors or {})
        # Read once, because each order of a cancelled event has a case while it is refunded.
        self._open_cases = money_cases.list_open_cases()
        self._event_ids, self._accounts = load_changed(self._since, now), load_accounts(self._since)
        self._report = ReconciliationReport(self._since, self._since)

    def finish(self) -> ReconciliationReport:
        operator = self._operator
        failure = self._compare_operator()
        self._compare_promoters(failure)
        if failure is not None:
            raise failure
        self._report.until = int(operator.until)
        operator.at, operator.report = self._now, self._report
        operator.save_turn(int(operator.until), int(operator.seconds))
        log.gauge("money_matters", len(money_cases.list_open_cases()))
        return self._report

    def _compare_operator(self) -> Exception | None:
        """Compare the operator's account, and fetch its open disputes that are due. Returns the error if no span could be compared."""
        with deadline.within(deadline.remaining() * (1 / 2 if self._accounts else 3 / 4)):
            # Events report decisions of disputes, but Stripe keeps events for only 30 days, so open disputes are also fetched once a day.
            with may_write():
                self._report.repaired = compare.recheck_open_cases(self._open_cases, int(self._operator.at), self._now)
            seconds = deadline.remaining()
        return self._take_turn(self._operator, seconds, self._event_ids)

    def _compare_promoters(self, failure: Exception | None) -> None:
        """Give the promoters' accounts their turns. `failure` is the error with which the turn of the operator's account has ended."""
        is_silent, silent_count = failure is not None and compare.is_silence(failure), 0
        for account in self._accounts:
            began = int(account.until)
            if began >= self._end:
                continue
            if deadline.remaining() < RECORDS_SECONDS + TURN_SECONDS:
                break
            account.at = self._now
            error = self._take_turn(account, TURN_SECONDS, self._event_ids if began >= self._since else None)
            if error is None or not compare.is_silence(error):
                is_silent, silent_count = False, 0
            elif is_silent:
                break  # the provider answers neither for the operator's account nor for the first of the others
            else:
                silent_count += 1
            with may_write():
                if error is None:
                    self._close_unread(str(account.account), began)
                else:
                    compare.report_unread(self._report, str(account.account), int(account.until), self._now)
            if error is not None and silent_count == MAX_SILENT_ACCOUNTS:
                raise error

    def _close_unread(self, account: str, since: int) -> None:
        """Close the finding that an account cannot be read, unless `fairgate reconcile` opened it for a time before `since`."""
        unread = compare.unread_finding(account)
        found_at = next((case.details["compared_until"] for case in self._open_cases if (case.purchase_id, case.id) == unread), "")
        if found_at >= clock.iso(since):
            money_cases.close_finding(*unread)

    def _take_turn(self, account: "ReconciliationRow", turn_seconds: float, event_ids: set[str] | None) -> Exception | None:
        """Compare spans of an account, within the turn's time. Returns the error if no span could be compared."""
        began, ends_at = int(account.until), clock.monotonic() + turn_seconds
        limit = compare.RefundLimit(account.unknown_left(self._now))
        turn = compare.Turn(self._end, limit)
        seconds, time_limit = int(account.seconds), 0.0  # the length of the next span; how long the first comparison may take
        while account.until < self._end and seconds >= account.seconds / 4 and ends_at - clock.monotonic() > SECONDS_TO_COMPARE:
            since, until = int(account.until), min(int(account.until) + seconds, self._end)
            started_at, allowed = clock.monotonic(), limit.left
            try:
                with deadline.within(ends_at - started_at), may_write():
                    time_limit = time_limit or deadline.remaining()
                    found = compare.compare_account(
                        account.account,
                        since,
                        until,
                        self._now,
                        turn,
                        event_ids=event_ids,
                        open_cases=self._open_cases,
                        repeats_failed=False,
                    )
            except Exception as error:
                account.count_unknown((allowed or 0) - (limit.left or 0), self._now)
                if not compare.concerns_only(account.account, error):
                    if isinstance(error, compare.StoreIsBehind):
                        account.save_turn(since, max((until - since) // 4, MIN_SPAN_SECONDS))
                    raise
                had_little_time = seconds < account.seconds
                seconds = int(account.seconds) if had_little_time else max((until - since) // 4, MIN_SPAN_SECONDS)
                account.save_turn(since, seconds)
                failed_at = clock.monotonic()
                has_used_time = failed_at - started_at >= 0.9 * time_limit  # calls stop shortly before a deadline
                if has_used_time and ends_at - failed_at >= time_limit:
                    continue  # the lease of the region was too short for this span, and has been extended meanwhile
                return error if since == began else None
            self._report.add(found)
            compared_at = clock.monotonic()
            speed = FILLED * (until - since) / max(compared_at - started_at, 1)  # how many seconds of the books to compare per second
            fitting = int(min(2 * account.seconds, MAX_SPAN_SECONDS, speed * time_limit))
            shortest = MIN_SPAN_SECONDS if until - since == account.seconds else int(account.seconds)
            account.count_unknown((allowed or 0) - (limit.left or 0), self._now)
            if not account.save_turn(until, max(fitting, shortest)):
                return None  # another run is active and has compared this span
            seconds = max(int(min(account.seconds, speed * (ends_at - compared_at))), MIN_SPAN_SECONDS)
        return None


# The table `reconciliation` has an item for each account, and the progress of `records.py`. The item of the operator's account also has the
# report of the last run.

_ACCOUNT = "account#"
_ID = "last"


class ReconciliationRow(dynamo.Table):
    """Until when an account is compared, when its last turn was (`at`), in epoch seconds, and how long its next span is."""

    feature = "reconciliation"
    contents = "The time up to which our books have been compared with the provider's, for each account."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    seconds = NumberAttribute(null=True)  # earlier versions saved none for the operator's account
    unknown_at = NumberAttribute(null=True)  # when all refunds of payments of unknown purchases are possible again
    report = StructAttribute(ReconciliationReport, null=True)
    cursors = StructAttribute(dict[str, list[tuple[int, str]]], null=True)  # of the operator's account

    @property
    def account(self) -> str | None:
        """The promoter's account, or None for the operator's."""
        return None if self.id == _ID else str(self.id).removeprefix(_ACCOUNT)

    def unknown_left(self, now: int) -> int:
        """Return how many payments of unknown purchases may be refunded now. The limit is for a day, and returns little by little."""
        return compare.MAX_UNKNOWN_PAYMENTS - -(-max(int(self.unknown_at or 0) - now, 0) // UNKNOWN_SECONDS)

    def count_unknown(self, refunded: int, now: int) -> None:
        """Count refunds of payments of unknown purchases."""
        if refunded:
            self.unknown_at = max(int(self.unknown_at or 0), now) + refunded * UNKNOWN_SECONDS

    def save_turn(self, until: int, seconds: int) -> bool:
        """Save the account with this `until` and length of the next span. Returns False and saves nothing if another run has done so."""
        row = ReconciliationRow(self.id, until=until, at=self.at, seconds=seconds, unknown_at=self.unknown_at, report=self.report)
        if self.account is None and list_cursors.entries:
            row.cursors = {name: sorted({each for each in found if each[0] > until}) for name, found in list_cursors.entries.items()}
        with may_write():
            if not dynamo.put_if(row, ReconciliationRow.until == self.until):
                return False
        self.until, self.seconds = until, seconds
        return True


def load_operator(since: int, now: int) -> ReconciliationRow:
    """Return the operator's account. If it was never compared, it is saved, to be compared from `since` on."""
    row = ReconciliationRow.find(_ID)
    if row is None:
        row = ReconciliationRow(_ID, until=since, at=now - DAY_SECONDS, report=ReconciliationReport(since, since))
        dynamo.put_if(row, ReconciliationRow.id.does_not_exist())
    row.seconds = row.seconds or SPAN_SECONDS
    return row


def load_accounts(since: int) -> list[ReconciliationRow]:
    """Return the promoters' accounts, longest wait first. Accounts that were never compared are saved, to be compared from `since` on."""
    ids = {f"{_ACCOUNT}{account}" for account in catalog.snapshot().account_ids()}
    rows = ReconciliationRow.find_all(ids) if ids else []
    for account_id in sorted(ids - {row.id for row in rows}):
        rows.append(ReconciliationRow(account_id, until=since, at=since, seconds=SPAN_SECONDS))
        dynamo.put_if(rows[-1], ReconciliationRow.id.does_not_exist())
    return sorted(rows, key=lambda row: (row.at, row.id))


def load_account_until(account: str) -> int | None:
    """Return the time up to which a promoter's account is compared, in epoch seconds, or None before its first turn."""
    row = ReconciliationRow.find(f"{_ACCOUNT}{account}")
    return None if row is None else int(row.until)


def load_last_run() -> LastRun | None:
    """Return the last run of the schedule, or None before the first run."""
    row = ReconciliationRow.find(_ID)
    if row is None:
        return None
    return LastRun(int(row.at), int(row.until), row.report)
