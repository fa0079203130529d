"""The table by which pages show people what they may use (web/src/manage/rights.json) says what the API allows them."""

import json

import pytest

from infra import web
from tests.access.test_table import rows  # noqa: F401
from tests.access.world import CALLERS

RIGHTS = json.loads((web.SOURCES / "src" / "manage" / "rights.json").read_text())
ROLES = ("staff", "cashier", "accountant", "coordinator", "promoter", "admin")


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_is_shown_to_the_roles_whose_call_is_let_through(rows, right):  # noqa: F811
    """What is part of a call, because its body decides it, is for some of these roles."""
    cells = dict(zip(CALLERS, rows[RIGHTS[right]["call"]], strict=True))
    let_through = [role for role in ROLES if cells[role] == "yes"]
    if RIGHTS[right].get("isPartOfCall"):
        assert set(RIGHTS[right]["roles"]) < set(let_through)
    else:
        assert RIGHTS[right]["roles"] == let_through
