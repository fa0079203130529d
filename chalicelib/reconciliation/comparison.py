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
from chalicelib.cases import service as cases
from chalicelib.catalog import service as catalog
from chalicelib.ledger import service as ledger
from chalicelib.payments import service as payments
from chalicelib.payments.model import ProviderPayment, ProviderUnavailable
from chalicelib.purchases.provider_events import apply as event_application
from chalicelib.purchases.provider_events import webhook
from chalicelib.purchases.record import store
from chalicelib.purchases.record.errors import FATAL_ERRORS
from chalicelib.purchases.record.model import Purchase

MAX_UNKNOWN_PAYMENTS = 10  # payments of purchases that are not there, in one comparison; more of them speak of another, or an older, store
MAX_RECHECKS = 100  # findings that are looked at again in one go

_FATAL_ERRORS: tuple[type[Exception], ...] = (ProviderUnavailable, *FATAL_ERRORS)


class StoreIsBehind(Exception):
    """Stripe has payments of many purchases that this store does not know. It is another stage's, or was restored."""


class ReconciliationReport(Struct):
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

    def add(self, part: "ReconciliationReport") -> None:
        """The span that follows."""
        self.until = part.until
        self.payments += part.payments
        self.refunds += part.refunds
        self.disputes += part.disputes
        self.unheard += part.unheard
        self.repaired = dict(Counter(self.repaired) + Counter(part.repaired))
        self.findings = dict(Counter(self.findings) + Counter(part.findings))


def compare(since: int, until: int, now: int, unknown_most: int | None = MAX_UNKNOWN_PAYMENTS) -> ReconciliationReport:
    """Everything between two times. Raises ProviderUnavailable and StoreIsBehind; what was put right until then stays right.

    `unknown_most`: how many payments of purchases that are not there may go back; None for all of them.
    """
    span = _Comparison(ReconciliationReport(since, until), now, unknown_most)
    paid = _compare_payments(span)
    _compare_refunds(span)
    _compare_disputes(span)
    _process_missed_events(span)
    _find_tickets_without_payment(span, paid)
    report = span.report
    log.count("reconciliation_repaired", sum(report.repaired.values()))
    log.count("reconciliation_findings", sum(report.findings.values()))
    if report.findings:
        log.warning("reconciliation.differs", **report.findings)
    return report


def recheck_open_cases(now: int, *, disputes: bool) -> dict[str, int]:
    """Look again at what was found before, the oldest of it, and on demand at each open dispute: what is over is not shown any more.

    What was repaired by that, by kind. Raises ProviderUnavailable.
    """
    span = _Comparison(ReconciliationReport(now, now), now, 0)
    for case in span.found[:MAX_RECHECKS]:
        payment_intent_id = str(case.details["capture"])
        with span.going_on(case.purchase_id, payment_intent_id):
            _recheck_payment(span, case.purchase_id, payment_intent_id)
    for case in span.disputes if disputes else []:
        with span.going_on(case.purchase_id, case.id):
            span.repaired("disputes_differ", event_application.apply_dispute(payments.fetch_dispute(case.id), now))
    return span.report.repaired


def _recheck_payment(span: "_Comparison", purchase_id: str, payment_intent_id: str) -> None:
    provider_payment, purchase = payments.find_by_id(payment_intent_id), store.load(purchase_id)
    if provider_payment is not None and purchase is None:
        _show_unknown(span, provider_payment, differs=provider_payment.is_paid)  # it may be shown because it must not go back by itself
    elif provider_payment is not None:
        _compare_payment(span, provider_payment, purchase)
    if purchase is not None and (purchase_id, f"tickets_without_payment-{payment_intent_id}") in span.shown:
        _compare_tickets(span, purchase, payment_intent_id, provider_payment)


