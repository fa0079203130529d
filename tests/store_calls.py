"""Checks the calls of each Lambda function to tables, files, secrets and the mail service against its permissions, as IAM would.

A call without permission fails its test. A permission that no test uses fails a run of all tests.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import msgspec
from botocore.session import Session
from chalice.app import Chalice, EventSourceHandler

from chalicelib.foundation import log, sdk_calls, secret_settings, settings
from chalicelib.notifications import providers

StoreCall = tuple[str, str, str]

# Part of a transaction -> the action that it needs.
_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}

# Tables that an instance reads once and caches. The tests are one instance, so another function may have read a table before.
_REMEMBERED = ("catalog", "waiting-room")

_BUCKET = "images"
# On AWS, a function that reads a secret setting calls Secrets Manager, and a function that finds the mail provider calls SES.
_READ_SECRETS, _SEND_MAILS = ("GetSecretValue", "secret"), ("SendEmail", "mails")
_READ_METRICS = ("GetMetricData", "metrics")
# Permissions without a call: uploads that a function signs for others, and ListBucket, which S3 only checks if a file is missing.
_NOT_CALLED = {
    ("api_handler", "PutObject", "images/uploads"),
    ("api_handler", "ListBucket", "images/"),
    ("process_image", "ListBucket", "images/"),
}

made: set[StoreCall] = set()
_function: ContextVar[str | None] = ContextVar("function", default=None)  # the Lambda function that is running


class AccessRefused(BaseException):
    """A function made a call that its role does not allow. A BaseException, so that no `except Exception` of the product hides it."""


@cache
def permitted() -> frozenset[StoreCall]:
    """Return the calls that the roles allow."""
    from infra.template.policies import FILES, READS_METRICS, READS_SECRETS, SENDS_MAILS, TABLES

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
    of_services |= {(function, *_READ_METRICS) for function in READS_METRICS}
    return frozenset(of_tables | of_files | of_services)


def unused(made: Iterable[StoreCall]) -> list[StoreCall]:
    """Return the permissions that none of the calls `made` used."""
    return sorted(call for call in permitted().difference(made, _NOT_CALLED) if call[2] not in _REMEMBERED)


def record() -> None:
    """Record the calls of every client created from now on, with the function that makes each call."""
    _name_calls(Chalice, lambda app, event: _http_function(event) if app.app_name == log.SERVICE else None)
    # Chalice wraps some handlers once more and keeps the original as `_original_func`.
    _name_calls(EventSourceHandler, lambda handler, _: getattr(handler.func, "_original_func", handler.func).__name__)
    _require_before(secret_settings, "optional_secret", *_READ_SECRETS)
    _require_before(providers, "find_provider", *_SEND_MAILS)
    _require_before(sdk_calls, "read_metrics", *_READ_METRICS)
    create = Session.create_client

    @wraps(create)
    def client(self: Any, service_name: str, *arguments: Any, **named: Any) -> Any:
        created = create(self, service_name, *arguments, **named)
        if service_name == "dynamodb":
            created.meta.events.register("before-call.dynamodb", _on_call)
        if service_name == "s3":
            created.meta.events.register("before-call.s3", _on_file_call)
        return created

    Session.create_client = client  # type: ignore[method-assign]


@contextmanager
def made_by(function: str | None) -> Iterator[None]:
    """Attribute the calls of the block to this function; with None, to no function."""
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
    """Check each call of a module's function against the permissions of the Lambda function that makes the call."""
    call = getattr(module, name)

    @wraps(call)
    def held(*arguments: Any) -> Any:
        function = _function.get()
        if function is not None:
            _require(function, action, resource)
        return call(*arguments)

    setattr(module, name, held)


def _http_function(event: dict[str, Any]) -> str:
    from infra.template.api import function_of

    return function_of(event["requestContext"]["resourcePath"])


def _on_call(model: Any, params: dict[str, Any], **_: Any) -> None:
    function = _function.get()
    if function is None:
        return
    for action, table in _required(model.name, msgspec.json.decode(params["body"])):
        if not (settings.current().regions and (action, table) == ("Query", "catalog")):  # permitted to all in stages with a standby
            _require(function, action, table)


def _on_file_call(model: Any, params: dict[str, Any], **_: Any) -> None:
    """Check a call to the bucket. The path of its URL is /<bucket>/<prefix>/<file>."""
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
        advice = "allow it in infra/template/policies.py, or if another function is to serve the route, see infra/template/api.py"
        raise AccessRefused(f"{function} may not {action} {table}: {advice}")


def _required(operation: str, request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the permissions that a call needs, as (action, table) or (action, `table/index/name`)."""
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


@cache
def _feature(table: str) -> str:
    return next(feature for feature in _features() if table.endswith(f"-{feature}"))


@cache
def _features() -> list[str]:
    """Return all features that have a table, the longest names first."""
    from infra import tables

    return sorted(tables.definitions(), key=len, reverse=True)
