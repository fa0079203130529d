"""Refunds that promoters and admins request: which tickets, how much money without the fee, and what returns to the stock."""

import pytest

from chalicelib.catalog import tier_management
from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from chalicelib.purchases import refunds, store
from tests import builders, invariants
from tests.purchases.stock import sold_and_available
from tests.simulation import faults


def test_a_full_refund_returns_money_and_tickets_and_allows_a_new_purchase(shop):
    order_id = shop.buy(quantity=4)
    shop.fake.request_log.clear()
    reply = builders.refund(shop.api, order_id)
    assert (reply.status, reply.json["order"]["status"], reply.json["balance_cents"]) == (201, "refunded", 0)
    refund = reply.json["refund"]
    assert (refund["status"], refund["amount_cents"], refund["fee_cents"]) == ("succeeded", 20_000, 0)
    assert refund["tickets"] == builders.ticket_ids(order_id, 1, 2, 3, 4)
    assert shop.fake.request_log.counts == {"POST /v1/refunds": 1}
    assert shop.received_and_kept() == (20_000, 0)
    assert sold_and_available() == {f"{shop.tier_id}#0": (0, 4)}
    assert builders.buy(shop.api, "bob", shop.event_id, shop.tier_id, 2, provider="simulated").status == 201
    assert shop.buy("ada", 2) != order_id
    shop.fake.deliver()
    assert {attempt.status for attempt in shop.fake.delivery_attempts} == {200}


def test_single_tickets_can_be_refunded_and_the_rest_later(shop):
    order_id = shop.buy(quantity=4)
    first = builders.refund(shop.api, order_id, key="1", tickets=builders.ticket_ids(order_id, 3, 1))
    assert (first.json["order"]["status"], first.json["refund"]["tickets"]) == ("partially_refunded", builders.ticket_ids(order_id, 1, 3))
    assert shop.received_and_kept() == (20_000, 10_000)
    shop.assert_books_balance()
    second = builders.refund(shop.api, order_id, key="2")
    assert (second.json["order"]["status"], second.json["refund"]["tickets"]) == ("refunded", builders.ticket_ids(order_id, 2, 4))
    assert (second.json["order"]["refunded_cents"], shop.list_refunds()) == (20_000, [(10_000, "succeeded")] * 2)


def test_the_buyer_sees_refunded_tickets_void(shop):
    order_id, user = shop.buy(quantity=2), {"user": "ada"}
    builders.refund(shop.api, order_id, key="1", tickets=builders.ticket_ids(order_id, 1))
    mine = shop.api.get("/me/order", query={"event_id": shop.event_id}, **user).json
    assert (mine["order"]["status"], mine["order"]["refunded_cents"]) == ("partially_refunded", 5000)
    assert [ticket["state"] for ticket in mine["tickets"]] == ["void", "valid"]
    assert "by" not in mine["order"]["refunds"][0]
    assert [ticket["id"] for ticket in shop.api.get("/me/tickets", **user).json["tickets"]] == builders.ticket_ids(order_id, 2)
    builders.refund(shop.api, order_id, key="2")
    for number in (1, 2):
        assert shop.api.get(f"/tickets/{order_id}-{number}/qr", **user).status == 410
    assert shop.api.get("/me/tickets", **user).json["count"] == 0
    assert shop.api.get("/me/order", query={"event_id": shop.event_id}, **user).status == 404
    shown = shop.api.get(f"/orders/{order_id}", **user).json
    assert (shown["order"]["status"], [ticket["state"] for ticket in shown["tickets"]]) == ("refunded", ["void", "void"])
    assert shop.api.get(f"/checkout/sessions/{order_id}", **user).json["state"] == "completed"
    again = builders.confirm(shop.api, "ada", order_id, simulate=None)
    assert (again.status, again.json["order"]["status"]) == (200, "refunded")
    assert "idempotent" in again.json["message"]


