"""The state table: every pair of state and trigger ends as `EXPECTED` says, which is written by hand and not taken from the code."""

import pytest

from chalicelib.purchases import transitions
from chalicelib.purchases.transitions import ACTIONS, STATES, TRIGGERS
from chalicelib.reconciliation import compare
from tests import builders, conftest, store_calls
from tests.purchases import expected_outcomes, purchase_scenarios

# Trigger -> the action in each of STATES: held, paying, paid, partially_refunded, refunded, expired, cancelled.
EXPECTED = {
    "payment_succeeded": "never issue ignore ignore ignore reissue_or_refund reissue_or_refund",
    "payment_mismatched": "never refund never never ignore refund refund",
    "payment_duplicated": "refund refund refund refund refund refund refund",
    "payment_pending": "ignore ignore ignore ignore ignore ignore ignore",
    "payment_declined": "ignore ignore ignore ignore ignore ignore ignore",
    "payment_cancelled": "never end ignore ignore ignore ignore ignore",
    "hold_expired": "end cancel_payment ignore ignore ignore ignore ignore",
    "release_requested": "end cancel_payment refuse refuse refuse ignore ignore",
    "refund_requested": "refuse refuse return_tickets return_tickets refuse refuse refuse",
    "refund_failed": "retry retry retry retry retry retry retry",
    "refunded_externally": "settle_first settle_first record record record settle_first settle_first",
    "dispute_opened": "settle_first settle_first freeze freeze record settle_first settle_first",
    "dispute_won": "settle_first settle_first thaw thaw record settle_first settle_first",
    "dispute_lost": "settle_first settle_first void void record settle_first settle_first",
}
# Pairs that cannot happen -> the trigger that the nearest thing that can happen is classified as.
NEVER = {
    # A held purchase has opened no payment, so a payment for it is never its own.
    ("held", "payment_succeeded"): "payment_duplicated",
    ("held", "payment_mismatched"): "payment_duplicated",
    ("held", "payment_cancelled"): "payment_pending",
    # The amount of a payment that succeeded cannot change. A refund leaves less of it, but refunds are recorded.
    ("paid", "payment_mismatched"): "payment_succeeded",
    ("partially_refunded", "payment_mismatched"): "payment_succeeded",
}
PAIRS = {(state, trigger): action for trigger, row in EXPECTED.items() for state, action in zip(STATES, row.split(), strict=True)}


def test_the_table_is_as_expected():
    assert {(state, trigger): transitions.action_for(state, trigger) for trigger in TRIGGERS for state in STATES} == PAIRS
    assert set(PAIRS.values()) == set(ACTIONS)
    assert {pair for pair, action in PAIRS.items() if action == "never"} == set(NEVER)


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_every_pair_ends_as_expected(shop, state, trigger):
    scenario = purchase_scenarios.PurchaseScenario(shop, state, trigger)
    scenario.bring_to_state()
    before = scenario.take_snapshot()
    purchase_scenarios.cause_trigger(scenario)
    classified_as = NEVER.get((state, trigger), trigger)
    check = expected_outcomes.CHECKERS[PAIRS[state, classified_as]]
    if scenario.is_delivered:
        check(scenario, before, scenario.take_snapshot())
    shop.fake.deliver()
    builders.run_sweep()
    with store_calls.made_by("reconcile"):
        compare.compare_span(conftest.START, shop.time.now + 1, shop.time.now)
    check(scenario, before, scenario.take_snapshot())
    assert {attempt.status for attempt in shop.fake.delivery_attempts} <= {200}
    shop.assert_books_balance()
