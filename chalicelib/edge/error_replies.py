"""Error replies: map exceptions to HTTP, and convert Chalice's own errors to our format."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

import msgspec
from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.dynamodb import dynamo
from chalicelib.edge import cors, deprecations
from chalicelib.foundation import clock, effects, ids, log, settings
from chalicelib.foundation.errors import ApiError
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory

MAX_BODY_BYTES = 256 * 1024
# API Gateway's reply to a request that is too large for it or for Lambda.
TOO_LARGE_FOR_AWS = "The request body is too large. Send less in one request. To upload a picture of 4.5 to 5 MB, use POST .../image/upload"
PROBLEM_JSON = "application/problem+json"  # https://www.rfc-editor.org/rfc/rfc9457
STORE_RETRY_SECONDS = 2
SETUP_ERROR_SECONDS = 60  # how long `GET /health` names a setup error

# What the reply to a failed request says about the outcome of the request.
READING_METHODS = ("GET", "HEAD")
UNCHANGED = "Nothing was changed."
TRY_AGAIN = "Try again shortly."
UNKNOWN = "Your request may still have taken effect."
REPEAT = "Send it again, with the same Idempotency-Key if it has one. It is carried out only once."
LOOK_FIRST = "Before you send it again, check whether it took effect: load the reservation, order or event that it changes."

_setup_errors: Memory[str, int] = Memory()  # name of an error -> when it happened last

# What browsers may do with a reply. CloudFront sends the first three headers too, but the API also has an address of its own.
HSTS_SECONDS = 63_072_000
BROWSER_HEADERS = {
    "Strict-Transport-Security": f"max-age={HSTS_SECONDS}",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
CONTENT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
JSON_HEADERS = {"Content-Type": "application/json", "Content-Security-Policy": CONTENT_POLICY}

ErrorReply = tuple[dict[str, Any], int, dict[str, str]]  # body, status, headers


class BodyTooLarge(ApiError):
    code: ClassVar[str] = "body_too_large"
    status: ClassVar[int] = 413
    default_message: ClassVar[str] = f"The request body is too large. Send at most {MAX_BODY_BYTES // 1024} KB."


class UnsupportedMediaType(ApiError):
    code: ClassVar[str] = "unsupported_media_type"
    status: ClassVar[int] = 415
    default_message: ClassVar[str] = "Send the request body as JSON, with the header `Content-Type: application/json`."


class InternalError(ApiError):
    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    default_message: ClassVar[str] = "Something went wrong on our side. If it happens again, contact support with the request id."


class ServiceUnavailable(ApiError):
    code: ClassVar[str] = "service_unavailable"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The service is busy."


class NotSetUp(ApiError):
    code: ClassVar[str] = "not_set_up"
    status: ClassVar[int] = 503
    default_message: ClassVar[str] = "The service is not set up correctly, so it cannot process this request. Contact the shop."


def error_reply(error: Exception, method: str, is_repeatable: bool) -> ErrorReply:
    """Return the body, status and headers of the reply to an exception in a route (`edge.routes`).

    Chalice itself replies to errors outside a route, such as an unsupported method; `reshape_errors` converts its replies. `method` is the
    HTTP method. With `is_repeatable`, the caller is advised to send the request again (see RequestContext).
    """
    match error:
        case ApiError(setup_error=str(problem)):
            return _not_set_up(method, is_repeatable, problem, problem)
        case ApiError():
            retry_seconds = error.details.get("retry_after_seconds")
            if error.status >= 500:
                return _failure(method, is_repeatable, error, retry_seconds)
            return _error(error.status, error.code, error.message, retry_seconds, error.details)
        case _ if isinstance(error, dynamo.STORE_ERRORS) and dynamo.is_unavailable(error):
            log.count("store_unavailable")
            logger.warning("store.unavailable", error=type(error).__name__, store_code=dynamo.error_code(error))
            return _failure(method, is_repeatable, ServiceUnavailable(), STORE_RETRY_SECONDS)
        case settings.SettingsError():
            return _not_set_up(method, is_repeatable, error.variable, str(error))
        case _ if name := dynamo.find_setup_error(error):
            return _not_set_up(method, is_repeatable, name, name)
        case _:
            logger.exception("request.failed", error=type(error).__name__)
            return _failure(method, is_repeatable, InternalError(), None)


def list_setup_errors(now: int) -> list[str]:
    """Return the names of the setup errors that made requests to this instance fail in the last minute."""
    return sorted(name for name, at in _setup_errors.entries.items() if at > now - SETUP_ERROR_SECONDS)


def _not_set_up(method: str, is_repeatable: bool, name: str, logged: str) -> ErrorReply:
    """Return the reply to an error that lasts until somebody corrects the setup. `GET /health` shows its name for a minute."""
    logger.exception("settings.wrong", error=logged)
    _setup_errors.entries[name] = clock.now()
    return _failure(method, is_repeatable, NotSetUp(), None)


def _failure(method: str, is_repeatable: bool, error: ApiError, retry_seconds: int | None) -> ErrorReply:
    """Return the reply to a failure on our side, which says whether the request may have taken effect anyway."""
    outcome, advice = "unchanged", UNCHANGED if isinstance(error, NotSetUp) else f"{UNCHANGED} {TRY_AGAIN}"
    if method not in READING_METHODS and effects.may_have_happened():
        outcome, advice = "unknown", f"{UNKNOWN} {REPEAT if is_repeatable else LOOK_FIRST}"
    return _error(error.status, error.code, f"{error.message} {advice}", retry_seconds, {"outcome": outcome, **error.details})


def _error(status: int, code: str, message: str, retry_seconds: int | None, details: Mapping[str, Any]) -> ErrorReply:
    body = {"error": code, "message": message, "request_id": log.request_id(), **details}
    headers = {}
    if retry_seconds is not None:
        body["retry_after_seconds"] = retry_seconds
        headers["Retry-After"] = str(retry_seconds)
    if deprecations.add_old_names(body, deprecations.ERROR_DETAILS):
        headers |= deprecations.HEADERS
    return body, status, headers


def in_accepted_form(accept: str | None, body: dict[str, Any], status: int, headers: dict[str, str]) -> ErrorReply:
    """Return an error reply in the form that the caller accepts: as problem details (RFC 9457) if `Accept` names them, otherwise unchanged.

    Problem details contain all fields of the reply, and the fields that the standard defines.
    """
    if PROBLEM_JSON not in {option.partition(";")[0].strip().lower() for option in (accept or "").split(",")}:
        return body, status, headers
    problem = {
        "type": f"urn:fairgate:error:{body['error']}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": body["message"],
        "instance": f"urn:fairgate:request:{body['request_id']}",
    }
    return {**problem, **body}, status, {**headers, "Content-Type": PROBLEM_JSON}


# Chalice's own errors: an unsupported method, or an exception outside a handler.

_CODES = {405: "method_not_allowed", 415: UnsupportedMediaType.code, 500: InternalError.code}
_MESSAGES = {
    405: "This address does not support this HTTP method. The Allow header lists the supported methods.",
    500: InternalError.default_message,
}


def reshape_errors(chalice_request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]) -> ChaliceResponse:
    """HTTP middleware: convert Chalice's own errors, whose body is `{"Code", "Message"}`. All other responses pass through."""
    response = get_response(chalice_request)
    body = response.body
    if isinstance(body, dict) and body.keys() == {"Code", "Message"}:
        return _reshape(chalice_request, response, body)
    return response


