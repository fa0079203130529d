"""Somebody must agree before an apply closes or shrinks what is on sale."""

import io
import sys

import pytest

from bootstrap.interrupts import NOT_CONFIRMED
from chalicelib.catalog import service as catalog
from tests.bootstrap.conftest import event, stock_of, ticket

pytestmark = pytest.mark.usefixtures("time")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def served(store, run, write, tree):
    """The tree, after it was applied with two events."""
    tree["events"]["gala"] = event("gala")
    tree["ticket_types"]["gala-pass"] = ticket("gala-pass", "gala")
    assert run("apply", write(tree)).code == 0
    return tree


def _shrink(tree):
    tree["ticket_types"]["fest-pass"]["max_quantity"] = 8


def _remove_event(tree):
    del tree["events"]["gala"], tree["ticket_types"]["gala-pass"]


def _close_tier(tree):
    tree["ticket_types"]["fest-pass"]["status"] = "closed"


def _cancel_event(tree):
    tree["events"]["fest"]["status"] = "cancelled"


@pytest.mark.parametrize("change", [_shrink, _remove_event, _close_tier, _cancel_event])
def test_closing_or_shrinking_needs_approval(served, run, write, change):
    change(served)
    path = write(served)
    refused = run("apply", path, yes=False)
    assert refused.code == NOT_CONFIRMED
    assert "Nothing was applied, because this would close or shrink what is on sale. To approve it: --yes" in refused.err
    assert catalog.load_head_and_catalog()[0].version == 1
    assert stock_of("fest-pass").capacity == 10
    plan = run("plan", "--json", path).json
    assert plan["reductions"]
    assert set(plan["reductions"]) <= set(plan["changes"])
    refused = run("apply", "--json", path, yes=False).json
    assert (refused["result"], refused["reductions"]) == ("not_approved", plan["reductions"])
    assert run("apply", path).code == 0
    assert catalog.load_head_and_catalog()[0].version == 2


def test_adding_and_growing_need_no_approval(served, run, write):
    served["ticket_types"]["fest-pass"] |= {"max_quantity": 12, "price_cents": 7000}
    served["ticket_types"]["fest-late"] = ticket("fest-late")
    assert run("apply", write(served), yes=False).code == 0


@pytest.mark.parametrize(("answer", "version"), [("y\n", 2), ("YES\n", 2), ("n\n", 1), ("\n", 1), ("", 1)])
def test_a_person_is_asked(served, run, write, monkeypatch, answer, version):
    _shrink(served)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    asked = run("apply", write(served), yes=False)
    assert "~ tier fest-pass: capacity 10 -> 8 (sold 0, on hold 0, 8 left)\nApply it? [y/N] " in asked.err
    assert asked.code == (0 if version == 2 else NOT_CONFIRMED)
    assert catalog.load_head_and_catalog()[0].version == version


def test_a_rollback_asks_too(served, run, write):
    served["ticket_types"]["fest-pass"]["max_quantity"] = 20
    run("apply", write(served))
    assert run("rollback", 1, yes=False).code == NOT_CONFIRMED
    assert stock_of("fest-pass").capacity == 20
    assert run("rollback", 1).code == 0
    assert stock_of("fest-pass").capacity == 10
