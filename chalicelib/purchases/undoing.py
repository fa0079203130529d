"""Orders of an event undone, for trying a sale again and again: only where the demo identity is on, since no money goes back."""

from chalicelib import dynamo, log
from chalicelib.audit import service as audit
from chalicelib.inventory import service as inventory
from chalicelib.purchases import store
from chalicelib.purchases.model import Purchase
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import ticket_id

_ATTEMPTS = 5


def undo_orders(event_id: str, actor: str, now: int) -> tuple[int, int]:
    """Void every order of the event and give its seats back; how many orders and tickets. Repeating it finishes what a crash left."""
    orders = voided = 0
    for purchase in list(store.every_purchase()):
        if purchase.event_id == event_id and purchase.state == "paid" and _undone(purchase, now):
            orders += 1
            voided += purchase.quantity
    dynamo.transact([audit.entry(f"event#{event_id}", "orders.undone", actor, now, {"orders": orders, "tickets": voided})])
    inventory.invalidate()
    log.info("orders.undone", event_id=event_id, orders=orders, tickets=voided)
    return orders, voided


def _undone(purchase: Purchase, now: int) -> bool:
    """False if somebody else undid it first."""
    for _ in range(_ATTEMPTS):
        # Converted first: a conversion that a crash left undone would otherwise give the same seats back a second time.
        inventory.end_holds("convert", purchase.holds)
        seats = [inventory.returning(hold) for hold in purchase.holds]
        void = tickets.void(*(ticket_id(purchase.id, number) for number in range(1, purchase.quantity + 1)))
        if store.refund(purchase, [*seats, *void], now):
            return True
        again = store.load(purchase.id)
        if again is None or again.state != "paid":
            return False
        purchase = again
    raise dynamo.StoreUnavailable("the order kept changing")
