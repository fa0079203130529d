"""The state table: docs/payments.md shows the table of the code, and every pair of state and trigger ends as the page says.

The expected action is read from the page, not from the code, so that a cell that was changed in the code alone is found.
"""

import re

import pytest

from chalicelib.purchases.record import transitions
from chalicelib.purchases.record.transitions import ACTIONS, STATES, TRIGGERS
from chalicelib.reconciliation import compare
from tests import builders, conftest, store_calls
from tests.purchases.record import expected_outcomes, purchase_scenarios
from tests.repository import ROOT

PAGE = ROOT / "docs" / "payments.md"
MARKER = "<!-- state table -->"

# Pairs that cannot happen -> the trigger that the nearest thing that can happen is classified as.
NEVER = {
    # A held purchase has opened no payment, so a payment for it is never its own.
    ("held", "payment_succeeded"): "payment_duplicated",
    ("held", "payment_mismatched"): "payment_duplicated",
    ("held", "payment_canceled"): "payment_pending",
    # The amount of a payment that succeeded cannot change. A refund leaves less of it, but refunds are recorded.
    ("paid", "payment_mismatched"): "payment_succeeded",
    ("partially_refunded", "payment_mismatched"): "payment_succeeded",
}
PAIRS = [(state, trigger) for state in STATES for trigger in TRIGGERS]


def render_tables() -> str:
    """The tables of triggers and of actions in Markdown, aligned so that they can be read as plain text."""
    table = [["", *STATES]]
    table += [[description, *(transitions.action_for(state, trigger) for state in STATES)] for trigger, description in TRIGGERS.items()]
    return f"{_aligned(table)}\n\n{_aligned([['action', 'what it does'], *map(list, ACTIONS.items())])}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def read_tables() -> str:
    """The tables on the page."""
    parts = PAGE.read_text(encoding="utf-8").split(MARKER)
    assert len(parts) == 3, f"{PAGE.name} needs the marker {MARKER} before and after the table"
    return parts[1].strip()


def read_actions() -> dict[tuple[str, str], str]:
    """The table on the page: (state, trigger) -> action."""
    by_description = {description: trigger for trigger, description in TRIGGERS.items()}
    actions = {}
    for line in read_tables().splitlines():
        description, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if description in by_description:
            actions |= {(state, by_description[description]): cell for state, cell in zip(STATES, cells, strict=True)}
    return actions


def test_the_page_shows_the_table():
    assert read_tables() == render_tables(), f"paste this between the markers of {PAGE.name}:\n\n{render_tables()}\n"


def test_the_page_shows_and_explains_every_action():
    assert set(read_actions().values()) == set(ACTIONS)
    assert {pair for pair, action in read_actions().items() if action == "never"} == set(NEVER)
    assert set(read_actions()) == set(PAIRS)
    assert not re.search("[^\x20-\x7e]", "".join(TRIGGERS.values()))


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_every_pair_ends_as_the_page_says(shop, state, trigger):
    scenario = purchase_scenarios.PurchaseScenario(shop, state, trigger)
    scenario.bring_to_state()
    before = scenario.take_snapshot()
    purchase_scenarios.cause_trigger(scenario)
    classified_as = NEVER.get((state, trigger), trigger)
    check = expected_outcomes.CHECKERS[read_actions()[state, classified_as]]
    if scenario.is_delivered:
        check(scenario, before, scenario.take_snapshot())
    shop.fake.deliver()
    builders.run_sweep()
    with store_calls.made_by("reconcile"):
        compare.compare_span(conftest.START, shop.time.now + 1, shop.time.now)
    check(scenario, before, scenario.take_snapshot())
    assert {attempt.status for attempt in shop.fake.delivery_attempts} <= {200}
    shop.assert_books_balance()
