"""The scheduled job that compares our books with the payment provider's, and our records with each other.

The comparison of the books goes span by span. Each run continues where the previous run stopped.
"""

from typing import Any

import msgspec
from chalice.app import Blueprint
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.json_attribute import JsonAttribute
from chalicelib.edge.scheduled import scheduled_job
from chalicelib.foundation import clock, log, settings
from chalicelib.ledger import money_cases
from chalicelib.payments import service as payments
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

    Returns None if no external provider takes payments here. Raises ProviderUnavailable and StoreIsBehind; the next run then starts with
    the unfinished span.
    """
    if not payments.has_external_provider():
        return None
    current = settings.current()
    last_run = load_last_run()
    reached = last_run.until if last_run is not None else None
    end = now - SETTLE_SECONDS - catalog.longest_hold_seconds() - current.checkout_seconds
    since = reached if reached is not None else end - FIRST_RUN_SECONDS
    open_cases = money_cases.list_open_cases()  # read once, because each order of a cancelled event has a case while it is refunded
    # An event reports the decision of a dispute, but Stripe keeps events for only 30 days, so open disputes are also fetched once a day.
    rechecked_at = last_run.at if last_run is not None else now - DAY_SECONDS
    report = ReconciliationReport(since, since, repaired=compare.recheck_open_cases(open_cases, rechecked_at, now))
    event_ids = load_changed(since, now)
    for _ in range(MAX_SPANS_PER_RUN):
        until = min(report.until + SPAN_SECONDS, end)
        if until <= report.until or report.payments >= MAX_PAYMENTS_PER_RUN:
            break
        report.add(compare.compare_span(report.until, until, now, event_ids=event_ids, open_cases=open_cases))
        if not save_progress(reached, report, now):
            break  # another run is active and has compared this span
        reached = until
    log.gauge("money_matters", len(money_cases.list_open_cases()))
    return report


# The table `reconciliation` has one item: the time up to which the schedule has compared the books, and the report of its last run.

_ID = "last"


class ReconciliationRow(dynamo.Table):
    feature = "reconciliation"
    contents = "The time up to which our books have been compared with the provider's."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    report = JsonAttribute(ReconciliationReport)


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
