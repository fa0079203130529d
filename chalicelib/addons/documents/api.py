"""The receipt and the tickets of an order, and the statement of an event, as PDFs, for the people who may download them."""

from typing import ClassVar

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.catalog import permissions
from chalicelib.catalog.permissions import find_event
from chalicelib.edge import languages
from chalicelib.edge.auth import Identity
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language
from chalicelib.edge.rate_limits import TRANSFER, RateLimited, limited_by_address
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation.errors import ApiError
from chalicelib.ledger import service as ledger
from chalicelib.promoters.service import find_seller
from chalicelib.purchases import queries
from chalicelib.purchases.errors import OrderNotFound
from chalicelib.tickets import qr

MEDIA_TYPE = "application/pdf"

bp = Blueprint(__name__)


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


class DocumentQuery(Struct, forbid_unknown_fields=True):
    """The `language` of the document. Without a `language`, the `Accept-Language` header decides."""

    language: Language | None = None


@route(
    bp,
    "GET",
    "/orders/{order_id}/receipt.pdf",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    media_types=(MEDIA_TYPE,),
    errors=(OrderNotFound, NotPaid, RateLimited),
)
def show_receipt(request: RequestContext, order_id: str, query: DocumentQuery) -> Reply[bytes]:
    """Return the receipt of an order as a PDF, for its buyer and the event's managers."""
    with limited_by_address(request, TRANSFER):
        content = _order_receipt(request.require_user(), order_id, _language(request, query), request.now)
    return _pdf_reply(content, f"receipt-{order_id}.pdf")


@route(
    bp,
    "GET",
    "/orders/{order_id}/tickets.pdf",
    access="user",
    headers=(ACCEPT_LANGUAGE,),
    media_types=(MEDIA_TYPE,),
    errors=(OrderNotFound, NotPaid, NoValidTickets, RateLimited),
)
def show_ticket_pages(request: RequestContext, order_id: str, query: DocumentQuery) -> Reply[bytes]:
    """Return the caller's valid tickets from an order as a PDF, with one page and one QR code for each ticket."""
    with limited_by_address(request, TRANSFER):
        content = _order_tickets(request.require_user(), order_id, _language(request, query), request.now)
    return _pdf_reply(content, f"tickets-{order_id}.pdf")


@route(
    bp,
    "GET",
    "/events/{event_id}/statement.pdf",
    access="manager",
    headers=(ACCEPT_LANGUAGE,),
    media_types=(MEDIA_TYPE,),
    errors=(RateLimited,),
)
def show_statement_pages(request: RequestContext, event_id: str, query: DocumentQuery) -> Reply[bytes]:
    """Return what an event's sales, refunds, disputes and fees add up to on each account, as a PDF."""
    from chalicelib.addons.documents.receipt import render_statement  # few requests make documents

    event = permissions.require_manager(request.require_user(), event_id)
    with limited_by_address(request, TRANSFER):
        totals = ledger.statement(event.id)
        content = render_statement(totals, event, find_seller(event), _language(request, query), request.now)
    return _pdf_reply(content, f"statement-{event_id}.pdf")


def _order_receipt(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
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


def _order_tickets(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
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


def _language(request: RequestContext, query: DocumentQuery) -> Language:
    return query.language or languages.choose_language(request.header("accept-language"))


def _pdf_reply(content: bytes, name: str) -> Reply[bytes]:
    headers = {
        "Content-Type": MEDIA_TYPE,
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, no-store",
        "Vary": "Accept-Language",
    }
    return Reply(content, headers=headers)
