"""`.ci/run` does every step, says what each has printed, and fails if one of them fails. `make` is a stand-in."""

import os
import platform
import shutil
import subprocess

import pytest

from tests.test_tidy import ROOT

PACKAGE = "make package ARCH=x86_64" if platform.machine() == "x86_64" else "make package"
STEPS = {"make check", "make test", PACKAGE, "make emulate", "make package"}
MAKE = """#!/bin/sh
echo "make $*${PYTHONDONTWRITEBYTECODE+, compiled again by each process}" | tee -a steps
case "$*" in "$FAILS") echo "the reason of $*"; exit 3 ;; esac
"""


@pytest.fixture
def run(tmp_path):
    """Run the script with stand-ins; one may fail. Returns what came of it, and the steps that were begun."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    stand_in = tmp_path / "bin" / "make"
    stand_in.parent.mkdir()
    stand_in.write_text(MAKE)
    stand_in.chmod(0o755)

    def run(fails="nothing"):
        path = f"{stand_in.parent}:{os.environ['PATH']}"
        environment = {"PATH": path, "FAILS": fails, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [tmp_path / ".ci" / "run"]
        finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return finished, (tmp_path / "steps").read_text().splitlines()

    return run


def test_every_step_is_done_after_the_checks(run):
    finished, steps = run()
    assert finished.returncode == 0, finished.stdout
    assert set(steps) == STEPS
    assert steps[0] == "make check"
    assert [step for step in steps if step != "make test"] == ["make check", PACKAGE, "make emulate", "make package"]
    assert all(step in finished.stdout for step in STEPS)


@pytest.mark.parametrize("fails", ["check", "test", "emulate", "package"])
def test_a_step_that_fails_fails_the_run_and_says_why(run, fails):
    finished, steps = run(fails)
    assert finished.returncode == 3
    assert f"the reason of {fails}" in finished.stdout
    if fails == "check":
        assert steps == ["make check"]
    else:
        assert "make test" in steps
    if fails == "emulate":
        assert "make package" not in steps
