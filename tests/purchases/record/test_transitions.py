"""The state table: the page shows what the code has, and every pair of state and happening ends as the page says.

What is expected comes from the page, not from the code's own table: a cell that is changed there alone is found by the play.
"""

import re

import pytest

from chalicelib.purchases.record import transitions
from chalicelib.purchases.record.transitions import ACTIONS, STATES, TRIGGERS
from chalicelib.reconciliation import comparison
from tests import builders, conftest
from tests.purchases.record import expected_outcomes, purchase_scenarios
from tests.test_tidy import ROOT

pytestmark = pytest.mark.usefixtures("threaded_store")  # it takes a third of moto's time

PAGE = ROOT / "docs" / "payments.md"
MARKER = "<!-- state table -->"

# Pairs that cannot happen -> what the nearest accident is taken for, and why it is not the pair itself.
NEVER = {
    ("held", "payment_succeeded"): ("payment_duplicated", "it has opened no payment, so whatever comes in is not its own"),
    ("held", "payment_mismatched"): ("payment_duplicated", "the same"),
    ("held", "payment_canceled"): ("payment_pending", "the same"),
    ("paid", "payment_mismatched"): (
        "payment_succeeded",
        "what has come in cannot change; a refund leaves less of it, which is recorded",
    ),
    ("partially_refunded", "payment_mismatched"): ("payment_succeeded", "the same"),
}
PAIRS = [(state, happening) for state in STATES for happening in TRIGGERS]


def rendered() -> str:
    """Both tables as they belong on the page, padded, so that they can be read as plain text."""
    table = [["", *STATES]]
    table += [[words, *(transitions.action_for(state, happening) for state in STATES)] for happening, words in TRIGGERS.items()]
    return f"{_aligned(table)}\n\n{_aligned([['action', 'what it does'], *map(list, ACTIONS.items())])}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def shown() -> str:
    parts = PAGE.read_text(encoding="utf-8").split(MARKER)
    assert len(parts) == 3, f"{PAGE.name} needs the marker {MARKER} before and after the table"
    return parts[1].strip()


def told() -> dict[tuple[str, str], str]:
    """The page's table: (state, happening) -> answer."""
    by_words = {words: happening for happening, words in TRIGGERS.items()}
    found = {}
    for line in shown().splitlines():
        words, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if words in by_words:
            found |= {(state, by_words[words]): cell for state, cell in zip(STATES, cells, strict=True)}
    return found


def test_the_page_shows_the_table():
    assert shown() == rendered(), f"paste this between the markers of {PAGE.name}:\n\n{rendered()}\n"


def test_every_answer_is_given_and_explained():
    assert set(told().values()) == set(ACTIONS)
    assert {pair for pair, answer in told().items() if answer == "never"} == set(NEVER)
    assert set(told()) == set(PAIRS)
    assert not re.search("[^\x20-\x7e]", "".join(TRIGGERS.values()))


@pytest.mark.parametrize(("state", "happening"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_every_pair_ends_as_the_page_says(shop, state, happening):
    play = purchase_scenarios.Play(shop, state, happening)
    play.bring()
    before = play.look()
    purchase_scenarios.happen(play)
    taken_for, _ = NEVER.get((state, happening), (happening, ""))
    check = expected_outcomes.CHECKERS[told()[state, taken_for]]
    if play.is_known:
        check(play, before, play.look())
    shop.fake.deliver()
    builders.run_sweep()
    comparison.compare(conftest.START, shop.time.now + 1, shop.time.now)
    check(play, before, play.look())
    assert {attempt.status for attempt in shop.fake.delivery_attempts} <= {200}
    shop.assert_books_balance()
