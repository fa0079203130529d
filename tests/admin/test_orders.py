"""The money of an order and of an event, as admins and promoters see it."""

import msgspec
import pytest

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Account
from chalicelib.audit import service as audit
from chalicelib.edge import auth
from chalicelib.foundation import clock
from chalicelib.ledger import service as ledger
from chalicelib.purchases import store
from tests import builders, invariants
from tests.simulation.call_log import record_calls
from tests.simulation.interference import interfere_before


def fetch_revenue(api, event_id, **who):
    builders.project_changes()
    return api.get(f"/admin/events/{event_id}/money", **(who or {"token": builders.admin_token()}))


def fetch_order(api, order_id, **who):
    return api.get(f"/admin/orders/{order_id}", **(who or {"token": builders.admin_token()}))


def test_an_order_is_shown_with_its_payment_refunds_disputes_and_ledger(shop):
    order_id = shop.buy()
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"], fee_cents=500, note="Ill.")
    shop.fake.deliver()
    dispute_id = shop.create_dispute(order_id, 5000)
    shown = fetch_order(shop.api, order_id).json
    payment = store.load(order_id).payment
    assert shown["payment"] == {"provider": "stripe", "reference": payment.provider_id, "capture": payment.payment_intent_id}
    assert (shown["order"]["user_id"], shown["order"]["status"], shown["order"]["disputed"]) == ("ada", "partially_refunded", True)
    assert [(ticket["id"], ticket["state"]) for ticket in shown["tickets"]] == [(f"{order_id}-1", "void"), (f"{order_id}-2", "frozen")]
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
        dispute_id,
        "open",
        5000,
        clock.iso(shop.time.now),
    )
    assert [(entry["kind"], entry["amount_cents"]) for entry in shown["transactions"]] == [
        ("opened", 0),
        ("captured", 10_000),
        ("refunded", -4500),
        ("disputed", -5000),
    ]
    assert shown["balance_cents"] == sum(entry["amount_cents"] for entry in shown["transactions"]) == 500


def test_a_refund_names_the_member_who_requested_it(api, time):
    event_id, tier_id = builders.create_shop(api)
    order_id = builders.create_order(api, (event_id, tier_id), quantity=2)
    account = Account(user_id="cleo", email="cleo@example.com", roles=("user",), created_at=time.now, first_name="Cleo")
    accounts.create_account(account, "seven grey owls")
    invited = api.post(f"/events/{event_id}/members", json={"email": account.email, "role": "coordinator"}, token=builders.admin_token())
    builders.accept_invitation(event_id, account.email)
    coordinator = auth.issue_token("cleo", {"user"}, events={event_id: "coordinator"})
    reply = builders.refund(api, order_id, tickets=[f"{order_id}-1"], by=coordinator, key="first").json["refund"]
    assert (reply["by"], reply["by_name"], reply["by_role"]) == ("cleo", "Cleo", "coordinator")
    builders.refund(api, order_id, key="second")
    assert [(one["by_name"], one["by_role"]) for one in fetch_order(api, order_id).json["refunds"]] == [
        ("Cleo", "coordinator"),
        (None, None),
    ]
    assert api.delete(f"/events/{event_id}/members/{invited.json['id']}", token=builders.admin_token()).status == 200
    assert fetch_order(api, order_id).json["refunds"][0]["by_name"] is None


def test_a_payment_without_tickets_is_shown_and_not_refundable(api, time):
    event_id, tier_id = builders.create_shop(api)
    order_id = str(builders.reserve(api, "ada", event_id, tier_id).json["id"])
    assert fetch_order(api, order_id).status == 404  # only reserved: no payment was begun
    builders.start_checkout(api, "ada", order_id, key=order_id)
    assert fetch_order(api, order_id).json["order"]["status"] == "pending"
    builders.confirm(api, "ada", order_id, "fail")
    shown = fetch_order(api, order_id).json
    assert (shown["order"]["status"], shown["tickets"], shown["refunds"], shown["balance_cents"]) == ("cancelled", [], [], 0)
    assert fetch_order(api, order_id, user="ada").status == 403
    for path in ("refunds/preview", "refunds"):
        reply = api.post(
            f"/admin/orders/{order_id}/{path}",
            json={"reason": "goodwill"},
            token=builders.admin_token(),
            headers={"Idempotency-Key": "one"},
        )
        assert (reply.status, reply.json["error"]) == (404, "order_not_found")
    invariants.check(time.now)


