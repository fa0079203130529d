"""Orders as they are read: by their buyer, and by those who answer for them."""

from chalicelib.purchases.record import store
from chalicelib.purchases.record.errors import OrderNotFound
from chalicelib.purchases.record.model import Purchase
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket


def get_newest_order(user_id: str, event_id: str) -> tuple[Purchase, list[Ticket]]:
    """The user's newest order of an event with its tickets; raises OrderNotFound."""
    buying = store.load_buyer(user_id, event_id)
    if buying is None or not buying.orders:
        raise OrderNotFound()
    return get_own_order(user_id, max(buying.orders))  # ULIDs sort by time


def get_own_order(user_id: str, order_id: str) -> tuple[Purchase, list[Ticket]]:
    """One order of the user, also one that was refunded; somebody else's is as unknown as one that never was."""
    purchase = store.load(order_id)
    if purchase is None or purchase.user_id != user_id or not purchase.was_order:
        raise OrderNotFound()
    return purchase, load_tickets(purchase)


def find_order(order_id: str) -> Purchase:
    """Anybody's order, or a purchase that never became one though money came in for it; raises OrderNotFound."""
    purchase = store.load(order_id)
    if purchase is None or not (purchase.was_order or purchase.refunds or purchase.disputes):
        raise OrderNotFound()
    return purchase


def load_tickets(purchase: Purchase) -> list[Ticket]:
    """The tickets of an order, also those that were taken back; none of a purchase that never had any."""
    return tickets.load_purchase_tickets(purchase.id, purchase.quantity) if purchase.was_order else []
