"""A buyer who is refused for lack of tickets recovers the expired holds that they need, and waits for nobody else's payment."""

from collections import Counter

import pytest

from chalicelib.purchases import store
from devtools.stripe import account_state
from tests import builders
from tests.payment_pages import BANK_SUCCEEDS

STRANGERS = ("cid", "dan", "eve", "fay")


@pytest.fixture
def calls(shop, monkeypatch):
    """Counts the calls to Stripe since the last count; banks take days."""
    monkeypatch.setattr(account_state, "OUTCOME_DELAY_SECONDS", 10 * 86_400)

    def count():
        total = sum(shop.fake.request_log.counts.values())
        shop.fake.request_log.clear()
        return total

    return count


def reserve(shop, user="ada", quantity=1):
    return builders.reserve(shop.api, user, shop.event_id, shop.tier_id, quantity)


def count_states():
    return Counter(purchase.state for purchase in store.scan_purchases())


def let_time_pass(shop, calls):
    shop.time.advance(181)
    calls()


def test_the_checkouts_of_strangers_are_left_to_the_sweep(shop, calls):
    for user in STRANGERS:
        shop.open_checkout(user, 1)
    let_time_pass(shop, calls)
    refused = reserve(shop)
    assert (refused.status, refused.json["error"], refused.json["available"], refused.json["may_return"]) == (
        409,
        "not_enough_tickets",
        0,
        4,
    )
    assert "may become available" in refused.json["message"]
    assert (calls(), count_states()) == (0, {"paying": 4})
    builders.run_sweep()
    assert reserve(shop).status == 201


def test_a_refusal_counts_what_may_come_back_apart_from_what_is_available(shop, calls):
    shop.open_checkout("cid", 3)
    let_time_pass(shop, calls)
    refused = reserve(shop, quantity=2).json
    assert (refused["available"], refused["requested"], refused["may_return"]) == (1, 2, 3)


def test_a_refusal_promises_nothing_when_no_hold_has_expired(shop, calls):
    for user in STRANGERS:
        shop.open_checkout(user, 1)
    refused = reserve(shop)
    assert (refused.json["message"], "may_return" in refused.json) == ("Not enough tickets are available.", False)


def test_only_as_many_reservations_end_as_are_needed(shop, calls):
    for user in STRANGERS:
        shop.reserve(user, 1)
    let_time_pass(shop, calls)
    assert reserve(shop, quantity=2).status == 201
    assert count_states() == {"expired": 2, "held": 3}


def test_reservations_end_before_anybody_is_asked_about_a_payment(shop, calls):
    for user in STRANGERS[:3]:
        shop.open_checkout(user, 1)
    shop.reserve(STRANGERS[3], 1)
    let_time_pass(shop, calls)
    assert reserve(shop).status == 201
    assert (calls(), count_states()) == (0, {"paying": 3, "expired": 1, "held": 1})


def test_the_buyers_own_checkout_is_cancelled_with_one_call(shop, calls):
    shop.open_checkout("ada", 4)
    let_time_pass(shop, calls)
    assert reserve(shop, quantity=2).status == 201
    assert (calls(), count_states()) == (1, {"expired": 1, "held": 1})


def test_the_buyers_own_payment_that_has_come_in_is_found_with_two_calls(shop, calls):
    session = shop.open_checkout("ada", 4)
    shop.pay(session)
    let_time_pass(shop, calls)
    assert reserve(shop).json["error"] == "not_enough_tickets"
    assert (calls(), shop.purchase_state(session)) == (2, "paid")


@pytest.mark.parametrize("quantity", [4, 2], ids=["sold out", "tickets left"])
def test_the_buyers_own_payment_at_the_bank_takes_two_calls(shop, calls, quantity):
    session = shop.open_checkout("ada", quantity)
    shop.pay(session, BANK_SUCCEEDS, expect="processing")
    let_time_pass(shop, calls)
    assert reserve(shop).json["error"] == "active_reservation_exists"
    assert (calls(), shop.purchase_state(session)) == (2, "paying")


@pytest.mark.slow
def test_a_dozen_payments_at_banks_cost_a_refused_buyer_no_call(shop, calls):
    shop.tier_id = builders.create_tier(shop.api, shop.event_id, "Balcony", capacity=12)
    for number in range(12):
        shop.pay(shop.open_checkout(f"stranger-{number}", 1), BANK_SUCCEEDS, expect="processing")
    let_time_pass(shop, calls)
    assert reserve(shop).json["error"] == "not_enough_tickets"
    assert calls() == 0


def test_a_purchase_that_cannot_be_read_is_left_alone(shop, calls):
    unreadable = shop.reserve("cid", 2)
    shop.reserve("dan", 2)
    let_time_pass(shop, calls)
    with builders.unreadable(unreadable):
        assert reserve(shop, quantity=3).json["error"] == "not_enough_tickets"
        assert reserve(shop, quantity=2).status == 201
    assert count_states() == {"held": 2, "expired": 1}
