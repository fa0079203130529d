"""Pages are written by many threads at once: mails are composed so."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from chalicelib.addons.documents.pages import LEFT, Cell, Pages, _lines, _width, width

LETTERS = "".join(map(chr, range(0xC0, 0x17F)))


def write(number: int) -> bytes:
    pages = Pages("Threads", "en", 1_780_315_200)
    pages.write(Cell(LETTERS[number:]), Cell(LETTERS[: number + 1], weight="bold"))
    return pages.finish()


@pytest.mark.slow
def test_documents_written_in_parallel_equal_those_in_sequence():
    numbers = [number % 40 for number in range(64)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(write, numbers)) == [write(number) for number in numbers]


@pytest.mark.parametrize("word", ["W", "i", "a\u6f22"])
def test_a_long_word_takes_no_more_work_than_other_texts_of_its_length(monkeypatch, word):
    """A buyer's name may be one word of 500 characters, and each buyer may ask for such tickets again and again."""
    measured: list[int] = []
    monkeypatch.setattr("chalicelib.addons.documents.pages.width", lambda text, *font: measured.append(len(text)) or width(text, *font))
    text = (word * 500)[:500]
    pages = Pages("Long", "en", 1_780_315_200)
    pages.write(Cell(text, left=300, max_lines=2))
    assert sum(measured) < 20 * len(text)
    pages.write(Cell(text[:90], left=300))
    assert pages.finish().startswith(b"%PDF-")


@pytest.mark.parametrize("width", [1, 7, 60, 200, 483])
def test_a_line_of_a_long_word_is_as_long_as_fits(width):
    cell = Cell("Wi\u6f22" * 40, right=LEFT + width)
    lines = [line.text for line in _lines(cell)]
    assert "".join(lines) == cell.text
    for line, following in pairwise(lines):
        assert len(line) == 1 or _width(line, cell) <= width
        assert _width(line + following[0], cell) > width


@pytest.mark.parametrize("word", ["ที่นี่", "क्षत्रिय", "👩\u200d👩\u200d👧", "e\u0323\u0301"])
@pytest.mark.parametrize("width", [27, 33, 45])
def test_no_line_begins_with_a_mark(word, width):
    lines = [line.text for line in _lines(Cell(word * 10, right=LEFT + width))]
    assert len(lines) > 1
    assert not [line for line in lines if unicodedata.category(line[0])[0] == "M" or line[0] == "\u200d" or line[-1] == "\u200d"]
