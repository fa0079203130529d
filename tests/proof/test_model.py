"""The purchase protocol keeps its invariants in every interleaving; and each of its rules is needed."""

import pytest

from tests.proof.model.explorer import Explorer
from tests.proof.model.rules import RULES
from tests.proof.model.scenarios import SCENARIOS

# Without this rule, this scenario violates this invariant.
NEEDED_FOR = {
    "nonce": ("delayed duplicate", "every sold ticket is paid, once"),
    "arbiter": ("two shards", "an active purchase has its holds"),
    "tombstone": ("two shards", "an active purchase has its holds"),
    "fence": ("two sweeps", "every sold ticket is paid, once"),
    "charge_named": ("ballot, saved card", "who pays in time gets tickets"),
    "attach": ("client and webhook", "who pays in time gets tickets"),
    "cancel_first": ("client and webhook", "who pays in time gets tickets"),
    "bank_decides": ("slow bank", "who pays in time gets tickets"),
    "version": ("client and webhook", "who pays in time gets tickets"),
    "buyer_record": ("two shards", "the buyer's record is correct"),
    "late_limit": ("one buyer, two purchases", "no buyer is above the limit"),
    "payment_after_cancel": ("cancelled while paying", "every payment ends in tickets or a refund"),
    "convert_first": ("two refunds", "a shard's numbers add up to its capacity"),
    "duplicate": ("two payments", "every payment ends in tickets or a refund"),
    "mismatch": ("wrong amount", "every payment ends in tickets or a refund"),
    "pool_mark": ("first capacity", "every ticket counts against the event's capacity"),
    "unsold": ("first capacity", "every ticket counts against the event's capacity"),
    "free_only": ("holdback", "a shard's numbers add up to its capacity"),
    "shrink_first": ("holdback", "nobody can buy what the catalog holds back"),
    "record_first": ("holdback", "nobody can buy what the catalog holds back"),
    "seen_capacity": ("holdback, released twice", "a shard's numbers add up to its capacity"),
    "kept_mark": ("waitlist", "nobody passes those who wait"),
    "one_offer": ("waitlist, two tickets", "who waits gets one offer"),
    "use_version": ("promo code", "an active purchase has its holds"),
    "use_fence": ("promo code", "an active purchase has its holds"),
    "late_use": ("promo code, late payment", "a promo code is used as often as it was paid with"),
    "use_limit": ("promo code, one buyer", "no buyer is above the limit"),
    "use_kept": ("promo code, refunds", "a shard's numbers add up to its capacity"),
    "sold_use": ("promo code, refunds", "a promo code is used as often as it was paid with"),
    "list_together": ("resale", "the resale stock has the tickets that are for resale"),
    "convert_listed": ("resale", "every sold ticket is paid, once"),
    "free_listing": ("resale", "the resale stock has the tickets that are for resale"),
    "one_resale": ("resale", "no seat has two valid tickets"),
    "still_listed": ("resale, two tickets", "the resale stock has the tickets that are for resale"),
    "unused_listing": ("resale, door", "nobody comes in with a ticket that was sold on"),
    "sold_resale": ("resale, refund", "every ticket for resale can be bought"),
    "case": ("late payment over two shards", "every refund that is due is made"),
    "refund_version": ("partial refunds", "a shard's numbers add up to its capacity"),
    "seat_return": ("partial refunds", "every sold ticket is paid, once"),
    "lookup_first": ("failed refunds", "no money is refunded twice"),
    "attempt": ("failed refunds", "every refund that is due is made"),
    "keep_key": ("refused refund", "no money is refunded twice"),
    "outcome_version": ("failed refunds", "every payment ends in tickets or a refund"),
    "stale_attempt": ("failed refunds", "no money is refunded twice"),
    "provider_refusal": ("refund and dispute", "no money is refunded twice"),
    "payment_first": ("two payments", "the recorded dispute is the provider's"),
    "final_decision": ("refund and dispute", "every sold ticket is paid, once"),
    "record_won": ("refund and dispute", "the recorded dispute is the provider's"),
    "ticket_payment": ("two payments", "the recorded dispute is the provider's"),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_all_invariants_hold(name, record_property):
    explorer = Explorer(SCENARIOS[name])
    violation = explorer.explore()
    record_property("states", (explorer.states, int(violation is not None)))
    assert violation is None, f"\n{violation}"
    assert 200 < explorer.states < 150_000  # more would make the test run too long, fewer explore too little


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_needed(rule):
    scenario, invariant = NEEDED_FOR[rule]
    violation = Explorer(SCENARIOS[scenario], frozenset({rule})).explore()
    assert violation is not None, f"{scenario} violates no invariant without {rule}"
    assert violation.invariant == invariant


def test_two_sweeps_would_charge_a_card_twice():
    scenario = SCENARIOS["ballot, saved card"]
    violation = Explorer(scenario._replace(runs=scenario.runs[:2]), frozenset({"charge_named"})).explore()
    assert violation is not None
    assert violation.invariant == "no card is charged twice"


def test_the_shortest_way_to_a_violation_reads_as_a_timeline():
    violation = Explorer(SCENARIOS["client and webhook"], frozenset({"tombstone"})).explore()
    assert str(violation).splitlines() == [
        "an active purchase has its holds: A is held and lost one of A.1 in 0",
        "  1. reserve A 1: hold(0, A.1) -> True",
        "  2. sweep 0: find_expired_hold(0) -> A.1",
        "  3. sweep 0: read_purchase(A) -> absent version 0, holds none",
        "  4. reserve A 1: transition(A, absent, held, A.1 in 0) -> done",
        "  5. sweep 0: release(0, A.1) -> True",
    ]
