"""Orders as they are read: by their buyer, and by those who answer for them."""

from chalicelib.purchases import store
from chalicelib.purchases.model import OrderNotFound, Purchase
from chalicelib.purchases.settlement import of_order
from chalicelib.tickets.model import Ticket


def newest(user_id: str, event_id: str) -> tuple[Purchase, list[Ticket]]:
    """The user's newest order of an event with its tickets; raises OrderNotFound."""
    buying = store.buying(user_id, event_id)
    if buying is None or not buying.orders:
        raise OrderNotFound()
    return own(user_id, max(buying.orders))  # ULIDs sort by time


def own(user_id: str, order_id: str) -> tuple[Purchase, list[Ticket]]:
    """One order of the user, also one that was refunded; somebody else's is as unknown as one that never was."""
    purchase = find(order_id)
    if purchase.user_id != user_id:
        raise OrderNotFound()
    return purchase, of_order(purchase)


def find(order_id: str) -> Purchase:
    """Anybody's order; raises OrderNotFound, also for a purchase that never became one."""
    purchase = store.load(order_id)
    if purchase is None or not purchase.was_order:
        raise OrderNotFound()
    return purchase
