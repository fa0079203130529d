"""Prices that are made in the dashboard."""


def test_a_price_may_be_added_again_and_replaced(shop, fake):
    for amount in (2000, 2000, 2500):
        fake.add_price("price_upper", unit_amount=amount, currency="USD", name="Upper")
    assert shop.client.v1.prices.retrieve("price_upper").unit_amount == 2500
    assert shop.create_session(line_items=[{"price": "price_upper", "quantity": 1}]).currency == "usd"
