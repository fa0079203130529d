"""Every flow, with every kind of fault at every call. Short runs try one call for each kind, which the seed chooses."""

import pytest

from tests.proof.flows import FLOWS
from tests.proof.harness import try_flow
from tests.proof.routes import ELSEWHERE


@pytest.mark.parametrize("name", FLOWS)
def test_a_fault_at_any_call_loses_nothing(time, name, pytestconfig, record_property):
    cells = try_flow(FLOWS[name], time, everything=pytestconfig.option.proof == "all")
    record_property("proof", (name, {kind: (cell.tried, len(cell.wrong)) for kind, cell in cells.items()}))
    wrong = [line for cell in cells.values() for line in cell.wrong]
    assert not wrong, "\n".join(wrong)


def test_each_route_that_changes_something_has_a_flow():
    """Routes have a flow of their own, or one that prepares what they need."""
    assert sorted(set(ELSEWHERE.values()) - FLOWS.keys()) == []
    assert sorted(ELSEWHERE.keys() & FLOWS.keys()) == []
