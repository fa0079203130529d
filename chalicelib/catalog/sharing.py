"""Share an event: calendar files, and its name, time and place in emails."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from chalicelib.catalog.model import Event
from chalicelib.foundation import clock

# Calendar files (iCalendar, RFC 5545). Times are in UTC, so the file needs no timezone definition, and each calendar shows its owner's
# local time.

CALENDAR_MEDIA_TYPE = "text/calendar"
MAX_LINE_BYTES = 75  # RFC 5545, 3.1, without the line break

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def render_calendar(event: Event, url: str, host: str, revision: int, now: int) -> str:
    """Return the calendar file of a public event. `host` makes the UID globally unique; `revision` shows which of two files is newer."""
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
        "END:VCALENDAR",
    ]
    return "".join(f"{piece}\r\n" for line in lines for piece in _folded(line))


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
    """Return the name, place and start of an event for the templates of emails. The start is in the event's time zone."""
    starts = clock.local(event.starts_at, event.timezone) if event.starts_at else None
    return {"name": event.name, "place": event.place, "starts": starts}
