"""Checks every reply to the tests' client against the OpenAPI document, so that the document misses no route, status, error or field."""

from functools import cache
from typing import Any
from urllib.parse import quote

import jsonschema_rs

import app
from chalicelib.edge.openapi import build_document

# Replies without a route: unknown path, unknown method.
_OF_NO_ROUTE = (404, 405)
_NAME = "https://document.invalid"  # the name by which references find the document


@cache
def document() -> dict[str, Any]:
    return build_document(app.app.routes)


def check_reply(method: str, resource: str | None, status: int, content_type: str, body: Any) -> None:
    """Assert that the document describes this reply of a route. `resource` is the route's path in Chalice, `body` the decoded JSON."""
    described = document()["paths"].get((resource or "").removeprefix("/v1"), {}).get(method.lower())
    if described is None:
        assert status in _OF_NO_ROUTE or method == "OPTIONS", f"{method} {resource} is not in the OpenAPI document"
        return
    route = f"{method} {resource}"
    reply = described["responses"].get(str(status))
    code = body.get("error") if isinstance(body, dict) else None
    assert reply is not None, f"{route} answered {status} {code or ''}: declare it in `statuses` or `errors` of the route (docs/api.md)"
    if status >= 400:
        assert code in reply.get("x-error-codes", [None]), (  # a page that says so is no error
            f"{route} answered {status} {code}: declare that error in `errors` of the route (docs/api.md)"
        )
    if status in (204, 304):
        return
    media_type = content_type.partition(";")[0]
    assert media_type in reply["content"], f"{route} answered with {media_type}: declare it in `media_types` of the route (docs/api.md)"
    if media_type in ("application/json", "application/problem+json"):
        _check_schema(route, status, media_type, body)


def _check_schema(route: str, status: int, media_type: str, body: Any) -> None:
    method, _, resource = route.partition(" ")
    error = next(_validator(method.lower(), resource.removeprefix("/v1"), status, media_type).iter_errors(body), None)
    assert error is None, (
        f"{route} answered {status} with what the OpenAPI document does not have: {error.message}, at {error.instance_path}"
    )


@cache
def _validator(method: str, path: str, status: int, media_type: str) -> Any:
    place = ("paths", path, method, "responses", str(status), "content", media_type, "schema")
    pointer = "/".join(quote(part.replace("~", "~0").replace("/", "~1")) for part in place)
    return jsonschema_rs.Draft202012Validator({"$ref": f"{_NAME}#/{pointer}"}, validate_formats=True, registry=_registry())


@cache
def _registry() -> Any:
    """Return the document for all validators. Parsing the document takes a hundred times as long as making a validator."""
    return jsonschema_rs.Registry([(_NAME, document())], draft=jsonschema_rs.Draft202012)
