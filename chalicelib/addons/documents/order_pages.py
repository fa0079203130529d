"""The documents of an order as PDFs: its receipt, its tickets and its invoices. Also the statements of events."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from chalicelib.addons.documents import electronic
from chalicelib.addons.documents.pages import BOTTOM, LEFT, RIGHT, Cell, Pages
from chalicelib.addons.documents.shaping import Weight
from chalicelib.addons.documents.wording import Wording, wording_in
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, timezone_of
from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.foundation.money import TaxShare
from chalicelib.ledger.model import StatementTotals
from chalicelib.promoters.service import Seller
from chalicelib.purchases.model import Purchase, Refund
from chalicelib.tickets import qr
from chalicelib.tickets.model import Ticket, order_number

if TYPE_CHECKING:
    from chalicelib.addons.documents.invoices import Invoice

_UNIT_RIGHT = 440.0  # right edge of the price column
_LABEL_RIGHT = 130.0
_ITEM_RIGHT = 350.0

QR_SIDE = 220.0
_DETAILS_LEFT = LEFT + QR_SIDE + 20
_SEAT_SIZE = 8.0
_SEAT_COLUMNS, _COLUMN_GAP = 3, 12.0  # so that a ticket with 100 seats fits on its page


def render_receipt(
    purchase: Purchase,
    tickets: Sequence[Ticket],
    event: Event | None,
    seller: Seller,
    buyer: str | None,
    language: Language,
    now: int,
) -> bytes:
    """Return the receipt of a paid purchase as a PDF. `buyer` is the email address from the checkout, if the buyer gave one.

    `event` is None if the catalog no longer has the event. `now` is the time of issue in epoch seconds.
    """
    words = wording_in(language)
    timezone = timezone_of(event)
    pages = Pages(f"{words.receipt} {order_number(purchase.id, event)}", language, now)
    pages.write(Cell(words.receipt, size=22, weight="bold"), gap=8)
    for label, text in _receipt_details(words, purchase, event, seller, buyer, timezone):
        pages.write(Cell(label, right=_LABEL_RIGHT), Cell(text, left=_LABEL_RIGHT + 10), gap=2)
    pages.top += 14
    _write_lines(pages, words, purchase)
    _write_returns(pages, words, purchase, timezone)
    pages.top += 12
    for note in _notes(words, purchase, tickets):
        pages.write(Cell(note), gap=2)
    pages.write(Cell(words.issued_at.format(moment=words.time(now, timezone)), size=8))
    return pages.finish()


def render_invoice(invoice: "Invoice") -> bytes:
    """Return an invoice or a credit note as a PDF in its own language and, if no required term is missing, as an electronic invoice.

    Rendering a document again gives the same pages and terms, but an electronic invoice records the time at which its file was made.
    """
    words = wording_in(invoice.language)
    title = words.credit_note if invoice.is_credit_note else words.invoice
    pages = Pages(f"{title} {invoice.number}", invoice.language, invoice.issued_at)
    pages.write(Cell(title, size=22, weight="bold"), gap=8)
    for label, text in _invoice_details(words, invoice):
        pages.write(Cell(label, right=_LABEL_RIGHT), Cell(text, left=_LABEL_RIGHT + 10), gap=2)
    pages.top += 14
    _write_row(pages, words.item, words.price if invoice.lines else "", words.total, is_bold=True)
    pages.rule()
    for line in invoice.lines:
        price = words.amount(line.price_cents, invoice.currency)
        total = words.amount(line.quantity * line.price_cents, invoice.currency)
        _write_row(pages, f"{line.quantity} × {line.text}", price, total)
    if discount := sum(line.discount_cents for line in invoice.lines):
        _write_row(pages, words.invoice_discount, "", words.amount(-discount, invoice.currency))
    if invoice.corrects is not None:
        cause = words.corrections[invoice.cause].format(day=words.day(invoice.paid_at, invoice.timezone))
        _write_row(pages, cause, "", words.amount(invoice.total_cents, invoice.currency))
    pages.rule()
    if invoice.taxes:
        net = invoice.total_cents - sum(share.tax_cents for share in invoice.taxes)
        _write_row(pages, words.without_tax, "", words.amount(net, invoice.currency))
        for share in invoice.taxes:
            label = words.tax_of_sales.format(tax=words.tax(share), gross=words.amount(share.gross_cents, invoice.currency))
            _write_row(pages, label, "", words.amount(share.tax_cents, invoice.currency))
    _write_row(pages, words.total, "", words.amount(invoice.total_cents, invoice.currency), is_bold=True)
    _write_included(pages, words, invoice.included_fee_cents, [], invoice.currency)
    pages.top += 12
    if invoice.corrects is None:
        pages.write(Cell(words.paid_on.format(day=words.day(invoice.paid_at, invoice.timezone))), gap=2)
    content = pages.finish()
    return content if electronic.missing_terms(invoice) else electronic.attach_terms(invoice, content)


def render_statement(totals: Sequence[StatementTotals], event: Event, seller: Seller, language: Language, now: int) -> bytes:
    """Return the statement of an event as a PDF: for each account, its sales, refunds, disputes and fees, and the remainder."""
    words = wording_in(language)
    pages = Pages(f"{words.statement} {event.name}", language, now)
    pages.write(Cell(words.statement, size=22, weight="bold"), gap=8)
    details = {words.event: "\n".join((event.name, *words.times(event), event.place)), words.seller: seller.name}
    for label, text in details.items():
        pages.write(Cell(label, right=_LABEL_RIGHT), Cell(text, left=_LABEL_RIGHT + 10), gap=2)
    for found in totals:
        pages.top += 14
        name = found.provider.replace("_", " ").capitalize()
        account = found.account or (words.promoter_account if found.provider == "bank_transfer" else words.shop_account)
        pages.write(Cell(f"{name} {account}, {found.currency}", weight="bold"), gap=3)
        pages.rule()
        amounts = (found.captured_cents, -found.refunded_cents, -found.disputed_cents, -found.fee_cents)
        for label, cents in zip(words.statement_lines, amounts, strict=True):
            _write_row(pages, label, "", words.amount(cents, found.currency))
        pages.rule()
        _write_row(pages, words.net, "", words.amount(found.net_cents, found.currency), is_bold=True)
        if found.included_fee_cents:
            _write_row(pages, words.fee_of_sales, "", words.amount(found.included_fee_cents, found.currency))
        for share in found.taxes:
            label = words.tax_of_sales.format(tax=words.tax(share), gross=words.amount(share.gross_cents, found.currency))
            _write_row(pages, label, "", words.amount(share.tax_cents, found.currency))
    pages.top += 12
    pages.write(Cell(words.statement_note if totals else words.no_money), gap=2)
    pages.write(Cell(words.issued_at.format(moment=words.time(now, event.timezone)), size=8))
    return pages.finish()


def _invoice_details(words: Wording, invoice: "Invoice") -> Iterator[tuple[str, str]]:
    seller, buyer = invoice.seller, invoice.buyer
    yield words.number, invoice.number
    yield words.paid_at, words.day(invoice.issued_at, "UTC")  # in UTC, so that the date and the number have the same year
    if invoice.corrects is not None:
        yield words.corrects, invoice.corrects
    yield words.seller, f"{seller.name}\n{seller.address}\n{words.tax_id.format(number=seller.tax_id)}"
    if buyer is not None:
        vat_id = f"\n{words.vat_id.format(number=buyer.vat_id)}" if buyer.vat_id is not None else ""
        yield words.buyer, f"{buyer.company}\n{buyer.address}{vat_id}"
    begin = f"\n{words.day(invoice.starts_at, invoice.timezone)}" if invoice.starts_at else ""
    yield words.event, f"{invoice.event_name}{begin}"
    yield words.order_label, invoice.order_number


def _receipt_details(
    words: Wording, purchase: Purchase, event: Event | None, seller: Seller, buyer: str | None, timezone: str
) -> Iterator[tuple[str, str]]:
    yield words.number, order_number(purchase.id, event)
    yield words.paid_at, words.time(purchase.ended_at or purchase.created_at, timezone)
    yield words.seller, f"{seller.name}\n{seller.contact}"
    if buyer:
        yield words.buyer, buyer
    if event is None:
        yield words.event, purchase.event_id
    else:
        event = event.in_language(words.language)
        valid_for = catalog.snapshot().narrow(event, [line.tier_id for line in purchase.lines])
        yield words.event, "\n".join((event.name, *words.times(valid_for), valid_for.place))


def _write_lines(pages: Pages, words: Wording, purchase: Purchase) -> None:
    """Write the order's lines with their prices, the discount, and the total."""
    _write_row(pages, words.item, words.price, words.total, is_bold=True)
    pages.rule()
    for line in purchase.lines:
        price = words.amount(line.price_cents, purchase.currency)
        total = words.amount(line.quantity * line.price_cents, purchase.currency)
        _write_row(pages, f"{line.quantity} × {catalog.tier_name(line.tier_id, line.tier_name, words.language)}", price, total)
    pages.rule()
    if purchase.discount_cents:
        off = words.amount(-purchase.discount_cents, purchase.currency)
        _write_row(pages, words.discount.format(code=purchase.promo_code or ""), "", off)
    _write_row(pages, words.total, "", words.amount(purchase.total_cents, purchase.currency), is_bold=True)
    _write_included(pages, words, purchase.included_fee_cents, purchase.taxes, purchase.currency)


