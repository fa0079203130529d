"""The tickets of an order as a PDF, with one page for each ticket."""

from collections.abc import Mapping, Sequence

from chalicelib.addons.documents.pages import BOTTOM, LEFT, RIGHT, Cell, Pages
from chalicelib.addons.documents.wording import Wording, wording_in
from chalicelib.catalog.model import Event
from chalicelib.edge.languages import Language
from chalicelib.foundation import settings
from chalicelib.purchases.model import Purchase
from chalicelib.tickets import qr
from chalicelib.tickets.model import Ticket, order_number

QR_SIDE = 220.0
_FACTS_LEFT = LEFT + QR_SIDE + 20
_SEAT_SIZE = 8.0
_SEAT_COLUMNS, _COLUMN_GAP = 3, 12.0  # so that a ticket with 100 seats fits on its page


def render_tickets(
    purchase: Purchase, tickets: Sequence[Ticket], symbols: Mapping[str, qr.Modules], event: Event | None, language: Language, now: int
) -> bytes:
    """Return a PDF of tickets with their codes. Pass only valid tickets of one owner, and give the file only to that owner.

    `symbols` has the symbol of each ticket's code, by ticket id. `event` is None if the catalog no longer has the event. `now` is the time
    of issue in epoch seconds.
    """
    words = wording_in(language)
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
        pages.write(Cell(words.time(event.starts_at, event.timezone), size=12, weight="bold", max_lines=1), gap=2)
        if doors_and_end := words.doors_and_end(event):
            pages.write(Cell(doors_and_end, size=11, max_lines=1), gap=2)
        pages.write(Cell(event.place, size=11, max_lines=2))
    pages.top += 14
    beside = pages.top
    pages.draw_modules(symbol, LEFT, QR_SIDE)
    pages.top += 16
    for cell in _facts(words, purchase, ticket):
        pages.write(cell, gap=5)
    pages.top = max(beside + QR_SIDE, pages.top) + 8
    pages.write(Cell(words.warning, max_lines=1), gap=4)
    pages.write(Cell(words.order.format(order=order_number(purchase.id, event)), size=8), gap=10)
    if ticket.admits > 1:
        _write_seats(pages, words, ticket)


def _facts(words: Wording, purchase: Purchase, ticket: Ticket) -> list[Cell]:
    """Return the texts beside the QR code."""
    admits = words.admits_one if ticket.admits == 1 else words.admits.format(count=ticket.admits)
    number = seat_numbers(ticket)
    attendee = words.attendee.format(name=ticket.attendee.name) if ticket.attendee is not None else None
    lines = [
        Cell(purchase.ticket_line(ticket.number).tier_name, size=15, weight="bold", max_lines=2),
        *([Cell(number, size=13, max_lines=1)] if number else []),
        *([Cell(attendee, size=12, max_lines=2)] if attendee else []),
        Cell(admits, size=11, max_lines=1),
        Cell(words.ticket_of.format(number=ticket.number, count=purchase.quantity), size=11, max_lines=1),
        Cell(words.code, size=8, max_lines=1),
        Cell(ticket.code, size=12, weight="bold", max_lines=3),
    ]
    return [Cell(line.text, _FACTS_LEFT, RIGHT, line.size, line.weight, max_lines=line.max_lines) for line in lines]


def seat_numbers(ticket: Ticket) -> str:
    """Return the number of the ticket's seat, or the first and last numbers of its seats. Returns "" before numbers are assigned."""
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
