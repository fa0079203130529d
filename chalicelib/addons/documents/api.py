"""Receipts, tickets, invoices and statements as PDFs, and lists of invoices, for the people who may have them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct
from msgspec.structs import asdict

from chalicelib.accounts.profiles import InvoiceSeller
from chalicelib.catalog import permissions
from chalicelib.catalog import service as catalog
from chalicelib.edge import cursors, languages
from chalicelib.edge.auth import Identity
from chalicelib.edge.csv_replies import CSV_MEDIA_TYPES, Cell, csv_part
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.languages import ACCEPT_LANGUAGE, Language
from chalicelib.edge.rate_limits import TRANSFER, RateLimited, limited_by_address
from chalicelib.edge.routes import Reply, RequestContext, route
from chalicelib.foundation import clock, money
from chalicelib.foundation.clock import Timestamp
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.money import Tax, TaxShare
from chalicelib.ledger import service as ledger
from chalicelib.promoters.service import find_seller, require_own
from chalicelib.purchases import queries
from chalicelib.purchases.errors import OrderNotFound
from chalicelib.purchases.model import InvoiceBuyer, Purchase
from chalicelib.tickets import qr

if TYPE_CHECKING:
    from chalicelib.addons.documents.invoices import Invoice

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


class NoInvoice(ApiError):
    code: ClassVar[str] = "invoice_not_issued"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "This order has no such invoice. If the seller issues invoices, they appear within a minute of the payment."
    )


class NotElectronic(ApiError):
    """`missing` lists the terms that the document lacks."""

    code: ClassVar[str] = "invoice_not_electronic"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "This document cannot be an electronic invoice, because it lacks the terms in `missing`. Request it without `electronic`."
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
    """Return the totals of an event's sales, refunds, disputes and fees on each account, as a PDF."""
    from chalicelib.addons.documents.order_pages import render_statement  # imported here because few requests make documents

    event = permissions.require_accountant(request.require_user(), event_id)
    with limited_by_address(request, TRANSFER):
        totals = ledger.statement(event.id)
        content = render_statement(totals, event, find_seller(event), _language(request, query), request.now)
    return _pdf_reply(content, f"statement-{event_id}.pdf")


class InvoiceLineView(Struct, frozen=True, kw_only=True):
    """Tickets of one type on an invoice. `discount_cents` is the discount of a promo code on all of these tickets together.

    `included_fee_cents` is the fee that the discounted price of all these tickets includes.
    """

    text: str
    quantity: int
    price_cents: int
    included_fee_cents: int
    discount_cents: int
    tax: Tax | None


class VatCheckView(Struct, frozen=True, kw_only=True):
    """The result of checking the buyer's VAT id before the invoice was issued.

    `malformed` and `well_formed` describe the form and the check digits of the id. If the shop asks VIES, the result is the answer of VIES:
    `valid`, `invalid`, or `unavailable` if VIES did not answer. With the `reference` from VIES, the seller can prove the inquiry.
    """

    result: Literal["malformed", "well_formed", "valid", "invalid", "unavailable"]
    at: Timestamp
    reference: str | None


class InvoiceView(Struct, frozen=True, kw_only=True):
    """An invoice or a credit note, which never changes. `corrects` is the number of the document that it takes back, in whole or in part.

    The total includes `included_fee_cents` and the `taxes`. The amounts of a credit note are negative. `buyer` is null if the buyer named
    no company. `vat_id_check` is null unless the buyer gave a VAT id that begins with the code of a country of the European Union. A
    document that corrects another document has no `lines`, and has the same `vat_id_check` as that document.
    """

    number: str
    kind: Literal["invoice", "credit_note"]
    issued_at: Timestamp
    paid_at: Timestamp
    order_id: str
    order_number: str
    event_id: str
    event_name: str
    seller: InvoiceSeller
    buyer: InvoiceBuyer | None
    vat_id_check: VatCheckView | None
    lines: list[InvoiceLineView]
    total_cents: int
    included_fee_cents: int
    tax_cents: int
    taxes: list[TaxShare]
    currency: str
    corrects: str | None


class OrderInvoicesView(Struct, frozen=True):
    """The invoices and credit notes of an order, in the order in which they were issued."""

    invoices: list[InvoiceView]


