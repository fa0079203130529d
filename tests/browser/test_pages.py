"""What holds on every page and in every state: axe finds nothing, in light and dark, and nothing is wider than a small phone.

With SHOTS=<folder> (`make shots`) each is also drawn, at 390 and 1280 px.
"""

import os
from pathlib import Path

import pytest

from tests.browser.chromium import FOLDER
from tests.browser.scenes import SCENES, Stage

AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIND_VIOLATIONS = """
async tags => (await axe.run({ runOnly: tags })).violations.map(({ id, nodes }) =>
  `${id}: ${nodes.map(node => `${node.html} ${node.failureSummary}`).join(" | ")}`)
"""


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_page_is_accessible_and_fits_a_phone(new_buyer, api, time, scene):
    stage = Stage(new_buyer(reduced_motion="reduce"), api, time)
    scene(stage)
    page = stage.page
    page.evaluate(AXE.read_text())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(FIND_VIOLATIONS, TAGS) == []
        _draw(page, scene.__name__, 390, scheme)
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        _draw(page, scene.__name__, 1280, scheme)


def _draw(page, name: str, width: int, scheme: str) -> None:
    if folder := os.environ.get("SHOTS"):
        page.set_viewport_size({"width": width, "height": 844 if width == 390 else 800})
        page.screenshot(path=Path(folder) / f"{name}-{width}-{scheme}.png", full_page=True)
