"""Disputes: the tickets, the stock and the ledger while a bank decides, and after its decision."""

import pytest

from chalicelib.ledger import money_cases
from chalicelib.ledger import service as ledger
from tests import builders
from tests.purchases.stock import sold_and_available


def list_dispute_entries(shop, order_id):
    """(kind, cents) of the ledger's entries about disputes."""
    entries = ledger.list_purchase_entries(shop.event_id, order_id)
    return [(entry.kind, entry.amount_cents) for entry in entries if entry.kind.startswith("dispute")]


def test_an_open_dispute_freezes_the_tickets(shop):
    order_id = shop.buy()
    shop.create_dispute(order_id)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("paid", ["frozen", "frozen"])
    refused = shop.api.get(f"/tickets/{order_id}-1/qr", user="ada")
    assert (refused.status, refused.json["error"]) == (409, "ticket_frozen")
    assert [ticket["state"] for ticket in shop.api.get("/me/tickets", user="ada").json["tickets"]] == ["frozen", "frozen"]
    assert shop.api.get("/me/order", query={"event_id": shop.event_id}, user="ada").json["order"]["disputed"] is True
    assert (shop.received_and_kept(), shop.open_case_kinds()) == ((10_000, 0), ["dispute"])
    assert shop.close_case(order_id, shop.load_purchase(order_id).disputes[0].id).status == 404


def test_a_won_dispute_makes_the_tickets_valid_again(shop):
    order_id = shop.buy()
    shop.close_dispute(shop.create_dispute(order_id), won=True)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("paid", ["valid", "valid"])
    assert shop.api.get(f"/tickets/{order_id}-1/qr", user="ada").status == 200
    assert (shop.received_and_kept(), shop.open_case_kinds()) == ((10_000, 10_000), [])
    assert list_dispute_entries(shop, order_id) == [("disputed", -10_000), ("dispute_won", 10_000)]
    assert builders.refund(shop.api, order_id).json["refund"]["status"] == "succeeded"


def test_a_lost_dispute_voids_the_tickets_and_returns_them_to_the_stock(shop):
    order_id = shop.buy()
    shop.close_dispute(shop.create_dispute(order_id), won=False)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("refunded", ["void", "void"])
    assert shop.api.get(f"/tickets/{order_id}-1/qr", user="ada").status == 410
    assert (list(sold_and_available().values()), shop.open_case_kinds()) == ([(0, 4)], [])
    assert list_dispute_entries(shop, order_id) == [("disputed", -10_000)]
    assert builders.refund(shop.api, order_id).json["error"] == "not_refundable"
    assert shop.buy("ada", 4)


@pytest.mark.parametrize("won", [True, False])
@pytest.mark.parametrize("delivery_order", ["as_created", "reversed", "shuffled"])
def test_the_events_of_a_dispute_have_one_effect_in_any_order_and_number(shop, won, delivery_order):
    """Each event of a dispute that was opened and decided comes three times. What counts is the dispute as Stripe has it then."""
    order_id = shop.buy()
    shop.fake.set_delivery_order(delivery_order, 7)
    shop.fake.duplicate_webhooks("charge.dispute.*", copies=3, times=9)
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id)["id"]
    shop.fake.close_dispute(dispute_id, won=won)
    shop.fake.deliver()
    assert shop.ticket_states(order_id) == (["valid"] * 2 if won else ["void"] * 2)
    version = shop.load_purchase(order_id).version
    for event in shop.fake.events("charge.dispute.*"):
        shop.fake.resend_event(event["id"])
    shop.fake.deliver()
    assert shop.load_purchase(order_id).version == version


