"""Places in line: one buys once, and after the order joining again gives a new one."""

import pytest

from tests import builders, invariants, shops
from tests.simulation import faults
from tests.waiting_room import sale


@pytest.fixture
def drop(api, time):
    """The ids of an event that has opened and its tier, with ada admitted; and ada's token."""
    return open_drop(api, time)


def open_drop(api, time):
    event_id, tier_id = sale.create_sale(api, time)
    token = sale.join(api, event_id, "ada")
    time.advance(sale.SECONDS_TO_OPENING)
    return event_id, tier_id, token


def buy(api, drop, token, quantity=1):
    event_id, tier_id, _ = drop
    reserved = sale.reserve(api, event_id, tier_id, "ada", token, quantity)
    assert reserved.status == 201, reserved.json
    builders.start_checkout(api, "ada", reserved.json["id"], key=reserved.json["id"])
    paid = builders.confirm(api, "ada", reserved.json["id"])
    assert paid.status == 201, paid.json
    return paid.json["order"]["id"]


def test_joining_again_after_an_order_gives_a_new_place_at_the_end(api, time, drop):
    event_id, tier_id, token = drop
    sale.join(api, event_id, "bob")
    buy(api, drop, token)
    assert sale.reserve(api, event_id, tier_id, "ada", token).json["error"] == "pass_used"
    new_token = sale.join(api, event_id, "ada")
    assert new_token != token
    assert sale.join(api, event_id, "ada") == new_token
    assert sale.get_status(api, event_id, new_token)["position"] == 3
    assert sale.reserve(api, event_id, tier_id, "ada", token).json["error"] == "pass_used"
    buy(api, drop, new_token)
    assert sale.join(api, event_id, "ada") not in (token, new_token)
    invariants.check(time.now)


def test_an_unpaid_or_released_reservation_keeps_the_place(api, time, drop):
    event_id, tier_id, token = drop
    reserved = sale.reserve(api, event_id, tier_id, "ada", token)
    assert sale.join(api, event_id, "ada") == token
    api.delete(f"/reservations/{reserved.json['id']}", user="ada")
    assert sale.join(api, event_id, "ada") == token


def test_the_place_of_an_order_that_was_refunded_whole_can_buy_again(api, time, drop):
    event_id, tier_id, token = drop
    builders.refund(api, buy(api, drop, token))
    assert sale.join(api, event_id, "ada") == token
    assert sale.reserve(api, event_id, tier_id, "ada", token).status == 201


def test_a_buyer_at_the_limit_gets_the_error_of_the_limit(api, time):
    event_id, tier_id, token = drop = open_drop(api, time)
    buy(api, drop, token, 4)
    over_limit = sale.reserve(api, event_id, tier_id, "ada", token, 3)
    assert (over_limit.status, over_limit.json["error"]) == (403, "purchase_limit_exceeded")
    assert over_limit.json["already_purchased"] == 4
    within_limit = sale.reserve(api, event_id, tier_id, "ada", token, 2)
    assert within_limit.json["error"] == "pass_used"
    invariants.check(time.now)


def test_joining_again_reads_orders_only_after_admission(api, time):
    event_id, _ = sale.create_sale(api, time)
    token = sale.join(api, event_id, "ada")
    with faults.record_calls() as calls:
        assert sale.join(api, event_id, "ada") == token
    assert calls == ["GetItem"]
    time.advance(sale.SECONDS_TO_OPENING)
    sale.get_status(api, event_id, token)
    with faults.record_calls() as calls:
        assert sale.join(api, event_id, "ada") == token
    assert calls == ["GetItem", "GetItem"]


@pytest.mark.usefixtures("threaded_store")
def test_a_crash_at_any_call_of_joining_again_leaves_one_new_place(api, time):
    for number in range(1, 5):
        with shops.isolated_shop(api):
            event_id, _, token = drop = open_drop(api, time)
            buy(api, drop, token)
            with faults.crash_after(number) as crash:
                sale.join(api, event_id, "ada")
            assert crash.was_triggered
            new_token = sale.join(api, event_id, "ada")
            assert new_token != token
            assert sale.join(api, event_id, "ada") == new_token
            invariants.check(time.now)
