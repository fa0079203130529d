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

# An unfinished span is compared again from its beginning. Buyers can make at most 50 payments a second, because Stripe allows 100 calls a
# second and each payment takes two calls. A span of five minutes therefore has at most 15,000 payments, on 600 pages of lists. A function
# can compare them well within its limit of 15 minutes.
SPAN_SECONDS = 300
MAX_SPANS_PER_RUN = 72  # six hours; after a longer gap, several runs catch up
MAX_PAYMENTS_PER_RUN = 10_000  # after this many, no further span is started
FIRST_RUN_SECONDS = 3600  # the very first run goes back this far; no payments are older, because every deployment has the schedule
SETTLE_SECONDS = 600  # younger payments are still being processed
DAY_SECONDS = 86_400

# In each run, a promoter's account has at most one turn, of ACCOUNT_SECONDS or a third of the run (in a stage with a standby, a run ends
# with the lease of the region). A sixth of the run is kept for the records. So that accounts get turns, the operator's account begins no
# further span without the time for a turn. After a span for which the time was too short, the next span of the account is shorter. After
# each span that was compared, it is twice as long, so an account usually needs one span for a turn.
ACCOUNT_SECONDS = 180
ACCOUNT_SPAN_SECONDS = 900  # the first
MIN_ACCOUNT_SPAN_SECONDS, MAX_ACCOUNT_SPAN_SECONDS = 15, 6 * 3600


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
    several others in a row, get no answer; the next run then starts with the unfinished span.
    """
    if not payments.has_external_provider():
        return None
    current, run_seconds = settings.current(), deadline.remaining()
    turn_seconds, kept_seconds = min(ACCOUNT_SECONDS, run_seconds / 3), run_seconds / 6
    last_run = load_last_run()
    reached = last_run.until if last_run is not None else None
    end = now - SETTLE_SECONDS - catalog.longest_hold_seconds() - current.checkout_seconds
    since = reached if reached is not None else end - FIRST_RUN_SECONDS
    open_cases = money_cases.list_open_cases()  # read once, because each order of a cancelled event has a case while it is refunded
    # An event reports the decision of a dispute, but Stripe keeps events for only 30 days, so open disputes are also fetched once a day.
    rechecked_at = last_run.at if last_run is not None else now - DAY_SECONDS
    report = ReconciliationReport(since, since, repaired=compare.recheck_open_cases(open_cases, rechecked_at, now))
    event_ids, accounts = load_changed(since, now), load_accounts(since)
    for _ in range(MAX_SPANS_PER_RUN):
        until = min(report.until + SPAN_SECONDS, end)
        if until <= report.until or report.payments >= MAX_PAYMENTS_PER_RUN:
            break
        if accounts and report.until > since and deadline.remaining() < kept_seconds + turn_seconds:
            break
        report.add(
            compare.compare_account(None, report.until, until, now, event_ids=event_ids, open_cases=open_cases, repeats_failed=False)
        )
        if not save_progress(reached, report, now):
            break  # another run is active and has compared this span
        reached = until
    silent_count = 0
    for account in accounts:
        if account.until >= end:
            continue
        if deadline.remaining() < kept_seconds + turn_seconds:
            break
        error = _take_turn(account, turn_seconds, end, now, report, event_ids if account.until >= since else None, open_cases)
        silent_count = silent_count + 1 if error is not None and compare.is_silence(error) else 0
        if error is not None and silent_count == MAX_SILENT_ACCOUNTS:
            raise error
    if accounts and reached is not None:
        save_progress(reached, report, now)
    log.gauge("money_matters", len(money_cases.list_open_cases()))
    return report


def _take_turn(
    account: "AccountRow",
    turn_seconds: float,
    end: int,
    now: int,
    report: ReconciliationReport,
    event_ids: set[str] | None,
    open_cases: Sequence[Case],
) -> Exception | None:
    """Compare spans of a promoter's account until `end` or for `turn_seconds`. Returns the error if no span could be compared.

    This error becomes a finding, which closes as soon as a turn has compared a span.
    """
    account_id, began = account.id.removeprefix(_ACCOUNT), int(account.until)
    until = began
    try:
        with deadline.within(turn_seconds):
            while account.until < end:
                reached, until = int(account.until), min(int(account.until + account.seconds), end)
                found = compare.compare_account(
                    account_id, reached, until, now, event_ids=event_ids, open_cases=open_cases, repeats_failed=False
                )
                report.add(replace(found, until=report.until))
                if not account.save_turn(until, now, min(2 * int(account.seconds), MAX_ACCOUNT_SPAN_SECONDS)):
                    return None  # another run is active and has compared this span
    except Exception as error:
        if not compare.concerns_only(account_id, error):
            raise
        account.save_turn(int(account.until), now, max((until - int(account.until)) // 4, MIN_ACCOUNT_SPAN_SECONDS))
        if account.until == began:
            compare.report_unread(report, account_id, began, now)
            return error
    unread = compare.unread_finding(account_id)
    found_at = next((case.details["compared_until"] for case in open_cases if (case.purchase_id, case.id) == unread), "")
    if found_at >= clock.iso(began):  # not a finding of the command about an earlier time
        money_cases.close_finding(*unread)
    return None


# The table `reconciliation` has an item with the time up to which the schedule has compared the operator's account and with the report of
# its last run, an item for each promoter's account, and the progress of `records.py`.

_ACCOUNT = "account#"
_ID = "last"


class ReconciliationRow(dynamo.Table):
    feature = "reconciliation"
    contents = "The time up to which our books have been compared with the provider's, for each account."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    report = StructAttribute(ReconciliationReport)


class AccountRow(dynamo.Table):
    """Until when a promoter's account is compared, when its last turn was (`at`), in epoch seconds, and how long its next span is."""

    feature = "reconciliation"

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    seconds = NumberAttribute()

    def save_turn(self, until: int, now: int, seconds: int) -> bool:
        """Save the result of a turn. Returns False and writes nothing if another run has changed `until`."""
        row = AccountRow(self.id, until=until, at=now, seconds=seconds)
        if not dynamo.put_if(row, AccountRow.until == self.until):
            return False
        self.until, self.seconds = until, seconds
        return True


