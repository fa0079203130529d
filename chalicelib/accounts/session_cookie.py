"""Keep a browser's refresh token in a cookie that no script can read, instead of sending it in bodies.

A client requests the cookie with the `X-Session: cookie` header; without this header, no cookie is set or read. The header also protects
against CSRF: a page from another origin can send it only after a preflight, and preflights do not allow it (`edge/cors.py`).
"""

from http.cookies import CookieError, SimpleCookie
from typing import Literal

from chalicelib.accounts.sessions import REFRESH_SECONDS
from chalicelib.edge.operation import Header
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import settings
from chalicelib.foundation.errors import InvalidInput

PATH = "/api/v1/auth"  # the only routes that receive the cookie
HEADER = Header(
    "X-Session",
    "`cookie`: keep the refresh token in an HttpOnly cookie, for pages of the shop's own origin. Replies then contain no refresh token.",
    Literal["cookie"],
    errors=(InvalidInput,),
)


def is_requested(request: RequestContext) -> bool:
    """Return whether the client keeps its refresh token in a cookie. Raises InvalidInput if the header has any other value."""
    value = request.header(HEADER.name)
    if value not in (None, "cookie"):
        raise InvalidInput("Set the header X-Session to `cookie`, or leave it out.", path=HEADER.name)
    return value is not None


def read(request: RequestContext) -> str | None:
    """Return the refresh token in the request's cookie. Returns None without a cookie."""
    try:
        cookie = SimpleCookie(request.header("cookie")).get(_name())
    except CookieError:
        return None
    return cookie.value if cookie is not None else None


def keep(token: str) -> dict[str, str]:
    """Return the reply header that makes the browser store a refresh token in place of any other."""
    return {"Set-Cookie": f"{_name()}={token}; Max-Age={REFRESH_SECONDS}{_attributes()}"}


def forget() -> dict[str, str]:
    """Return the reply header that makes the browser forget its refresh token."""
    return {"Set-Cookie": f"{_name()}=; Max-Age=0{_attributes()}"}


def _name() -> str:
    return f"fairgate-{settings.current().stage}-session"


def _attributes() -> str:
    is_plain = settings.current().shop_url.startswith("http:")  # on a developer's machine
    return f"; Path={PATH}; HttpOnly; SameSite=Strict{'' if is_plain else '; Secure'}"
