"""The languages of our emails, documents and pages: the choice of a language for a request, and dates, times and prices as texts.

A language is a file `words/<code>.json`, which has the words of this package by part, such as `documents`. docs/web.md lists the other
files of a language.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
from msgspec import Struct

from chalicelib.edge.operation import Header
from chalicelib.foundation import memory, money

WORDS = Path(__file__).parent / "words"
DEFAULT = "en"
LANGUAGES = (DEFAULT, *sorted(file.stem for file in WORDS.glob("*.json") if file.stem != DEFAULT))

# The API accepts and documents the languages that have a file.
if TYPE_CHECKING:
    Language = str
else:
    Language = Literal[LANGUAGES]

Words = TypeVar("Words")
_PARTS = {language: memory.decoder(dict[str, msgspec.Raw]).decode((WORDS / f"{language}.json").read_bytes()) for language in LANGUAGES}


def load_words(part: str, kind: type[Words]) -> dict[Language, Words]:
    """Return the words of a part of this package in each language."""
    return {language: memory.decoder(kind).decode(parts[part]) for language, parts in _PARTS.items()}


class _Script(Struct, frozen=True):
    direction: Literal["ltr", "rtl"]


# Whether each language is written from left to right or from right to left: the attribute `dir` of a page.
DIRECTIONS = {language: script.direction for language, script in load_words("pages", _Script).items()}


class LanguageQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The language of promoters' texts. Texts that the promoter did not write in this language appear in the main language."""

    language: Language | None = None


def in_language(main: str, others: Mapping[str, str], language: Language | None) -> str:
    """Return a promoter's text in a language: one of the `others` by language, or else the `main` text."""
    return main if language is None else others.get(language, main)


ACCEPT_LANGUAGE = Header("Accept-Language", "The languages that the caller prefers, best first.")


def choose_language(accept_language: str | None) -> Language:
    """Return the supported language that the caller's Accept-Language prefers (RFC 9110, 12.5.4)."""
    weights: dict[Language, float] = {}
    for preference in (accept_language or "")[:1000].split(","):
        text, _, parameter = preference.partition(";")
        name = text.strip().lower().partition("-")[0]
        if name in LANGUAGES:
            weights[name] = max(weights.get(name, 0.0), _weight(parameter))
    best = max(weights, key=lambda language: weights[language], default=DEFAULT)
    return best if weights.get(best) else DEFAULT


def _weight(parameter: str) -> float:
    """Return a language's weight from a parameter such as `q=0.5`: 1 without the parameter, and 0 if the parameter is malformed."""
    name, _, value = parameter.replace(" ", "").partition("=")
    if name.lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


# Dates and times in emails and documents, and dates, times and prices in pages.


class PageFormats(Struct, frozen=True, forbid_unknown_fields=True):
    """How pages write dates and times, as JavaScript's Intl does. The formats `..._of_year` are for dates outside the current year."""

    day: str
    day_of_year: str
    short_day: str
    short_day_of_year: str
    month: str
    moment: str
    short_moment: str
    time: str


class DateWords(Struct, frozen=True, forbid_unknown_fields=True):
    """The words of dates, beginning with Monday and January, and the formats of dates and times."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    weekdays_short: tuple[str, ...]
    months_short: tuple[str, ...]
    day: str
    time: str
    page: PageFormats


class PriceFormat(Struct, frozen=True, forbid_unknown_fields=True):
    """How pages write a price, as JavaScript's Intl does. Currencies without a symbol are written as `code_pattern`."""

    pattern: str
    code_pattern: str
    symbols: dict[str, str]
    decimal_mark: str
    group_mark: str
    min_grouped: int  # the smallest amount with a group mark

    def price(self, cents: int, currency: str) -> str:
        """Return a price with its currency. A whole amount has no decimals."""
        whole, _, decimals = money.amount_text(cents, currency).partition(".")
        amount = f"{int(whole):,}".replace(",", self.group_mark) if int(whole) >= self.min_grouped else whole
        if decimals.strip("0"):
            amount += f"{self.decimal_mark}{decimals}"
        symbol = self.symbols.get(currency)
        return (self.pattern if symbol else self.code_pattern).format(amount=amount, symbol=symbol or currency)


DATE_WORDS = load_words("dates", DateWords)
PRICE_FORMATS = load_words("prices", PriceFormat)


def clock_text(moment: datetime, pattern: str) -> str:
    """Return the time of day in a format of `DateWords`."""
    half = "AM" if moment.hour < 12 else "PM"
    return pattern.format(hour=moment.hour, hour12=moment.hour % 12 or 12, minute=f"{moment:%M}", half=half)


def day_text(moment: datetime, language: Language) -> str:
    """Return the date of a local time, such as `Saturday, 4 July 2026`."""
    words = DATE_WORDS[language]
    weekday, month = words.weekdays[moment.weekday()], words.months[moment.month - 1]
    return words.day.format(weekday=weekday, day=moment.day, month=month, year=moment.year)


def moment_text(moment: datetime, language: Language) -> str:
    """Return a local time with its date and its zone, such as `Saturday, 4 July 2026, 8:00 PM MDT`."""
    return f"{day_text(moment, language)}, {time_text(moment, language)}"


def time_text(moment: datetime, language: Language) -> str:
    """Return a local time with the usual short name of its zone, `8:00 PM MDT`, or with its offset if it has no such name: `UTC-03`."""
    zone = moment.tzname() or ""
    time = clock_text(moment, DATE_WORDS[language].time)
    return f"{time} {zone if zone.isalpha() else f'UTC{zone}'}"
