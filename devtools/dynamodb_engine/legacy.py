"""The parameters that came before expressions: Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, AttributesToGet."""

import operator
from collections.abc import Callable
from typing import Any

from devtools.dynamodb_engine.expressions import at_most, begins_with, contains, ordered
from devtools.dynamodb_engine.syntax import Path
from devtools.dynamodb_engine.values import SETS, Item, Value, add_numbers, check_value, described, invalid, invalid_parameter, type_of

_PARAMETERS = frozenset(
    ("Expected", "AttributeUpdates", "KeyConditions", "QueryFilter", "ScanFilter", "AttributesToGet", "ConditionalOperator")
)
_EXPRESSIONS = ("UpdateExpression", "ConditionExpression", "KeyConditionExpression", "FilterExpression", "ProjectionExpression")

_COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "EQ": operator.eq,
    "NE": operator.ne,
    "LE": at_most,
    "LT": ordered(operator.lt),
    "GE": ordered(operator.ge),
    "GT": ordered(operator.gt),
    "CONTAINS": contains,
    "NOT_CONTAINS": lambda value, part: not contains(value, part),
    "BEGINS_WITH": begins_with,
}
_COUNTS = {"NULL": 0, "NOT_NULL": 0, "BETWEEN": 2}
_SCALARS = frozenset("SNB")
_TYPES = {**dict.fromkeys(("LE", "LT", "GE", "GT", "BETWEEN", "IN", "CONTAINS", "NOT_CONTAINS"), _SCALARS), "BEGINS_WITH": frozenset("SB")}
_KEY_OPERATORS = {"EQ": "=", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">", "BETWEEN": "between", "BEGINS_WITH": "begins_with"}


def check_mixing(request: dict[str, Any]) -> None:
    """Raise ApiError if a request has both expressions and older parameters."""
    if _PARAMETERS.isdisjoint(request):
        return
    if used := [name for name in _EXPRESSIONS if name in request]:
        older = sorted(_PARAMETERS & request.keys())
        raise invalid(
            "Can not use both expression and non-expression parameters in the same request: "
            f"Non-expression parameters: {{{', '.join(older)}}} Expression parameters: {{{', '.join(used)}}}"
        )
    if "ConditionalOperator" in request and not any(request.get(name) for name in ("Expected", "QueryFilter", "ScanFilter")):
        raise invalid("ConditionalOperator cannot be used without Filter or Expected")


def expected(request: dict[str, Any], parameter: str = "Expected") -> Callable[[Item], bool]:
    """The test that Expected, QueryFilter or ScanFilter makes."""
    tests = [_expectation(name, condition) for name, condition in (request.get(parameter) or {}).items()]
    if not tests:
        return lambda _: True
    combine = any if request.get("ConditionalOperator") == "OR" else all
    return lambda item: combine(test(item) for test in tests)


def _expectation(name: str, condition: dict[str, Any]) -> Callable[[Item], bool]:
    comparison, operands = condition.get("ComparisonOperator"), condition.get("AttributeValueList")
    if comparison is not None:
        if "Value" in condition or "Exists" in condition:
            raise invalid_parameter(f"Value or Exists cannot be used with ComparisonOperator or AttributeValueList for Attribute: {name}")
        return _comparison(name, comparison, check_operands(comparison, operands or []))
    if operands is not None:
        raise invalid_parameter(f"AttributeValueList can only be used with a ComparisonOperator for Attribute: {name}")
    value = condition.get("Value")
    if value is not None:
        check_value(value)
    if condition.get("Exists") is False:
        if value is not None:
            raise invalid_parameter(f"Value cannot be used when Exists is set to false for Attribute: {name}")
        return lambda item: name not in item
    if value is None:
        raise invalid_parameter(
            f"Value must be provided when Exists is {'true' if 'Exists' in condition else 'null'} for Attribute: {name}"
        )
    return lambda item: item.get(name) == value


