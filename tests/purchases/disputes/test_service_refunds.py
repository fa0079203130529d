"""Refunds of disputed payments: refused by us while the dispute is known, and by Stripe while it is open."""

import pytest

from tests import builders

HOUR, DAY = 3600, 86_400


def test_a_disputed_late_payment_is_refunded_once_the_dispute_is_won(shop):
    """Too few tickets are left, and Stripe refuses the refund while the dispute is open. It is made when the dispute is won."""
    session = shop.open_checkout()
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 4)
    shop.fake.drop_webhooks("payment_intent.*", times=100)
    dispute_id = shop.fake.create_dispute(shop.fetch_payment_intent(session).latest_charge)["id"]
    shop.fake.deliver()
    [refund] = shop.load_purchase(session["id"]).refunds
    assert (shop.load_purchase(session["id"]).state, refund.status, refund.failure) == ("refunded", "due", "charge_disputed")
    shop.close_dispute(dispute_id, won=True)
    shop.time.advance(HOUR)
    builders.run_sweep()
    assert (shop.list_refunds(), shop.open_case_kinds()) == ([(10_000, "succeeded")], [])


def test_a_refund_is_refused_while_a_dispute_is_open(shop):
    order_id = shop.buy()
    dispute_id = shop.create_dispute(order_id)
    refused = builders.refund(shop.api, order_id)
    assert (refused.status, refused.json["error"]) == (409, "order_disputed")
    assert (shop.ticket_states(order_id), shop.list_refunds()) == (["frozen", "frozen"], [])
    shop.close_dispute(dispute_id, won=True)
    assert builders.refund(shop.api, order_id).status == 201


@pytest.mark.parametrize("has_left", [False, True])
def test_money_of_a_refund_that_never_left_was_not_paid_back_twice(shop, has_left):
    """The bank decides while the refund is due, so the refund may have left without an answer."""
    order_id = shop.buy()
    shop.fake.drop_webhooks("*refund*", times=9)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False, execute=has_left)
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"], reason="event_changed")
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id)["id"]
    shop.fake.close_dispute(dispute_id, won=False)
    shop.fake.deliver()
    assert shop.load_purchase(order_id).refunds[0].status == "due"
    [finding] = [case for case in shop.list_open_cases() if case["kind"] == "finding"]
    assert (finding["id"], finding["amount_cents"]) == (f"paid_back_twice-{dispute_id}", 5000)
    for seconds in (60, HOUR, DAY):
        shop.time.advance(seconds)
        builders.run_sweep()
    assert shop.load_purchase(order_id).refunds[0].status == ("succeeded" if has_left else "failed")
    assert shop.open_case_kinds() == (["finding"] if has_left else ["refund"])


def fail_refund_by_dispute(shop, tickets):
    """Request a refund that Stripe does not make at first because it is down, and then refuses because of a dispute.

    Returns the ids of the order and of the dispute.
    """
    order_id = shop.buy()
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    builders.refund(shop.api, order_id, **({"tickets": [f"{order_id}-{number}" for number in tickets]} if tickets else {}))
    dispute_id = shop.create_dispute(order_id)
    for seconds in (60, HOUR, DAY):
        assert shop.load_purchase(order_id).refunds[0].status == "due"
        shop.time.advance(seconds)
        builders.run_sweep()
        shop.assert_books_balance()
    [refund] = shop.load_purchase(order_id).refunds
    assert (refund.status, refund.failure) == ("failed", "charge_disputed")
    assert shop.open_case_kinds() == ["dispute", "refund"]
    return order_id, dispute_id


@pytest.mark.parametrize("tickets", [None, [1]])
def test_a_refund_blocked_by_a_dispute_is_made_once_it_is_won(shop, tickets):
    order_id, dispute_id = fail_refund_by_dispute(shop, tickets)
    shop.close_dispute(dispute_id, won=True)
    shop.time.advance(60)
    builders.run_sweep()
    shop.assert_books_balance()
    assert shop.list_refunds() == [(5000 if tickets else 10_000, "succeeded")]
    assert shop.open_case_kinds() == []
    assert shop.ticket_states(order_id) == ["void", "valid" if tickets else "void"]


@pytest.mark.parametrize("tickets", [None, [1]])
def test_a_refund_blocked_by_a_lost_dispute_stays_open_until_closed(shop, tickets):
    order_id, dispute_id = fail_refund_by_dispute(shop, tickets)
    shop.close_dispute(dispute_id, won=False)
    shop.time.advance(DAY)
    builders.run_sweep()
    assert (shop.open_case_kinds(), shop.list_refunds()) == (["refund"], [])
    assert (shop.received_and_kept(), shop.ticket_states(order_id)) == ((10_000, 0), ["void", "void"])
    assert shop.fetch_order(order_id)["balance_cents"] == 0
    assert shop.close_case(order_id, shop.load_purchase(order_id).refunds[0].id).status == 200
    assert shop.open_case_kinds() == []
