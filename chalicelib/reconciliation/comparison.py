"""Comparison of our books with the payment provider's over a span of time: repair what the state machine can, show the rest.

Compared are what the provider has (payments, refunds, disputes), what it sent and we never received (lost webhooks), and what our
ledger says came in (tickets without a payment). All of it is safe to repeat, so a comparison that dies is simply made again.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from chalicelib import dynamo, ids, log, settings
from chalicelib.catalog import service as catalog
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry
from chalicelib.payments import service as payments
from chalicelib.payments.model import EventSubject, ProviderPayment
from chalicelib.purchases.provider_events import apply, webhook
from chalicelib.purchases.provider_events.apply import EventResult
from chalicelib.purchases.record import queries
from chalicelib.purchases.record.model import Purchase
from chalicelib.reconciliation.model import ReconciliationReport
from chalicelib.reconciliation.progress import Comparison

# Payments of unknown purchases that one comparison may refund. More of them mean that this is another, or an older, store.
MAX_UNKNOWN_PAYMENTS = 10
MAX_RECHECKS = 100  # findings that are compared again in one run


class StoreIsBehind(Exception):
    """The provider has payments of many purchases that this store does not know: it is another stage's store, or was restored."""


def compare(since: int, until: int, now: int, max_unknown: int | None = MAX_UNKNOWN_PAYMENTS) -> ReconciliationReport:
    """Compare everything between two times (epoch seconds). Raises ProviderUnavailable and StoreIsBehind; what was repaired stays.

    `max_unknown`: how many payments of unknown purchases may be refunded; None for all of them.
    """
    comparison = Comparison(ReconciliationReport(since, until), now, max_unknown)
    paid = _compare_payments(comparison)
    _compare_refunds(comparison)
    _compare_disputes(comparison)
    _process_missed_events(comparison)
    _find_tickets_without_payment(comparison, paid)
    report = comparison.report
    log.count("reconciliation_repaired", sum(report.repaired.values()))
    log.count("reconciliation_findings", sum(report.findings.values()))
    if report.findings:
        log.warning("reconciliation.differs", **report.findings)
    return report


def recheck_open_cases(now: int, *, disputes: bool) -> dict[str, int]:
    """Compare the oldest findings again, and on request each open dispute: what is resolved is not shown any more.

    Returns what was repaired, by kind. Raises ProviderUnavailable.
    """
    comparison = Comparison(ReconciliationReport(now, now), now, 0)
    for case in comparison.payment_findings[:MAX_RECHECKS]:
        payment_intent_id = str(case.details["capture"])
        with comparison.isolate_errors(case.purchase_id, payment_intent_id):
            _recheck_payment(comparison, case.purchase_id, payment_intent_id)
    for case in comparison.open_disputes if disputes else []:
        with comparison.isolate_errors(case.purchase_id, case.id):
            comparison.count_repaired("disputes_differ", apply.apply_dispute(payments.fetch_dispute(case.id), now))
    return comparison.report.repaired


def _recheck_payment(comparison: Comparison, purchase_id: str, payment_intent_id: str) -> None:
    provider_payment, purchase = payments.find_by_id(payment_intent_id), queries.load(purchase_id)
    if provider_payment is not None and purchase is None:
        _show_unknown(comparison, provider_payment, differs=provider_payment.is_paid)  # it may be shown because it must not be refunded
    elif provider_payment is not None:
        _compare_payment(comparison, provider_payment, purchase)
    if purchase is not None and (purchase_id, f"tickets_without_payment-{payment_intent_id}") in comparison.open_findings:
        _compare_tickets(comparison, purchase, payment_intent_id, provider_payment)


def _compare_payments(comparison: Comparison) -> set[str]:
    """Compare each payment of this stage with its purchase. Returns the ids of those that came in, also of some opened a little later."""
    paid: set[str] = set()
    own_payments = _own_payments(comparison.report, paid)
    while batch := list(islice(own_payments, dynamo.MAX_BATCH_GET)):
        purchases = queries.load_many({payment.purchase_id for payment in batch if payment.purchase_id})
        _limit_unknown(comparison, [payment for payment in batch if payment.is_paid and payment.purchase_id not in purchases])
        for payment in batch:
            comparison.report.payments += 1
            with comparison.isolate_errors(str(payment.purchase_id), payment.id):
                _compare_payment(comparison, payment, purchases.get(str(payment.purchase_id)))
    return paid


def _own_payments(report: ReconciliationReport, paid: set[str]) -> Iterator[ProviderPayment]:
    """Payments opened in this span. Adds to `paid` those that came in, until every purchase of this span must have opened its own."""
    chosen = settings.current()
    for payment in payments.list_payments(report.since, report.until + chosen.hold_seconds + chosen.checkout_seconds):
        if payment.namespace != chosen.provider_namespace or payment.purchase_id is None:
            continue
        if payment.amount_received:
            paid.add(payment.id)
        if payment.created < report.until:
            yield payment


def _limit_unknown(comparison: Comparison, unknown: list[ProviderPayment]) -> None:
    """Refund money for an unknown purchase, but not a whole sale because somebody compares with the wrong store."""
    if comparison.unknown_left is None:
        return
    comparison.unknown_left -= len(unknown)
    if comparison.unknown_left < 0:
        for payment in unknown:
            _show_unknown(comparison, payment, differs=True)
        raise StoreIsBehind(f"{len(unknown)} payments belong to purchases that this store does not have")


