"""Finding an event in a real browser: what the cards say, filters, the times of an event, and handing it on."""

import json
import re
from itertools import pairwise
from statistics import median

import pytest
from playwright.sync_api import Route, expect

from bench.pages import CONTROLS, SLOW_NETWORK, USABLE_SECONDS
from chalicelib.catalog import stock_ledger
from chalicelib.catalog.stock_ledger import FiguresBucket, StageFigures
from chalicelib.foundation import clock, settings
from tests import builders, pictures
from tests.browser.page_checks import check
from tests.waiting_room import sale


@pytest.fixture
def events(api, time) -> dict[str, str]:
    """Three events by their names: one on sale in Denver, one that opens tomorrow in Porto, and one that is sold out."""
    opens = {"on_sale_at": clock.iso(time.now + 86_000), "waiting_room": {"enabled": True}}
    ids = {name: builders.create_event(api, name, **fields) for name, fields in (("Open Air", {}), ("Soon", opens), ("Gone", {}))}
    for name, fields in {"Open Air": {"city": "Denver", "timezone": "America/Denver"}, "Soon": {"city": "Porto"}}.items():
        assert api.patch(f"/events/{ids[name]}", json=fields, token=builders.admin_token()).status == 200
    early = builders.create_tier(api, ids["Open Air"], "Early", price_cents=2000, capacity=1)
    builders.create_tier(api, ids["Open Air"], "Floor", price_cents=3500)
    builders.create_tier(api, ids["Soon"], "Free", price_cents=0)
    builders.buy(api, "ada", ids["Open Air"], early)
    builders.buy(api, "ada", ids["Gone"], builders.create_tier(api, ids["Gone"], capacity=1))
    time.advance(5)
    return ids


def test_cards_say_the_price_that_can_be_paid_and_when_the_sale_opens(new_buyer, events):
    buyer = new_buyer()
    asked: list[str] = []
    buyer.page.on("request", lambda request: asked.append(request.url.partition("/api")[2]))
    buyer.page.goto("/")
    cards = {name: buyer.page.get_by_role("listitem").filter(has_text=name) for name in ("Open Air", "Soon", "Gone")}
    expect(cards["Open Air"]).to_contain_text("from $35")  # the ticket for $20 is sold
    expect(cards["Soon"]).to_contain_text("Free")
    expect(cards["Soon"]).to_contain_text("On sale from")
    expect(cards["Gone"]).to_contain_text("Sold out")
    expect(cards["Gone"]).not_to_contain_text("$")
    assert [path for path in asked if path] == ["/v1/events?language=en"], "one answer, the same for all readers, draws the page"


def test_an_event_whose_picture_is_missing_gets_a_drawn_one(new_buyer, api, events):
    shown = pictures.send(api, f"/events/{events['Open Air']}/image", pictures.picture(), builders.admin_token())
    assert shown.status == 200, shown.json
    buyer = new_buyer()
    buyer.page.goto(f"/events/{events['Open Air']}")
    expect(buyer.page.locator(".event-art img")).to_be_visible()
    buyer.page.route("**/media/**", lambda route: route.fulfill(status=404))
    buyer.page.reload()
    expect(buyer.page.locator(".event-art svg.artwork")).to_be_visible()
    expect(buyer.page.locator(".event-art img")).to_have_count(0)


def test_the_event_and_the_checkout_name_the_seller_and_the_policies(new_buyer, events):
    buyer = new_buyer()
    page = buyer.page
    with settings.override(mail_from="Foundry Tickets <no-reply@foundry.test>", contact_email="ask@foundry.test", shop_policies="Ask us."):
        page.goto(f"/events/{events['Open Air']}")
        _see_seller(page)
        buyer.choose("Floor", 1)
        _see_seller(page)


def _see_seller(page):
    seller = page.locator(".seller")
    expect(seller).to_contain_text("Sold by Foundry Tickets")
    expect(seller).to_contain_text("ask@foundry.test")
    seller.get_by_text("Refunds and terms").click()
    expect(seller.get_by_text("Ask us.")).to_be_visible()


