"""Each mistake in `mutations.toml` is caught by the test that the table names."""

import pytest

from tests.proof.mutations import MUTATIONS, catch, mutate
from tests.repository import ROOT


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mistake_is_caught(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    output = tmp_path / "output"
    assert catch(name, output), f"{MUTATIONS[name].test} did not fail:\n{output.read_text()[-4000:]}"


def test_every_mistake_can_be_made():
    """A change of the product also changes the table, which otherwise would be found out only by the slow test above."""
    for mutation in MUTATIONS.values():
        mutate(mutation, (ROOT / f"{mutation.module.replace('.', '/')}.py").read_text())
