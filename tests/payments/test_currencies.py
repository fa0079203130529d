"""Currencies whose unit at Stripe is not ours, from the price to the reconciliation."""

import pytest

from chalicelib.foundation import settings
from chalicelib.ledger import service as ledger
from chalicelib.payments.providers import stripe_mapping
from tests import builders
from tests.payment_pages import on_either_page
from tests.reconciliation.comparing import assert_no_differences, compare_last_hour, pay_without_webhooks


def sell_in(shop, currency: str, price_cents: int) -> None:
    """Sell a tier of a new event in this currency."""
    shop.event_id, shop.tier_id = builders.create_shop(shop.api, currency=currency, price_cents=price_cents, capacity=4)


def balance(shop) -> int:
    return sum(entry.amount_cents for entry in ledger.list_event_entries(shop.event_id) if entry.provider == "stripe")


@on_either_page
@pytest.mark.parametrize(
    ("currency", "price_cents", "at_stripe"),
    [("ISK", 9900, 990_000), ("UGX", 50_000, 5_000_000), ("MGA", 50_000, 50_000), ("JPY", 5000, 5000), ("KWD", 5120, 5120)],
)
def test_buyers_pay_the_price_in_stripes_unit(shop, page, currency, price_cents, at_stripe):
    sell_in(shop, currency, price_cents)
    session = shop.open_checkout(quantity=1, page=page)
    shop.pay(session)
    assert shop.confirm(session).status == 201
    shop.fake.deliver()
    [charge] = shop.fake.objects("charge")
    assert (charge["amount"], balance(shop), shop.list_open_cases()) == (at_stripe, price_cents, [])
    assert_no_differences(shop)


def test_an_order_in_kronur_is_refunded_in_part_and_then_entirely(shop):
    sell_in(shop, "ISK", 9900)
    order_id = shop.buy(quantity=2)
    assert builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1)).json["refund"]["amount_cents"] == 9900
    shop.fake.deliver()
    assert (shop.list_refunds(), balance(shop)) == ([(990_000, "succeeded")], 9900)
    builders.refund(shop.api, order_id, key="rest")
    shop.fake.deliver()
    assert (shop.list_refunds(), balance(shop)) == ([(990_000, "succeeded")] * 2, 0)
    assert (shop.load_purchase(order_id).state, shop.list_open_cases()) == ("refunded", [])
    assert_no_differences(shop)


def test_the_comparison_repairs_payments_refunds_and_disputes_in_kronur(shop):
    sell_in(shop, "ISK", 9900)
    session = pay_without_webhooks(shop, quantity=2)
    shop.lose_webhooks()
    assert compare_last_hour(shop).repaired == {"paid_without_tickets": 1}
    shop.refund_in_dashboard(session["id"], 500_000)
    assert sum(compare_last_hour(shop).repaired.values()) == 1
    assert (balance(shop), shop.load_purchase(session["id"]).refunded_cents) == (14_800, 5000)
    other = shop.open_checkout("bob", 1)
    shop.pay(other)
    assert shop.confirm(other, "bob").status == 201
    shop.fake.create_dispute(shop.fetch_charge(other["id"]).id)
    assert sum(compare_last_hour(shop).repaired.values()) == 1
    assert [dispute.amount_cents for dispute in shop.load_purchase(other["id"]).disputes] == [9900]
    assert balance(shop) == 14_800
    assert_no_differences(shop)


def test_money_in_kronur_that_bought_no_tickets_is_refunded(shop):
    sell_in(shop, "ISK", 9900)
    session = shop.open_checkout(quantity=1)
    shop.pay(session)
    shop.expire_without_asking_stripe(session["id"])
    builders.reserve(shop.api, "bob", shop.event_id, shop.tier_id, 4)
    assert shop.confirm(session).status == 409
    builders.run_sweep()
    assert shop.list_refunds() == [(990_000, "succeeded")]


def test_a_promoter_in_iceland_gets_the_payment_less_the_fee(shop):
    sell_in(shop, "ISK", 9900)
    with settings.override(application_fee_cents=500):
        account = shop.connect_account()
        order_id = shop.buy(quantity=2)
        [charge] = shop.fake.objects("charge", account=account)
        assert (charge["amount"], charge["application_fee_amount"]) == (1_980_000, 100_000)
        builders.refund(shop.api, order_id, tickets=builders.ticket_ids(order_id, 1))
        shop.fake.deliver()
        shop.return_fee_in_dashboard(20_000)
        shop.fake.deliver()
        [totals] = ledger.statement(shop.event_id)
        assert (totals.fee_cents, shop.open_case_kinds()) == (300, [])
        payout = shop.fake.create_payout("isk", account=account)
        page = shop.api.get("/promoters/pat/payouts", token=builders.token("pat", "promoter")).json
        assert [shown["amount_cents"] for shown in page["payouts"]] == [round(payout["amount"] / 100)]
        assert [(shown["currency"], shown["available_cents"] + shown["pending_cents"]) for shown in page["balances"]] == [("ISK", 0)]
        assert_no_differences(shop)


def test_a_payment_that_asks_for_a_hundredth_of_the_price_is_refunded(shop, monkeypatch):
    """Earlier releases opened such payments."""
    sell_in(shop, "ISK", 9900)
    with monkeypatch.context() as earlier:
        earlier.setattr(stripe_mapping, "_WITH_TWO_ZEROS", ())
        session = shop.open_checkout(quantity=1)
    shop.pay(session)
    assert shop.confirm(session).status == 409
    builders.run_sweep()
    assert (shop.list_refunds(), shop.purchase_state(session)) == ([(9900, "succeeded")], "refunded")


def test_dinars_have_two_decimals_after_discounts_and_fees(shop):
    sell_in(shop, "KWD", 5120)
    builders.create_promo_code(shop.api, shop.event_id, "TENTH", discount_value=10)
    with settings.override(application_fee_cents=25, application_fee_basis_points=33, refund_fee_percent=7):
        account = shop.connect_account()
        session = shop.open_checkout(quantity=3, promo_code="TENTH")
        shop.pay(session)
        assert shop.confirm(session).status == 201
        [charge] = shop.fake.objects("charge", account=account)
        assert (charge["amount"], charge["application_fee_amount"]) == (13_820, 120)
        builders.refund(shop.api, session["id"], tickets=builders.ticket_ids(session["id"], 2), reason="requested_by_customer")
    shop.fake.deliver()
    assert (shop.list_refunds(), shop.list_open_cases()) == ([(4290, "succeeded")], [])
    assert_no_differences(shop)
