"""Our books against Stripe's own, over a span of time: what differs is put right where the state machine knows how, else shown.

What Stripe has (payments, refunds, disputes), what it told us and we never heard (webhooks that were lost for good), and what we say
came in (tickets without a payment). All of it is safe to repeat, so a comparison that dies is simply made again.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from msgspec import Struct, field, to_builtins

from chalicelib import clock, dynamo, ids, log, settings
from chalicelib.catalog import service as catalog
from chalicelib.payments import ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import Intent, ProviderUnavailable
from chalicelib.purchases import matters, news, store, webhooks
from chalicelib.purchases.model import Purchase

UNKNOWN_MOST = 10  # payments of purchases that are not there, in one comparison; more of them speak of another, or an older, store
AGAIN_MOST = 100  # findings that are looked at again in one go

_STOPPING: tuple[type[Exception], ...] = (ProviderUnavailable, *store.STOPPING)


class StoreIsBehind(Exception):
    """Stripe has payments of many purchases that this store does not know. It is another stage's, or was restored."""


class Report(Struct):
    """What was seen in [since, until), epoch seconds. `unheard`: events that no webhook had brought, whether or not they were news to us.

    `repaired` and `findings` count by kind; what was found is also an open matter.
    """

    since: int
    until: int
    payments: int = 0
    refunds: int = 0
    disputes: int = 0
    unheard: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """For people and their programs, with times in ISO 8601."""
        return {**to_builtins(self), "since": clock.iso(self.since), "until": clock.iso(self.until)}

    def add(self, part: "Report") -> None:
        """The span that follows."""
        self.until = part.until
        self.payments += part.payments
        self.refunds += part.refunds
        self.disputes += part.disputes
        self.unheard += part.unheard
        self.repaired = dict(Counter(self.repaired) + Counter(part.repaired))
        self.findings = dict(Counter(self.findings) + Counter(part.findings))


def compare(since: int, until: int, now: int, unknown_most: int | None = UNKNOWN_MOST) -> Report:
    """Everything between two times. Raises ProviderUnavailable and StoreIsBehind; what was put right until then stays right.

    `unknown_most`: how many payments of purchases that are not there may go back; None for all of them.
    """
    span = _Span(Report(since, until), now, unknown_most)
    paid = _payments(span)
    _refunds(span)
    _disputes(span)
    _events(span)
    _tickets_without_payment(span, paid)
    report = span.report
    log.count("reconciliation_repaired", sum(report.repaired.values()))
    log.count("reconciliation_findings", sum(report.findings.values()))
    if report.findings:
        log.warning("reconciliation.differs", **report.findings)
    return report


def again(now: int, *, disputes: bool) -> dict[str, int]:
    """Look again at what was found before, the oldest of it, and on demand at each open dispute: what is over is not shown any more.

    What was repaired by that, by kind. Raises ProviderUnavailable.
    """
    span = _Span(Report(now, now), now, 0)
    for matter in span.found[:AGAIN_MOST]:
        capture = str(matter.facts["capture"])
        with span.going_on(matter.purchase_id, capture):
            _again(span, matter.purchase_id, capture)
    for matter in span.disputes if disputes else []:
        with span.going_on(matter.purchase_id, matter.id):
            span.repaired("disputes_differ", news.of_dispute(payments.find_dispute(matter.id), now))
    return span.report.repaired


def _again(span: "_Span", purchase_id: str, capture: str) -> None:
    intent, purchase = payments.find(capture), store.load(purchase_id)
    if intent is not None and purchase is None:
        _unknown(span, intent, differs=intent.captured)  # it may be shown because it must not go back by itself
    elif intent is not None:
        _payment(span, intent, purchase)
    if purchase is not None and (purchase_id, f"tickets_without_payment-{capture}") in span.shown:
        _ticketed(span, purchase, capture, intent)


