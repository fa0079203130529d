"""What each function does to which tables, files and secrets while the tests call it, held against its permissions as IAM would.

A call without permission fails, in every test. Permissions that nothing has used fail a run of all tests.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from boto3.session import Session
from chalice.app import Chalice, EventSourceHandler

from chalicelib.foundation import log, secret_settings, settings
from chalicelib.notifications import providers

StoreCall = tuple[str, str, str]

# What a part of a transaction needs.
_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}

# What an instance reads once and remembers: in the tests, which are one instance, another function may have read it before.
_REMEMBERED = ("catalog", "waiting-room")

_BUCKET = "images"
# On AWS, who asks for a secret setting reads the stage's secret, and who looks for what sends mails sends by SES.
_READ_SECRETS, _SEND_MAILS = ("GetSecretValue", "secret"), ("SendEmail", "mails")
# What a function signs for others, and what S3 only asks for when a file is missing.
_NOT_CALLED = {
    ("api_handler", "PutObject", "images/uploads"),
    ("api_handler", "ListBucket", "images/"),
    ("process_image", "ListBucket", "images/"),
}

made: set[StoreCall] = set()
_function: ContextVar[str | None] = ContextVar("function", default=None)  # the function that is being called, as Lambda would call it


class AccessRefused(BaseException):
    """A function made a call that its role does not allow. No `except Exception` of the product hides it from the test."""


@cache
def permitted() -> frozenset[StoreCall]:
    """What the roles allow."""
    from infra.template.permissions import FILES, READS_SECRETS, SENDS_MAILS, TABLES

    of_tables = {
        (function, action, table) for function, tables in TABLES.items() for table, actions in tables.items() for action in actions.split()
    }
    of_files = {
        (function, action, f"{_BUCKET}/{prefix}")
        for function, prefixes in FILES.items()
        for prefix, actions in prefixes.items()
        for action in actions.split()
    }
    of_services = {(function, *_READ_SECRETS) for function in READS_SECRETS} | {(function, *_SEND_MAILS) for function in SENDS_MAILS}
    return frozenset(of_tables | of_files | of_services)


def unused(made: Iterable[StoreCall]) -> list[StoreCall]:
    """What the roles allow although none of `made` needs it."""
    return sorted(call for call in permitted().difference(made, _NOT_CALLED) if call[2] not in _REMEMBERED)


def record() -> None:
    """Record the calls of every client that is made from now on, and which function makes them."""
    _name_calls(Chalice, lambda app, event: _http_function(event) if app.app_name == log.SERVICE else None)
    # Chalice wraps a function that gets no event of its own once more.
    _name_calls(EventSourceHandler, lambda handler, _: getattr(handler.func, "_original_func", handler.func).__name__)
    _require_before(secret_settings, "optional_secret", *_READ_SECRETS)
    _require_before(providers, "find_provider", *_SEND_MAILS)
    create = Session.client

    @wraps(create)
    def client(self: Any, service_name: str, *arguments: Any, **named: Any) -> Any:
        created = create(self, service_name, *arguments, **named)
        if service_name == "dynamodb":
            created.meta.events.register("before-call.dynamodb", _on_call)
        if service_name == "s3":
            created.meta.events.register("before-call.s3", _on_file_call)
        return created

    Session.client = client  # type: ignore[method-assign]


@contextmanager
def made_by(function: str | None) -> Iterator[None]:
    """The calls of the block are those of this function; None: of none."""
    token = _function.set(function)
    try:
        yield
    finally:
        _function.reset(token)


def _name_calls(kind: type, name_of: Callable[[Any, Any], str | None]) -> None:
    call = kind.__call__

    @wraps(call)
    def named(self: Any, event: Any, context: Any) -> Any:
        with made_by(name_of(self, event)):
            return call(self, event, context)

    kind.__call__ = named  # type: ignore[method-assign,assignment]


def _require_before(module: ModuleType, name: str, action: str, resource: str) -> None:
    """Hold each call of a module's function against the permissions of the function of ours that makes it."""
    call = getattr(module, name)

    @wraps(call)
    def held(*arguments: Any) -> Any:
        function = _function.get()
        if function is not None:
            _require(function, action, resource)
        return call(*arguments)

    setattr(module, name, held)


def _http_function(event: dict[str, Any]) -> str:
    from infra.template.api import WEBHOOK_PATHS

    return "webhooks" if event["requestContext"]["resourcePath"] in WEBHOOK_PATHS else "api_handler"


def _on_call(model: Any, params: dict[str, Any], **_: Any) -> None:
    function = _function.get()
    if function is None:
        return
    for action, table in _required(model.name, json.loads(params["body"])):
        _require(function, action, table)


def _on_file_call(model: Any, params: dict[str, Any], **_: Any) -> None:
    """For a call of the bucket, after whose name the path has that of the file."""
    function = _function.get()
    if function is not None:
        prefix = (
            ""
            if model.name == "ListObjectsV2"
            else urlsplit(params["url"]).path.partition(f"/{settings.current().images_bucket}/")[2].partition("/")[0]
        )
        _require(function, "ListBucket" if model.name == "ListObjectsV2" else model.name, f"{_BUCKET}/{prefix}")


def _require(function: str, action: str, table: str) -> None:
    made.add((function, action, table))
    if (function, action, table) not in permitted():
        advice = "allow it in infra/template/permissions.py, or if another function is to serve the route, see WEBHOOK_PATHS"
        raise AccessRefused(f"{function} may not {action} {table}: {advice}")


def _required(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The permissions that a call needs: action and table, or `table/index/name`."""
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in request["TransactItems"]:
            for part, arguments in item.items():
                yield _PARTS[part], _feature(arguments["TableName"])
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for table in request["RequestItems"]:
            yield operation, _feature(table)
    else:
        index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
        yield operation, _feature(request["TableName"]) + index


def _feature(table: str) -> str:
    return next(feature for feature in _features() if table.endswith(f"-{feature}"))


@cache
def _features() -> list[str]:
    """All features that have a table, the longest names first."""
    from infra import tables

    return sorted(tables.definitions(), key=len, reverse=True)
