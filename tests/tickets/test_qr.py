"""QR codes are read back by decoders that share nothing with the code that draws them."""

import itertools
import re
from xml.etree import ElementTree

import png
import zxingcpp

from chalicelib.tickets import qr
from chalicelib.tickets.model import Ticket

TICKET = Ticket(
    id="01KB6Z5C0V8S3J5Y7N9Q2R4T6W-50",
    code="7K3MX-0QWZ9-H4TRB-V81CD",
    qr_sig="2026-key.kEPsuBIDmr0W_2IFq7uTNv3c-gE0R2YpuXHTr9nRZlE",
    purchase_id="01KB6Z5C0V8S3J5Y7N9Q2R4T6W",
    owner_id="ada",
    event_id="gala",
    tier_id="seat",
    admits=1,
    price_cents=500,
    currency="USD",
    state="valid",
    created_at=1,
)


def scanned(rows):
    """Text of the one barcode in an image of rows of brightness."""
    height, width = len(rows), len(rows[0])
    pixels = memoryview(bytes(itertools.chain.from_iterable(rows))).cast("B", (height, width))
    [found] = zxingcpp.read_barcodes(pixels)
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    return found


def drawn(document, scale=6):
    """The rows of brightness of one of our SVG documents, from its paths alone."""
    root = ElementTree.fromstring(document)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    side = int(root.get("viewBox").split()[2])
    ground, dark = root
    assert ground.get("fill") == "#fff"
    rows = [[255] * side for _ in range(side)]
    strokes = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", dark.get("d"))
    assert "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n in strokes) == dark.get("d")
    for x, y, length in ((int(part) for part in stroke) for stroke in strokes):
        rows[y][x : x + length] = [0] * length
    return [[value for value in row for _ in range(scale)] for row in rows for _ in range(scale)]


def test_the_png_is_read_back():
    width, height, rows, facts = png.Reader(bytes=qr.png(qr.modules(qr.text(TICKET)))).read()
    assert (width, facts["bitdepth"], facts["greyscale"]) == (height, 1, True)
    found = scanned([[255 * bit for bit in row] for row in rows])
    assert found.text == qr.text(TICKET)
    assert found.ec_level == "M"


def test_the_svg_is_read_back():
    assert scanned(drawn(qr.svg(qr.modules(qr.text(TICKET))))).text == qr.text(TICKET)


def test_it_is_read_with_a_torn_corner_of_its_data():
    rows = drawn(qr.svg(qr.modules(qr.text(TICKET))))
    torn = len(rows) * 5 // 8
    for row in rows[torn : torn + 24]:
        row[torn : torn + 30] = [255] * 30
    assert scanned(rows).text == qr.text(TICKET)


def test_it_has_a_quiet_zone():
    rows = qr.modules(qr.text(TICKET))
    edges = [*rows[: qr.BORDER], *rows[-qr.BORDER :], *(row[: qr.BORDER] + row[-qr.BORDER :] for row in rows)]
    assert not any(itertools.chain.from_iterable(edges))


def test_the_text_is_all_that_a_scanner_needs():
    assert qr.text(TICKET).split(":") == ["FG1", TICKET.id, TICKET.code, TICKET.qr_sig]


def test_both_stay_small():
    rows = qr.modules(qr.text(TICKET))
    assert len(qr.svg(rows)) < 8_000
    assert len(qr.png(rows)) < 1_000
