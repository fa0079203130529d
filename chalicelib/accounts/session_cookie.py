"""Keep a browser's refresh token in a cookie that no script can read, instead of sending it in bodies.

A client requests the cookie with the `X-Session: cookie` header; without this header, no cookie is set or read. The header also protects
against CSRF: a page from another origin can send it only after a preflight, and preflights do not allow it (`edge/cors.py`).

The cookie has the token of an account, `~` and the token of a guest, or only one of the two. So a guest who signs in remains known to the
browser, until the guest's orders have moved to the account. A guest's cookie lasts as long as browsers allow, because the guest may own
tickets at any time; the session itself decides whether its token is still valid.
"""

from http.cookies import CookieError, SimpleCookie
from typing import Literal

from chalicelib.accounts.sessions import REFRESH_SECONDS
from chalicelib.edge.operation import Header
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import settings
from chalicelib.foundation.errors import InvalidInput

PATH = "/api/v1/auth"  # the only routes that receive the cookie
GUEST_SECONDS = 400 * 86_400
_GUEST = "~"  # is in no token
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
    """Return the refresh token in the request's cookie: the account's, or else the guest's. Returns None without a cookie."""
    account, guest = _tokens(request)
    return account or guest


def read_guest(request: RequestContext) -> str | None:
    """Return the guest's refresh token in the request's cookie, whether or not it also has an account's token."""
    return _tokens(request)[1]


def keep(request: RequestContext, token: str, *, is_guest: bool) -> dict[str, str]:
    """Return the reply header that makes the browser store a refresh token. An account's token leaves the guest's token in the cookie."""
    return _store("", token) if is_guest else _store(token, _tokens(request)[1])


def forget(request: RequestContext) -> dict[str, str]:
    """Return the reply header that makes the browser forget the token that `read` returns."""
    account, guest = _tokens(request)
    return _store("", guest if account else None)


def forget_guest(request: RequestContext) -> dict[str, str]:
    """Return the reply header that makes the browser forget the guest's token."""
    return _store(_tokens(request)[0], None)


def _tokens(request: RequestContext) -> tuple[str, str | None]:
    """Return the account's and the guest's token in the request's cookie, each empty or None if it is missing."""
    try:
        cookie = SimpleCookie(request.header("cookie")).get(_name())
    except CookieError:
        return "", None
    account, _, guest = (cookie.value if cookie is not None else "").partition(_GUEST)
    return account, guest or None


def _store(account: str, guest: str | None) -> dict[str, str]:
    value = f"{account}{_GUEST}{guest}" if guest else account
    seconds = GUEST_SECONDS if guest else REFRESH_SECONDS if account else 0
    return {"Set-Cookie": f"{_name()}={value}; Max-Age={seconds}{_attributes()}"}


def _name() -> str:
    return f"fairgate-{settings.current().stage}-session"


def _attributes() -> str:
    is_plain = settings.current().shop_url.startswith("http:")  # on a developer's machine
    return f"; Path={PATH}; HttpOnly; SameSite=Strict{'' if is_plain else '; Secure'}"
