"""Prices of discounted tickets: pure functions on whole minor units (cents, pence, yen).

A discount is computed once, on the total of all tickets that it applies to, and a percentage is rounded half up to a whole minor unit.
The discount is then split over these tickets in proportion to their prices by the largest remainder method. So the ticket
prices add up to the amount paid, and refunding some tickets does not change the price of the others. See docs/decisions/0061-pricing.md.
`LineItem.ticket_prices` in `purchases/model.py` subtracts the discounts from the prices.
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
        """Return the discount on this total, which is never more than the total itself."""
        if self.discount_type == "fixed_amount":
            return min(self.value, total_cents)
        return (total_cents * self.value + 50) // 100


def ticket_discounts(rule: DiscountRule, prices: Sequence[int], is_included: Sequence[bool]) -> list[int]:
    """Return the discount on each ticket, given the ticket prices. Tickets that are not included get no discount."""
    eligible = [price if included else 0 for price, included in zip(prices, is_included, strict=True)]
    return split(rule.amount(sum(eligible)), eligible)


def split(amount_cents: int, prices: Sequence[int]) -> list[int]:
    """Split an amount in proportion to prices. No share exceeds its price. Raises ValueError if the amount exceeds the sum of the prices.

    Each share is rounded down. The remaining units go to the shares that lost the largest fractions; ties go to the first share.
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
