"""Reset of an event's orders, for trying a sale again and again. Only where the demo identity is on."""

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import log, parallel
from chalicelib.foundation.errors import NotFound
from chalicelib.purchases.record import store
from chalicelib.purchases.record.errors import NotRefundable, OrderDisputed
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.refunds.requests import refund_all_tickets
from chalicelib.tickets import service as tickets

# Orders that are refunded at once. They may return seats to the same shard, where only one transaction succeeds at a time: the store
# refuses the others, and they are repeated. More at once would mostly wait for each other.
ORDERS_AT_ONCE = 4


def reset_orders(event_id: str, actor: str, now: int) -> tuple[int, int]:
    """Refund every order of the event in full. Returns how many orders and tickets those were.

    Calling it again finishes what a crash left. An order whose payment is disputed stays, because the bank has its money. Raises
    NotFound for an unknown event.
    """
    current, ids = parallel.both(catalog.load_current, lambda: set(tickets.list_purchases(event_id)))
    if event_id not in current.events:
        raise NotFound("There is no event with this id.", event_id=event_id)
    found = [purchase for purchase in store.load_many(ids).values() if purchase is not None and purchase.is_order]
    orders = voided = 0
    for first in range(0, len(found), ORDERS_AT_ONCE):
        some = found[first : first + ORDERS_AT_ONCE]
        for tickets_of_order in parallel.call_each(lambda purchase: _reset_order(purchase, actor, now), some):
            orders += tickets_of_order > 0
            voided += tickets_of_order
    dynamo.transact([audit.entry_item(f"event#{event_id}", "orders.undone", actor, now, {"orders": orders, "tickets": voided})])
    log.info("orders.undone", event_id=event_id, orders=orders, tickets=voided)
    return orders, voided


def _reset_order(purchase: Purchase, actor: str, now: int) -> int:
    """Refund an order in full. Returns how many tickets became void; 0 if it has been refunded meanwhile or is disputed."""
    try:
        refunds = refund_all_tickets(purchase, "undone", f"undone-{purchase.version}", actor, now)
    except (NotRefundable, OrderDisputed):
        return 0
    return sum(len(refund.tickets) for refund in refunds)