@pytest.mark.not_on_moto
def test_the_revenue_of_an_event_is_the_balance_of_its_orders(shop):
    order_ids = [shop.buy("ada", 1)]
    builders.refund(shop.api, order_ids[0], fee_cents=500)
    order_ids.append(shop.buy("ada", 1, "pm_card_createDispute"))
    shop.time.advance(10)
    shop.fake.deliver()
    order_ids.append(shop.buy("bob", 1, "pm_card_refundFail"))
    builders.refund(shop.api, order_ids[2])
    shop.time.advance(10)
    shop.fake.deliver()
    order_ids.append(builders.buy(shop.api, "eve", shop.event_id, shop.tier_id, 1, provider="simulated").json["order"]["id"])
    shown = fetch_revenue(shop.api, shop.event_id).json
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
        "taxes": [],
        "included_fee_cents": 0,
    }
    balances = [fetch_order(shop.api, order_id).json["balance_cents"] for order_id in order_ids]
    assert balances == [500, 0, 5000, 5000]
    assert sum(balances) == simulated["balance_cents"] + real["balance_cents"]


@pytest.mark.needs_addon
@pytest.mark.parametrize("orders", [1, 12])
def test_the_revenue_is_read_from_totals_whatever_the_number_of_orders(api, threaded_store, time, orders):
    shop = builders.create_shop(api, capacity=100)
    for number in range(orders):
        builders.create_order(api, shop, user=f"user-{number}")
    builders.project_changes()
    with record_calls() as calls:
        shown = api.get(f"/admin/events/{shop[0]}/money", token=builders.admin_token()).json
    assert [entry.operation for entry in calls.of(table="reports")] == ["GetItem", "BatchGetItem"]
    assert calls.of(table="payment-transactions") == []
    assert shown["takings"] == [msgspec.to_builtins(totals) for totals in ledger.revenue_report(shop[0]).totals]


@pytest.mark.not_on_moto
def test_a_free_event_has_no_revenue(api, time):
    event_id, tier_id = builders.create_shop(api, price_cents=0)
    reserved = builders.reserve(api, "ada", event_id, tier_id).json["id"]
    builders.start_checkout(api, "ada", reserved)
    assert builders.confirm(api, "ada", reserved, None).status == 201
    assert fetch_revenue(api, event_id).json["takings"] == []
    assert fetch_order(api, reserved).json["balance_cents"] == 0
    assert list(ledger.list_event_entries(event_id)) == []
    invariants.check(time.now)


@pytest.mark.not_on_moto
@pytest.mark.parametrize("what", ["money", "order"])
def test_only_admins_and_the_events_promoter_may_see_its_money(api, time, what):
    event_id, tier_id = builders.create_promoted_shop("eve")
    order_id = builders.buy(api, "ada", event_id, tier_id).json["order"]["id"]

    def fetch_status(**who):
        return (fetch_revenue(api, event_id, **who) if what == "money" else fetch_order(api, order_id, **who)).status

    assert api.get(f"/admin/events/{event_id}/money").status == 401
    assert api.get(f"/admin/orders/{order_id}").status == 401
    assert fetch_status(user="ada") == 403
    assert fetch_status(token=builders.token("ada")) == 403
    assert fetch_status(token=builders.token("eve", "staff")) == 403
    assert fetch_status(token=builders.token("bob", "promoter")) == (403 if what == "money" else 404)
    assert fetch_status(token=builders.token("eve", "promoter")) == 200
    assert fetch_status(token=builders.admin_token()) == 200


@pytest.mark.not_on_moto
def test_unknown_events_and_orders_and_reservations_are_not_found(api, time):
    event_id, tier_id = builders.create_shop(api)
    assert fetch_revenue(api, "unknown").status == 404
    assert fetch_order(api, "unknown").status == 404
    assert fetch_order(api, builders.reserve(api, "ada", event_id, tier_id).json["id"]).status == 404