class _Comparison:
    """One comparison under way; `shown` are the findings, as (purchase id, id), that the admins see already."""

    def __init__(self, report: ReconciliationReport, now: int, unknown_most: int | None) -> None:
        self.report, self.now = report, now
        self.unknown_left = unknown_most
        self.looked_at: dict[str, bool] = {}  # refunds and disputes by id, and whether they are ours
        open_matters = cases.list_open()
        self.disputes = [one for one in open_matters if one.kind == "dispute"]
        findings = [one for one in open_matters if one.kind == "finding"]
        self.shown = {(one.purchase_id, one.id) for one in findings}
        self.found = [one for one in findings if "capture" in one.details]

    def ours(self, about: str, stage: str | None) -> bool:
        self.looked_at[about] = stage == settings.current().provider_namespace
        return self.looked_at[about]

    def repaired(self, kind: str, told: event_application.EventResult) -> Purchase | None:
        """Count what was news to the purchase; the purchase as it is now."""
        if told.changed:
            _count(self.report.repaired, kind)
        return told.purchase

    def show(self, purchase_id: str, kind: str, about: str, differs: bool, details: dict[str, Any]) -> None:
        """Keep a difference where admins see it, for as long as it is there."""
        key = (purchase_id, f"{kind}-{about}")
        if differs:
            _count(self.report.findings, kind)
            if key not in self.shown:
                cases.record_finding(*key, self.now, details)
        elif key in self.shown:
            cases.close_finding(*key)

    @contextmanager
    def going_on(self, purchase_id: str, about: str) -> Iterator[None]:
        """One that cannot be dealt with is shown, and does not keep those behind it from their turn."""
        error_name = None
        try:
            yield
        except _FATAL_ERRORS:
            raise
        except Exception as error:
            log.exception("reconciliation.not_dealt_with", purchase_id=purchase_id, about=about)
            error_name = type(error).__name__
        payment_intent_id = {"capture": about} if about.startswith("pi_") else {}
        self.show(purchase_id, "not_dealt_with", about, error_name is not None, {"error": error_name, **payment_intent_id})


def _compare_payments(span: _Comparison) -> set[str]:
    """Each payment of this stage against its purchase; the ids of those that came in, also of those that were opened a little later."""
    paid: set[str] = set()
    ours = _own_payments(span.report, paid)
    while some := list(islice(ours, dynamo.MAX_BATCH_GET)):
        known = store.load_many({one.purchase_id for one in some if one.purchase_id})
        _guard_unknown(span, [one for one in some if one.is_paid and one.purchase_id not in known])
        for provider_payment in some:
            span.report.payments += 1
            with span.going_on(str(provider_payment.purchase_id), provider_payment.id):
                _compare_payment(span, provider_payment, known.get(str(provider_payment.purchase_id)))
    return paid


def _own_payments(report: ReconciliationReport, paid: set[str]) -> Iterator[ProviderPayment]:
    """Payments opened in this time; `paid` is filled with those that came in until a purchase of this time must have opened its own."""
    chosen = settings.current()
    for provider_payment in payments.list_payments(report.since, report.until + chosen.hold_seconds + chosen.checkout_seconds):
        if provider_payment.namespace != chosen.provider_namespace or provider_payment.purchase_id is None:
            continue
        if provider_payment.amount_received:
            paid.add(provider_payment.id)
        if provider_payment.created < report.until:
            yield provider_payment


def _guard_unknown(span: _Comparison, unknown: list[ProviderPayment]) -> None:
    """Money goes back for a purchase that is not there, but not for a whole sale because somebody looks into the wrong store."""
    if span.unknown_left is None:
        return
    span.unknown_left -= len(unknown)
    if span.unknown_left < 0:
        for provider_payment in unknown:
            _show_unknown(span, provider_payment, differs=True)
        raise StoreIsBehind(f"{len(unknown)} payments belong to purchases that this store does not have")


def _show_unknown(span: _Comparison, provider_payment: ProviderPayment, *, differs: bool) -> None:
    details = {
        "event_id": provider_payment.event_id,
        "capture": provider_payment.payment_intent_id,
        "amount_cents": provider_payment.net_received,
        "currency": provider_payment.currency,
    }
    span.show(str(provider_payment.purchase_id), "unknown_purchase", provider_payment.id, differs, details)


def _compare_payment(span: _Comparison, provider_payment: ProviderPayment, purchase: Purchase | None) -> None:
    told = event_application.apply_payment(purchase, provider_payment, span.now)
    purchase = span.repaired(_repair_kind(told), told)
    _show_unknown(span, provider_payment, differs=purchase is None and told.result == "refund_failed")
    if purchase is None:
        return
    if purchase.refunded_total(provider_payment.id, include_due=False) != provider_payment.amount_refunded:
        for seen in payments.list_refunds_of_payment(provider_payment.id):
            purchase = span.repaired("refunds_differ", event_application.apply_refund(seen, span.now)) or purchase
        provider_payment = payments.fetch_by_id(provider_payment.id)  # something may have gone back just now
    if any(one.status in ("due", "failed") for one in purchase.refunds if one.payment_intent_id == provider_payment.id):
        return  # an open matter, which the admins see already
    expected = _expected(purchase, provider_payment)
    found = {
        "received_cents": provider_payment.amount_received,
        "refunded_cents": provider_payment.amount_refunded,
        "currency": provider_payment.currency,
    }
    details = {"event_id": purchase.event_id, "capture": provider_payment.id, "expected": expected, "found": found}
    span.show(purchase.id, "amounts_differ", provider_payment.id, expected != found, details)


