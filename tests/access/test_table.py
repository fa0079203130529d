"""Every route of the app, called by everybody: who is let through is what the table in docs/access.md says."""

import re

import pytest

import app
from chalicelib.edge.routes import Operation
from chalicelib.payments import service as payments
from tests.access import requests
from tests.access.world import API_KEY, CALLERS, is_invalid, new_world, outcome
from tests.conftest import Time
from tests.repository import ROOT
from tests.simulation.moments import Moment

PAGE = ROOT / "docs" / "access.md"
OPERATIONS: dict[str, Operation] = {
    f"{method} {path.removeprefix('/v1')}": route.view_function.operation  # type: ignore[attr-defined]
    for path, methods in sorted(app.app.routes.items())
    for method, route in sorted(methods.items())
}

DEMO_ONLY = {"DELETE /admin/events/{event_id}/orders"}  # not there in the stages with access tokens only


def _rows() -> dict[str, list[str]]:
    """Operation -> its cells in the table, in the order of CALLERS. One row is for the webhooks of all payment providers."""
    found = re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = {operation: cells.split(" | ") for operation, cells in found}
    of_provider = rows.pop("POST /webhooks/{provider}")
    return rows | {f"POST /webhooks/{provider.name}": of_provider for provider in payments.descriptions()}


def _try_everybody(operation: str, time: Time) -> list[str]:
    """What each caller is let do. A caller who may have changed something leaves the world as it was to the next."""
    method, path = operation.split(" ")
    cells = []
    with new_world() as world:
        moment = Moment(time)
        for caller in CALLERS:
            reply = world.send(method, path, caller)
            assert not is_invalid(reply), f"tests/access/requests.py needs a valid request of {operation}: {caller} got {reply.json}"
            cells.append(outcome(reply))
            if OPERATIONS[operation].access != "public":
                assert "no-store" in reply.headers["cache-control"], f"a browser or a proxy keeps the reply to {operation}"
            if cells[-1] == "yes" and method != "GET":
                moment.return_to()
    return cells


def test_an_api_key_may_do_no_more_than_its_role(rows, time):
    """Of what every user may do, it only reads. It invites and removes nobody."""
    more = {}
    with new_world() as world:
        moment = Moment(time)
        for operation, declared in OPERATIONS.items():
            method, path = operation.split(" ")
            reply = world.send(method, path, API_KEY)
            cell, of_role = outcome(reply), dict(zip(CALLERS, rows[operation], strict=True))["coordinator"]
            may = of_role == "yes" and not (declared.access == "user" and method != "GET") and "/members" not in path
            if cell == "yes" and not (may or (method == "GET" and "/members" in path)):
                more[operation] = cell
            if cell == "yes" and method != "GET":
                moment.return_to()
    assert more == {}


def row(operation: str, cells: list[str]) -> str:
    return f"| `{operation}` | {' | '.join(cells)} |"


def test_the_table_has_the_columns_of_the_callers():
    header = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| call |"))
    assert header == f"| call | {' | '.join(CALLERS)} |"


def test_the_table_has_no_row_of_a_route_that_is_gone():
    assert sorted(_rows().keys() - OPERATIONS.keys()) == []


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    return _rows()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_everybody_may_do_what_the_table_says(operation, time, rows):
    cells = _try_everybody(operation, time)
    assert rows.get(operation) == cells, f"docs/access.md needs this row, if it is right:\n{row(operation, cells)}"


def test_a_request_that_is_invalid_shows_nothing_about_rights(time, monkeypatch):
    monkeypatch.setattr(requests, "body", lambda *_: {"event": "fest"})
    with pytest.raises(AssertionError, match="needs a valid request of POST /checkin: promoter of another event got"):
        _try_everybody("POST /checkin", time)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_table_denies_by_default(operation, rows):
    """Routes that are not public need a token. Routes for doors, managers and admins refuse everybody else, and people of other events."""
    assert operation in rows, "the test above shows the row that is missing"
    cells = dict(zip(CALLERS, rows[operation], strict=True))
    access = OPERATIONS[operation].access
    is_of_event = any(name in operation for name in ("{event_id}", "{tier_id}", "{order_id}", "{ticket_id}"))
    denied = {
        "public": set(),
        "user": {"anybody"},
        "door": {"anybody", "another user", "user"} | ({"promoter of another event"} if is_of_event else set()),
        "manager": {"anybody", "another user", "user", "staff", "cashier"} | ({"promoter of another event"} if is_of_event else set()),
        "admin": set(CALLERS) - {"admin"},
    }[access]
    assert {caller for caller in denied if cells[caller] == "yes"} == set()
    if access in ("door", "manager", "admin"):
        assert cells["admin"] == ("404" if operation in DEMO_ONLY else "yes")
