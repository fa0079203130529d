"""Stripe objects in wire format. Fields whose name begins with `_` are the fake's own and never leave it."""

import copy
from typing import Any

StripeObject = dict[str, Any]


def public_copy(value: Any) -> Any:
    """A copy without the fake's own fields, at any depth."""
    if isinstance(value, dict):
        return {name: public_copy(inner) for name, inner in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [public_copy(inner) for inner in value]
    return copy.copy(value)
