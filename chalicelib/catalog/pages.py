"""The shop's start page and event pages as HTML, with the content that visitors need before the scripts have loaded.

These pages are for people without JavaScript, for programs that preview links, and for browsers, whose scripts then draw the same page. The
markup and the texts (`pages` in edge/words) are those of web/src, so that nothing moves when the scripts take over. Controls that need
scripts are disabled until then. All text from the catalog is escaped.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from chalicelib.accounts.profiles import PublicSeller
from chalicelib.catalog import response_cache, service, sharing
from chalicelib.catalog.images import ImageView
from chalicelib.catalog.model import Event, TierStatus
from chalicelib.catalog.sharing import FEEDS, Feed, SharedEvent
from chalicelib.catalog.views import EventView, EventWithTiersView, TierView, shortened
from chalicelib.edge import languages
from chalicelib.edge.error_replies import CONTENT_POLICY
from chalicelib.edge.languages import DATE_WORDS, PRICE_FORMATS, Language
from chalicelib.edge.operation import resolve_id
from chalicelib.foundation import addons, clock, ids, memory, money, settings
from chalicelib.foundation.errors import NotFound

MEDIA_TYPE = "text/html"
SHOP = "Fairgate"
DEFAULT_PICTURE = "/share.jpg"  # in web/public: 1200 x 630
PREVIEW = "/preview"  # the page of a draft; only scripts may show its content, to the event's managers
MAX_DESCRIPTION = 200  # characters; link previews show no more
MAX_CARDS = 60
MAX_REPLY_CHARACTERS = 60_000  # of an API reply that a page contains; the scripts request a longer reply themselves
DAY_SECONDS = 86_400
# The headers at the API's address. At the shop's addresses, the CDN replaces this policy with the policy of the pages.
HEADERS = {
    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
    "Content-Security-Policy": CONTENT_POLICY,
    "Vary": "Accept-Language",
}

Texts = dict[str, str]

_FOLDER = Path(__file__).parent
_TEXTS = languages.load_words("pages", Texts)

PACKAGED_SHELL = "shell.json"  # in chalicelib, in the package of a deployed stage
_EVENT = re.compile(rf"/events/({ids.FORM})")
_OVER = ("sold_out", "closed", "cancelled")
# As in web/src/links.ts: punctuation at the end belongs to the sentence.
_LINK = re.compile(r"\bhttps?://[^\s<>\"“”«»]*[^\s<>\"“”«»'’.,:;!?()\[\]{}*_]", re.IGNORECASE)
_ART = '<svg class="artwork" viewBox="0 0 400 225" preserveAspectRatio="xMidYMid slice" aria-hidden="true"></svg>'  # scripts draw it
_BRAND = (
    '<svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">'
    '<path class="brand-gate" d="M4 3h24v26h-6V16a6 6 0 0 0-12 0v13H4z"/>'
    '<circle class="brand-light" cx="16" cy="18" r="2.6"/></svg>'
)


class Shell(Struct, frozen=True):
    """What the build of web/ adds to each page: the tags in its head, and the scripts with the texts of each language."""

    head: str
    texts: dict[str, list[str]]


def load_shell() -> Shell:
    """Return the shell of this deployment's pages. If the pages are not built, returns a shell without scripts."""
    try:
        return memory.decoder(Shell).decode(Path(settings.current().shell_file or _FOLDER.parent / PACKAGED_SHELL).read_bytes())
    except FileNotFoundError:
        return Shell(head='<meta charset="utf-8">', texts={})


