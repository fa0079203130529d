"""A buyer in front of a browser: what people do, in their words."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Response, expect

from chalicelib.edge.languages import Language
from chalicelib.foundation import clock
from tests.browser.async_checks import wait_until
from tests.browser.page_checks import NOTE_USE
from tests.browser.words import speak, translate

expect.set_options(timeout=60_000)


class Buyer:
    """Acts on one page and notes what goes wrong in it; `refused` has the requests that were answered with an error."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.language: Language = "en"
        self.problems: list[str] = []
        self.refused: list[str] = []
        if page.context.pages == [page]:  # all tabs have one clock, which must not jump when another tab is opened
            page.clock.install(time=clock.now())
        page.add_init_script(NOTE_USE)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._note)
        page.on("response", self._note_refusal)

    def speak(self, language: Language) -> None:
        """Read the pages in this language from now on. The other methods take their English texts all the same."""
        speak(self.page, language)
        self.language = language

    def say(self, text: str, value: str = "") -> str:
        """Return an English text of the pages in the buyer's language, with `value` in place of {}."""
        return translate(text, self.language, value)

    def see(self, text: str) -> None:
        """Wait until the text can be seen, in these capitals: "It is your turn" is not in "when it is your turn"."""
        words = re.compile(r"\s".join(map(re.escape, self.say(text).split(" "))))  # a space may be one that does not break
        expect(self.page.get_by_text(words).first).to_be_visible()

    def heading(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=self.say(name))

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(self.say(label))

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=self.say(name), exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=self.say(name), exact=True).click()

    def use_demo_identity(self) -> None:
        """Be a user whose identity never expires; a guest's identity expires after a week without a visit."""
        self.page.goto("/sign-in")
        self.press("Use a demo identity")
        expect(self.heading("Demo identity")).to_be_visible()

    def register(self, email: str, password: str) -> None:
        """Create an account on the page for it."""
        self.page.goto("/register")
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.press("Create account")

    def join(self, event_id: str) -> None:
        """Join an event's waiting room from its page."""
        self.page.goto(f"/events/{event_id}")
        self.follow("Go to the waiting room")
        self.press("Join the waiting room")
        self.see("You are in.")

    def choose(self, tier: str, quantity: int) -> None:
        """Reserve tickets where they can be chosen."""
        self.field(self.say("Number of tickets: {}", tier)).select_option(str(quantity))
        self.press("Reserve tickets")
        self.give_address()

    def give_address(self, address: str = "guest@example.com") -> None:
        """Type the address on the checkout page, which asks only buyers without an account."""
        self.see("Cancel the reservation")
        field = self.field("Email address")
        if field.count():
            field.fill(address)

    def give_up_tickets(self) -> None:
        """Cancel the reservation, which takes two steps."""
        self.page.get_by_text("Cancel the reservation").click()
        self.page.get_by_role("button", name=re.compile("^Give up my tickets?$")).click()

    def pay(self, outcome: str = "Card is accepted") -> None:
        self.press("Continue to payment")
        self.field(outcome).check()
        self.page.get_by_role("button", name=self.say("Pay {}")).click()

    def pay_by_card(self, number: str) -> None:
        """Pay with a test card on the provider's page."""
        card = {"E-mail": "ada@example.com", "Test card number": number, "Expires": "12/40", "Security code": "123", "Name on card": "Ada"}
        for label, text in card.items():
            self.page.get_by_label(label).fill(text)
        self.page.get_by_role("button", name=re.compile("^Pay [0-9]")).click()

    def see_tickets(self, count: int) -> None:
        """Wait for that many tickets whose QR codes have been drawn."""
        expect(self.heading("My tickets")).to_be_visible()
        codes = self.page.get_by_role("img", name=self.say("QR code of ticket {}"))
        expect(codes).to_have_count(count)
        for code in codes.all():
            code.scroll_into_view_if_needed()
            wait_until(self.page, "image => image.complete && image.naturalWidth > 0", code.element_handle())

    def look_again(self) -> None:
        """What happens when the network or the buyer comes back: the page asks for what is new."""
        self.page.evaluate("dispatchEvent(new Event('online'))")

    def _note_refusal(self, response: Response) -> None:
        if response.status >= 400:
            self.refused.append(f"{response.status} {response.request.method} {urlsplit(response.url).path}")

    def _note(self, message: ConsoleMessage) -> None:
        # A refusal that the page expects, such as 404 for "no reservation yet", is an error in the console too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)
