"""Prices of products, line items of Checkout Sessions, coupons, and the currencies that the fake knows."""

from typing import Any

from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeObject, invalid_request, updated_metadata

MIN_AMOUNTS = {
    **dict.fromkeys("usd eur chf aud cad nzd sgd brl".split(), 50),  # noqa: SIM905
    "jpy": 50,
    "gbp": 30,
    "dkk": 250,
    "sek": 300,
    "nok": 300,
    "pln": 200,
    "czk": 1500,
    "huf": 17500,
    "mxn": 1000,
    "hkd": 400,
    "inr": 50,
    "isk": 7000,  # Stripe states no minimum for this currency and the next three, but converts 0.50 USD
    "ugx": 200_000,
    "mga": 2500,
    "kwd": 160,
}
DECIMALS = {"jpy": 0, "mga": 0, "kwd": 3}  # in Stripe's API; other currencies have two
WHOLE_UNITS = ("isk", "ugx")  # the API still writes them with two decimals, which must be zeros
MAX_AMOUNT = 99_999_999


def check_amount(amount: int, currency: str) -> str:
    """Return the currency in lower case. Raises StripeApiError for an unknown currency or an amount that cannot be charged."""
    currency = currency.lower()
    if currency not in MIN_AMOUNTS:
        known = ", ".join(sorted(MIN_AMOUNTS))
        raise invalid_request(f"Invalid currency: {currency}. Stripe currently supports these currencies: {known}", param="currency")
    check_digits(amount, currency)
    if amount < MIN_AMOUNTS[currency]:
        minimum = formatted_amount(MIN_AMOUNTS[currency], currency)
        raise invalid_request(f"Amount must be at least {minimum}", param="amount", code="amount_too_small")
    if amount > MAX_AMOUNT:
        maximum = formatted_amount(MAX_AMOUNT, currency)
        raise invalid_request(f"Amount must be no more than {maximum}", param="amount", code="amount_too_large")
    return currency


def check_digits(amount: int, currency: str) -> None:
    """Raise StripeApiError for a fraction of a currency without fractions, and for a third decimal."""
    if currency in WHOLE_UNITS and amount % 100:
        message = f"Invalid amount. Currency {currency.upper()} has become effectively zero-decimal and charged amounts must be evenly "
        message += "divisible by 100. See https://stripe.com/docs/currencies#special-cases for more information."
        raise invalid_request(message, param="amount", code="invalid_charge_amount_no_decimal_compatible")
    if DECIMALS.get(currency) == 3 and amount % 10:
        raise invalid_request(f"Invalid amount. The last digit of amounts in {currency.upper()} must be 0.", param="amount")


def formatted_amount(amount: int, currency: str) -> str:
    """Return a text such as "12.50 usd"."""
    decimals = DECIMALS.get(currency, 2)
    return f"{amount / 10**decimals:,.{decimals}f} {currency}"


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


def create_line_items(state: AccountState, items: list[StripeObject]) -> list[StripeObject]:
    """Return line items without discounts. Raises StripeApiError unless all have the same currency."""
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
    product, amount = data["product_data"], data["unit_amount"]
    note = {"_note": product["description"]} if "description" in product else {}
    return create_price(state, state.new_id("price_1"), unit_amount=amount, currency=data["currency"], name=product["name"], **note)


def create_coupon(state: AccountState, params: StripeObject) -> StripeObject:
    if ("amount_off" in params) == ("percent_off" in params):
        raise invalid_request("You must pass exactly one of percent_off, amount_off.", param="percent_off", code="parameter_missing")
    if "amount_off" in params and "currency" not in params:
        raise invalid_request("You must pass currency when passing amount_off.", param="currency", code="parameter_missing")
    coupon_id = params.get("id") or state.new_id("coupon", 8)[7:]
    if state.find("coupon", coupon_id) is not None:
        raise invalid_request("Coupon already exists.", param="id", code="resource_already_exists")
    coupon = {
        "id": coupon_id,
        "object": "coupon",
        "amount_off": params.get("amount_off"),
        "created": state.now(),
        "currency": params["currency"].lower() if "amount_off" in params else None,
        "duration": params.get("duration", "once"),
        "duration_in_months": None,
        "livemode": False,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": updated_metadata({}, params.get("metadata", {})),
        "name": params.get("name"),
        "percent_off": params.get("percent_off"),
        "redeem_by": params.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    return state.put("coupon", coupon)


def redeem(state: AccountState, discounts: list[StripeObject], subtotal: int, currency: str) -> int:
    """Count a use of the coupon in `discounts`, if any. Returns the discount in the currency's smallest unit."""
    if not discounts or "coupon" not in discounts[0]:
        return 0
    coupon = state.get("coupon", discounts[0]["coupon"], param="discounts[0][coupon]", status=400)
    is_used_up = coupon["max_redemptions"] is not None and coupon["times_redeemed"] >= coupon["max_redemptions"]
    is_expired = coupon["redeem_by"] is not None and coupon["redeem_by"] < state.now()
    if is_used_up or is_expired:
        raise invalid_request(
            f"Coupon {coupon['id']} is used up or expired, so it can't be applied.", param="discounts[0][coupon]", code="coupon_expired"
        )
    if coupon["currency"] not in (None, currency):
        raise invalid_request(f"The coupon's currency {coupon['currency']} does not match {currency}.", param="discounts[0][coupon]")
    coupon["times_redeemed"] += 1
    state.put("coupon", coupon)
    reduction = coupon["amount_off"] if coupon["amount_off"] is not None else round(subtotal * coupon["percent_off"] / 100)
    return min(int(reduction), subtotal)
