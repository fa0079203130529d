"""The schedule that compares our books with Stripe's: it goes on where it stopped, span by span, and looks again at what is open."""

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, log, settings
from chalicelib.purchases import comparison, matters
from chalicelib.purchases.comparison import Report

# A comparison that was killed is made again from its beginning. At the 50 payments a second that Stripe takes from us (two calls each)
# five minutes are 15,000 payments and some 600 pages of lists: well within the 15 minutes that a function may run.
SPAN_SECONDS = 300
SPANS_A_RUN = 72  # six hours at most: what was missed while nothing ran is caught up run by run
PAYMENTS_A_RUN = 10_000  # no further span after so many
FIRST_SECONDS = 3600  # how far back the very first run looks: the schedule is there from the first deployment on
SETTLE_SECONDS = 600  # younger payments are still being dealt with
DAY_SECONDS = 86_400


class RunRow(dynamo.Table):
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
    report: Report


def run(now: int) -> Report | None:
    """Go on from where the last run stopped; None where Stripe takes no payments.

    Raises ProviderUnavailable, and StoreIsBehind: the next run begins with the span that this one did not finish.
    """
    if not settings.optional_secret("stripe_api_key"):
        return None
    chosen = settings.current()
    last, end = RunRow.find("last"), now - SETTLE_SECONDS - chosen.hold_seconds - chosen.checkout_seconds
    since = int(last.until) if last is not None else end - FIRST_SECONDS
    new_day = last is None or last.at // DAY_SECONDS != now // DAY_SECONDS
    # A dispute that is decided makes an event, but Stripe keeps events for 30 days only: so once a day those that are open are asked for.
    whole = Report(since, since, repaired=comparison.again(now, disputes=new_day))
    reached = int(last.until) if last is not None else None
    for _ in range(SPANS_A_RUN):
        until = min(whole.until + SPAN_SECONDS, end)
        if until <= whole.until or whole.payments >= PAYMENTS_A_RUN:
            break
        whole.add(comparison.compare(whole.until, until, now))
        if not _moved(reached, whole, now):
            break  # another run is under way, and has come as far
        reached = until
    log.gauge("money_matters", len(matters.every()))
    return whole


def last_run() -> LastRun | None:
    row = RunRow.find("last")
    return LastRun(int(row.at), msgspec.json.decode(row.report, type=Report)) if row is not None else None


def _moved(reached: int | None, whole: Report, now: int) -> bool:
    """Write down how far it has come, unless somebody else has moved on meanwhile: an older run never takes a newer one back."""
    unmoved = RunRow.id.does_not_exist() if reached is None else RunRow.until == reached
    row = RunRow("last", until=whole.until, at=now, report=msgspec.json.encode(whole).decode())
    return dynamo.insert(row, unmoved) is None
