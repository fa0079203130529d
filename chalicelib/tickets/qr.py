"""The QR code of a ticket: its text, and how it is drawn.

Drawn here from the symbol's modules instead of with the library's image classes: they need Pillow or pypng for PNG, and their
SVG is eight times as large (one subpath for each dark module).
"""

import struct
import zlib

from chalicelib.tickets.model import Ticket

PREFIX = "FG1"
BORDER = 4  # modules of quiet zone on each side, as ISO/IEC 18004 asks
PNG_SCALE = 8  # pixels of a module's side

Modules = list[list[bool]]


def text(ticket: Ticket) -> str:
    """What a scanner reads: `FG1:<id>:<code>:<qr_sig>`. It knows the event, which the signature covers too."""
    return f"{PREFIX}:{ticket.id}:{ticket.code}:{ticket.qr_sig}"


def modules(content: str) -> Modules:
    """The symbol with its quiet zone, True where it is dark; error correction M, the smallest version that fits."""
    import qrcode

    symbol = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=BORDER)
    symbol.add_data(content)
    symbol.make(fit=True)
    rows: Modules = symbol.get_matrix()
    return rows


def svg(rows: Modules) -> bytes:
    """An SVG document of one unit per module: white ground, and a path of one stroke for each run of dark modules."""
    size = len(rows)
    path = "".join(f"M{x} {y}h{length}v1h-{length}z" for y, row in enumerate(rows) for x, length in _runs(row))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/><path d="{path}"/></svg>'
    ).encode()


def png(rows: Modules) -> bytes:
    """A PNG of one bit per pixel (https://www.w3.org/TR/png-3/), PNG_SCALE pixels per module."""
    side = len(rows) * PNG_SCALE
    lines = b"".join(_line(row) * PNG_SCALE for row in rows)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # 1 bit, greyscale, not interlaced
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 9)) + _chunk(b"IEND", b"")


def _runs(row: list[bool]) -> list[tuple[int, int]]:
    """(start, length) of each run of dark modules."""
    edges = [x for x, (before, here) in enumerate(zip([False, *row], [*row, False], strict=True)) if before != here]
    return [(start, end - start) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def _line(row: list[bool]) -> bytes:
    """One line of pixels after its filter byte. A module is PNG_SCALE = 8 bits wide, so one byte; white is 1."""
    return b"\x00" + bytes(0x00 if dark else 0xFF for dark in row)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
