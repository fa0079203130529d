"""Write a PDF of A4 pages from top to bottom. Lengths are points (1/72 inch) from the left and from the top.

The same content and time always give the same bytes: the only time in the file is `now`.
"""

import io
import struct
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from chalicelib.addons.documents import shaping
from chalicelib.addons.documents.shaping import Cluster, FontName, Glyph, Run, Weight, drawable, width
from chalicelib.foundation import clock
from chalicelib.tickets import qr
from chalicelib.tickets.qr import Modules

WIDTH, HEIGHT = 595.0, 842.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 539.0, 56.0, 786.0

BAND_HEIGHT, BAND_COLOR = 34.0, "#b32b19"  # the color of the shop's pages and emails

LINE_HEIGHT = 1.3  # times the font size
CUT = "…"  # ends text that is cut off

Point = tuple[float, float]


class Cell(Struct, frozen=True):
    """Text between `left` and `right`, in as many lines as needed, but at most `max_lines`."""

    text: str
    left: float = LEFT
    right: float = RIGHT
    size: float = 10
    weight: Weight = "regular"
    align: Literal["left", "right"] = "left"
    max_lines: int | None = None


class Line(NamedTuple):
    """A line of a paragraph, and whether the paragraph is read from right to left."""

    text: str
    from_the_right: bool


class Pages:
    """A PDF that is being written. The next row begins at `top`.

    Only `finish` draws the content, because the numbers of the glyphs in the embedded fonts are not known before.
    """

    def __init__(self, title: str, language: str, now: int) -> None:
        from reportlab.pdfbase import pdfmetrics  # imported here, because few requests make documents
        from reportlab.pdfgen.canvas import Canvas

        self._file = io.BytesIO()
        pdfmetrics.registerFont(_InitialFont())
        self._canvas: Any = Canvas(
            self._file, pagesize=(WIDTH, HEIGHT), pageCompression=1, invariant=1, lang=language, initialFontName=_InitialFont.fontName
        )
        self._canvas.setTitle(title)
        self._canvas.setCreator("Fairgate")
        self._canvas.setProducer("Fairgate")
        stamp = clock.iso(now).translate(str.maketrans("", "", "-:TZ"))
        self._canvas.setDateFormatter(lambda *_: f"D:{stamp}+00'00'")
        self._steps: list[Callable[[], object]] = []
        self._fonts: dict[FontName, EmbeddedFont] = {}
        self.top = TOP

    def write(self, *cells: Cell, gap: float = 0) -> None:
        """Write a row of cells side by side, on a new page if the page is full. `gap` is the space below the row."""
        wrapped = [(cell, _lines(cell)) for cell in cells]
        height = max(len(lines) * cell.size * LINE_HEIGHT for cell, lines in wrapped)
        if self.top + height > BOTTOM and self.top > TOP:
            self.turn_page()
        for cell, lines in wrapped:
            for number, line in enumerate(lines):
                self._write_line(line, cell, self.top + number * cell.size * LINE_HEIGHT)
        self.top += height + gap

    def _write_line(self, line: Line, cell: Cell, top: float) -> None:
        left = cell.left if cell.align == "left" else cell.right - _width(line.text, cell)
        for run in shaping.runs(line.text, cell.weight, from_the_right=line.from_the_right):
            font = self._fonts.setdefault(run.font, EmbeddedFont(run.font, len(self._fonts)))
            self._steps.append(font.drawing(run, left, HEIGHT - top - cell.size, cell.size, self._canvas))
            left += run.width * cell.size / 1000

    def draw_band(self, text: str) -> None:
        """Draw a band in the shop's color with white text across the top of the page, without moving `top`."""
        cell = Cell(text, size=11, weight="bold", max_lines=1)
        canvas = self._canvas
        self._steps.append(lambda: canvas.setFillColor(BAND_COLOR))
        self._steps.append(lambda: canvas.rect(0, HEIGHT - BAND_HEIGHT, WIDTH, BAND_HEIGHT, stroke=0, fill=1))
        self._steps.append(lambda: canvas.setFillColor("#ffffff"))
        self._write_line(_lines(cell)[0], cell, (BAND_HEIGHT - cell.size * LINE_HEIGHT) / 2)
        self._steps.append(lambda: canvas.setFillColor("#000000"))

    def rule(self) -> None:
        """Draw a thin line across the page."""
        canvas, height = self._canvas, HEIGHT - self.top
        self._steps.append(lambda: canvas.setLineWidth(0.5))
        self._steps.append(lambda: canvas.line(LEFT, height, RIGHT, height))
        self.top += 6

    def draw_modules(self, modules: Modules, left: float, side: float) -> None:
        """Draw a QR symbol with its quiet zone as a square at `top`, without moving `top`."""
        canvas, unit = self._canvas, side / len(modules)
        # ReportLab's paths format each number slowly. Here the modules are the unit, so all numbers are integers.
        squares = " ".join(f"{column} {row} {length} 1 re" for row, line in enumerate(modules) for column, length in qr.runs(line))
        placed = f"q {unit:.5f} 0 0 {-unit:.5f} {left:.3f} {HEIGHT - self.top:.3f} cm {squares} f Q"
        self._steps.append(lambda: canvas.addLiteral(placed))

    def turn_page(self) -> None:
        """Go to the top of a new page."""
        self._steps.append(self._canvas.showPage)
        self.top = TOP

    def finish(self) -> bytes:
        """Return the content of the file. Nothing can be written afterwards."""
        for font in self._fonts.values():
            font.embed(self._canvas._doc)
        for step in self._steps:
            step()
        self._canvas.save()
        return self._file.getvalue()


