"""The decorator of every route. It turns Chalice's request into a RequestContext, and a handler's Reply into Chalice's response.

The decorator takes care of access, request ids, body limits, decoding, errors, CORS, ETag and gzip. The OpenAPI document is generated from
the decorator's arguments and the handler's annotations:

bp = Blueprint(__name__)

@route(bp, "POST", "/events/{event_id}/tiers", access="manager", statuses=(201,))
def create_tier(request: RequestContext, event_id: str, body: NewTier) -> Reply[TierView]: ...
"""

import base64
import gzip
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from hashlib import sha256
from typing import Any, Generic, TypeVar, get_args

import msgspec
from chalice.app import Blueprint, CaseInsensitiveMapping
from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse
from msgspec import UNSET, UnsetType

from chalicelib.dynamodb import dynamo
from chalicelib.edge import auth, cors, deprecations, languages, scheduled
from chalicelib.edge.error_replies import (
    BROWSER_HEADERS,
    JSON_HEADERS,
    MAX_BODY_BYTES,
    READING_METHODS,
    BodyTooLarge,
    ServiceUnavailable,
    UnsupportedMediaType,
    error_reply,
    in_accepted_form,
)
from chalicelib.edge.languages import Language
from chalicelib.edge.operation import FormFile, Header, Operation, resolve_id
from chalicelib.edge.parsing import NoQuery, parse_file, parse_json, parse_query
from chalicelib.foundation import clock, deadline, effects, ids, log, secret_settings, settings
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.foundation.log import logger

# The CDN sends the viewer's address in a header, with a key that only the CDN and the API know.
VIEWER_HEADER = "X-Viewer-Address"
KEY_HEADER = "X-Edge-Key"

# Replies are zipped here instead of by API Gateway (Chalice's `minimum_compression_size`), so that a cacheable reply is zipped only once
# and each of its two forms has its own ETag, and because a long reply must be zipped before Lambda returns it.
MIN_GZIP_BYTES = 1024
# Lambda returns at most 6 MB, including a backslash before each quotation mark. A longer reply is sent zipped to everybody.
MAX_PLAIN_CHARACTERS = 4_000_000
MAX_FORM_BYTES = 10 * 1024 * 1024  # the maximum that API Gateway accepts
STANDBY_RETRY_SECONDS = 30  # while no region sells, or if the caller has reached the wrong region

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Reply(msgspec.Struct, Generic[T], frozen=True):
    """A handler's reply. `body` is encoded as JSON, except for str and bytes, which need a Content-Type in `headers`.

    Each of the `cookies` is the value of a `Set-Cookie` header.
    """

    body: T
    status: int = 200
    headers: dict[str, str] = {}
    cookies: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True):
    """The body of a reply without data: `message` says what was done."""

    message: str


class CacheableReply(msgspec.Struct, Generic[T], frozen=True):
    """A public reply that is encoded once and sent many times, plain or gzipped, with a strong ETag for each of the two forms.

    `T` is the type of the body before encoding.
    """

    text: str
    etag: str
    zipped: str | None
    zipped_etag: str | None
    cache_control: str
    headers: dict[str, str] = {}

    @classmethod
    def encode(cls, body: T, *, max_age: int, headers: Mapping[str, str] | None = None) -> "CacheableReply[T]":
        """Encode `body` as JSON. Browsers and CDNs may keep it for `max_age` seconds."""
        raw = msgspec.json.encode(body)
        digest = sha256(raw).hexdigest()[:32]
        zipped = base64.b64encode(gzip.compress(raw, mtime=0)).decode() if len(raw) >= MIN_GZIP_BYTES else None
        return cls(
            raw.decode(), f'"{digest}"', zipped, f'"{digest}-gzip"' if zipped else None, f"public, max-age={max_age}", dict(headers or {})
        )

    @classmethod
    def encode_private(cls, body: T, version: int) -> "CacheableReply[T]":
        """Encode a `body` that must not be cached. Its ETag begins with the version, so that clients can send it back as If-Match."""
        raw = msgspec.json.encode(body)
        return cls(raw.decode(), f'"{version}-{sha256(raw).hexdigest()[:16]}"', None, None, "no-store")


