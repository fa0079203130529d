"""Which flows, mistakes and histories a run tries, and the table of flows and kinds of fault at the end of a complete run."""

import random
from string import ascii_lowercase

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
    rows, steps = {}, 0
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        rows |= {value[0]: value[1] for key, value in report.user_properties if key == "proof"}
        steps += sum(value for key, value in report.user_properties if key == "steps")
    if steps:
        terminalreporter.line(f"{steps} steps of histories were as the model predicts")
    if not rows or config.option.proof != "all":
        return
    terminalreporter.section("proof")
    letters = dict(zip(KINDS, ascii_lowercase, strict=False))
    for kind, letter in letters.items():
        terminalreporter.line(f"{letter}  {kind}")
    width = max(map(len, rows))
    terminalreporter.line("".join([" " * width, *(f"{letter:>8}" for letter in letters.values()), "     all"]))
    for name, cells in sorted(rows.items()):
        terminalreporter.line(name.ljust(width) + "".join(f"{_text(*cells[kind]):>8}" for kind in KINDS) + f"{_total(cells.values()):>8}")
    every = [cell for cells in rows.values() for cell in cells.values()]
    terminalreporter.line(f"{len(rows)} flows: {_total(every)} tries ended well")


def _text(tried: int, wrong: int) -> str:
    return f"{tried - wrong}/{tried}" if tried else "-"


def _total(cells) -> str:
    tried, wrong = (sum(column) for column in zip(*cells, strict=True))
    return _text(tried, wrong)
