"""Lists: newest first, filtered, one page at a time."""

import operator
from collections.abc import Iterable

from devtools.stripe.errors import invalid_parameter, no_such_object
from devtools.stripe.objects import StripeObject

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
_COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq}
_NOT_FILTERS = ("limit", "starting_after", "ending_before", "expand", "created")


def list_page(objects: Iterable[StripeObject], url: str, params: StripeObject) -> StripeObject:
    """A page of `objects`, which are newest first. A parameter that is not about paging is a field that must be equal."""
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
    return all(obj.get(name) == value for name, value in fields.items()) and all(
        _COMPARISONS[bound](obj["created"], at) for bound, at in created.items()
    )


def _index(objects: list[StripeObject], params: StripeObject, name: str) -> int:
    for index, obj in enumerate(objects):
        if obj["id"] == params[name]:
            return index
    raise no_such_object("object", params[name], param=name, status=400)
