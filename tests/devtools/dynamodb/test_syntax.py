"""What the parser accepts, and how it binds operators."""

import pytest

from devtools.dynamodb.expressions import compile_expressions
from devtools.dynamodb.syntax import Parser, value_at
from devtools.dynamodb.values import ApiError


def tree(text, names=None):
    parser = Parser("ConditionExpression", text, names or {})
    node = parser.condition()
    assert parser.token == ""
    return node


def test_not_binds_before_and_and_before_or():
    a, b, c = (("attribute_exists", ("path", (name,))) for name in "xyz")
    text = "attribute_exists(x) OR NOT attribute_exists(y) AND attribute_exists(z)"
    assert tree(text) == ("or", a, ("and", ("not", b), c))


def test_paths():
    assert tree("#a.b[3].#c = :v", {"#a": "name", "#c": "x y"}) == ("=", ("path", ("name", "b", 3, "x y")), ("value", ":v"))
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
        "a = :v AND size(b)",
        "NOT size(b)",
        "size(a, b) = :v",
        "unknown(a)",
        "attribute_exists(a) = :v",
        "a BETWEEN :v OR :w",
        "a IN :v",
        "status = :v",
        "#undefined = :v",
        "list_append(a, b) = :v",
        "NOT " * 301 + "a = :v",
        "(" * 4096,
        "a = :v" + " " * 4096,
    ],
)
def test_refused_texts(text):
    with pytest.raises(ApiError, match="Invalid ConditionExpression") as caught:
        compile_expressions({"ConditionExpression": text}, "ConditionExpression")
    assert "attribute value" not in caught.value.message  # which is missing, but the text is refused before
