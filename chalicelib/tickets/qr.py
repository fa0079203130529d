"""The QR code of a ticket: its text, and its image as SVG and PNG.

The images are drawn here from the modules (the dark and light squares) of the symbol. The library's image classes are not used, because
they need Pillow or pypng for PNG, and their SVG is eight times as large (one subpath for each dark module).
"""

import struct
import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import Literal, NamedTuple

from msgspec import Struct

from chalicelib.edge.routes import Reply, RequestContext, etag_matches
from chalicelib.tickets import signature
from chalicelib.tickets.model import Guest, Ticket, TicketFrozen, TicketVoid, seat_id

PREFIX = "FG1"
ROTATING_PREFIX = "FG2"
BORDER = 4  # modules of quiet zone on each side, as ISO/IEC 18004 requires
PNG_SCALE = 8  # pixels per side of a module

Modules = list[list[bool]]


class ScannedText(NamedTuple):
    """The parts of a scanned QR code. None of them is verified.

    A rotating code has the fixed part as its `code`, and a one-time `password` instead of a signature.
    """

    ticket_id: str
    code: str
    qr_sig: str | None = None
    password: str | None = None


def text(ticket: Ticket) -> str:
    """Return the text in the QR code: `FG1:<id>:<code>:<qr_sig>`. The signature also covers the event, which the scanner knows."""
    return f"{PREFIX}:{ticket.id}:{ticket.code}:{ticket.qr_sig}"


def guest_text(ticket: Ticket, guest: Guest) -> str:
    """Return the text in the QR code of a guest, which has the seat's id instead of the ticket's id."""
    return f"{PREFIX}:{seat_id(ticket.id, guest.seat)}:{guest.code}:{guest.qr_sig}"


def rotating_text(ticket: Ticket, password: str) -> str:
    """Return the text of a ticket's rotating code, `FG2:<id>:<fixed part>:<password>`. Wallets replace a placeholder with the password."""
    return f"{ROTATING_PREFIX}:{ticket.id}:{signature.wallet_fixed_part(ticket.code, ticket.qr_sig)}:{password}"


def parse_ticket_text(text: str) -> ScannedText | None:
    """Return the parts of a QR code's text, or None if the text is not in the format of a ticket."""
    prefix, _, rest = text.strip().partition(":")
    ticket_id, _, rest = rest.partition(":")
    code, _, last = rest.rpartition(":")  # an imported code may contain colons
    if not ticket_id or not code or prefix not in (PREFIX, ROTATING_PREFIX):
        return None
    return ScannedText(ticket_id, code, qr_sig=last) if prefix == PREFIX else ScannedText(ticket_id, code, password=last)


def modules(text: str) -> Modules:
    """Return the modules of the smallest QR symbol that fits, with its quiet zone. True means dark. The error correction level is M."""
    import qrcode

    symbol = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=BORDER)
    symbol.add_data(text)
    symbol.make(fit=True)
    rows: Modules = symbol.get_matrix()
    return rows


def symbols(tickets: Iterable[Ticket]) -> dict[str, Modules]:
    """Return the modules of each ticket's code, by ticket id. A symbol takes milliseconds, so draw it only once for an image and a PDF."""
    return {ticket.id: modules(text(ticket)) for ticket in tickets}


def svg(rows: Modules) -> bytes:
    """Return an SVG document with one unit per module: a white background, and one path with a rectangle for each run of dark modules."""
    size = len(rows)
    path = "".join(f"M{x} {y}h{length}v1h-{length}z" for y, row in enumerate(rows) for x, length in runs(row))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/><path d="{path}"/></svg>'
    ).encode()


def ticket_svg(ticket: Ticket) -> str | None:
    """Return the QR code of a ticket as an SVG document. Returns None for a void or frozen ticket."""
    return svg(modules(text(ticket))).decode() if ticket.is_admissible else None


def png(rows: Modules) -> bytes:
    """Return a PNG (https://www.w3.org/TR/png-3/) with one bit per pixel. Each module is PNG_SCALE pixels wide and high."""
    side = len(rows) * PNG_SCALE
    lines = b"".join(_line(row) * PNG_SCALE for row in rows)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # 1 bit, greyscale, not interlaced
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")


def runs(row: list[bool]) -> list[tuple[int, int]]:
    """Return the runs of dark modules in a row, as (start, length)."""
    edges = [x for x, (before, here) in enumerate(zip([False, *row], [*row, False], strict=True)) if before != here]
    return [(start, end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _line(row: list[bool]) -> bytes:
    """Return a line of pixels after its filter byte (0 means no filter). Each module is PNG_SCALE bits wide, so one byte. White is 1."""
    return b"\x00" + bytes(0x00 if dark else 0xFF for dark in row)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# Replies with a QR code as an image.

ImageFormat = Literal["svg", "png"]

QR_TYPES: dict[ImageFormat, str] = {"svg": "image/svg+xml", "png": "image/png"}
QR_MEDIA_TYPES = tuple(QR_TYPES.values())
QR_HEADERS = {"Cache-Control": "private, no-store", "Vary": "Accept"}


class QrQuery(Struct, forbid_unknown_fields=True):
    """`format` is the image format. Without a `format`, the `Accept` header decides."""

    format: ImageFormat | None = None


def qr_reply(request: RequestContext, query: QrQuery, ticket: Ticket, text: str) -> Reply[str | bytes]:
    """Return the image of a ticket's QR code. Raises TicketVoid or TicketFrozen if the ticket is void or frozen."""
    if not ticket.is_admissible:
        raise TicketVoid() if ticket.state == "void" else TicketFrozen()
    return image_reply(request, query, text)


def image_reply(request: RequestContext, query: QrQuery, text: str) -> Reply[str | bytes]:
    """Return the image of a QR code with this text, or 304 if the client already has the image."""
    image_format = query.format or _accepted_format(request)
    etag = f'"{image_format}-{sha256(text.encode()).hexdigest()[:32]}"'
    headers = {**QR_HEADERS, "ETag": etag}
    if etag_matches(request.header("if-none-match"), etag):
        return Reply("", 304, headers)
    render = svg if image_format == "svg" else png
    return Reply(render(modules(text)), 200, {**headers, "Content-Type": QR_TYPES[image_format]})


def _accepted_format(request: RequestContext) -> ImageFormat:
    """Return the image type that the `Accept` header names first, or SVG if it names none."""
    accept = request.header("accept") or ""
    accepted = {accept.find(media_type): name for name, media_type in QR_TYPES.items() if media_type in accept}
    return accepted[min(accepted)] if accepted else "svg"
