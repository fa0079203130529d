"""QR codes can be read by independent decoders."""

import itertools
import re
from xml.etree import ElementTree

import png
import zxingcpp
from msgspec.structs import replace

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


def scan(rows):
    """The barcode in an image, which is given as rows of brightness (0 to 255)."""
    height, width = len(rows), len(rows[0])
    pixels = memoryview(bytes(itertools.chain.from_iterable(rows))).cast("B", (height, width))
    [barcode] = zxingcpp.read_barcodes(pixels)
    assert barcode.format == zxingcpp.BarcodeFormat.QRCode
    return barcode


def rasterize(document, scale=6):
    """The rows of brightness of an SVG document that consists of our two paths."""
    root = ElementTree.fromstring(document)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    side = int(root.get("viewBox").split()[2])
    background, dark = root
    assert background.get("fill") == "#fff"
    rows = [[255] * side for _ in range(side)]
    rectangles = re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", dark.get("d"))
    assert "".join(f"M{x} {y}h{n}v1h-{n}z" for x, y, n in rectangles) == dark.get("d")
    for x, y, length in ((int(part) for part in rectangle) for rectangle in rectangles):
        rows[y][x : x + length] = [0] * length
    return [[value for value in row for _ in range(scale)] for row in rows for _ in range(scale)]


def test_the_png_can_be_scanned():
    width, height, rows, info = png.Reader(bytes=qr.png(qr.modules(qr.text(TICKET)))).read()
    assert (width, info["bitdepth"], info["greyscale"]) == (height, 1, True)
    barcode = scan([[255 * bit for bit in row] for row in rows])
    assert barcode.text == qr.text(TICKET)
    assert barcode.ec_level == "M"


def test_the_svg_can_be_scanned():
    assert scan(rasterize(qr.svg(qr.modules(qr.text(TICKET))))).text == qr.text(TICKET)


def test_a_damaged_code_can_still_be_scanned():
    rows = rasterize(qr.svg(qr.modules(qr.text(TICKET))))
    damaged = len(rows) * 5 // 8
    for row in rows[damaged : damaged + 24]:
        row[damaged : damaged + 30] = [255] * 30
    assert scan(rows).text == qr.text(TICKET)


def test_the_border_is_light():
    rows = qr.modules(qr.text(TICKET))
    edges = [*rows[: qr.BORDER], *rows[-qr.BORDER :], *(row[: qr.BORDER] + row[-qr.BORDER :] for row in rows)]
    assert not any(itertools.chain.from_iterable(edges))


def test_the_text_has_prefix_id_code_and_signature():
    assert qr.text(TICKET).split(":") == ["FG1", TICKET.id, TICKET.code, TICKET.qr_sig]


def test_both_images_are_small():
    rows = qr.modules(qr.text(TICKET))
    assert len(qr.svg(rows)) < 7 * 1024
    assert len(qr.png(rows)) < 1_000


def test_the_text_has_about_100_characters():
    text = qr.text(replace(TICKET, id=TICKET.id.replace("-50", "-1"), qr_sig=TICKET.qr_sig.replace("2026-key", "k1")))
    assert round(len(text), -1) == 100
