"""Which pages of other origins may call the API from a browser, and what preflight requests are answered.

A browser asks with OPTIONS before a request that a plain form could not make (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from collections.abc import Callable

from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.foundation import settings

# X-Session is not among them, which keeps pages of other origins away from the session in the cookie.
ALLOWED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-User-Id", "X-Request-Id")
EXPOSED_HEADERS = ("ETag", "Idempotency-Replayed", "Link", "Retry-After", "X-Request-Id")
ALL = "*"  # the setting that allows all origins
PREFLIGHT_SECONDS = 600  # for which a browser does not ask again

_EXPOSED = ", ".join(EXPOSED_HEADERS)


def headers(chalice_request: ChaliceRequest) -> dict[str, str]:
    """The headers with which a browser lets a page read a reply, if the page's origin is allowed."""
    return {**_allow_origin(chalice_request), "Access-Control-Expose-Headers": _EXPOSED}


def listed_origins(setting: str) -> list[str]:
    """The origins of a setting that lists them."""
    return [origin.strip() for origin in setting.split(",")]


def answer_preflights(chalice_request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]) -> ChaliceResponse:
    """HTTP middleware: answer OPTIONS, which no route has and Chalice refuses with 405 and the methods that the address has."""
    response = get_response(chalice_request)
    if chalice_request.method != "OPTIONS" or response.status_code != 405:
        return response
    methods = f"{response.headers['Allow']}, OPTIONS"
    allowed = {
        **_allow_origin(chalice_request),
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": ", ".join(ALLOWED_HEADERS),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return ChaliceResponse("", {"Allow": methods, **allowed}, 204)


def _allow_origin(chalice_request: ChaliceRequest) -> dict[str, str]:
    """Credentials are for listed origins only. An origin that is not listed gets no header, so its pages cannot read the reply."""
    try:
        setting = settings.current().cors_origins
    except settings.SettingsError:  # the reply says that they cannot be read
        setting = ALL
    if setting == ALL:
        return {"Access-Control-Allow-Origin": "*"}
    origin = chalice_request.headers.get("origin", "")
    if origin not in listed_origins(setting):
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}
