"""Somebody who manages events in front of a browser."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, expect

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from tests.browser.words import speak, translate
from tests.client import Client
from tests.conftest import Time
from tests.javascript import WEB

FRONT_ROWS = {"name": "Front rows", "price_cents": 8950, "capacity": 400, "currency": "USD"}
PASSWORD = "seven grey owls"


class Manager:
    """Acts on one page for managers. `token` is the manager's, for calls outside the page."""

    def __init__(self, page: Page, api: Client, time: Time) -> None:
        self.page, self.api, self.time = page, api, time
        self.language: Language = "en"
        self.token = ""

    def sign_up(self, email: str = "promoter@example.com", *, role: str = "promoter") -> None:
        """Have an account and be signed in, without a page of its own for it."""
        account = {"email": email, "password": PASSWORD, "role": role, "first_name": "Pat", "company": "Nova Nights"}
        self.api.post("/auth/register", json=account)
        self.sign_in(email)

    def sign_in_as_admin(self, address: str = "/manage") -> None:
        """Be the admin of the shop, as the command that makes the first one does it."""
        email = "admin@example.com"
        account = Account(user_id="root", email=email, roles=("user", "admin"), created_at=self.time.now)
        accounts.create_account(account, PASSWORD)
        self.sign_in(email, address)

    def sign_in(self, email: str, address: str = "/manage") -> None:
        """Sign in and continue to `address`."""
        self.page.goto(f"/sign-in?next={address}")
        self.fill("Email address", email)
        self.fill("Password", PASSWORD)
        self.press("Sign in")
        self.page.wait_for_url(lambda url: urlsplit(url).path == address)
        self.token = self.api.post("/auth/login", json={"email": email, "password": PASSWORD}).json["access_token"]

    def speak(self, language: Language) -> None:
        """Read the pages in this language from now on, or in English if it has no pages for managers.

        The other methods take their English texts all the same.
        """
        self.language = language if (WEB / f"src/manage/texts/{language}.ts").exists() else "en"
        speak(self.page, self.language)

    def say(self, text: str, value: str = "") -> str:
        """Return an English text of the pages in the manager's language, with `value` in place of {}."""
        return translate(text, self.language, value)

    def open(self, path: str) -> None:
        """Reload the page."""
        self.page.goto(f"/manage{path}")

    def go(self, name: str) -> None:
        """Follow a link of the navigation beside the page."""
        self.page.locator(".side").get_by_role("link", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("main").get_by_role("link", name=name, exact=True).click()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=self.say(name), exact=True).click()

    def fill(self, label: str, text: str) -> None:
        self.page.get_by_label(self.say(label), exact=True).fill(text)

    def see(self, text: str) -> Locator:
        """Wait until the text can be seen."""
        found = self.page.get_by_text(self.say(text)).first
        expect(found).to_be_visible()
        return found

    def see_heading(self, name: str) -> None:
        expect(self.page.get_by_role("heading", name=self.say(name))).to_be_visible()

    def create_event(self, name: str = "Nova Lights: Afterglow Tour", *, tiers: Sequence[Mapping[str, object]] = (FRONT_ROWS,)) -> str:
        """Create a draft of theirs through the API. Returns its id."""
        body = {"name": name, "venue": "The Paramount Hall", "city": "Denver", "timezone": "America/Denver"}
        times = {"starts_at": clock.iso(clock.now() + 60 * 86_400)}
        reply = self.api.post("/events", json=body | times, token=self.token)
        assert reply.status == 201, reply.json
        for tier in tiers:
            assert self.api.post(f"/events/{reply.json['id']}/tiers", json=tier, token=self.token).status == 201
        return str(reply.json["id"])

    def publish(self, event_id: str) -> None:
        reply = self.api.post(f"/events/{event_id}/publish", json={}, token=self.token)
        assert reply.status == 200, reply.json

    def see_in_spanish(self, text: str) -> None:
        """What the page says in Spanish, without being loaded again; then it is in English again."""
        self.page.get_by_label("Language").select_option("es")
        self.see(text)
        self.page.get_by_label("Idioma").select_option("en")
        expect(self.page.locator("html")).to_have_attribute("lang", "en")

    def look_again(self) -> None:
        """Let a page that looks again and again do it now."""
        self.page.evaluate("dispatchEvent(new Event('online'))")

    def hide(self) -> None:
        """Put another tab in front of the page."""
        self._set_visibility("hidden")

    def show(self) -> None:
        self._set_visibility("visible")

    def lose_network(self) -> None:
        """Let the page look again without a network."""
        self.page.route("**/api/**", lambda route: route.abort())
        self.look_again()

    def find_network(self) -> None:
        self.page.unroute_all()
        self.look_again()

    def _set_visibility(self, state: str) -> None:
        hide = "state => Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })"
        self.page.evaluate(hide, state)
        self.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
