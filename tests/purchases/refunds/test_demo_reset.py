"""Resetting the orders of a demo event: its tickets are void and for sale again, once, also after a crash."""

from functools import partial

import pytest

from chalicelib.audit import service as audit
from chalicelib.foundation import settings
from chalicelib.inventory.store import scan_shards
from tests import builders, invariants, shops
from tests.simulation import faults
from tests.simulation.threads import run_in_threads

pytestmark = pytest.mark.usefixtures("threaded_store")  # orders are refunded at once


def reset_orders(api, event_id, **who):
    return api.delete(f"/admin/events/{event_id}/orders", **(who or {"token": builders.admin_token()}))


def test_reset_orders_have_void_tickets_that_are_for_sale_again(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id, 4)
    builders.buy(api, "bob", event_id, tier_id, 2)
    builders.reserve(api, "eve", event_id, tier_id, 1)
    other = builders.create_event(api, "Other")
    other_tier = builders.create_tier(api, other)
    kept = builders.buy(api, "ada", other, other_tier, 1).json["tickets"][0]["id"]
    reply = reset_orders(api, event_id)
    assert (reply.status, reply.json["orders_deleted"], reply.json["tickets_deleted"]) == (200, 2, 6)
    assert [ticket["id"] for ticket in api.get("/me/tickets", user="ada").json["tickets"]] == [kept]
    assert api.get("/me/order", user="ada", query={"event_id": event_id}).status == 404
    status = api.get(f"/admin/events/{event_id}/status", token=builders.admin_token()).json
    assert (status["total_sold"], status["total_active_holds"], status["total_available"]) == (0, 1, 9)
    assert reset_orders(api, event_id).json["orders_deleted"] == 0
    assert builders.buy(api, "ada", event_id, tier_id, 4).status == 201
    invariants.check(time.now)


def test_only_an_admin_may_reset_orders_and_only_in_a_demo(api, time):
    event_id, tier_id = builders.create_shop(api)
    builders.buy(api, "ada", event_id, tier_id)
    assert reset_orders(api, event_id, user="ada").status == 403
    with settings.override(identity="jwt"):
        assert reset_orders(api, event_id).status == 404
    assert len(api.get("/me/tickets", user="ada").json["tickets"]) == 1


def test_a_reset_of_an_unknown_event_is_a_404(api):
    reply = reset_orders(api, "nowhere")
    assert (reply.status, reply.json["error"], reply.json["event_id"]) == (404, "not_found", "nowhere")
    assert audit.list_entries("event#nowhere") == []


def test_a_crash_at_any_store_call_returns_no_ticket_to_the_stock_twice(api, time):
    calls = 0
    number = 0
    while number <= calls:
        with shops.isolated_shop(api) as shop:
            reserved = builders.reserve(api, "ada", shop.event_id, shop.floor, 3).json["id"]
            builders.start_checkout(api, "ada", reserved)
            with faults.crash_after(2):  # paid, not converted
                builders.confirm(api, "ada", reserved)
            if number == 0:
                with faults.record_calls() as recorded:
                    reset_orders(api, shop.event_id)
                calls = len(list(recorded))
            else:
                with faults.crash_after(number):
                    reset_orders(api, shop.event_id)
                invariants.check(time.now)
                reset_orders(api, shop.event_id)
            time.advance(200)
            builders.run_sweep()
            invariants.check(time.now, recovered=True)
            assert {shard.id: (shard.sold, shard.held) for shard in scan_shards()} == {
                f"{shop.floor}#0": (0, 0),
                f"{shop.balcony}#0": (0, 0),
            }
        number += 1
    assert calls >= 3


def test_a_reset_of_many_orders_waits_for_four_of_them_at_a_time(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=30)
    for number in range(9):
        builders.buy(api, f"ada-{number}", event_id, tier_id, 2)
    with faults.record_calls() as calls:
        reply = reset_orders(api, event_id)
    assert (reply.json["orders_deleted"], reply.json["tickets_deleted"]) == (9, 18)
    assert calls.sequential_round_trips == 3 + 3 * 2, "what there is, two for each four orders, and the audit"
    assert audit.list_entries(f"event#{event_id}")[0].details == {"orders": 9, "tickets": 18}
    invariants.check(time.now)


def test_orders_that_were_refunded_before_a_crash_are_not_refunded_again(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=30)
    for number in range(6):
        builders.buy(api, f"ada-{number}", event_id, tier_id, 2)
    with faults.crash_before(6, operation="TransactWriteItems"):
        reset_orders(api, event_id)
    invariants.check(time.now)
    assert [(shard.sold, shard.available) for shard in scan_shards()] == [(2, 28)]
    assert reset_orders(api, event_id).json["orders_deleted"] == 1
    invariants.check(time.now)


def test_two_resets_at_once_and_a_crowd_of_buyers_lose_no_seat(api, time):
    event_id, tier_id = builders.create_shop(api, capacity=30)
    for number in range(8):
        builders.buy(api, f"ada-{number}", event_id, tier_id, 2)
    resets = [lambda: reset_orders(api, event_id)] * 2
    purchases = [partial(builders.buy, api, f"bob-{number}", event_id, tier_id, 2) for number in range(6)]
    replies = run_in_threads(8, lambda act: act(), [*resets, *purchases])
    assert {reply.status for reply in replies} <= {200, 201, 503}
    reset_orders(api, event_id)
    invariants.check(time.now)
    assert [(shard.sold, shard.held, shard.available) for shard in scan_shards()] == [(0, 0, 30)]


@pytest.mark.parametrize("call", [1, 3])
def test_a_transaction_that_meets_another_one_is_repeated(api, time, call):
    event_id, tier_id = builders.create_shop(api)
    for user in ("ada", "bob"):
        builders.buy(api, user, event_id, tier_id, 2)
    with faults.fail(call, faults.conflict, attempts=1, operation="TransactWriteItems"):
        assert reset_orders(api, event_id).json["orders_deleted"] == 2
    invariants.check(time.now)


def test_an_order_too_large_for_one_transaction_is_reset_in_two(api, time, monkeypatch):
    event_id, tier_id = builders.create_shop(api)
    for user in ("ada", "bob"):
        builders.buy(api, user, event_id, tier_id, 4)
    monkeypatch.setattr("chalicelib.purchases.refunds.MAX_RETURN_ITEMS", 4)
    with faults.crash_before(4, operation="TransactWriteItems"):  # three of the four halves are refunded
        reset_orders(api, event_id)
    invariants.check(time.now)
    reply = reset_orders(api, event_id).json
    assert (reply["orders_deleted"], reply["tickets_deleted"]) == (1, 2)
    assert [(shard.sold, shard.available) for shard in scan_shards()] == [(0, 10)]
    invariants.check(time.now)