def _reshape(chalice_request: ChaliceRequest, response: ChaliceResponse, body: dict[str, Any]) -> ChaliceResponse:
    status = response.status_code
    request_id = chalice_request.context.get("requestId") or ids.new_id()
    reshaped = {
        "error": _CODES.get(status, "bad_request"),
        "message": _MESSAGES.get(status, body["Message"]),
        "request_id": request_id,
    }
    if status >= 500:  # raised outside the handler, which may or may not have run
        is_reading = chalice_request.method in READING_METHODS
        reshaped["outcome"] = "unchanged" if is_reading else "unknown"
        reshaped["message"] += f" {UNCHANGED} {TRY_AGAIN}" if is_reading else f" {UNKNOWN} {LOOK_FIRST}"
    headers = {**BROWSER_HEADERS, **cors.headers(chalice_request), **response.headers, "X-Request-Id": request_id, **JSON_HEADERS}
    if "Allow" in headers:
        headers["Allow"] = f"{headers['Allow']}, OPTIONS"
    reshaped, _, own_headers = in_accepted_form(chalice_request.headers.get("accept"), reshaped, status, {})
    # Chalice encodes only application/json itself.
    return ChaliceResponse(msgspec.json.encode(reshaped) if own_headers else reshaped, {**headers, **own_headers}, status)
