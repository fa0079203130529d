"""Queries for purchases: those of a buyer, any order for admins and promoters, and purchases by id for the other rooms."""

from chalicelib.purchases.record import store
from chalicelib.purchases.record.errors import CheckoutNotFound, OrderNotFound, ReservationNotFound
from chalicelib.purchases.record.model import Purchase
from chalicelib.purchases.record.store import load, load_details, load_many
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Ticket, ticket_id

__all__ = [
    "get_newest_order",
    "get_order",
    "get_own_checkout",
    "get_own_order",
    "get_own_purchase",
    "is_pass_used",
    "list_own_tickets",
    "load",
    "load_details",
    "load_many",
    "load_tickets",
]


def get_own_purchase(user_id: str, purchase_id: str) -> Purchase:
    """The user's purchase in any state. Raises ReservationNotFound, also for one of another user."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id:
        raise ReservationNotFound()
    return purchase


def get_own_checkout(user_id: str, purchase_id: str) -> Purchase:
    """The user's purchase, if a checkout was opened for it, in any state. Raises CheckoutNotFound."""
    purchase = store.load(purchase_id)
    if purchase is None or purchase.user_id != user_id or purchase.checkout_at is None:
        raise CheckoutNotFound()
    return purchase


def get_newest_order(user_id: str, event_id: str) -> tuple[Purchase, list[Ticket]]:
    """The user's newest order of an event with its tickets. Raises OrderNotFound."""
    buyer = store.load_buyer(user_id, event_id)
    if buyer is None or not buyer.orders:
        raise OrderNotFound()
    return get_own_order(user_id, max(buyer.orders))  # ULIDs sort by time


def get_own_order(user_id: str, order_id: str) -> tuple[Purchase, list[Ticket]]:
    """One order of the user with its tickets, also a refunded one. Raises OrderNotFound, also for an order of another user."""
    purchase = store.load(order_id)
    if purchase is None or purchase.user_id != user_id or not purchase.was_order:
        raise OrderNotFound()
    return purchase, load_tickets(purchase)


def list_own_tickets(user_id: str) -> list[Ticket]:
    """The user's valid and frozen tickets, those of the newest order first; three round trips for up to 100 tickets."""
    orders = [purchase for purchase in store.load_many(store.list_order_ids(user_id)).values() if purchase is not None]
    ids = [ticket_id(purchase.id, number) for purchase in orders for number in purchase.kept_tickets]
    return tickets.load_owned(user_id, ids)


def get_order(order_id: str) -> Purchase:
    """Anybody's order, or a purchase that never became one but for which money came in. Raises OrderNotFound."""
    purchase = store.load(order_id)
    if purchase is None or not (purchase.was_order or purchase.refunds or purchase.disputes):
        raise OrderNotFound()
    return purchase


def is_pass_used(user_id: str, event_id: str, pass_id: str) -> bool:
    """Whether the user has an order of the event that was bought with this pass of the waiting room."""
    buyer = store.load_buyer(user_id, event_id)
    return buyer is not None and pass_id in buyer.passes


def load_tickets(purchase: Purchase) -> list[Ticket]:
    """The tickets of an order, also those that were taken back; none if it never had any."""
    return tickets.load_purchase_tickets(purchase.id, purchase.quantity) if purchase.was_order else []