def test_refunded_tickets_do_not_count_towards_the_purchase_limit(api, event_and_tier):
    with settings.override(event_purchase_limit=4):
        order_id = builders.create_order(api, event_and_tier, 4)
        assert builders.reserve(api, "ada", *event_and_tier, 1).json["error"] == "purchase_limit_exceeded"
        builders.refund(api, order_id, key="1", tickets=builders.ticket_ids(order_id, 2))
        assert builders.reserve(api, "ada", *event_and_tier, 2).json["error"] == "purchase_limit_exceeded"
        builders.refund(api, order_id, key="2")
        assert builders.buy(api, "ada", *event_and_tier, 4).status == 201


def test_each_ticket_returns_to_the_shard_that_it_came_from(api, time, monkeypatch):
    monkeypatch.setattr(tier_management, "default_shard_count", lambda _: 4)
    event_id, floor = builders.create_shop(api, capacity=4)
    balcony = builders.create_tier(api, event_id, "Balcony", capacity=4, price_cents=3000)
    order_id = builders.reserve_items(api, "ada", event_id, {floor: 3, balcony: 2}).json["id"]
    builders.start_checkout(api, "ada", order_id)
    builders.confirm(api, "ada", order_id)
    shard_of_ticket = [hold.shard_id for hold in store.load(order_id).holds]
    assert len(set(shard_of_ticket)) == 5
    for number in (2, 5, 3, 1, 4):
        before = sold_and_available()
        reply = builders.refund(api, order_id, key=str(number), tickets=builders.ticket_ids(order_id, number))
        assert reply.json["refund"]["amount_cents"] == (5000 if number < 4 else 3000)
        assert {shard_id for shard_id, counts in sold_and_available().items() if counts != before[shard_id]} == {
            shard_of_ticket[number - 1]
        }
        invariants.check(time.now)
    assert set(sold_and_available().values()) == {(0, 1)}


def test_refunded_tickets_may_stay_out_of_the_sale(api, event_and_tier):
    order_id = builders.create_order(api, event_and_tier, 3)
    builders.refund(api, order_id, key="1", tickets=builders.ticket_ids(order_id, 1), return_seats=False)
    assert set(sold_and_available().values()) == {(3, 7)}
    builders.refund(api, order_id, key="2")
    assert set(sold_and_available().values()) == {(1, 9)}


@pytest.mark.parametrize("return_seats", [True, False])
def test_unconverted_holds_are_converted_before_the_refund(api, time, event_and_tier, return_seats):
    order_id = builders.reserve(api, "ada", *event_and_tier, 2).json["id"]
    builders.start_checkout(api, "ada", order_id)
    with faults.crash_before(1, table="inventory"):
        builders.confirm(api, "ada", order_id)
    builders.refund(api, order_id, return_seats=return_seats)
    time.advance(400)
    builders.run_sweep()
    assert set(sold_and_available().values()) == {(0, 10) if return_seats else (2, 8)}
    invariants.check(time.now, recovered=True)


@pytest.mark.parametrize(
    ("fields", "fee_cents"),
    [
        ({"reason": "requested_by_customer"}, 2 * 249),  # 99 and 3 % of 50.33, each ticket by itself, cents cut off
        ({"reason": "event_cancelled"}, 0),
        ({"reason": "requested_by_customer", "fee_cents": 0}, 0),
        ({"reason": "event_cancelled", "fee_cents": 700}, 1400),
        ({"reason": "goodwill", "fee_cents": 1_000_000}, 2 * 5033),
    ],
)
def test_the_fee_depends_on_the_reason_unless_the_request_names_one(api, time, fields, fee_cents):
    event_and_tier = builders.create_shop(api, price_cents=5033)
    order_id = builders.create_order(api, event_and_tier)
    with settings.override(refund_fee_cents=99, refund_fee_percent=3):
        reply = builders.refund(api, order_id, **fields)
    assert (reply.json["refund"]["fee_cents"], reply.json["refund"]["amount_cents"]) == (fee_cents, 2 * 5033 - fee_cents)
    assert (reply.json["refund"]["status"], reply.json["balance_cents"]) == ("succeeded", fee_cents)
    invariants.check(time.now)