class PromoterInvoicesView(Struct, frozen=True):
    """A page of a promoter's invoices from a year: credit notes, invoices with a buyer, and invoices without a buyer, each by number."""

    invoices: list[InvoiceView]
    next_cursor: str | None


class InvoiceQuery(Struct, forbid_unknown_fields=True):
    """The `number` of the document. Without a `number`, you get the invoice of the sale.

    With `electronic`, you get either an electronic invoice or an error that lists the missing terms.
    """

    number: Annotated[str, Meta(max_length=40)] | None = None
    electronic: bool = False


class PromoterInvoicesQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The year in UTC, by default the current year, and the format of the list.

    With `bom`, the CSV file begins with the byte order mark that older spreadsheets need for UTF-8.
    """

    year: Annotated[int, Meta(ge=2000, le=9998)] | None = None
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=200)] = 200
    cursor: Cursor | None = None
    bom: bool = False


INVOICE_COLUMNS = (
    "date",
    "number",
    "kind",
    "corrects",
    "amount",
    "debit_credit",
    "currency",
    "tax_percent",
    "tax",
    "net",
    "buyer",
    "vat_id",
    "order_number",
    "event",
    "order_id",
    "event_id",
    "included_fee",
    "vat_id_check",
)


@route(bp, "GET", "/orders/{order_id}/invoices", access="user", errors=(OrderNotFound,))
def list_order_invoices(request: RequestContext, order_id: str) -> Reply[OrderInvoicesView]:
    """List the invoices and credit notes of an order, for its buyer and the event's managers."""
    from chalicelib.addons.documents import invoices  # imported here because few requests are about invoices

    purchase = _readable_order(request.require_user(), order_id)
    return Reply(OrderInvoicesView(list(map(_invoice_view, invoices.list_order_invoices(purchase.id)))))


@route(
    bp,
    "GET",
    "/orders/{order_id}/invoices.pdf",
    access="user",
    media_types=(MEDIA_TYPE,),
    errors=(OrderNotFound, NoInvoice, NotElectronic, RateLimited),
)
def show_invoice(request: RequestContext, order_id: str, query: InvoiceQuery) -> Reply[bytes]:
    """Return an invoice or a credit note of an order as a PDF, in the language of the order.

    The PDF is an electronic invoice (EN 16931, Factur-X) if seller and buyer have a country, the whole total is taxed or exempt, and the
    currency has two decimals.
    """
    from chalicelib.addons.documents import electronic, invoices
    from chalicelib.addons.documents.order_pages import render_invoice

    with limited_by_address(request, TRANSFER):
        issued = invoices.list_order_invoices(_readable_order(request.require_user(), order_id).id)
        invoice = next((found for found in issued if query.number in (None, found.number)), None)
        if invoice is None:
            raise NoInvoice()
        if query.electronic and (missing := electronic.missing_terms(invoice)):
            raise NotElectronic(missing=missing)
        return _pdf_reply(render_invoice(invoice), f"{invoice.number}.pdf")


@route(bp, "GET", "/promoters/{promoter_id}/invoices", access="manager", media_types=CSV_MEDIA_TYPES)
def list_promoter_invoices(request: RequestContext, promoter_id: str, query: PromoterInvoicesQuery) -> Reply[PromoterInvoicesView | str]:
    """List a promoter's invoices and credit notes from a year. The CSV format is for bookkeeping, with a line for each tax rate.

    The CSV list comes in parts. The `Link` header points to the next part.
    """
    from chalicelib.addons.documents import invoices

    require_own(request.require_user(), promoter_id, "You can only see your own invoices.")
    year = query.year or datetime.fromtimestamp(request.now, UTC).year
    after = cursors.decode(query.cursor, r"[CIS]\d{9}") if query.cursor else None
    found, last = invoices.list_seller_invoices(promoter_id, year, query.limit, after)
    fitting = cursors.fit(map(_invoice_view, found))
    if len(fitting) < len(found):  # documents with long texts
        found = found[: len(fitting)]
        last = found[-1].position
    next_cursor = cursors.encode(last) if last else None
    if query.format == "csv":
        rows = (row for invoice in found for row in _bookkeeping_rows(invoice))
        return csv_part(query, f"invoices-{year}.csv", INVOICE_COLUMNS, rows, next_cursor)
    return Reply(PromoterInvoicesView(fitting, next_cursor))


