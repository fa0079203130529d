"""Checks and sizes of attribute values: MiniStack's functions, for the values that nearly all requests have.

Each function here does for plain values what the function of MiniStack with the same name does, without generators and second passes, and
leaves every other value to it: faults, binaries, sets. They are all called several times for each value of a request.
"""

from functools import lru_cache
from typing import Any

from devtools.dynamodb.pure_functions import CACHE_SIZE, ddb

_MAX_DEPTH: int = ddb._DDB_MAX_NESTING_DEPTH
_OTHER_FIELDS = ("AttributeUpdates", "Expected", "KeyConditions", "QueryFilter")
_FIELDS_OF_VALUES = ("Item", "Key", "ExclusiveStartKey", "ExpressionAttributeValues")

# Without a check of the type: they are called for strings only.
canonical_number = lru_cache(CACHE_SIZE)(ddb._ddb_canonicalize_number)
_number_error = lru_cache(CACHE_SIZE)(ddb._number_error)
number_size = lru_cache(CACHE_SIZE)(ddb._number_size_bytes)


def attribute_value_size(value: Any) -> int:
    """The size of a value in bytes, as DynamoDB counts it."""
    if type(value) is not dict or len(value) != 1:
        return 0
    ((kind, content),) = value.items()
    if kind == "S" and type(content) is str:
        return len(content) if content.isascii() else len(content.encode())
    if kind == "N" and type(content) is str:
        size_of_number: int = number_size(content)
        return size_of_number
    if kind == "M" and type(content) is dict:
        total = 3 + len(content)
        for name, member in content.items():
            total += (len(name) if name.isascii() else len(name.encode())) + attribute_value_size(member)
        return total
    if kind == "L" and type(content) is list:
        total = 3
        for member in content:
            if type(member) is dict:
                total += 1 + attribute_value_size(member)
        return total
    size: int = ddb._attribute_value_size(value)
    return size


def item_size_bytes(item: Any) -> int:
    """The size of an item in bytes."""
    if type(item) is not dict:
        return 0
    total = len("".join(item).encode())
    for value in item.values():
        text = value.get("S") if type(value) is dict and len(value) == 1 else None
        total += len(text.encode()) if type(text) is str else attribute_value_size(value)
    return total


def validate_attribute_value(name: str, value: Any, depth: int = 1) -> Any:
    """The response to a value that DynamoDB refuses, else None. Numbers in the value are brought into their shortest form."""
    if depth <= _MAX_DEPTH and type(value) is dict and len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "S" and type(content) is str:
            return None
        if kind == "N" and type(content) is str:
            canonical = canonical_number(content)
            if canonical is not None:
                if canonical != content:
                    value["N"] = canonical
                return None
        elif (members := _members(kind, content)) is not None:
            for member in members:
                refusal = validate_attribute_value(name, member, depth + 1)
                if refusal:
                    return refusal
            return None
    return ddb._validate_attribute_value(name, value, depth)


def nesting_level(value: Any, depth: int = 1) -> int:
    """The level of the deepest leaf of a value, which is itself at level `depth`."""
    if type(value) is not dict or len(value) != 1:
        return depth
    ((kind, content),) = value.items()
    if kind != "M" and kind != "L":
        return depth
    deepest = depth
    for member in _members(kind, content) or ():
        deepest = max(deepest, nesting_level(member, depth + 1))
    return deepest


def nesting_exceeded(value: Any, depth: int = 1) -> bool:
    """Whether a value, which is itself at level `depth`, is nested too deeply."""
    if depth > _MAX_DEPTH:
        return True
    if type(value) is not dict or len(value) != 1:
        return False
    ((kind, content),) = value.items()
    members = _members(kind, content) if kind == "M" or kind == "L" else None
    return members is not None and any(nesting_exceeded(member, depth + 1) for member in members)


def request_values(request: dict[str, Any]) -> list[Any]:
    """All values of a request or of an action of a transaction."""
    for field in _OTHER_FIELDS:
        if field in request:
            values: list[Any] = ddb._request_values(request)
            return values
    values = []
    for field in _FIELDS_OF_VALUES:
        container = request.get(field)
        if type(container) is dict:
            values += container.values()
    return values


def values_error_response(values: Any, envelope: bool) -> Any:
    """The response to the first value with a bad number or a repeated member of a set, else None."""
    for value in values:
        if not _is_flawless(value):
            refusal = ddb._values_error_response((value,), envelope)
            if refusal:
                return refusal
    return None


def _is_flawless(value: Any) -> bool:
    """Whether a value surely has neither a bad number nor a repeated member of a set."""
    if type(value) is dict and len(value) == 1:
        ((kind, content),) = value.items()
        if kind == "S" or kind == "BOOL":
            return True
        if kind == "N":
            return type(content) is str and _number_error(content) is None
        members = _members(kind, content)
        return members is not None and all(map(_is_flawless, members))
    return False


def _members(kind: str, content: Any) -> Any:
    """The members of a map or of a list; None for all other values."""
    if kind == "M" and type(content) is dict:
        return content.values()
    return content if kind == "L" and type(content) is list else None


REPLACEMENTS = {
    "_attribute_value_size": attribute_value_size,
    "_item_size_bytes": item_size_bytes,
    "_nesting_exceeded": nesting_exceeded,
    "_nesting_level": nesting_level,
    "_request_values": request_values,
    "_validate_attribute_value": validate_attribute_value,
    "_values_error_response": values_error_response,
}
