"""The widget on another website: what it shows, in which language, under a strict content policy, and what the shop is asked."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page, expect

from chalicelib.foundation import clock, settings
from tests import builders
from tests.browser.page_checks import AXE, FIND_VIOLATIONS, RULES, UNDECIDED
from tests.browser.test_languages import write_spanish_from_the_right
from tests.browser.test_texts_in_languages import FIND_ENDS

FRAME = b'<!doctype html><link rel="icon" href="data:,"><title>Fans</title><iframe src="/" width="380" height="600"></iframe>'


@pytest.fixture
def event_id(api, time) -> str:
    event_id = builders.create_event(api, "<b>Open</b> & Air", on_sale_at=clock.iso(time.now + 3600))
    builders.create_tier(api, event_id, "Floor", price_cents=3550)
    return event_id


@pytest.fixture
def embed(origin: str) -> Iterator[Callable[..., str]]:
    """Open a page of another website with a widget; returns its origin, which shows the page in a frame at /frame.

    Its policy allows neither styles nor scripts within the page.
    """
    written = b""

    class Website(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            sources = f"script-src {origin}; connect-src {origin}; frame-src 'self'"
            self.send_header("Content-Security-Policy", f"default-src 'none'; img-src data:; {sources}")
            self.end_headers()
            self.wfile.write(FRAME if self.path == "/frame" else written)

        def log_message(self, *_: object) -> None: ...

    website = ThreadingHTTPServer(("127.0.0.1", 0), Website)
    Thread(target=website.serve_forever, daemon=True).start()

    def write(page: Page, widget: str, language: str = "en") -> str:
        nonlocal written
        head = f'<!doctype html><html lang="{language}"><link rel="icon" href="data:,"><title>Band</title>'
        written = f'{head}<main><h1>Band</h1>{widget}</main><script src="{origin}/widget.js"></script></html>'.encode()
        address = f"http://127.0.0.1:{website.server_port}"
        page.goto(address)
        return address

    yield write
    website.shutdown()
    website.server_close()


def test_an_event_on_another_website_leads_to_the_shop(new_buyer, origin, embed, api, time, event_id):
    page = new_buyer().page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(origin)))
    embed(page, f'<fairgate-tickets event="{event_id}"></fairgate-tickets>')
    widget = page.locator("fairgate-tickets")
    expect(widget).to_contain_text("<b>Open</b> & Air")
    expect(widget).to_contain_text("Opens soon")
    expect(widget).to_contain_text("On sale from")
    expect(widget).to_contain_text("from $35.50")
    assert page.evaluate(AXE.read_text()) is None or True
    assert page.evaluate(FIND_VIOLATIONS, [RULES["light"], UNDECIDED]) == []
    assert asked[1:] == ["/widget.js", f"/api/v1/events/{event_id}?language=en"]
    assert page.context.cookies() == []
    time.advance(3601)
    page.reload()
    expect(widget).to_contain_text("On sale")
    widget.get_by_role("link", name="Get tickets").click()
    expect(page.get_by_role("heading", name="<b>Open</b> & Air")).to_be_visible()
    assert page.url == f"{origin}/events/{event_id}"


@pytest.mark.parametrize(("language", "button"), [("de", "Tickets kaufen"), ("en", "Get tickets"), ("es", "Conseguir entradas")])
def test_the_button_opens_the_shop_outside_of_every_frame(new_buyer, origin, embed, time, event_id, language, button):
    """The shop itself refuses to be shown in a frame."""
    time.advance(3601)
    page = new_buyer().page
    website = embed(page, f'<fairgate-tickets event="{event_id}"></fairgate-tickets>', language)
    page.goto(f"{website}/frame")
    link = page.frame_locator("iframe").get_by_role("link", name=button)
    expect(link).to_have_attribute("target", "_top")
    link.click()
    page.wait_for_url(f"{origin}/events/{event_id}")
    expect(page.get_by_role("heading", name="<b>Open</b> & Air")).to_be_visible()
    assert len(page.frames) == 1


def test_the_styles_of_the_website_do_not_reach_into_the_widget(new_buyer, embed, event_id):
    page = new_buyer().page
    embed(page, f'<fairgate-tickets event="{event_id}"></fairgate-tickets>')
    link = page.locator("fairgate-tickets").get_by_role("link", name="More")
    expect(link).to_be_visible()
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync("a, p, div { display: none !important; }");
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    assert page.locator("fairgate-tickets").evaluate("widget => [widget.childNodes.length, widget.shadowRoot.childNodes.length]") == [0, 1]
    expect(link).to_be_visible()


def test_the_script_is_small(new_buyer, origin):
    reply = new_buyer().page.request.get(f"{origin}/widget.js")
    assert reply.status == 200
    assert 0 < len(reply.body()) < 15 * 1024
    assert "set-cookie" not in reply.headers


def test_a_list_has_the_coming_events_of_a_promoter(new_buyer, embed, api, time, event_id):
    later = builders.create_event(api, "Later", starts_at=clock.iso(time.now + 90 * 86_400))
    builders.create_tier(api, later, price_cents=0)
    time.advance(5)  # the list is cached
    page = new_buyer().page
    embed(page, "<fairgate-tickets></fairgate-tickets>")
    expect(page.get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_role("listitem").filter(has_text="Later")).to_contain_text("Free")
    page.locator("fairgate-tickets").evaluate("widget => widget.setAttribute('limit', '1')")
    expect(page.get_by_role("listitem")).to_have_count(1)
    page.locator("fairgate-tickets").evaluate("widget => widget.setAttribute('promoter', 'nobody')")
    expect(page.locator("fairgate-tickets")).to_contain_text("There are no events at the moment.")


def test_the_language_is_that_of_the_website(new_buyer, embed, api, event_id):
    assert api.patch(f"/events/{event_id}", json={"names": {"es": "Al aire libre"}}, token=builders.admin_token()).status == 200
    page = new_buyer().page
    embed(page, f'<fairgate-tickets event="{event_id}"></fairgate-tickets>', "es-ES")
    expect(page.locator("fairgate-tickets")).to_contain_text("A la venta a partir del")
    expect(page.locator("fairgate-tickets")).to_contain_text("Al aire libre")
    page.locator("fairgate-tickets").evaluate("widget => widget.setAttribute('language', 'en')")
    expect(page.locator("fairgate-tickets")).to_contain_text("On sale from")
    expect(page.locator("fairgate-tickets")).to_contain_text("<b>Open</b> & Air")


def test_a_language_that_is_written_from_right_to_left_mirrors_the_widget(new_buyer, embed, api, event_id, monkeypatch):
    """A name keeps its own direction: its last character is at its right in Latin letters, and at its left in Arabic letters."""
    other = builders.create_event(api, "مهرجان!")
    assert api.patch(f"/events/{event_id}", json={"name": "Open Air!"}, token=builders.admin_token()).status == 200
    page = new_buyer().page
    write_spanish_from_the_right(page.context, monkeypatch)
    page.set_viewport_size({"width": 320, "height": 640})
    for language, direction in (("es", "rtl"), ("en", "ltr")):
        embed(page, "".join(f'<fairgate-tickets event="{each}"></fairgate-tickets>' for each in (event_id, other)), language)
        for name, is_from_right in (("Open Air!", False), ("مهرجان!", True)):
            shown = page.locator("fairgate-tickets").get_by_text(name, exact=True)
            expect(shown).to_have_css("direction", direction)
            first, last = shown.evaluate(FIND_ENDS)
            assert (first > last) == is_from_right
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_only_the_allowed_websites_show_events(new_buyer, origin, embed, event_id):
    buyer = new_buyer()
    with settings.override(cors_origins="https://band.example"):
        website = embed(buyer.page, f'<fairgate-tickets event="{event_id}"></fairgate-tickets>')
        expect(buyer.page.locator("fairgate-tickets")).to_contain_text("The events cannot be shown at the moment.")
        expect(buyer.page.get_by_role("link", name="Go to the ticket shop")).to_have_attribute("href", f"{origin}/")
    assert all("CORS policy" in problem for problem in buyer.problems)
    buyer.problems.clear()
    with settings.override(cors_origins=f"https://band.example, {website}"):
        buyer.page.reload()
        expect(buyer.page.locator("fairgate-tickets")).to_contain_text("Opens soon")