def render_start(shell: Shell, language: Language, now: int) -> str:
    """Return the start page: the public events by date."""
    t, reply = _texts(language), response_cache.events_reply(language, now)
    catalog = service.snapshot_in(language)  # may be newer than the reply, so an event of the reply may be missing
    shown = [event for event in memory.decoder(list[EventView]).decode(reply.text) if event.id in catalog.events]
    dated = [(_date_filters(event, now), event) for event in shown]
    listed = sorted(((filters, event) for filters, event in dated if filters[0] != "past"), key=lambda entry: entry[1].starts_at)
    groups = [group for group in ("today", "weekend", "later", "cancelled") if any(filters[0] == group for filters, _ in listed)]
    sections = []
    for group in groups:
        heading = t["store.upcoming"] if groups == ["later"] else t[f"store.groups.{group}"]
        cards = "".join(
            _card(event, catalog.events[event.id], t, language, now) for filters, event in listed[:MAX_CARDS] if filters[0] == group
        )
        sections.append(f'<section class="group"><h2>{heading}</h2><ul class="cards">{cards}</ul></section>')
    if not listed:
        sections.append(_outcome("calm", t["store.empty"], f"<p>{t['store.emptyText']}</p>"))
    past_count = len(dated) - len(listed)
    past = f'<a href="/?when=past">{t["store.pastEvents"].format(past_count)}</a>' if past_count else ""
    content = (
        f'<div class="page"><div class="hero"><h1>{t["store.heading"]}</h1><p class="lead">{t["store.lead"]}</p></div>'
        f"{_filters(listed, catalog.events, t, language)}{''.join(sections)}{past}</div>"
    )
    url = settings.current().page_url("")
    head = _share_tags(t["store.title"], t["store.lead"], url, settings.current().page_url(DEFAULT_PICTURE[1:]))
    head += f'\n<link rel="alternate" type="application/rss+xml" title="{t["store.title"]}" href="/events/feed.rss">'
    return _document(shell, language, "/", t["store.title"], head, content, reply.text)


def render_event(shell: Shell, event_id: str, path: str, language: Language, now: int) -> str:
    """Return the page of a public event, which the visitor opened at `path`. Raises NotFound."""
    t = _texts(language)
    _catalog, event = service.get_visible_event(event_id, language)
    reply = response_cache.event_reply(event.id, language, now)
    view = memory.decoder(EventWithTiersView).decode(reply.text)
    url = settings.current().page_url(f"events/{event.id}")
    when = _period(event.starts_at, event.ends_at, event.timezone, language, now)
    facts = f"{when} · {event.place}"
    description = shortened(f"{facts}. {' '.join(event.description.split())}".strip(" ."), MAX_DESCRIPTION)
    picture = _share_picture(event)
    data = msgspec.json.encode(_event_data(event, view, url, picture, facts, now)).decode().replace("<", "\\u003c")
    head = f'{_share_tags(event.name, description, url, picture)}\n<script type="application/ld+json">{data}</script>'
    content = (
        f'<article class="page event"><div class="event-art">{_picture(view.image, "(min-width: 56rem) 50vw, 100vw", first=True)}</div>'
        f'<div class="event-text">{_facts(event, view, when, t, language, now)}</div>{_buy_bar(view, t, language)}'
        f'<div class="event-buy" id="tickets" tabindex="-1">{_sale(event, view, t, language, now)}'
        f"{_tickets(view, t, language)}</div></article>"
    )
    return _document(shell, language, path, event.name, head, content, reply.text)


def render_missing(shell: Shell, path: str, language: Language) -> str:
    """Return the page for an event that does not exist or that the public may not see."""
    t = _texts(language)
    content = (
        f'<div class="page page-narrow"><h1>{t["event.notFound"]}</h1><p class="lead">{t["event.notFoundText"]}</p>'
        f'<a class="button" href="/">{t["allEvents"]}</a></div>'
    )
    return _document(shell, language, path, t["event.notFound"], '<meta name="robots" content="noindex">', content, "null")