def test_events_are_found_by_words_city_and_what_is_left(new_buyer, events):
    buyer = new_buyer()
    buyer.page.goto("/")
    names = buyer.page.locator(".card h3")
    expect(names).to_have_count(3)
    buyer.page.get_by_label("City").select_option("Porto")
    expect(names).to_have_text(["Soon"])
    buyer.page.get_by_label("On sale now").check()
    buyer.see("No matching events")
    buyer.press("All events")
    expect(names).to_have_count(3)
    buyer.page.get_by_role("searchbox").fill("open denver")
    expect(names).to_have_text(["Open Air"])


@pytest.fixture
def programme(api, time) -> dict[str, str]:
    """Events by their names. One of them is over, and one is cancelled."""
    hour, day = 3600, 86_400
    starts = {"Later": 40 * day, "Gone by": hour, "Tonight": 9 * hour, "Off": 2 * day, "Saturday": 5 * day, "In July": 31 * day}
    ids = {name: builders.create_event(api, name, starts_at=clock.iso(time.now + seconds)) for name, seconds in starts.items()}
    for name, event_id in ids.items():
        builders.create_tier(api, event_id)
        fields = {"category": "Dance" if name == "Saturday" else "Concert", "city": "Lima" if name == "Gone by" else "Quito"}
        fields["ends_at"] = clock.iso(time.now + starts[name] + 1800)
        assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    assert api.post(f"/events/{ids['Off']}/cancel", json={}, token=builders.admin_token()).status == 200
    time.advance(2 * hour)
    return ids


def test_events_are_in_the_order_of_their_dates(new_buyer, programme):
    buyer = new_buyer()
    buyer.page.goto("/")
    expect(buyer.page.locator(".group h2")).to_have_text(["Today and tonight", "This weekend", "Later", "Cancelled"])
    names = buyer.page.locator(".card h3")
    expect(names).to_have_text(["Tonight", "Saturday", "In July", "Later", "Off"])
    expect(buyer.page.get_by_label("City")).to_have_count(0), "all events that are listed are in one city"
    expect(buyer.page.get_by_label("Category").locator("option")).to_have_text(["All categories", "Concert", "Dance"])
    dates = ["All dates", "Today and tonight", "This weekend", "June 2026", "July 2026"]
    expect(buyer.page.get_by_label("Date").locator("option")).to_have_text(dates)
    buyer.page.get_by_label("Date").select_option("July 2026")
    expect(names).to_have_text(["In July", "Later"])
    buyer.page.get_by_label("Date").select_option("This weekend")
    buyer.page.get_by_label("Category").select_option("Dance")
    buyer.page.reload()
    expect(names).to_have_text(["Saturday"])
    expect(buyer.page.locator(".card")).to_contain_text("Dance")
    buyer.page.get_by_label("Category").select_option("Concert")
    buyer.see("No matching events")


def test_past_events_are_behind_a_link(new_buyer, programme):
    buyer = new_buyer()
    buyer.page.goto("/")
    buyer.follow("Past events (1)")
    names = buyer.page.locator(".card h3")
    expect(names).to_have_text(["Gone by"])
    expect(buyer.heading("Past events")).to_be_visible()
    expect(buyer.page.get_by_role("link", name="Upcoming events")).to_be_focused()
    buyer.page.get_by_role("searchbox").fill("gone")
    expect(names).to_have_text(["Gone by"])
    buyer.follow("Upcoming events")
    expect(names).to_have_count(5)