def check_operands(comparison: str, operands: list[Value]) -> list[Value]:
    """The operands of a comparison in canonical form. Raises ApiError if they do not fit it."""
    for value in operands:
        check_value(value)
    wanted = _COUNTS.get(comparison, 1)
    if len(operands) < 1 if comparison == "IN" else len(operands) != wanted:
        raise invalid_parameter(f"Invalid number of argument(s) for the {comparison} ComparisonOperator")
    allowed = _TYPES.get(comparison)
    for value in operands:
        if allowed is not None and type_of(value) not in allowed:
            raise invalid_parameter(f"ComparisonOperator {comparison} is not valid for {type_of(value)} AttributeValue type")
    if comparison == "BETWEEN":
        low, high = operands
        if low.keys() != high.keys():
            raise invalid_parameter("AttributeValues inside AttributeValueList must all be of the same type")
        if not at_most(low, high):
            raise invalid(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound; "
                f"lower bound operand: AttributeValue: {described(low)}, upper bound operand: AttributeValue: {described(high)}"
            )
    if comparison == "IN" and len({type_of(value) for value in operands}) > 1:
        raise invalid_parameter("AttributeValues inside AttributeValueList must all be of the same type")
    return operands


def _comparison(name: str, comparison: str, operands: list[Value]) -> Callable[[Item], bool]:
    if comparison in ("NULL", "NOT_NULL"):
        return lambda item: (name in item) == (comparison == "NOT_NULL")
    if comparison == "IN":
        return lambda item: item.get(name) in operands
    if comparison == "BETWEEN":
        return lambda item: name in item and at_most(operands[0], item[name]) and at_most(item[name], operands[1])
    compare, operand = _COMPARISONS[comparison], operands[0]
    return lambda item: compare(item[name], operand) if name in item else comparison == "NE"


def key_conditions(request: dict[str, Any]) -> dict[str, tuple[str, list[Value]]]:
    """Attribute -> the comparison and its operands, as KeyConditions has them."""
    conditions = {}
    for name, condition in request["KeyConditions"].items():
        comparison = condition.get("ComparisonOperator", "")
        if comparison not in _KEY_OPERATORS:
            raise invalid_parameter(f"Attempted conditional constraint is not an indexable operation: {comparison}")
        conditions[name] = _KEY_OPERATORS[comparison], check_operands(comparison, condition.get("AttributeValueList") or [])
    return conditions


def attributes_to_get(request: dict[str, Any]) -> list[Path] | None:
    names = request.get("AttributesToGet")
    if names is None:
        return None
    if len(set(names)) < len(names):
        raise invalid_parameter(f"Duplicate value in attribute name: {next(name for name in names if names.count(name) > 1)}")
    return [(name,) for name in names]


def creates_item(request: dict[str, Any]) -> bool:
    """Whether AttributeUpdates create a missing item: they do not if they only delete."""
    updates = request.get("AttributeUpdates")
    return not updates or any(update.get("Action", "PUT") != "DELETE" for update in updates.values())


def apply_attribute_updates(updates: dict[str, Any], new: Item) -> list[Path]:
    """Apply AttributeUpdates to an item; returns the paths that were updated."""
    for name, update in updates.items():
        action, value = update.get("Action", "PUT"), update.get("Value")
        if value is not None:
            check_value(value)
        elif action != "DELETE":
            raise invalid_parameter(f"Only DELETE action is allowed when no attribute value is specified: {name}")
        existing = new.get(name)
        if action == "PUT":
            new[name] = value
        elif action == "DELETE" and value is None:
            new.pop(name, None)
        else:
            _combine(new, name, action, existing, value)
    return [(name,) for name in updates]


def _combine(new: Item, name: str, action: str, existing: Value | None, value: Value) -> None:
    ((kind, content),) = value.items()
    if kind not in (SETS if action == "DELETE" else ("N", "L", *SETS)):
        raise invalid_parameter(f"{action} action is not supported for the type {kind}")
    if existing is None:
        if action == "ADD":
            new[name] = value
        return
    if kind not in existing:
        raise invalid("Type mismatch for attribute to update")
    if kind == "N":
        new[name] = {"N": add_numbers(existing["N"], content)}
    elif kind == "L":
        new[name] = {"L": existing["L"] + content}
    elif members := sorted({*existing[kind], *content} if action == "ADD" else set(existing[kind]) - set(content)):
        new[name] = {kind: members}
    else:
        del new[name]
