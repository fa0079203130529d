"""Money as those who answer for it see it: one order with its ledger, what an event took, and what is open."""

from typing import Any

import msgspec

from chalicelib import clock, dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.cases import service as cases
from chalicelib.catalog import service as catalog
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.errors import NotFound
from chalicelib.ledger import service as ledger
from chalicelib.ledger.service import LedgerEntry
from chalicelib.purchases.record import queries as order_queries
from chalicelib.purchases.record import views
from chalicelib.purchases.record.errors import OrderNotFound
from chalicelib.purchases.record.model import Dispute, Purchase, Refund
from chalicelib.reconciliation import schedule

MAX_CASES_SHOWN = 1000  # open matters in one answer


def get_order(identity: Identity, order_id: str) -> Purchase:
    """An order, or other money, that the caller answers for: any for admins, that of their own events for promoters.

    Raises Forbidden for other roles and OrderNotFound, also for the orders of other promoters.
    """
    if not identity.roles & {"admin", "promoter"}:
        raise Forbidden()
    purchase = order_queries.find_order(order_id)
    if not may_manage(identity, purchase.event_id):
        raise OrderNotFound()
    return purchase


def may_manage(identity: Identity, event_id: str) -> bool:
    """Admins for everything; a promoter for the events whose metadata name them as `promoter_id`."""
    if "admin" in identity.roles:
        return True
    event = catalog.snapshot().events.get(event_id)
    return "promoter" in identity.roles and event is not None and event.metadata.get("promoter_id") == identity.user_id


def order_view(purchase: Purchase) -> dict[str, Any]:
    """An order with everything that money has done to it. `balance_cents` is what is kept, before the provider's fees."""
    entries = ledger.list_purchase_entries(purchase.event_id, purchase.id)
    payment = purchase.payment
    return {
        "order": {**views.order_with_event_view(purchase), "user_id": purchase.user_id},
        "tickets": [views.ticket_view(one) for one in order_queries.load_tickets(purchase)],
        "payment": {"provider": payment.provider, "reference": payment.provider_id, "capture": payment.payment_intent_id}
        if payment
        else None,
        "refunds": [refund_view(one, purchase) for one in purchase.refunds],
        "disputes": [dispute_view(dispute) for dispute in purchase.disputes],
        "transactions": [transaction_view(entry) for entry in entries],
        "balance_cents": ledger.balances(entries).get(purchase.currency, 0),
    }


def refund_view(one: Refund, purchase: Purchase) -> dict[str, Any]:
    """A refund with what its buyer need not know."""
    more = {
        "reason": one.reason,
        "by": one.by,
        "note": one.note,
        "attempt": one.attempt,
        "reference": one.provider_id,
        "failure": one.failure,
    }
    return {**views.refund_view(one, purchase), **more, "seats_returned": one.seats_returned}


def dispute_view(dispute: Dispute) -> dict[str, Any]:
    """A dispute; `capture` is the id of the payment that it is about."""
    shown: dict[str, Any] = msgspec.to_builtins(dispute)
    return {**shown, "capture": shown.pop("payment_intent_id"), "at": clock.iso(dispute.at)}


def transaction_view(entry: LedgerEntry) -> dict[str, Any]:
    """One entry of the ledger; `facts` is what else was known when it was written."""
    shown: dict[str, Any] = msgspec.to_builtins(entry)
    return {**shown, "facts": shown.pop("details"), "at": clock.iso(entry.at)}


def event_revenue(event_id: str) -> dict[str, Any]:
    """What an event took, by provider and currency; raises NotFound."""
    event = catalog.snapshot().events.get(event_id)
    if event is None:
        raise NotFound("There is no such event.", event_id=event_id)
    return {"event_id": event.id, "event_name": event.name, "takings": msgspec.to_builtins(ledger.revenue_report(event_id).takings)}


def list_open_cases() -> dict[str, Any]:
    """What is not through, the oldest of it first, and what the last comparison with Stripe's books found."""
    last, found = schedule.last_run(), cases.list_open()
    return {
        "open": [
            {**one.shown(), "next_try_at": clock.iso(one.next_at) if one.next_at is not None else None} for one in found[:MAX_CASES_SHOWN]
        ],
        "open_total": len(found),
        "last_run": {"at": clock.iso(last.at), **last.report.shown()} if last else None,
        "stripe_call_budget": settings.current().stripe_call_rate,
    }


def dismiss_case(order_id: str, finding: str, actor: str, now: int) -> None:
    """Close what a person has dealt with, by its id: a finding, or a refund that failed for good. Raises NotFound.

    Disputes, and refunds that are still tried, close by themselves.
    """
    matter = cases.find_manual_case(order_id, finding)
    if matter is None:
        raise NotFound("There is no such finding.")
    said = audit.entry_item(f"order#{order_id}", "finding.dismissed", actor, now, {"finding": finding})
    try:
        dynamo.transact([cases.dismiss_case_item(matter), said])
    except dynamo.TransactionCanceled:
        raise NotFound("There is no such finding any more.") from None
