"""Rows, conditions and updates in DynamoDB's wire format.

PynamoDB would build each expression from scratch, with an object for each part. Here a condition is DynamoDB's own text, with plain
attribute names and with operands as `:name`; it is parsed once and cached. `dynamo` builds writes from the arguments that this module
returns.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import AttributeNullError
from pynamodb.models import Model

Item = dict[str, dict[str, Any]]

_NAME = re.compile(r"(?<![:#\w])[a-z_]\w*(?![\w(])")  # keywords are upper case, operands begin with a colon, functions precede a bracket


class _Expression(NamedTuple):
    """The expressions that all writes of one shape have in common."""

    condition: str
    update: str
    names: dict[str, str]


def serialize_row(row: Model) -> Item:
    """Return all attributes of a row in wire format. Raises AttributeNullError if a required attribute is missing."""
    item, values = {}, row.attribute_values
    for name, attribute in type(row).get_attributes().items():
        value = values.get(name)
        serialized = None if value is None else _serialize(attribute, value)
        if serialized is not None:
            item[name] = serialized
        elif not attribute.null:
            raise AttributeNullError(name)
    return item


def serialize_key(row: Model) -> Item:
    """Return the key of a row in wire format."""
    values = row.attribute_values
    return {name: _serialize(attribute, values[name]) for name, attribute in _key_attributes(type(row))}


def deserialize_row(table: type[Model], item: Item) -> dict[str, Any]:
    """Return the values of a row's attributes by name, without the attributes that the item does not have."""
    values, attributes = {}, table.get_attributes()
    for name, typed in item.items():
        attribute = attributes.get(name)
        if attribute is None:
            continue
        kind = type(attribute)
        if kind is UnicodeAttribute and "S" in typed:
            values[name] = typed["S"]
        elif kind is NumberAttribute and "N" in typed and typed["N"].isdecimal():
            values[name] = int(typed["N"])
        elif "NULL" not in typed:
            values[name] = attribute.deserialize(attribute.get_value(typed))
    return values


def write_arguments(row: Model, condition: str, operands: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a put, a deletion or a check of a row, without the item or the key."""
    expression = _parse(type(row), condition)
    return _arguments(row, expression, {f":{name}": _serialize_operand(value) for name, value in operands.items()})


def update_arguments(
    row: Model,
    changes: Mapping[str, Any],
    initial: Mapping[str, Any],
    add: Mapping[str, Any],
    discard: Mapping[str, Any],
    condition: str,
    operands: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments of an update of a row, without the key."""
    values, attributes, removed = {}, type(row).get_attributes(), []
    for name, value in changes.items():
        if value is None:
            removed.append(name)
        else:
            values[f":new_{name}"] = _serialize(attributes[name], value)
    for name, value in initial.items():
        values[f":initial_{name}"] = _serialize(attributes[name], value)
    for name, value in add.items():
        values[f":added_{name}"] = _serialize(attributes[name], value)
    for name, value in discard.items():
        values[f":discarded_{name}"] = _serialize(attributes[name], value)
    for name, value in operands.items():
        values[f":{name}"] = _serialize_operand(value)
    expression = _parse(type(row), condition, (*changes,), (*removed,), (*initial,), (*add,), (*discard,))
    return _arguments(row, expression, values)


def _arguments(row: Model, expression: _Expression, values: Item) -> dict[str, Any]:
    arguments: dict[str, Any] = {"TableName": row.name()}  # type: ignore[attr-defined]
    if expression.update:
        arguments["UpdateExpression"] = expression.update
    if expression.condition:
        arguments["ConditionExpression"] = expression.condition
    if expression.names:
        arguments["ExpressionAttributeNames"] = expression.names
    if values:
        arguments["ExpressionAttributeValues"] = values
    return arguments


@lru_cache(maxsize=1024)
def _parse(
    table: type[Model],
    condition: str,
    changed: tuple[str, ...] = (),
    removed: tuple[str, ...] = (),
    initial: tuple[str, ...] = (),
    added: tuple[str, ...] = (),
    discarded: tuple[str, ...] = (),
) -> _Expression:
    """Return the expressions of a write of one shape. Each name has a placeholder, because some names are reserved words."""
    names: dict[str, str] = {}

    def placeholder(name: str) -> str:
        if name not in table.get_attributes():
            raise ValueError(f"{table.__name__} has no attribute {name!r}")
        names[f"#{name}"] = name
        return f"#{name}"

    clauses = {
        "SET": [
            *(f"{placeholder(name)} = :new_{name}" for name in changed if name not in removed),
            *(f"{placeholder(name)} = if_not_exists({placeholder(name)}, :initial_{name})" for name in initial),
        ],
        "REMOVE": [placeholder(name) for name in removed],
        "ADD": [f"{placeholder(name)} :added_{name}" for name in added],
        "DELETE": [f"{placeholder(name)} :discarded_{name}" for name in discarded],
    }
    update = " ".join(f"{keyword} {', '.join(parts)}" for keyword, parts in clauses.items() if parts)
    return _Expression(_NAME.sub(lambda name: placeholder(name[0]), condition), update, names)


@lru_cache(maxsize=128)
def _key_attributes(table: type[Model]) -> list[tuple[str, Attribute[Any]]]:
    return [(name, attribute) for name, attribute in table.get_attributes().items() if attribute.is_hash_key or attribute.is_range_key]


def _serialize(attribute: Attribute[Any], value: Any) -> Any:
    """Return a value in wire format. Returns None for an empty set, because DynamoDB has no empty sets."""
    kind = type(attribute)
    if kind is UnicodeAttribute:
        return {"S": value}
    if kind is NumberAttribute and type(value) is int:
        return {"N": str(value)}
    serialized = attribute.serialize(value)
    return None if serialized is None else {attribute.attr_type: serialized}


def _serialize_operand(value: Any) -> dict[str, Any]:
    """Return a string, an integer or a boolean in wire format."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    raise TypeError(f"an operand is a string, an integer or a boolean, not {type(value).__name__}")
