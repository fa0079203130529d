"""What tickets cost: their prices, and what a promo code takes off. Pure functions of whole minor units (cents, pence, yen).

A discount is computed once, of the total of all tickets that it is for. A percentage of it is rounded half up to a whole minor unit. Then
the discount is split over these tickets in proportion to their prices, by the largest remainder (Hamilton's method), so that what the
tickets cost adds up to what is paid, and a refund of some of them leaves the price of the others. See docs/decisions/0061-pricing.md.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

DiscountType = Literal["percentage", "fixed_amount"]


class DiscountRule(Struct, frozen=True):
    """A discount of `value` percent (1 to 100), or of `value` minor units."""

    discount_type: DiscountType
    value: int

    def amount(self, total_cents: int) -> int:
        """What it takes off this total, never more than all of it."""
        if self.discount_type == "fixed_amount":
            return min(self.value, total_cents)
        return (total_cents * self.value + 50) // 100


def ticket_discounts(rule: DiscountRule, prices: Sequence[int], is_included: Sequence[bool]) -> list[int]:
    """What a discount takes off each of these tickets, given by their prices; nothing off those that are not included."""
    eligible = [price if included else 0 for price, included in zip(prices, is_included, strict=True)]
    return split(rule.amount(sum(eligible)), eligible)


def split(amount_cents: int, prices: Sequence[int]) -> list[int]:
    """Split an amount in proportion to prices, none of which gets more than itself. Raises ValueError if their sum is smaller.

    Everybody gets their share without its fraction; what is left goes to the largest fractions, the first of equal ones first.
    """
    total = sum(prices)
    if not 0 <= amount_cents <= total:
        raise ValueError(f"{amount_cents} cannot be split over prices of {total}")
    if amount_cents == 0:
        return [0] * len(prices)
    shares = [amount_cents * price // total for price in prices]
    left = amount_cents - sum(shares)
    for number in sorted(range(len(prices)), key=lambda number: -(amount_cents * prices[number] % total))[:left]:
        shares[number] += 1
    return shares
