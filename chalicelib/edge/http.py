"""The decorator of every route. It turns Chalice's request into a RequestContext, and a handler's Reply into Chalice's response.

It takes care of request ids, body limits, decoding, errors, CORS, ETag and gzip:

bp = Blueprint(__name__)

@route(bp, "POST", "/events/{event_id}/reservations")
def reserve(request: RequestContext, event_id: str) -> Reply: ...
"""

import base64
import gzip
import re
from collections.abc import Callable, Mapping
from functools import wraps
from hashlib import sha256
from typing import Any, ClassVar, TypeVar

import msgspec
from chalice.app import Blueprint, CaseInsensitiveMapping, CORSConfig
from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib import clock, deadline, dynamo, effects, ids, log, settings
from chalicelib.edge import auth, time_limits
from chalicelib.errors import ApiError, InvalidInput, NotFound

MAX_BODY_BYTES = 256 * 1024
MIN_GZIP_BYTES = 1024
STORE_RETRY_SECONDS = 2
SETTINGS_RETRY_SECONDS = 60

# What a reply says about the outcome of a request that we could not finish.
READING_METHODS = ("GET", "HEAD")
UNCHANGED = "Nothing was changed; try again shortly."
UNKNOWN = "Your request may have taken effect all the same."
REPEAT_WITH_KEY = "Send it again with the same Idempotency-Key: nothing is done twice."
LOOK_FIRST = "Before you send it again, look at what it was to change: the reservation, the order, the event."

ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-User-Id", "X-Request-Id"]
EXPOSED_HEADERS = ["ETag", "Idempotency-Replayed", "Link", "Retry-After", "X-Request-Id"]
# API Gateway answers preflight requests with this constant. Which origins may read a reply is a setting (see _cors_headers).
CORS = CORSConfig(allow_origin="*", allow_headers=ALLOWED_HEADERS, expose_headers=EXPOSED_HEADERS, max_age=600)

_EXPOSED = ", ".join(EXPOSED_HEADERS)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NAMED_FIELD = re.compile(r"(?:missing required|unknown) field `([^`]+)`")

T = TypeVar("T")


class BodyTooLarge(ApiError):
    code: ClassVar[str] = "body_too_large"
    status: ClassVar[int] = 413
    default_message: ClassVar[str] = f"The request body is too large. Send at most {MAX_BODY_BYTES // 1024} KB."


class UnsupportedMediaType(ApiError):
    code: ClassVar[str] = "unsupported_media_type"
    status: ClassVar[int] = 415
    default_message: ClassVar[str] = "Send the request body as JSON, with the header `Content-Type: application/json`."


class MalformedJson(InvalidInput):
    code: ClassVar[str] = "malformed_json"


class Reply(msgspec.Struct, frozen=True):
    """What a handler returns. `body` is encoded as JSON, except for str and bytes, which need a Content-Type in `headers`."""

    body: Any
    status: int = 200
    headers: dict[str, str] = {}


class CacheableReply(msgspec.Struct, frozen=True):
    """A public reply that is encoded once and sent many times, plain or as gzip, with a strong ETag for each of the two."""

    text: str
    etag: str
    zipped: str | None
    zipped_etag: str | None
    cache_control: str

    @classmethod
    def encode(cls, body: Any, *, max_age: int) -> "CacheableReply":
        """Encode `body` as JSON. Browsers and CDNs may keep it for `max_age` seconds."""
        raw = msgspec.json.encode(body)
        digest = sha256(raw).hexdigest()[:32]
        zipped = base64.b64encode(gzip.compress(raw, mtime=0)).decode() if len(raw) >= MIN_GZIP_BYTES else None
        return cls(raw.decode(), f'"{digest}"', zipped, f'"{digest}-gzip"' if zipped else None, f"public, max-age={max_age}")


