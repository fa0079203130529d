"""What the parser accepts, and how it binds operators."""

import pytest

from devtools.dynamodb_engine.syntax import Expression, Parser, names_and_values, resolve, value_at
from devtools.dynamodb_engine.values import ApiError


def tree(text):
    parser = Parser("ConditionExpression", text)
    node = parser.condition()
    parser.end()
    return node


def test_not_binds_before_and_and_before_or():
    a, b, c = (("attribute_exists", ("path", (name,))) for name in "xyz")
    text = "attribute_exists(x) OR NOT attribute_exists(y) AND attribute_exists(z)"
    assert tree(text) == ("or", a, ("and", ("not", b), c))


def test_paths():
    assert tree("#a.b[3].#c = :v") == ("=", ("path", ("#a", "b", 3, "#c")), ("value", ":v"))
    assert resolve(("#a", "b", 3), {"#a": "name"}) == ("name", "b", 3)
    item = {"name": {"M": {"b": {"L": [{"N": "1"}, {"N": "2"}]}}}}
    assert value_at(item, ("name", "b", 1)) == {"N": "2"}
    assert value_at(item, ("name", "b", 9)) is None
    assert value_at(item, ("name", "c", "d")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a =",
        "a = :v extra",
        "a == :v",
        "(a = :v",
        "((a = :v))",
        "a[x] = :v",
        "a. = :v",
        "_a = :v",
        "size(a)",
        "size(a, b) = :v",
        "unknown(a)",
        "attribute_exists(a) = :v",
        "a BETWEEN :v OR :w",
        "a IN :v",
        "status = :v",
        "list_append(a, b) = :v",
        "NOT " * 301 + "a = :v",
        "(" * 4096,
        "a = :v" + " " * 4096,
    ],
)
def test_refused_texts(text):
    with pytest.raises((ApiError, RecursionError)):
        tree(text)


def test_names_and_values_are_used_and_defined():
    parser = Parser("FilterExpression", "#a = :v")
    parser.condition()
    expression = Expression("FilterExpression", frozenset(parser.names), frozenset(parser.values), [])
    names, values = {"#a": "b"}, {":v": {"N": "1.0"}}
    given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    assert names_and_values(given, expression) == (names, {":v": {"N": "1"}})
    for wrong in (
        {},
        {**given, "ExpressionAttributeNames": {**names, "#c": "d"}},
        {**given, "ExpressionAttributeValues": {":w": {"N": "1"}}},
    ):
        with pytest.raises(ApiError):
            names_and_values(wrong, expression)
