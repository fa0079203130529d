"""Prices of products, made in the dashboard or inline by a line item."""

from typing import Any

from devtools.stripe.account_state import AccountState
from devtools.stripe.objects import StripeObject


def create_price(
    state: AccountState,
    price_id: str,
    *,
    unit_amount: int | None,
    currency: str,
    name: str,
    product: StripeObject | None = None,
    **changes: Any,
) -> StripeObject:
    """Create or replace a price and its product. `changes` are other fields of the price, `product` those of the product."""
    product = state.put("product", _product(f"prod_{price_id}", name, state.now()) | (product or {}))
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
        "unit_amount_decimal": None if unit_amount is None else str(unit_amount),
        "_name": name,
        **changes,
    }
    return state.put("price", price)


def _product(product_id: str, name: str, created: int) -> StripeObject:
    return {
        "id": product_id,
        "object": "product",
        "active": True,
        "created": created,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "metadata": {},
        "name": name,
        "type": "service",
        "updated": created,
        "url": None,
    }
