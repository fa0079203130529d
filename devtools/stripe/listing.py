"""Lists: newest first, filtered, a page at a time."""

import operator
from collections.abc import Iterable

from devtools.stripe.errors import Obj, malformed, missing

DEFAULT_LIMIT = 10
MAX_LIMIT = 100
_COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq}
_PAGING = ("limit", "starting_after", "ending_before", "expand", "created")


def page(objects: Iterable[Obj], url: str, given: Obj) -> Obj:
    """`objects` newest first. Every parameter that is not about paging is a field that must be equal."""
    limit = given.get("limit", DEFAULT_LIMIT)
    if limit > MAX_LIMIT:
        raise malformed(f"This value must be less than or equal to {MAX_LIMIT}.", param="limit", code="parameter_invalid_integer")
    if "starting_after" in given and "ending_before" in given:
        raise malformed("You can only specify one of these parameters: starting_after, ending_before.", param="starting_after")
    fields = {name: value for name, value in given.items() if name not in _PAGING}
    found = [one for one in objects if _matches(one, fields, given.get("created", {}))]
    if "starting_after" in given:
        rest = found[_position(found, given, "starting_after") + 1 :]
        data, more = rest[:limit], len(rest) > limit
    elif "ending_before" in given:
        rest = found[: _position(found, given, "ending_before")]
        data, more = rest[-limit:], len(rest) > limit
    else:
        data, more = found[:limit], len(found) > limit
    return {"object": "list", "data": data, "has_more": more, "url": url}


def _matches(one: Obj, fields: Obj, created: Obj) -> bool:
    return all(one.get(name) == value for name, value in fields.items()) and all(
        _COMPARE[bound](one["created"], at) for bound, at in created.items()
    )


def _position(found: list[Obj], given: Obj, name: str) -> int:
    for index, one in enumerate(found):
        if one["id"] == given[name]:
            return index
    raise missing("object", given[name], param=name, status=400)
