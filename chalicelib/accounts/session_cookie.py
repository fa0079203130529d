"""Keep a browser's refresh token in a cookie that no script can read, instead of sending it in bodies.

A client requests the cookie with the `X-Session: cookie` header; without this header, no cookie is set or read. The header also protects
against CSRF: a page from another origin can send it only after a preflight, and preflights do not allow it (`edge/cors.py`).

The cookie has the token of an account, the token of a guest and the mark of a known device (`login_attempts`), separated by `~`; each may
be missing. So a guest who signs in remains known to the browser, until the guest's orders have moved to the account. A cookie with a guest
or a mark lasts as long as browsers allow, because the guest may own tickets at any time; the session itself decides whether its token is
still valid.

A page on a neighbouring subdomain can add a cookie of the same name. Nobody can tell which of two cookies is the shop's, so neither counts.
"""

from typing import Literal

from chalicelib.accounts import login_attempts
from chalicelib.accounts.sessions import REFRESH_SECONDS
from chalicelib.edge.operation import Header
from chalicelib.edge.routes import RequestContext
from chalicelib.foundation import settings
from chalicelib.foundation.errors import InvalidInput

PATH = "/api/v1/auth"  # the only routes that receive the cookie
LONGEST_SECONDS = 400 * 86_400
_SEPARATOR = "~"  # is in no token and no mark
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
    account, guest, _ = _parts(request)
    return account or guest or None


def read_guest(request: RequestContext) -> str | None:
    """Return the guest's refresh token in the request's cookie, whether or not it also has an account's token."""
    return _parts(request)[1] or None


def read_mark(request: RequestContext) -> str | None:
    """Return the mark of a known device in the request's cookie."""
    return _parts(request)[2] or None


def keep_guest(request: RequestContext, token: str) -> dict[str, str]:
    """Return the reply header that makes the browser store a guest's refresh token instead of any other token."""
    return _store("", token, _parts(request)[2])


def keep_account(request: RequestContext, token: str, email: str) -> dict[str, str]:
    """Return the reply header that makes the browser store an account's refresh token, and its mark, beside the guest's token."""
    return _store(token, _parts(request)[1], login_attempts.mark_device(read_mark(request), email))


def keep_mark(request: RequestContext, email: str) -> dict[str, str]:
    """Return the reply header that marks the device as known to the owner of this address, and keeps all tokens."""
    account, guest, mark = _parts(request)
    return _store(account, guest, login_attempts.mark_device(mark or None, email))


def forget(request: RequestContext) -> dict[str, str]:
    """Return the reply header that makes the browser forget the token that `read` returns."""
    account, guest, mark = _parts(request)
    return _store("", guest if account else "", mark)


def forget_guest(request: RequestContext) -> dict[str, str]:
    """Return the reply header that makes the browser forget the guest's token."""
    account, _, mark = _parts(request)
    return _store(account, "", mark)


def _parts(request: RequestContext) -> tuple[str, str, str]:
    """Return the account's token, the guest's token and the mark in the request's cookie, each empty if it is missing."""
    pairs = (pair.strip().partition("=") for pair in (request.header("cookie") or "").split(";"))
    values = [value for name, _, value in pairs if name == _name()]
    account, guest, mark, *_ = [*(values[0] if len(values) == 1 else "").split(_SEPARATOR), "", ""]
    return account, guest, mark


def _store(account: str, guest: str, mark: str) -> dict[str, str]:
    value = _SEPARATOR.join((account, guest, mark)).rstrip(_SEPARATOR)
    seconds = LONGEST_SECONDS if guest or mark else REFRESH_SECONDS if account else 0
    return {"Set-Cookie": f"{_name()}={value}; Max-Age={seconds}{_attributes()}"}


def _name() -> str:
    return f"fairgate-{settings.current().stage}-session"


def _attributes() -> str:
    is_plain = settings.current().shop_url.startswith("http:")  # on a developer's machine
    return f"; Path={PATH}; HttpOnly; SameSite=Strict{'' if is_plain else '; Secure'}"