def render_feed(path: str, language: Language, now: int) -> str:
    """Return the feed at a path of FEEDS. It has a thousand events at most, like the start page."""
    feed, catalog, home = FEEDS[path], service.snapshot_in(language), settings.current().page_url("")
    views = memory.decoder(list[EventView]).decode(response_cache.events_reply(language, now).text)
    events = sorted((catalog.events[view.id] for view in views if view.id in catalog.events), key=lambda event: event.starts_at)
    shared = [
        SharedEvent(
            # A calendar repeats the description for each date, and a Lambda reply can have at most 6 MB.
            msgspec.structs.replace(event, description=shortened(event.description, MAX_DESCRIPTION)),
            f"{home}events/{event.id}",
            _share_picture(event),
            f"{_period(event.starts_at, event.ends_at, event.timezone, language, now)} · {event.place}",
        )
        for event in events
        if feed.is_of_all or (event.status != "cancelled" and (event.ends_at or event.starts_at) >= now)
    ]
    title = _texts(language)["store.title"]
    return feed.render(Feed(title, home, urlsplit(home).hostname or "fairgate", shared, catalog.revision, now))


def render_page(path: str, language: Language, now: int) -> tuple[str, int]:
    """Return the page at a path of the shop, and its status. The page at PREVIEW has no content."""
    shell = load_shell()
    if path == "/":
        return render_start(shell, language, now), 200
    if path == PREVIEW:
        return _document(shell, language, path, SHOP, '<meta name="robots" content="noindex">', "", ""), 200
    address = _EVENT.fullmatch(path)
    try:
        if address is None:
            raise NotFound()
        return render_event(shell, resolve_id("event_id", address[1]), path, language, now), 200
    except NotFound:
        return render_missing(shell, path, language), 404


# The document around a page.


def _document(shell: Shell, language: Language, path: str, title: str, head: str, content: str, reply: str) -> str:
    t = _texts(language)
    links = (("/", "nav.events"), ("/tickets", "nav.tickets"), ("/sign-in", "signIn.title"))
    here = ' aria-current="page"'
    navigation = "".join(f'<a href="{address}"{here if address == path else ""}>{t[name]}</a>' for address, name in links)
    preloads = "".join(f'<link rel="modulepreload" crossorigin href="{escape(file)}">' for file in shell.texts.get(language, []))
    data = reply.replace("<", "\\u003c") if len(reply) <= MAX_REPLY_CHARACTERS else ""
    legal = escape(settings.current().legal_url)
    legal_tag = f'<meta name="legal" content="{legal}">\n' if legal else ""
    legal_link = f'<a href="{legal or "/legal"}">{t["legal"]}</a>'
    block = f'<script type="application/json" id="reply" data-path="{escape(path)}">{data}</script>' if data else ""
    return (
        f'<!doctype html>\n<html lang="{language}" dir="{languages.DIRECTIONS[language]}">\n<head>\n{shell.head}\n{preloads}\n{legal_tag}'
        f"<title>{escape(title)} · {SHOP}</title>\n{head}\n</head>\n"
        f'<body>\n<div id="app"><a class="skip" href="#content">{t["skip"]}</a>'
        f'<header class="top"><a class="brand" href="/">{_BRAND}{SHOP}</a><nav aria-label="{t["nav.label"]}">{navigation}</nav></header>'
        f'<noscript><p class="banner">{t["noscript"]}</p></noscript>'
        f'<main id="content" tabindex="-1">{content}</main>'
        f'<footer class="bottom"><p>{t["footer"]}</p><a href="/manage">{t["sellTickets"]}</a>{legal_link}</footer></div>\n'
        f"{block}\n</body>\n</html>\n"
    )


def _share_tags(title: str, description: str, url: str, picture: str) -> str:
    """Return the description, and the tags that messengers and social networks read (https://ogp.me, Twitter cards)."""
    metas = {
        "og:type": "website",
        "og:site_name": SHOP,
        "og:title": title,
        "og:description": description,
        "og:url": url,
        "og:image": picture,
        "og:image:alt": title,
    }
    return "\n".join(
        [
            f'<link rel="canonical" href="{escape(url)}">',
            f'<meta name="description" content="{escape(description)}">',
            *(f'<meta property="{name}" content="{escape(content)}">' for name, content in metas.items()),
            '<meta name="twitter:card" content="summary_large_image">',  # the card's other fields are the Open Graph ones above
        ]
    )


