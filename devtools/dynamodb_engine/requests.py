"""Checks of requests against botocore's model of the service: what must be there, types, lengths, enumerations.

Attribute values are left to `values`, which checks them together with their contents.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
from botocore.model import Shape

from devtools.dynamodb_engine.values import invalid, malformed

Checker = Callable[[Any, str], None]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "map": (dict,),
    "structure": (dict,),
    "list": (list,),
}


@cache
def validator(operation: str) -> Callable[[dict[str, Any]], None]:
    """The function that raises ApiError if a request of this operation is not valid."""
    session = botocore.session.get_session()
    service = session.get_service_model("dynamodb")
    if operation not in service.operation_names:
        service = session.get_service_model("dynamodbstreams")
    shape = service.operation_model(operation).input_shape
    check = _structure(shape, {}) if shape is not None else lambda *_: None
    return lambda request: check(request, "")


def _checker(shape: Shape, known: dict[str, Checker]) -> Checker | None:
    """The function that checks a value of this shape; None if there is nothing to check."""
    if shape.name == "AttributeValue":
        return None
    if shape.name not in known:
        known[shape.name] = lambda value, path: known[shape.name](value, path)  # a shape may contain itself
        if shape.type_name == "structure":
            known[shape.name] = _structure(shape, known)
        elif shape.type_name == "list":
            known[shape.name] = _container(shape, _checker(shape.member, known))  # type: ignore[attr-defined]
        elif shape.type_name == "map":
            known[shape.name] = _container(shape, _checker(shape.value, known))  # type: ignore[attr-defined]
        else:
            known[shape.name] = _scalar(shape)
    return known[shape.name]


def _structure(shape: Any, known: dict[str, Checker]) -> Checker:
    checkers = {name: _checker(member, known) for name, member in shape.members.items()}
    required = frozenset(shape.required_members)
    present = {name: check for name, check in checkers.items() if check is not None}

    def check(value: Any, path: str) -> None:
        if type(value) is not dict:
            raise malformed(f"Unexpected value type in payload at '{path}'")
        if not required <= value.keys():
            _fail("null", _member(path, min(required - value.keys())), "Member must not be null")
        for name, member in value.items():
            checker = present.get(name)
            if checker is not None:
                checker(member, name if not path else _member(path, name))

    return check


def _member(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _container(shape: Any, inner: Checker | None) -> Checker:
    expected: Any = list if shape.type_name == "list" else dict
    check_length = _bounds(shape, len, "length")

    def check(value: Any, path: str) -> None:
        if type(value) is not expected:
            raise malformed(f"Unexpected value type in payload at '{path}'")
        if check_length is not None:
            check_length(value, path)
        if inner is not None:
            members: Any = enumerate(value, 1) if expected is list else value.items()
            for name, member in members:
                inner(member, f"{path}.{name}.member")

    return check


def _scalar(shape: Any) -> Checker:
    types = _TYPES.get(shape.type_name, (object,))
    values = shape.metadata.get("enum")
    check_bounds = _bounds(shape, len if types == (str,) else int, "length" if types == (str,) else "value")

    def check(value: Any, path: str) -> None:
        if type(value) not in types:
            raise malformed(f"Unexpected value type in payload at '{path}'")
        if values is not None and value not in values:
            _fail(f"'{value}'", path, f"Member must satisfy enum value set: [{', '.join(values)}]")
        if check_bounds is not None:
            check_bounds(value, path)

    return check


def _bounds(shape: Any, measure: Callable[[Any], int], what: str) -> Checker | None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is None and high is None:
        return None

    def check(value: Any, path: str) -> None:
        size = measure(value)
        if low is not None and size < low:
            _fail(f"'{value}'", path, f"Member must have {what} greater than or equal to {low}")
        if high is not None and size > high:
            _fail(f"'{value}'" if size < 1000 else "", path, f"Member must have {what} less than or equal to {high}")

    return check


def _fail(value: str, path: str, constraint: str) -> None:
    path = path[:1].lower() + path[1:]
    raise invalid(f"1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: {constraint}")