@pytest.mark.parametrize(
    ("cents", "after", "state"),
    [
        (1, ["valid", "valid", "void"], "partially_refunded"),
        (5000, ["valid", "valid", "void"], "partially_refunded"),
        (5001, ["valid", "void", "void"], "partially_refunded"),
        (15_000, ["void", "void", "void"], "refunded"),
    ],
)
def test_a_partly_lost_dispute_voids_the_fewest_tickets_of_that_value(shop, cents, after, state):
    order_id = shop.buy(quantity=3)
    dispute_id = shop.create_dispute(order_id, cents)
    assert shop.ticket_states(order_id) == ["frozen"] * 3
    shop.close_dispute(dispute_id, won=False)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == (state, after)
    assert list(sold_and_available().values()) == [(after.count("valid"), 4 - after.count("valid"))]
    kept = [case.details["kept_cents"] for case in money_cases.list_open_cases() if case.purchase_id == order_id]
    assert kept == ([after.count("void") * 5000 - cents] if cents % 5000 else [])


def test_a_lost_dispute_of_the_whole_payment_voids_free_tickets_too(shop):
    companion = builders.create_tier(shop.api, shop.event_id, "Companion", price_cents=0)
    order_id = builders.reserve_items(shop.api, "ada", shop.event_id, {companion: 1, shop.tier_id: 1}).json["id"]
    session = shop.request_checkout(order_id).json
    shop.pay(session)
    shop.confirm(session)
    shop.close_dispute(shop.create_dispute(order_id), won=False)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("refunded", ["void", "void"])


@pytest.mark.parametrize(("won", "after"), [(True, ["void", "valid", "valid"]), (False, ["void", "void", "void"])])
def test_a_dispute_leaves_refunded_tickets_void(shop, won, after):
    order_id = shop.buy(quantity=3)
    builders.refund(shop.api, order_id, tickets=[f"{order_id}-1"])
    dispute_id = shop.create_dispute(order_id, 10_000)
    assert shop.ticket_states(order_id) == ["void", "frozen", "frozen"]
    shop.close_dispute(dispute_id, won=won)
    assert shop.ticket_states(order_id) == after
    assert shop.received_and_kept() == (15_000, 10_000 if won else 0)


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_about_a_refunded_order_is_only_recorded(shop, won):
    order_id = shop.buy()
    builders.refund(shop.api, order_id)
    before = list(sold_and_available().values())
    dispute_id = shop.create_dispute(order_id)
    assert (shop.ticket_states(order_id), shop.open_case_kinds()) == (["void", "void"], ["dispute"])
    shop.close_dispute(dispute_id, won=won)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id), list(sold_and_available().values())) == (
        "refunded",
        ["void", "void"],
        before,
    )
    assert shop.received_and_kept() == (10_000, 0 if won else -10_000)


@pytest.mark.parametrize(
    ("first", "second", "after"),
    [
        (True, True, ["valid", "valid", "valid"]),
        (True, False, ["valid", "valid", "void"]),
        (False, True, ["valid", "valid", "void"]),
        (False, False, ["valid", "void", "void"]),
    ],
)
def test_tickets_stay_frozen_until_the_last_of_two_disputes_is_decided(shop, first, second, after):
    order_id = shop.buy(quantity=3)
    dispute_ids = shop.create_dispute(order_id, 5000), shop.create_dispute(order_id, 4000)
    shop.close_dispute(dispute_ids[0], won=first)
    assert "valid" not in shop.ticket_states(order_id)
    assert builders.refund(shop.api, order_id).json["error"] == "order_disputed"
    shop.close_dispute(dispute_ids[1], won=second)
    assert shop.ticket_states(order_id) == after


def test_a_dispute_about_a_second_payment_does_not_change_the_tickets(shop):
    order_id = shop.buy()
    other = shop.pay_in_dashboard(order_id)
    shop.fake.deliver()
    dispute_id = shop.fake.create_dispute(shop.dashboard.v1.payment_intents.retrieve(other).latest_charge)["id"]
    shop.fake.deliver()
    assert (shop.ticket_states(order_id), shop.open_case_kinds()) == (["valid", "valid"], ["dispute"])
    assert builders.refund(shop.api, order_id, tickets=[f"{order_id}-2"]).status == 201
    shop.close_dispute(dispute_id, won=False)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("partially_refunded", ["valid", "void"])
    [case] = shop.list_open_cases()  # the second payment was refunded when it arrived
    assert (case["id"], case["amount_cents"]) == (f"paid_back_twice-{dispute_id}", 10_000)


