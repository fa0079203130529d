"""The errors of an operation: those that it declares, those that follow from what it reads, and those of every route."""

from http import HTTPStatus
from itertools import groupby
from typing import Any

from chalicelib.edge.auth import Forbidden, Unauthenticated, UserRequired
from chalicelib.edge.http import READING_METHODS
from chalicelib.edge.http_errors import BodyTooLarge, InternalError, NotSetUp, ServiceUnavailable, UnsupportedMediaType
from chalicelib.edge.operation import Operation
from chalicelib.edge.parsing import MalformedJson
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound

SCHEMA: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "description": "Why a request was refused or failed. `error` is for programs and never changes; further fields depend on it.",
    "properties": {
        "error": {"type": "string"},
        "message": {"type": "string", "description": "For people: what is wrong and what to do."},
        "request_id": {"type": "string"},
        "path": {"type": "string", "description": "The field of the body, as `$.items[0].quantity`; or the query parameter or header."},
        "rule": {
            "type": "string",
            "description": "Of `invalid_input`: which rule the field breaks, such as `too_long`, where it has a name.",
        },
        "limit": {"type": "integer", "description": "The number that the rule speaks of, such as the length that is allowed."},
        "retryAfterSeconds": {"type": "integer", "description": "When to try again; the header Retry-After says the same."},
        "outcome": {"enum": ["unchanged", "unknown"], "description": "Of a 5xx: whether the request may have taken effect."},
    },
    "required": ["error", "message", "request_id"],
}

_OF_ALL: tuple[type[ApiError], ...] = (InternalError, ServiceUnavailable, NotSetUp)
_OF_BODIES: tuple[type[ApiError], ...] = (InvalidInput, MalformedJson, BodyTooLarge, UnsupportedMediaType)
_OF_USERS: tuple[type[ApiError], ...] = (Unauthenticated, UserRequired)
_OF_ROLES: tuple[type[ApiError], ...] = (Unauthenticated, Forbidden)


def list_errors(operation: Operation) -> list[type[ApiError]]:
    """One error of each code that the operation can answer with, by status and code."""
    found = [*operation.errors, *_OF_ALL]
    if operation.access != "public":
        found += _OF_USERS if operation.access == "user" else _OF_ROLES
    if "{" in operation.path:
        found.append(NotFound)
    if operation.body is not None:
        found += _OF_BODIES
    elif operation.file is not None:
        found += (InvalidInput, BodyTooLarge, UnsupportedMediaType, operation.file.too_large)
    elif operation.query is not None or operation.method in READING_METHODS:
        found.append(InvalidInput)
    for header in operation.headers:
        found += header.errors
    return sorted({error.code: error for error in found}.values(), key=lambda error: (error.status, error.code))


def responses(operation: Operation) -> dict[str, dict[str, Any]]:
    """The error replies by status; `x-error-codes` lists what `error` may be, and there is an example of each."""
    return {
        str(status): _response(status, list(of_status)) for status, of_status in groupby(list_errors(operation), lambda error: error.status)
    }


def _response(status: int, found: list[type[ApiError]]) -> dict[str, Any]:
    examples = {error.code: {"value": _example(error)} for error in found}
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(examples)}",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}, "examples": examples}},
        "x-error-codes": list(examples),
    }


def _example(error: type[ApiError]) -> dict[str, str]:
    return {"error": error.code, "message": error.default_message, "request_id": "01JZQ4T8M3V6W9X2Y5A7B0C1D2"}