class RequestContext:
    """A request as handlers see it; `now` is the time of the request in epoch seconds.

    `is_repeatable`: the request can be sent again without doing anything twice (see `mark_repeatable`).

    Unless the route `takes_api_keys`, `identity` raises Forbidden for an API key.
    """

    __slots__ = ("_identity", "chalice_request", "is_repeatable", "now", "takes_api_keys")

    def __init__(self, chalice_request: ChaliceRequest, *, takes_api_keys: bool = False) -> None:
        self.chalice_request = chalice_request
        self.takes_api_keys = takes_api_keys
        self.now = clock.now()
        self.is_repeatable = False
        self._identity: auth.Identity | UnsetType | None = UNSET  # until `identity` reads the headers for the first time

    def mark_repeatable(self) -> None:
        """Let an error advise the caller to repeat the request if its outcome is unknown. This has no other effect.

        Call this only if the request can be sent again without doing anything twice: because it has an Idempotency-Key, or because the
        handler needs no key.
        """
        self.is_repeatable = True

    def header(self, name: str) -> str | None:
        value: str | None = self.chalice_request.headers.get(name)
        return value

    def query_parameter(self, name: str) -> str | None:
        """Return a query parameter of a route that declares no `query`."""
        parameters: Mapping[str, str] = self.chalice_request.query_params or {}
        return parameters.get(name)

    def source_address(self) -> str | None:
        """Return the address that the request came from, as text, or None if it is unknown.

        API Gateway reports the address of its caller. If the caller is the CDN, returns the viewer's address. A client can send that header
        too, but it does not know the CDN's key. Raises SettingsError or DeadlineExceeded if the request has a key and the CDN's key cannot
        be read.
        """
        sent = self.header(KEY_HEADER)
        if sent is not None:
            key = secret_settings.optional_secret("edge_key")
            if key and hmac.compare_digest(sent.encode(), key.encode()):
                return self.header(VIEWER_HEADER)
        caller: str | None = self.chalice_request.context.get("identity", {}).get("sourceIp")
        return caller

    @property
    def language(self) -> Language:
        """The supported language that the caller prefers."""
        return languages.choose_language(self.header("accept-language"))

    @property
    def caller_id(self) -> str | None:
        """The id of the caller. None if the request is anonymous, if its token is invalid, or if nothing has read `identity` yet."""
        return self._identity.user_id if isinstance(self._identity, auth.Identity) else None

    @property
    def identity(self) -> auth.Identity | None:
        """The caller, or None if the request is anonymous."""
        if self._identity is UNSET:
            identity = auth.identify(self.chalice_request.headers)
            if identity is not None and identity.is_api_key and not self.takes_api_keys:
                raise auth.Forbidden("An API key cannot do this. Send the access token of a user.")
            self._identity = identity
        return self._identity

    def require_user(self) -> auth.Identity:
        """Return the caller. Raises Unauthenticated if the request is anonymous."""
        return auth.require_user(self.identity)

    def read_body(self, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Return the body as bytes. Raises BodyTooLarge if it has more than `max_bytes`."""
        body = self.chalice_request.raw_body
        raw = body if isinstance(body, bytes) else body.encode()
        if len(raw) > max_bytes:
            raise BodyTooLarge()
        return raw

    def read_file(self, file: FormFile) -> bytes:
        """Return the file in the body, which must be a form. Raises InvalidInput, UnsupportedMediaType, or `file.too_large`."""
        return parse_file(self.header("content-type"), self.read_body(MAX_FORM_BYTES), file)

    def parse_body(self, shape: type[T]) -> T:
        """Return the JSON body as an instance of `shape`, a msgspec Struct. Raises InvalidInput, which names the invalid field."""
        raw = self.read_body()
        media_type = (self.header("content-type") or "application/json").split(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType()
        return parse_json(deprecations.with_new_names(raw, shape), shape)

    def parse_query(self, shape: type[S], *, ignores_unknown: bool = False) -> S:
        """Return the query parameters as an instance of `shape`, a msgspec Struct.

        Raises InvalidInput, which names the invalid parameter.
        """
        return parse_query(self.chalice_request.query_params or {}, shape, ignores_unknown=ignores_unknown)


def route(
    bp: Blueprint,
    method: str,
    path: str,
    *,
    access: auth.Access,
    statuses: tuple[int, ...] = (200,),
    headers: tuple[Header, ...] = (),
    errors: tuple[type[ApiError], ...] = (),
    media_types: tuple[str, ...] = (),
    file: FormFile | None = None,
) -> Callable[[Callable[..., Reply[Any] | CacheableReply[Any]]], Callable[..., ChaliceResponse]]:
    """Register a handler `(request, **path parameters) -> Reply | CacheableReply` on a blueprint.

    The handler's parameters: the first, `request`, receives the RequestContext. The parameters of the path are ids: for an id that cannot
    exist, the reply is 404 and the handler is not called. A parameter `body` receives the JSON body as an instance of its type, a msgspec
    Struct; if the parameter has a default, the body may be empty. A parameter `query` receives the query parameters. With `file`, the
    parameter `file` receives the uploaded bytes.

    At run time, only `method`, `path`, `access` and `file` have an effect. `statuses`, `headers`, `errors` and `media_types` are only for
    the OpenAPI document (see Operation).

    `access` is checked before the body is read. `public` lets everybody call the handler, `user` every identified caller, and `admin` only
    admins. `door` requires that the caller works at the door of any event, and `manager` that the caller manages any event or sees its
    money; the handler checks the event in question, with `catalog.permissions`.

    Public routes that only read ignore unknown query parameters, because other sites add theirs to links. Other routes that only read
    refuse them, even if they have no query parameters.

    Chalice turns an exception from a handler into a reply of its own before any middleware sees it, except its ChaliceUnhandledError. So
    `error_reply` turns exceptions into replies here.
    """

    def register(handler: Callable[..., Reply[Any] | CacheableReply[Any]]) -> Callable[..., ChaliceResponse]:
        operation = Operation(
            method=method,
            path=path,
            access=access,
            handler=handler,
            statuses=statuses,
            body=handler.__annotations__.get("body"),
            query=handler.__annotations__.get("query"),
            headers=headers,
            errors=errors,
            media_types=media_types,
            file=file,
        )
        handle = _handle_requests(bp, operation)
        handle.operation = operation  # type: ignore[attr-defined]  # for `infra`, which generates the OpenAPI document and the CDN's rules
        bp.route(path, methods=[method], content_types=["*/*"])(handle)  # `parse_body` refuses other types, with an error in our format
        return handle

    return register


def _handle_requests(bp: Blueprint, operation: Operation) -> Callable[..., ChaliceResponse]:
    """Return the function that Chalice calls for a request to the route."""
    handler, access, parse = operation.handler, operation.access, _argument_parser(operation)
    shape = next(iter(get_args(handler.__annotations__.get("return"))), None)  # type of the body

    @wraps(handler)
    def handle(**parameters: str) -> ChaliceResponse:
        chalice_request: ChaliceRequest = bp.current_request
        if "accept" not in chalice_request.headers:
            # With binary media types, Chalice answers 400 to a request without Accept, although a missing Accept means "anything".
            chalice_request.headers = CaseInsensitiveMapping({**chalice_request.headers, "accept": "*/*"})
        request = RequestContext(chalice_request, takes_api_keys=operation.takes_api_keys)
        # The effects are observed so that an error reply can say whether the request may have changed something.
        with log.scope(_request_id(chalice_request), request.source_address), effects.observed():
            try:
                seconds = settings.current().request_seconds  # invalid settings make every request fail
                with _write_permission(operation, min(seconds, scheduled.lambda_seconds(chalice_request.lambda_context))):
                    if access != "public":
                        auth.check_access(access, request.identity)  # may read the store for an API key
                    if not all(map(ids.is_id, parameters.values())):
                        raise NotFound()
                    arguments = parse(request) if parse else {}  # before names are resolved, because that may read the store
                    parameters = {name: resolve_id(name, text) for name, text in parameters.items()}
                    reply = handler(request, **parameters, **arguments)
                if isinstance(reply, CacheableReply):
                    return _respond_cacheable(chalice_request, reply)
                body, has_old_names = deprecations.with_old_names(reply.body, shape)
                headers = {**reply.headers, **deprecations.HEADERS} if has_old_names else reply.headers
                return _respond(chalice_request, Reply(body, reply.status, headers, reply.cookies))
            except Exception as error:
                if isinstance(error, auth.Unauthenticated | auth.Forbidden):
                    logger.info(
                        "request.refused", error=error.code, route=f"{operation.method} {operation.path}", user_id=request.caller_id
                    )
                reply = error_reply(error, request.chalice_request.method, request.is_repeatable)
                return _respond(chalice_request, Reply(*in_accepted_form(request.header("accept"), *reply)))

    return handle


def _write_permission(operation: Operation, seconds: float) -> AbstractContextManager[None]:
    """Return the context of a request, which gives it at most `seconds`, and in a region that may write, only the time that is left there.

    Elsewhere, only reads are served, and they write nothing. Raises ServiceUnavailable for other requests.
    """
    left = scheduled.seconds_to_write()
    if left:
        return deadline.within(min(seconds, left))
    if operation.method in READING_METHODS:
        return _read_only(seconds)
    raise ServiceUnavailable(retry_after_seconds=STANDBY_RETRY_SECONDS)


@contextmanager
def _read_only(seconds: float) -> Iterator[None]:
    with dynamo.refusing_writes(), deadline.within(seconds):
        yield


def _argument_parser(operation: Operation) -> Callable[[RequestContext], dict[str, Any]] | None:
    """Return a function that reads a handler's `body`, `query` and `file` from a request.

    Returns None if there is nothing to read or check.
    """
    body, query, file = operation.body, operation.query, operation.file
    ignores_unknown = operation.access == "public" and operation.method in READING_METHODS
    refuses_query = query is None and operation.method in READING_METHODS and not ignores_unknown
    if body is None and query is None and file is None and not refuses_query:
        return None
    has_default = operation.has_optional_body

    def parse(request: RequestContext) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if query is not None:
            arguments["query"] = request.parse_query(query, ignores_unknown=ignores_unknown)
        elif refuses_query and request.chalice_request.query_params:
            request.parse_query(NoQuery)
        if body is not None and not (has_default and not request.read_body()):
            arguments["body"] = request.parse_body(body)
        if file is not None:
            arguments["file"] = request.read_file(file)
        return arguments

    return parse


class _EncodedResponse(ChaliceResponse):
    """A response whose body is text, or bytes as base64.

    Chalice's own class would encode every body as base64, because `app.py` declares all types binary.
    """

    def __init__(self, body: str, headers: Mapping[str, str | list[str]], status: int, *, is_base64: bool) -> None:
        super().__init__(body, {**headers}, status)
        self.is_base64 = is_base64

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        response: dict[str, Any] = super().to_dict()  # without binary types, so Chalice encodes nothing
        return {**response, "isBase64Encoded": True} if self.is_base64 else response


def _request_id(chalice_request: ChaliceRequest) -> str:
    """Return the request id from the caller or else from API Gateway. If this id is missing or malformed, returns a new id."""
    request_id = chalice_request.headers.get("x-request-id") or chalice_request.context.get("requestId") or ""
    return request_id if _REQUEST_ID.fullmatch(request_id) else ids.new_id()


def _headers(chalice_request: ChaliceRequest, reply_headers: dict[str, str]) -> dict[str, str]:
    """Return a reply's headers together with the headers that every response has."""
    headers = {"X-Request-Id": log.request_id(), **BROWSER_HEADERS, **cors.headers(chalice_request)}
    vary = [value for value in (headers.get("Vary"), reply_headers.get("Vary")) if value]
    return {**headers, **reply_headers, **({"Vary": ", ".join(vary)} if vary else {})}


def accepts_gzip(accept_encoding: str | None) -> bool:
    for coding in (accept_encoding or "").split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _respond(chalice_request: ChaliceRequest, reply: Reply[Any]) -> ChaliceResponse:
    cookies = {"Set-Cookie": [*reply.cookies]} if reply.cookies else {}  # Chalice sends a list as several headers

    def respond(body: str, headers: dict[str, str], *, is_base64: bool) -> ChaliceResponse:
        return _EncodedResponse(body, {**_headers(chalice_request, headers), **cookies}, reply.status, is_base64=is_base64)

    if isinstance(reply.body, bytes):
        return respond(base64.b64encode(reply.body).decode(), reply.headers, is_base64=True)
    if isinstance(reply.body, str):
        return respond(reply.body, reply.headers, is_base64=False)
    raw = msgspec.json.encode(reply.body)
    headers = {**JSON_HEADERS, "Cache-Control": "no-store", **reply.headers}
    if len(raw) < MIN_GZIP_BYTES or not accepts_gzip(chalice_request.headers.get("accept-encoding")):
        return respond(raw.decode(), headers, is_base64=False)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return respond(base64.b64encode(gzip.compress(raw, compresslevel=5)).decode(), headers, is_base64=True)


def _respond_cacheable(chalice_request: ChaliceRequest, reply: CacheableReply[Any]) -> ChaliceResponse:
    is_zippable = accepts_gzip(chalice_request.headers.get("accept-encoding")) or len(reply.text) > MAX_PLAIN_CHARACTERS
    send_zipped = reply.zipped is not None and is_zippable
    etag = reply.zipped_etag if send_zipped and reply.zipped_etag else reply.etag
    headers = _headers(chalice_request, {"ETag": etag, "Cache-Control": reply.cache_control, "Vary": "Accept-Encoding", **reply.headers})
    if etag_matches(chalice_request.headers.get("if-none-match"), reply.etag, reply.zipped_etag):
        return _EncodedResponse("", headers, 304, is_base64=False)
    headers |= JSON_HEADERS
    if send_zipped:
        headers["Content-Encoding"] = "gzip"
    return _EncodedResponse((reply.zipped if send_zipped else None) or reply.text, headers, 200, is_base64=send_zipped)


def etag_matches(if_none_match: str | None, *etags: str | None) -> bool:
    """Return whether If-None-Match names one of `etags` (RFC 9110, 13.1.2: a list of tags or `*`, compared weakly)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or not tags.isdisjoint(etags)
