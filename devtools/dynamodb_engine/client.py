"""Plugs an engine into boto3 clients of this process: their calls get their responses before a request is signed or sent.

The handler listens to an event of the client, so boto3 and PynamoDB, which share a client, are both served. It is the last handler
of that event: another handler that responds or raises before it keeps the call from the engine, as fault injection does.
"""

import itertools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from botocore.awsrequest import AWSResponse
from botocore.parsers import create_parser

from devtools.dynamodb_engine.engine import Engine
from devtools.dynamodb_engine.values import ApiError, malformed

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_parser = create_parser("json")
_request_numbers = itertools.count(1)


class _FixedUserAgent:
    """Replaces botocore's user agent, which is composed again for each request in 50 microseconds.

    Keeps the client's own parts until it is detached. The other one resolves the endpoint, for each request again in 100
    microseconds: without it, botocore takes the client's endpoint as it is, and nothing is ever sent there.
    """

    def __init__(self, client: Any) -> None:
        self.user_agent_creator, self.ruleset_resolver = client._user_agent_creator, client._ruleset_resolver

    def to_string(self) -> str:
        return "dynamodb-engine"


def respond(engine: Engine, operation: str, body: bytes) -> tuple[int, bytes]:
    """Execute a request in JSON; returns the HTTP status and the body of the response."""
    try:
        request = _decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError) as fault:
        error = malformed(str(fault))
        return error.status, _encode(error.body())
    try:
        return 200, _encode(engine.call(operation, request))
    except ApiError as error:
        return error.status, _encode(error.body())


def attach_client(engine: Engine, client: Any) -> None:
    """Respond to all calls of this DynamoDB or DynamoDB Streams client from `engine`, until `detach_client`."""
    if isinstance(client._user_agent_creator, _FixedUserAgent):
        raise ValueError("the client is already attached to an engine: detach it first")

    def answer(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        return _response(params["url"], *respond(engine, model.name, params["body"]), model)

    client._user_agent_creator, client._ruleset_resolver = _FixedUserAgent(client), None
    client.meta.events.register_last(f"before-call.{_service(client)}", answer, unique_id=_handler_id(client))


def detach_client(client: Any) -> None:
    own = client._user_agent_creator
    client._user_agent_creator, client._ruleset_resolver = own.user_agent_creator, own.ruleset_resolver
    client.meta.events.unregister(f"before-call.{_service(client)}", unique_id=_handler_id(client))


@contextmanager
def attached(engine: Engine, *clients: Any) -> Iterator[None]:
    """Within the block, the clients are attached to the engine."""
    for client in clients:
        attach_client(engine, client)
    try:
        yield
    finally:
        for client in clients:
            detach_client(client)


def _service(client: Any) -> str:
    return str(client.meta.service_model.service_id.hyphenize())


def _handler_id(client: Any) -> str:
    return f"dynamodb-engine-{id(client.meta.events)}"


def _response(url: str, status: int, body: bytes, model: Any) -> tuple[AWSResponse, dict[str, Any]]:
    headers = {
        "x-amzn-requestid": f"{next(_request_numbers):052X}",
        "x-amz-crc32": str(zlib.crc32(body)),
        "content-type": "application/x-amz-json-1.0",
        "content-length": str(len(body)),
    }
    response: Any = AWSResponse(url, status, headers, None)  # type: ignore[arg-type]
    response._content = body  # what it would have read from a connection
    if status == 200 and _is_plain(model.name) and b'"B"' not in body and b'"BS"' not in body:
        parsed = _decode(body)
    else:
        parsed = _parse_like_botocore(status, headers, body, model)
    parsed["ResponseMetadata"] = {
        "RequestId": headers["x-amzn-requestid"],
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }
    return response, parsed


def _is_plain(operation: str) -> bool:
    """Whether the JSON of a response without binaries is what botocore returns: there are no times in it."""
    return operation.endswith(("Item", "Items")) or operation in ("Query", "Scan")


def _parse_like_botocore(status: int, headers: dict[str, str], body: bytes, model: Any) -> dict[str, Any]:
    raw = {"status_code": status, "headers": headers, "body": body}
    parsed: dict[str, Any] = _parser.parse(raw, model.output_shape)
    if status >= 300:
        shape = model.service_model.shape_for_error_code(parsed["Error"]["Code"])
        if shape is not None:
            parsed.update(_parser.parse(raw, shape))
    return parsed
