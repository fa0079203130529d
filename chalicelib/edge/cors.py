"""CORS: which pages from other origins may call the API from a browser, and the replies to preflight requests.

A browser sends OPTIONS before a request that a plain form could not make (https://fetch.spec.whatwg.org/#http-cors-protocol).
"""

from collections.abc import Callable

from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.foundation import settings

# X-Session is not allowed, so that pages from other origins cannot use the session in the cookie.
ALLOWED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-User-Id", "X-Request-Id")
EXPOSED_HEADERS = ("Deprecation", "ETag", "Idempotency-Replayed", "Link", "Retry-After", "Sunset", "X-Request-Id")
ALL = "*"  # the setting that allows all origins
PREFLIGHT_SECONDS = 600  # how long a browser may cache the reply to a preflight

_EXPOSED = ", ".join(EXPOSED_HEADERS)


def headers(chalice_request: ChaliceRequest) -> dict[str, str]:
    """Return the headers that let a page read a reply if the page's origin is allowed."""
    return {**_allow_origin(chalice_request), "Access-Control-Expose-Headers": _EXPOSED}


def listed_origins(setting: str) -> list[str]:
    """Return the origins in a comma-separated setting."""
    return [origin.strip() for origin in setting.split(",")]


def answer_preflights(chalice_request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]) -> ChaliceResponse:
    """HTTP middleware: answer OPTIONS requests. Chalice refuses them with a 405 that lists the methods of the address."""
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
    """Return the headers that allow the caller's origin.

    The setting `*` allows all origins, but no credentials. Otherwise, listed origins may send credentials, and pages from other origins
    cannot read the reply.
    """
    try:
        setting = settings.current().cors_origins
    except settings.SettingsError:  # the handler reports the invalid settings in its reply
        setting = ALL
    if setting == ALL:
        return {"Access-Control-Allow-Origin": "*"}
    origin = chalice_request.headers.get("origin", "")
    if origin not in listed_origins(setting):
        return {"Vary": "Origin"}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}
