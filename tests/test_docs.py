"""The pages of the documentation: their links lead to files and sections that exist, and their lines fit a screen."""

import re
from pathlib import Path

import pytest

from tests.test_tidy import CODE, ROOT, UNPLAIN

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAX_LINE_LENGTH = 160

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _relative_links(page: Path) -> list[str]:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [target for target in targets if not target.startswith(("https://", "http://"))]


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or (anchor != "" and anchor not in _anchors(target))


@each_page
def test_links_lead_to_what_exists(page):
    assert [link for link in _relative_links(page) if _is_broken(page, link)] == []


@each_page
def test_lines_are_short(page):
    """Except rows of tables, which Markdown cannot break."""
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, start=1) if len(line) > MAX_LINE_LENGTH and not line.startswith("|")] == []


@each_page
def test_words_are_plain(page):
    assert UNPLAIN.findall(page.read_text(encoding="utf-8")) == []


def test_files_that_the_code_names_exist():
    """`docs/<page>.md` in comments, docstrings and messages."""
    named = {page for path in [*CODE, ROOT / "Makefile"] for page in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text(encoding="utf-8"))}
    assert sorted(page for page in named if not (ROOT / page).exists()) == []
