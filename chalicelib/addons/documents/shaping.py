"""Shape text of any script: choose the font of each letter, order text that is read from the right, and let HarfBuzz place the glyphs.

Source Sans has Latin, Greek and Cyrillic letters and is in the zip of the functions. The Noto fonts have the other scripts and are in a
layer of the functions that make documents (decision 241). Without the layer, a letter of another script is drawn as MISSING.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NamedTuple

from chalicelib.foundation.memory import Memory

MISSING = "?"  # replaces characters that no font has

Weight = Literal["regular", "bold"]

_widths: Memory[tuple[str, Weight], float] = Memory()  # in thousandths of the font size; most texts are on every ticket of an event

_BASE = {"regular": "SourceSansPro", "bold": "SourceSansProBold"}
AXIS = {"regular": 400.0, "bold": 700.0}  # the weights in variable fonts
_NOTO, _NOTO_EAST_ASIAN = "manimgx_fonts", "manimgx_fonts_cjk"
# The fonts in the file for East Asia, by language. They share their glyphs, but not the shapes of some ideographs.
_EAST_ASIAN = {"ja": 0, "ko": 1, "zh": 2}
_BRACKETS = {"(": ")", "[": "]", "{": "}", "（": "）", "「": "」", "【": "】"}
_MIRRORED = str.maketrans(_BRACKETS | {close: opening for opening, close in _BRACKETS.items()})
_JOINERS = "\u200c\u200d"  # decide whether the letters beside them join; all other format characters are removed


class FontName(NamedTuple):
    """A font: its file ("" for Source Sans), its place among the fonts of the file, and its weight."""

    file: str
    place: int
    weight: Weight


Piece = tuple[int, FontName, int, int]  # a level, a font, and the beginning and the end of a piece of text


class Glyph(NamedTuple):
    """A glyph, its place relative to the pen, and how far the pen moves, in thousandths of the font size."""

    id: int
    x: float
    y: float
    advance: float


class Cluster(NamedTuple):
    """Glyphs that together stand for a text, such as a letter with its marks, or several letters that are drawn as one."""

    text: str
    glyphs: tuple[Glyph, ...]


class Run(NamedTuple):
    """A piece of text in one font and direction, with its clusters from left to right, and its width in thousandths of the font size."""

    font: FontName
    clusters: tuple[Cluster, ...]
    width: float


def drawable(text: str) -> str:
    """Replace characters that no font has, and remove control characters and marks that change the direction of text."""
    drawn = []
    for character in unicodedata.normalize("NFC", text):
        if character == "\n" or character in _JOINERS:
            drawn.append(character)
        elif unicodedata.category(character) in ("Cc", "Cf"):
            drawn.append(" " if character.isspace() else "")
        elif _file(character) is not None:
            drawn.append(character)
        elif character.isspace():
            drawn.append(" ")
        elif unicodedata.category(character)[0] != "M":
            drawn.append(MISSING)
    return "".join(drawn)


def is_joined(before: str, character: str) -> bool:
    """Return whether a character belongs to the character before it, so that no line may begin with it."""
    return before == "\u200d" or character in _JOINERS or unicodedata.category(character)[0] == "M"


def reads_from_the_right(text: str) -> bool:
    """Return whether the first letter with a direction is read from right to left. Pages with `dir="auto"` decide in the same way."""
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def width(text: str, weight: Weight, size: float) -> float:
    """Return the width of drawable text at a font size, in points."""
    found = _widths.entries.get((text, weight))
    if found is None:
        found = _widths.entries[text, weight] = sum(run.width for run in runs(text, weight))
    return found * size / 1000


def runs(text: str, weight: Weight, *, from_the_right: bool | None = None) -> tuple[Run, ...]:
    """Shape a line of drawable text. Returns its runs as they appear from left to right.

    `from_the_right` is the direction of the paragraph. By default, the line's first letter with a direction decides.
    """
    if from_the_right is None:
        from_the_right = reads_from_the_right(text)
    levels, files = _levels(text, from_the_right=from_the_right), _files(text)
    pieces: list[Piece] = []
    for (level, (file, index)), places in groupby(range(len(text)), lambda place: (levels[place], files[place])):
        first, *rest = places
        pieces.append((level, FontName(file, index, weight), first, rest[-1] + 1 if rest else first + 1))
    for level in range(max(levels, default=0), 0, -1):
        pieces = _reverse_pieces(pieces, level)
    return tuple(_shape(text, begin, end, font, level) for level, font, begin, end in pieces)


def _reverse_pieces(pieces: list[Piece], lowest: int) -> list[Piece]:
    """Reverse each sequence of pieces with at least this level (rule L2 of the Unicode Bidirectional Algorithm)."""
    groups = groupby(pieces, lambda piece: piece[0] >= lowest)
    return [piece for is_turned, group in groups for piece in (reversed(list(group)) if is_turned else group)]


def _shape(text: str, begin: int, end: int, font: FontName, level: int) -> Run:
    import uharfbuzz as harfbuzz  # imported here, because few requests make documents

    buffer = harfbuzz.Buffer()
    buffer.add_str(text, begin, end - begin)
    buffer.direction = "rtl" if level % 2 else "ltr"
    buffer.guess_segment_properties()
    if font.file.endswith(".ttc"):
        buffer.language = next(language for language, index in _EAST_ASIAN.items() if index == font.place)
    shaper = load_font(font)
    harfbuzz.shape(shaper, buffer)
    unit = 1000 / shaper.face.upem
    glyphs = [
        (info.cluster, Glyph(info.codepoint, place.x_offset * unit, place.y_offset * unit, place.x_advance * unit))
        for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    ]
    ends = dict(pairwise([*sorted({start for start, _ in glyphs}), end]))
    clusters = [
        # PDF readers reverse the text of lines, and expect the brackets as they are drawn.
        Cluster(text[start : ends[start]].translate(_MIRRORED if level % 2 else {}), tuple(glyph for _, glyph in group))
        for start, group in groupby(glyphs, key=itemgetter(0))
    ]
    return Run(font, tuple(clusters), sum(glyph.advance for _, glyph in glyphs))


# Fonts.


@lru_cache(maxsize=64)
def load_font(font: FontName) -> Any:
    """Return the HarfBuzz font with its weight set. Each part of the file is read only when it is needed."""
    import uharfbuzz as harfbuzz

    shaper = harfbuzz.Font(_face(_path(font.file, font.weight), font.place))
    shaper.set_variations({"wght": AXIS[font.weight]})
    return shaper


@cache
def _face(path: str, index: int) -> Any:
    import uharfbuzz as harfbuzz

    return harfbuzz.Face(harfbuzz.Blob.from_file_path(path), index)


def _path(file: str, weight: Weight) -> str:
    if file:
        return file
    from font_source_sans_pro import font_files_ttf

    return str(font_files_ttf[_BASE[weight]])


def _files(text: str) -> list[tuple[str, int]]:
    """Return the file and the index of each character's font. Joined characters have the font of the character before them."""
    files: list[tuple[str, int]] = []
    language = "ja" if any("\u3040" <= character <= "\u30ff" for character in text) else "zh"
    for place, character in enumerate(text):
        file = _file(character)
        if (
            files
            and is_joined(text[place - 1], character)
            and (file is None or character in _JOINERS or _has_character(files[-1], character))
        ):
            files.append(files[-1])
        else:
            file = file or ""
            files.append((file, _EAST_ASIAN[language] if file.endswith(".ttc") else 0))
    return files


