"""Share events with other programs: calendar files, feeds, a sitemap, and values for emails."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from html import escape
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.catalog.model import Event
from chalicelib.edge import cursors
from chalicelib.edge.languages import Language, load_words
from chalicelib.foundation import clock

# Calendar files (iCalendar, RFC 5545). Times are in UTC, so the file needs no timezone definition, and each calendar shows its owner's
# local time.

CALENDAR_MEDIA_TYPE = "text/calendar"
MAX_LINE_BYTES = 75  # RFC 5545, 3.1, without the line break


class CalendarWords(Struct, frozen=True, forbid_unknown_fields=True):
    opening: str


_WORDS = load_words("calendar", CalendarWords)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\ufffe\uffff]")  # including characters that XML does not allow


def render_calendar(event: Event, url: str, host: str, revision: int, language: Language, now: int) -> str:
    """Return the calendar file of a public event: each of its dates, and the opening of its sale if the sale has not opened yet.

    `host` makes the UIDs globally unique; `revision` shows which of two files is newer.
    """
    entries = chain.from_iterable(_entries(event, url, host, revision, now))
    return _calendar([*entries, *_opening(event, url, host, revision, language, now)])


def _calendar(entries: Iterable[str]) -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Fairgate//Tickets//EN", "METHOD:PUBLISH", *entries, "END:VCALENDAR"]
    return "".join(f"{piece}\r\n" for line in lines for piece in _folded(line))


def _entries(event: Event, url: str, host: str, revision: int, now: int) -> Iterator[list[str]]:
    """Yield the lines of each date of an event."""
    for single in [event.on_dates([one]) for one in event.dates] or [event]:
        yield list(_occurrence(single, url, host, revision, now))


def _occurrence(event: Event, url: str, host: str, revision: int, now: int) -> Iterator[str]:
    """Yield the lines of an event that has no dates, or only one."""
    date = event.dates[0] if event.dates else None
    name = event.name if date is None or date.name is None else f"{event.name}: {date.name}"
    description = f"{event.description}\n\n{url}".strip()
    yield from (
        "BEGIN:VEVENT",
        f"UID:{_text(event.id if date is None else f'{event.id}.{date.id}')}@{host}",
        f"DTSTAMP:{_moment(now)}",
        f"SEQUENCE:{revision}",
        *_period(event),
        f"SUMMARY:{_text(name)}",
        f"LOCATION:{_text(event.place)}",
        f"DESCRIPTION:{_text(description)}",
        f"URL:{url}",
        f"STATUS:{'CANCELLED' if event.status == 'cancelled' else 'CONFIRMED'}",
        "END:VEVENT",
    )


def _opening(event: Event, url: str, host: str, revision: int, language: Language, now: int) -> Iterator[str]:
    """Yield the lines of the opening of the sale, with an alarm 15 minutes before it."""
    if event.on_sale_at is None or event.on_sale_at <= now or event.status == "cancelled":
        return
    summary = _text(_WORDS[language].opening.format(name=event.name))
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
    if fills_days(event):
        last = date.fromisoformat((event.end_date or event.date)[:10])
        yield f"DTSTART;VALUE=DATE:{event.date.replace('-', '')}"
        yield f"DTEND;VALUE=DATE:{last + timedelta(days=1):%Y%m%d}"
        return
    yield f"DTSTART:{_moment(event.starts_at)}"
    if event.ends_at is not None:
        yield f"DTEND:{_moment(event.ends_at)}"


def fills_days(event: Event) -> bool:
    """Whether the event has no time of day."""
    return event.managed_by == "bootstrap" and _DAY.fullmatch(event.date) is not None


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


# Feeds of the coming events, and the sitemap of all events: addresses in the shop, which the CDN keeps like the pages of events.


class SharedEvent(Struct, frozen=True):
    """An event in a feed: its address and picture in the shop, and its time and place in the reader's language."""

    event: Event
    url: str
    picture: str
    when_and_where: str