def rename(api, order_id, name, number=1, **who):
    body = {"name": name}
    return api.put(f"/admin/orders/{order_id}/tickets/{order_id}-{number}/name", json=body, **(who or {"token": builders.admin_token()}))


def test_staff_change_the_name_on_a_ticket_also_when_its_owner_no_longer_can(api, time):
    shop = builders.create_shop(api)
    order_id = builders.create_order(api, shop, 2)
    ada = {"name": "Ada", "email": "ada@home.test"}
    assert api.patch(f"/tickets/{order_id}-1", json={"attendee": ada}, user="ada").status == 200
    time.advance(30 * 86_400 - 60)  # a minute before the event
    assert api.patch(f"/tickets/{order_id}-1", json={"attendee": ada}, user="ada").json["error"] == "attendee_locked"
    reply = rename(api, order_id, "Ada Lovelace")
    assert reply.status == 200, reply.json
    assert [ticket["attendee"] for ticket in reply.json["tickets"]] == [ada | {"name": "Ada Lovelace"}, None]
    assert rename(api, order_id, "Bob", 2).json["tickets"][1]["attendee"] == {"name": "Bob"}
    assert api.get(f"/tickets/{order_id}-1", user="ada").json["attendee"]["name"] == "Ada Lovelace"
    assert rename(api, order_id, None).json["tickets"][0]["attendee"] is None
    invariants.check(time.now)


def test_a_changed_name_is_in_the_history_without_the_names(api, time):
    shop = builders.create_shop(api)
    order_id = builders.create_order(api, shop)
    rename(api, order_id, "Grace")
    rename(api, order_id, "Grace")  # a repeat
    [entry] = audit.list_entries(f"ticket#{order_id}-1")
    assert (entry.action, entry.actor, entry.event_id, entry.details) == ("ticket.named", "root", shop[0], {"order_id": order_id})
    assert "Grace" not in str(entry)


def test_names_change_only_on_valid_tickets_of_the_order_and_by_its_managers(api):
    shop = builders.create_shop(api)
    order_id, other_id = builders.create_order(api, shop), builders.create_order(api, shop, user="bob")
    callers = {
        "staff": {"token": auth.issue_token("sam", {"user"}, events={shop[0]: "staff"})},
        "stranger": {"token": auth.issue_token("paul", {"promoter"})},
        "coordinator": {"token": auth.issue_token("cleo", {"user"}, events={shop[0]: "coordinator"})},
        "owner": {"user": "ada"},
    }
    replies = {who: rename(api, order_id, "Eve", **caller).status for who, caller in callers.items()}
    assert replies == {"staff": 403, "stranger": 404, "coordinator": 200, "owner": 403}
    for ticket_id in (f"{other_id}-1", f"{order_id}-9", "none"):
        reply = api.put(f"/admin/orders/{order_id}/tickets/{ticket_id}/name", json={"name": "Eve"}, token=builders.admin_token())
        assert (reply.status, reply.json["error"]) == (404, "not_found")
    for name in ("", "x" * 501, 5):
        assert (rename(api, order_id, name).status, rename(api, order_id, name).json["path"]) == (400, "$.name")
    builders.refund(api, order_id)
    assert (rename(api, order_id, "Eve").status, rename(api, order_id, "Eve").json["error"]) == (410, "ticket_void")


def test_a_ticket_that_changes_hands_at_the_same_time_can_be_named(api, time):
    shop = builders.create_shop(api, capacity=50)
    for number in range(1, 30):
        order_id = builders.create_order(api, shop, user=f"user-{number}")
        token = api.post(f"/tickets/{order_id}-1/transfer", user=f"user-{number}").json["token"]
        with interfere_before(number, lambda token=token: api.post(f"/transfers/{token}/accept", user="bob").status) as accepted:
            assert rename(api, order_id, "Eve").status == 200
        if not accepted:
            break
        attendee = api.get(f"/tickets/{order_id}-1", user="bob").json["attendee"]
        assert (accepted, attendee) in [([201], {"name": "Eve"}), ([201], None)]  # a transfer removes the name
    assert 3 < number < 29
    invariants.check(time.now)
