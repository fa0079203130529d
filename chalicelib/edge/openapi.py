"""The OpenAPI document, generated from the app's routes and their handlers' types, so that the document always matches the code.

Only `GET /openapi.json` imports this module.
"""

import inspect
from collections.abc import Mapping
from http import HTTPStatus
from itertools import groupby
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, structs

from chalicelib.edge import deprecations
from chalicelib.edge.auth import Forbidden, Unauthenticated, UserRequired
from chalicelib.edge.error_replies import (
    PROBLEM_JSON,
    READING_METHODS,
    BodyTooLarge,
    InternalError,
    NotSetUp,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from chalicelib.edge.operation import IF_NONE_MATCH, Header, Operation
from chalicelib.edge.parsing import MalformedJson
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation import settings
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound
from chalicelib.foundation.ids import Id

# JSON Schemas of the msgspec types of bodies, query parameters and replies.

Schema = dict[str, Any]

REF_TEMPLATE = "#/components/schemas/{name}"


class Components:
    """The named schemas of a document. `schema_of` adds entries to `schemas`."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self._with_message: set[str] = set()

    def schema_of(self, shape: Any) -> Schema:
        """Return the schema of a type; Structs become components, which the schema refers to by name."""
        (schema,), found = msgspec.json.schema_components([shape], ref_template=REF_TEMPLATE)
        for name, component in found.items():
            closed = _with_old_names(_closed(portable(component)), deprecations.VIEWS.get(name, {}))
            if name in self._with_message:
                _add_message(closed)
            if self.schemas.setdefault(name, closed) != closed:
                raise ValueError(f"two types have the name {name}")
        return dict(portable(schema))

    def repeatable(self, schema: Schema) -> Schema:
        """Add a `message`, which marks the reply to a repeated request, to the component that the schema refers to. Returns the schema."""
        name = schema["$ref"].rpartition("/")[2]
        self._with_message.add(name)
        _add_message(self.schemas[name])
        return schema


def portable(schema: Any) -> Any:
    """Return the schema without Python specifics: patterns with `\\A` and `\\Z`, and decimals, which msgspec also reads from numbers."""
    if isinstance(schema, list):
        return [portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: portable(value) for key, value in schema.items()}
    if result.get("format") == "decimal":
        del result["type"], result["format"]
        result |= {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d{1,9}(\.\d{1,4})?$"}]}
    if isinstance(result.get("pattern"), str):
        result["pattern"] = result["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return result


def _add_message(component: Schema) -> None:
    component["properties"].setdefault("message", {"type": "string", "description": "In the reply to a repeated request."})


def _with_old_names(component: Schema, names: deprecations.Names) -> Schema:
    """Add the deprecated name of each property that has one."""
    properties, required = component.get("properties", {}), component.get("required", [])
    old = {names[new]: _deprecated(properties[new], new) for new in properties if new in names}
    if not old:
        return component
    return {**component, "properties": {**properties, **old}, "required": [*required, *(names[new] for new in required if new in names)]}


def _deprecated(schema: Schema, new: str) -> Schema:
    """Return the schema of a property under its deprecated name."""
    values = {"enum": [deprecations.VALUES.get(value, value) for value in schema["enum"]]} if "enum" in schema else {}
    return {**schema, **values, "description": f"Use `{new}`.", "deprecated": True}


def _closed(component: Schema) -> Schema:
    """Forbid fields that the struct does not have."""
    if component.get("type") != "object":
        return component
    return {**component, "properties": component.get("properties", {}), "additionalProperties": False}


# Errors of an operation: the declared errors, the errors that follow from its inputs, and the errors of every route.

ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "description": "Why a request was refused or failed. `error` is for programs and never changes; other fields depend on it.",
    "properties": {
        "error": {"type": "string"},
        "message": {"type": "string", "description": "For people: what is wrong and what to do."},
        "request_id": {"type": "string"},
        "path": {"type": "string", "description": "The field, such as `$.items[0].quantity`, or the query parameter or header."},
        "rule": {
            "type": "string",
            "description": "For `invalid_input`: the rule that the field breaks, such as `too_long`, if the rule has a name.",
        },
        "limit": {"type": "integer", "description": "The number in the rule, such as the maximum length."},
        "retry_after_seconds": {
            "type": "integer",
            "description": "The seconds to wait before the next attempt, as in the header Retry-After.",
        },
        "already_purchased": {"type": "integer", "description": "For `purchase_limit_exceeded`: the number of tickets in earlier orders."},
        "active_holds": {"type": "integer", "description": "The number of tickets that the caller's current reservation holds."},
        "eta_seconds": {
            "type": ["integer", "null"],
            "description": "For `not_admitted`: the seconds until the caller's turn; null if unknown.",
        },
        "outcome": {"enum": ["unchanged", "unknown"], "description": "For a 5xx status: whether the request may have taken effect."},
    },
    "required": ["error", "message", "request_id"],
}

_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "The same error as problem details (RFC 9457), for callers whose header Accept names `application/problem+json`.",
    "allOf": [{"$ref": "#/components/schemas/Error"}],
    "type": "object",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "`urn:fairgate:error:` and the value of `error`."},
        "title": {"type": "string", "description": "The phrase of the HTTP status."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "The same as `message`."},
        "instance": {"type": "string", "format": "uri", "description": "`urn:fairgate:request:` and the value of `request_id`."},
    },
    "required": ["type", "title", "status", "detail", "instance"],
}

_COMMON_ERRORS: tuple[type[ApiError], ...] = (InternalError, ServiceUnavailable, NotSetUp)
_BODY_ERRORS: tuple[type[ApiError], ...] = (InvalidInput, MalformedJson, BodyTooLarge, UnsupportedMediaType)
_USER_ERRORS: tuple[type[ApiError], ...] = (Unauthenticated, UserRequired)
_ROLE_ERRORS: tuple[type[ApiError], ...] = (Unauthenticated, Forbidden)


def list_errors(operation: Operation) -> list[type[ApiError]]:
    """Return the errors that the operation can reply with, one for each code, sorted by status and code."""
    found = [*operation.errors, *_COMMON_ERRORS]
    if operation.access != "public":
        found += _USER_ERRORS if operation.access == "user" else _ROLE_ERRORS
    if not operation.takes_api_keys and Unauthenticated in found:
        found.append(Forbidden)
    if "{" in operation.path:
        found.append(NotFound)
    if operation.body is not None:
        found += _BODY_ERRORS
    elif operation.file is not None:
        found += (InvalidInput, BodyTooLarge, UnsupportedMediaType, operation.file.too_large)
    elif operation.query is not None or (operation.method in READING_METHODS and operation.access != "public"):
        found.append(InvalidInput)
    for header in operation.headers:
        found += header.errors
    return sorted({error.code: error for error in found}.values(), key=lambda error: (error.status, error.code))


def error_responses(operation: Operation) -> dict[str, dict[str, Any]]:
    """Return the error replies by status. `x-error-codes` lists the possible values of `error`, each of which has an example."""
    return {str(status): _response(status, list(errors)) for status, errors in groupby(list_errors(operation), lambda error: error.status)}


def _response(status: int, found: list[type[ApiError]]) -> dict[str, Any]:
    examples = {error.code: {"value": _example(error)} for error in found}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(examples)}",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "examples": examples},
            PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
        "x-error-codes": list(examples),
    }


def _example(error: type[ApiError]) -> dict[str, str]:
    return {"error": error.code, "message": error.default_message, "request_id": "01JZQ4T8M3V6W9X2Y5A7B0C1D2"}


TITLE = "Fairgate"
DESCRIPTION = (
    "Sells a fixed number of tickets to far more people than there are tickets. JSON in snake_case, times in ISO 8601, money in cents. "
    "Every reply has the header X-Request-Id; a request may send its own. A POST that is repeated with its Idempotency-Key does nothing "
    "twice."
)

_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token that sign-in returns, or an API key.",
    },
    "demo_user": {"type": "apiKey", "in": "header", "name": "X-User-Id", "description": "A user id, only in stages with demo identity."},
}
_LINK = {"description": 'The next page, relative to this page, as `rel="next"`; absent on the last page.', "schema": {"type": "string"}}
_BEARER: dict[str, list[str]] = {"bearer": []}
_DEMO_USER: dict[str, list[str]] = {"demo_user": []}
# Each entry: folder, beginning of the path, tag. Generated clients have a module for each tag, so a tag stays the same when a handler
# moves.
_TAGS = (
    ("accounts", "/admin/users", "directory"),
    ("bootstrap_file", "/", "rollouts"),
    ("catalog", "/events/{event_id}/calendar.ics", "sharing"),
    ("catalog", "/events/{event_id}/preview", "sharing"),
    ("edge", "/", "service"),
    ("images", "/", "image uploads"),
    ("packages", "/events/{event_id}/tickets/purchase", "package orders"),
    ("purchases", "/admin/events", "refunds"),
    ("purchases", "/checkout", "checkout"),
    ("purchases", "/events/{event_id}/cancel", "event cancellation"),
    ("purchases", "/events/{event_id}/promo-codes", "promotions"),
    ("purchases", "/events", "reservations"),
    ("purchases", "/reservations", "reservations"),
    ("purchases", "/tickets/{ticket_id}/transfer", "transfers"),
    ("purchases", "/transfers", "transfers"),
    ("purchases", "/webhooks", "webhooks"),
    ("purchases", "/", "orders"),
    ("tickets", "/guests", "seats"),
    ("tickets", "/seats", "seats"),
    ("tickets", "/tickets/{ticket_id}/seats", "seats"),
)


class Undescribed(Exception):
    """A route lacks a part of its description."""


def build_document(routes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Build the document of an app's `routes`: path -> method -> Chalice's entry. Raises Undescribed."""
    components = Components()
    paths: dict[str, dict[str, Any]] = {}
    operations = list_operations(routes)
    if faults := find_faults(operations):
        raise Undescribed("; ".join(faults))
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": settings.build(), "description": DESCRIPTION},
        "servers": [{"url": "/api/v1"}],
        "tags": [{"name": name} for name in sorted({_tag(operation) for operation in operations})],
        "paths": paths,
        "components": {
            "schemas": {
                **components.schemas,
                "Error": _with_old_names(ERROR_SCHEMA, deprecations.ERROR_DETAILS),
                "Problem": _PROBLEM_SCHEMA,
            },
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def list_operations(routes: Mapping[str, Mapping[str, Any]]) -> list[Operation]:
    """Return the operations of an app's routes, sorted by path and method."""
    entries = [entry for _, methods in sorted(routes.items()) for _, entry in sorted(methods.items())]
    return [entry.view_function.operation for entry in entries]


def find_faults(operations: list[Operation]) -> list[str]:
    """Return messages about operations that lack a reply type, a docstring or a unique name."""
    faults = []
    names: set[str] = set()
    for operation in operations:
        route, name = f"{operation.method} {operation.path}", operation.handler.__name__
        if Any in get_args(_returned(operation)) or not get_args(_returned(operation)):
            faults.append(f"{route} has no reply type")
        if not operation.handler.__doc__:
            faults.append(f"{route} has no docstring")
        if name in names:
            faults.append(f"{route} has the name of another route, {name}")
        names.add(name)
    return faults


def reply_type(operation: Operation) -> Any:
    """Return the type of the handler's JSON replies. Returns None if its replies are never JSON."""
    (body,) = get_args(_returned(operation))
    options = get_args(body) if get_origin(body) in (Union, UnionType) else (body,)
    return next((option for option in options if option not in (str, bytes)), None)


def _returned(operation: Operation) -> Any:
    return get_type_hints(operation.handler, include_extras=True)["return"]


def _describe(operation: Operation, components: Components) -> dict[str, Any]:
    summary, _, details = inspect.cleandoc(operation.handler.__doc__ or "").partition("\n\n")
    described: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "tags": [_tag(operation)],
        "summary": " ".join(summary.split()),
        "parameters": [
            *_path_parameters(operation, components),
            *_query_parameters(operation, components),
            *_headers(operation, components),
        ],
        "responses": {**_replies(operation, components), **error_responses(operation)},
        "security": _security(operation),
    }
    if details:
        described["description"] = " ".join(details.split())
    if operation.body is not None:
        content = {"application/json": {"schema": components.schema_of(operation.body)}}
        described["requestBody"] = {"required": not operation.has_optional_body, "content": content}
    if (file := operation.file) is not None:
        part = {"type": "string", "format": "binary", "contentMediaType": ", ".join(file.media_types)}
        form = {"type": "object", "properties": {file.name: part}, "required": [file.name]}
        described["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": form}}}
    return described


