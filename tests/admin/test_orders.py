"""What admins and promoters see of money: an order with its ledger, an event's takings, what is open."""

import pytest

from chalicelib import clock, ids
from chalicelib.admin import open_cases
from chalicelib.cases import service as cases
from chalicelib.ledger import service as ledger
from chalicelib.purchases.record import store
from tests import builders, invariants


def money(api, event_id, **who):
    return api.get(f"/admin/events/{event_id}/money", **(who or {"token": builders.admin_token()}))


def view(api, order_id, **who):
    return api.get(f"/admin/orders/{order_id}", **(who or {"token": builders.admin_token()}))


def test_an_order_shows_everything_that_money_did_to_it(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"], fee_cents=500, note="Ill.")
    shop.fake.deliver()
    made = shop.fake.create_dispute(shop.fetch_charge(order_id).id, amount=5000)
    shop.fake.deliver()
    shown = view(shop.api, order_id).json
    payment = store.load(order_id).payment
    assert shown["payment"] == {"provider": "stripe", "reference": payment.provider_id, "capture": payment.payment_intent_id}
    assert (shown["order"]["user_id"], shown["order"]["status"], shown["order"]["disputed"]) == ("ada", "partially_refunded", True)
    assert [(one["id"], one["state"]) for one in shown["tickets"]] == [(f"{order_id}-1", "void"), (f"{order_id}-2", "frozen")]
    [refund] = shown["refunds"]
    assert (refund["amount_cents"], refund["fee_cents"], refund["note"], refund["by"], refund["seats_returned"]) == (
        4500,
        500,
        "Ill.",
        "root",
        True,
    )
    assert refund["reference"].startswith("re_")
    [dispute] = shown["disputes"]
    assert (dispute["id"], dispute["status"], dispute["amount_cents"], dispute["at"]) == (
        made["id"],
        "open",
        5000,
        clock.iso(shop.time.now),
    )
    assert [(one["kind"], one["amount_cents"]) for one in shown["transactions"]] == [
        ("opened", 0),
        ("captured", 10_000),
        ("refunded", -4500),
        ("disputed", -5000),
    ]
    assert shown["balance_cents"] == sum(one["amount_cents"] for one in shown["transactions"]) == 500


def test_an_event_adds_up_to_its_orders(shop):
    ids = [shop.buy("ada", 1)]
    builders.refund(shop.api, ids[0], fee_cents=500)
    ids.append(shop.buy("ada", 1, "pm_card_createDispute"))
    shop.time.advance(10)
    shop.fake.deliver()
    ids.append(shop.buy("bob", 1, "pm_card_refundFail"))
    builders.refund(shop.api, ids[2])
    shop.time.advance(10)
    shop.fake.deliver()
    ids.append(builders.buy(shop.api, "eve", shop.event_id, shop.tier_id, 1, provider="simulated").json["order"]["id"])
    shown = money(shop.api, shop.event_id).json
    assert (shown["event_id"], shown["event_name"]) == (shop.event_id, "Night")
    simulated, real = shown["takings"]
    assert (simulated["provider"], simulated["currency"], simulated["balance_cents"], simulated["payments"]) == (
        "simulated",
        "USD",
        5000,
        1,
    )
    assert real == {
        "provider": "stripe",
        "currency": "USD",
        "captured_cents": 15_000,
        "refunded_cents": 4500,
        "disputed_cents": 5000,
        "balance_cents": 5500,
        "attempts": 3,
        "declined": 0,
        "payments": 3,
        "refunds": 2,
        "failed_refunds": 1,
        "disputes": 1,
        "disputes_won": 0,
    }
    balances = [view(shop.api, one).json["balance_cents"] for one in ids]
    assert balances == [500, 0, 5000, 5000]
    assert sum(balances) == simulated["balance_cents"] + real["balance_cents"]


def test_an_event_without_money_has_no_takings(api, time):
    event_id, tier_id = builders.create_shop(api, price_cents=0)
    reserved = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    builders.start_checkout(api, "ada", reserved)
    assert builders.confirm(api, "ada", reserved, None).status == 201
    assert money(api, event_id).json["takings"] == []
    assert view(api, reserved).json["balance_cents"] == 0
    assert list(ledger.list_event_entries(event_id)) == []
    invariants.check(time.now)


@pytest.mark.parametrize("what", ["money", "order"])
def test_who_may_look(api, time, what):
    event_id, tier_id = builders.create_promoted_shop("eve")
    order_id = builders.buy(api, "ada", event_id, tier_id).json["order"]["id"]

    def look(**who):
        return (money(api, event_id, **who) if what == "money" else view(api, order_id, **who)).status

    assert api.get(f"/admin/events/{event_id}/money").status == 401
    assert api.get(f"/admin/orders/{order_id}").status == 401
    assert look(user="ada") == 403
    assert look(token=builders.token("ada")) == 403
    assert look(token=builders.token("eve", "staff")) == 403
    assert look(token=builders.token("bob", "promoter")) == (403 if what == "money" else 404)
    assert look(token=builders.token("eve", "promoter")) == 200
    assert look(token=builders.admin_token()) == 200


def test_what_there_is_not(api, time):
    event_id, tier_id = builders.create_shop(api)
    assert money(api, "unknown").status == 404
    assert view(api, "unknown").status == 404
    assert view(api, builders.reserve(api, "ada", event_id, tier_id).json["id"]).status == 404


def test_open_matters_are_for_admins(api, time):
    assert api.get("/admin/reconciliation").status == 401
    assert api.get("/admin/reconciliation", user="ada").status == 403
    assert api.get("/admin/reconciliation", token=builders.token("eve", "promoter")).status == 403
    shown = api.get("/admin/reconciliation", token=builders.admin_token())
    assert (shown.status, shown.json["open"], shown.json["last_run"]) == (200, [], None)
    assert shown.json["open_total"] == 0


def test_of_many_open_matters_the_oldest_are_shown(api, time, monkeypatch):
    monkeypatch.setattr(open_cases, "MAX_CASES_SHOWN", 2)
    for number in range(3):
        cases.record_finding(ids.new_id(), f"amounts_differ-pi_{number}", time.now - number, {})
    shown = api.get("/admin/reconciliation", token=builders.admin_token()).json
    assert ([one["id"][-1] for one in shown["open"]], shown["open_total"]) == (["2", "1"], 3)


def test_open_matters_say_what_they_are_about(shop):
    order_id = shop.buy("ada", 1)
    made = shop.fake.create_dispute(shop.fetch_charge(order_id).id, "product_not_received")
    shop.fake.deliver()
    since = clock.iso(shop.time.now)
    other = shop.buy("bob", 1)
    shop.time.advance(1)
    shop.fake.fail_next_request("POST", "/v1/refunds", status=500, should_retry=False)
    refund = builders.refund(shop.api, other).json["refund"]
    common = {"event_id": shop.event_id, "amount_cents": 5000, "currency": "USD"}
    assert shop.api.get("/admin/reconciliation", token=builders.admin_token()).json["open"] == [
        {"order_id": order_id, "kind": "dispute", "id": made["id"], "since": since, "next_try_at": None, "reason": "product_not_received"}
        | common,
        {
            "order_id": other,
            "kind": "refund",
            "id": refund["id"],
            "since": clock.iso(shop.time.now),
            "next_try_at": clock.iso(shop.time.now + 60),
            "status": "due",
            "failure": None,
        }
        | common,
    ]
