"""Ctrl-C in a command reports the state and prints no traceback."""

import argparse
import os
import runpy

import pytest

from tests.repository import ROOT

# Commands of `fairgate` and, because it handles signals itself, the local run: tests/infra/test_cli.py, tests/infra/local/test_main.py.
ELSEWHERE = ("cli.main(", "load_parser(", "Signals(")

COMMANDS = sorted(
    path
    for folder in ("bootstrap", "infra")
    for path in (ROOT / folder).rglob("*.py")
    if "__name__ ==" in (text := path.read_text()) and "ArgumentParser(" in text and not any(mark in text for mark in ELSEWHERE)
)


@pytest.mark.parametrize("file", COMMANDS, ids=lambda file: str(file.relative_to(ROOT)))
def test_ctrl_c_reports_the_state(file, monkeypatch, capsys):
    def press_ctrl_c(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setenv("ENV_FILE", os.devnull)
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", press_ctrl_c)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_intermixed_args", press_ctrl_c)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert ended.value.code == 130
    printed = capsys.readouterr()
    assert printed.err.startswith("\nInterrupted. ")
    assert printed.err.endswith(".\n")
    assert printed.out == ""
