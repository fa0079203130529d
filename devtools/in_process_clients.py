"""Serves boto3's clients of DynamoDB and DynamoDB Streams within this process: no request is signed, sent or parsed as HTTP.

Within `with attached(engine, client):`, the calls of a client get their responses from the engine. boto3 and PynamoDB, which share a
client, are both served. Parameters, responses, errors and events are those of botocore, as `tests/contract` checks for each of its calls:
`provide-client-params` and `before-parameter-build` with the parameters, `before-call` with the request in JSON as `params["body"]`, and
`after-call`. A handler of `before-call` that responds or raises keeps the call from the engine, as fault injection does.

botocore takes 60 microseconds more for each call: it serializes each value by its shape, composes headers, and parses the response.
"""

import itertools
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache, partial
from typing import Any, TypedDict

import msgspec
from botocore.awsrequest import AWSResponse
from botocore.handlers import generate_idempotent_uuid
from botocore.parsers import create_parser
from botocore.validate import ParamValidationDecorator

from devtools.dynamodb.engine import Engine, respond

__all__ = ["answered", "attached", "is_about_items"]


class _Value(TypedDict, total=False):
    S: str
    N: str
    B: bytes
    SS: list[str]
    NS: list[str]
    BS: list[bytes]
    M: dict[str, "_Value"]
    L: list["_Value"]
    BOOL: bool
    NULL: bool


Responder = Callable[[str, bytes], tuple[int, bytes]]

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode
_parse: Callable[[dict[str, Any], Any], dict[str, Any]] = create_parser("json").parse
_request_numbers = itertools.count(1)


def attached(engine: Engine, *clients: Any) -> AbstractContextManager[None]:
    """Respond to all calls of these clients of DynamoDB and DynamoDB Streams from the engine within the block."""
    return answered(partial(respond, engine), *clients)


def is_about_items(operation: str) -> bool:
    """Whether an operation reads or writes items. Its requests and responses have no times."""
    return operation.endswith(("Item", "Items")) or operation in ("Query", "Scan")


@contextmanager
def answered(responder: Responder, *clients: Any, serves: Callable[[str], bool] = bool) -> Iterator[None]:
    """Respond to calls of these clients with what `responder` returns for the name and body of each request: the status and the body.

    botocore makes the calls of operations for which `serves` is false. By default, it is true for every name.
    """
    with ExitStack() as on_exit:
        for client in clients:
            on_exit.enter_context(_answered(responder, client, serves))
        yield


