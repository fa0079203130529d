"""What line items cost: prices, inline price data, coupons."""

from devtools.stripe.errors import Obj, invalid
from devtools.stripe.intents import merged
from devtools.stripe.state import State


def new_price(state: State, price_id: str, *, unit_amount: int, currency: str, name: str) -> Obj:
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


def new_coupon(state: State, given: Obj) -> Obj:
    if ("amount_off" in given) == ("percent_off" in given):
        raise invalid("You must pass exactly one of percent_off, amount_off.", param="percent_off", code="parameter_missing")
    if "amount_off" in given and "currency" not in given:
        raise invalid("You must pass currency when passing amount_off.", param="currency", code="parameter_missing")
    coupon_id = given.get("id") or state.new_id("coupon", 8)[7:]
    if state.find("coupon", coupon_id) is not None:
        raise invalid("Coupon already exists.", param="id", code="resource_already_exists")
    coupon = {
        "id": coupon_id,
        "object": "coupon",
        "amount_off": given.get("amount_off"),
        "created": state.now(),
        "currency": given["currency"].lower() if "amount_off" in given else None,
        "duration": given.get("duration", "once"),
        "duration_in_months": None,
        "livemode": False,
        "max_redemptions": given.get("max_redemptions"),
        "metadata": merged({}, given.get("metadata", {})),
        "name": given.get("name"),
        "percent_off": given.get("percent_off"),
        "redeem_by": given.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    return state.put("coupon", coupon)


def lines(state: State, given: list[Obj]) -> list[Obj]:
    """Line items, without discounts. All in one currency."""
    made = [_line(state, one, f"line_items[{index}]") for index, one in enumerate(given)]
    if len({line["currency"] for line in made}) > 1:
        raise invalid("All line items must have the same currency.", param="line_items")
    return made


def discount(state: State, given: list[Obj], subtotal: int, currency: str) -> int:
    """What the coupon takes off, in the smallest unit. Using it counts."""
    if not given or "coupon" not in given[0]:
        return 0
    coupon = state.get("coupon", given[0]["coupon"], param="discounts[0][coupon]", status=400)
    used_up = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    over = coupon["redeem_by"] is not None and coupon["redeem_by"] < state.now()
    if used_up or over:
        raise invalid(
            f"Coupon {coupon['id']} is used up or expired, so it can't be applied.", param="discounts[0][coupon]", code="coupon_expired"
        )
    if coupon["currency"] not in (None, currency):
        raise invalid(f"The coupon's currency {coupon['currency']} does not match {currency}.", param="discounts[0][coupon]")
    coupon["times_redeemed"] += 1
    state.put("coupon", coupon)
    off = coupon["amount_off"] if coupon["amount_off"] is not None else round(subtotal * coupon["percent_off"] / 100)
    return min(int(off), subtotal)


def spread(made: list[Obj], amount: int) -> None:
    """Share a discount out over the line items by what they cost; the last one takes what rounding leaves."""
    left, weight = amount, sum(line["amount_subtotal"] for line in made)
    for index, line in enumerate(made):
        share = left if index == len(made) - 1 else amount * line["amount_subtotal"] // weight if weight else 0
        line.update(amount_discount=share, amount_total=line["amount_subtotal"] - share)
        left -= share


def _line(state: State, given: Obj, prefix: str) -> Obj:
    if ("price" in given) == ("price_data" in given):
        told = "You must specify either `price` or `price_data` when creating a line item."
        raise invalid(told, param=prefix, code="parameter_missing" if "price" not in given else "parameters_exclusive")
    if "quantity" not in given:
        raise invalid(f"Missing required param: {prefix}[quantity].", param=f"{prefix}[quantity]", code="parameter_missing")
    if "price" in given:
        price = state.get("price", given["price"], param=f"{prefix}[price]", status=400)
    else:
        price = _inline(state, given["price_data"], prefix)
    amount = price["unit_amount"] * given["quantity"]
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
        "metadata": merged({}, given.get("metadata", {})),
        "price": price,
        "quantity": given["quantity"],
    }


def _inline(state: State, data: Obj, prefix: str) -> Obj:
    for name in ("product_data", "unit_amount"):
        if name not in data:
            param = f"{prefix}[price_data][{name}]"
            raise invalid(f"Missing required param: {param}.", param=param, code="parameter_missing")
    return new_price(
        state, state.new_id("price_1"), unit_amount=data["unit_amount"], currency=data["currency"], name=data["product_data"]["name"]
    )
