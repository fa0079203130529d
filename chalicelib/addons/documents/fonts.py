"""Fonts for documents: choose the font for each character, measure text, and replace characters that no font has.

The PDF embeds Latin, Greek and Cyrillic letters. For Chinese, Japanese and Korean, the PDF only names the format's standard fonts, and the
PDF reader supplies them. Embedding a font for one of these languages would take more space than all of our code.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal, NamedTuple

MISSING = "?"  # replaces a character that no font has

Weight = Literal["regular", "bold"]
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
