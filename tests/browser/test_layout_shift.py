"""Nothing moves while a page loads: what the browser counts as layout shift stays far below what people notice (0.1)."""

import pytest

from tests.browser.scenes.buying import checkout, event, event_that_opens, storefront
from tests.browser.scenes.stage import Stage
from tests.browser.scenes.waiting_room import waiting_room_before_joining, waiting_room_turn
from tests.browser.scenes.wallet import wallet_empty

MAX_SHIFT = 0.02
OBSERVE = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const moved = entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80));
    if (!entry.hadRecentInput) shifts.push([entry.value, moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
PAGES = [storefront, event, event_that_opens, waiting_room_before_joining, waiting_room_turn, checkout, wallet_empty]


@pytest.mark.parametrize("scene", PAGES, ids=lambda scene: scene.__name__)
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_while_a_page_loads(new_buyer, api, time, scene, width):
    stage = Stage(new_buyer(viewport={"width": width, "height": 844}), api, time)
    scene(stage)
    stage.page.add_init_script(OBSERVE)
    stage.page.reload()
    stage.page.wait_for_load_state("networkidle")
    shifts = stage.page.evaluate("shifts")
    assert sum(value for value, _ in shifts) <= MAX_SHIFT, shifts