def _tag(operation: Operation) -> str:
    """Return an operation's tag: the first matching tag in `_TAGS`, or else the name of its handler's folder."""
    folder = operation.handler.__module__.split(".")[-2]
    tags = (tag for name, path, tag in _TAGS if name == folder and operation.path.startswith(path))
    return next(tags, folder).replace("_", " ")


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    if operation.access == "public":
        return [{}, _BEARER, _DEMO_USER] if Unauthenticated in operation.errors else []
    return [_BEARER, _DEMO_USER] if operation.access == "user" else [_BEARER]


def _path_parameters(operation: Operation, components: Components) -> list[Schema]:
    names = [segment[1:-1] for segment in operation.path.split("/") if segment.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": components.schema_of(Id)} for name in names]


def _query_parameters(operation: Operation, components: Components) -> list[Schema]:
    parameters = []
    for field in structs.fields(operation.query) if operation.query is not None else ():
        schema = components.schema_of(field.type)
        required = field.default is NODEFAULT and field.default_factory is NODEFAULT
        parameters.append({"name": field.encode_name, "in": "query", "required": required, "schema": _without_null(schema)})
    return parameters


def _without_null(schema: Schema) -> Schema:
    """Return a parameter's schema without null, because a query cannot contain null."""
    if "anyOf" not in schema:
        return schema
    options = [option for option in schema["anyOf"] if option.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **options[0]} if len(options) == 1 else {**rest, "anyOf": options}


def _headers(operation: Operation, components: Components) -> list[Schema]:
    conditional: tuple[Header, ...] = (IF_NONE_MATCH,) if get_origin(_returned(operation)) is CacheableReply else ()
    return [
        {
            "name": header.name,
            "in": "header",
            "required": header.required,
            "description": header.description,
            "schema": components.schema_of(header.shape),
        }
        for header in (*operation.headers, *conditional)
    ]


def _replies(operation: Operation, components: Components) -> dict[str, Schema]:
    """Return the successful replies by status. The reply to a repeated request has a `message` that says so."""
    shape = reply_type(operation)
    schema = components.schema_of(shape) if shape is not None else None
    if schema is not None and any(header.name == "Idempotency-Key" for header in operation.headers):
        schema = components.repeatable(schema)
    content = {media_type: {"schema": {"type": "string"}} for media_type in operation.media_types}
    if schema is not None:
        content = {"application/json": {"schema": schema}, **content}
    is_cacheable = get_origin(_returned(operation)) is CacheableReply
    link = {"headers": {"Link": _LINK}} if _pages_by_link(operation, shape) else {}
    replies: dict[str, Schema] = {}
    for status in (*operation.statuses, *((304,) if is_cacheable else ())):
        replies[str(status)] = {
            "description": HTTPStatus(status).phrase,
            **link,
            **({"content": content} if status not in (204, 304) else {}),
        }
    return replies


def _pages_by_link(operation: Operation, shape: Any) -> bool:
    """Return whether the replies are pages of a list and some of them cannot contain the cursor of the next page."""
    has_cursor = operation.query is not None and any(field.name == "cursor" for field in structs.fields(operation.query))
    return has_cursor and (bool(operation.media_types) or "next_cursor" not in getattr(shape, "__struct_fields__", ()))
