"""A reply that says that nothing was changed is true: whatever fault a call had, the tables are as they were."""

from typing import Any

import pytest

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import effects
from infra import tables
from tests import shops
from tests.faults.kinds import FAULTS
from tests.faults.test_crashes import FLOWS, flows_to_break
from tests.simulation.interception import unobserved

pytestmark = pytest.mark.usefixtures("threaded_store")

KINDS = [kind for kind in FAULTS if "crash" not in kind]
BOOKKEEPING = {"idempotency", "rate-limits"}  # of ours, no caller asked for it
WITH_REPLY = [name for name, (_, step) in FLOWS.items() if step != "sweep"]


def contents() -> dict[str, Any]:
    """All items of all tables that callers care about."""
    with unobserved():
        return {
            table: sorted(map(str, dynamo.client().scan(TableName=dynamo.table_name(table), ConsistentRead=True)["Items"]))
            for table in tables.definitions()
            if table not in BOOKKEEPING
        }


def check_outcomes(api, time, name, kinds=KINDS) -> set[str]:
    """Break each call of a flow in each way; returns what the replies said."""
    outcomes = set()
    for kind in kinds:
        with shops.isolated_shop(api) as shop:
            for number, flow, step in flows_to_break(api, time, name, shop):
                before = contents()
                with FAULTS[kind](number):
                    reply = flow.run(step)
                if reply.status < 500:
                    continue
                outcomes.add(reply.json["outcome"])
                if reply.json["outcome"] == "unchanged":
                    assert contents() == before, (kind, number)
    return outcomes


@pytest.mark.parametrize("name", WITH_REPLY)
def test_a_request_that_changed_something_never_says_that_it_did_not(api, time, name):
    assert "unchanged" in check_outcomes(api, time, name)


def test_the_check_can_fail(api, time, monkeypatch):
    assert check_outcomes(api, time, "reserve") == {"unchanged", "unknown"}
    monkeypatch.setattr(effects, "may_have_happened", lambda: False)
    with pytest.raises(AssertionError):
        check_outcomes(api, time, "reserve", ["timeout of the answer"])