def _share_picture(event: Event) -> str:
    picture = event.image_url or ""
    if event.image is None and picture.startswith(("https://", "http://")):
        return picture
    return settings.current().page_url((picture if event.image is not None else DEFAULT_PICTURE).removeprefix("/"))


# Search engines.

MAX_OFFERS = 20  # of one event; more would only make the page longer
_AVAILABILITY: dict[TierStatus, str] = {"available": "InStock", "coming-soon": "PreOrder"}  # others: SoldOut


def _event_data(event: Event, view: EventWithTiersView, url: str, picture: str, summary: str, now: int) -> dict[str, Any]:
    """Return what search engines show about an event (https://schema.org/Event). `summary` describes an event without a description.

    It has the fields that https://developers.google.com/search/docs/appearance/structured-data/event names, apart from performers.
    """
    moved = next((change for change in reversed(event.public_changes) if change.field == "starts_at" and change.before), None)
    status = "EventCancelled" if event.status == "cancelled" else "EventRescheduled" if moved else "EventScheduled"
    data = {
        "@context": "https://schema.org",
        **_occurrence_data(event, event.name),
        "description": event.description or summary,
        "url": url,
        "image": [picture],
        "previousStartDate": _local_time(event, moved.before) if moved and isinstance(moved.before, int) else None,
        "eventStatus": f"https://schema.org/{status}",
        "eventAttendanceMode": "https://schema.org/OfflineEventAttendanceMode",
        "subEvent": [_occurrence_data(event.on_dates([date]), date.name or event.name) for date in event.dates],
        "offers": [] if event.status == "cancelled" else [_offer(view, tier, url) for tier in view.tiers[:MAX_OFFERS]],
        "organizer": _organizer(event, now),
    }
    return {name: value for name, value in data.items() if value}


def _organizer(event: Event, now: int) -> dict[str, Any]:
    """Return the verified promoter of an event, or else the shop."""
    seller = response_cache.find_seller(event, now)
    if seller is None:
        seller = PublicSeller(settings.current().shop_name, settings.current().page_url(""))
    return {"@type": "Organization", "name": seller.name, **({"url": seller.website} if seller.website else {})}


def _occurrence_data(event: Event, name: str) -> dict[str, Any]:
    """Return the time and place of an event or of one of its dates."""
    address = {
        "streetAddress": event.address,
        "addressLocality": event.city,
        "addressRegion": event.region,
        "postalCode": event.postal_code,
        "addressCountry": event.country,
    }
    known = {name: text for name, text in address.items() if text}
    location = {"@type": "Place", "name": event.venue, "address": {"@type": "PostalAddress", **known} if known else event.venue}
    times = {"startDate": _local_time(event, event.starts_at), "endDate": _local_time(event, event.ends_at)}
    status = {"eventStatus": "https://schema.org/EventCancelled"} if event.status == "cancelled" else {}
    return {"@type": "Event", "name": name, **{field: time for field, time in times.items() if time}, "location": location, **status}


def _offer(view: EventWithTiersView, tier: TierView, url: str) -> dict[str, Any]:
    availability = _AVAILABILITY.get(tier.status, "SoldOut")
    if availability == "InStock" and view.status != "on_sale":  # a tier's status depends only on the tier
        availability = "PreOrder" if view.status == "scheduled" else "SoldOut"
    offer = {
        "@type": "Offer",
        "name": tier.name,
        "url": url,
        "price": money.amount_text(tier.price_cents, tier.currency),
        "priceCurrency": tier.currency,
        "availability": f"https://schema.org/{availability}",
        "validFrom": tier.sale_starts_at or view.on_sale_at,
    }
    return {name: value for name, value in offer.items() if value}


