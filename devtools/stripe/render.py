"""Objects as answers: without the fake's own fields, with what `expand` asks for, and less of it for browsers."""

from collections.abc import Callable
from typing import Any

from devtools.stripe.errors import Obj, malformed
from devtools.stripe.events import public
from devtools.stripe.listing import page
from devtools.stripe.state import State

MAX_DEPTH = 4

# object -> field -> the table that its id is in.
LINKS = {
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
}
# Lists that are left out unless asked for.
LISTS: dict[tuple[str, str], Callable[[State, Obj], Obj]] = {
    ("charge", "refunds"): lambda state, charge: _refunds(state, charge),
    ("checkout.session", "line_items"): lambda _, session: page(session["_lines"], f"/v1/checkout/sessions/{session['id']}/line_items", {}),
}
# What the calls that change something answer with.
MADE_BY = {
    "/v1/payment_intents": "payment_intent",
    "/v1/payment_methods": "payment_method",
    "/v1/checkout/sessions": "checkout.session",
    "/v1/refunds": "refund",
    "/v1/disputes": "dispute",
    "/v1/coupons": "coupon",
}
# What a browser with a publishable key and the client secret may see of a payment intent.
_FOR_BROWSERS = (
    "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason capture_method client_secret "
    "confirmation_method created currency description last_payment_error livemode next_action payment_method payment_method_types "
    "processing receipt_email setup_future_usage shipping source status"
)
FOR_BROWSERS = frozenset(_FOR_BROWSERS.split())


def answer(state: State, obj: Obj, expand: list[str]) -> Obj:
    """Raises ApiError for paths that can't be expanded."""
    shown: Obj = public(obj)
    for path in expand:
        parts = path.split(".")
        if len(parts) > MAX_DEPTH:
            raise malformed(f"You cannot expand more than {MAX_DEPTH} levels of a property. Property: {path}", param="expand")
        _expand(state, shown, parts, path)
    return shown


def check(path: str, expand: list[str]) -> None:
    """Before a call does its work: raises ApiError for what can never be expanded in the object that `path` changes."""
    for wanted in expand:
        kind = MADE_BY[path.split("/:id")[0]]
        for name in wanted.split("."):
            if (kind, name) in LISTS:
                kind = "list"
            elif kind == "list" and name == "data":
                kind = "refund"
            elif name in LINKS.get(kind, {}):
                kind = LINKS[kind][name]
            else:
                raise malformed(f"This property cannot be expanded ({wanted}).", param="expand")


def for_browser(intent: Obj) -> Obj:
    shown = public(intent)
    return {name: value for name, value in shown.items() if name in FOR_BROWSERS}


def _expand(state: State, shown: Obj, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    if shown.get("object") == "list" and name == "data" and rest:
        for one in shown["data"]:
            _expand(state, one, rest, path)
        return
    kind = shown.get("object", "")
    if (kind, name) in LISTS:
        if name not in shown:
            # The stored object knows more than what is shown of it.
            shown[name] = public(LISTS[kind, name](state, state.get(kind, shown["id"])))
    elif name not in LINKS.get(kind, {}):
        raise malformed(f"This property cannot be expanded ({path}).", param="expand")
    value: Any = shown[name]
    if isinstance(value, str):
        value = shown[name] = public(state.get(LINKS[kind][name], value))
    if rest and isinstance(value, dict):
        _expand(state, value, rest, path)


def _refunds(state: State, charge: Obj) -> Obj:
    made = [refund for refund in state.newest_first("refund") if refund["charge"] == charge["id"]]
    return page(made, f"/v1/charges/{charge['id']}/refunds", {})