def test_a_search_survives_back_and_a_reload(new_buyer, events):
    buyer = new_buyer()
    buyer.page.goto("/")
    names = buyer.page.locator(".card h3")
    buyer.page.get_by_role("searchbox").press_sequentially("sóon")
    buyer.page.get_by_label("City").select_option("Porto")
    expect(names).to_have_text(["Soon"])
    buyer.follow("Soon")
    expect(buyer.heading("Soon")).to_be_visible()
    buyer.page.go_back()
    expect(names).to_have_text(["Soon"])
    buyer.page.reload()
    expect(names).to_have_text(["Soon"])
    expect(buyer.page.get_by_role("searchbox")).to_have_value("sóon")
    expect(buyer.page.get_by_label("City")).to_have_value("Porto")
    buyer.page.get_by_role("navigation").get_by_role("link", name="Events").click()
    expect(names).to_have_count(3)


def test_the_countdown_of_a_sale_that_opens_in_days_counts_days(new_buyer, api, time):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 2 * 86_400 + 307), waiting_room={"enabled": True})
    buyer = new_buyer()
    for page in (f"/events/{event_id}", f"/events/{event_id}/line"):
        buyer.page.goto(page)
        expect(buyer.page.get_by_role("timer")).to_have_text(re.compile(r"^2 days 0:0[45]:\d\d$"))


def test_an_empty_shop_says_so(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.goto("/")
    buyer.see("There are no events at the moment")


def test_times_are_those_of_the_event_and_of_the_buyer(new_buyer, api, time, events):
    tier_id = builders.create_tier(api, events["Open Air"], "Balcony")
    ends = {"sale_ends_at": clock.iso(time.now + 86_400)}
    assert api.patch(f"/tiers/{tier_id}", json=ends, token=builders.admin_token()).status == 200
    buyer = new_buyer(timezone_id="Europe/Madrid")
    buyer.page.goto(f"/events/{events['Open Air']}")
    expect(buyer.page.get_by_role("article")).to_contain_text("MDT")
    expect(buyer.page.get_by_role("article")).to_contain_text("Your time:")
    balcony = buyer.page.get_by_role("listitem").filter(has_text="Balcony")
    expect(balcony).to_contain_text(
        re.compile(r"On sale until Tuesday, June 2 at 6:00\sAM MDT \(your time: Tuesday, June 2 at 2:00\sPM GMT\+2\)")
    )
    buyer.page.goto(f"/events/{events['Soon']}")
    opening = buyer.page.locator(".panel").filter(has_text="Sale opens in")
    expect(opening).to_contain_text("Your time:")


def test_an_event_shows_its_end_and_the_text_of_the_promoter_as_it_was_written(new_buyer, api, time):
    text = "First line\n\n<b>Third</b>: https://a.example/tour, javascript:alert(1)"
    ends_at = clock.iso(time.now + 30 * 86_400 + 9000)
    event_id = builders.create_event(api, description=text)
    builders.create_tier(api, event_id, description="Row 1\nRow 2")
    fields = {"ends_at": ends_at, "timezone": "America/Denver", "category": "Concert"}
    assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    expect(buyer.page.locator(".event-when time")).to_have_text(re.compile(r"July 1, (2026, )?6:00\s.\s8:30\sAM MDT$"))
    expect(buyer.page.locator(".event-text .chip")).to_have_text("Concert")
    description = buyer.page.locator(".event-description")
    assert description.inner_text() == text
    expect(description.get_by_role("link")).to_have_count(1)
    link = description.get_by_role("link", name="https://a.example/tour")
    expect(link).to_have_attribute("href", "https://a.example/tour")
    expect(link).to_have_attribute("rel", "nofollow ugc noopener noreferrer")
    assert buyer.page.locator(".tier .plain-text").inner_text() == "Row 1\nRow 2"


@pytest.mark.parametrize(
    ("locale", "title", "lines"),
    [
        ("en", "What has changed (3)", ["Floor · Taken off sale", "Floor · Price: $40 (before: $50)", "Sale opens: Tuesday"]),
        (
            "es-ES",
            "Qué ha cambiado (3)",
            ["Floor · Se retira de la venta", "Floor · Precio: 40 US$ (antes: 50 US$)", "Apertura de la venta: martes"],
        ),
    ],
)
def test_an_event_lists_what_has_changed_since_its_publication(new_buyer, api, time, locale, title, lines):
    event_id = builders.create_event(api, on_sale_at=clock.iso(time.now + 20 * 3600), waiting_room=None)
    tier_id = builders.create_tier(api, event_id)
    for path, change in (
        (f"/events/{event_id}", {"on_sale_at": clock.iso(time.now + 21 * 3600)}),
        (f"/tiers/{tier_id}", {"price_cents": 4000}),
        (f"/tiers/{tier_id}", {"on_sale": False}),
    ):
        time.advance(60)
        assert api.patch(path, json=change, token=builders.admin_token()).status == 200
    page = new_buyer(locale=locale, reduced_motion="reduce").page
    page.goto(f"/events/{event_id}")
    page.get_by_text(title, exact=True).click()
    changes = page.locator(".public-changes li")
    expect(changes).to_have_count(3)
    for number, line in enumerate(lines):
        expect(changes.nth(number)).to_contain_text(re.compile(re.escape(line).replace("\\ ", r"\s")))
    if locale == "en":
        check(page, "event_changes")


def test_the_event_leads_to_its_place_on_a_map(new_buyer, api):
    event_id = builders.create_event(api)
    fields = {"venue": "Hall & Co", "address": "1 Main Street", "city": "Denver"}
    assert api.patch(f"/events/{event_id}", json=fields, token=builders.admin_token()).status == 200
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    address = "https://www.google.com/maps/search/?api=1&query=Hall+%26+Co%2C+1+Main+Street%2C+Denver"
    expect(buyer.page.get_by_role("link", name="Map")).to_have_attribute("href", address)


# By the clock of the page, because a slow machine sends the calls later.
NOTE_CALLS = """
window.calledAt = [];
const { fetch } = window;
window.fetch = (request, ...rest) => {
  if (String(request.url ?? request).endsWith("/availability")) calledAt.push(Date.now());
  return fetch(request, ...rest);
};
"""


@pytest.mark.parametrize(("name", "seconds"), [("Open Air", 2.5), ("Gone", 5)])
def test_what_is_left_is_asked_for_twice_as_often_while_tickets_are_on_sale(new_buyer, events, name, seconds):
    page = new_buyer().page
    page.add_init_script(NOTE_CALLS)
    with page.expect_response(f"**/events/{events[name]}/availability"):
        page.goto(f"/events/{events[name]}")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 10)
    page.evaluate("calledAt.length = 0")
    page.clock.run_for(60_000)
    called_at = page.evaluate("calledAt")
    waited = [later - earlier for earlier, later in pairwise(called_at)]
    assert 800 * seconds <= median(waited) <= 1200 * seconds, waited  # the pages of many buyers spread their calls


