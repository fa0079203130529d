"""Coupons, and the discounts that they give."""

from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import invalid_request
from devtools.stripe.metadata import updated_metadata
from devtools.stripe.objects import StripeObject


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
    """Count a use of the coupon in `discounts`, if there is one; returns what it takes off, in the currency's smallest unit."""
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
