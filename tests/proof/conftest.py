"""Which flows, mistakes and histories a run tries, and what was tried, at the end of a complete run."""

import random
from collections import defaultdict
from collections.abc import Iterable
from string import ascii_letters
from typing import Any

import pytest

from tests import seeds
from tests.proof.kinds import KINDS

# Test -> other runs try one of so many of its cases.
SHARES = {
    "test_a_fault_at_any_call_loses_nothing": 5,
    "test_a_mistake_is_caught": 15,
    "test_histories_agree_with_the_model": 6,
    "test_histories_with_a_waitlist_agree_with_the_model": 4,
}


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Leave out most flows, mistakes and histories, as the seed chooses, unless all are to be tried."""
    if config.option.proof == "all":
        return
    for test, share in SHARES.items():
        cases = [item for item in items if isinstance(item, pytest.Function) and item.function.__name__ == test]
        chosen = set(random.Random(seeds.first).sample([item.nodeid for item in cases], -(-len(cases) // share)))
        left_out = [item for item in cases if item.nodeid not in chosen]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    found = defaultdict[str, list[Any]](list)
    for key, value in [each for report in reports for each in report.user_properties]:
        found[key].append(value)
    if config.option.proof != "all" or not found:
        return
    terminalreporter.section("proof")
    flows, races = dict(found["proof"]), dict(found["race"])
    if flows:
        _write_flows(terminalreporter, flows)
    for name, cell in sorted(races.items()):
        terminalreporter.line(f"race: {name}  {_text(*cell)}")
    totals = {
        f"{len(flows)} flows: tries that ended well": [cell for cells in flows.values() for cell in cells.values()],
        f"{len(races)} races: rounds that ended as one after the other": races.values(),
        f"{len(found['states'])} scenarios of the model: states explored without a violation": found["states"],
        "steps of histories that were as the model predicts": [(steps, 0) for steps in found["steps"]],
    }
    for what, cells in totals.items():
        if cells:
            terminalreporter.line(f"{what}: {_total(cells)}")


def _write_flows(terminalreporter: pytest.TerminalReporter, flows: dict[str, Any]) -> None:
    letters = dict(zip(KINDS, ascii_letters, strict=False))
    for kind, letter in letters.items():
        terminalreporter.line(f"{letter}  {kind}")
    width = max(map(len, flows))
    terminalreporter.line("".join([" " * width, *(f"{letter:>8}" for letter in letters.values()), "     all"]))
    for name, cells in sorted(flows.items()):
        row = [*(_text(*cells[kind]) for kind in KINDS), _total(cells.values())]
        terminalreporter.line(name.ljust(width) + "".join(f"{text:>8}" for text in row))


def _text(tried: int, wrong: int) -> str:
    return f"{tried - wrong}/{tried}" if tried else "-"


def _total(cells: Iterable[tuple[int, int]]) -> str:
    tried, wrong = (sum(column) for column in zip(*cells, strict=True))
    return _text(tried, wrong)
