"""Our books against Stripe's own: what differs is put right where the state machine knows how, and shown to the admins where not.

Three looks at a span of time: what Stripe says it told us (a webhook that was lost for good), what it has (payments, refunds,
disputes), and what we say came in (tickets without a payment). Each is safe to repeat, so a run that dies is simply run again.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct, field
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, ids, log, settings
from chalicelib.catalog import service as catalog
from chalicelib.payments import ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import Intent
from chalicelib.purchases import matters, news, store, webhooks
from chalicelib.purchases.model import Purchase

SPAN_SECONDS = 900
SPANS_A_RUN = 24  # six hours at most: what was missed while nothing ran is caught up run by run
FIRST_SECONDS = 86_400  # how far back the very first run looks
SETTLE_SECONDS = 600  # younger payments are still being dealt with


class Report(Struct):
    """What was seen in [since, until), epoch seconds. `repaired` and `findings` count by kind."""

    since: int
    until: int
    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)

    def add(self, part: "Report") -> None:
        """The span that follows."""
        self.until = part.until
        self.payments += part.payments
        self.refunds += part.refunds
        self.disputes += part.disputes
        self.repaired = dict(Counter(self.repaired) + Counter(part.repaired))
        self.findings = dict(Counter(self.findings) + Counter(part.findings))


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
    """Go on from where the last run stopped; None where Stripe takes no payments. Raises ProviderUnavailable; the next one goes on."""
    if not settings.optional_secret("stripe_api_key"):
        return None
    chosen = settings.current()
    last, end = RunRow.find("last"), now - SETTLE_SECONDS - chosen.hold_seconds - chosen.checkout_seconds
    since = int(last.until) if last is not None else end - FIRST_SECONDS
    whole = Report(since, since)
    for _ in range(SPANS_A_RUN):
        until = min(whole.until + SPAN_SECONDS, end)
        if until <= whole.until:
            break
        whole.add(compare(whole.until, until, now))
        RunRow("last", until=until, at=now, report=msgspec.json.encode(whole).decode()).save()
    _watch_disputes(whole, now)
    log.gauge("money_matters", len(matters.every()))
    return whole


def last_run() -> LastRun | None:
    row = RunRow.find("last")
    return LastRun(int(row.at), msgspec.json.decode(row.report, type=Report)) if row is not None else None


def compare(since: int, until: int, now: int) -> Report:
    """Everything between two times. Raises ProviderUnavailable; what was put right until then stays right."""
    span = _Span(Report(since, until), now, {(one.purchase_id, one.id) for one in matters.every() if one.kind == "finding"})
    _events(span)
    paid = _payments(span)
    _refunds(span)
    _disputes(span)
    _tickets_without_payment(span, paid)
    report = span.report
    log.count("reconciliation_repaired", sum(report.repaired.values()))
    log.count("reconciliation_findings", sum(report.findings.values()))
    if report.findings:
        log.warning("reconciliation.differs", **report.findings)
    return report


class _Span(Struct):
    """One comparison under way; `shown` are the findings, as (purchase id, kind), that the admins see already."""

    report: Report
    now: int
    shown: set[tuple[str, str]]

    def repaired(self, kind: str, told: news.Told) -> Purchase | None:
        """Count what was news to the purchase; the purchase as it is now."""
        if told.changed:
            _count(self.report.repaired, kind)
        return told.purchase

    def show(self, purchase: Purchase, kind: str, differs: bool, facts: dict[str, Any]) -> None:
        """Keep a difference where admins see it, for as long as it is there."""
        key = (purchase.id, kind)
        if differs:
            _count(self.report.findings, kind)
            matters.note(*key, self.now, {"event_id": purchase.event_id, **facts})
        elif key in self.shown:
            matters.forget(*key)


def _events(span: _Span) -> None:
    kinds = [kind for some in webhooks.HANDLED for kind in some]
    for event in payments.events_made(span.report.since, span.report.until, kinds):
        if webhooks.deal_with(event, span.now) not in ("seen", "not_ours"):
            _count(span.report.repaired, "webhook_missed")


def _payments(span: _Span) -> set[str]:
    """Each payment of this stage against its purchase; the ids of those that came in."""
    paid = set()
    stage = settings.current().stage
    ours = (one for one in payments.intents_made(span.report.since, span.report.until) if one.stage == stage and one.purchase_id)
    while some := list(islice(ours, dynamo.MAX_BATCH_GET)):
        known = store.load_many({one.purchase_id for one in some if one.purchase_id})
        for intent in some:
            span.report.payments += 1
            if intent.amount_received:
                paid.add(intent.id)
            _payment(span, intent, known.get(intent.purchase_id or ""))
    return paid


def _payment(span: _Span, intent: Intent, purchase: Purchase | None) -> None:
    purchase = span.repaired("paid_without_tickets" if intent.captured else "payment_over", news.home(purchase, intent, span.now))
    if purchase is None or purchase.payment is None or purchase.payment.capture != intent.id:
        return
    if _refunded(purchase) != intent.amount_refunded:
        for seen in payments.refunds_of(intent.id):
            purchase = span.repaired("refunds_differ", news.of_refund(seen, span.now)) or purchase
    if not purchase.was_order or any(one.status in ("due", "failed") for one in purchase.refunds):
        return  # another sum, and all of it goes back; or an open matter, which the admins see already
    assert purchase.payment is not None
    expected = {"received_cents": purchase.payment.amount_cents, "refunded_cents": _refunded(purchase), "currency": purchase.currency}
    found = {"received_cents": intent.amount_received, "refunded_cents": intent.amount_refunded, "currency": intent.currency}
    span.show(purchase, "amounts_differ", expected != found, {"expected": expected, "found": found})


def _refunded(purchase: Purchase) -> int:
    """What has left towards the buyer, of the payment that the order was bought with."""
    own = purchase.payment.capture if purchase.payment else None
    return sum(one.amount_cents for one in purchase.refunds if one.capture == own and one.status in ("pending", "succeeded"))


def _refunds(span: _Span) -> None:
    for seen in payments.refunds_made(span.report.since, span.report.until):
        span.report.refunds += 1
        span.repaired("refunds_differ", news.of_refund(seen, span.now))


def _disputes(span: _Span) -> None:
    for seen in payments.disputes_made(span.report.since, span.report.until):
        span.report.disputes += 1
        span.repaired("dispute_missed", news.of_dispute(seen, span.now))


def _watch_disputes(report: Report, now: int) -> None:
    """A dispute is decided weeks after it was made: those that are open are asked for until they are."""
    for matter in matters.every():
        if matter.kind == "dispute" and news.of_dispute(payments.find_dispute(matter.id), now).changed:
            _count(report.repaired, "dispute_missed")


def _tickets_without_payment(span: _Span, paid: set[str]) -> None:
    """What the ledger says came in for purchases of this time, and Stripe does not know of."""
    for entry in _captured(span.report):
        if entry.reference in paid:
            continue
        intent = payments.find(entry.reference)
        purchase = store.load(entry.purchase_id)
        if purchase is not None:
            differs = intent is None or not intent.amount_received
            span.show(purchase, "tickets_without_payment", differs, {"capture": entry.reference, "amount_cents": entry.amount_cents})


def _captured(report: Report) -> Iterator[ledger.Entry]:
    first, last = ids.first_of(report.since), ids.first_of(report.until)
    for event_id in catalog.fresh().events:
        for entry in ledger.of_event_between(event_id, first, last):
            if entry.kind == "captured" and entry.provider == "stripe":
                yield entry


def _count(counts: dict[str, int], kind: str) -> None:
    counts[kind] = counts.get(kind, 0) + 1
