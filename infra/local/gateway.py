"""A local API Gateway in front of a Chalice app, in process: it matches paths, builds proxy events, and responds to some errors.

The local run and the tests share it, so that handlers get the same events everywhere.
"""

import base64
import itertools
import uuid
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from chalice.app import Chalice

from chalicelib.edge.error_replies import BROWSER_HEADERS, TOO_LARGE_FOR_AWS, BodyTooLarge

STAGE = "api"
MAX_PAYLOAD_BYTES = 10 * 1024 * 1024

Headers = Sequence[tuple[str, str]]
Event = dict[str, Any]

# Ids of requests look like API Gateway's UUIDs. A random prefix per process and a counter are fast to create.
_REQUEST_ID_PREFIX = str(uuid.uuid4())[:24]
_request_numbers = itertools.count()


class GatewayResponse(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()  # the values of `Set-Cookie` headers


_current_request: ContextVar[Any] = ContextVar("current_request", default=None)
_lambda_context: ContextVar[Any] = ContextVar("lambda_context", default=None)


class ThreadedChalice(Chalice):
    """A Chalice app that many threads may call at once.

    Chalice keeps the current request in an attribute of the app, which suffices on Lambda, where an instance serves one request at a time.
    Here each thread has its own, as in chalice.local.LocalChalice.
    """

    @property
    def current_request(self) -> Any:
        return _current_request.get()

    @current_request.setter
    def current_request(self, value: Any) -> None:
        _current_request.set(value)

    @property
    def lambda_context(self) -> Any:
        return _lambda_context.get()

    @lambda_context.setter
    def lambda_context(self, value: Any) -> None:
        _lambda_context.set(value)


class Gateway:
    """Serves one Chalice app under `/<stage>`; safe to call from many threads."""

    def __init__(self, app: Chalice) -> None:
        app.__class__ = ThreadedChalice
        self._app = app
        self._routes = _Routes(app.routes)

    def resource_of(self, path: str) -> str | None:
        """Return the route of a path in Chalice's form, `/api/v1/events/e1` -> `/v1/events/{event_id}`, or None."""
        route = self._match(path)
        return route[0] if route is not None else None

    def handle(self, method: str, target: str, headers: Headers = (), body: bytes = b"", source_ip: str = "127.0.0.1") -> GatewayResponse:
        """Handle one request; `target` is the raw path with its query string, `/api/v1/events?status=active`."""
        event = self.proxy_event(method, target, headers, body, source_ip)
        return event if isinstance(event, GatewayResponse) else to_response(self._app(event, None))

    def proxy_event(
        self, method: str, target: str, headers: Headers = (), body: bytes = b"", source_ip: str = "127.0.0.1"
    ) -> Event | GatewayResponse:
        """Return the proxy event for the app, or API Gateway's own response."""
        path, _, query = target.partition("?")
        request_id = f"{_REQUEST_ID_PREFIX}{next(_request_numbers):012x}"
        route = self._match(path)
        if route is None:
            return _error_response(404, "not_found", "There is nothing at this address.", request_id)
        resource, parameters = route
        if len(body) > MAX_PAYLOAD_BYTES:
            return _error_response(413, BodyTooLarge.code, TOO_LARGE_FOR_AWS, request_id)
        return _event(method, path, query, headers, body, resource, parameters, request_id, source_ip)

    def _match(self, path: str) -> tuple[str, dict[str, str] | None] | None:
        return self._routes.match(path.removeprefix(f"/{STAGE}")) if path.startswith(f"/{STAGE}/") else None


class _Routes:
    """Resources by their segments; a literal segment takes precedence over a parameter, as in API Gateway."""

    def __init__(self, resources: Iterable[str]) -> None:
        self._root: dict[str, Any] = {}
        for resource in resources:
            node = self._root
            for segment in resource.strip("/").split("/"):
                node = node.setdefault("{}" if segment.startswith("{") else segment, {})
            node[""] = resource
        self.match = lru_cache(maxsize=4096)(self._match)

    def _match(self, path: str) -> tuple[str, dict[str, str] | None] | None:
        """Return the resource and its decoded path parameters, ignoring a trailing slash."""
        segments = path.removesuffix("/")[1:].split("/")
        resource = _find(self._root, segments)
        if resource is None:
            return None
        names = resource.strip("/").split("/")
        parameters = {name[1:-1]: unquote(segment) for name, segment in zip(names, segments, strict=True) if name.startswith("{")}
        return resource, parameters or None


def _find(node: dict[str, Any], segments: list[str]) -> str | None:
    if not segments:
        return node.get("")
    first, rest = segments[0], segments[1:]
    if not first:
        return None
    for key in (unquote(first), "{}"):
        if key in node and (resource := _find(node[key], rest)):
            return resource
    return None


def _event(
    method: str,
    path: str,
    query: str,
    headers: Headers,
    body: bytes,
    resource: str,
    parameters: dict[str, str] | None,
    request_id: str,
    source_ip: str,
) -> Event:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html (input format)."""
    last_headers, many_headers = _grouped(headers)
    last_values, many_values = _grouped(parse_qsl(query, keep_blank_values=True)) if query else (None, None)
    return {
        "resource": resource,
        "path": path.removeprefix(f"/{STAGE}"),
        "httpMethod": method,
        "headers": last_headers,
        "multiValueHeaders": many_headers,
        "queryStringParameters": last_values or None,
        "multiValueQueryStringParameters": many_values or None,
        "pathParameters": dict(parameters) if parameters else None,
        "stageVariables": None,
        # Binary media types are */*, so every body arrives in base64.
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": path,
            "stage": STAGE,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "identity": {"sourceIp": source_ip, "userAgent": last_headers.get("User-Agent", "")},
        },
    }


def _grouped(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return the last value of each name, and all values."""
    last: dict[str, str] = {}
    every: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in last:
            every[name].append(value)
        else:
            every[name] = [value]
        last[name] = value
    return last, every


def to_response(result: dict[str, Any]) -> GatewayResponse:
    """Convert a function's result to the response for the client."""
    body = result["body"]
    raw = base64.b64decode(body) if result.get("isBase64Encoded") else (body or "").encode()
    headers, cookies = dict(result["headers"]), ()
    for name, values in (result.get("multiValueHeaders") or {}).items():
        if name == "Set-Cookie":
            cookies = tuple(values)
        else:
            headers[name] = ", ".join(values)
    return GatewayResponse(result["statusCode"], headers, raw, cookies)


def _error_response(status: int, code: str, message: str, request_id: str) -> GatewayResponse:
    headers = {"Content-Type": "application/json", "X-Request-Id": request_id, "Access-Control-Allow-Origin": "*", **BROWSER_HEADERS}
    return GatewayResponse(status, headers, msgspec.json.encode({"error": code, "message": message, "request_id": request_id}))