def _write_returns(pages: Pages, words: Wording, purchase: Purchase, timezone: str) -> None:
    """Write refunds, lost disputes and the remaining amount. Leaves out refunds of a second payment: the receipt is for the first one."""
    payment_id = purchase.payment.payment_intent_id if purchase.payment is not None else None
    refunds = [refund for refund in purchase.refunds if refund.payment_intent_id == payment_id]
    lost = [dispute for dispute in purchase.disputes if dispute.status == "lost" and purchase.is_own_payment(dispute.payment_intent_id)]
    remaining_cents = purchase.total_cents
    for refund in refunds:
        cents = 0 if refund.status == "failed" else refund.amount_cents
        remaining_cents -= cents
        _write_row(pages, _refund_text(words, refund, timezone), "", words.amount(-cents, refund.currency))
    for dispute in lost:
        remaining_cents -= dispute.amount_cents
        _write_row(
            pages, words.dispute.format(day=words.day(dispute.at, timezone)), "", words.amount(-dispute.amount_cents, dispute.currency)
        )
    if refunds or lost:
        _write_row(pages, words.left, "", words.amount(remaining_cents, purchase.currency), is_bold=True)
        taxes = [
            share for share in purchase.kept_taxes if share.gross_cents >= 0
        ]  # a tax can be negative if a due refund counts in addition to a dispute
        _write_included(pages, words, max(0, purchase.kept_included_fee_cents), taxes, purchase.currency)


