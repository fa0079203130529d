"""Share an event: calendar files, and its name, time and place in emails."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.catalog.model import Event
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock

# Calendar files (iCalendar, RFC 5545). Times are in UTC, so the file needs no timezone definition, and each calendar shows its owner's
# local time.

CALENDAR_MEDIA_TYPE = "text/calendar"
MAX_LINE_BYTES = 75  # RFC 5545, 3.1, without the line break

_OPENING: dict[Language, str] = {"en": "Tickets on sale: {name}", "es": "Empieza la venta de entradas: {name}"}

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def render_calendar(event: Event, url: str, host: str, revision: int, language: Language, now: int) -> str:
    """Return the calendar file of a public event, and of the opening of its sale if the sale has not opened yet.

    `host` makes the UIDs globally unique; `revision` shows which of two files is newer.
    """
    place = event.place
    description = f"{event.description}\n\n{url}".strip()
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Fairgate//Tickets//EN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{_text(event.id)}@{host}",
        f"DTSTAMP:{_moment(now)}",
        f"SEQUENCE:{revision}",
        *_period(event),
        f"SUMMARY:{_text(event.name)}",
        f"LOCATION:{_text(place)}",
        f"DESCRIPTION:{_text(description)}",
        f"URL:{url}",
        f"STATUS:{'CANCELLED' if event.status == 'cancelled' else 'CONFIRMED'}",
        "END:VEVENT",
        *_opening(event, url, host, revision, language, now),
        "END:VCALENDAR",
    ]
    return "".join(f"{piece}\r\n" for line in lines for piece in _folded(line))


def _opening(event: Event, url: str, host: str, revision: int, language: Language, now: int) -> Iterator[str]:
    """Yield the lines of the opening of the sale, with an alarm 15 minutes before it."""
    if event.on_sale_at is None or event.on_sale_at <= now or event.status == "cancelled":
        return
    summary = _text(_OPENING[language].format(name=event.name))
    yield from (
        "BEGIN:VEVENT",
        f"UID:sale.{_text(event.id)}@{host}",
        f"DTSTAMP:{_moment(now)}",
        f"SEQUENCE:{revision}",
        f"DTSTART:{_moment(event.on_sale_at)}",
        f"SUMMARY:{summary}",
        f"URL:{url}",
        f"DESCRIPTION:{_text(url)}",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:-PT15M",
        f"DESCRIPTION:{summary}",
        "END:VALARM",
        "END:VEVENT",
    )


def _period(event: Event) -> Iterator[str]:
    """Yield the lines with the start and end.

    An event without a time of day fills whole days. In iCalendar, such an event ends on the day after its last day.
    """
    if event.managed_by == "bootstrap" and _DAY.fullmatch(event.date):
        last = date.fromisoformat((event.end_date or event.date)[:10])
        yield f"DTSTART;VALUE=DATE:{event.date.replace('-', '')}"
        yield f"DTEND;VALUE=DATE:{last + timedelta(days=1):%Y%m%d}"
        return
    yield f"DTSTART:{_moment(event.starts_at)}"
    if event.ends_at is not None:
        yield f"DTEND:{_moment(event.ends_at)}"


def _moment(epoch_seconds: int) -> str:
    return f"{datetime.fromtimestamp(epoch_seconds, UTC):%Y%m%dT%H%M%SZ}"


def _text(text: str) -> str:
    return _CONTROL.sub("", text).translate(_ESCAPES)


def _folded(line: str) -> Iterator[str]:
    """Split a line into pieces of the allowed length. Later pieces begin with a space. No character is split."""
    piece, size = "", 0
    for character in line:
        width = len(character.encode())
        if size + width > MAX_LINE_BYTES:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + width
    yield piece


# Emails.


def mail_values(event: Event) -> dict[str, Any]:
    """Return the name, place, start and opening of the doors of an event for the templates of emails, in the event's time zone."""
    starts = clock.local(event.starts_at, event.timezone) if event.starts_at else None
    doors = None if starts is None or event.doors_minutes is None else starts - timedelta(minutes=event.doors_minutes)
    return {"name": event.name, "place": event.place, "starts": starts, "doors": doors}
