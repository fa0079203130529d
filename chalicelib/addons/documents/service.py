"""The receipt and the tickets of an order as PDFs, for the people who may download them."""

from typing import ClassVar

from chalicelib.catalog import permissions
from chalicelib.catalog.permissions import find_event
from chalicelib.edge.auth import Identity
from chalicelib.edge.languages import Language
from chalicelib.foundation.errors import ApiError
from chalicelib.promoters.service import find_seller
from chalicelib.purchases import queries
from chalicelib.purchases.errors import OrderNotFound
from chalicelib.tickets import qr


class NotPaid(ApiError):
    code: ClassVar[str] = "order_not_paid"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This order has not been paid, so it has no receipt or tickets."


class NoValidTickets(ApiError):
    code: ClassVar[str] = "no_valid_tickets"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You have no valid tickets in this order: they were all refunded or transferred, or the payment is disputed."
    )


def order_receipt(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
    """Return the receipt of an order to its buyer or a manager of its event. Raises NotPaid, and OrderNotFound for anybody else."""
    from chalicelib.addons.documents.receipt import render_receipt  # few requests make documents

    purchase = queries.load(order_id)
    if purchase is None or not (purchase.user_id == identity.user_id or permissions.may_manage(identity, purchase.event_id)):
        raise OrderNotFound()
    if not purchase.was_order:
        raise NotPaid()
    event = find_event(purchase.event_id)
    email = queries.load_details(purchase).email
    return render_receipt(purchase, queries.load_tickets(purchase), event, find_seller(event), email, language, now)


def order_tickets(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
    """Return the order's valid tickets that the caller owns, whether the caller bought them or received them by transfer.

    Raises OrderNotFound if the caller owns neither the order nor any of its tickets; also raises NotPaid and NoValidTickets.
    """
    from chalicelib.addons.documents.ticket_pages import render_tickets

    purchase = queries.load(order_id)
    if purchase is None:
        raise OrderNotFound()
    own = [ticket for ticket in queries.load_tickets(purchase) if ticket.owner_id == identity.user_id]
    if purchase.user_id != identity.user_id and not own:
        raise OrderNotFound()
    if not purchase.was_order:
        raise NotPaid()
    valid = [ticket for ticket in own if ticket.is_admissible]
    if not valid:
        raise NoValidTickets()
    return render_tickets(purchase, valid, qr.symbols(valid), find_event(purchase.event_id), language, now)