def _write_included(pages: Pages, words: Wording, fee_cents: int, taxes: Sequence[TaxShare], currency: str) -> None:
    """Write the fee and the taxes that an amount includes."""
    if fee_cents:
        _write_row(pages, words.includes_fee, "", words.amount(fee_cents, currency))
    for share in taxes:
        _write_row(pages, words.tax(share), "", words.amount(share.tax_cents, currency))


def _refund_text(words: Wording, refund: Refund, timezone: str) -> str:
    text = words.refund.format(day=words.day(refund.at, timezone), state=words.refund_states[refund.status])
    if not refund.fee_cents:
        return text
    return f"{text}; {words.fee_kept.format(amount=words.amount(refund.fee_cents, refund.currency))}"


def _notes(words: Wording, purchase: Purchase, tickets: Sequence[Ticket]) -> Iterator[str]:
    payment = purchase.payment
    if payment is not None:
        yield words.payments.get("free" if purchase.total_cents == 0 else payment.provider, words.paid)
        if payment.payment_intent_id is not None:
            yield words.reference.format(reference=payment.payment_intent_id)
    numbers = [number for ticket in tickets if (number := seat_numbers(ticket))]
    if numbers:
        yield words.ticket_numbers.format(numbers=", ".join(numbers))


def _write_row(pages: Pages, item: str, price: str, total: str, *, is_bold: bool = False) -> None:
    weight: Weight = "bold" if is_bold else "regular"
    item_right = _ITEM_RIGHT if price else _UNIT_RIGHT
    pages.write(
        Cell(item, LEFT, item_right, weight=weight),
        Cell(price, item_right, _UNIT_RIGHT, weight=weight, align="right"),
        Cell(total, _UNIT_RIGHT, weight=weight, align="right"),
        gap=3,
    )


# Tickets.