def test_on_a_phone_the_price_and_the_way_to_the_tickets_stay_in_reach(new_buyer, api):
    event_id = builders.create_event(api, description="A long text.\n" * 60)
    builders.create_tier(api, event_id, price_cents=5500)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    bar = buyer.page.locator(".buy-bar")
    expect(bar).to_contain_text("from $55")
    expect(bar).to_be_in_viewport(ratio=1)
    quantity = buyer.page.get_by_label("Number of tickets: Floor")
    expect(quantity).not_to_be_in_viewport()
    bar.get_by_role("link", name="Tickets").click()
    expect(quantity).to_be_in_viewport()
    expect(buyer.page.locator("#tickets")).to_be_focused()
    buyer.page.set_viewport_size({"width": 1280, "height": 800})
    expect(bar).to_be_hidden()


def test_kinds_of_tickets_have_their_own_limits_and_say_only_once_until_when(new_buyer, api, time):
    event_id = builders.create_event(api)
    for name in ("Floor", "Balcony", "Late"):
        tier_id = builders.create_tier(api, event_id, name, per_user_limit=2)
        fields = {"sale_ends_at": clock.iso(time.now + 86_400)}
        assert api.patch(f"/tiers/{tier_id}", json=fields, token=builders.admin_token()).status == 200
    event = api.get(f"/events/{event_id}").json
    late = next(tier for tier in event["tiers"] if tier["name"] == "Late")
    late |= {"status": "coming-soon", "sale_starts_at": clock.iso(time.now - 86_400)}  # a bootstrap file can say so
    buyer = new_buyer()
    buyer.page.route(f"**/api/v1/events/{event_id}?*", lambda route: route.fulfill(json=event))
    buyer.page.goto(f"/events/{event_id}")
    tiers = buyer.page.locator(".tier")
    expect(tiers.filter(has_text="Up to 2 of this type")).to_have_count(2)
    expect(buyer.page.get_by_text("You can buy up to")).to_have_count(0)
    expect(buyer.page.get_by_text("On sale until")).to_have_count(1)
    expect(tiers.filter(has_text="Late")).to_contain_text("Not on sale yet")
    expect(buyer.page.get_by_text("On sale from")).to_have_count(0)


