"""A discount is rounded once, and split over tickets so that all adds up to the cent."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.promotions.model import DiscountRule, split, ticket_discounts

PRICES = st.lists(st.integers(0, 100_000_000), min_size=1, max_size=50)
RULES = st.one_of(
    st.builds(DiscountRule, st.just("percentage"), st.integers(1, 100)),
    st.builds(DiscountRule, st.just("fixed_amount"), st.integers(1, 100_000_000)),
)


@pytest.mark.parametrize(
    ("percent", "total", "amount"), [(50, 1, 1), (25, 2, 1), (24, 2, 0), (10, 4, 0), (10, 5, 1), (33, 1000, 330), (100, 7, 7), (1, 0, 0)]
)
def test_a_percentage_is_rounded_half_up(percent, total, amount):
    assert DiscountRule("percentage", percent).amount(total) == amount


def test_equal_remainders_go_to_the_first_tickets():
    assert split(100, [1000, 1000, 1000]) == [34, 33, 33]
    assert split(5, [1000, 0, 1000]) == [3, 0, 2]


def test_tickets_that_are_not_included_get_nothing_and_count_for_nothing():
    rule = DiscountRule("fixed_amount", 5000)
    assert ticket_discounts(rule, [1000, 3000, 2000], [True, False, True]) == [1000, 0, 2000]


def test_discounts_in_a_currency_with_three_decimals_have_two():
    assert ticket_discounts(DiscountRule("percentage", 10), [5120, 5120, 5120], [True] * 3, 10) == [520, 510, 510]
    assert ticket_discounts(DiscountRule("percentage", 10), [5125], [True], 10) == [515], "a price from an earlier release"


def test_more_than_all_cannot_be_split():
    with pytest.raises(ValueError, match="cannot be split"):
        split(11, [5, 5])


@given(rule=RULES, data=st.data(), prices=PRICES)
def test_a_discount_adds_up_and_no_ticket_gets_more_than_its_price(rule, data, prices):
    is_included = data.draw(st.lists(st.booleans(), min_size=len(prices), max_size=len(prices)))
    discounts = ticket_discounts(rule, prices, is_included)
    total = sum(price for price, included in zip(prices, is_included, strict=True) if included)
    assert sum(discounts) == rule.amount(total) <= total
    for price, included, discount in zip(prices, is_included, discounts, strict=True):
        assert 0 <= discount <= (price if included else 0)
        if included and total:
            assert abs(discount - Fraction(rule.amount(total) * price, total)) < 1


@given(percent=st.integers(1, 100), total=st.integers(0, 10**10))
def test_a_percentage_is_off_by_half_a_cent_at_most(percent, total):
    error = DiscountRule("percentage", percent).amount(total) - Fraction(total * percent, 100)
    assert Fraction(-1, 2) < error <= Fraction(1, 2)