def _local_time(event: Event, epoch_seconds: int | None) -> str | None:
    """Return a time with the offset of the event's time zone, or only the date for an event without a time of day."""
    local = None if epoch_seconds is None else clock.local(epoch_seconds, event.timezone)
    return None if local is None else local.date().isoformat() if sharing.fills_days(event) else local.isoformat()


# The start page.


def _filters(listed: Sequence[tuple[list[str], EventView]], events: Mapping[str, Event], t: Texts, language: Language) -> str:
    """Return the search and the filters, disabled but in their final size, so that nothing moves when scripts enable them."""
    filters = {date for dates, _ in listed for date in dates}
    months = sorted(date for date in filters if date[0].isdigit())
    dates = [t[f"store.groups.{name}"] for name in ("today", "weekend") if name in filters] + [_month(date, language) for date in months]
    cities = sorted({events[event.id].city or "" for _, event in listed} - {""})
    categories = sorted({events[event.id].category or "" for _, event in listed} - {""})

    def select(name: str, any_name: str, values: Sequence[str]) -> str:
        options = "".join(f"<option>{escape(text)}</option>" for text in (t[any_name], *values))
        return f'<select aria-label="{t[name]}" disabled>{options}</select>' if len(values) > 1 else ""

    return (
        f'<search class="filters"><input type="search" aria-label="{t["store.search"]}" placeholder="{t["store.search"]}" disabled>'
        f"{select('store.date', 'store.anyDate', dates)}{select('store.city', 'store.anywhere', cities)}"
        f"{select('store.category', 'store.anyCategory', categories)}"
        f'<label class="check"><input type="checkbox" disabled>{t["store.available"]}</label></search>'
    )


def _card(view: EventView, event: Event, t: Texts, language: Language, now: int) -> str:
    place = f"{event.venue}, {event.city}" if event.city and event.city not in event.venue else event.venue
    is_over = view.status in _OVER
    lines = [place, event.category or ""]
    if view.status == "scheduled" and event.on_sale_at and event.on_sale_at > now:
        lines.append(t["event.salesFrom"].format(_day_and_time(event.on_sale_at, event.timezone, language, now)))
    small = "".join(f'<p class="small">{escape(line)}</p>' for line in lines if line)
    cost = "" if is_over else _from_price(view, t, language)
    when = _period(event.starts_at, event.ends_at, event.timezone, language, now, short=True)
    return (
        f'<li class="card{" card-over" if is_over else ""}">{_picture(view.image, "(min-width: 44rem) 24rem, 100vw")}'
        f'<div class="card-stub">'
        f'<p class="card-date"><time datetime="{view.starts_at}">{when}</time>'
        f"{_status(view, t)}</p>"
        f'<h3><a href="/events/{event.id}">{escape(event.name)}</a></h3>{small}'
        f"{_element('p', 'card-price', cost and cost + _fee(view.included_fee_cents, view.currency, t, language))}</div></li>"
    )


def _status(view: EventView | EventWithTiersView, t: Texts) -> str:
    status = "paused" if _is_paused(view) else view.status
    return f'<span class="status status-{status}">{t.get(f"status.{status}", "")}</span>'


def _is_paused(view: EventView | EventWithTiersView) -> bool:
    return view.paused and view.status == "on_sale"


def _from_price(view: EventView | EventWithTiersView, t: Texts, language: Language) -> str:
    if view.price_from_cents is None or view.currency is None:
        return ""
    return str(t["store.from"].format(_price(view.price_from_cents, view.currency, language)) if view.price_from_cents else t["free"])


def _fee(cents: int | None, currency: str | None, t: Texts, language: Language) -> str:
    """Return the fee that a price includes."""
    return f'<span class="block small">{t["event.fee"].format(_price(cents, currency, language))}</span>' if cents and currency else ""


