"""Line items of Checkout Sessions: quantities of a price, or of a price that is given inline."""

from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import invalid_request
from devtools.stripe.metadata import updated_metadata
from devtools.stripe.objects import StripeObject
from devtools.stripe.prices import create_price


def create_line_items(state: AccountState, items: list[StripeObject]) -> list[StripeObject]:
    """Line items without discounts. Raises StripeApiError when they are not all in one currency."""
    lines = [_create_line_item(state, item, f"line_items[{index}]") for index, item in enumerate(items)]
    if len({line["currency"] for line in lines}) > 1:
        raise invalid_request("All line items must have the same currency.", param="line_items")
    return lines


def spread_discount(lines: list[StripeObject], amount: int) -> None:
    """Share a discount among the line items in proportion to their amounts; the last one takes the remainder of the rounding."""
    remaining, subtotal = amount, sum(line["amount_subtotal"] for line in lines)
    for index, line in enumerate(lines):
        share = remaining if index == len(lines) - 1 else amount * line["amount_subtotal"] // subtotal if subtotal else 0
        line.update(amount_discount=share, amount_total=line["amount_subtotal"] - share)
        remaining -= share


def _create_line_item(state: AccountState, params: StripeObject, prefix: str) -> StripeObject:
    if ("price" in params) == ("price_data" in params):
        message = "You must specify either `price` or `price_data` when creating a line item."
        raise invalid_request(message, param=prefix, code="parameter_missing" if "price" not in params else "parameters_exclusive")
    if "quantity" not in params:
        raise invalid_request(f"Missing required param: {prefix}[quantity].", param=f"{prefix}[quantity]", code="parameter_missing")
    if "price" in params:
        price = state.get("price", params["price"], param=f"{prefix}[price]", status=400)
    else:
        price = _create_inline_price(state, params["price_data"], prefix)
    amount = price["unit_amount"] * params["quantity"]
    return {
        "id": state.new_id("li_1"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": price["_name"],
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "price": price,
        "quantity": params["quantity"],
    }


def _create_inline_price(state: AccountState, data: StripeObject, prefix: str) -> StripeObject:
    for name in ("product_data", "unit_amount"):
        if name not in data:
            param = f"{prefix}[price_data][{name}]"
            raise invalid_request(f"Missing required param: {param}.", param=param, code="parameter_missing")
    return create_price(
        state, state.new_id("price_1"), unit_amount=data["unit_amount"], currency=data["currency"], name=data["product_data"]["name"]
    )