class Feed(Struct, frozen=True):
    """The events of a shop, in the order of their starts. `home` is the address of the shop, with a trailing slash."""

    title: str
    home: str
    host: str
    events: Sequence[SharedEvent]
    revision: int
    now: int


class FeedFormat(Struct, frozen=True):
    media_type: str
    render: Callable[[Feed], str]
    is_of_all: bool = False  # with past and cancelled events


def _render_sitemap(feed: Feed) -> str:
    """Return a sitemap (https://www.sitemaps.org/protocol.html)."""
    entries = (
        f"<url><loc>{_xml(shared.url)}</loc>"
        + (f"<lastmod>{clock.iso(shared.event.updated_at)}</lastmod>" if shared.event.updated_at else "")
        + "</url>"
        for shared in feed.events
    )
    return f'{_XML}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{"".join(entries)}</urlset>\n'


def _render_rss(feed: Feed) -> str:
    """Return an RSS feed (https://www.rssboard.org/rss-specification)."""
    items = (
        f"<item><title>{_xml(shared.event.name)}</title><link>{_xml(shared.url)}</link>"
        f'<guid isPermaLink="true">{_xml(shared.url)}</guid><description>{_xml(_as_html(_summary(shared)))}</description></item>'
        for shared in feed.events
    )
    own = f'<atom:link href="{_xml(feed.home)}events/feed.rss" rel="self" type="application/rss+xml"/>'
    channel = f"<title>{_xml(feed.title)}</title><link>{_xml(feed.home)}</link><description>{_xml(feed.title)}</description>{own}"
    return f'{_XML}<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>{channel}{"".join(items)}</channel></rss>\n'


def _render_json_feed(feed: Feed) -> str:
    """Return a JSON feed (https://www.jsonfeed.org/version/1.1/)."""
    items = [
        {"id": shared.url, "url": shared.url, "title": shared.event.name, "content_text": _summary(shared), "image": shared.picture}
        for shared in feed.events
    ]
    urls = {"home_page_url": feed.home, "feed_url": f"{feed.home}events/feed.json"}
    return msgspec.json.encode({"version": "https://jsonfeed.org/version/1.1", "title": feed.title, **urls, "items": items}).decode()


def _render_calendars(feed: Feed) -> str:
    """Return a calendar file with as many of the first events as fit into a reply, because an event has up to MAX_DATES entries."""
    entries = (entry for shared in feed.events for entry in _entries(shared.event, shared.url, feed.host, feed.revision, feed.now))
    return _calendar(chain.from_iterable(cursors.fit(entries)))


_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
FEEDS = {
    "/events/sitemap.xml": FeedFormat("application/xml", _render_sitemap, is_of_all=True),
    "/events/feed.rss": FeedFormat("application/rss+xml", _render_rss),
    "/events/feed.json": FeedFormat("application/feed+json", _render_json_feed),
    "/events/feed.ics": FeedFormat(CALENDAR_MEDIA_TYPE, _render_calendars),
}


def _summary(shared: SharedEvent) -> str:
    return f"{shared.when_and_where}\n\n{shared.event.description}".strip()


def _as_html(text: str) -> str:
    """Return text as HTML, because feed readers show the description of an RSS item as HTML."""
    return escape(text).replace("\n", "<br>")


def _xml(text: str) -> str:
    return escape(_CONTROL.sub("", text))


# Emails.


def mail_values(event: Event) -> dict[str, Any]:
    """Return an event's name, place, start and door time for email templates, in the event's time zone.

    `dates` has the starts of an event with several dates.
    """
    starts = clock.local(event.starts_at, event.timezone) if event.starts_at else None
    is_single = len(event.dates) < 2
    doors = starts - timedelta(minutes=event.doors_minutes) if starts and is_single and event.doors_minutes is not None else None
    dates = [] if is_single else [clock.local(date.start, event.timezone) for date in event.open_dates]
    return {"name": event.name, "place": event.place, "starts": starts, "doors": doors, "dates": dates}