def _show_unknown(comparison: Comparison, payment: ProviderPayment, *, differs: bool) -> None:
    details = {
        "event_id": payment.event_id,
        "capture": payment.payment_intent_id,
        "amount_cents": payment.net_received,
        "currency": payment.currency,
    }
    comparison.show(str(payment.purchase_id), "unknown_purchase", payment.id, differs, details)


def _compare_payment(comparison: Comparison, payment: ProviderPayment, purchase: Purchase | None) -> None:
    result = apply.apply_payment(purchase, payment, comparison.now)
    purchase = comparison.count_repaired(_payment_repair(result), result)
    _show_unknown(comparison, payment, differs=purchase is None and result.result == "refund_failed")
    if purchase is None:
        return
    if purchase.refunded_total(payment.id, include_due=False) != payment.amount_refunded:
        for refund in payments.list_refunds_of_payment(payment.id):
            purchase = comparison.count_repaired("refunds_differ", apply.apply_refund(refund, comparison.now)) or purchase
        payment = payments.fetch_by_id(payment.id)  # something may have been refunded just now
    if any(refund.status in ("due", "failed") for refund in purchase.refunds if refund.payment_intent_id == payment.id):
        return  # it is an open case already
    expected, found = _expected_amounts(purchase, payment), _amounts(payment.amount_received, payment.amount_refunded, payment.currency)
    details = {"event_id": purchase.event_id, "capture": payment.id, "expected": expected, "found": found}
    comparison.show(purchase.id, "amounts_differ", payment.id, expected != found, details)


def _expected_amounts(purchase: Purchase, payment: ProviderPayment) -> dict[str, Any]:
    """What the provider should have. A payment that bought no tickets must have been refunded in full."""
    own = purchase.payment
    if purchase.was_order and own is not None and own.payment_intent_id == payment.id:
        return _amounts(own.amount_cents, purchase.refunded_total(payment.id, include_due=False), purchase.currency)
    return _amounts(payment.amount_received, payment.amount_received, payment.currency)


def _amounts(received_cents: int, refunded_cents: int, currency: str) -> dict[str, Any]:
    return {"received_cents": received_cents, "refunded_cents": refunded_cents, "currency": currency}


def _payment_repair(result: EventResult) -> str:
    """The kind of repair that news of a payment were."""
    return "payment_over" if result.result == "ended" else "paid_without_tickets"


def _event_repair(subject: EventSubject | None, result: EventResult) -> str:
    """The kind of repair that the news of an event were."""
    match subject:
        case "dispute":
            return "disputes_differ"
        case "refund" | "refunds_of_payment":
            return "refunds_differ"
        case _:
            return _payment_repair(result)


def _compare_refunds(comparison: Comparison) -> None:
    for refund in payments.list_refunds(comparison.report.since, comparison.report.until):
        if comparison.is_ours(str(refund.id), refund.namespace):
            comparison.report.refunds += 1
            with comparison.isolate_errors(str(refund.purchase_id), str(refund.id)):
                comparison.count_repaired("refunds_differ", apply.apply_refund(refund, comparison.now))


def _compare_disputes(comparison: Comparison) -> None:
    for dispute in payments.list_disputes(comparison.report.since, comparison.report.until):
        if comparison.is_ours(dispute.id, dispute.namespace):
            comparison.report.disputes += 1
            with comparison.isolate_errors(str(dispute.purchase_id), dispute.id):
                comparison.count_repaired("disputes_differ", apply.apply_dispute(dispute, comparison.now))


def _process_missed_events(comparison: Comparison) -> None:
    """Process what happened in this span to things of any age: a debit that a bank has answered, a dispute that is decided."""
    events = payments.list_events(comparison.report.since, comparison.report.until)
    while batch := list(islice(events, dynamo.MAX_BATCH_GET)):
        for event in webhook.select_unprocessed(batch):
            if event.object_id in comparison.compared:
                comparison.report.unheard += comparison.compared[event.object_id]
                continue  # its object was compared above, as it is now
            with comparison.isolate_errors(event.purchase_id or event.object_id, event.id):
                result = webhook.process_event(event, comparison.now)
                comparison.report.unheard += result.result not in ("not_ours", "seen")
                comparison.count_repaired(_event_repair(event.subject, result), result)


def _find_tickets_without_payment(comparison: Comparison, paid: set[str]) -> None:
    """Find what our ledger says came in for purchases of this span, and the provider does not have."""
    for entry in _captured_entries(comparison.report):
        if entry.reference in paid:
            continue
        with comparison.isolate_errors(entry.purchase_id, entry.reference):
            purchase = queries.load(entry.purchase_id)
            if purchase is not None:
                _compare_tickets(comparison, purchase, entry.reference, payments.find_by_id(entry.reference))


def _compare_tickets(comparison: Comparison, purchase: Purchase, payment_intent_id: str, payment: ProviderPayment | None) -> None:
    differs = payment is None or not payment.amount_received
    details = {
        "event_id": purchase.event_id,
        "capture": payment_intent_id,
        "amount_cents": purchase.total_cents,
        "currency": purchase.currency,
    }
    comparison.show(purchase.id, "tickets_without_payment", payment_intent_id, differs, details)


def _captured_entries(report: ReconciliationReport) -> Iterator[LedgerEntry]:
    first_id, last_id = ids.lowest_id_of(report.since), ids.lowest_id_of(report.until)
    for event in catalog.load_current().events.values():
        if event.last_sale_at < report.since:
            continue  # its sale ended before this span
        for entry in ledger.list_entries_between(event.id, first_id, last_id):
            if entry.kind == "captured" and payments.is_external(entry.provider):
                yield entry
