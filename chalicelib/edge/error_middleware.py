"""Answers that Chalice makes by itself, in the shape of ours: an unknown method, or a fault outside of any handler."""

from collections.abc import Callable
from typing import Any

from chalice.app import Request, Response

from chalicelib import ids
from chalicelib.edge.http import CORS

_CODES = {405: "method_not_allowed", 415: "unsupported_media_type", 500: "internal_error"}
_MESSAGES = {405: "This address does not know the method.", 500: "Something went wrong on our side."}


def reshape_errors(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """HTTP middleware. Chalice's own errors are `{"Code", "Message"}`; everything else passes as it is."""
    response = get_response(request)
    body = response.body
    if isinstance(body, dict) and body.keys() == {"Code", "Message"}:
        return _reshape(request, response, body)
    return response


def _reshape(request: Request, response: Response, body: dict[str, Any]) -> Response:
    status = response.status_code
    request_id = request.context.get("requestId") or ids.new_id()
    answer = {
        "error": _CODES.get(status, "bad_request"),
        "message": _MESSAGES.get(status, body["Message"]),
        "request_id": request_id,
    }
    headers = {**CORS.get_access_control_headers(), **response.headers, "X-Request-Id": request_id, "Content-Type": "application/json"}
    if "Allow" in headers:
        headers["Allow"] = f"{headers['Allow']}, OPTIONS"
    return Response(answer, headers, status)