def _expected(purchase: Purchase, provider_payment: ProviderPayment) -> dict[str, Any]:
    """What Stripe should have. Of a payment that bought no tickets all must have gone back."""
    payment = purchase.payment
    if purchase.was_order and payment is not None and payment.payment_intent_id == provider_payment.id:
        back = purchase.refunded_total(provider_payment.id, include_due=False)
        return {"received_cents": payment.amount_cents, "refunded_cents": back, "currency": purchase.currency}
    return {
        "received_cents": provider_payment.amount_received,
        "refunded_cents": provider_payment.amount_received,
        "currency": provider_payment.currency,
    }


def _repair_kind(told: event_application.EventResult) -> str:
    return "payment_over" if told.result == "ended" else "paid_without_tickets"


def _repair_kind_of_event(name: str) -> str | None:
    """What news of such an event repairs; None for payments, where it depends on the news."""
    if name.startswith("charge.dispute."):
        return "disputes_differ"
    return "refunds_differ" if name.startswith(("refund.", "charge.")) else None


def _compare_refunds(span: _Comparison) -> None:
    for seen in payments.list_refunds(span.report.since, span.report.until):
        if span.ours(str(seen.id), seen.namespace):
            span.report.refunds += 1
            with span.going_on(str(seen.purchase_id), str(seen.id)):
                span.repaired("refunds_differ", event_application.apply_refund(seen, span.now))


def _compare_disputes(span: _Comparison) -> None:
    for seen in payments.list_disputes(span.report.since, span.report.until):
        if span.ours(seen.id, seen.namespace):
            span.report.disputes += 1
            with span.going_on(str(seen.purchase_id), seen.id):
                span.repaired("disputes_differ", event_application.apply_dispute(seen, span.now))


def _process_missed_events(span: _Comparison) -> None:
    """What has become of things in this time, whenever they were made: a debit that a bank has answered, a dispute that is decided."""
    told = payments.list_events(span.report.since, span.report.until, [kind for some in webhook.HANDLERS for kind in some])
    while some := list(islice(told, dynamo.MAX_BATCH_GET)):
        for event in webhook.select_unprocessed(some):
            found = event["data"]["object"]
            if found["id"] in span.looked_at:
                span.report.unheard += span.looked_at[found["id"]]
                continue  # as it is now was dealt with above
            with span.going_on((found.get("metadata") or {}).get("purchase_id", found["id"]), event["id"]):
                heard = webhook.process_event(event, span.now)
                span.report.unheard += heard.result not in ("not_ours", "seen")
                span.repaired(_repair_kind_of_event(event["type"]) or _repair_kind(heard), heard)


def _find_tickets_without_payment(span: _Comparison, paid: set[str]) -> None:
    """What the ledger says came in for purchases of this time, and Stripe does not know of."""
    for entry in _captured_entries(span.report):
        if entry.reference in paid:
            continue
        with span.going_on(entry.purchase_id, entry.reference):
            purchase = store.load(entry.purchase_id)
            if purchase is not None:
                _compare_tickets(span, purchase, entry.reference, payments.find_by_id(entry.reference))


def _compare_tickets(span: _Comparison, purchase: Purchase, payment_intent_id: str, provider_payment: ProviderPayment | None) -> None:
    differs = provider_payment is None or not provider_payment.amount_received
    details = {
        "event_id": purchase.event_id,
        "capture": payment_intent_id,
        "amount_cents": purchase.total_cents,
        "currency": purchase.currency,
    }
    span.show(purchase.id, "tickets_without_payment", payment_intent_id, differs, details)


def _captured_entries(report: ReconciliationReport) -> Iterator[ledger.LedgerEntry]:
    first, last = ids.lowest_id_of(report.since), ids.lowest_id_of(report.until)
    for event in catalog.load_current().events.values():
        if event.last_sale_at < report.since:
            continue  # nothing of this time can be for it
        for entry in ledger.list_entries_between(event.id, first, last):
            if entry.kind == "captured" and entry.provider == "stripe":
                yield entry


def _count(counts: dict[str, int], kind: str) -> None:
    counts[kind] = counts.get(kind, 0) + 1
