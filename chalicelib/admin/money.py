"""Money as those who answer for it see it: one order with its ledger, what an event took, and what is open."""

from typing import Any

import msgspec

from chalicelib import clock, dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.errors import NotFound
from chalicelib.payments import ledger
from chalicelib.purchases import matters, orders, reconciliation, shapes
from chalicelib.purchases.model import OrderNotFound, Purchase, Refund

SHOWN_MOST = 1000  # open matters in one answer


def order_for(identity: Identity, order_id: str) -> Purchase:
    """An order, or other money, that the caller answers for: any for admins, that of their own events for promoters.

    Raises Forbidden for other roles and OrderNotFound, also for the orders of other promoters.
    """
    if not identity.roles & {"admin", "promoter"}:
        raise Forbidden()
    purchase = orders.find(order_id)
    if not answers_for(identity, purchase.event_id):
        raise OrderNotFound()
    return purchase


def answers_for(identity: Identity, event_id: str) -> bool:
    """Admins for everything; a promoter for the events whose metadata name them as `promoter_id`."""
    if "admin" in identity.roles:
        return True
    event = catalog.snapshot().events.get(event_id)
    return "promoter" in identity.roles and event is not None and event.metadata.get("promoter_id") == identity.user_id


def order(purchase: Purchase) -> dict[str, Any]:
    """An order with everything that money has done to it. `balance_cents` is what is kept, before the provider's fees."""
    entries = ledger.of_purchase(purchase.event_id, purchase.id)
    payment = purchase.payment
    return {
        "order": {**shapes.order_with_event(purchase), "user_id": purchase.user_id},
        "tickets": [shapes.ticket(one) for one in orders.tickets_of(purchase)],
        "payment": {"provider": payment.provider, "reference": payment.reference, "capture": payment.capture} if payment else None,
        "refunds": [refund(one, purchase) for one in purchase.refunds],
        "disputes": [{**msgspec.to_builtins(one), "at": clock.iso(one.at)} for one in purchase.disputes],
        "transactions": [{**msgspec.to_builtins(one), "at": clock.iso(one.at)} for one in entries],
        "balance_cents": ledger.balance(entries).get(purchase.currency, 0),
    }


def refund(one: Refund, purchase: Purchase) -> dict[str, Any]:
    """A refund with what its buyer need not know."""
    more = {
        "reason": one.reason,
        "by": one.by,
        "note": one.note,
        "attempt": one.attempt,
        "reference": one.reference,
        "failure": one.failure,
    }
    return {**shapes.refund(one, purchase), **more, "seats_returned": one.seats_returned}


def of_event(event_id: str) -> dict[str, Any]:
    """What an event took, by provider and currency; raises NotFound."""
    event = catalog.snapshot().events.get(event_id)
    if event is None:
        raise NotFound("There is no such event.", event_id=event_id)
    return {"event_id": event.id, "event_name": event.name, "takings": msgspec.to_builtins(ledger.report(event_id).takings)}


def open_matters() -> dict[str, Any]:
    """What is not through, the oldest of it first, and what the last comparison with Stripe's books found."""
    last, found = reconciliation.last_run(), matters.every()
    return {
        "open": [{**one.shown(), "next_try_at": clock.iso(one.next_at) if one.next_at is not None else None} for one in found[:SHOWN_MOST]],
        "open_total": len(found),
        "last_run": {"at": clock.iso(last.at), **last.report.shown()} if last else None,
        "stripe_call_budget": settings.current().stripe_call_rate,
    }


def dismiss(order_id: str, finding: str, actor: str, now: int) -> None:
    """Close what a person has dealt with, by its id: a finding, or a refund that failed for good. Raises NotFound.

    Disputes, and refunds that are still tried, close by themselves.
    """
    matter = matters.for_a_person(order_id, finding)
    if matter is None:
        raise NotFound("There is no such finding.")
    said = audit.entry(f"order#{order_id}", "finding.dismissed", actor, now, {"finding": finding})
    try:
        dynamo.transact([matters.dismissal(matter), said])
    except dynamo.TransactionRefused:
        raise NotFound("There is no such finding any more.") from None
