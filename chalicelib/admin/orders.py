"""Orders and revenue as admins and promoters see them."""

from typing import Any

import msgspec

from chalicelib import clock, dynamo, log
from chalicelib.catalog import service as catalog
from chalicelib.edge.auth import Forbidden, Identity
from chalicelib.errors import NotFound
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import LedgerEntry
from chalicelib.purchases.record import queries, views
from chalicelib.purchases.record.errors import OrderNotFound
from chalicelib.purchases.record.model import Dispute, Purchase, Refund


def get_order(identity: Identity, order_id: str) -> Purchase:
    """An order that the caller may manage: any order for admins, those of their own events for promoters.

    Raises Forbidden for other roles, and OrderNotFound also for the orders of other promoters.
    """
    if not identity.roles & {"admin", "promoter"}:
        raise Forbidden()
    purchase = queries.get_order(order_id)
    if not may_manage(identity, purchase.event_id):
        raise OrderNotFound()
    return purchase


def may_manage(identity: Identity, event_id: str) -> bool:
    """Whether the caller may manage an event: an admin, or the promoter that the event's metadata names as `promoter_id`."""
    if "admin" in identity.roles:
        return True
    event = catalog.snapshot().events.get(event_id)
    return "promoter" in identity.roles and event is not None and event.metadata.get("promoter_id") == identity.user_id


def admin_order_view(purchase: Purchase) -> dict[str, Any]:
    """An order with its payment, refunds, disputes and ledger. `balance_cents` is what we keep, before the provider's fees."""
    entries = ledger.list_purchase_entries(purchase.event_id, purchase.id)
    payment = purchase.payment
    return {
        "order": {**views.full_order_view(purchase, queries.load_details(purchase)), "user_id": purchase.user_id},
        "tickets": [views.order_ticket_view(ticket) for ticket in queries.load_tickets(purchase)],
        "payment": {"provider": payment.provider, "reference": payment.provider_id, "capture": payment.payment_intent_id}
        if payment
        else None,
        "refunds": [admin_refund_view(refund, purchase) for refund in purchase.refunds],
        "disputes": [dispute_view(dispute) for dispute in purchase.disputes],
        "transactions": [transaction_view(entry) for entry in entries],
        "balance_cents": ledger.balances(entries).get(purchase.currency, 0),
    }


def changed_order_view(purchase: Purchase) -> dict[str, Any]:
    """An order after a change that was made: as `admin_order_view`, or, if the store does not answer, what was written of it."""
    try:
        return admin_order_view(purchase)
    except dynamo.STORE_ERRORS as error:
        log.warning("order.partly_shown", order_id=purchase.id, error=type(error).__name__, store_code=dynamo.error_code(error))
        return {
            "order": {**views.order_view(purchase), "user_id": purchase.user_id},
            "refunds": [admin_refund_view(refund, purchase) for refund in purchase.refunds],
            "disputes": [dispute_view(dispute) for dispute in purchase.disputes],
            "message": "The change was made. Its tickets and transactions cannot be shown now: load the order again.",
        }


def admin_refund_view(refund: Refund, purchase: Purchase) -> dict[str, Any]:
    """A refund with what only admins and promoters see of it."""
    more = {
        "reason": refund.reason,
        "by": refund.by,
        "note": refund.note,
        "attempt": refund.attempt,
        "reference": refund.provider_id,
        "failure": refund.failure,
    }
    return {**views.refund_view(refund, purchase), **more, "seats_returned": refund.seats_returned}


def dispute_view(dispute: Dispute) -> dict[str, Any]:
    """A dispute; `capture` is the id of the payment that it is about."""
    shown: dict[str, Any] = msgspec.to_builtins(dispute)
    return {**shown, "capture": shown.pop("payment_intent_id"), "at": clock.iso(dispute.at)}


def transaction_view(entry: LedgerEntry) -> dict[str, Any]:
    """One entry of the ledger; `facts` are the details that it was written with."""
    shown: dict[str, Any] = msgspec.to_builtins(entry)
    return {**shown, "facts": shown.pop("details"), "at": clock.iso(entry.at)}


def event_revenue(event_id: str) -> dict[str, Any]:
    """The revenue of an event by provider and currency. Raises NotFound."""
    event = catalog.snapshot().events.get(event_id)
    if event is None:
        raise NotFound("There is no such event.", event_id=event_id)
    return {"event_id": event.id, "event_name": event.name, "takings": msgspec.to_builtins(ledger.revenue_report(event_id).totals)}
