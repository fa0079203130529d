"""Prices made in the dashboard, line items, and coupons that are refused."""

import pytest
import stripe


def test_a_price_may_be_added_again_and_replaced(shop, fake):
    for amount in (2000, 2000, 2500):
        fake.add_price("price_upper", unit_amount=amount, currency="USD", name="Upper")
    assert shop.client.v1.prices.retrieve("price_upper").unit_amount == 2500
    assert shop.create_session(line_items=[{"price": "price_upper", "quantity": 1}]).currency == "usd"


def test_a_price_with_a_coupon(shop, fake):
    fake.add_price("price_fest-pass", unit_amount=9900, currency="usd", name="Festival pass")
    coupon = shop.client.v1.coupons.create({"amount_off": 1000, "currency": "usd", "duration": "once", "max_redemptions": 1})
    given = {"line_items": [{"price": "price_fest-pass", "quantity": 1}], "discounts": [{"coupon": coupon.id}]}
    session = shop.create_session(**given)
    assert (session.amount_subtotal, session.total_details.amount_discount, session.amount_total) == (9900, 1000, 8900)
    assert fake.pay_session(session.id)["payment_status"] == "paid"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create_session(**given)
    assert caught.value.code == "coupon_expired"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.create_session(line_items=[{"price": "price_nobody", "quantity": 1}])
    assert (caught.value.code, caught.value.param) == ("resource_missing", "line_items[0][price]")


def test_a_price_and_an_inline_price_in_one_session(shop, fake):
    fake.add_price("price_upper", unit_amount=2000, currency="usd", name="Upper")
    fee = {"price_data": {"currency": "usd", "unit_amount": 150, "product_data": {"name": "Fee"}}, "quantity": 3}
    coupon = shop.client.v1.coupons.create({"amount_off": 1000, "currency": "usd"})
    session = shop.create_session(
        line_items=[{"price": "price_upper", "quantity": 3}, fee],
        discounts=[{"coupon": coupon.id}],
        metadata={"purchase": "p1"},
        payment_intent_data={"metadata": {"purchase": "p1"}},
        client_reference_id="p1",
    )
    assert (session.client_reference_id, session.metadata["purchase"]) == ("p1", "p1")
    lines = [(line.description, line.quantity, line.amount_subtotal) for line in shop.sessions.line_items.list(session.id).data]
    assert lines == [("Upper", 3, 6000), ("Fee", 3, 450)]
    paid = fake.pay_session(session.id)
    intent = shop.intents.retrieve(paid["payment_intent"])
    assert (intent.amount, intent.amount_received, intent.metadata["purchase"]) == (5450, 5450, "p1")


@pytest.mark.parametrize("given", [{}, {"amount_off": 5}, {"amount_off": 5, "currency": "usd", "percent_off": 5}, {"percent_off": 101}])
def test_coupons_that_are_refused(shop, given):
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.coupons.create(given)


def test_coupon_ids_are_unique(shop):
    shop.client.v1.coupons.create({"id": "SPRING", "percent_off": 10})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.client.v1.coupons.create({"id": "SPRING", "percent_off": 20})
    assert caught.value.code == "resource_already_exists"


@pytest.mark.parametrize(
    ("currency", "taken", "refused"), [("isk", 990_000, 990_001), ("ugx", 500_000, 500_050), ("kwd", 5120, 5125), ("mga", 50_000, 2499)]
)
def test_amounts_that_a_currency_does_not_allow(shop, currency, taken, refused):
    with pytest.raises(stripe.InvalidRequestError):
        shop.create_intent(amount=refused, currency=currency)
    assert shop.create_intent(amount=taken, currency=currency).amount == taken


def test_a_fraction_of_a_krona_cannot_be_refunded(shop):
    intent = shop.create_intent(amount=990_000, currency="isk", payment_method="pm_card_visa", confirm=True)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.client.v1.refunds.create({"payment_intent": intent.id, "amount": 50})
    assert caught.value.code == "invalid_charge_amount_no_decimal_compatible"
