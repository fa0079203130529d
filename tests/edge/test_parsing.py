"""What callers read about bodies and query parameters that are wrong."""

import json
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
from msgspec import Meta, Struct

from chalicelib.edge import parsing
from chalicelib.edge.languages import Language
from chalicelib.edge.parsing import MalformedJson, NoQuery, parse_json, parse_query
from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput
from tests.javascript import WEB

CODE = Path(parsing.__file__).parents[1]
Color = Literal["red", "blue"]


class Part(Struct, forbid_unknown_fields=True):
    color: Color | None = None
    size: Annotated[int, Meta(ge=1)] = 1
    colors: dict[str, Color] = {}


class Shape(Struct, forbid_unknown_fields=True):
    name: str
    color: Color = "red"
    parts: list[Part] = []
    colors: dict[str, Color] = {}


class Filters(Struct, forbid_unknown_fields=True):
    color: Color
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    is_open: bool = False


def refusal(call, *arguments):
    with pytest.raises(InvalidInput) as refused:
        call(*arguments)
    return refused.value.details["path"], refused.value.message


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"name": "a", "color": "green"}', "$.color"),
        (b'{"name": "a", "parts": [{}, {"color": "green"}]}', "$.parts[1].color"),
        (b'{"name": "a", "colors": {"x": "green"}}', "$.colors.x"),
    ],
)
def test_a_field_that_may_have_few_values_lists_them(body, path):
    found, message = refusal(parse_json, body, Shape)
    assert (found, message) == (path, "Invalid enum value 'green'; allowed: blue, red.")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{}", "$.name"),
        (b'{"name": "a", "size": 1}', "$.size"),
        (b'{"name": "a", "parts": [{"size": 0}]}', "$.parts[0].size"),
        (b'{"name": 1}', "$.name"),
        (b"[]", "$"),
    ],
)
def test_the_path_of_a_field_begins_at_the_body(body, path):
    assert refusal(parse_json, body, Shape)[0] == path


@pytest.mark.parametrize(
    ("body", "known"),
    [
        ({"name": "a", "size": 1}, "unknown field `size`; known: name, color, parts, colors."),
        ({"name": "a", "parts": [{"sise": 1}]}, "unknown field `sise`; known: color, size, colors."),
    ],
)
def test_the_refusal_of_an_unknown_field_lists_the_known_ones(body, known):
    assert refusal(parse_json, json.dumps(body).encode(), Shape)[1].endswith(known)


def test_text_that_is_not_json_is_malformed():
    with pytest.raises(MalformedJson):
        parse_json(b"{", Shape)


@pytest.mark.parametrize(
    "body",
    [
        b'{"colors": {"x": "green"}, name}',
        b'{"colors": {"x": "green"}, "\xff": 1}',
        b'{"colors": {"x": "green"}, "parts": ' + b"[" * 100_000,
        b'{"parts": [{"colors": {"x": "green"}}], "parts": []}',
        b'{"parts": [{"colors": {"x": "green"}}], "parts": 7}',
        b'{"parts": [{"colors": {"x": "green"}}], "parts": [7]}',
        b'{"parts": [{"colors": {"x": "green"}}], "parts": [{}]}',
    ],
)
def test_a_wrong_value_of_a_dict_is_refused_whatever_follows_it(body):
    assert refusal(parse_json, body, Shape)[0].endswith("colors[...]")


@pytest.mark.parametrize(
    ("parameters", "path", "message"),
    [
        ({}, "color", "Send the query parameter `color`."),
        ({"color": ""}, "color", "Send the query parameter `color`."),
        ({"color": "green"}, "color", "Invalid enum value 'green'; allowed: blue, red."),
        ({"color": "red", "size": "1"}, "size", "This route has no query parameter `size`. It accepts: `color`, `limit`, `is_open`."),
        ({"color": "red", "limit": "many"}, "limit", "Expected `int`, got `str`."),
    ],
)
def test_the_path_of_a_query_parameter_is_its_name(parameters, path, message):
    assert refusal(parse_query, parameters, Filters) == (path, message)


def test_numbers_and_truth_values_are_read_and_empty_parameters_are_absent():
    assert parse_query({"color": "blue", "limit": "7", "is_open": "true"}, Filters) == Filters("blue", 7, True)
    assert parse_query({"color": "blue", "limit": "", "other": ""}, Filters) == Filters("blue")


def test_a_route_that_takes_no_parameters_says_so():
    assert refusal(parse_query, {"a": "1"}, NoQuery) == ("a", "This route has no query parameter `a`. It accepts: none.")


class Typed(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=2, max_length=5)] = "abc"
    code: Annotated[str, Meta(pattern="^[A-Z]+$", description="Capital letters.")] = "A"
    count: Annotated[int, Meta(ge=1, le=9)] | None = None
    amount: Decimal | None = None
    names: Annotated[list[str], Meta(min_length=1, max_length=2)] | None = None
    at: Annotated[datetime, Meta(tz=True)] | None = None
    day: clock.Date | None = None
    color: Color = "red"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"text": "abcdef"}, ("too_long", 5)),
        ({"text": "a"}, ("too_short", 2)),
        ({"names": ["a", "b", "c"]}, ("too_many", 2)),
        ({"names": []}, ("too_few", 1)),
        ({"count": 0}, ("too_small", 1)),
        ({"count": 10}, ("too_large", 9)),
        ({"count": "many"}, ("not_a_number", None)),
        ({"amount": "many"}, ("not_a_number", None)),
        ({"at": "tomorrow"}, ("not_a_time", None)),
        ({"at": "2027-01-01T00:00:00"}, ("not_a_time", None)),
        ({"day": "2026-02-30"}, ("wrong_form", None)),
        ({"color": "green"}, ("not_allowed", None)),
        ({"code": "a"}, ("wrong_form", None)),
        ({"other": 1}, (None, None)),
    ],
)
def test_a_typing_error_names_the_rule_and_its_limit(body, rule):
    with pytest.raises(InvalidInput) as refused:
        parse_json(json.dumps(body).encode(), Typed)
    assert (refused.value.details.get("rule"), refused.value.details.get("limit")) == rule


def test_every_rule_has_words_on_the_pages():
    named = {rule for path in CODE.rglob("*.py") for rule in re.findall(r'rule="(\w+)"', path.read_text())}
    assert {"ends_before_start", "not_a_percentage"} <= named
    for language in get_args(Language):
        pages = WEB / "src"
        words = (pages / "texts" / f"{language}-account.ts").read_text() + (pages / f"manage/texts/{language}/failures.ts").read_text()
        assert [rule for rule in named | set(parsing.RULES) if not re.search(rf"^ +{rule}: ", words, re.MULTILINE)] == []
