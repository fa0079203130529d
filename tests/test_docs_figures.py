"""The figures of the pages are those of the code, and none is without something that shows it.

Figures that are measured and not chosen have the command or the test that shows them in docs/claims.md.
"""

import re
from functools import cache

import pytest

from infra import cold_starts
from tests.page_figures import CHOSEN
from tests.shown_figures import SHOWN
from tests.test_tidy import ROOT


@cache
def text_of(page: str) -> str:
    """A page with single spaces, since lines break anywhere."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


_NUMBER = r"(?:\d[\d,]*(?:\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|hundred|half an)"
_UNIT = r"(?:ms|s|seconds?|minutes?|min|h|hours?|days?|weeks?|months?|bytes?|KB|MB|GB|characters?|percent|%|megapixels|bits?)"
_FIGURE = re.compile(
    rf"(?<![\w./-])(?:{_NUMBER} (?:\w+ )?{_UNIT}(?!\w)|\b[Aa]n? (?:hour|day|week|minute|kilobyte)\b"
    rf"|(?:at most|up to|at least|more than|less than) {_NUMBER}\b|{_NUMBER} (?:\w+ ){{0,2}}at (?:most|least))"
)


def uncovered_figures(page: str) -> list[str]:
    """The figures of a page's text, with some words around them, that neither list has."""
    text = " ".join(re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE).split())
    covered = [(at.start(), at.end()) for words in [*CHOSEN[page], *SHOWN.get(page, {})] for at in re.finditer(re.escape(words), text)]
    return [
        text[max(0, found.start() - 30) : found.end() + 30]
        for found in _FIGURE.finditer(text)
        if not any(start <= found.start() and found.end() <= end for start, end in covered)
    ]


@pytest.mark.parametrize("page", CHOSEN)
def test_figures_are_those_of_the_code(page):
    assert [words for words in CHOSEN[page] if words not in text_of(page)] == []


# Of these pages the tables of measures, or what they say of other things, have their own tests.
_ELSEWHERE = {"docs/architecture.md", "docs/changes.md", "docs/concurrency.md", "docs/local-store.md", "docs/performance.md", "docs/web.md"}


@pytest.mark.parametrize("page", sorted(CHOSEN.keys() - _ELSEWHERE))
def test_each_figure_is_compared_or_shown(page):
    advice = "compare each with the code in CHOSEN of tests/page_figures.py, or name in tests/shown_figures.py what shows it"
    assert uncovered_figures(page) == [], advice
    assert [words for words in SHOWN.get(page, {}) if words not in text_of(page)] == []


def _function_of(budget: cold_starts.Budget) -> str:
    return "api_handler" if budget.handler == cold_starts.API else budget.handler.rpartition(".")[2]


# Function, as docs/performance.md names it -> its budgets.
BUDGETS = {
    function: [budget for budget in cold_starts.BUDGETS.values() if _function_of(budget) == function]
    for function in dict.fromkeys(map(_function_of, cold_starts.BUDGETS.values()))
}


@pytest.mark.parametrize("function", BUDGETS)
def test_each_cold_start_is_in_the_table_with_a_figure_that_its_budget_was_made_of(function):
    """A budget is 2 % above what was measured, so a budget that was raised asks for a new figure."""
    rows = re.findall(rf"^\| `{function}` \| (.+)$", (ROOT / "docs/performance.md").read_text(), flags=re.MULTILINE)
    assert len(rows) == 1, f"docs/performance.md, What is deployed: a row of {function} with what it loads, as `make check` prints it"
    figures, budgets = [int(figure) for figure in re.findall(r"\b\d+\b", rows[0])], [budget.max_modules for budget in BUDGETS[function]]
    assert len(figures) == len(budgets), "one figure for each budget in infra/cold_starts.py"
    if function == "api_handler":
        assert figures[1:] == [budget - cold_starts.API_START for budget in budgets[1:]], "what each call loads besides the API's start"
        del figures[1:]
    assert all(0.97 * budget <= figure <= budget for figure, budget in zip(figures, budgets, strict=False)), (figures, budgets)


CLAIMS = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
SHOWN_BY = {shown_by for by_figure in SHOWN.values() for shown_by in by_figure.values()} - {"AWS", "Stripe", "an example", "by hand"}


@pytest.mark.parametrize("shown_by", sorted(SHOWN_BY | set(re.findall(r"`((?:tests/\w|bench/|python -m |make )[^`]*)`", CLAIMS))))
def test_what_shows_a_claim_exists(shown_by):
    if shown_by.startswith("python -m "):
        path = shown_by.split()[2].replace(".", "/")
        assert (ROOT / f"{path}.py").exists() or (ROOT / path / "__main__.py").exists()
    elif shown_by.startswith("make "):
        assert re.search(rf"^{shown_by.split()[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    else:
        path, _, test = shown_by.partition("::")
        assert (ROOT / path).exists()
        assert not test or f"def {test}(" in (ROOT / path).read_text()
