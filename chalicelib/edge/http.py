"""From a Chalice request to a response: request id, body limits, decoding, errors, CORS, ETag and gzip, in one decorator.

bp = Blueprint(__name__)

@route(bp, "POST", "/events/{event_id}/reservations")
def reserve(request: RequestContext, event_id: str) -> Reply: ...
"""

import base64
import gzip
import re
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, ClassVar, TypeVar

import msgspec
from chalice.app import Blueprint, CaseInsensitiveMapping, CORSConfig, Request, Response

from chalicelib import clock, dynamo, ids, log, settings
from chalicelib.edge import auth
from chalicelib.errors import ApiError, InvalidInput

MAX_BODY_BYTES = 256 * 1024
MIN_GZIP_BYTES = 1024
STORE_RETRY_SECONDS = 2

ALLOWED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-User-Id", "X-Request-Id"]
EXPOSED_HEADERS = ["ETag", "Idempotency-Replayed", "Link", "Retry-After", "X-Request-Id"]
# The preflight is answered by API Gateway from this constant; which origins may read an answer is a setting (see _cors).
CORS = CORSConfig(allow_origin="*", allow_headers=ALLOWED_HEADERS, expose_headers=EXPOSED_HEADERS, max_age=600)

_EXPOSED = ", ".join(EXPOSED_HEADERS)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NAMED_FIELD = re.compile(r"(?:missing required|unknown) field `([^`]+)`")

T = TypeVar("T")


class BodyTooLarge(ApiError):
    code: ClassVar[str] = "body_too_large"
    status: ClassVar[int] = 413
    default_message: ClassVar[str] = f"A body has {MAX_BODY_BYTES // 1024} KB at most."


class UnsupportedMediaType(ApiError):
    code: ClassVar[str] = "unsupported_media_type"
    status: ClassVar[int] = 415
    default_message: ClassVar[str] = "Send JSON with `Content-Type: application/json`."


class MalformedJson(InvalidInput):
    code: ClassVar[str] = "malformed_json"


class Reply(msgspec.Struct, frozen=True):
    """What a handler returns: `body` is anything msgspec encodes; bytes go out as they are, under their Content-Type."""

    body: Any
    status: int = 200
    headers: dict[str, str] = {}


class EncodedBody(msgspec.Struct, frozen=True):
    """A body encoded once and answered many times, with a strong ETag for each of its two encodings."""

    text: str
    etag: str
    zipped: str | None
    zipped_etag: str | None
    cache_control: str

    @classmethod
    def of(cls, body: Any, *, max_age: int) -> "EncodedBody":
        """Encode `body` as JSON; browsers and CDNs may keep it for `max_age` seconds."""
        raw = msgspec.json.encode(body)
        digest = sha256(raw).hexdigest()[:32]
        zipped = base64.b64encode(gzip.compress(raw, mtime=0)).decode() if len(raw) >= MIN_GZIP_BYTES else None
        return cls(raw.decode(), f'"{digest}"', zipped, f'"{digest}-gzip"' if zipped else None, f"public, max-age={max_age}")


class RequestContext:
    """One request as a handler sees it."""

    __slots__ = ("_identity", "chalice_request", "now")

    def __init__(self, request: Request) -> None:
        self.chalice_request = request
        self.now = clock.now()
        self._identity: auth.Identity | bool | None = False

    def header(self, name: str) -> str | None:
        value: str | None = self.chalice_request.headers.get(name)
        return value

    def query(self, name: str) -> str | None:
        """The last value of a query parameter; an empty one counts as absent."""
        parameters = self.chalice_request.query_params
        return (parameters.get(name) or None) if parameters else None

    @property
    def identity(self) -> auth.Identity | None:
        """The caller, or None when nobody is named."""
        if isinstance(self._identity, bool):
            self._identity = auth.identify(self.chalice_request.headers)
        return self._identity

    def require_user(self) -> auth.Identity:
        """The caller; refuses when nobody is named."""
        return auth.require_user(self.identity)

    def require_role(self, role: auth.Role) -> auth.Identity:
        return auth.require_role(self.identity, role)

    def read_body(self) -> bytes:
        """The body's bytes, after its size was checked."""
        body = self.chalice_request.raw_body
        raw = body if isinstance(body, bytes) else body.encode()
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge()
        return raw

    def parse_body(self, shape: type[T]) -> T:
        """The JSON body as a `shape` (a msgspec Struct); every fault is a 400 that names the field."""
        raw = self.read_body()
        media_type = (self.header("content-type") or "application/json").split(";")[0].strip().lower()
        if media_type != "application/json":
            raise UnsupportedMediaType()
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.ValidationError as error:
            raise _invalid(error) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise MalformedJson("The body is not valid JSON.") from None


def route(bp: Blueprint, method: str, path: str) -> Callable[[Callable[..., Reply | EncodedBody]], Callable[..., Response]]:
    """Register a handler `(request, **path parameters) -> Reply | EncodedBody` on a blueprint.

    Chalice turns an exception of a view into a 500 before any middleware sees it, so errors become answers here.
    """

    def register(view: Callable[..., Reply | EncodedBody]) -> Callable[..., Response]:
        @wraps(view)
        def handle(**parameters: str) -> Response:
            request: Request = bp.current_request
            if "accept" not in request.headers:
                # Chalice answers 400 when a binary media type meets a request without Accept; absent means anything.
                request.headers = CaseInsensitiveMapping({**request.headers, "accept": "*/*"})
            with log.scope(_request_id(request)):
                try:
                    answer = view(RequestContext(request), **parameters)
                    if isinstance(answer, EncodedBody):
                        return _render_document(request, answer)
                    return _render(request, answer)
                except Exception as error:
                    return _render(request, _error_answer(error))

        bp.route(path, methods=[method], content_types=["*/*"], cors=CORS)(handle)
        return handle

    return register


