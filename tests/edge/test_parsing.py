"""What callers read about bodies and query parameters that are wrong."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from chalicelib.edge.parsing import MalformedJson, NoQuery, parse_json, parse_query
from chalicelib.errors import InvalidInput

Color = Literal["red", "blue"]


class Part(Struct, forbid_unknown_fields=True):
    color: Color | None = None
    size: Annotated[int, Meta(ge=1)] = 1


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
        (b'{"name": "a", "colors": {"x": "green"}}', "$.colors[...]"),
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


def test_text_that_is_not_json_is_malformed():
    with pytest.raises(MalformedJson):
        parse_json(b"{", Shape)


@pytest.mark.parametrize(
    ("parameters", "path", "message"),
    [
        ({}, "color", "Send the query parameter `color`."),
        ({"color": ""}, "color", "Send the query parameter `color`."),
        ({"color": "green"}, "color", "Invalid enum value 'green'; allowed: blue, red."),
        ({"color": "red", "size": "1"}, "size", "There is no query parameter `size` here; known: `color`, `limit`, `is_open`."),
        ({"color": "red", "limit": "many"}, "limit", "Expected `int`, got `str`."),
    ],
)
def test_the_path_of_a_query_parameter_is_its_name(parameters, path, message):
    assert refusal(parse_query, parameters, Filters) == (path, message)


def test_numbers_and_truth_values_are_read_and_empty_parameters_are_absent():
    assert parse_query({"color": "blue", "limit": "7", "is_open": "true"}, Filters) == Filters("blue", 7, True)
    assert parse_query({"color": "blue", "limit": "", "other": ""}, Filters) == Filters("blue")


def test_a_route_that_takes_no_parameters_says_so():
    assert refusal(parse_query, {"a": "1"}, NoQuery) == ("a", "There is no query parameter `a` here; known: none.")