def render_tickets(
    purchase: Purchase, tickets: Sequence[Ticket], symbols: Mapping[str, qr.Modules], event: Event | None, language: Language, now: int
) -> bytes:
    """Return a PDF of tickets with their codes. Pass only valid tickets of one owner, and give the file only to that owner.

    `symbols` has the QR symbol of each ticket's code, by ticket id. `event` is None if the catalog no longer has the event. `now` is the
    time of issue in epoch seconds.
    """
    words = wording_in(language)
    event = event.in_language(language) if event is not None else None
    name = event.name if event is not None else purchase.event_id
    pages = Pages(f"{words.tickets}: {name}", language, now)
    for number, ticket in enumerate(tickets):
        if number:
            pages.turn_page()
        _write_ticket(pages, words, purchase, ticket, symbols[ticket.id], event)
    return pages.finish()


def _write_ticket(pages: Pages, words: Wording, purchase: Purchase, ticket: Ticket, symbol: qr.Modules, event: Event | None) -> None:
    pages.draw_band(settings.current().shop_name)
    pages.write(Cell(event.name if event is not None else ticket.event_id, size=22, weight="bold", max_lines=2), gap=4)
    if event is not None:
        valid_for = catalog.snapshot().narrow(event, [ticket.tier_id])
        for time in words.times(valid_for):
            pages.write(Cell(time, size=12, weight="bold", max_lines=1), gap=2)
        if len(valid_for.dates) < 2 and (doors_and_end := words.doors_and_end(valid_for)):
            pages.write(Cell(doors_and_end, size=11, max_lines=1), gap=2)
        pages.write(Cell(valid_for.place, size=11, max_lines=2))
    pages.top += 14
    beside = pages.top
    pages.draw_modules(symbol, LEFT, QR_SIDE)
    pages.top += 16
    for cell in _ticket_details(words, purchase, ticket):
        pages.write(cell, gap=5)
    pages.top = max(beside + QR_SIDE, pages.top) + 8
    pages.write(Cell(words.warning, max_lines=1), gap=4)
    pages.write(Cell(words.order.format(order=order_number(purchase.id, event)), size=8), gap=10)
    if ticket.admits > 1:
        _write_seats(pages, words, ticket)


def _ticket_details(words: Wording, purchase: Purchase, ticket: Ticket) -> list[Cell]:
    """Return the texts beside the QR code."""
    line = purchase.ticket_line(ticket.number)
    admits = words.admits_one if ticket.admits == 1 else words.admits.format(count=ticket.admits)
    number = seat_numbers(ticket)
    attendee = words.attendee.format(name=ticket.attendee.name) if ticket.attendee is not None else None
    lines = [
        Cell(catalog.tier_name(line.tier_id, line.tier_name, words.language), size=15, weight="bold", max_lines=2),
        *([Cell(number, size=13, max_lines=1)] if number else []),
        *([Cell(attendee, size=12, max_lines=2)] if attendee else []),
        Cell(admits, size=11, max_lines=1),
        Cell(words.ticket_of.format(number=ticket.number, count=purchase.quantity), size=11, max_lines=1),
        Cell(words.code, size=8, max_lines=1),
        Cell(ticket.code, size=12, weight="bold", max_lines=3),
    ]
    return [Cell(line.text, _DETAILS_LEFT, RIGHT, line.size, line.weight, max_lines=line.max_lines) for line in lines]


def seat_numbers(ticket: Ticket) -> str:
    """Return the number of the ticket's seat, or the first and last number of its seats. Returns "" before numbers are assigned."""
    first, last = ticket.seat_number(1), ticket.seat_number(ticket.admits)
    if first is None or last is None:
        return ""
    return first if first == last else f"{first} – {last}"


def _write_seats(pages: Pages, words: Wording, ticket: Ticket) -> None:
    """Write the seats with the names of their guests, column by column."""
    pages.rule()
    pages.write(Cell(words.seats, size=11, weight="bold", max_lines=1), gap=4)
    top = pages.top
    width = (RIGHT - LEFT + _COLUMN_GAP) / _SEAT_COLUMNS
    rows = -(-ticket.admits // _SEAT_COLUMNS)
    pitch = min(12.0, (BOTTOM - top) / rows)
    for seat in range(1, ticket.admits + 1):
        guest = ticket.guest_of(seat)
        label = ticket.seat_number(seat) or words.seat.format(seat=seat)
        text = f"{label}  {guest.name}" if guest is not None and guest.name else label
        column, row = divmod(seat - 1, rows)
        left = LEFT + column * width
        pages.top = top + row * pitch
        pages.write(Cell(text, left, left + width - _COLUMN_GAP, min(_SEAT_SIZE, pitch / 1.35), max_lines=1))
    pages.top = top + rows * pitch
