"""Write a PDF of A4 pages from top to bottom. Lengths are points (1/72 inch) from the left and from the top.

The same content and time always give the same bytes: the only time in the file is `now`.
"""

import io
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from threading import Lock
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from chalicelib.foundation import clock
from chalicelib.tickets import qr
from chalicelib.tickets.qr import Modules

WIDTH, HEIGHT = 595.0, 842.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 539.0, 56.0, 786.0

BAND_HEIGHT, BAND_COLOR = 34.0, "#b32b19"  # the color of the shop's pages and emails

LINE_HEIGHT = 1.3  # times the font size
CUT = "…"
MISSING = "?"  # replaces a character that no font has

Weight = Literal["regular", "bold"]

_FONT_FILE = Lock()  # all documents share the file position from which ReportLab reads a font


class Cell(Struct, frozen=True):
    """Text between `left` and `right`, in as many lines as needed, but at most `max_lines`."""

    text: str
    left: float = LEFT
    right: float = RIGHT
    size: float = 10
    weight: Weight = "regular"
    align: Literal["left", "right"] = "left"
    max_lines: int | None = None


class Pages:
    """A PDF that is being written. The next row begins at `top`."""

    def __init__(self, title: str, language: str, now: int) -> None:
        from reportlab.pdfgen.canvas import Canvas  # imported here, because few requests make documents

        self._file = io.BytesIO()
        first = _font("regular").fontName  # the default would be a font that the file does not embed
        self._canvas = Canvas(self._file, pagesize=(WIDTH, HEIGHT), pageCompression=1, invariant=1, lang=language, initialFontName=first)
        self._canvas.setTitle(title)
        self._canvas.setCreator("Fairgate")
        self._canvas.setProducer("Fairgate")
        stamp = clock.iso(now).translate(str.maketrans("", "", "-:TZ"))
        self._canvas.setDateFormatter(lambda *_: f"D:{stamp}+00'00'")
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

    def _write_line(self, line: str, cell: Cell, top: float) -> None:
        left = cell.left if cell.align == "left" else cell.right - _width(line, cell)
        for run in runs(line, cell.weight):
            self._canvas.setFont(run.font, cell.size)
            self._canvas.drawString(left, HEIGHT - top - cell.size, run.text)
            left += self._canvas.stringWidth(run.text, run.font, cell.size)

    def draw_band(self, text: str) -> None:
        """Draw a band in the shop's color with white text across the top of the page, without moving `top`."""
        cell = Cell(text, size=11, weight="bold", max_lines=1)
        self._canvas.setFillColor(BAND_COLOR)
        self._canvas.rect(0, HEIGHT - BAND_HEIGHT, WIDTH, BAND_HEIGHT, stroke=0, fill=1)
        self._canvas.setFillColor("#ffffff")
        self._write_line(_lines(cell)[0], cell, (BAND_HEIGHT - cell.size * LINE_HEIGHT) / 2)
        self._canvas.setFillColor("#000000")

    def rule(self) -> None:
        """Draw a thin line across the page."""
        self._canvas.setLineWidth(0.5)
        self._canvas.line(LEFT, HEIGHT - self.top, RIGHT, HEIGHT - self.top)
        self.top += 6

    def draw_modules(self, modules: Modules, left: float, side: float) -> None:
        """Draw a QR symbol with its quiet zone as a square at `top`, without moving `top`."""
        unit = side / len(modules)
        path = self._canvas.beginPath()
        for row, line in enumerate(modules):
            for column, length in qr.runs(line):
                path.rect(left + column * unit, HEIGHT - self.top - (row + 1) * unit, length * unit, unit)
        self._canvas.drawPath(path, stroke=0, fill=1)

    def turn_page(self) -> None:
        """Go to the top of a new page."""
        self._canvas.showPage()
        self.top = TOP

    def finish(self) -> bytes:
        """Return the content of the file. Nothing can be written afterwards."""
        with _FONT_FILE:
            self._canvas.save()
        return self._file.getvalue()


def _lines(cell: Cell) -> list[str]:
    """Break the text into lines that fit between `left` and `right`. Text that is cut off ends with an ellipsis."""
    width = cell.right - cell.left
    lines: list[str] = []
    for paragraph in drawable(cell.text).split("\n"):
        lines += _wrapped(paragraph.split(), cell, width)
    lines = lines or [""]
    if cell.max_lines is None or len(lines) <= cell.max_lines:
        return lines
    last = lines[cell.max_lines - 1]
    while last and _width(last + CUT, cell) > width:
        last = last[:-1]
    return [*lines[: cell.max_lines - 1], last + CUT]


def _wrapped(words: Sequence[str], cell: Cell, width: float) -> list[str]:
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
            fitting = _fitting_length(line, cell, width)
            lines.append(line[:fitting])
            line = line[fitting:]
    return [*lines, line] if line else lines


