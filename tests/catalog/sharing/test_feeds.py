"""The feeds and the sitemap, as programs read them that know nothing of Fairgate."""

import json
from datetime import UTC, datetime
from html import escape
from xml.etree import ElementTree

import icalendar
import pytest

from chalicelib.catalog.model import Event, EventDate
from chalicelib.catalog.sharing import FEEDS, Feed, SharedEvent
from chalicelib.foundation import clock, settings
from tests import builders

SHOP = "https://shop.test"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NASTY = 'Rock & "Roll" <script>\x08'
DAY = 86_400


@pytest.fixture(autouse=True)
def _address():
    with settings.override(shop_url=SHOP):
        yield


@pytest.fixture
def events(api, time):
    """Create an event in each state. Returns their ids by name."""
    starts = {NASTY.strip("\x08"): 20, "Later": 40, "Over": 1, "Cancelled": 30, "Secret": 30}
    ids = {
        name: builders.create_event(
            api,
            name,
            starts_at=clock.iso(time.now + days * DAY),
            description=NASTY.strip("\x08"),
            status="draft" if name == "Secret" else "on_sale",
        )
        for name, days in starts.items()
    }
    assert api.post(f"/events/{ids['Cancelled']}/cancel", json={"reason": "Rain."}, token=builders.admin_token()).status == 200
    time.advance(2 * DAY)
    return ids


def read(api, path, media_type, language="en"):
    reply = api.get("/pages/index.html", query={"path": path, "language": language})
    assert (reply.status, reply.headers["content-type"]) == (200, f"{media_type}; charset=utf-8")
    assert reply.headers["cache-control"] == "public, max-age=300"
    return reply.body.decode()


def coming(events):
    """Return the names of the coming events, and their addresses."""
    names = [NASTY.strip("\x08"), "Later"]
    return names, [f"{SHOP}/events/{events[name]}" for name in names]


def test_the_rss_feed_has_the_coming_events(api, events):
    channel = ElementTree.fromstring(read(api, "/events/feed.rss", "application/rss+xml"))[0]
    items = channel.findall("item")
    assert ([item.findtext("title") for item in items], [item.findtext("link") for item in items]) == coming(events)
    assert channel.findtext("link") == f"{SHOP}/"
    assert items[0].findtext("description").startswith("Sunday, June 21")
    # Feed readers show the description as HTML.
    assert items[0].findtext("description").endswith(f"· Hall<br><br>{escape(NASTY.strip(chr(8)))}")


def test_the_json_feed_has_the_coming_events_in_the_readers_language(api, events):
    feed = json.loads(read(api, "/events/feed.json", "application/feed+json", "es"))
    items = feed["items"]
    assert ([item["title"] for item in items], [item["url"] for item in items]) == coming(events)
    assert (feed["version"], feed["feed_url"]) == ("https://jsonfeed.org/version/1.1", f"{SHOP}/events/feed.json")
    assert items[0]["content_text"].startswith("domingo, 21 de junio")
    assert items[0]["image"] == f"{SHOP}/share.jpg"


def test_the_calendar_has_the_coming_events(api, events):
    entries = icalendar.Calendar.from_ical(read(api, "/events/feed.ics", "text/calendar")).walk("VEVENT")
    assert ([str(entry["SUMMARY"]) for entry in entries], [str(entry["URL"]) for entry in entries]) == coming(events)


def test_the_sitemap_has_all_public_events(api, events):
    urls = ElementTree.fromstring(read(api, "/events/sitemap.xml", "application/xml"))
    assert {url.findtext(f"{SITEMAP}loc") for url in urls} == {f"{SHOP}/events/{id}" for name, id in events.items() if name != "Secret"}
    assert {url.findtext(f"{SITEMAP}lastmod")[:10] for url in urls} == {"2026-06-01"}


def test_a_shop_without_events_has_empty_feeds(api, time):
    assert json.loads(read(api, "/events/feed.json", "application/feed+json"))["items"] == []
    assert len(ElementTree.fromstring(read(api, "/events/sitemap.xml", "application/xml"))) == 0


@pytest.mark.parametrize("path", ["/events/feed.rss", "/events/feed.ics", "/events/feed.json"])
def test_no_event_makes_a_feed_unreadable_or_too_long(api, time, path):
    dates = [{"id": f"d{number}", "starts_at": clock.iso(time.now + (40 + number) * DAY)} for number in range(60)]
    event_id = builders.create_event(api, "Odd \uffff\ufffe name", description="Long \uffff " * 1000)
    assert api.patch(f"/events/{event_id}", json={"dates": dates}, token=builders.admin_token()).status == 200
    media_types = {"rss": "application/rss+xml", "ics": "text/calendar", "json": "application/feed+json"}
    text = read(api, path, media_types[path.rpartition(".")[2]])
    assert len(text) < 60 * 800
    if path.endswith("rss"):
        assert ElementTree.fromstring(text)[0].findall("item")[0].findtext("title") == "Odd  name"


def test_tours_with_many_dates_leave_the_calendar_short_enough_for_a_reply(time):
    dates = [EventDate(f"d{number}", datetime.fromtimestamp(time.now + number * DAY, UTC), name="N" * 100) for number in range(60)]
    texts = {"name": "N" * 200, "venue": "V" * 200, "description": "D" * 200}
    tours = [
        Event(id=f"tour-{number}", starts_at=dates[0].start, status="active", date="", managed_by="api", dates=dates, **texts)
        for number in range(100)
    ]
    shared = [SharedEvent(tour, f"{SHOP}/events/{tour.id}", "", "") for tour in tours]
    text = FEEDS["/events/feed.ics"].render(Feed("Shop", f"{SHOP}/", "shop.test", shared, 1, time.now))
    entries = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert str(entries[0]["UID"]) == "tour-0.d0@shop.test"
    assert len(text) < 1_200_000