def test_tickets_that_have_just_gone_are_not_answered_with_choose_fewer(new_buyer, api):
    event_id, tier_id = builders.create_shop(api, capacity=2)
    builders.create_tier(api, event_id, "Balcony")
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}")
    buyer.page.get_by_label("Number of tickets: Floor").select_option("2")
    assert builders.reserve(api, "somebody", event_id, tier_id, 2).status == 201
    buyer.press("Reserve tickets")
    buyer.see("Some of the tickets that you chose have just been taken.")
    expect(buyer.page.get_by_text("Choose fewer")).to_have_count(0)


def test_an_event_that_does_not_exist_is_not_asked_for_again(new_buyer):
    buyer = new_buyer()
    asked: list[str] = []
    with buyer.page.expect_response("**/events/none/availability"):
        buyer.page.goto("/events/none")
    expect(buyer.heading("Event not found")).to_be_visible()
    buyer.page.on("request", lambda request: asked.append(request.url))
    buyer.page.clock.run_for(1000)
    asked.clear()
    buyer.page.clock.run_for(60_000)
    assert [url for url in asked if "/events/none" in url] == []


def test_tickets_that_others_have_on_hold_are_not_called_sold(new_buyer, api, time, events):
    tier_id = api.get(f"/events/{events['Open Air']}").json["tiers"][1]["id"]
    for user, quantity in (("b", 4), ("c", 4), ("d", 2)):
        assert builders.reserve(api, user, events["Open Air"], tier_id, quantity).status == 201
    time.advance(60)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{events['Open Air']}")
    expect(buyer.heading("No tickets available right now")).to_be_visible()
    expect(buyer.page.locator(".status")).to_have_text("All on hold")


def test_a_cancelled_event_offers_nothing(new_buyer, api, time, events):
    reason = {"reason": "The <b>singer</b> is ill.\nSee you in May."}
    assert api.post(f"/events/{events['Open Air']}/cancel", json=reason, token=builders.admin_token()).status == 200
    time.advance(60)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{events['Open Air']}")
    expect(buyer.heading("This event has been cancelled")).to_be_visible()
    assert buyer.page.locator(".outcome-bad .plain-text").inner_text() == reason["reason"]
    expect(buyer.page.get_by_text("No longer on sale", exact=True)).to_have_count(2)
    buyer.see("If you bought tickets, we are refunding you automatically: you get the full price back")
    expect(buyer.page.get_by_role("main").get_by_role("link", name="My tickets")).to_be_visible()
    expect(buyer.page.locator(".buy-bar")).to_have_count(0)


def test_a_reservation_for_a_cancelled_event_is_no_longer_offered(new_buyer, api, time, events):
    buyer = new_buyer()
    buyer.page.goto(f"/events/{events['Open Air']}")
    buyer.choose("Floor", 1)
    assert api.post(f"/events/{events['Open Air']}/cancel", json={}, token=builders.admin_token()).status == 200
    time.advance(5)
    buyer.page.goto(f"/events/{events['Open Air']}")
    buyer.see("the reservation has ended and you have not been charged")
    expect(buyer.heading("Your tickets are waiting")).to_have_count(0)