def _has_character(file: tuple[str, int], character: str) -> bool:
    return ord(character) in _characters(_path(file[0], "regular"), file[1])


@cache
def _characters(path: str, index: int) -> frozenset[int]:
    return frozenset(_face(path, index).unicodes)


def _file(character: str) -> str | None:
    """Return the file of the first font that has a character ("" for Source Sans). Returns None if no font has the character."""
    if ord(character) in _characters(_path("", "regular"), 0):
        return ""
    return _other_files().get(ord(character))


@cache
def _other_files() -> dict[int, str]:
    """Return the file of each character that a Noto font has. Takes tens of milliseconds, once for each instance that needs it."""
    found: dict[int, str] = {}
    for file in _noto_files():
        found = dict.fromkeys(_characters(file, 0), file) | found
    return found


def _noto_files() -> Iterator[str]:
    """Yield the Noto font files: first the file with the most letters, then the files for single scripts, for emoji, and for East Asia."""
    for package in (_NOTO, _NOTO_EAST_ASIAN):
        found = find_spec(package)
        folder = Path(found.origin).parent if found is not None and found.origin is not None else None
        files = [file for file in folder.glob("Noto*.tt[cf]") if "Italic" not in file.name] if folder is not None else []
        yield from map(str, sorted(files, key=lambda file: ("Sans[" not in file.name, "Emoji" in file.name, file.name)))