def _picture(image: ImageView | None, sizes: str, *, first: bool = False) -> str:
    """Return the uploaded picture, or the space in which the scripts draw one."""
    if image is None:
        return _ART
    files = [*((thumbnail.url, thumbnail.width) for thumbnail in image.thumbnails), (image.url, image.width)]
    sources = ", ".join(f"{url} {width}w" for url, width in files)
    return (
        f'<img class="artwork" src="{escape(image.url)}" srcset="{escape(sources)}" sizes="{sizes}" '
        f'width="{image.width}" height="{image.height}" alt="" loading="{"eager" if first else "lazy"}" decoding="async">'
    )


# An event's page.


def _facts(event: Event, view: EventWithTiersView, when: str, t: Texts, language: Language, now: int) -> str:
    chip = f'<span class="chip">{escape(event.category)}</span>' if event.category else ""
    place = ", ".join(part for part in (event.address, event.city) if part and part not in event.venue)
    calendar = f'<a class="button button-quiet" href="/api/v1/events/{event.id}/calendar.ics" download>{t["event.calendar"]}</a>'
    query = urlencode({"api": "1", "query": f"{event.venue}, {place}" if place else event.venue})
    where = f'<a href="https://www.google.com/maps/search/?{escape(query)}" rel="noreferrer">{t["event.map"]}</a>' if event.venue else ""
    doors = ""
    if event.doors_minutes is not None and len(event.dates) < 2:
        opens = clock.local(event.starts_at - 60 * event.doors_minutes, event.timezone)
        doors = f"<span>{t['event.doors'].format(_time(opens, language))}</span>"
    time = f'<p class="event-when"><time datetime="{view.starts_at}">{when}</time>{doors}</p>' if event.starts_at else ""
    changes = f"<summary>{t['event.changes'].format(len(view.changes))}</summary>" if view.changes else ""
    return (
        f"<p>{_status(view, t)} {chip}</p><h1>{escape(event.name)}</h1>{time}{_dates(event, t, language, now)}"
        f'<p class="event-where">{escape(event.venue)}{_element("span", "small", escape(place))}</p>'
        f'<p class="plain-text event-description">{_linked(event.description)}</p>'
        f'<p class="row">{calendar if view.status != "cancelled" else ""}{where}'
        f'<button type="button" class="button button-quiet" disabled>{t["share"]}</button><span class="small"></span></p>'
        f"{_element('details', 'public-changes', changes)}"
    )


def _dates(event: Event, t: Texts, language: Language, now: int) -> str:
    """Return the list of an event's dates, or an empty string if it takes place once."""
    rows = []
    for date in event.dates if len(event.dates) > 1 else ():
        when = _period(date.start, date.end, event.timezone, language, now, short=True)
        names = "".join(f" · {escape(part)}" for part in (date.name, date.venue) if part)
        for cancelled in event.cancelled_dates:
            if cancelled.id == date.id:
                reason = f" · {escape(cancelled.reason)}" if cancelled.reason else ""
                when, names = f"<s>{when}</s>", f"{names} · {t['event.dateCancelled']}{reason}"
        rows.append(f'<li><time datetime="{clock.iso(date.start)}">{when}</time>{names}</li>')
    return _element("ul", "small event-dates", "".join(rows))


