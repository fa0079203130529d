"""The receipt and the tickets of an order as PDFs, for the people who may download them."""

from urllib.parse import urlsplit

from chalicelib.accounts import profiles
from chalicelib.addons.documents.errors import NotPaid, NoValidTickets
from chalicelib.addons.documents.receipt import Seller, render_receipt
from chalicelib.addons.documents.ticket_pages import render_tickets
from chalicelib.catalog import permissions
from chalicelib.catalog.model import Event
from chalicelib.catalog.permissions import find_event
from chalicelib.edge.auth import Identity
from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.purchases import queries
from chalicelib.purchases.errors import OrderNotFound


def order_receipt(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
    """Return the receipt of an order to its buyer or a manager of its event. Raises NotPaid, and OrderNotFound for anybody else."""
    purchase = queries.load(order_id)
    if purchase is None or not (purchase.user_id == identity.user_id or permissions.may_manage(identity, purchase.event_id)):
        raise OrderNotFound()
    if not purchase.was_order:
        raise NotPaid()
    event = find_event(purchase.event_id)
    email = queries.load_details(purchase).email
    return render_receipt(purchase, queries.load_tickets(purchase), event, _seller(event), email, language, now)


def order_tickets(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
    """Return the order's valid tickets that the caller owns, whether the caller bought them or received them by transfer.

    Raises OrderNotFound if the caller owns neither the order nor any of its tickets; also raises NotPaid and NoValidTickets.
    """
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
    return render_tickets(purchase, valid, find_event(purchase.event_id), language, now)


def _seller(event: Event | None) -> Seller:
    """Return the event's promoter if an admin has verified the promoter, or else the shop."""
    promoter = profiles.find_promoter(event.promoter_id) if event is not None and event.promoter_id is not None else None
    if promoter is not None and promoter.state == "verified":
        return Seller(promoter.company or promoter.name, " · ".join(filter(None, (promoter.website, promoter.email))))
    return Seller("Fairgate", urlsplit(settings.current().shop_url).hostname or "")
