"""Conditions as functions: each text is read once, not at every call.

Compiled are comparisons, also of size(), attribute_exists, attribute_not_exists, and contains() of a text, with AND, OR, NOT and
parentheses around them. All other conditions, those with a fault, and those that meet an odd value, are evaluated by MiniStack, which also
words all errors.
"""

import operator
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any

from devtools.dynamodb.changes import Item
from devtools.dynamodb.expression_tokens import Cursor, Names, NotCompilable, Values, get_at_path
from devtools.dynamodb.pure_functions import CACHE_SIZE, ddb

Test = Callable[[Item, Values, Names], bool]
Operand = Callable[[Item, Values, Names], Any]

_COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate_condition(text: Any, item: Item, values: Values, names: Names, slot: str = "ConditionExpression") -> bool:
    """Whether the item meets the condition. Raises ValueError with DynamoDB's message for a condition with a fault."""
    test = compile_condition(text) if type(text) is str else None
    if test is not None:
        try:
            return test(item, values, names)
        except Exception:  # MiniStack says what is wrong
            pass
    result: bool = ddb._evaluate_condition(text, item, values, names, slot)
    return result


@lru_cache(CACHE_SIZE)
def compile_condition(text: str) -> Test | None:
    """The condition as a function; None if MiniStack must evaluate it."""
    tokens = ddb._tokenize(text)
    if ddb._check_redundant_parens(tokens) or ddb._check_reserved_keyword_usage(tokens) or ddb._condition_syntax_error(text, ""):
        return None
    cursor = Cursor(tokens)
    try:
        test = _disjunction(cursor)
        cursor.take("EOF")
    except NotCompilable:
        return None
    return test


def expression_attributes_error(request: dict[str, Any], fields: tuple[str, ...], wording: Any = "figure") -> Any:
    """The response to expressions that are too long, or that do not use exactly the names and values of the request; else None."""
    values, names = request.get("ExpressionAttributeValues"), request.get("ExpressionAttributeNames")
    texts = tuple(request.get(field) for field in fields)
    are_plain = all(type(mapping) in (dict, NoneType) for mapping in (values, names)) and all(
        type(text) in (str, NoneType) for text in texts
    )
    if are_plain and _uses_exactly(texts, fields, None if values is None else tuple(values), None if names is None else tuple(names)):
        return None
    return ddb._validate_expression_attrs(request, fields, wording)


@lru_cache(CACHE_SIZE)
def _uses_exactly(texts: tuple[Any, ...], fields: tuple[str, ...], values: tuple[Any, ...] | None, names: tuple[Any, ...] | None) -> bool:
    request: dict[str, Any] = dict(zip(fields, texts, strict=True))
    for field, keys in (("ExpressionAttributeValues", values), ("ExpressionAttributeNames", names)):
        if keys is not None:
            request[field] = dict.fromkeys(keys)
    return ddb._validate_expression_attrs(request, fields) is None


# Both sides of AND and OR are always evaluated, as MiniStack does, so that a fault on the right is found whatever the left is.


def _disjunction(cursor: Cursor) -> Test:
    left = _conjunction(cursor)
    while cursor.keyword == "OR":
        cursor.take("IDENT")
        left = _both(left, _conjunction(cursor), operator.or_)
    return left


def _conjunction(cursor: Cursor) -> Test:
    left = _negation(cursor)
    while cursor.keyword == "AND":
        cursor.take("IDENT")
        left = _both(left, _negation(cursor), operator.and_)
    return left


def _both(left: Test, right: Test, combine: Callable[[bool, bool], bool]) -> Test:
    return lambda item, values, names: combine(left(item, values, names), right(item, values, names))


def _negation(cursor: Cursor) -> Test:
    if cursor.keyword == "NOT":
        cursor.take("IDENT")
        negated = _negation(cursor)
        return lambda item, values, names: not negated(item, values, names)
    if cursor.take_if("LPAREN"):
        inner = _disjunction(cursor)
        cursor.take("RPAREN")
        return inner
    if cursor.function.startswith("attribute_"):
        return _existence(cursor)
    return _containment(cursor) if cursor.function == "contains" else _comparison(cursor)


def _existence(cursor: Cursor) -> Test:
    function = cursor.function
    if function not in ("attribute_exists", "attribute_not_exists"):
        raise NotCompilable
    cursor.take("IDENT")
    cursor.take("LPAREN")
    path = cursor.take_path()
    cursor.take("RPAREN")
    if function == "attribute_exists":
        return lambda item, _values, names: get_at_path(item, path(names)) is not None
    return lambda item, _values, names: get_at_path(item, path(names)) is None


def _containment(cursor: Cursor) -> Test:
    cursor.take("IDENT")
    cursor.take("LPAREN")
    path = cursor.take_path()
    cursor.take("COMMA")
    reference = cursor.take("VALUE_REF")
    cursor.take("RPAREN")

    def test(item: Item, values: Values, names: Names) -> bool:
        container, member = get_at_path(item, path(names)), values.get(reference)
        if container is None or member is None:
            return False
        for kind in ("SS", "S"):
            if kind in container and "S" in member:
                return member["S"] in container[kind]
        raise TypeError("no set of texts and no text")

    return test


def _comparison(cursor: Cursor) -> Test:
    left = _operand(cursor)
    text = cursor.take("EQ", "NE", "LT", "LE", "GT", "GE")
    right = _operand(cursor)
    compare = _COMPARATORS[text]

    def test(item: Item, values: Values, names: Names) -> bool:
        one, other = left(item, values, names), right(item, values, names)
        if type(one) is dict and type(other) is dict and len(one) == len(other) == 1:
            if "S" in one and "S" in other:
                return compare(one["S"], other["S"])
            if "N" in one and "N" in other:
                return compare(Decimal(one["N"]), Decimal(other["N"]))
        result: bool = ddb._compare_ddb(one, text, other)
        return result

    return test


def _operand(cursor: Cursor) -> Operand:
    if cursor.function:
        return _size(cursor)
    reference = cursor.take_if("VALUE_REF")
    if reference is not None:
        return lambda _item, values, _names: values.get(reference)
    path = cursor.take_path()
    return lambda item, _values, names: get_at_path(item, path(names))


def _size(cursor: Cursor) -> Operand:
    if cursor.function != "size":
        raise NotCompilable
    cursor.take("IDENT")
    cursor.take("LPAREN")
    path = cursor.take_path()
    cursor.take("RPAREN")

    def measure(item: Item, values: Values, names: Names) -> Any:  # noqa: ARG001
        value = get_at_path(item, path(names))
        return None if value is None else {"N": str(ddb._ddb_size(value))}

    return measure


REPLACEMENTS = {"_evaluate_condition": evaluate_condition, "_validate_expression_attrs": expression_attributes_error}
