"""The scheduled job that compares our books with the payment provider's, and our records with each other.

The comparison of the books goes account by account and span by span. Each run continues where the previous run stopped: first with the
operator's account, then with the promoters' accounts, beginning with the one whose last turn was longest ago.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from chalice.app import Blueprint
from msgspec import Struct
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock, deadline, log, settings
from chalicelib.ledger import money_cases
from chalicelib.ledger.money_cases import Case
from chalicelib.payments import service as payments
from chalicelib.payments.provider_tasks import MAX_SILENT_ACCOUNTS
from chalicelib.purchases.sweep_store import load_changed
from chalicelib.reconciliation import compare, records
from chalicelib.reconciliation.compare import ReconciliationReport

bp = Blueprint(__name__)

FIRST_RUN_SECONDS = 3600  # the very first run goes back this far; no payments are older, because every deployment has the schedule
SETTLE_SECONDS = 600  # younger payments are still being processed
DAY_SECONDS = 86_400

# The operator's account has at most half of a run, or three quarters if no promoter has an account. Each promoter's account has at most one
# turn in a run, of TURN_SECONDS or a quarter of the run (in a stage with a standby, a run ends with the lease of the region).
# RECORDS_SECONDS or a fifth of the run are kept for the records.
TURN_SECONDS, RECORDS_SECONDS = 180, records.SECONDS_PER_RUN

# An unfinished span is compared again from its beginning. After a span for which the time was too short, the next span of the account is a
# quarter as long, until it fits. After each span that was compared, it is twice as long, so an account usually needs one span for a run.
SPAN_SECONDS = 900  # the first
MIN_SPAN_SECONDS, MAX_SPAN_SECONDS = 1, 6 * 3600


class LastRun(Struct):
    """The last run of the schedule: when it ran (`at`), and up to when the books have been compared (`until`), in epoch seconds."""

    at: int
    until: int
    report: ReconciliationReport


@scheduled_job(bp, "reconcile", minutes=15, description="Compares our books with the payment provider's and repairs the differences.")
def reconcile() -> dict[str, Any]:
    try:
        report = compare_books(clock.now())
    finally:  # even while the provider does not answer
        checked = records.run(clock.now())
    compared = msgspec.to_builtins(report) if report is not None else {"off": "No payment provider takes payments on this stage."}
    return {**compared, "records": msgspec.to_builtins(checked)}


def compare_books(now: int) -> ReconciliationReport | None:
    """Continue the comparison where the last run stopped, and return the report of this run.

    Returns None if no external provider takes payments here. Raises StoreIsBehind, and ProviderUnavailable if the operator's account, or
    several others in a row, get no answer; the next run then starts with the unfinished span. If only the operator's account fails, the
    promoters' accounts get their turns first.
    """
    if not payments.has_external_provider():
        return None
    run_seconds = deadline.remaining()
    turn_seconds, kept_seconds = min(TURN_SECONDS, run_seconds / 4), min(RECORDS_SECONDS, run_seconds / 5)
    end = now - SETTLE_SECONDS - catalog.longest_hold_seconds() - settings.current().checkout_seconds
    operator = load_operator(end - FIRST_RUN_SECONDS, now)
    since = int(operator.until)
    open_cases = money_cases.list_open_cases()  # read once, because each order of a cancelled event has a case while it is refunded
    event_ids, accounts = load_changed(since, now), load_accounts(since)
    with deadline.within(run_seconds / 2 if accounts else run_seconds * 3 / 4):
        # Events report decisions of disputes, but Stripe keeps events for only 30 days, so open disputes are also fetched once a day.
        report = ReconciliationReport(since, since, repaired=compare.recheck_open_cases(open_cases, int(operator.at), now))
        operator_seconds = deadline.remaining()
    failure = _take_turn(operator, operator_seconds, end, now, report, event_ids, open_cases)
    is_silent, silent_count = failure is not None and compare.is_silence(failure), 0
    for account in accounts:
        if account.until >= end:
            continue
        if deadline.remaining() < kept_seconds + turn_seconds:
            break
        error = _take_turn(account, turn_seconds, end, now, report, event_ids if account.until >= since else None, open_cases)
        if error is None or not compare.is_silence(error):
            is_silent, silent_count = False, 0
        elif is_silent:
            break  # neither the operator's account nor the first of the others gets an answer
        else:
            silent_count += 1
        if error is not None:
            compare.report_unread(report, str(account.account), int(account.until), now)
            if silent_count == MAX_SILENT_ACCOUNTS:
                raise error
    if failure is not None:
        raise failure
    if accounts:
        operator.save_turn(int(operator.until), now, int(operator.seconds), report)
    log.gauge("money_matters", len(money_cases.list_open_cases()))
    return report


def _take_turn(
    account: "ReconciliationRow",
    turn_seconds: float,
    end: int,
    now: int,
    report: ReconciliationReport,
    event_ids: set[str] | None,
    open_cases: Sequence[Case],
) -> Exception | None:
    """Compare spans of an account until `end` or for `turn_seconds`. Returns the error if no span could be compared.

    The finding that a promoter's account cannot be read closes as soon as a turn has compared a span.
    """
    account_id, began = account.account, int(account.until)
    until = began
    try:
        with deadline.within(turn_seconds):
            while account.until < end:
                reached, until = int(account.until), min(int(account.until + account.seconds), end)
                found = compare.compare_account(
                    account_id, reached, until, now, event_ids=event_ids, open_cases=open_cases, repeats_failed=False
                )
                report.add(found if account_id is None else replace(found, until=report.until))
                seconds = min(2 * int(account.seconds), MAX_SPAN_SECONDS)
                if not account.save_turn(until, now, seconds, report if account_id is None else None):
                    return None  # another run is active and has compared this span
    except Exception as error:
        if not compare.concerns_only(account_id, error):
            raise
        # The operator's disputes that are due since `at` are fetched again.
        at, seconds = int(account.at) if account_id is None else now, max((until - int(account.until)) // 4, MIN_SPAN_SECONDS)
        account.save_turn(int(account.until), at, seconds, account.report)
        if account.until == began:
            return error
    if account_id is not None:
        unread = compare.unread_finding(account_id)
        found_at = next((case.details["compared_until"] for case in open_cases if (case.purchase_id, case.id) == unread), "")
        if found_at >= clock.iso(began):  # not a finding of the command about an earlier time
            money_cases.close_finding(*unread)
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
    report = StructAttribute(ReconciliationReport, null=True)

    @property
    def account(self) -> str | None:
        """The promoter's account, or None for the operator's."""
        return None if self.id == _ID else str(self.id).removeprefix(_ACCOUNT)

    def save_turn(self, until: int, now: int, seconds: int, report: ReconciliationReport | None) -> bool:
        """Save the result of a turn. Returns False and writes nothing if another run has changed `until`."""
        row = ReconciliationRow(self.id, until=until, at=now, seconds=seconds, report=report)
        if not dynamo.put_if(row, ReconciliationRow.until == self.until):
            return False
        self.until, self.at, self.seconds, self.report = until, now, seconds, report
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
