"""The languages of our emails, documents and pages: the choice of a language for a request, and dates and times as texts."""

from datetime import datetime
from typing import Literal, get_args

from msgspec import Struct

from chalicelib.edge.operation import Header

Language = Literal["en", "es"]
DEFAULT: Language = "en"

ACCEPT_LANGUAGE = Header("Accept-Language", "The languages that the caller prefers, best first.")


def choose_language(accept_language: str | None) -> Language:
    """Return the supported language that the caller's Accept-Language prefers (RFC 9110, 12.5.4)."""
    weights: dict[Language, float] = {}
    for preference in (accept_language or "")[:1000].split(","):
        text, _, parameter = preference.partition(";")
        name = text.strip().lower().partition("-")[0]
        for language in get_args(Language):
            if name == language:
                weights[language] = max(weights.get(language, 0.0), _weight(parameter))
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


# Dates and times in emails and documents.


class DateWords(Struct, frozen=True):
    """The words of dates, beginning with Monday and January. `is_24_hours` says whether times use the 24-hour clock."""

    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    day: str
    is_24_hours: bool


DATE_WORDS: dict[Language, DateWords] = {
    "en": DateWords(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"),
        "{weekday}, {day} {month} {year}",
        is_24_hours=False,
    ),
    "es": DateWords(
        ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
        "{weekday}, {day} de {month} de {year}",
        is_24_hours=True,
    ),
}


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
    if DATE_WORDS[language].is_24_hours:
        time = f"{moment:%H:%M}"
    else:
        time = f"{moment.hour % 12 or 12}:{moment:%M} {'AM' if moment.hour < 12 else 'PM'}"
    return f"{time} {zone if zone.isalpha() else f'UTC{zone}'}"
