"""Every flow, with every kind of fault at every call. Short runs try one call for each kind, which the seed chooses."""

from unittest import mock

import pytest

import app
from chalicelib.foundation import deadline, effects
from tests.proof import people
from tests.proof.flows import FLOWS
from tests.proof.harness import try_flow
from tests.proof.kinds import KINDS
from tests.proof.routes import ELSEWHERE


@pytest.mark.parametrize("name", FLOWS)
def test_a_fault_at_any_call_loses_nothing(time, name, pytestconfig, record_property):
    cells = try_flow(FLOWS[name], time, everything=pytestconfig.option.proof == "all")
    record_property("proof", (name, {kind: (cell.tried, len(cell.wrong)) for kind, cell in cells.items()}))
    wrong = [line for cell in cells.values() for line in cell.wrong]
    assert not wrong, "\n".join(wrong)


def test_the_proof_can_fail(time, monkeypatch):
    """If the product takes each lost answer for a call that had no effect, replies say wrongly that nothing was changed."""
    monkeypatch.setattr(effects, "may_have_happened", lambda: False)
    cells = try_flow(FLOWS["reserve"], time, everything=True)
    assert "said to be unchanged" in cells["timeout of the answer"].wrong[0]
    assert not cells["crash before the call"].wrong


def test_without_a_deadline_a_request_would_outlast_lambda(time):
    unlimited, slow = mock.patch.object(deadline, "remaining", return_value=60.0), KINDS["a slow store"].inject(1, time, None)
    with FLOWS["order"].open(time) as scene, unlimited, slow, pytest.raises(AssertionError, match="a request took"):
        scene.run("order")


def test_each_route_that_changes_something_has_a_flow():
    """Routes have a flow of their own, or one that prepares what they need."""
    assert sorted(set(ELSEWHERE.values()) - FLOWS.keys()) == []
    assert sorted(ELSEWHERE.keys() & FLOWS.keys()) == []


def test_each_function_without_a_route_has_a_flow():
    registered = {source.name for source in [*app.app.event_sources, *app.app.pure_lambda_functions]}
    assert sorted(people.FUNCTIONS) == sorted(registered)
    assert sorted(set(people.FUNCTIONS.values()) - FLOWS.keys()) == []
