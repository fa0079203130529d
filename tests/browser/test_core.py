"""A stage without add-ons: a guest buys, the promoter's and the admin's pages open, and the door admits, with the pages built for it."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.foundation import clock
from infra import web
from tests.browser.buyers import Buyer
from tests.browser.conftest import PATIENCE_MS
from tests.infra.conftest import LocalRun, start  # noqa: F401

pytestmark = pytest.mark.slow

# What belongs to add-ons in the built pages: chunks, the pages' addresses, and paths of the API.
CHUNKS = (
    "attendee-list",
    "compare-page",
    "history-page",
    "message",
    "order-list",
    "problem-messages",
    "replay",
    "sales",
    "waitlist",
    "webhooks",
)
ADDRESSES = ("/history", "/sales", "/manage/compare", "/manage/messages", "/manage/webhooks", "/waitlist", "new-package", "`/orders`")
PATHS = (
    "/admin/figures",
    "/analytics",
    "/attendees",
    "/disputes",
    "/image",
    "/suppressed-addresses",
    "/tickets/packages",
    "/webhook-endpoints",
    "/promoters/{promoter_id}/audit",
    ".pdf",
    "/admin/audit",
    "/stats",
)
PROMOTER = ("Events", "API keys", "Your profile")  # the navigation
ADMIN = ("Events", "Users", "Promoters", "Catalog", "System", "Payouts", "Open cases")
RIGHTS = "rights-"  # the chunk with the calls that prove each right


def test_pages_of_addons_that_are_off_are_not_built():
    scripts = {file.name: file.read_text() for file in (web.build(()) / "assets").glob("*.js")}
    assert [name for name in scripts if name.startswith(CHUNKS)] == []
    found = [(name, part) for name, text in scripts.items() if RIGHTS not in name for part in (*ADDRESSES, *PATHS) if part in text]
    assert found == []
    everything = {file.name: file.read_text() for file in (web.build() / "assets").glob("*.js")}
    assert {part for part in (*ADDRESSES, *PATHS) if not any(part in text for text in everything.values())} == set()
    assert [chunk for chunk in CHUNKS if not any(name.startswith(chunk) for name in everything)] == []


@pytest.fixture
def core(start, tmp_path) -> LocalRun:  # noqa: F811
    """A local run without add-ons."""
    web.build(())
    return start(tmp_path / "data", FAIRGATE_ADDONS="none").wait_for("Ctrl-C stops it")


@pytest.fixture
def new_visitor(browser: Browser, core: LocalRun) -> Iterator:
    visitors: list[Buyer] = []

    def open_browser(width: int = 390, login: str = "") -> Buyer:
        context = browser.new_context(locale="en-US", base_url=core.demo["web_url"], viewport={"width": width, "height": 844})
        context.set_default_timeout(PATIENCE_MS)
        visitors.append(Buyer(context.new_page()))
        if login:
            _sign_in(visitors[-1], core.demo[login])
        return visitors[-1]

    yield open_browser
    for visitor in visitors:
        visitor.page.context.close()
    assert [problem for visitor in visitors for problem in visitor.problems] == []


def _sign_in(visitor: Buyer, login: dict) -> None:
    visitor.page.goto("/sign-in?next=/manage")
    visitor.page.get_by_label("Email address").fill(login["email"])
    visitor.page.get_by_label("Password", exact=True).fill(login["password"])
    visitor.press("Sign in")
    visitor.page.wait_for_url(lambda url: urlsplit(url).path == "/manage")


def _create_event(core: LocalRun) -> str:
    """Create an event of the promoter that starts in an hour, with tickets. Returns its id."""
    token = f"Bearer {core.demo['promoter']['token']}"
    event = {"name": "Night of the Proms", "venue": "The Hall", "timezone": "UTC", "starts_at": clock.iso(clock.now() + 3600)}
    status, created = core.request("POST", "/events", event, Authorization=token)
    assert status == 201, created
    tier = {"name": "Floor", "price_cents": 5000, "capacity": 10, "currency": "USD"}
    for name in ("Floor", "Balcony"):
        assert core.request("POST", f"/events/{created['id']}/tiers", tier | {"name": name}, Authorization=token)[0] == 201
    assert core.request("POST", f"/events/{created['id']}/publish", {}, Authorization=token)[0] == 200
    return created["id"]


def _open_all(visitor: Buyer, address: str, names: Sequence[str]) -> None:
    """Open the page at an address and every page of its navigation, which lists these names."""
    visitor.page.goto(address)
    links = visitor.page.locator(".side a")
    expect(links).to_have_text(names)
    for path in [link.get_attribute("href") for link in links.all()]:
        visitor.page.goto(path)
        expect(visitor.page.locator("main h1").first).to_be_visible()
        expect(visitor.page.locator(".skeleton")).to_have_count(0)
        visitor.page.wait_for_load_state("networkidle")
    assert visitor.refused == []


def test_a_guest_buys_the_managers_pages_open_and_the_door_admits(core, new_visitor):
    event_id = _create_event(core)
    guest = new_visitor()
    for address in ("/", f"/events/{event_id}"):
        guest.page.goto(address)
        guest.see("Night of the Proms")
    guest.choose("Floor", 1)
    guest.pay()
    guest.see_tickets(1)
    code = guest.page.locator(".pass .code").first.inner_text()
    guest.page.locator(".outcome-good").get_by_role("link", name="Receipt").click()
    expect(guest.heading("Receipt")).to_be_visible()
    order_id = urlsplit(guest.page.url).path.rpartition("/")[2]
    guest.page.goto("/account")
    expect(guest.page.get_by_role("link", name="Create an account")).to_be_visible()
    expect(guest.page.get_by_role("link", name="My orders")).to_have_count(0)
    assert guest.refused == []

    promoter = new_visitor(1280, "promoter")
    _open_all(
        promoter,
        f"/manage/events/{event_id}",
        [*PROMOTER, "Overview", "Details", "Tickets", "Promo codes", "People", "Live sale", "Orders"],
    )
    promoter.page.get_by_label("Order number").fill(order_id)
    promoter.press("Search")
    expect(promoter.page.get_by_role("button", name="Refund $50")).to_be_visible()
    promoter.page.goto(f"/manage/events/{event_id}/history")
    expect(promoter.heading("Page not found")).to_be_visible()
    assert promoter.refused == []

    admin = new_visitor(login="admin")
    _open_all(admin, "/manage", ADMIN)
    admin.page.goto("/manage/system")
    jobs = admin.page.locator(".panel", has_text="Background jobs").locator("li strong")
    expect(jobs).to_have_text(["Reconciles payments with the provider", "Expires reservations and sends refunds"])

    promoter.page.goto("/door")
    promoter.page.get_by_label("Event", exact=True).select_option(event_id)
    promoter.page.get_by_label("Gate", exact=True).fill("North")
    promoter.press("Open the door")
    promoter.page.get_by_label("Code, name or number").fill(code)
    promoter.page.keyboard.press("Enter")
    expect(promoter.page.locator(".verdict-title")).to_contain_text("Come in")
    assert promoter.refused == []
