"""Figures in the words of the pages, out of the code: its constants, its annotated types, and the constants of the browsers' code."""

import re
import typing
from collections.abc import Iterable
from typing import Any

import msgspec

from tests.test_tidy import ROOT

DAY, HOUR, MINUTE, MB = 86_400, 3600, 60, 1024 * 1024
_WORDS = {
    1: "one",
    2: "two",
    3: "three",
    4: "four",
    5: "five",
    6: "six",
    7: "seven",
    8: "eight",
    9: "nine",
    10: "ten",
    12: "twelve",
    100: "hundred",
}
HALF_AN_HOUR = {True: "half an hour", False: "more than half an hour"}


def word(number: int) -> str:
    """`three`; a number that pages write in digits stays one."""
    return _WORDS.get(number, f"{number:,}")


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{word(number)} times")


def part(number: int) -> str:
    """One of so many parts."""
    return {2: "half", 4: "a quarter"}.get(number, f"1/{number}")


def in_words(seconds: float) -> str:
    """A time as pages write it: `an hour`, `three days`, `30 seconds`."""
    units = ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second"))
    unit, name = next((unit, name) for unit, name in units if seconds % unit == 0)
    number = int(seconds // unit)
    if number == 1:
        return f"{'an' if name == 'hour' else 'a'} {name}"
    return f"{_WORDS.get(number, number)} {name}s"


def limits(annotated: Any) -> tuple[Any, Any]:
    """The smallest and the largest value, or length, that an annotated type takes; null where it has none."""
    metas = [meta for meta in typing.get_args(annotated)[1:] if isinstance(meta, msgspec.Meta)]

    def first(*names: str) -> Any:
        return next((value for meta in metas for name in names if (value := getattr(meta, name)) is not None), None)

    return first("ge", "min_length"), first("le", "max_length")


def to(bounds: tuple[Any, Any]) -> str:
    """`1 to 10,000`."""
    return f"{int(bounds[0])} to {int(bounds[1]):,}"


def listed(numbers: Iterable[int]) -> str:
    """`1, 5 and 30`."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}"


def page_of(query: type[msgspec.Struct]) -> tuple[int, int]:
    """The usual and the largest length of a page of a list."""
    fields = {field.name: field for field in msgspec.structs.fields(query)}
    return fields["limit"].default, limits(typing.get_type_hints(query, include_extras=True)["limit"])[1]


def rate(limit: str) -> tuple[int, int]:
    """(requests, seconds)."""
    requests, seconds = limit.split("/")
    return int(requests), int(seconds)


def of_browser(path: str, name: str) -> int:
    """A number of the pages: `const NAME = 3 * 60` in a file below web/src."""
    [product] = re.findall(rf"const {name} = ([\d_ *]+);", (ROOT / "web/src" / path).read_text(encoding="utf-8"))
    value = 1
    for factor in product.split("*"):
        value *= int(factor)
    return value
