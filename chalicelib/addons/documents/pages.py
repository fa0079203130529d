"""Write a PDF of A4 pages from top to bottom. Lengths are points (1/72 inch) from the left and from the top.

The same content and time always give the same bytes: the only time in the file is `now`.
"""

import io
from bisect import bisect_right
from collections.abc import Sequence
from threading import Lock
from typing import Literal

from msgspec import Struct

from chalicelib.addons.documents import fonts
from chalicelib.addons.documents.fonts import Weight
from chalicelib.foundation import clock
from chalicelib.tickets.qr import Modules, runs

WIDTH, HEIGHT = 595.0, 842.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 539.0, 56.0, 786.0

BAND_HEIGHT, BAND_COLOR = 34.0, "#b32b19"  # the color of the shop's pages and emails

LINE_HEIGHT = 1.3  # times the font size
CUT = "…"

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
        self._canvas = Canvas(self._file, pagesize=(WIDTH, HEIGHT), pageCompression=1, invariant=1, lang=language)
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
        for run in fonts.runs(line, cell.weight):
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
            for column, length in runs(line):
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
    for paragraph in fonts.drawable(cell.text).split("\n"):
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
    return fonts.width(text, cell.weight, cell.size)
