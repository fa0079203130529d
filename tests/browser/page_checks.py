"""What holds on every page and in every state: axe finds nothing, light and dark, nothing is wider than a small phone, even with text at
twice the normal size, and what people did to get there has not left them without the focus.

With SHOTS=<folder> (`make shots`) each is also drawn, at 390, 768 and 1280 px, light and dark, and in the other languages at two widths.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.async_checks import wait_until
from tests.browser.chromium import FOLDER

AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
# The dark page differs from the light page in its colors only. The rule about orientations has no tag, because axe calls it experimental.
RULES = {
    "light": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "dark": {"type": "rule", "values": ["color-contrast", "css-orientation-lock"]},
}
# What axe cannot decide, and reports as incomplete: the contrast of text over pictures and gradients, and the order of headings beside a
# frame of the payment provider that has not loaded.
UNDECIDED = ["color-contrast", "heading-order"]
FIND_VIOLATIONS = """
async ([rules, undecided]) => {
  const { violations, incomplete } = await axe.run({ runOnly: rules });
  return [...violations, ...incomplete.filter(({ id }) => !undecided.includes(id))].map(({ id, nodes }) =>
    `${id}: ${nodes.map(node => `${node.html} ${node.failureSummary}`).join(" | ")}`);
}
"""
# A page has given the focus to something once people click or type. Playwright's own calls count as the browser's user activation.
NOTE_USE = """for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (globalThis.wasUsed = true), true);"""
HAS_LOST_FOCUS = "() => globalThis.wasUsed === true && document.activeElement === document.body"
TEXT_SIZES = ("200%", "100%")  # the last one stays
# The innermost elements only, because they make the others wide. Some places scroll by themselves.
FIND_WIDE = """[...document.querySelectorAll("body *:not(svg *)")]
  .filter(element => element.getBoundingClientRect().right > 320 && !element.closest(".side ul, .table-place"))
  .filter((element, _, wide) => !wide.some(inner => inner !== element && element.contains(inner)))
  .map(element => element.outerHTML.slice(0, 100))"""
# The spacing of text that readers may set (WCAG 2.2, 1.4.12), and the texts that are then cut off. A box of a pixel is for screen readers.
SPREAD_TEXT = """isSpread => {
  globalThis.spacing ??= new CSSStyleSheet();
  spacing.replaceSync(isSpread ? `* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
    p { margin-block-end: 2em !important; }` : "");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets.filter(sheet => sheet !== spacing), spacing];
}"""
FIND_CUT = """() => {
  const isClipping = (element, { overflowX, overflowY } = getComputedStyle(element)) =>
    ["hidden", "clip"].some(overflow => overflow === overflowX || overflow === overflowY);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const cut = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    let box = node.parentElement;
    if (!node.data.trim() || !box.checkVisibility()) continue;
    while (box !== document.body && !isClipping(box)) box = box.parentElement;
    if (box === document.body || box.clientWidth <= 1) continue;
    const [range, edge] = [document.createRange(), box.getBoundingClientRect()];
    range.selectNodeContents(node);
    const isOutside = text =>
      text.left < edge.left - 1 || text.right > edge.right + 1 || text.top < edge.top - 1 || text.bottom > edge.bottom + 1;
    if ([...range.getClientRects()].some(isOutside)) cut.push(node.data.trim());
  }
  return cut;
}"""
WRITE_FROM = "([lang, dir]) => Object.assign(document.documentElement, { lang, dir })"
# By a script, because behind an open dialog nothing can be clicked.
SPEAK = """(select, language) => {
  select.value = language;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}"""


def check(page: Page, name: str) -> None:
    """Check the page as it is, and draw it. Leaves it light, in English and as wide as it was."""
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    wait_until(page, f"() => !({HAS_LOST_FOCUS})()")  # a button that works is disabled meanwhile
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    for scheme, rules in RULES.items():
        page.emulate_media(color_scheme=scheme)
        violations = page.evaluate(FIND_VIOLATIONS, [rules, UNDECIDED])
        assert violations == [], f"{name}: {violations}"
        _draw(page, f"{name}-390-{scheme}", 390)
    _check_width(page, name)
    page.evaluate(SPREAD_TEXT, True)
    _check_width(page, f"{name} with spread text", ["100%"])
    cut = page.evaluate(FIND_CUT)
    assert cut == [], f"{name} with spread text: {cut}"
    page.evaluate(SPREAD_TEXT, False)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        _draw(page, f"{name}-768-{scheme}", 768)
        _draw(page, f"{name}-1280-{scheme}", 1280)
    for language in _other_languages(page):
        _speak(page, language)
        _check_width(page, f"{name} in {language}")
        _draw(page, f"{name}-390-{language}", 390)
        _draw(page, f"{name}-1280-{language}", 1280)
        _speak(page, "en")
    page.evaluate(WRITE_FROM, ["en", "rtl"])  # the pages have no texts in a language that is written from right to left
    _check_width(page, f"{name} from right to left")
    _draw(page, f"{name}-390-rtl", 390)
    page.evaluate(WRITE_FROM, ["en", "ltr"])
    page.set_viewport_size({"width": width, "height": height})


def _other_languages(page: Page) -> list[str]:
    """Return the page's languages other than English; empty if the page offers no choice."""
    values: list[str] = page.locator("footer select option").evaluate_all("options => options.map(option => option.value)")
    return [language for language in values if language != "en"]


def _speak(page: Page, language: str) -> None:
    page.locator("footer select").evaluate(SPEAK, language)
    page.locator(f"html[lang={language}]").wait_for(state="attached")  # its texts are loaded only now


def _check_width(page: Page, name: str, sizes: Sequence[str] = TEXT_SIZES) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    for size in sizes:
        page.evaluate("size => { document.documentElement.style.fontSize = size }", size)
        try:
            wait_until(page, "() => document.documentElement.scrollWidth <= 320")  # charts get their new width a moment later
        except AssertionError:
            raise AssertionError(f"{name} is wider than 320 px with text at {size}: {page.evaluate(FIND_WIDE)}") from None


def _draw(page: Page, name: str, width: int) -> None:
    if folder := os.environ.get("SHOTS"):
        page.set_viewport_size({"width": width, "height": 844 if width == 390 else 800})
        page.evaluate("scrollTo(0, 0)")
        has_dialog = page.locator("dialog[open]").count() > 0  # it fills the screen, not the page
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=not has_dialog)
