"""The letters of documents: which font has a character, how wide a text is, and what is in place of a letter that no font has.

Latin, Greek and Cyrillic letters are embedded. Chinese, Japanese and Korean ones are named, as the format provides for them: a reader draws
them in a font of its own, because each of theirs would be larger than all of our code.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any, Literal, NamedTuple

MISSING = "?"  # in place of a letter that no font has

Weight = Literal["regular", "bold"]
_EMBEDDED = {"regular": "SourceSansPro", "bold": "SourceSansProBold"}


class _EastAsian(NamedTuple):
    """A font that readers of PDF have one for, and the encoding that says which letters are in it."""

    name: str
    encoding: str


_CHINESE = _EastAsian("STSong-Light", "gbk")
_JAPANESE = _EastAsian("HeiseiKakuGo-W5", "cp932")
_KOREAN = _EastAsian("HYSMyeongJo-Medium", "cp949")
_ORDER = (_CHINESE, _JAPANESE, _KOREAN)
_JAPANESE_ORDER = (_JAPANESE, _CHINESE, _KOREAN)


class Run(NamedTuple):
    """A piece of a text that is in one font, by the name that ReportLab knows it by."""

    font: str
    text: str


def drawable(text: str) -> str:
    """The text with one character for each that no font has; without what controls a terminal or the direction of text."""
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
    """The pieces of a drawable text, from left to right.

    Characters that Chinese and Japanese share are Japanese ones in a text with Japanese syllables.
    """
    order = _JAPANESE_ORDER if any("\u3040" <= character <= "\u30ff" for character in text) else _ORDER
    for font, characters in groupby(text, lambda character: _font_name(character, weight, order)):
        yield Run(font, "".join(characters))


def width(text: str, weight: Weight, size: float) -> float:
    """How wide a drawable text is in letters of this size, in points."""
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
    """The first font that has a character; None for letters that are not East Asian, which these fonts have in a width of their own."""
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
    """The font of this name, which ReportLab knows from now on: a weight of the embedded one, or one that readers have."""
    from reportlab.pdfbase import pdfmetrics

    font: Any
    if name in _EMBEDDED:
        from font_source_sans_pro import font_files_ttf
        from reportlab.pdfbase.ttfonts import TTFont

        font = TTFont(f"fairgate-{name}", font_files_ttf[_EMBEDDED[name]])
    else:
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # loaded for those who need it

        font = UnicodeCIDFont(name)
    pdfmetrics.registerFont(font)
    return font