def _lines(cell: Cell) -> list[Line]:
    """Break the text into lines that fit between `left` and `right`. Text that is cut off ends with an ellipsis."""
    width = cell.right - cell.left
    lines: list[Line] = []
    for paragraph in drawable(cell.text).split("\n"):
        from_the_right = shaping.reads_from_the_right(paragraph)
        lines += [Line(line, from_the_right) for line in _wrap_words(paragraph.split(), cell, width)]
    lines = lines or [Line("", from_the_right=False)]
    if cell.max_lines is None or len(lines) <= cell.max_lines:
        return lines
    last, from_the_right = lines[cell.max_lines - 1]
    while last and _width(last + CUT, cell) > width:
        last = last[:-1]
    return [*lines[: cell.max_lines - 1], Line(last + CUT, from_the_right)]


def _wrap_words(words: Sequence[str], cell: Cell, width: float) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in words:
        if line and _width(f"{line} {word}", cell) <= width:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        line = word
        while len(line) > 1 and _width(line, cell) > width:  # a word that is longer than a line
            fitting = _unbroken_length(line, _fitting_length(line, cell, width))
            lines.append(line[:fitting])
            line = line[fitting:]
    return [*lines, line] if line else lines


def _unbroken_length(text: str, length: int) -> int:
    """Return the length up to `length` at which a text can be split without separating a mark from its letter.

    Returns `length` if there is no such split.
    """
    return next((end for end in range(length, 0, -1) if not shaping.is_joined(text[end - 1], text[end : end + 1] or " ")), length)


def _fitting_length(text: str, cell: Cell, width: float) -> int:
    """Return how many characters of a text fit into the width, at least one.

    Measures only a few short beginnings of the text, because strangers choose the names on tickets, which can be one word of 500
    characters.
    """
    longest = 16
    while longest < len(text) and _width(text[:longest], cell) <= width:
        longest *= 2
    return max(1, bisect_right(range(1, min(longest, len(text))), width, key=lambda length: _width(text[:length], cell)))


def _width(text: str, cell: Cell) -> float:
    return width(text, cell.weight, cell.size)


# Embedded fonts. This module embeds fonts itself, because ReportLab embeds letters, but some glyphs of shaped text stand for no letter or
# for several letters.

_UNUSED_TABLES = (
    "GDEF",
    "GPOS",
    "GSUB",
    "BASE",
    "OS/2",
    "STAT",
    "cmap",
    "name",
    "post",
    "vhea",
    "vmtx",
    "VORG",
)  # tables that PDFs do not use

# Subsets of fonts have names that begin with six letters, which are different for each font of a document.
_TAGS = ["".join(("AAAA", *letters)) for letters in product("ABCDEFGHIJKLMNOPQRSTUVWXYZ", repeat=2)]


class _Face:
    name = "fairgate"


class _InitialFont:
    """An empty font that ReportLab sets at the beginning of a page, because the file does not embed ReportLab's default font."""

    fontName: Any = "fairgate"
    face = _Face()
    _dynamicFont = 1
    _multiByte = 0


