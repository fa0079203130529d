"""The table of flows and kinds of fault, at the end of a run."""

from string import ascii_lowercase

import pytest

from tests.proof.kinds import KINDS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = {}
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        rows |= {name: cells for key, (name, cells) in report.user_properties if key == "proof"}
    if not rows:
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