def test_an_unknown_address_shows_an_error_page(new_buyer, origin):
    buyer = new_buyer()
    buyer.page.goto("/nothing/here")
    expect(buyer.heading("Page not found")).to_be_visible()


def test_a_link_is_copied_where_the_device_cannot_share(new_buyer, origin, events):
    buyer = new_buyer(permissions=["clipboard-read", "clipboard-write"])
    buyer.page.goto(f"/events/{events['Open Air']}")
    buyer.press("Share")
    buyer.see("Link copied")
    assert buyer.page.evaluate("() => navigator.clipboard.readText()") == f"{origin}/events/{events['Open Air']}"


def test_without_scripts_the_shop_shows_its_events_and_their_tickets(new_buyer, origin, events):
    with settings.override(shop_url=origin):
        reader = new_buyer(java_script_enabled=False, locale="es-ES")
        reader.page.goto("/?utm_source=chat")
        expect(reader.page.locator("#app")).to_contain_text("Porto")
        reader.page.get_by_role("link", name="Open Air").click()
        expect(reader.page).to_have_title("Open Air · Fairgate")
        expect(reader.page.get_by_role("heading", level=1)).to_have_text("Open Air")
        expect(reader.page.locator(".tier").filter(has_text="Floor")).to_contain_text("35 US$")
        expect(reader.page.locator(".banner")).to_be_visible()
        picture = reader.page.locator("meta[property='og:image']").get_attribute("content")
        reply = reader.page.request.get(picture)
        assert (reply.status, reply.headers["content-type"]) == (200, "image/jpeg")


def test_tickets_can_be_chosen_before_the_api_has_answered(new_buyer, events):
    buyer = new_buyer()
    buyer.page.route("**/api/**", lambda _: None)  # never answers
    buyer.page.goto(f"/events/{events['Open Air']}")
    buyer.page.get_by_label("Number of tickets: Floor").select_option("2")
    expect(buyer.page.get_by_role("button", name="Reserve tickets")).to_be_enabled()
    expect(buyer.page.locator(".total")).to_contain_text("$70")


# The page loads further files only once the control is there, which a request of its own shows: the clock of the page stands still.
SHOWN = "/shown"
NOTE_CONTROL = """
let isShown = false;
new MutationObserver(() => {
  if (!isShown && (isShown = document.querySelector(control) !== null)) fetch("/shown");
}).observe(document, { childList: true, subtree: true, attributes: true });
"""


