"""Objects as responses: without the fake's own fields, with the objects that `expand` requests, and with fewer fields for browsers."""

from collections.abc import Callable
from typing import Any

from devtools.stripe.account_state import AccountState
from devtools.stripe.errors import invalid_parameter
from devtools.stripe.objects import StripeObject, public_copy
from devtools.stripe.pagination import list_page

MAX_EXPAND_DEPTH = 4

# Object -> field -> the table of the object whose id the field has.
EXPANDABLE_FIELDS = {
    "payment_intent": {"latest_charge": "charge", "payment_method": "payment_method"},
    "charge": {
        "payment_intent": "payment_intent",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
    "refund": {
        "charge": "charge",
        "payment_intent": "payment_intent",
        "payment_method": "payment_method",
        "balance_transaction": "balance_transaction",
        "failure_balance_transaction": "balance_transaction",
    },
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "checkout.session": {"payment_intent": "payment_intent"},
    "payout": {"balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction"},
    "price": {"product": "product"},
}
# Lists that are left out unless they are expanded.
EXPANDABLE_LISTS: dict[tuple[str, str], Callable[[AccountState, StripeObject], StripeObject]] = {
    ("charge", "refunds"): lambda state, charge: _refunds_of(state, charge),
    ("checkout.session", "line_items"): lambda _, session: list_page(
        session["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items", {}
    ),
}
# Path of the calls that change something -> the object that they return.
RETURNED_OBJECTS = {
    "/v1/payment_intents": "payment_intent",
    "/v1/payment_methods": "payment_method",
    "/v1/checkout/sessions": "checkout.session",
    "/v1/refunds": "refund",
    "/v1/disputes": "dispute",
    "/v1/coupons": "coupon",
}
# The fields of a payment intent that a browser with a publishable key and the client secret may see.
_BROWSER_FIELDS = (
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method client_secret "
    "confirmation_method created currency description last_payment_error livemode next_action payment_method payment_method_types "
    "processing receipt_email setup_future_usage shipping source status"
)
BROWSER_FIELDS = frozenset(_BROWSER_FIELDS.split())


def render(state: AccountState, obj: StripeObject, expand: list[str]) -> StripeObject:
    """The object as a response, with these paths expanded. Raises StripeApiError for a path that cannot be expanded."""
    rendered: StripeObject = public_copy(obj)
    for path in expand:
        parts = path.split(".")
        if len(parts) > MAX_EXPAND_DEPTH:
            raise invalid_parameter(
                f"You cannot expand more than {MAX_EXPAND_DEPTH} levels of a property. Property: {path}", param="expand"
            )
        _expand(state, rendered, parts, path)
    return rendered


def check_expand(path: str, expand: list[str]) -> None:
    """Raise StripeApiError, before a call is executed, for paths that never exist in the object that it returns."""
    for expanded in expand:
        kind = RETURNED_OBJECTS[path.split("/:id")[0]]
        for name in expanded.split("."):
            if (kind, name) in EXPANDABLE_LISTS:
                kind = "list"
            elif kind == "list" and name == "data":
                kind = "refund"
            elif name in EXPANDABLE_FIELDS.get(kind, {}):
                kind = EXPANDABLE_FIELDS[kind][name]
            else:
                raise invalid_parameter(f"This property cannot be expanded ({expanded}).", param="expand")


def browser_view(intent: StripeObject) -> StripeObject:
    """The payment intent with the fields that a browser may see."""
    return {name: value for name, value in public_copy(intent).items() if name in BROWSER_FIELDS}


def _expand(state: AccountState, rendered: StripeObject, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    if rendered.get("object") == "list" and name == "data" and rest:
        for element in rendered["data"]:
            _expand(state, element, rest, path)
        return
    kind = rendered.get("object", "")
    if (kind, name) in EXPANDABLE_LISTS:
        if name not in rendered:
            # The stored object has fields that the rendered one lacks.
            rendered[name] = public_copy(EXPANDABLE_LISTS[kind, name](state, state.get(kind, rendered["id"])))
    elif name not in EXPANDABLE_FIELDS.get(kind, {}):
        raise invalid_parameter(f"This property cannot be expanded ({path}).", param="expand")
    value: Any = rendered[name]
    if isinstance(value, str):
        value = rendered[name] = public_copy(state.get(EXPANDABLE_FIELDS[kind][name], value))
    if rest and isinstance(value, dict):
        _expand(state, value, rest, path)


def _refunds_of(state: AccountState, charge: StripeObject) -> StripeObject:
    refunds = [refund for refund in state.newest_first("refund") if refund["charge"] == charge["id"]]
    return list_page(refunds, f"/v1/charges/{charge['id']}/refunds", {})