@contextmanager
def _answered(responder: Responder, client: Any, serves: Callable[[str], bool]) -> Iterator[None]:
    if "_make_api_call" in vars(client):
        raise ValueError("the client is already attached to an engine: detach it first")

    def answer(model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        return _response(params["url"], *responder(model.name, params["body"]), model) if serves(model.name) else None

    event, calls = f"before-call.{client.meta.service_model.service_id.hyphenize()}", _Calls(client)
    client.meta.events.register_last(event, answer)
    client._make_api_call = lambda operation, parameters: (calls.make if serves(operation) else calls.send)(operation, parameters)
    try:
        yield
    finally:
        del client._make_api_call
        client.meta.events.unregister(event, answer)


def emit(client: Any, event: str, *, is_asked: bool = False, **arguments: Any) -> Any:
    """Call the handlers of an event as botocore does. Return the first response of a handler, or None.

    With `is_asked`, the handlers after the first response are not called. Handlers that botocore registers itself are not called, because
    they are about HTTP, except for the one that adds tokens. Calls of handlers are not written to botocore's log either.
    """
    emitter = client.meta.events._emitter
    handlers = emitter._lookup_cache.get((event, "in process"))
    if handlers is None:
        handlers = [each for each in emitter._handlers.prefix_search(event) if not _is_about_http(each)]
        emitter._lookup_cache[event, "in process"] = handlers  # botocore empties it when handlers are registered
    first = None
    for handler in handlers:
        response = handler(event_name=event, **arguments)
        first = response if first is None else first
        if is_asked and first is not None:
            break
    return first


def _is_about_http(handler: Any) -> bool:
    return getattr(handler, "__module__", "").startswith("botocore.") and handler is not generate_idempotent_uuid


class _Calls:
    """The calls of a client: `make` does what botocore's `BaseClient._make_api_call` does if a handler of `before-call` responds."""

    def __init__(self, client: Any) -> None:
        self.send = client._make_api_call
        self._client, self._url, self._models = client, client.meta.endpoint_url, client.meta.service_model
        self._service = self._models.service_id.hyphenize()
        self._is_validated = isinstance(client._serializer, ParamValidationDecorator)

    def make(self, operation: str, parameters: dict[str, Any]) -> Any:
        client, model, context = self._client, self._models.operation_model(operation), dict[str, Any]()
        name = f"{self._service}.{operation}"
        known: dict[str, Any] = {"model": model, "context": context}
        changed = emit(client, f"provide-client-params.{name}", params=parameters, **known)
        parameters = parameters if changed is None else changed
        emit(client, f"before-parameter-build.{name}", params=parameters, **known)
        params = {"url": self._url, "method": "POST", "headers": {}, "body": self._body(parameters, model), "context": context}
        response, parsed = emit(client, f"before-call.{name}", is_asked=True, params=params, request_signer=client._request_signer, **known)
        emit(client, f"after-call.{name}", http_response=response, parsed=parsed, **known)
        if response.status_code >= 300:
            raise client.exceptions.from_code(parsed["Error"]["Code"])(parsed, operation)
        return parsed

    def _body(self, parameters: dict[str, Any], model: Any) -> bytes:
        """Return the request in JSON. msgspec encodes binaries in Base64, as botocore does."""
        if is_about_items(model.name) and not self._is_validated:
            return _encode(parameters)
        body: bytes = self._client._serializer.serialize_to_request(parameters, model)["body"]
        return body


class _Response(AWSResponse):
    """A response with its body. Its header names are in lower case."""

    def __init__(self, url: str, status: int, headers: Any, body: bytes) -> None:
        self.url, self.status_code, self.headers, self.raw, self._content = url, status, headers, None, body


def _response(url: str, status: int, body: bytes, model: Any) -> tuple[AWSResponse, dict[str, Any]]:
    headers = {
        "x-amzn-requestid": f"{next(_request_numbers):052X}",
        "x-amz-crc32": str(zlib.crc32(body)),
        "content-type": "application/x-amz-json-1.0",
        "content-length": str(len(body)),
    }
    parsed = _parsed(status, headers, body, model)
    parsed["ResponseMetadata"] = {
        "RequestId": headers["x-amzn-requestid"],
        "HTTPStatusCode": status,
        "HTTPHeaders": headers,
        "RetryAttempts": 0,
    }
    return _Response(url, status, headers, body), parsed


def _parsed(status: int, headers: dict[str, str], body: bytes, model: Any) -> dict[str, Any]:
    """Return a response as botocore does. Only responses about items have no times."""
    if status < 300:
        is_quick = is_about_items(model.name)
        return (
            _decoder(model.output_shape)(body)
            if is_quick
            else _parse({"status_code": status, "headers": headers, "body": body}, model.output_shape)
        )
    content = _decode(body)
    code = content["__type"].rpartition("#")[2]
    error = {"Error": {"Message": content.get("message", content.get("Message", "")), "Code": code}}
    shape = model.service_model.shape_for_error_code(code)
    return error if shape is None else error | _decoder(shape)(body)


@lru_cache(100)
def _decoder(shape: Any) -> Callable[[bytes], dict[str, Any]]:
    """Return a decoder of JSON that decodes binaries from Base64, and leaves out members that the shape does not have."""
    return msgspec.json.Decoder(_type_of(shape)).decode


def _type_of(shape: Any) -> Any:
    if shape.name == "AttributeValue":
        return _Value
    match shape.type_name:
        case "structure":
            return TypedDict(shape.name, {name: _type_of(member) for name, member in shape.members.items()}, total=False)  # type: ignore[operator]
        case "map":
            return dict[str, _type_of(shape.value)]  # type: ignore[misc]
        case "list":
            return list[_type_of(shape.member)]  # type: ignore[misc]
    return bytes if shape.type_name == "blob" else Any