@pytest.mark.parametrize(
    ("name", "path", "trips"), [("storefront", "/", 2), ("event", "/events/{}", 2), ("waiting room", "/events/{}/line", 3)]
)
def test_on_a_slow_network_pages_can_be_used_after_few_trips_and_bytes(new_buyer, origin, events, name, path, trips):
    """`bench.pages --slow-network` measures the time. A page needs at least the time of its dependent requests and of its bytes."""
    page = new_buyer(locale="es-ES").page  # the larger language
    devtools = page.context.new_cdp_session(page)
    causes: dict[str, str] = {}  # the address of a request -> what has caused it
    addresses: dict[str, str] = {}
    sizes: dict[str, float] = {}
    loaded_at: dict[str, float] = {}  # in seconds of the browser's clock, by address
    shown_at: list[float] = []

    def note_request(sent):
        url, initiator = sent["request"]["url"], sent["initiator"]
        if url.endswith(SHOWN):
            shown_at.append(sent["timestamp"])
        elif not url.endswith(".woff2"):  # the text is shown before the font arrives
            stack = initiator.get("stack", {}).get("callFrames", [])
            causes[url] = initiator.get("url") or (stack[0]["url"] if stack else "")
            addresses[sent["requestId"]] = url

    def note_response(done):
        sizes[done["requestId"]] = done["encodedDataLength"]
        if url := addresses.get(done["requestId"]):
            loaded_at.setdefault(url, done["timestamp"])

    devtools.on("Network.requestWillBeSent", note_request)
    devtools.on("Network.loadingFinished", note_response)
    devtools.send("Network.enable")
    address, control = path.format(events["Open Air" if name == "event" else "Soon"]), CONTROLS[name][0]
    page.add_init_script(f"const control = {json.dumps(control)};{NOTE_CONTROL}")
    with page.expect_request(f"**{SHOWN}"):
        page.goto(address, wait_until="commit")
    devtools.send("Network.enable")  # answered after the events so far

    def trip_of(url: str) -> int:
        cause = causes.get(url)
        if cause is None:  # a module that the early requests load has no address as its cause
            return 2
        return 1 if url == page.url and not cause else 1 + trip_of(cause)

    # Requests that a slow machine sends before it looks at the control. The page must be usable without their responses.
    late = {url for url in causes if trip_of(url) > trips}
    needed = {url for url in causes.keys() - late if url in loaded_at and loaded_at[url] < shown_at[0]}
    other = new_buyer(locale="es-ES").page
    other.route(lambda url: url in late, lambda _: None)  # never answers
    other.goto(address, wait_until="commit")
    other.wait_for_selector(control)
    received: dict[str, float] = {}  # by address, because a slow machine asks for the state of the room again before it is read here
    for request, size in sizes.items():
        if (url := addresses.get(request)) in needed:
            received.setdefault(url, size)
    assert max(map(trip_of, needed)) == trips
    seconds = trips * SLOW_NETWORK["latency"] / 1000 + sum(received.values()) / SLOW_NETWORK["downloadThroughput"]
    assert seconds < USABLE_SECONDS - 0.37, seconds  # the scripts need time to run, too


@pytest.mark.parametrize("path", ["/manage", "/manage/events/none/live", "/door", "/events/none/line"])
def test_a_page_shows_its_frame_before_its_scripts(new_buyer, path):
    page = new_buyer().page
    page.route("**/assets/*.js", lambda _: None)  # never answers
    page.goto(path, wait_until="commit")
    expect(page.locator(".brand")).to_have_text("Fairgate")
    expect(page.locator(".brand svg")).to_be_visible()
    expect(page.locator("main .skeleton-line")).to_have_count(6)
    expect(page.locator("main .skeleton")).to_be_visible()


@pytest.mark.parametrize("path", ["/manage", "/door", "/tickets"])
def test_a_page_that_needs_scripts_says_so_without_them(new_buyer, path):
    page = new_buyer(java_script_enabled=False).page
    page.goto(path)
    expect(page.locator(".banner")).to_be_in_viewport(ratio=1)
    expect(page.locator(".banner")).to_contain_text("JavaScript")


def test_everybody_sees_where_all_tickets_went_and_that_the_list_is_whole(new_buyer, api, time):
    event_id = builders.create_event(api, "Night")
    tier_id = builders.create_tier(api, event_id)
    holdbacks = [{"id": "press", "reason": "press", "quantity": 3}]
    assert api.patch(f"/tiers/{tier_id}", json={"holdbacks": holdbacks}, token=builders.admin_token()).status == 200
    builders.buy(api, "ada", event_id, tier_id, 2)
    builders.reserve(api, "bob", event_id, tier_id)
    builders.run_sweep()
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}/draw")
    expect(buyer.heading("Where all the tickets went")).to_be_visible()
    floor = buyer.page.locator(".stock-line").filter(has_text="Floor")
    expect(floor).to_contain_text("10 tickets")
    for part in ("2 sold", "1 being bought", "4 on sale", "3 held back (press 3)"):
        expect(floor).to_contain_text(part)
    buyer.see("none has been changed or left out")
    check(buyer.page, "stock-ledger")

    def forge(route: Route) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, body=reply.text().replace('"press":3', '"press":2'))

    buyer.page.route("**/stock-ledger*", forge)
    buyer.page.reload()
    buyer.see("This list is wrong")

    def leave_out_the_beginning(route: Route) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, json=reply.json() | {"entries": reply.json()["entries"][1:]})

    buyer.page.route(re.compile(r"/stock-ledger\?"), leave_out_the_beginning)
    buyer.page.reload()
    buyer.see("This list is wrong")


