"""The purchase protocol keeps its invariants in every interleaving; and each of its rules is needed for one of them."""

import pytest

from tests.protocol.explorer import Explorer
from tests.protocol.rules import RULES
from tests.protocol.scenarios import SCENARIOS

# What goes wrong without a rule: in which scenario, and which invariant says so.
NEEDED_FOR = {
    "nonce": ("retried", "what is sold is paid, and once"),
    "arbiter": ("spanning", "a living purchase has its holds"),
    "tombstone": ("spanning", "a living purchase has its holds"),
    "fence": ("two sweeps", "what is sold is paid, and once"),
    "attach": ("money", "who pays in time has tickets"),
    "cancel_first": ("money", "who pays in time has tickets"),
    "version": ("money", "who pays in time has tickets"),
    "together": ("spanning", "the buyer's record is true"),
    "late_limit": ("one buyer", "nobody is above the limit"),
    "late_cancelled": ("second thoughts", "money ends in tickets or a refund"),
    "convert_first": ("refunded", "the ledger adds up"),
    "duplicate": ("paid twice", "money ends in tickets or a refund"),
    "mismatch": ("mismatched", "money ends in tickets or a refund"),
    "matter": ("late over two shards", "what is due is paid"),
    "numbers": ("single tickets", "the ledger adds up"),
    "returned": ("single tickets", "what is sold is paid, and once"),
    "look_first": ("came back", "no money goes back twice"),
    "attempt": ("came back", "what is due is paid"),
    "same_key": ("refused", "no money goes back twice"),
    "outcome": ("came back", "money ends in tickets or a refund"),
    "same_attempt": ("came back", "no money goes back twice"),
    "disputed": ("disputed", "no money goes back twice"),
    "money_first": ("paid twice", "a dispute ends with us as it ended"),
    "decided": ("disputed", "what is sold is paid, and once"),
    "note_won": ("disputed", "a dispute ends with us as it ended"),
    "own_payment": ("paid twice", "a dispute ends with us as it ended"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_invariants_hold(name):
    explorer = Explorer(SCENARIOS[name])
    found = explorer.explore()
    assert found is None, f"\n{found}"
    assert 200 < explorer.states < 150_000  # larger ones do not fit a test run, smaller ones show nothing


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_needed(rule):
    scenario, invariant = NEEDED_FOR[rule]
    found = Explorer(SCENARIOS[scenario], frozenset({rule})).explore()
    assert found is not None, f"{scenario} holds without {rule}"
    assert found.invariant == invariant


def test_the_shortest_way_to_a_fault_reads_as_a_timeline():
    found = Explorer(SCENARIOS["money"], frozenset({"tombstone"})).explore()
    assert str(found).splitlines() == [
        "a living purchase has its holds: A is held and lost one of A.1 in 0",
        "  1. reserve A 1: hold(0, A.1) -> True",
        "  2. sweep 0: meet(0) -> A.1",
        "  3. sweep 0: read(A) -> absent version 0, lists nothing",
        "  4. reserve A 1: move(A, absent, held, A.1 in 0) -> done",
        "  5. sweep 0: release(0, A.1) -> True",
    ]
