"""Share an event: calendar files, link previews for messengers and social networks, and its name, time and place in emails."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import escape
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


# Link previews: small HTML pages for messengers and social networks, which run no scripts. A page has the title, description and picture
# as Open Graph metadata (https://ogp.me) and as a Twitter card.

PREVIEW_MEDIA_TYPE = "text/html"
MAX_DESCRIPTION = 200  # characters; previews show no more
DEFAULT_PICTURE = "/share.jpg"  # in web/public: 1200 x 630
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_SHOP = "Fairgate"


def render_preview(event: Event, url: str, shop_url: str) -> str:
    """Return the preview page of a public event, whose page in the shop is `url`. All text of the event is escaped."""
    place = f"{event.venue}, {event.city}" if event.city else event.venue
    facts = f"{clock.local(event.starts_at, event.timezone):%d %B %Y} · {place}".lstrip("0")
    description = _shortened(f"{facts}. {' '.join(event.description.split())}".strip(" ."))
    picture = event.image_url or ""
    if event.image is not None:
        picture = f"{shop_url}{picture}"
    elif not picture.startswith(("https://", "http://")):
        picture = f"{shop_url}{DEFAULT_PICTURE}"
    metas = {
        "og:type": "website",
        "og:site_name": _SHOP,
        "og:title": event.name,
        "og:description": description,
        "og:url": url,
        "og:image": picture,
        "og:image:alt": event.name,
    }
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f"<title>{escape(event.name)} · {_SHOP}</title>",
            f'<link rel="canonical" href="{escape(url)}">',
            f'<meta name="description" content="{escape(description)}">',
            *(f'<meta property="{name}" content="{escape(content)}">' for name, content in metas.items()),
            '<meta name="twitter:card" content="summary_large_image">',  # the card's other fields are the Open Graph ones above
            f'</head>\n<body>\n<h1><a href="{escape(url)}">{escape(event.name)}</a></h1>',
            f"<p>{escape(description)}</p>\n</body>\n</html>\n",
        ]
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1].rstrip()}…"


# Emails.


def mail_values(event: Event) -> dict[str, Any]:
    """Return the name, place and start of an event for the templates of emails. The start is in the event's time zone."""
    starts = clock.local(event.starts_at, event.timezone) if event.starts_at else None
    return {"name": event.name, "place": event.place, "starts": starts}
