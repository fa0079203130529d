"""The OpenAPI document: it describes every route, refers to nothing that is missing, and its examples are valid."""

import inspect
from typing import Any

import jsonschema_rs
import pytest
from chalice.app import Blueprint, Chalice

import app
from chalicelib.edge.openapi import Undescribed, build_document, list_operations
from chalicelib.edge.routes import Reply, RequestContext, route
from tests.documented import document

DOCUMENT = document()
OPERATIONS = {(method.upper(), path): operation for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()}

each_operation = pytest.mark.parametrize("key", OPERATIONS, ids=" ".join)


def _values(tree: Any, name: str) -> list[Any]:
    """All values of the key `name` in a JSON tree."""
    if isinstance(tree, list):
        return [value for item in tree for value in _values(item, name)]
    if not isinstance(tree, dict):
        return []
    return [*([tree[name]] if name in tree else []), *(value for item in tree.values() for value in _values(item, name))]


def _faults(examples: list[tuple[Any, Any]]) -> list[str]:
    """Check examples, as (schema, value), with one validator, because each validator reads all components."""
    whole = {"prefixItems": [schema for schema, _ in examples], "components": DOCUMENT["components"]}
    errors = jsonschema_rs.Draft202012Validator(whole).iter_errors([value for _, value in examples])
    return [f"{examples[error.instance_path[0]]}, {error.instance_path[1:]}: {error.message}" for error in errors]


def test_every_route_is_in_the_document():
    routes = {(method, path.removeprefix("/v1")) for path, methods in app.app.routes.items() for method in methods}
    assert set(OPERATIONS) == routes


@each_operation
def test_an_operation_says_what_it_does_and_what_it_answers(key):
    operation = OPERATIONS[key]
    assert operation["summary"].endswith(".")
    assert any(status < "400" for status in operation["responses"])
    assert {"500", "503"} <= set(operation["responses"])
    assert [name for name in (":", "`") if name in operation["operationId"]] == []
    described = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
    assert described == {segment[1:-1] for segment in key[1].split("/") if segment.startswith("{")}


def _examples_of_errors(operation: Any) -> list[tuple[Any, Any]]:
    contents = _values(operation["responses"], "content")
    media = [content["application/json"] for content in contents if "application/json" in content]
    return [(entry["schema"], example["value"]) for entry in media for example in entry.get("examples", {}).values()]


def test_examples_of_errors_are_valid():
    examples = {key: _examples_of_errors(operation) for key, operation in OPERATIONS.items()}
    assert [key for key, found in examples.items() if not found] == []
    assert _faults([example for found in examples.values() for example in found]) == []


def _schemas_with_examples(tree: Any) -> list[Any]:
    """The parts of a JSON tree that have `examples` as JSON Schema knows them: a list."""
    if isinstance(tree, list):
        return [schema for item in tree for schema in _schemas_with_examples(item)]
    if not isinstance(tree, dict):
        return []
    own = [tree] if isinstance(tree.get("examples"), list) else []
    return [*own, *(schema for item in tree.values() for schema in _schemas_with_examples(item))]


def test_examples_of_schemas_are_valid():
    found = _schemas_with_examples(DOCUMENT)
    assert _faults([(schema, value) for schema in found for value in schema["examples"]]) == []
    assert len(found) > 100


def test_references_lead_to_components_and_patterns_are_valid():
    names = set(DOCUMENT["components"]["schemas"])
    assert {reference.rpartition("/")[2] for reference in _values(DOCUMENT, "$ref")} <= names
    assert [pattern for pattern in _values(DOCUMENT, "pattern") if "\\Z" in str(pattern) or "\\A" in str(pattern)] == []


def test_replies_have_no_fields_beyond_those_of_their_types():
    schemas = DOCUMENT["components"]["schemas"]
    objects = {name: schema for name, schema in schemas.items() if schema["type"] == "object"}
    assert [name for name, schema in objects.items() if schema.get("additionalProperties") is not False] == ["Error", "Problem"]


def _source_of(handler: Any) -> str:
    """The source of a handler and of the functions of its own module that it calls."""
    helpers = [getattr(inspect.getmodule(handler), name, None) for name in handler.__code__.co_names]
    own = [helper for helper in helpers if inspect.isfunction(helper) and helper.__module__ == handler.__module__]
    return "".join(map(inspect.getsource, [handler, *own]))


def test_a_route_that_reads_the_idempotency_key_says_so():
    for operation in list_operations(app.app.routes):
        source = _source_of(inspect.unwrap(operation.handler))
        is_required = "required=True" in source or "require_key(" in source
        is_read = is_required or "execute_once(" in source
        keys = [header for header in operation.headers if header.name == "Idempotency-Key"]
        assert (bool(keys), any(header.required for header in keys)) == (is_read, is_required), operation.path


def test_headers_say_which_values_they_may_have():
    schemas = {header["name"]: header["schema"] for operation in OPERATIONS.values() for header in operation["parameters"]}
    assert schemas["X-Session"] == {"enum": ["cookie"]}
    assert schemas["Idempotency-Key"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[ -~]+$",
        "examples": ["order-4711"],
    }
    assert schemas["If-Match"] == {"type": "string"}


def _app_with(handler: Any) -> Chalice:
    bp = Blueprint(__name__)
    route(bp, "GET", "/thing", access="public")(handler)
    chalice_app = Chalice(app_name="described", configure_logs=False)
    chalice_app.register_blueprint(bp, url_prefix="/v1")
    return chalice_app


def test_a_route_without_a_type_or_a_docstring_is_found():
    def typed(request: RequestContext) -> Reply[int]:
        """Say a number."""
        return Reply(1)

    def untyped(request: RequestContext) -> Reply[Any]:
        """Say something."""
        return Reply(1)

    def silent(request: RequestContext) -> Reply[int]:
        return Reply(1)

    assert build_document(_app_with(typed).routes)["paths"]["/thing"]["get"]["operationId"] == "typed"
    for handler, fault in ((untyped, "no reply type"), (silent, "no docstring")):
        with pytest.raises(Undescribed, match=fault):
            build_document(_app_with(handler).routes)


def test_the_document_is_served_with_an_etag_and_encoded_once(api):
    first = api.get("/openapi.json")
    assert (first.status, first.json["openapi"]) == (200, "3.1.0")
    assert api.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]}).status == 304


def test_each_text_with_a_pattern_has_a_description_and_an_example():
    """People whose request is refused read the description instead of the pattern (`edge/parsing.py`)."""

    def incomplete(schema, place, known=frozenset()):
        if isinstance(schema, dict):
            known = known | ({"description", "examples"} & {name for name, value in schema.items() if isinstance(value, str | list)})
            if schema.get("type") == "string" and "pattern" in schema and len(known) < 2:
                yield place
            for name, part in schema.items():
                yield from incomplete(part, f"{place}.{name}", frozenset() if name == "properties" else known)
        if isinstance(schema, list):
            for number, part in enumerate(schema):
                yield from incomplete(part, f"{place}[{number}]", known)

    advice = "give the type a description and examples in its Meta, or use NotBlank of catalog/custom_options.py or Id of ids.py"
    assert list(incomplete(DOCUMENT["components"], "$")) == [], advice
    parameters = [parameter for path in DOCUMENT["paths"].values() for operation in path.values() for parameter in operation["parameters"]]
    assert list(incomplete(parameters, "$")) == [], advice
