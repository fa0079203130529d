"""Each mistake in `mutations.toml` is caught by the test that the table names."""

import os
import subprocess
import sys

import pytest

from tests.proof.mutations import MUTATIONS, mutate
from tests.repository import ROOT


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_caught(name):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "tests.proof.mutations", name]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, f"{MUTATIONS[name].test} did not fail:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"


def test_every_mistake_can_be_made():
    """A change of the product also changes the table, which otherwise would be found out only by the slow test above."""
    for mutation in MUTATIONS.values():
        mutate(mutation, (ROOT / f"{mutation.module.replace('.', '/')}.py").read_text())