def _linked(text: str) -> str:
    """Escape a promoter's text, and turn its http and https addresses into links."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        if _is_address(match[0]):
            parts += [
                escape(text[end : match.start()]),
                f'<a href="{escape(match[0])}" rel="nofollow ugc noopener noreferrer">{escape(match[0])}</a>',
            ]
            end = match.end()
    return "".join([*parts, escape(text[end:])])


def _is_address(text: str) -> bool:
    try:
        return bool(urlsplit(text).hostname)
    except ValueError:
        return False


def _buy_bar(view: EventWithTiersView, t: Texts, language: Language) -> str:
    cost = _from_price(view, t, language) if view.status in ("on_sale", "scheduled") else ""
    link = f'<a class="button" href="#tickets">{t["event.tickets"]}</a>'
    fee = _fee(view.included_fee_cents, view.currency, t, language)
    return f'<p class="buy-bar"><span><strong>{cost}</strong>{fee}</span>{link}</p>' if cost else ""


def _sale(event: Event, view: EventWithTiersView, t: Texts, language: Language, now: int) -> str:
    """Return the state of the sale, and a link to the waiting room if there is one."""
    others = f'<p class="row"><a href="/tickets">{t["nav.tickets"]}</a><a href="/">{t["allEvents"]}</a></p>'
    if view.status == "cancelled":
        reason = _element("p", "plain-text", _linked(view.cancellation_reason or ""))
        return _outcome("bad", t["event.cancelledTitle"], f"{reason}<p>{t['event.cancelledText']}</p>{others}")
    if view.status == "closed":
        return _outcome("calm", t["event.closedTitle"], f"<p>{t['event.closedText']}</p>{others}")
    if view.status == "sold_out" and not view.has_ballot:
        hope = "" if addons.is_on("waitlist") and view.has_waitlist else f"<p>{t['event.soldOutHope']}</p>"
        return _outcome("calm", t["event.soldOutTitle"], f'<p>{t["event.soldOutText"]}</p>{hope}<a href="/">{t["allEvents"]}</a>')
    if _is_paused(view) and not view.has_waiting_room:
        return _outcome("calm", t["line.paused"], f"<p>{t['event.pausedText']}</p>")
    opens = event.on_sale_at
    if opens is None or (opens <= now and not view.has_waiting_room):
        return ""
    way, soon = ("ballot", "drawIn") if view.has_ballot else ("line", "opensIn")
    content = f"<p>{t[f'event.{way}Note']}</p>"
    if opens > now:
        days, rest = divmod(opens - now, DAY_SECONDS)
        figure = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
        length = t["day" if days == 1 else "days"].format(days) if days else ""
        note = f"<p>{t['event.opensBallot' if view.has_ballot else 'event.opensLine']}</p>" if view.has_waiting_room else ""
        content = (
            f'<h2>{t[f"event.{soon}"]}</h2><p class="figure">{_element("span", "figure-days", length)}{figure}</p>'
            f'<p class="event-when"><time>{_day_and_time(opens, event.timezone, language, now)}</time></p>{note}'
        )
    line = f'<a class="button" href="/events/{event.id}/line">{t[f"event.{way}"]}</a>' if view.has_waiting_room else ""
    return f'<section class="panel">{content}{line}</section>'


def _outcome(tone: str, title: str, content: str) -> str:
    return f'<section class="outcome outcome-{tone}"><h2>{title}</h2>{content}</section>'


def _tickets(view: EventWithTiersView, t: Texts, language: Language) -> str:
    """Return the ticket types with their prices. The scripts add the numbers of tickets left and the controls."""
    rows = []
    for tier in view.tiers:
        picture = _picture(tier.image, "(min-width: 56rem) 40vw, 100vw").replace('"artwork"', '"tier-picture"') if tier.image else ""
        description = _element("p", "plain-text", _linked(getattr(tier, "description", "")))
        price = _price(tier.price_cents, tier.currency, language) if tier.price_cents else t["free"]
        rows.append(
            f'<li class="tier">{picture}<div class="tier-text"><h3>{escape(tier.name)}</h3>{description}</div>'
            f'<p class="tier-price">{price}{_fee(tier.included_fee_cents, tier.currency, t, language)}</p></li>'
        )
    return f'<section class="picker"><h2>{t["event.tickets"]}</h2><ul class="tiers">{"".join(rows)}</ul></section>'


def _element(tag: str, css: str, content: str) -> str:
    """Return an element with this class, or an empty string if there is no content. The content must be escaped already."""
    return f'<{tag} class="{css}">{content}</{tag}>' if content else ""


# Dates, times and prices, as web/src/formats.ts writes them for a language without a region, such as `en`.


def _texts(language: Language) -> Texts:
    return _TEXTS[language]


def _seconds(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp())


def _date_filters(view: EventView, now: int) -> list[str]:
    """Return the date filters that an event matches, as in web/src/event-dates.ts. The first one is its group."""
    zone: str = getattr(view, "timezone", "UTC")
    starts, ends = _seconds(view.starts_at), _seconds(view.ends_at) if view.ends_at else None
    today, first = clock.local(now, zone).date(), clock.local(starts, zone).date()
    last = clock.local(ends - 1, zone).date() if ends else first
    if ends <= now if ends else first < today:
        return ["past"]
    sunday = today + timedelta(days=6 - today.weekday())
    is_today = first <= today
    is_weekend = first <= sunday and last >= max(sunday - timedelta(days=2), today)
    names = {
        "cancelled": view.status == "cancelled",
        "today": is_today,
        "weekend": is_weekend,
        "later": not is_today and not is_weekend,
        f"{today if is_today else first:%Y-%m}": True,
    }
    return [name for name, matches in names.items() if matches]


def _day(local: datetime, language: Language, *, short: bool, with_year: bool) -> str:
    words = DATE_WORDS[language]
    weekdays, months = (words.weekdays_short, words.months_short) if short else (words.weekdays, words.months)
    page = words.page
    patterns = (page.short_day, page.short_day_of_year) if short else (page.day, page.day_of_year)
    pattern = patterns[with_year]
    return pattern.format(weekday=weekdays[local.weekday()], day=local.day, month=months[local.month - 1], year=local.year)


def _time(local: datetime, language: Language) -> str:
    return languages.clock_text(local, DATE_WORDS[language].page.time)


def _zone(local: datetime) -> str:
    """Return the name of the time zone as the scripts write it, on one line: "MDT", or "GMT-3" for a zone that is called "-03"."""
    name = local.tzname() or ""
    if name.isalpha():
        return name
    sign, hours, minutes = name[0].replace("-", "\N{NON-BREAKING HYPHEN}"), int(name[1:3]), name[3:]
    return f"GMT{sign}{hours}" + (f":{minutes}" if minutes else "")


def _day_and_time(seconds: int, timezone: str, language: Language, now: int, *, short: bool = False) -> str:
    local = clock.local(seconds, timezone)
    text = _day(local, language, short=short, with_year=local.year != clock.local(now, timezone).year)
    page = DATE_WORDS[language].page
    moment = (page.short_moment if short else page.moment).format(day=text, time=_time(local, language))
    return moment if short else f"{moment} {_zone(local)}"


def _period(start: int, end: int | None, timezone: str, language: Language, now: int, *, short: bool = False) -> str:
    """Return the time from the start to the end of an event. `short` omits the end unless the event lasts longer than a day."""
    if not end or end <= start:
        return _day_and_time(start, timezone, language, now, short=short)
    first, last = clock.local(start, timezone), clock.local(end - 1, timezone)
    until = clock.local(end, timezone)
    is_whole_days = f"{first:%H:%M}" == "00:00" and f"{until:%H:%M}" in ("00:00", "23:59")
    is_long = end - 1 - start >= DAY_SECONDS
    with_year = any(local.year != clock.local(now, timezone).year for local in (first, last))
    if is_whole_days or (short and is_long):
        days = [_day(local, language, short=short, with_year=with_year) for local in (first, last)]
        return " – ".join(dict.fromkeys(days))
    if short:
        return _day_and_time(start, timezone, language, now, short=True)
    if first.date() != until.date():
        return " – ".join(_day_and_time(moment, timezone, language, now) for moment in (start, end))
    day = _day(first, language, short=False, with_year=with_year)
    return f"{day}, {_time(first, language)} – {_time(until, language)} {_zone(first)}"


def _month(text: str, language: Language) -> str:
    year, _, month = text.partition("-")
    words = DATE_WORDS[language]
    return words.page.month.format(month=words.months[int(month) - 1], year=year)


def _price(cents: int, currency: str, language: Language) -> str:
    return PRICE_FORMATS[language].price(cents, currency)