class EmbeddedFont:
    """The glyphs of a font that a document draws. `number` is the number of the font in the document.

    A glyph has a code for each text that it stands for, because several letters can share a glyph and differ only by their marks. Such
    marks are drawn as outlines, because PDF readers would copy each glyph as text.
    """

    def __init__(self, font: FontName, number: int) -> None:
        self._font, self._number = shaping.load_font(font), number
        self._weight = font.weight
        self._unit = 1000 / self._font.face.upem
        self._codes: dict[tuple[int, str], int] = {}
        self._widths: dict[int, int] = {}

    def drawing(self, run: Run, left: float, base: float, size: float, canvas: Any) -> Callable[[], None]:
        """Return a function that draws a run once the font has been embedded. Records the glyphs that the document needs."""
        for cluster in run.clusters:
            for glyph, text in _texts(cluster):
                if text is not None:
                    self._codes.setdefault((glyph.id, text), len(self._codes) + 1)
        return lambda: canvas.addLiteral(self._operators(run, left, base, size))

    def _operators(self, run: Run, left: float, base: float, size: float) -> str:
        """Return the operators that draw the glyphs of a run, each placed relative to the end of the glyph before it."""
        shown, outlines, rise, pen, drawn = "[", "", 0.0, 0.0, 0.0
        for cluster in run.clusters:
            texts = _texts(cluster)
            is_marked = sum(text is not None for _, text in texts) > 1
            if is_marked:
                shown += f"] TJ /Span <</ActualText <feff{_utf_16(cluster.text)}>>> BDC ["
            for glyph, text in texts:
                if text is None:
                    place = left + (pen + glyph.x) * size / 1000, base + glyph.y * size / 1000
                    outlines += f" {self._outline(glyph.id, *place, size * self._unit / 1000)}"
                else:
                    if glyph.y != rise:
                        rise = glyph.y
                        shown += f"] TJ {rise * size / 1000:.3f} Ts ["
                    if move := round(drawn - pen - glyph.x, 2):
                        shown += f"{move:g}"
                    shown += f"<{self._codes[glyph.id, text]:04x}>"
                    drawn += self._widths[glyph.id] - move
                pen += glyph.advance
            if is_marked:
                shown += "] TJ EMC ["
        return f"BT /S{self._number} {size:g} Tf {left:.3f} {base:.3f} Td {shown}] TJ{' 0 Ts' if rise else ''} ET{outlines}"

    def _outline(self, glyph: int, left: float, base: float, scale: float) -> str:
        pen = _Pen()
        self._font.draw_glyph_with_pen(glyph, pen)
        return f"q {scale:.6f} 0 0 {scale:.6f} {left:.3f} {base:.3f} cm {' '.join(pen.operators)} f Q" if pen.operators else ""

    def embed(self, document: Any) -> None:
        """Add the needed glyphs of the font to the document: their outlines in the font's weight, their widths and their texts."""
        from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFStream, PDFZCompress

        def stream(content: bytes, **entries: Any) -> Any:
            return document.Reference(PDFStream(PDFDictionary(entries), content, [PDFZCompress]))

        font, unit = self._font, self._unit
        self._widths = {glyph: round(font.get_glyph_h_advance(glyph) * unit) for glyph, _ in self._codes}
        subset, numbers = self._subset(font.face)
        if "CFF " in subset.table_tags:
            self._codes = {key: numbers[key[0]] for key in self._codes}  # in this format, the codes are the numbers of the glyphs
            kind, outlines, codes = "0", stream(subset.reference_table("CFF ").data, Subtype="/CIDFontType0C"), {}
        else:
            content = subset.blob.data
            kind, outlines = "2", stream(content, Length1=len(content))
            codes = {"CIDToGIDMap": stream(b"".join(numbers[glyph].to_bytes(2) for glyph in (0, *(glyph for glyph, _ in self._codes))))}
        bounds = struct.unpack_from(">4h", subset.reference_table("head").data, 36)
        extents = font.get_font_extents("ltr")
        name = f"/{_TAGS[self._number]}+{(font.face.get_name(6) or 'Font').partition('-')[0]}-{self._weight.title()}"
        descriptor = {
            "Type": "/FontDescriptor",
            "FontName": name,
            "Flags": 4,
            "FontBBox": PDFArray([round(edge * unit) for edge in bounds]),
            "Ascent": round(extents.ascender * unit),
            "Descent": round(extents.descender * unit),
            "CapHeight": round(extents.ascender * unit),
            "ItalicAngle": 0,
            "StemV": 120 if self._weight == "bold" else 80,
            "FontFile3" if kind == "0" else "FontFile2": outlines,
        }
        widths = sorted({code: self._widths[glyph] for (glyph, _), code in self._codes.items()}.items())
        descendant = {
            "Type": "/Font",
            "Subtype": f"/CIDFontType{kind}",
            "BaseFont": name,
            "CIDSystemInfo": PDFDictionary({"Registry": "(Adobe)", "Ordering": "(Identity)", "Supplement": 0}),
            "FontDescriptor": document.Reference(PDFDictionary(descriptor)),
            "W": PDFArray([item for code, width in widths for item in (code, PDFArray([width]))]),
            **codes,
        }
        whole = {
            "Type": "/Font",
            "Subtype": "/Type0",
            "BaseFont": name,
            "Encoding": "/Identity-H",
            "DescendantFonts": PDFArray([document.Reference(PDFDictionary(descendant))]),
            "ToUnicode": stream(_unicode_map({code: text for (_, text), code in self._codes.items() if text})),
        }
        document.idToObject["BasicFonts"].dict[f"S{self._number}"] = document.Reference(PDFDictionary(whole))

    def _subset(self, face: Any) -> tuple[Any, Mapping[int, int]]:
        """Return a font with only the needed glyphs, and the number of each glyph in this font."""
        import uharfbuzz as harfbuzz

        wanted, flags = harfbuzz.SubsetInput(), harfbuzz.SubsetFlags
        wanted.glyph_set.update(glyph for glyph, _ in self._codes)
        wanted.flags = flags.NOTDEF_OUTLINE | flags.NO_LAYOUT_CLOSURE | flags.DOWNGRADE_CFF2 | flags.CFF_IDENTITY_CHARSET
        wanted.drop_table_tag_set.update(int.from_bytes(tag.encode()) for tag in _UNUSED_TABLES)
        for axis in face.axis_infos:
            wanted.pin_axis_location(face, axis.tag, shaping.AXIS[self._weight] if axis.tag == "wght" else axis.default_value)
        plan = harfbuzz.SubsetPlan(face, wanted)
        return plan.execute(), dict(plan.old_to_new_glyph_mapping)