def test_a_page_with_only_the_end_of_a_long_stock_ledger_says_so(new_buyer, api, time):
    event_id = builders.create_event(api, "Night")
    builders.buy(api, "ada", event_id, builders.create_tier(api, event_id), 2)
    builders.run_sweep()
    buyer = new_buyer()
    real = api.get(f"/events/{event_id}/stock-ledger").json
    assert len(real["entries"]) > 1
    entries = {0: real["entries"][:1], 101: real["entries"][1:]}  # the pages between are empty

    def serve(route: Route) -> None:
        number = int(route.request.url.partition("page=")[2] or 0)
        route.fulfill(json=real | {"page": number, "pages": 102, "entries": entries.get(number, [])})

    buyer.page.route(re.compile(r"/stock-ledger\?"), serve)
    buyer.page.goto(f"/events/{event_id}/draw")
    buyer.see("this page begins with entry 2")
    buyer.see("none has been changed or left out")


def _add_figures(event_id):
    """Let the ledger have what API Gateway would measure, which the local store has not."""
    buckets = [FiguresBucket(1_200, 5, 20, 900), FiguresBucket(0), FiguresBucket(34, 0, 10, 80)]
    last = stock_ledger.find_last(event_id)
    figures = StageFigures(1, "2026-06-01T12:10:00Z", "2026-06-01T12:13:00Z", 60, buckets)
    assert stock_ledger._put(event_id, stock_ledger._next(event_id, last, "figures", last.entry.definition, figures=figures))


def test_a_published_report_says_what_happened_in_a_sale_and_what_is_not_known(new_buyer, api, time):
    event_id, tier_id = sale.create_sale(api, time, "Night", capacity=4)
    tokens = sale.join_many(api, event_id, 7)
    time.advance(sale.SECONDS_TO_OPENING)
    first, second = sale.users_by_position(api, event_id, tokens)[:2]
    assert sale.reserve(api, event_id, tier_id, first, tokens[first], 3).status == 201  # and never pays
    assert sale.reserve(api, event_id, tier_id, second, tokens[second], 1).status == 201
    sale.join(api, event_id, "late")
    time.advance(600)
    builders.run_sweep()
    _add_figures(event_id)
    buyer = new_buyer()
    buyer.page.goto(f"/events/{event_id}/draw")
    expect(buyer.heading("Where all the tickets went")).to_be_visible()
    expect(buyer.heading("Sale report")).to_have_count(0)
    assert api.patch(f"/events/{event_id}", json={"publishes_report": True}, token=builders.admin_token()).status == 200
    time.advance(60)
    buyer.page.reload()
    report = buyer.page.locator(".drop-report")
    for text in (
        "In the draw7",
        "Place 1: 0:00",
        "Place 7: 1:00",
        "Reserved, not paid for, and back on sale4",
        "95 of 100 people waited no longer than",
        "Requests1,234",
        "Server errors5",
        "95 of 100 responses took at mostbetween 80 ms and 900 ms",
        "for all events of the shop",
    ):
        expect(report).to_contain_text(text)
    check(buyer.page, "drop-report")
    with buyer.page.expect_download() as saved:
        report.get_by_role("button").click()
    assert json.loads(saved.value.path().read_text())["entrants"]["drawn"] == 7

    def forge(route: Route) -> None:
        reply = route.fetch()
        route.fulfill(response=reply, body=reply.text().replace('"unpaid":4', '"unpaid":3'))

    buyer.page.route("**/stock-ledger*", forge)
    buyer.page.reload()
    buyer.see("This list is wrong")
    buyer.page.wait_for_load_state("networkidle")
    expect(report).to_have_count(0)
