"""Keep a browser's refresh token in a cookie that no script can read, instead of sending it in bodies.

A client requests the cookie with the `X-Session: cookie` header; without this header, no cookie is set or read. The header also protects
against CSRF: a page from another origin can send it only after a preflight, and preflights do not allow it (`edge/cors.py`).

The cookie has the token of an account and the token of a guest, separated by `~`; either may be missing. So after a guest signs in, the
browser keeps the guest's token until the guest's orders have moved to the account. A cookie with a guest's token lasts as long as browsers
allow, because a guest may own tickets for a long time. The session itself decides whether its token is still valid.

A page on a neighboring subdomain can add a cookie of the same name. The shop cannot tell which of two cookies is its own, so it ignores
both and replaces neither.

The mark of a known device (`login_attempts`) has a separate cookie, because earlier versions, which may run beside this version, would
mistake the mark for a part of the guest's token.
"""

from typing import Literal

from chalicelib.accounts import login_attempts
from chalicelib.accounts.model import Account
from chalicelib.accounts.sessions import REFRESH_SECONDS
from chalicelib.edge.operation import Header
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import settings
from chalicelib.foundation.errors import InvalidInput

PATH = "/api/v1/auth"  # the only routes that receive the cookie
LONGEST_SECONDS = 400 * 86_400
_SEPARATOR = "~"  # never occurs in a token
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
    """Return the refresh token in the request's cookie: the account's, or the guest's if there is no account. None without a cookie."""
    account, guest = _tokens(request)
    return account or guest or None


def read_guest(request: RequestContext) -> str | None:
    """Return the guest's refresh token in the request's cookie, whether or not it also has an account's token."""
    return _tokens(request)[1] or None


def read_marks(request: RequestContext) -> list[str]:
    """Return the marks of a known device in the request's cookies. Anybody can make up a mark, so callers must verify each mark."""
    return _values(request, _mark_name())


def keep_guest(request: RequestContext, token: str) -> tuple[str, ...]:
    """Return the cookie that makes the browser store a guest's refresh token instead of any other token."""
    return _store(request, "", token)


def keep_account(request: RequestContext, token: str, account: Account) -> tuple[str, ...]:
    """Return the cookies that make the browser store an account's refresh token beside the guest's token, and the device's mark."""
    return *_store(request, token, _tokens(request)[1]), *keep_mark(request, account.email, account.generation)


def keep_mark(request: RequestContext, email: str, generation: int) -> tuple[str, ...]:
    """Return the cookie that marks the device as known to the owner of this address, at this generation of the account."""
    return (_cookie(_mark_name(), login_attempts.mark_device(read_marks(request), email, generation), LONGEST_SECONDS),)


def keep_staff_secret(secret: str, seconds: int) -> tuple[str, ...]:
    """Return the cookie that lets only this browser finish a sign-in through the provider. An empty `secret` deletes the cookie."""
    return (_cookie(_staff_name(), secret, seconds),)


def read_staff_secret(request: RequestContext) -> str | None:
    """Return the secret that `keep_staff_secret` stored. Returns None if the request has no such cookie, or two of them."""
    values = _values(request, _staff_name())
    return values[0] if len(values) == 1 else None


def forget(request: RequestContext) -> tuple[str, ...]:
    """Return the cookie that makes the browser forget the token that `read` returns."""
    account, guest = _tokens(request)
    return _store(request, "", guest if account else "")


def forget_guest(request: RequestContext) -> tuple[str, ...]:
    """Return the cookie that makes the browser forget the guest's token."""
    return _store(request, _tokens(request)[0], "")


def _tokens(request: RequestContext) -> tuple[str, str]:
    """Return the account's token and the guest's token in the request's cookie, each empty if it is missing."""
    values = _values(request, _name())
    account, guest, *_ = [*(values[0] if len(values) == 1 else "").split(_SEPARATOR), ""]
    return account, guest


def _values(request: RequestContext, name: str) -> list[str]:
    pairs = (pair.strip().partition("=") for pair in (request.header("cookie") or "").split(";"))
    return [value for key, _, value in pairs if key == name]


def _store(request: RequestContext, account: str, guest: str) -> tuple[str, ...]:
    """Return the session's cookie. Returns no cookie if the request has two of them, because a new cookie could replace the shop's own."""
    if len(_values(request, _name())) > 1:
        return ()
    value = _SEPARATOR.join((account, guest)).rstrip(_SEPARATOR)
    return (_cookie(_name(), value, LONGEST_SECONDS if guest else REFRESH_SECONDS if account else 0),)


def _cookie(name: str, value: str, seconds: int) -> str:
    return f"{name}={value}; Max-Age={seconds}{_attributes()}"


def _name() -> str:
    return f"fairgate-{settings.current().stage}-session"


def _mark_name() -> str:
    return f"fairgate-{settings.current().stage}-device"


def _staff_name() -> str:
    return f"fairgate-{settings.current().stage}-staff"


def _attributes() -> str:
    is_plain = settings.current().shop_url.startswith("http:")  # on a developer's machine
    return f"; Path={PATH}; HttpOnly; SameSite=Strict{'' if is_plain else '; Secure'}"