def _fitting_length(text: str, cell: Cell, width: float) -> int:
    """Return how many characters of a text fit into the width, at least one.

    Measures few and short beginnings of the text: strangers choose the names on tickets, which can be one word of 500 characters.
    """
    longest = 16
    while longest < len(text) and _width(text[:longest], cell) <= width:
        longest *= 2
    return max(1, bisect_right(range(1, min(longest, len(text))), width, key=lambda length: _width(text[:length], cell)))


def _width(text: str, cell: Cell) -> float:
    return width(text, cell.weight, cell.size)


# Fonts: choose the font for each character, measure text, and replace characters that no font has.
#
# The PDF embeds Latin, Greek and Cyrillic letters. For Chinese, Japanese and Korean, the PDF only names the format's standard fonts, and
# the PDF reader supplies them. Embedding a font for one of these languages would take more space than all of our code.

_EMBEDDED = {"regular": "SourceSansPro", "bold": "SourceSansProBold"}


class _EastAsian(NamedTuple):
    """A standard font that PDF readers supply, and the encoding that contains the font's characters."""

    name: str
    encoding: str


_CHINESE = _EastAsian("STSong-Light", "gbk")
_JAPANESE = _EastAsian("HeiseiKakuGo-W5", "cp932")
_KOREAN = _EastAsian("HYSMyeongJo-Medium", "cp949")
_ORDER = (_CHINESE, _JAPANESE, _KOREAN)
_JAPANESE_ORDER = (_JAPANESE, _CHINESE, _KOREAN)


class Run(NamedTuple):
    """A piece of text in one font. `font` is ReportLab's name for the font."""

    font: str
    text: str


def drawable(text: str) -> str:
    """Replace characters that no font has, and remove control characters and marks that change the direction of text."""
    drawn = []
    for character in unicodedata.normalize("NFC", text):
        if character == "\n" or _is_embedded(character) or _east_asian(character, _ORDER) is not None:
            drawn.append(character)
        elif character.isspace():
            drawn.append(" ")
        elif unicodedata.category(character) not in ("Cc", "Cf", "Mn", "Me"):
            drawn.append(MISSING)
    return "".join(drawn)


def has_all_letters(text: str) -> bool:
    """Return whether a PDF embeds all letters of a text, so that it shows them in every PDF reader."""
    return all(character == "\n" or _is_embedded(character) for character in drawable(text))


def runs(text: str, weight: Weight) -> Iterator[Run]:
    """Split drawable text into runs of one font, from left to right.

    Characters that Chinese and Japanese share use the Japanese font if the text contains kana.
    """
    order = _JAPANESE_ORDER if any("\u3040" <= character <= "\u30ff" for character in text) else _ORDER
    for font, characters in groupby(text, lambda character: _font_name(character, weight, order)):
        yield Run(font, "".join(characters))


def width(text: str, weight: Weight, size: float) -> float:
    """Return the width of drawable text at a font size, in points."""
    from reportlab.pdfbase import pdfmetrics

    return float(sum(pdfmetrics.stringWidth(run.text, run.font, size) for run in runs(text, weight)))


def _font_name(character: str, weight: Weight, order: tuple[_EastAsian, ...]) -> str:
    if _is_embedded(character):
        return str(_font(weight).fontName)
    found = _east_asian(character, order)
    assert found is not None, "only drawable texts are drawn"
    return str(_font(found.name).fontName)


def _is_embedded(character: str) -> bool:
    return ord(character) in _font("regular").face.charToGlyph


def _east_asian(character: str, order: tuple[_EastAsian, ...]) -> _EastAsian | None:
    """Return the first East Asian font that has a character.

    Returns None for letters that are not East Asian. The East Asian fonts have such letters too, but with a different width.
    """
    if unicodedata.east_asian_width(character) in ("W", "F", "H"):
        for font in order:
            try:
                character.encode(font.encoding)
            except UnicodeEncodeError:
                continue
            return font
    return None


@lru_cache(maxsize=len(_EMBEDDED) + len(_ORDER))
def _font(name: str) -> Any:
    """Register a font with ReportLab and return it. `name` is a weight of the embedded font, or a standard font that PDF readers supply."""
    from reportlab.pdfbase import pdfmetrics

    font: Any
    if name in _EMBEDDED:
        from font_source_sans_pro import font_files_ttf
        from reportlab.pdfbase.ttfonts import TTFont

        font = TTFont(f"fairgate-{name}", font_files_ttf[_EMBEDDED[name]])
    else:
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # imported here, because few documents need it

        font = UnicodeCIDFont(name)
    pdfmetrics.registerFont(font)
    return font
