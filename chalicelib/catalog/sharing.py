"""Share an event: a calendar file, and a page with a preview for social networks."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html import escape

from chalicelib.catalog.model import Event
from chalicelib.foundation import clock

# An event as an iCalendar file (RFC 5545), which every calendar program imports.
#
# Times are in UTC, so the file needs no definition of a timezone and each calendar shows its owner's own time.

CALENDAR_MEDIA_TYPE = "text/calendar"
MAX_LINE_BYTES = 75  # RFC 5545, 3.1, without the line break

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def render_calendar(event: Event, url: str, host: str, revision: int, now: int) -> str:
    """The file for a public event. `host` makes its id unique in the world; `revision` tells a calendar which of two files is newer."""
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
    """When it begins and ends. An event of the bootstrap file without a time of day takes whole days, of which the end is the day after."""
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
    """A line in pieces that are short enough, those after the first one with a space in front. No character is cut in two."""
    piece, size = "", 0
    for character in line:
        width = len(character.encode())
        if size + width > MAX_LINE_BYTES:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + width
    yield piece


# An event as a small HTML page for the programs of messengers and social networks, which draw a preview of a link and run no script.
#
# The page says what they read: title, description and picture, by Open Graph (https://ogp.me) and as a Twitter card.

PREVIEW_MEDIA_TYPE = "text/html"
MAX_DESCRIPTION = 200  # characters; previews show no more
DEFAULT_PICTURE = "/share.jpg"  # of web/public: 1200 x 630
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_SHOP = "Fairgate"


def render_preview(event: Event, url: str, shop_url: str) -> str:
    """The page of a public event, whose address for people is `url`. All text of the event is escaped."""
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
            '<meta name="twitter:card" content="summary_large_image">',  # the rest of the card is in the names above
            f'</head>\n<body>\n<h1><a href="{escape(url)}">{escape(event.name)}</a></h1>',
            f"<p>{escape(description)}</p>\n</body>\n</html>\n",
        ]
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DESCRIPTION else f"{text[: MAX_DESCRIPTION - 1].rstrip()}…"
