"""Serve botocore's clients from a store in this process, before anything is signed or sent.

Events are the client's own, so boto3 and PynamoDB, which share a client, are both served, and whatever else listens there still
works: this handler is the last of its event, so a fault that answers or raises before it keeps a call from the store.
"""

import itertools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from botocore.awsrequest import AWSResponse
from botocore.parsers import create_parser

from devtools.dynamodb.answers import error
from devtools.dynamodb.errors import StoreFailed
from devtools.dynamodb.store import Store

# Operations whose answers are strings, numbers and binaries only: without binaries their JSON is what botocore would make of it.
_PLAIN = frozenset(
    {
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_parser = create_parser("json")
_numbers = itertools.count(1)


class _Agent:
    def __init__(self, before: Any) -> None:
        self.before = before

    def to_string(self) -> str:
        return "local-store"


def attach(store: Store, client: Any) -> None:
    """Answer all calls of this DynamoDB or DynamoDB Streams client from `store`, until `detach`."""
    if isinstance(client._user_agent_creator, _Agent):
        raise ValueError("the client is attached to a store already")
    service = _service(client)

    def answer(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        try:
            status, body = store.call(service, model.name, params["body"])
        except StoreFailed as failure:
            status, body = error(500, "InternalServerError", str(failure))
        return _response(params["url"], status, body, model)

    # What botocore says of itself is put together anew for each request, at 50 microseconds.
    client._user_agent_creator = _Agent(client._user_agent_creator)
    client.meta.events.register_last(f"before-call.{service}", answer, unique_id=_id(client))


def detach(client: Any) -> None:
    client._user_agent_creator = client._user_agent_creator.before
    client.meta.events.unregister(f"before-call.{_service(client)}", unique_id=_id(client))


@contextmanager
def attached(store: Store, *clients: Any) -> Iterator[None]:
    for client in clients:
        attach(store, client)
    try:
        yield
    finally:
        for client in clients:
            detach(client)


def _service(client: Any) -> str:
    return str(client.meta.service_model.service_id.hyphenize())


def _id(client: Any) -> str:
    return f"local-store-{id(client.meta.events)}"


def _response(url: str, status: int, body: bytes, model: Any) -> tuple[AWSResponse, dict[str, Any]]:
    headers = {
        "x-amzn-requestid": f"{next(_numbers):052X}",
        "x-amz-crc32": str(zlib.crc32(body)),
        "content-type": "application/x-amz-json-1.0",
        "content-length": str(len(body)),
    }
    response: Any = AWSResponse(url, status, headers, None)  # type: ignore[arg-type]
    response._content = body  # what it would have read from a connection
    if status < 300 and model.name in _PLAIN and b'"B"' not in body and b'"BS"' not in body:
        parsed = _decode(body)
    else:
        parsed = _as_botocore(status, headers, body, model)
    parsed["ResponseMetadata"] = {
        "RequestId": headers["x-amzn-requestid"],
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }
    return response, parsed


def _as_botocore(status: int, headers: dict[str, str], body: bytes, model: Any) -> dict[str, Any]:
    raw = {"status_code": status, "headers": headers, "body": body}
    parsed: dict[str, Any] = _parser.parse(raw, model.output_shape)
    if status >= 300:
        shape = model.service_model.shape_for_error_code(parsed["Error"]["Code"])
        if shape is not None:
            parsed.update(_parser.parse(raw, shape))
    return parsed
