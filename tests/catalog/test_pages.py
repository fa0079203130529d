"""The shop's pages as HTML: their words in two languages, the reply of the API in them, and that nobody's text becomes markup."""

import json
import re
from html.parser import HTMLParser

import pytest

from chalicelib.catalog import pages
from chalicelib.edge.languages import DATE_WORDS, DIRECTIONS
from chalicelib.foundation import clock, settings
from tests import builders
from tests.javascript import run_module

SHOP = "https://tickets.example.org"
NASTY = "\"></script><img src=x onerror=alert(1)><script>alert(1)</script><!-- & 'Co' <b>"
SHELL = {
    "head": '<meta charset="utf-8"><script type="module" src="/assets/index-1.js"></script>',
    "texts": {"en": ["/assets/en-1.js"], "es": ["/assets/es-1.js"]},
}
SEARCH_DATA = "application/ld+json"
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """A page as a browser reads it: its tags with their attributes, its text without scripts, what its head says, reply and data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words, self.reply, self.data, self._open = "", "", "", [""]
        self.feed(text)
        self.says = {
            found.get("property") or found.get("name") or "": found.get("content", "") for tag, found in self.tags if tag == "meta"
        }
        self.links = {found["href"]: found for tag, found in self.tags if tag in ("a", "link")}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"{tag} is not open"

    def handle_data(self, data: str) -> None:
        if self._open[-1] == "script" and self.tags[-1][1].get("type") == SEARCH_DATA:
            self.data += data
        elif self._open[-1] == "script":
            self.reply += data
        else:
            self.words += f" {data}"

    @property
    def scripts(self) -> list[dict[str, str]]:
        return [found for tag, found in self.tags if tag == "script" and found.get("type") != SEARCH_DATA]


@pytest.fixture(autouse=True)
def shell(tmp_path):
    file = tmp_path / "shell"
    file.write_text(json.dumps(SHELL))
    with settings.override(shop_url=SHOP, shell_file=str(file)):
        yield


def read(api, path="/", language="en", status=200):
    reply = api.get("/pages/index.html", query={"path": path, "language": language})
    assert (reply.status, reply.headers["content-type"]) == (status, "text/html; charset=utf-8"), reply.body
    return Page(reply.body.decode())


def change(api, event_id, **fields):
    assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200


def test_an_events_page_has_title_description_picture_and_address(api, time):
    event_id = builders.create_event(api, "Night", venue="Hall", description="One night. " * 50, starts_at="2026-07-01T02:30:00Z")
    change(api, event_id, timezone="America/Denver", city="Denver")
    page = read(api, f"/events/{event_id}")
    assert page.says["og:title"] == "Night"
    assert page.says["og:url"] == f"{SHOP}/events/{event_id}"
    assert page.links[f"{SHOP}/events/{event_id}"]["rel"] == "canonical"
    assert re.match(r"Tuesday, June 30(, 2026)? at 8:30\sPM MDT · Hall, Denver\. One night\.", page.says["og:description"])
    assert page.says["description"] == page.says["og:description"]
    assert len(page.says["og:description"]) <= 200
    assert (page.says["twitter:card"], page.says["og:image"]) == ("summary_large_image", f"{SHOP}/share.jpg")


@pytest.mark.parametrize(("timezone", "name"), [("America/Sao_Paulo", "GMT\u20113"), ("Asia/Kathmandu", "GMT+5:45")])
def test_a_zone_without_letters_is_named_by_its_offset_as_the_scripts_do(api, time, timezone, name):
    event_id = builders.create_event(api, starts_at="2026-07-01T02:30:00Z")
    change(api, event_id, timezone=timezone)
    assert f" {name} · " in read(api, f"/events/{event_id}").says["og:description"]


@pytest.mark.parametrize(("given", "shown"), [("https://cdn.example.org/a.jpg", "https://cdn.example.org/a.jpg"), ("javascript:1", None)])
def test_the_picture_of_the_event_is_used_if_it_has_an_address(api, time, given, shown):
    event_id = builders.create_event(api)
    changed = api.patch(f"/events/{event_id}", json={"image_url": given}, token=builders.admin_token())
    assert changed.status == (200 if shown else 400)
    assert read(api, f"/events/{event_id}").says["og:image"] == (shown or f"{SHOP}/share.jpg")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["On sale", "Floor", "$50", "Gallery", "$12.50"]),
        ("es", ["A la venta", "Floor", "50\u00a0US$", "Gallery", "12,50\u00a0US$"]),
    ],
)
def test_an_events_page_says_what_a_buyer_needs_first(api, time, language, words):
    starts = clock.iso(time.now + 20 * 86_400)
    event_id = builders.create_event(api, "Night", description="Read https://example.org/a?b=1&c=2.\nAll ages.", starts_at=starts)
    builders.create_tier(api, event_id)
    builders.create_tier(api, event_id, "Gallery", price_cents=1250)
    page = read(api, f"/events/{event_id}", language)
    missing = [word for word in ["Night", "Hall", *words] if word not in page.words]
    assert not missing, page.words
    assert page.links["https://example.org/a?b=1&c=2"]["rel"] == "nofollow ugc noopener noreferrer"
    assert ("html", {"lang": language, "dir": "ltr"}) in page.tags
    assert page.links[f"/assets/{language}-1.js"]["rel"] == "modulepreload"
    assert f"/assets/{'es' if language == 'en' else 'en'}-1.js" not in page.links


@pytest.mark.parametrize(
    ("language", "fee", "amounts"),
    [("en", "Includes $5 in fees", {"$50", "$5"}), ("es", "Incluye 5 US$ de gastos de gestión", {"50 US$", "5 US$"})],
)
def test_a_price_is_final_and_has_its_fee_beside_it(api, time, language, fee, amounts):
    """Nor do the descriptions for search engines and the calendar file have another price."""
    event_id = builders.create_event(api)
    body = {"name": "Seats", "price_cents": 5000, "capacity": 10, "included_fee": {"percent": "10"}}
    assert api.post(f"/events/{event_id}/tiers", json=body, token=builders.admin_token()).status == 201
    found = [read(api, path, language) for path in ("/", f"/events/{event_id}")]
    texts = [page.words.replace("\xa0", " ") for page in found]
    assert [text.count(fee) for text in texts] == [1, 2]
    calendar = api.get(f"/events/{event_id}/calendar.ics", headers={"Accept-Language": language}).body.decode()
    assert [set(re.findall(r"\$\d+|\d+ US\$", text)) for text in texts] == [amounts, amounts]
    assert "$" not in calendar + "".join(text for page in found for text in page.says.values())


def test_the_start_page_lists_the_coming_events_by_date(api, time):
    day = 86_400
    for name, seconds in {"Later": 40 * day, "Over": 600, "Soon": 20 * day}.items():
        event_id = builders.create_event(api, name, starts_at=clock.iso(time.now + seconds))
        change(api, event_id, city="Quito", ends_at=clock.iso(time.now + seconds + 60))
        builders.create_tier(api, event_id)
    builders.create_event(api, "Secret", status="draft")
    time.advance(2 * 3600)
    page = read(api)
    assert page.words.index("Soon") < page.words.index("Later")
    assert not {"Over", "Secret"} & set(page.words.split())
    assert "Hall, Quito" in page.words
    assert "from $50" in page.words
    assert "Past events (1)" in page.words
    assert [name for name in page.links if name.startswith("/events/") and name != "/events/feed.rss"] == [
        f"/events/{event['id']}"
        for event in sorted(api.get("/events").json, key=lambda event: event["starts_at"])
        if event["name"] != "Over"
    ]


@pytest.mark.parametrize("path", ["/", "/events/none"])
def test_the_footer_leads_to_the_legal_texts_of_the_shop(api, time, path):
    status = 200 if path == "/" else 404
    assert "/legal" in read(api, path, status=status).links
    with settings.override(legal_url='https://legal.test/?a="b"'):
        page = read(api, path, "es", status)
    assert "Aviso legal y privacidad" in page.words
    assert page.links['https://legal.test/?a="b"'] == {"href": 'https://legal.test/?a="b"'}
    assert page.says["legal"] == 'https://legal.test/?a="b"'  # for the scripts, which draw the footer again


def test_a_shop_without_events_says_so(api, time):
    assert "No hay eventos en este momento" in read(api, language="es").words


@pytest.mark.parametrize("path", ["/", "/events/{}"])
def test_a_page_brings_the_reply_that_its_scripts_would_request(api, time, path):
    event_id, _ = builders.create_shop(api)
    change(api, event_id, description=NASTY)
    page = read(api, path.format(event_id))
    assert json.loads(page.reply) == api.get("/events" if path == "/" else f"/events/{event_id}").json
    assert page.scripts[1:] == [{"type": "application/json", "id": "reply", "data-path": path.format(event_id)}]


def test_a_long_list_is_left_to_the_scripts(api, time, monkeypatch):
    monkeypatch.setattr(pages, "MAX_REPLY_CHARACTERS", 5000)
    for number in range(12):
        builders.create_event(api, f"Night {number}", description="x" * 5000)
    page = read(api)
    assert page.reply == ""
    assert "Night 11" in page.words


@pytest.mark.parametrize("path", ["/", "/events/{}"])
def test_text_of_promoters_stays_text(api, time, path):
    event_id = builders.create_event(api, NASTY, venue=NASTY, description=f"{NASTY} https://example.org/\"onclick='x'")
    change(api, event_id, city=NASTY[:60], category=NASTY[:60], address=NASTY[:60])
    builders.create_tier(api, event_id, NASTY[:60])
    for page in (read(api, path.format(event_id)), read(api, path.format(event_id), "es")):
        assert NASTY in page.words
        assert len(page.scripts) == 2
        assert not {"img", "b"} & {tag for tag, _ in page.tags}
        assert not any(name.startswith("on") for _, found in page.tags for name in found)


@pytest.mark.parametrize("path", ["/events/nope", "/events/a%20b", "/events/", "/elsewhere", "/events/<script>"])
def test_an_unknown_event_has_a_page_that_says_so(api, time, path):
    page = read(api, path, status=404)
    assert "Event not found" in page.words
    assert (page.reply, page.says["robots"]) == ("null", "noindex")


def test_the_preview_of_a_draft_is_left_to_the_scripts(api, time):
    page = read(api, "/preview")
    assert (page.reply, page.says["robots"]) == ("", "noindex")
    assert len(page.scripts) == 1


def test_a_draft_is_unknown(api, time):
    event_id = builders.create_event(api, "Secret", status="draft")
    assert "Secret" not in read(api, f"/events/{event_id}", status=404).words
    assert api.get(f"/events/{event_id}/preview").status == 404


def test_a_cancelled_event_says_what_becomes_of_tickets(api, time):
    event_id, _ = builders.create_shop(api)
    assert api.post(f"/events/{event_id}/cancel", json={}, token=builders.admin_token()).status == 200
    page = read(api, f"/events/{event_id}")
    assert "This event has been cancelled" in page.words
    assert "Reserve tickets" not in page.words
    assert f"/api/v1/events/{event_id}/calendar.ics" not in page.links


def test_an_event_that_opens_later_says_when_and_leads_to_its_waiting_room(api, time):
    opens = clock.iso(time.now + 90_061)
    event_id = builders.create_event(api, on_sale_at=opens, waiting_room={"enabled": True})
    builders.create_tier(api, event_id)
    page = read(api, f"/events/{event_id}", "es")
    change(api, event_id, doors_minutes=90)
    page = read(api, f"/events/{event_id}", "es")
    assert "Apertura de puertas: 10:30" in page.words
    assert "1 día 1:01:01" in " ".join(page.words.split())
    assert f"/events/{event_id}/line" in page.links


def test_an_event_with_a_ballot_says_when_the_draw_is_and_leads_to_its_page(api, time):
    opens = clock.iso(time.now + 3 * 86_400)
    event_id = builders.create_event(api, on_sale_at=opens, status="scheduled", waiting_room={"ballot": True})
    builders.create_tier(api, event_id)
    page = read(api, f"/events/{event_id}")
    assert "Draw in" in page.words
    assert "Sale opens in" not in page.words
    assert f"/events/{event_id}/line" in page.links
    time.advance(3 * 86_400)
    assert "The tickets are offered in the order of the draw." in read(api, f"/events/{event_id}").words


def test_sold_out_and_paused_events_say_so(api, time):
    sold_out, tier = builders.create_shop(api, capacity=1)
    builders.buy(api, "ada", sold_out, tier)
    paused, _ = builders.create_shop(api)
    assert api.post(f"/admin/events/{paused}/pause", token=builders.admin_token()).status == 200
    time.advance(10)
    assert "This event is sold out" in read(api, f"/events/{sold_out}").words
    assert "The sale is paused" in read(api, f"/events/{paused}").words
    line = builders.create_event(api, waiting_room={"enabled": True})
    builders.create_tier(api, line)
    assert api.post(f"/admin/events/{line}/pause", token=builders.admin_token()).status == 200
    time.advance(10)
    shown = read(api, f"/events/{line}", "es")
    assert " En pausa " in shown.words
    assert f"/events/{line}/line" in shown.links
    assert read(api, "/").words.count(" Paused ") == 2


def test_an_event_of_several_days_says_its_days(api, time):
    event_id = builders.create_event(api, starts_at="2027-04-29T07:00:00Z")
    change(api, event_id, timezone="America/Los_Angeles", ends_at="2027-05-02T06:59:59Z")
    assert "jueves, 29 de abril de 2027 – sábado, 1 de mayo de 2027" in read(api, f"/events/{event_id}", "es").words


def test_pages_are_cached_for_seconds_by_the_cdn_alone(api, time):
    event_id = builders.create_event(api)
    kept = [
        api.get("/pages/index.html", query={"path": path}).headers["cache-control"] for path in ("/", f"/events/{event_id}", "/events/x")
    ]
    assert all("max-age=0, s-maxage=" in header for header in kept)
    assert "stale" not in kept[2]  # an event that is published is found soon


def test_accept_language_decides_if_nothing_else_does(api, time):
    reply = api.get("/pages/index.html", headers={"Accept-Language": "es-MX, en;q=0.5"})
    assert '<html lang="es" dir="ltr">' in reply.body.decode()


def test_a_page_says_that_its_language_is_written_from_right_to_left(api, time, monkeypatch):
    monkeypatch.setitem(DIRECTIONS, "es", "rtl")
    event_id = builders.create_event(api)
    for path, status in (("/", 200), (f"/events/{event_id}", 200), ("/events/nope", 404), ("/preview", 200)):
        directions = {language: read(api, path, language, status).tags[0] for language in ("en", "es")}
        assert directions == {"en": ("html", {"lang": "en", "dir": "ltr"}), "es": ("html", {"lang": "es", "dir": "rtl"})}


def test_an_api_without_built_pages_has_their_words(api, time, tmp_path):
    event_id = builders.create_event(api)
    with settings.override(shell_file=str(tmp_path / "missing")):
        page = read(api, f"/events/{event_id}")
    assert "Night" in page.words
    assert [found.get("type") for found in page.scripts] == ["application/json"]


def test_the_preview_is_the_page_and_runs_nothing_at_its_address(api, time):
    event_id = builders.create_event(api)
    preview = api.get(f"/events/{event_id}/preview", headers={"Accept-Language": "es"})
    assert preview.body == api.get("/pages/index.html", query={"path": f"/events/{event_id}", "language": "es"}).body
    assert "default-src 'none'" in preview.headers["content-security-policy"]


READ_TEXTS = """
import { registerHooks } from "node:module";
import { createInterface } from "node:readline";
registerHooks({ resolve: (name, context, next) => next(/^\\.\\/[\\w-]+$/.test(name) ? `${name}.ts` : name, context) });
const texts = { en: (await import("$WEB/src/texts/en.ts")).en, es: (await import("$WEB/src/texts/es.ts")).es };
const day = (options) => (language, date) => new Intl.DateTimeFormat(language, { timeZone: "UTC", ...options }).format(date);
const lists = {
  weekdays: (language, length) => Array.from({ length: 7 }, (_, index) => day({ weekday: length })(language, Date.UTC(2024, 0, 1 + index))),
  months: (language, length) => Array.from({ length: 12 }, (_, index) => day({ month: length })(language, Date.UTC(2024, index, 1))),
};
for await (const line of createInterface({ input: process.stdin })) {
  const { language, key } = JSON.parse(line);
  const [name, argument = "{}"] = key.split(" ");
  const [list, length = "long"] = name.split("_");
  const text = lists[list]?.(language, length) ?? name.split(".").reduce((found, part) => found?.[part], texts[language]);
  console.log(JSON.stringify((typeof text === "function" ? text(argument === "{}" ? argument : Number(argument)) : text) ?? null));
}
"""
OWN_WORDS = {"direction", "noscript", "day", "days"}  # the scripts have no such texts


def test_the_words_are_those_of_the_pages_that_scripts_draw():
    words = [(language, key, text) for language in ("en", "es") for key, text in pages._TEXTS[language].items() if key not in OWN_WORDS]
    for language, dates in DATE_WORDS.items():
        words += [(language, "weekdays", list(dates.weekdays)), (language, "months", list(dates.months))]
    found = run_module(READ_TEXTS, [{"language": language, "key": key} for language, key, _ in words])
    assert [(language, key, text) for language, key, text in words] == [
        (language, key, text) for (language, key, _), text in zip(words, found, strict=True)
    ]


def test_search_engines_learn_what_google_shows_about_an_event(api, time):
    """The page has all fields that Google requires or recommends, except performers, which the shop does not know.

    https://developers.google.com/search/docs/appearance/structured-data/event
    """
    opens = time.now + 3600
    event_id = builders.create_event(api, "Night </script>", starts_at="2026-07-01T02:30:00Z", description="</SCRIPT><!--<script>")
    change(
        api,
        event_id,
        ends_at="2026-07-01T05:00:00Z",
        timezone="America/Denver",
        city="Denver",
        address="1 Main St",
        region="CO",
        postal_code="80202",
        country="US",
        on_sale_at=clock.iso(opens),
    )
    builders.create_tier(api, event_id)
    builders.create_tier(api, event_id, "Gallery", price_cents=1250, capacity=1)
    time.set(opens)
    data = json.loads(read(api, f"/events/{event_id}").data)
    offers = data.pop("offers")
    url = f"{SHOP}/events/{event_id}"
    assert data == {
        "@context": "https://schema.org",
        "@type": "Event",
        "name": "Night </script>",
        "description": "</SCRIPT><!--<script>",
        "url": url,
        "image": [f"{SHOP}/share.jpg"],
        "startDate": "2026-06-30T20:30:00-06:00",
        "endDate": "2026-06-30T23:00:00-06:00",
        "eventStatus": "https://schema.org/EventScheduled",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "location": {
            "@type": "Place",
            "name": "Hall",
            "address": {
                "@type": "PostalAddress",
                "streetAddress": "1 Main St",
                "addressLocality": "Denver",
                "addressRegion": "CO",
                "postalCode": "80202",
                "addressCountry": "US",
            },
        },
        "organizer": {"@type": "Organization", "name": "Fairgate", "url": f"{SHOP}/"},
    }
    assert offers == [
        {
            "@type": "Offer",
            "name": name,
            "url": url,
            "price": price,
            "priceCurrency": "USD",
            "availability": "https://schema.org/InStock",
            "validFrom": clock.iso(opens),
        }
        for name, price in (("Gallery", "12.50"), ("Floor", "50.00"))
    ]


def test_search_engines_learn_whether_there_are_tickets_and_from_when(api, time):
    starts_at = time.now + 30 * 86_400
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 60), starts_at=clock.iso(starts_at))
    small, _ = builders.create_tier(api, event_id, "Small", capacity=1), builders.create_tier(api, event_id, "Large")

    def availability():
        offers = json.loads(read(api, f"/events/{event_id}").data)["offers"]
        return {offer["name"]: offer["availability"].rpartition("/")[2] for offer in offers}

    assert availability() == {"Small": "PreOrder", "Large": "PreOrder"}
    time.advance(60)
    builders.buy(api, "ada", event_id, small)
    time.advance(5)
    assert availability() == {"Small": "SoldOut", "Large": "InStock"}
    time.set(starts_at + 86_400)
    assert availability() == {"Small": "SoldOut", "Large": "SoldOut"}


def test_search_engines_learn_the_promoter_of_an_event_once_an_admin_has_verified_the_promoter(api, time):
    event_id, _ = builders.create_promoted_shop("nora")
    organizers = []
    for verified in (False, True):
        profile = {"name": "Nora", "company": "Nora & </script> Ltd", "website": "https://nora.example/", "verified": verified}
        assert api.put("/promoters/nora", json=profile, token=builders.admin_token()).status == 200
        time.advance(600)
        organizers.append(json.loads(read(api, f"/events/{event_id}").data)["organizer"])
    assert organizers == [
        {"@type": "Organization", "name": "Fairgate", "url": f"{SHOP}/"},
        {"@type": "Organization", "name": "Nora & </script> Ltd", "url": "https://nora.example/"},
    ]


def test_an_event_without_a_description_is_described_by_its_time_and_place(api, time):
    event_id = builders.create_event(api, venue="Old Hall", starts_at="2026-07-01T20:00:00Z", description="")
    description = json.loads(read(api, f"/events/{event_id}").data)["description"]
    assert " ".join(description.split()) == "Wednesday, July 1 at 8:00 PM UTC · Old Hall"


def test_search_engines_learn_that_an_event_was_moved_or_cancelled(api, time):
    event_id = builders.create_event(api, starts_at="2026-07-01T20:00:00Z")
    builders.create_tier(api, event_id)
    change(api, event_id, starts_at="2026-07-08T20:00:00Z")
    moved = json.loads(read(api, f"/events/{event_id}").data)
    assert api.post(f"/events/{event_id}/cancel", json={"reason": "Rain."}, token=builders.admin_token()).status == 200
    cancelled = json.loads(read(api, f"/events/{event_id}").data)
    assert (moved["eventStatus"], moved["startDate"], moved["previousStartDate"]) == (
        "https://schema.org/EventRescheduled",
        "2026-07-08T20:00:00+00:00",
        "2026-07-01T20:00:00+00:00",
    )
    assert (cancelled["eventStatus"], cancelled.get("offers")) == ("https://schema.org/EventCancelled", None)


def test_search_engines_learn_the_dates_of_a_tour(api, time):
    event_id = builders.create_event(api, "Tour", venue="Old Hall")
    dates = [
        {"id": "rome", "starts_at": "2026-07-01T20:00:00Z", "name": "Rome", "venue": "Arena"},
        {"id": "oslo", "starts_at": "2026-07-03T20:00:00Z"},
    ]
    change(api, event_id, dates=dates)
    data = json.loads(read(api, f"/events/{event_id}").data)
    found = [(part["name"], part["startDate"][:10], part["location"]["name"]) for part in [data, *data["subEvent"]]]
    assert found == [("Tour", "2026-07-01", "Old Hall"), ("Rome", "2026-07-01", "Arena"), ("Tour", "2026-07-03", "Old Hall")]
