"""Somebody who uses a page with the keyboard alone, and who must see where they are."""

from playwright.sync_api import Locator, Page, expect

from tests.browser.async_checks import wait_until
from tests.browser.page_checks import HAS_LOST_FOCUS

MAX_STOPS = 80
# Whether people see what has the focus. The link of a card has its outline around the whole card.
IS_SHOWN = """() => document.activeElement === document.body || [null, "::after"].some(part => {
  const style = getComputedStyle(document.activeElement, part);
  return style.content !== "none" && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
})"""


class Keyboard:
    """Goes from stop to stop, as somebody without a mouse does."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go_to(self, target: Locator) -> None:
        expect(target).to_be_visible()
        wait_until(self.page, f"() => !({HAS_LOST_FOCUS})()")
        for _ in range(MAX_STOPS):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(IS_SHOWN), self.page.evaluate("document.activeElement.outerHTML")
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"{target} was not reached within {MAX_STOPS} stops")

    def press(self, role: str, name: str) -> None:
        self.go_to(self.page.get_by_role(role, name=name, exact=True).first)
        self.page.keyboard.press("Enter")

    def fill(self, label: str, text: str) -> None:
        self.go_to(self.page.get_by_label(label, exact=True))
        self.page.keyboard.type(text)
