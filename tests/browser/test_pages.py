"""On every page and in every state: axe finds nothing, in light and dark, and nothing is wider than a small phone in any language.

With SHOTS=<folder> (`make shots`) each is also drawn, at 390 and 1280 px, and in Spanish at 390.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

from chalicelib import settings
from tests.browser.chromium import FOLDER
from tests.browser.scenes import accounts, buying, cards, waiting_room, wallet
from tests.browser.scenes.stage import CardStage, Stage

SCENES = [*buying.SCENES, *waiting_room.SCENES, *wallet.SCENES, *accounts.SCENES]
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIND_VIOLATIONS = """
async tags => (await axe.run({ runOnly: tags })).violations.map(({ id, nodes }) =>
  `${id}: ${nodes.map(node => `${node.html} ${node.failureSummary}`).join(" | ")}`)
"""
# By a script, because behind an open dialog nothing can be clicked.
SPEAK_SPANISH = """select => {
  select.value = "es";
  select.dispatchEvent(new Event("change", { bubbles: true }));
}"""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_page_is_accessible_and_fits_a_phone(new_buyer, api, time, scene):
    stage = Stage(new_buyer(reduced_motion="reduce"), api, time)
    scene(stage)
    _check(stage.page, scene.__name__)


@pytest.mark.parametrize("scene", cards.SCENES, ids=lambda scene: scene.__name__)
def test_every_page_about_payments_by_card_is_accessible_and_fits_a_phone(new_buyer, shop, origin, scene):
    with settings.override(checkout_origins=origin, stripe_publishable_key=shop.fake.publishable_key):
        stage = CardStage(new_buyer(reduced_motion="reduce"), shop)
        scene(stage)
        _check(stage.page, scene.__name__)


def _check(page: Page, name: str) -> None:
    page.evaluate(AXE.read_text())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(FIND_VIOLATIONS, TAGS) == []
        _draw(page, f"{name}-390-{scheme}", 390)
    _check_width(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        _draw(page, f"{name}-1280-{scheme}", 1280)
    if (language := page.locator("footer select")).count() > 0:
        language.evaluate(SPEAK_SPANISH)
        _check_width(page)
        _draw(page, f"{name}-390-es", 390)


def _check_width(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def _draw(page: Page, name: str, width: int) -> None:
    if folder := os.environ.get("SHOTS"):
        page.set_viewport_size({"width": width, "height": 844 if width == 390 else 800})
        page.evaluate("scrollTo(0, 0)")
        has_dialog = page.locator("dialog[open]").count() > 0  # it fills the screen, not the page
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=not has_dialog)
