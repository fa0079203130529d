"""Responses: no private fields, expanded objects, fewer fields for browsers, and pages of lists."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from devtools.stripe.account_state import AccountState
from devtools.stripe.wire_format import StripeObject, invalid_parameter, no_such_object, public_copy

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
_COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq}
_NOT_FILTERS = ("limit", "starting_after", "ending_before", "expand", "created")


def list_page(objects: Iterable[StripeObject], url: str, params: StripeObject) -> StripeObject:
    """Return a page of `objects`, which are newest first. Parameters besides those of paging are fields to compare."""
    limit = params.get("limit", DEFAULT_LIMIT)
    if limit > MAX_LIMIT:
        raise invalid_parameter(f"This value must be less than or equal to {MAX_LIMIT}.", param="limit", code="parameter_invalid_integer")
    if "starting_after" in params and "ending_before" in params:
        message = "You can only specify one of these parameters: starting_after, ending_before."
        raise invalid_parameter(message, param="starting_after")
    fields = {name: value for name, value in params.items() if name not in _NOT_FILTERS}
    matches = [obj for obj in objects if _matches(obj, fields, params.get("created", {}))]
    if "starting_after" in params:
        rest = matches[_index(matches, params, "starting_after") + 1 :]
        data, more = rest[:limit], len(rest) > limit
    elif "ending_before" in params:
        rest = matches[: _index(matches, params, "ending_before")]
        data, more = rest[-limit:], len(rest) > limit
    else:
        data, more = matches[:limit], len(matches) > limit
    return {"object": "list", "data": data, "has_more": more, "url": url}


def _matches(obj: StripeObject, fields: StripeObject, created: StripeObject) -> bool:
    for bound, at in created.items():  # the loops return early, because most objects of a long list are from another time
        if not _COMPARISONS[bound](obj["created"], at):
            return False
    return all(obj.get(name) == value for name, value in fields.items())


def _index(objects: list[StripeObject], params: StripeObject, name: str) -> int:
    for index, obj in enumerate(objects):
        if obj["id"] == params[name]:
            return index
    raise no_such_object("object", params[name], param=name, status=400)


MAX_EXPAND_DEPTH = 4

# Object -> field -> the table of the object that the field refers to.
EXPANDABLE_FIELDS = {
    "setup_intent": {"payment_method": "payment_method"},
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
EXPANDABLE_LISTS: dict[tuple[str, str], Callable[[AccountState, StripeObject], Any]] = {
    ("charge", "refunds"): lambda state, charge: _refunds_of(state, charge),
    ("checkout.session", "line_items"): lambda _, session: list_page(
        session["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items", {}
    ),
    ("tax.calculation", "line_items"): lambda _, calculation: list_page(
        calculation["_lines"], f"/v1/tax/calculations/{calculation['id']}/line_items", {}
    ),
    ("tax.calculation_line_item", "tax_breakdown"): lambda _, line: line["_parts"],
}
# Path of calls that change objects -> the object that they return.
RETURNED_OBJECTS = {
    "/v1/payment_intents": "payment_intent",
    "/v1/payment_methods": "payment_method",
    "/v1/setup_intents": "setup_intent",
    "/v1/checkout/sessions": "checkout.session",
    "/v1/refunds": "refund",
    "/v1/disputes": "dispute",
    "/v1/coupons": "coupon",
    "/v1/accounts": "account",
    "/v1/account_links": "account_link",
    "/v1/tax/locations": "tax.location",
    "/v1/tax/calculations": "tax.calculation",
}
# The fields of a payment intent that a browser with a publishable key and the client secret may see.
_BROWSER_FIELDS = (
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method client_secret "
    "confirmation_method created currency description last_payment_error livemode next_action payment_method payment_method_types "
    "processing receipt_email setup_future_usage shipping source status"
)
BROWSER_FIELDS = frozenset(_BROWSER_FIELDS.split())


def render(state: AccountState, obj: StripeObject, expand: list[str]) -> StripeObject:
    """Return the object as a response, with these paths expanded. Raises StripeApiError for a path that cannot be expanded."""
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
        kind = owner = RETURNED_OBJECTS[path.split("/:id")[0]]
        for name in expanded.split("."):
            if (kind, name) in EXPANDABLE_LISTS:
                kind, owner = "list", kind
            elif kind == "list" and name == "data":
                kind = "tax.calculation_line_item" if owner == "tax.calculation" else "refund"
            elif name in EXPANDABLE_FIELDS.get(kind, {}):
                kind = EXPANDABLE_FIELDS[kind][name]
            else:
                raise invalid_parameter(f"This property cannot be expanded ({expanded}).", param="expand")


def browser_view(intent: StripeObject) -> StripeObject:
    """Return the payment intent with the fields that browsers may see."""
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
