"""Prices of products, made in the dashboard or inline by a line item."""

from devtools.stripe.account_state import AccountState
from devtools.stripe.objects import StripeObject


def create_price(state: AccountState, price_id: str, *, unit_amount: int, currency: str, name: str) -> StripeObject:
    """Create or replace a price and its product."""
    product = {"id": f"prod_{price_id}", "name": name}
    price = {
        "id": price_id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": state.now(),
        "currency": currency.lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product["id"],
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": unit_amount,
        "unit_amount_decimal": str(unit_amount),
        "_name": name,
    }
    return state.put("price", price)