def decide_again(shop, dispute_id, *, won):
    shop.fake.appeal_dispute(dispute_id)
    shop.close_dispute(dispute_id, won=won)


def test_a_dispute_that_is_lost_on_appeal_voids_the_tickets(shop):
    order_id = shop.buy()
    dispute_id = shop.create_dispute(order_id)
    shop.close_dispute(dispute_id, won=True)
    shop.fake.appeal_dispute(dispute_id)
    shop.fake.deliver()
    assert shop.ticket_states(order_id) == ["valid", "valid"]
    shop.close_dispute(dispute_id, won=False)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("refunded", ["void", "void"])
    assert (shop.received_and_kept(), shop.open_case_kinds()) == ((10_000, 0), [])
    assert list_dispute_entries(shop, order_id) == [("disputed", -10_000), ("disputed", -10_000), ("dispute_won", 10_000)]
    assert list(sold_and_available().values()) == [(0, 4)]


def test_a_dispute_that_is_won_on_appeal_becomes_a_finding(shop):
    """The tickets stay void, because their seats may be sold by then."""
    order_id = shop.buy()
    dispute_id = shop.create_dispute(order_id)
    shop.close_dispute(dispute_id, won=False)
    decide_again(shop, dispute_id, won=True)
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("refunded", ["void", "void"])
    assert shop.received_and_kept() == (10_000, 10_000)
    [case] = shop.list_open_cases()
    assert (case["kind"], case["id"], case["amount_cents"]) == ("finding", f"won_on_appeal-{dispute_id}", 10_000)
    assert shop.close_case(order_id, case["id"]).status == 200


@pytest.mark.parametrize("won", [True, False])
def test_a_decision_may_change_more_than_once(shop, won):
    order_id = shop.buy()
    dispute_id = shop.create_dispute(order_id)
    for decision in (won, not won, won, not won):
        decide_again(shop, dispute_id, won=decision)
    assert shop.ticket_states(order_id) == ["void", "void"]


@pytest.mark.parametrize("won", [True, False])
def test_an_appeal_that_confirms_the_decision_changes_nothing(shop, won):
    order_id = shop.buy()
    dispute_id = shop.create_dispute(order_id)
    shop.close_dispute(dispute_id, won=won)
    version = shop.load_purchase(order_id).version
    shop.fake.appeal_dispute(dispute_id)
    shop.close_dispute(dispute_id, won=won)
    assert (shop.load_purchase(order_id).version, shop.list_open_cases()) == (version, [])


def test_a_dispute_first_seen_during_its_appeal_freezes_the_tickets(shop):
    order_id = shop.buy()
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id)["id"]
    shop.fake.appeal_dispute(dispute_id)
    shop.fake.deliver()
    assert shop.ticket_states(order_id) == ["frozen", "frozen"]


def test_a_prevented_dispute_that_took_the_money_voids_the_tickets(shop):
    order_id = shop.buy()
    shop.fake.create_dispute(shop.fetch_charge(order_id).id, prevented=True)
    shop.fake.deliver()
    shop.assert_books_balance()
    assert (shop.load_purchase(order_id).state, shop.ticket_states(order_id)) == ("refunded", ["void", "void"])
    assert (list_dispute_entries(shop, order_id), shop.open_case_kinds()) == ([("disputed", -10_000)], [])


def test_a_prevented_dispute_without_money_changes_nothing(shop):
    order_id = shop.buy()
    dispute_id = shop.fake.create_dispute(shop.fetch_charge(order_id).id, prevented=True)["id"]
    shop.fake.overwrite_object("dispute", dispute_id, balance_transactions=[])
    shop.fake.deliver()
    assert (shop.ticket_states(order_id), list_dispute_entries(shop, order_id)) == (["valid", "valid"], [])
