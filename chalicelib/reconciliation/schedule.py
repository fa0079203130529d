"""The schedule that compares our books with Stripe's: it goes on where it stopped, span by span, and looks again at what is open."""

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, log, settings
from chalicelib.cases import service as cases
from chalicelib.reconciliation import comparison
from chalicelib.reconciliation.comparison import ReconciliationReport

# A comparison that was killed is made again from its beginning. At the 50 payments a second that Stripe takes from us (two calls each)
# five minutes are 15,000 payments and some 600 pages of lists: well within the 15 minutes that a function may run.
SPAN_SECONDS = 300
MAX_SPANS_PER_RUN = 72  # six hours at most: what was missed while nothing ran is caught up run by run
MAX_PAYMENTS_PER_RUN = 10_000  # no further span after so many
FIRST_RUN_SECONDS = 3600  # how far back the very first run looks: the schedule is there from the first deployment on
SETTLE_SECONDS = 600  # younger payments are still being dealt with
DAY_SECONDS = 86_400


class ReconciliationRow(dynamo.Table):
    """One item: how far the schedule has come, and what its last run found."""

    feature = "reconciliation"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    until = NumberAttribute()
    at = NumberAttribute()
    report = UnicodeAttribute()


class LastRun(Struct):
    at: int
    report: ReconciliationReport


def run(now: int) -> ReconciliationReport | None:
    """Go on from where the last run stopped; None where Stripe takes no payments.

    Raises ProviderUnavailable, and StoreIsBehind: the next run begins with the span that this one did not finish.
    """
    if not settings.optional_secret("stripe_api_key"):
        return None
    chosen = settings.current()
    last, end = ReconciliationRow.find("last"), now - SETTLE_SECONDS - chosen.hold_seconds - chosen.checkout_seconds
    since = int(last.until) if last is not None else end - FIRST_RUN_SECONDS
    new_day = last is None or last.at // DAY_SECONDS != now // DAY_SECONDS
    # A dispute that is decided makes an event, but Stripe keeps events for 30 days only: so once a day those that are open are asked for.
    whole = ReconciliationReport(since, since, repaired=comparison.recheck_open_cases(now, disputes=new_day))
    reached = int(last.until) if last is not None else None
    for _ in range(MAX_SPANS_PER_RUN):
        until = min(whole.until + SPAN_SECONDS, end)
        if until <= whole.until or whole.payments >= MAX_PAYMENTS_PER_RUN:
            break
        whole.add(comparison.compare(whole.until, until, now))
        if not _save_progress(reached, whole, now):
            break  # another run is under way, and has come as far
        reached = until
    log.gauge("money_matters", len(cases.list_open()))
    return whole


def last_run() -> LastRun | None:
    row = ReconciliationRow.find("last")
    return LastRun(int(row.at), msgspec.json.decode(row.report, type=ReconciliationReport)) if row is not None else None


def _save_progress(reached: int | None, whole: ReconciliationReport, now: int) -> bool:
    """Write down how far it has come, unless somebody else has moved on meanwhile: an older run never takes a newer one back."""
    unmoved = ReconciliationRow.id.does_not_exist() if reached is None else ReconciliationRow.until == reached
    row = ReconciliationRow("last", until=whole.until, at=now, report=msgspec.json.encode(whole).decode())
    return dynamo.put_if(row, unmoved) is None
