"""Routes for documents: the receipt and the tickets of an order as PDFs."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.addons.documents import service
from chalicelib.addons.documents.service import NotPaid, NoValidTickets
from chalicelib.edge import languages
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language
from chalicelib.edge.rate_limits import TRANSFER, RateLimited, limited_by_address
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.purchases.errors import OrderNotFound

MEDIA_TYPE = "application/pdf"

bp = Blueprint(__name__)


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
        content = service.order_receipt(request.require_user(), order_id, _language(request, query), request.now)
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
        content = service.order_tickets(request.require_user(), order_id, _language(request, query), request.now)
    return _pdf_reply(content, f"tickets-{order_id}.pdf")


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
