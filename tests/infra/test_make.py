"""`make` prepares the Python environment, and says what to do where it cannot. Python is a stand-in whose pip always fails."""

import os
import shutil
import subprocess

import pytest

from tests.test_tidy import ROOT

PYTHON = """#!/bin/sh
case "$*" in
"-m venv "*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
"-m pip "*) cat pip-says >&2; exit 1 ;;
esac
"""
# Without an index pip knows no version at all, and then says that those of the file contradict each other.
NO_NETWORK = """\
WARNING: Retrying (Retry(total=1, connect=None, read=None)) after connection broken by 'NewConnectionError(...)': /simple/pip/
WARNING: Retrying (Retry(total=0, connect=None, read=None)) after connection broken by 'NewConnectionError(...)': /simple/pip/
ERROR: Cannot install pip because these package versions have conflicting dependencies.
"""
NO_COMPILER = "error: command 'gcc' failed: No such file or directory\n"


@pytest.fixture
def make(tmp_path):
    """`make(says)`: run `make run` in a clone that was never run, and pip fails with these words. Returns what was printed."""
    for name in ("Makefile", "constraints.txt", "requirements.txt", "requirements-run.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python3"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def make(says, **environment):
        (tmp_path / "pip-says").write_text(says)
        variables = {"PATH": os.environ["PATH"], "PYTHON": str(python), **environment}
        made = subprocess.run(["make", "run"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=300)
        assert made.returncode == 2
        assert not (tmp_path / ".venv" / "installed-to-run").exists(), "so the next command tries again"
        return made.stdout + made.stderr

    return make


def test_without_a_network_the_reason_is_the_network(make, tmp_path):
    printed = make(NO_NETWORK)
    assert "the index of Python packages does not answer. Check the network and run the command again." in printed
    assert "conflicting" not in printed
    assert (tmp_path / ".venv" / "errors").read_text() == NO_NETWORK


@pytest.mark.parametrize("says", [NO_COMPILER, NO_NETWORK.splitlines()[0] + "\n" + NO_COMPILER])
def test_what_else_fails_is_shown_as_pip_says_it(make, says):
    printed = make(says)
    assert NO_COMPILER + "The packages could not be installed; the reason is above." in printed


def test_a_python_that_is_missing_is_named(make):
    assert "Fairgate needs Python 3.11 or later; /no/python3 is older or missing." in make("", PYTHON="/no/python3")