class RequestContext:
    """A request as handlers see it; `now` is the time of the request in epoch seconds.

    `is_repeatable`: sent again with its Idempotency-Key, it does nothing twice.
    """

    __slots__ = ("_identity", "chalice_request", "is_repeatable", "now")

    def __init__(self, chalice_request: ChaliceRequest) -> None:
        self.chalice_request = chalice_request
        self.now = clock.now()
        self.is_repeatable = False
        self._identity: auth.Identity | bool | None = False

    def header(self, name: str) -> str | None:
        value: str | None = self.chalice_request.headers.get(name)
        return value

    def query(self, name: str) -> str | None:
        """The last value of a query parameter; an empty one counts as absent."""
        parameters = self.chalice_request.query_params
        return (parameters.get(name) or None) if parameters else None

    def query_id(self, name: str) -> str | None:
        """Like `query`, for an id; raises InvalidInput for one that cannot exist."""
        value = self.query(name)
        if value is not None and not ids.is_id(value):
            message = f"`{name}` must be an id: at most 300 letters, digits or . _ -, beginning with a letter or digit."
            raise InvalidInput(message, path=name)
        return value

    @property
    def identity(self) -> auth.Identity | None:
        """The caller, or None if the request is anonymous."""
        if isinstance(self._identity, bool):
            self._identity = auth.identify(self.chalice_request.headers)
        return self._identity

    def require_user(self) -> auth.Identity:
        """The caller; raises UserRequired or Unauthenticated if the request is anonymous."""
        return auth.require_user(self.identity)

    def require_role(self, role: auth.Role) -> auth.Identity:
        """The caller, if they have `role`; raises Unauthenticated or Forbidden."""
        return auth.require_role(self.identity, role)

    def read_body(self) -> bytes:
        """The body as bytes; raises BodyTooLarge."""
        body = self.chalice_request.raw_body
        raw = body if isinstance(body, bytes) else body.encode()
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge()
        return raw

    def parse_body(self, shape: type[T]) -> T:
        """The JSON body as an instance of `shape` (a msgspec Struct); raises InvalidInput, which names the field at fault."""
        raw = self.read_body()
        media_type = (self.header("content-type") or "application/json").split(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType()
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            raise _invalid_input(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedJson("The request body is not valid JSON. Correct it and send it again.") from None


def route(bp: Blueprint, method: str, path: str) -> Callable[[Callable[..., Reply | CacheableReply]], Callable[..., ChaliceResponse]]:
    """Register a handler `(request, **path parameters) -> Reply | CacheableReply` on a blueprint.

    Path parameters are ids: one that cannot exist is a 404, and the handler is not called.
    Chalice turns an exception of a handler into a 500 before any middleware sees it, so exceptions become replies here.
    """

    def register(handler: Callable[..., Reply | CacheableReply]) -> Callable[..., ChaliceResponse]:
        @wraps(handler)
        def handle(**parameters: str) -> ChaliceResponse:
            chalice_request: ChaliceRequest = bp.current_request
            if "accept" not in chalice_request.headers:
                # With binary media types Chalice answers 400 to a request without Accept, although that means "anything".
                chalice_request.headers = CaseInsensitiveMapping({**chalice_request.headers, "accept": "*/*"})
            request = RequestContext(chalice_request)
            with log.scope(_request_id(chalice_request)), effects.observed():
                try:
                    seconds = settings.current().request_seconds  # with settings that cannot be read, no request succeeds
                    if not all(map(ids.is_id, parameters.values())):
                        raise NotFound()
                    with deadline.within(min(seconds, time_limits.lambda_seconds(chalice_request.lambda_context))):
                        reply = handler(request, **parameters)
                    if isinstance(reply, CacheableReply):
                        return _respond_cacheable(chalice_request, reply)
                    return _respond(chalice_request, reply)
                except Exception as error:
                    return _respond(chalice_request, _error_reply(request, error))

        bp.route(path, methods=[method], content_types=["*/*"], cors=CORS)(handle)
        return handle

    return register


class _EncodedResponse(ChaliceResponse):
    """A response whose body is text, or bytes as base64. Chalice's own class would encode every body as base64."""

    def __init__(self, body: str, headers: dict[str, str], status: int, *, is_base64: bool) -> None:
        super().__init__(body, {**headers}, status)
        self.is_base64 = is_base64

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        response = {"headers": self.headers, "multiValueHeaders": {}, "statusCode": self.status_code, "body": self.body}
        if self.is_base64:
            response["isBase64Encoded"] = True
        return response


def _request_id(chalice_request: ChaliceRequest) -> str:
    """The caller's request id if it is well-formed, otherwise API Gateway's or a new one."""
    request_id = chalice_request.headers.get("x-request-id") or chalice_request.context.get("requestId") or ""
    return request_id if _REQUEST_ID.fullmatch(request_id) else ids.new_id()


def _cors_headers(chalice_request: ChaliceRequest) -> dict[str, str]:
    try:
        setting = settings.current().cors_origins
    except settings.SettingsError:  # the reply says that they cannot be read
        setting = "*"
    if setting == "*":
        return {"Access-Control-Allow-Origin": "*"}
    origin = chalice_request.headers.get("origin", "")
    allowed_origins = [allowed.strip() for allowed in setting.split(",")]
    return {"Access-Control-Allow-Origin": origin if origin in allowed_origins else allowed_origins[0], "Vary": "Origin"}


def _headers(chalice_request: ChaliceRequest, reply_headers: dict[str, str]) -> dict[str, str]:
    """A reply's headers with those that every response has."""
    headers = {"X-Request-Id": log.request_id(), **_cors_headers(chalice_request), "Access-Control-Expose-Headers": _EXPOSED}
    vary = [value for value in (headers.get("Vary"), reply_headers.get("Vary")) if value]
    return {**headers, **reply_headers, **({"Vary": ", ".join(vary)} if vary else {})}


def _accepts_gzip(chalice_request: ChaliceRequest) -> bool:
    for coding in chalice_request.headers.get("accept-encoding", "").split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _respond(chalice_request: ChaliceRequest, reply: Reply) -> ChaliceResponse:
    if isinstance(reply.body, bytes):
        headers = _headers(chalice_request, reply.headers)
        return _EncodedResponse(base64.b64encode(reply.body).decode(), headers, reply.status, is_base64=True)
    if isinstance(reply.body, str):
        return _EncodedResponse(reply.body, _headers(chalice_request, reply.headers), reply.status, is_base64=False)
    raw = msgspec.json.encode(reply.body)
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **reply.headers}
    if len(raw) < MIN_GZIP_BYTES or not _accepts_gzip(chalice_request):
        return _EncodedResponse(raw.decode(), _headers(chalice_request, headers), reply.status, is_base64=False)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    zipped = base64.b64encode(gzip.compress(raw, compresslevel=5)).decode()
    return _EncodedResponse(zipped, _headers(chalice_request, headers), reply.status, is_base64=True)


def _respond_cacheable(chalice_request: ChaliceRequest, reply: CacheableReply) -> ChaliceResponse:
    send_zipped = reply.zipped is not None and _accepts_gzip(chalice_request)
    etag = reply.zipped_etag if send_zipped and reply.zipped_etag else reply.etag
    headers = _headers(chalice_request, {"ETag": etag, "Cache-Control": reply.cache_control, "Vary": "Accept-Encoding"})
    if etag_matches(chalice_request.headers.get("if-none-match"), reply.etag, reply.zipped_etag):
        return _EncodedResponse("", headers, 304, is_base64=False)
    headers["Content-Type"] = "application/json"
    if send_zipped:
        headers["Content-Encoding"] = "gzip"
    return _EncodedResponse((reply.zipped if send_zipped else None) or reply.text, headers, 200, is_base64=send_zipped)


def etag_matches(if_none_match: str | None, *etags: str | None) -> bool:
    """Whether If-None-Match names one of `etags` (RFC 9110, 13.1.2: a list of tags or `*`, compared weakly)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or not tags.isdisjoint(etags)


def _invalid_input(error: msgspec.ValidationError) -> InvalidInput:
    message, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    field = _NAMED_FIELD.search(message)
    return InvalidInput(message + ".", path=f"{path}.{field.group(1)}" if field else path)


def _error_reply(request: RequestContext, error: Exception) -> Reply:
    """The reply to every exception: the one place that maps exceptions to statuses."""
    match error:
        case ApiError():
            retry_seconds = error.details.get("retryAfterSeconds")
            if error.status >= 500:
                return _failure(request, error.status, error.code, error.message, retry_seconds, error.details)
            return _error(error.status, error.code, error.message, retry_seconds, error.details)
        case _ if isinstance(error, dynamo.STORE_ERRORS) and dynamo.is_unavailable(error):
            log.count("store_unavailable")
            log.warning("store.unavailable", error=type(error).__name__, store_code=dynamo.error_code(error))
            return _failure(request, 503, "service_unavailable", "The service is busy.", STORE_RETRY_SECONDS)
        case settings.SettingsError():
            log.exception("settings.wrong", error=str(error))
            message = "The service is not set up correctly, so it cannot do this now."
            return _failure(request, 503, "not_set_up", message, SETTINGS_RETRY_SECONDS)
        case _:
            log.exception("request.failed", error=type(error).__name__)
            message = "Something went wrong on our side; if it happens again, report the request id."
            return _failure(request, 500, "internal_error", message, None)


def _failure(
    request: RequestContext, status: int, code: str, message: str, retry_seconds: int | None, details: Mapping[str, Any] | None = None
) -> Reply:
    """The reply when we, and not the caller, are at fault. It says whether the request may have changed something all the same."""
    outcome, advice = "unchanged", UNCHANGED
    if request.chalice_request.method not in READING_METHODS and effects.may_have_happened():
        outcome, advice = "unknown", f"{UNKNOWN} {REPEAT_WITH_KEY if request.is_repeatable else LOOK_FIRST}"
    return _error(status, code, f"{message} {advice}", retry_seconds, {"outcome": outcome, **(details or {})})


def _error(status: int, code: str, message: str, retry_seconds: int | None, details: Mapping[str, Any]) -> Reply:
    body = {"error": code, "message": message, "request_id": log.request_id(), **details}
    if retry_seconds is None:
        return Reply(body, status)
    return Reply({**body, "retryAfterSeconds": retry_seconds}, status, {"Retry-After": str(retry_seconds)})