class _Span:
    """One comparison under way; `shown` are the findings, as (purchase id, id), that the admins see already."""

    def __init__(self, report: Report, now: int, unknown_most: int | None) -> None:
        self.report, self.now = report, now
        self.unknown_left = unknown_most
        self.looked_at: dict[str, bool] = {}  # refunds and disputes by id, and whether they are ours
        open_matters = matters.every()
        self.disputes = [one for one in open_matters if one.kind == "dispute"]
        findings = [one for one in open_matters if one.kind == "finding"]
        self.shown = {(one.purchase_id, one.id) for one in findings}
        self.found = [one for one in findings if "capture" in one.facts]

    def ours(self, about: str, stage: str | None) -> bool:
        self.looked_at[about] = stage == settings.current().stripe_mark
        return self.looked_at[about]

    def repaired(self, kind: str, told: news.Told) -> Purchase | None:
        """Count what was news to the purchase; the purchase as it is now."""
        if told.changed:
            _count(self.report.repaired, kind)
        return told.purchase

    def show(self, purchase_id: str, kind: str, about: str, differs: bool, facts: dict[str, Any]) -> None:
        """Keep a difference where admins see it, for as long as it is there."""
        key = (purchase_id, f"{kind}-{about}")
        if differs:
            _count(self.report.findings, kind)
            if key not in self.shown:
                matters.note(*key, self.now, facts)
        elif key in self.shown:
            matters.forget(*key)

    @contextmanager
    def going_on(self, purchase_id: str, about: str) -> Iterator[None]:
        """One that cannot be dealt with is shown, and does not keep those behind it from their turn."""
        error_name = None
        try:
            yield
        except _STOPPING:
            raise
        except Exception as error:
            log.failure("reconciliation.not_dealt_with", purchase_id=purchase_id, about=about)
            error_name = type(error).__name__
        capture = {"capture": about} if about.startswith("pi_") else {}
        self.show(purchase_id, "not_dealt_with", about, error_name is not None, {"error": error_name, **capture})


def _payments(span: _Span) -> set[str]:
    """Each payment of this stage against its purchase; the ids of those that came in, also of those that were opened a little later."""
    paid: set[str] = set()
    ours = _ours(span.report, paid)
    while some := list(islice(ours, dynamo.MAX_BATCH_GET)):
        known = store.load_many({one.purchase_id for one in some if one.purchase_id})
        _beware(span, [one for one in some if one.captured and one.purchase_id not in known])
        for intent in some:
            span.report.payments += 1
            with span.going_on(str(intent.purchase_id), intent.id):
                _payment(span, intent, known.get(str(intent.purchase_id)))
    return paid


def _ours(report: Report, paid: set[str]) -> Iterator[Intent]:
    """Payments opened in this time; `paid` is filled with those that came in until a purchase of this time must have opened its own."""
    chosen = settings.current()
    for intent in payments.intents_made(report.since, report.until + chosen.hold_seconds + chosen.checkout_seconds):
        if intent.stage != chosen.stripe_mark or intent.purchase_id is None:
            continue
        if intent.amount_received:
            paid.add(intent.id)
        if intent.created < report.until:
            yield intent


def _beware(span: _Span, unknown: list[Intent]) -> None:
    """Money goes back for a purchase that is not there, but not for a whole sale because somebody looks into the wrong store."""
    if span.unknown_left is None:
        return
    span.unknown_left -= len(unknown)
    if span.unknown_left < 0:
        for intent in unknown:
            _unknown(span, intent, differs=True)
        raise StoreIsBehind(f"{len(unknown)} payments belong to purchases that this store does not have")


def _unknown(span: _Span, intent: Intent, *, differs: bool) -> None:
    facts = {"event_id": intent.event_id, "capture": intent.capture, "amount_cents": intent.left, "currency": intent.currency}
    span.show(str(intent.purchase_id), "unknown_purchase", intent.id, differs, facts)


def _payment(span: _Span, intent: Intent, purchase: Purchase | None) -> None:
    told = news.home(purchase, intent, span.now)
    purchase = span.repaired(_kind(told), told)
    _unknown(span, intent, differs=purchase is None and told.result == "refund_failed")
    if purchase is None:
        return
    if purchase.given_back(intent.id, due=False) != intent.amount_refunded:
        for seen in payments.refunds_of(intent.id):
            purchase = span.repaired("refunds_differ", news.of_refund(seen, span.now)) or purchase
        intent = payments.retrieve(intent.id)  # something may have gone back just now
    if any(one.status in ("due", "failed") for one in purchase.refunds if one.capture == intent.id):
        return  # an open matter, which the admins see already
    expected = _expected(purchase, intent)
    found = {"received_cents": intent.amount_received, "refunded_cents": intent.amount_refunded, "currency": intent.currency}
    facts = {"event_id": purchase.event_id, "capture": intent.id, "expected": expected, "found": found}
    span.show(purchase.id, "amounts_differ", intent.id, expected != found, facts)


