"""The table of EN 301 549: it has all criteria, what it names exists, and the statement that promoters begin with says the same."""

import re

import pytest

from chalicelib.edge.languages import LANGUAGES
from infra import accessibility
from tests.colors import contrast
from tests.repository import ROOT

# The success criteria of WCAG 2.1 at levels A and AA (https://www.w3.org/TR/WCAG21/).
OF_WCAG = """
1.1.1 A, 1.2.1 A, 1.2.2 A, 1.2.3 A, 1.2.4 AA, 1.2.5 AA, 1.3.1 A, 1.3.2 A, 1.3.3 A, 1.3.4 AA, 1.3.5 AA, 1.4.1 A, 1.4.2 A, 1.4.3 AA,
1.4.4 AA, 1.4.5 AA, 1.4.10 AA, 1.4.11 AA, 1.4.12 AA, 1.4.13 AA, 2.1.1 A, 2.1.2 A, 2.1.4 A, 2.2.1 A, 2.2.2 A, 2.3.1 A, 2.4.1 A,
2.4.2 A, 2.4.3 A, 2.4.4 A, 2.4.5 AA, 2.4.6 AA, 2.4.7 AA, 2.5.1 A, 2.5.2 A, 2.5.3 A, 2.5.4 A, 3.1.1 A, 3.1.2 AA, 3.2.1 A, 3.2.2 A,
3.2.3 AA, 3.2.4 AA, 3.3.1 A, 3.3.2 A, 3.3.3 AA, 3.3.4 AA, 4.1.1 A, 4.1.2 A, 4.1.3 AA
"""


def test_every_criterion_of_chapter_9_is_there():
    expected = [tuple(entry.split()) for entry in OF_WCAG.replace("\n", " ").split(",")]
    assert len(expected) == 50
    assert [(each.clause, each.level) for each in accessibility.CRITERIA] == [(f"9.{number}", level) for number, level in expected]
    assert all(each.how.endswith(".") for each in accessibility.CRITERIA)


def test_the_named_checks_exist_and_are_used():
    """tests/browser/test_pages.py compares the check *axe* with axe's own rules."""
    named = {check for criterion in accessibility.CRITERIA for check in criterion.checks}
    assert accessibility.CHECKS.keys() <= named
    paths = [*(named - accessibility.CHECKS.keys()), *(path for _, tests in accessibility.CHECKS.values() for path in tests)]
    assert [path for path in paths if is_missing(path)] == []


def is_missing(test: str) -> bool:
    path, _, name = test.partition("::")
    return not (ROOT / path).exists() or (name != "" and f"def {name}(" not in (ROOT / path).read_text())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_template_of_a_statement_names_the_result(language):
    texts = (ROOT / "web" / "src" / "manage" / "texts" / language / "profile.ts").read_text()
    statement = re.search(r'accessibilityTemplate:\s+"(.+?)"', texts)[1]
    counts = accessibility.count_states()
    found = [int(number) for number in re.findall(r"(?<![\d.])\d+(?![\d.]*\.\d)", statement.partition("50")[2].partition("(")[0])]
    assert found[-2:] == [counts["met"], counts["no such content"]]
    assert sum(counts.values()) == 50
    in_part = [each.clause for each in accessibility.CRITERIA if each.state == "met in part"]
    assert re.findall(r"\((9\.[\d.]+)\)", statement) == in_part


@pytest.mark.parametrize("name", ["field", "brand"])
@pytest.mark.parametrize("behind", ["paper", "card", "sunk"])
def test_fields_and_the_focus_can_be_seen(name, behind):
    """WCAG 2.1, 1.4.11: the border of a field and the outline of the focus have a contrast of at least 3 with what is behind them."""
    tokens = (ROOT / "web" / "src" / "styles" / "tokens.css").read_text()
    one, other = (colors_of(tokens, each) for each in (name, behind))
    assert min(contrast(*pair) for pair in zip(one, other, strict=True)) >= 3


def colors_of(tokens: str, name: str) -> list[str]:
    """Return the light and the dark color of a token."""
    return re.findall(r"#[0-9a-f]{6}", re.search(rf"--{name}: light-dark\((.+)\);", tokens)[1])
