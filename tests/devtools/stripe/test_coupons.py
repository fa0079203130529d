"""Coupons that are refused."""

import pytest
import stripe


@pytest.mark.parametrize("given", [{}, {"amount_off": 5}, {"amount_off": 5, "currency": "usd", "percent_off": 5}, {"percent_off": 101}])
def test_coupons_that_are_refused(shop, given):
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.coupons.create(given)


def test_coupon_ids_are_unique(shop):
    shop.client.v1.coupons.create({"id": "SPRING", "percent_off": 10})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.client.v1.coupons.create({"id": "SPRING", "percent_off": 20})
    assert caught.value.code == "resource_already_exists"