class _Rendered(Response):
    """A response whose body is text, or base64 of bytes; Chalice's own encoding would base64 all of them."""

    def __init__(self, body: str, headers: dict[str, str], status: int, *, encoded: bool) -> None:
        super().__init__(body, {**headers}, status)
        self.encoded = encoded

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:  # noqa: ARG002
        answer = {"headers": self.headers, "multiValueHeaders": {}, "statusCode": self.status_code, "body": self.body}
        if self.encoded:
            answer["isBase64Encoded"] = True
        return answer


def _request_id(request: Request) -> str:
    given = request.headers.get("x-request-id") or request.context.get("requestId") or ""
    return given if _REQUEST_ID.fullmatch(given) else ids.new_id()


def _cors(request: Request) -> dict[str, str]:
    allowed = settings.current().cors_origins
    if allowed == "*":
        return {"Access-Control-Allow-Origin": "*"}
    origin = request.headers.get("origin", "")
    known = [one.strip() for one in allowed.split(",")]
    return {"Access-Control-Allow-Origin": origin if origin in known else known[0], "Vary": "Origin"}


def _headers(request: Request, more: dict[str, str]) -> dict[str, str]:
    headers = {"X-Request-Id": log.request_id(), **_cors(request), "Access-Control-Expose-Headers": _EXPOSED}
    vary = [value for value in (headers.get("Vary"), more.get("Vary")) if value]
    return {**headers, **more, **({"Vary": ", ".join(vary)} if vary else {})}


def _wants_gzip(request: Request) -> bool:
    for coding in request.headers.get("accept-encoding", "").split(","):
        name, _, weight = coding.partition(";")
        if name.strip().lower() == "gzip":
            return weight.strip().replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _render(request: Request, answer: Reply) -> Response:
    if isinstance(answer.body, bytes):
        return _Rendered(base64.b64encode(answer.body).decode(), _headers(request, answer.headers), answer.status, encoded=True)
    if isinstance(answer.body, str):
        return _Rendered(answer.body, _headers(request, answer.headers), answer.status, encoded=False)
    raw = msgspec.json.encode(answer.body)
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **answer.headers}
    if len(raw) < MIN_GZIP_BYTES or not _wants_gzip(request):
        return _Rendered(raw.decode(), _headers(request, headers), answer.status, encoded=False)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    zipped = base64.b64encode(gzip.compress(raw, compresslevel=5)).decode()
    return _Rendered(zipped, _headers(request, headers), answer.status, encoded=True)


def _render_document(request: Request, document: EncodedBody) -> Response:
    zipped = document.zipped is not None and _wants_gzip(request)
    etag = document.zipped_etag if zipped and document.zipped_etag else document.etag
    headers = _headers(request, {"ETag": etag, "Cache-Control": document.cache_control, "Vary": "Accept-Encoding"})
    if etag_matches(request.headers.get("if-none-match"), document.etag, document.zipped_etag):
        return _Rendered("", headers, 304, encoded=False)
    headers["Content-Type"] = "application/json"
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return _Rendered((document.zipped if zipped else None) or document.text, headers, 200, encoded=zipped)


def etag_matches(if_none_match: str | None, *etags: str | None) -> bool:
    """Whether the caller has what one of `etags` names (RFC 9110, 13.1.2: a list of tags or `*`, compared weakly)."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or not tags.isdisjoint(etags)


def _invalid(error: msgspec.ValidationError) -> InvalidInput:
    message, _, path = str(error).partition(" - at `")
    path = path.rstrip("`") or "$"
    named = _NAMED_FIELD.search(message)
    return InvalidInput(message + ".", path=f"{path}.{named.group(1)}" if named else path)


def _error_answer(error: Exception) -> Reply:
    """The one table from exceptions to answers."""
    match error:
        case ApiError():
            retry = error.details.get("retryAfterSeconds")
            headers = {"Retry-After": str(retry)} if retry is not None else {}
            return _error(error.status, error.code, error.message, error.details, headers)
        case _ if isinstance(error, (*dynamo.STORE_ERRORS, dynamo.StoreUnavailable)) and dynamo.is_unavailable(error):
            log.count("store_unavailable")
            log.warning("store.unavailable", error=type(error).__name__, store_code=dynamo.error_code(error))
            message = "The service is busy. Nothing was changed; try again shortly."
            details = {"retryAfterSeconds": STORE_RETRY_SECONDS}
            return _error(503, "service_unavailable", message, details, {"Retry-After": str(STORE_RETRY_SECONDS)})
        case _:
            log.exception("request.failed", error=type(error).__name__)
            return _error(500, "internal_error", "Something went wrong on our side.", {}, {})


def _error(status: int, code: str, message: str, details: dict[str, Any], headers: dict[str, str]) -> Reply:
    return Reply({"error": code, "message": message, "request_id": log.request_id(), **details}, status, headers)
