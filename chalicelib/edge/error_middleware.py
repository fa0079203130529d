"""Chalice's own error responses in the format of ours: an unsupported method, or an exception outside a handler."""

from collections.abc import Callable
from typing import Any

from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.edge import cors
from chalicelib.edge.http import LOOK_FIRST, READING_METHODS, UNCHANGED, UNKNOWN
from chalicelib.foundation import ids

_CODES = {405: "method_not_allowed", 415: "unsupported_media_type", 500: "internal_error"}
_MESSAGES = {
    405: "This address does not support this HTTP method; the header Allow lists those that it supports.",
    500: "Something went wrong on our side. If it happens again, contact support with the request id.",
}


def reshape_errors(chalice_request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]) -> ChaliceResponse:
    """HTTP middleware: convert Chalice's own errors, which are `{"Code", "Message"}`. All other responses pass unchanged."""
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
    if status >= 500:  # after the handler, of which nothing is known here
        is_reading = chalice_request.method in READING_METHODS
        reshaped["outcome"] = "unchanged" if is_reading else "unknown"
        reshaped["message"] += f" {UNCHANGED}" if is_reading else f" {UNKNOWN} {LOOK_FIRST}"
    headers = {**cors.headers(chalice_request), **response.headers, "X-Request-Id": request_id, "Content-Type": "application/json"}
    if "Allow" in headers:
        headers["Allow"] = f"{headers['Allow']}, OPTIONS"
    return ChaliceResponse(reshaped, headers, status)
