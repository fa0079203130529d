"""Reset of an event's orders, for trying a sale again and again. Only where the demo identity is on."""

from chalicelib import dynamo, log
from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.errors import NotFound
from chalicelib.purchases.record import store
from chalicelib.purchases.record.errors import NotRefundable, OrderDisputed
from chalicelib.purchases.refunds.requests import RefundRequest, request_refund
from chalicelib.tickets import service as tickets


def reset_orders(event_id: str, actor: str, now: int) -> tuple[int, int]:
    """Refund every order of the event in full. Returns how many orders and tickets those were.

    Calling it again finishes what a crash left. An order whose payment is disputed stays, because the bank has its money. Raises
    NotFound for an unknown event.
    """
    if event_id not in catalog.load_current().events:
        raise NotFound("There is no event with this id.", event_id=event_id)
    orders = voided = 0
    request = RefundRequest(reason="undone", fee_cents=0)
    for purchase in store.load_many(set(tickets.list_purchases(event_id))).values():
        if purchase is None or not purchase.is_order:
            continue
        try:
            _, refund = request_refund(purchase, request, f"undone-{purchase.version}", actor, now)
        except (NotRefundable, OrderDisputed):
            continue
        orders += 1
        voided += len(refund.tickets)
    dynamo.transact([audit.entry_item(f"event#{event_id}", "orders.undone", actor, now, {"orders": orders, "tickets": voided})])
    log.info("orders.undone", event_id=event_id, orders=orders, tickets=voided)
    return orders, voided