def test_a_fee_is_never_more_than_the_price_of_its_ticket(api, time):
    event_id, floor = builders.create_shop(api)
    cheap = builders.create_tier(api, event_id, "Child", price_cents=100)
    items = [{"tier_id": floor, "quantity": 1}, {"tier_id": cheap, "quantity": 1}]
    order_id = api.post(f"/events/{event_id}/reservations", json={"items": items}, user="ada").json["id"]
    builders.start_checkout(api, "ada", order_id)
    builders.confirm(api, "ada", order_id)
    assert builders.refund(api, order_id, fee_cents=300).json["refund"]["fee_cents"] == 400
    invariants.check(time.now)


def test_stripe_is_not_called_when_the_fee_is_the_whole_price(shop):
    order_id = shop.buy(quantity=1)
    shop.fake.request_log.clear()
    reply = builders.refund(shop.api, order_id, fee_cents=5000)
    assert (reply.json["refund"]["status"], reply.json["refund"]["amount_cents"]) == ("succeeded", 0)
    assert (reply.json["order"]["status"], reply.json["balance_cents"]) == ("refunded", 5000)
    assert not shop.fake.request_log.counts


def test_simulated_and_free_orders_are_refunded_without_stripe(shop):
    free = builders.create_tier(shop.api, shop.event_id, "Free", price_cents=0)
    paid = builders.buy(shop.api, "ada", shop.event_id, shop.tier_id, 2, provider="simulated").json["order"]["id"]
    reserved = builders.reserve(shop.api, "bob", shop.event_id, free, 2).json["id"]
    builders.start_checkout(shop.api, "bob", reserved)
    given = builders.confirm(shop.api, "bob", reserved, None).json["order"]["id"]
    shop.fake.request_log.clear()
    for order_id, cents, entries in ((paid, 10_000, ["captured", "refunded"]), (given, 0, [])):
        reply = builders.refund(shop.api, order_id)
        assert (reply.json["refund"]["status"], reply.json["refund"]["amount_cents"]) == ("succeeded", cents)
        assert [(entry.kind, entry.provider) for entry in ledger.list_purchase_entries(shop.event_id, order_id)] == [
            (kind, "simulated") for kind in entries
        ]
    assert not shop.fake.request_log.counts


def test_the_largest_order_can_be_refunded_at_once(api, time, monkeypatch):
    monkeypatch.setattr(tier_management, "default_shard_count", lambda _: 4)
    with settings.override(event_purchase_limit=50):
        event_and_tier = builders.create_shop(api, capacity=52, per_user_limit=50)
        order_id = builders.create_order(api, event_and_tier, 50)
        assert len(store.load(order_id).holds) == 4
        assert len(builders.refund(api, order_id).json["refund"]["tickets"]) == 50
        assert set(sold_and_available().values()) == {(0, 13)}
        invariants.check(time.now)


def test_a_refund_too_large_for_one_transaction_takes_two_requests(api, event_and_tier, monkeypatch):
    order_id = builders.create_order(api, event_and_tier, 4)
    monkeypatch.setattr(refunds, "MAX_RETURN_ITEMS", 4)
    refused = builders.refund(api, order_id)
    assert (refused.status, refused.json["path"], store.load(order_id).state) == (400, "$.tickets", "paid")
    assert builders.refund(api, order_id, tickets=builders.ticket_ids(order_id, 1, 2)).status == 201
    assert builders.refund(api, order_id, key="rest").json["order"]["status"] == "refunded"


def test_tickets_refunded_while_the_sale_is_paused_are_for_sale_after_it(api, event_and_tier):
    order_id = builders.create_order(api, event_and_tier, 4)
    api.post(f"/admin/events/{event_and_tier[0]}/pause", token=builders.admin_token())
    assert builders.refund(api, order_id).status == 201
    assert builders.reserve(api, "bob", *event_and_tier, 1).status == 403
    api.post(f"/admin/events/{event_and_tier[0]}/resume", token=builders.admin_token())
    assert builders.reserve(api, "bob", *event_and_tier, 1).status == 201
    assert set(sold_and_available().values()) == {(0, 9)}