def load_accounts(since: int) -> list[AccountRow]:
    """Return the promoters' accounts, longest wait first. Accounts that were never compared are saved, to be compared from `since` on."""
    ids = {f"{_ACCOUNT}{account}" for account in catalog.snapshot().account_ids()}
    rows = AccountRow.find_all(ids) if ids else []
    for account_id in sorted(ids - {row.id for row in rows}):
        rows.append(AccountRow(account_id, until=since, at=since, seconds=ACCOUNT_SPAN_SECONDS))
        dynamo.put_if(rows[-1], AccountRow.id.does_not_exist())
    return sorted(rows, key=lambda row: (row.at, row.id))


def load_account_until(account: str) -> int | None:
    """Return the time up to which a promoter's account is compared, in epoch seconds, or None before its first turn."""
    row = AccountRow.find(f"{_ACCOUNT}{account}")
    return None if row is None else int(row.until)


def load_last_run() -> LastRun | None:
    """Return the last run of the schedule, or None before the first run."""
    row = ReconciliationRow.find(_ID)
    if row is None:
        return None
    return LastRun(int(row.at), int(row.until), row.report)


def save_progress(reached: int | None, report: ReconciliationReport, now: int) -> bool:
    """Save the time up to which the books are compared. Returns False and writes nothing if another run has changed `reached`."""
    row = ReconciliationRow(_ID, until=report.until, at=now, report=report)
    condition = ReconciliationRow.id.does_not_exist() if reached is None else ReconciliationRow.until == reached
    return dynamo.put_if(row, condition)