def _expected(purchase: Purchase, intent: Intent) -> dict[str, Any]:
    """What Stripe should have. Of a payment that bought no tickets all must have gone back."""
    payment = purchase.payment
    if purchase.was_order and payment is not None and payment.capture == intent.id:
        back = purchase.given_back(intent.id, due=False)
        return {"received_cents": payment.amount_cents, "refunded_cents": back, "currency": purchase.currency}
    return {"received_cents": intent.amount_received, "refunded_cents": intent.amount_received, "currency": intent.currency}


def _kind(told: news.Told) -> str:
    return "payment_over" if told.result == "ended" else "paid_without_tickets"


def _kind_of_event(name: str) -> str | None:
    """What news of such an event repairs; None for payments, where it depends on the news."""
    if name.startswith("charge.dispute."):
        return "disputes_differ"
    return "refunds_differ" if name.startswith(("refund.", "charge.")) else None


def _refunds(span: _Span) -> None:
    for seen in payments.refunds_made(span.report.since, span.report.until):
        if span.ours(str(seen.id), seen.stage):
            span.report.refunds += 1
            with span.going_on(str(seen.purchase_id), str(seen.id)):
                span.repaired("refunds_differ", news.of_refund(seen, span.now))


def _disputes(span: _Span) -> None:
    for seen in payments.disputes_made(span.report.since, span.report.until):
        if span.ours(seen.id, seen.stage):
            span.report.disputes += 1
            with span.going_on(str(seen.purchase_id), seen.id):
                span.repaired("disputes_differ", news.of_dispute(seen, span.now))


def _events(span: _Span) -> None:
    """What has become of things in this time, whenever they were made: a debit that a bank has answered, a dispute that is decided."""
    told = payments.events_made(span.report.since, span.report.until, [kind for some in webhooks.HANDLED for kind in some])
    while some := list(islice(told, dynamo.MAX_BATCH_GET)):
        for event in webhooks.unheard(some):
            found = event["data"]["object"]
            if found["id"] in span.looked_at:
                span.report.unheard += span.looked_at[found["id"]]
                continue  # as it is now was dealt with above
            with span.going_on((found.get("metadata") or {}).get("purchase_id", found["id"]), event["id"]):
                heard = webhooks.deal_with(event, span.now)
                span.report.unheard += heard.result not in ("not_ours", "seen")
                span.repaired(_kind_of_event(event["type"]) or _kind(heard), heard)


def _tickets_without_payment(span: _Span, paid: set[str]) -> None:
    """What the ledger says came in for purchases of this time, and Stripe does not know of."""
    for entry in _captured(span.report):
        if entry.reference in paid:
            continue
        with span.going_on(entry.purchase_id, entry.reference):
            purchase = store.load(entry.purchase_id)
            if purchase is not None:
                _ticketed(span, purchase, entry.reference, payments.find(entry.reference))


def _ticketed(span: _Span, purchase: Purchase, capture: str, intent: Intent | None) -> None:
    differs = intent is None or not intent.amount_received
    facts = {"event_id": purchase.event_id, "capture": capture, "amount_cents": purchase.total_cents, "currency": purchase.currency}
    span.show(purchase.id, "tickets_without_payment", capture, differs, facts)


def _captured(report: Report) -> Iterator[ledger.Entry]:
    first, last = ids.first_of(report.since), ids.first_of(report.until)
    for event in catalog.fresh().events.values():
        if event.last_sale_at < report.since:
            continue  # nothing of this time can be for it
        for entry in ledger.of_event_between(event.id, first, last):
            if entry.kind == "captured" and entry.provider == "stripe":
                yield entry


def _count(counts: dict[str, int], kind: str) -> None:
    counts[kind] = counts.get(kind, 0) + 1