# The Unicode Bidirectional Algorithm (UAX 9) for text without direction marks, which `drawable` removes.


_NUMBERS = ("EN", "AN")


def _levels(text: str, *, from_the_right: bool) -> list[int]:
    """Return the level of each character. Glyphs with an odd level are ordered from right to left."""
    base = "R" if from_the_right else "L"
    kinds = _explicit_kinds(text, base)
    if base == "L" and not {"R", "AN"} & set(kinds):
        return [0] * len(text)
    _resolve_brackets(text, kinds, base)
    _resolve_neutrals(kinds, base)
    levels = [_level(kind, int(from_the_right)) for kind in kinds]
    for place in range(len(text) - 1, -1, -1):  # L1
        if not text[place].isspace():
            break
        levels[place] = int(from_the_right)
    return levels


def _level(kind: str, base: int) -> int:
    """Apply rules I1 and I2."""
    if base == 0:
        return {"R": 1, "EN": 2, "AN": 2}.get(kind, 0)
    return 1 if kind == "R" else 2


def _explicit_kinds(text: str, base: str) -> list[str]:
    """Return the type of each character after the rules W1 to W7."""
    kinds = [unicodedata.bidirectional(character) or "L" for character in text]
    last, strong = base, base
    for place, kind in enumerate(kinds):
        if kind in ("NSM", "BN"):  # W1
            kinds[place] = kind = last
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":  # W2
            kinds[place] = "AN"
        last = kinds[place]
    kinds = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for place in range(1, len(kinds) - 1):  # W4
        before, kind, after = kinds[place - 1 : place + 2]
        if before == after and ((kind == "CS" and before in _NUMBERS) or (kind == "ES" and before == "EN")):
            kinds[place] = before
    for places in _groups(kinds, ("ET",)):  # W5
        if "EN" in kinds[max(0, places[0] - 1) : places[-1] + 2]:
            kinds[places[0] : places[-1] + 1] = ["EN"] * len(places)
    strong = base
    for place, kind in enumerate(kinds):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":  # W7
            kinds[place] = "L"
        elif kind not in _NUMBERS:  # W6
            kinds[place] = "ON"
    return kinds


def _resolve_brackets(text: str, kinds: list[str], base: str) -> None:
    """Apply rule N0: brackets have the direction of the text that they enclose."""
    opened: list[int] = []
    pairs: list[tuple[int, int]] = []
    for place, character in enumerate(text):
        if kinds[place] == "ON" and character in _BRACKETS:
            opened.append(place)
        elif kinds[place] == "ON" and character in _BRACKETS.values():
            begin = next((begin for begin in reversed(opened) if _BRACKETS[text[begin]] == character), None)
            if begin is not None:
                pairs.append((begin, place))
                del opened[opened.index(begin) :]
    for begin, end in sorted(pairs):
        inside = {_strong(kind) for kind in kinds[begin + 1 : end]} - {None}
        if inside:
            before = next((strong for kind in reversed(kinds[:begin]) if (strong := _strong(kind)) is not None), base)
            kinds[begin] = kinds[end] = base if base in inside else before


def _resolve_neutrals(kinds: list[str], base: str) -> None:
    """Apply the rules N1 and N2."""
    for places in _groups(kinds, ("ON",)):
        before = _strong(kinds[places[0] - 1]) if places[0] else base
        after = _strong(kinds[places[-1] + 1]) if places[-1] + 1 < len(kinds) else base
        kinds[places[0] : places[-1] + 1] = [before if before == after and before is not None else base] * len(places)


def _groups(kinds: Sequence[str], wanted: Sequence[str]) -> list[list[int]]:
    return [list(places) for is_wanted, places in groupby(range(len(kinds)), lambda place: kinds[place] in wanted) if is_wanted]


def _strong(kind: str) -> str | None:
    """Return the direction of a type. Numbers count as read from the right (N1)."""
    return kind if kind in ("L", "R") else "R" if kind in _NUMBERS else None