class _Pen:
    """A HarfBuzz pen that turns the outline of a glyph into PDF operators."""

    def __init__(self) -> None:
        self.operators: list[str] = []
        self._end: tuple[float, ...] = (0.0, 0.0)

    def moveTo(self, end: Point) -> None:
        self._draw("m", end)

    def lineTo(self, end: Point) -> None:
        self._draw("l", end)

    def curveTo(self, *points: Point) -> None:
        self._draw("c", *points)

    def qCurveTo(self, control: Point, end: Point) -> None:
        """Draw a curve with one control point as a curve with two control points, the only kind that PDFs have."""
        first, second = (
            tuple(edge + (middle - edge) * 2 / 3 for edge, middle in zip(point, control, strict=True)) for point in (self._end, end)
        )
        self._draw("c", first, second, end)

    def closePath(self) -> None:
        self.operators.append("h")

    def _draw(self, operator: str, *points: tuple[float, ...]) -> None:
        self.operators += [*(f"{edge:.2f}" for point in points for edge in point), operator]
        self._end = points[-1]


def _texts(cluster: Cluster) -> list[tuple[Glyph, str | None]]:
    """Return the glyphs of a cluster with their texts. The widest glyph stands for the whole text, the others for "".

    Marks, which do not move the pen, have the text None.
    """
    widest = max(cluster.glyphs, key=lambda glyph: glyph.advance)
    return [(glyph, cluster.text if glyph is widest else "" if glyph.advance else None) for glyph in cluster.glyphs]


def _utf_16(text: str) -> str:
    return text.encode("utf-16-be").hex()


def _unicode_map(texts: Mapping[int, str]) -> bytes:
    """Return the CMap that PDF readers use to copy and search text: the texts of the glyphs by code."""
    lines = [f"<{glyph:04x}> <{_utf_16(text)}>" for glyph, text in sorted(texts.items())]
    parts = [lines[begin : begin + 100] for begin in range(0, len(lines), 100)]
    body = "\n".join(f"{len(part)} beginbfchar\n{chr(10).join(part)}\nendbfchar" for part in parts)
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def /CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
        f"1 begincodespacerange <0000> <ffff> endcodespacerange\n{body}\n"
        "endcmap CMapName currentdict /CMap defineresource pop end end"
    ).encode()