def _invoice_view(invoice: "Invoice") -> InvoiceView:
    check = invoice.vat_check
    return InvoiceView(
        number=invoice.number,
        kind="credit_note" if invoice.is_credit_note else "invoice",
        issued_at=clock.iso(invoice.issued_at),
        paid_at=clock.iso(invoice.paid_at),
        order_id=invoice.order_id,
        order_number=invoice.order_number,
        event_id=invoice.event_id,
        event_name=invoice.event_name,
        seller=invoice.seller,
        buyer=invoice.buyer,
        vat_id_check=VatCheckView(result=check.result, at=clock.iso(check.at), reference=check.reference) if check is not None else None,
        lines=[InvoiceLineView(**asdict(line)) for line in invoice.lines],
        total_cents=invoice.total_cents,
        included_fee_cents=invoice.included_fee_cents,
        tax_cents=sum(share.tax_cents for share in invoice.taxes),
        taxes=invoice.taxes,
        currency=invoice.currency,
        corrects=invoice.corrects,
    )


def _bookkeeping_rows(invoice: "Invoice") -> Iterator[list[Cell]]:
    """Yield the lines of a document for bookkeeping: one line for each tax, and one for the rest.

    As usual in bookkeeping, amounts have no sign: an invoice debits the customer (S), and a credit note credits the customer (H). The first
    line has the fee of the whole document.
    """
    parts = [(share.gross_cents, share.percent, share.tax_cents) for share in invoice.taxes]
    rest = invoice.total_cents - sum(share.gross_cents for share in invoice.taxes)
    if rest or not parts:
        parts.append((rest, "", 0))
    buyer = invoice.buyer

    def amount(cents: int) -> str:
        return money.amount_text(abs(cents), invoice.currency)

    for number, (gross_cents, percent, tax_cents) in enumerate(parts):
        yield [
            clock.iso(invoice.issued_at)[:10],
            invoice.number,
            "credit_note" if invoice.is_credit_note else "invoice",
            invoice.corrects,
            amount(gross_cents),
            "H" if gross_cents < 0 else "S",
            invoice.currency,
            percent,
            amount(tax_cents),
            amount(gross_cents - tax_cents),
            buyer.company if buyer is not None else None,
            buyer.vat_id if buyer is not None else None,
            invoice.order_number,
            invoice.event_name,
            invoice.order_id,
            invoice.event_id,
            amount(0 if number else invoice.included_fee_cents),
            invoice.vat_check.result if invoice.vat_check is not None else None,
        ]


def _readable_order(identity: Identity, order_id: str) -> Purchase:
    """Return an order for its buyer or a manager of its event. Raises OrderNotFound for anybody else."""
    purchase = queries.load_purchase(order_id)
    if purchase is None or not (purchase.user_id == identity.user_id or permissions.may_manage(identity, purchase.event_id)):
        raise OrderNotFound()
    return purchase


def _order_receipt(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
    """Return the receipt of an order for its buyer or a manager of its event. Raises NotPaid, and OrderNotFound for anybody else."""
    from chalicelib.addons.documents.order_pages import render_receipt  # imported here because few requests make documents

    purchase = _readable_order(identity, order_id)
    if not purchase.was_order:
        raise NotPaid()
    event = catalog.find_event(purchase.event_id)
    email = queries.load_details(purchase).email
    return render_receipt(purchase, queries.load_tickets(purchase), event, find_seller(event), email, language, now)


def _order_tickets(identity: Identity, order_id: str, language: Language, now: int) -> bytes:
    """Return a PDF of the order's valid tickets that the caller owns, whether the caller bought them or received them by transfer.

    Raises OrderNotFound if the caller owns neither the order nor any of its tickets. Also raises NotPaid and NoValidTickets.
    """
    from chalicelib.addons.documents.order_pages import render_tickets

    purchase = queries.load_purchase(order_id)
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
    return render_tickets(purchase, valid, qr.symbols(valid), catalog.find_event(purchase.event_id), language, now)


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
