"""Privacy routes: export and erasure of a person's data."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.accounts import mails
from chalicelib.accounts.login_attempts import TooManyAttempts
from chalicelib.accounts.model import AccountChanging, AccountLocked, EnteredPassword, LinkExpired, MailedToken, NoAccount, WrongPassword
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import ids
from chalicelib.privacy import service
from chalicelib.privacy.service import AddressExportView, ExportView, PromoterHasEvents

bp = Blueprint(__name__)


class ErasureBody(Struct, forbid_unknown_fields=True):
    """`password` is the current password. Guests have no password."""

    password: EnteredPassword | None = None


class ExportQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The requested page, with at most `limit` orders and their tickets."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 100
    cursor: Cursor | None = None


_NO_PASSWORD = ErasureBody()


@route(bp, "GET", "/me/export", access="user", errors=(NoAccount,))
def export_me(request: RequestContext, query: ExportQuery) -> Reply[ExportView]:
    """Export your personal data: your account, and your orders with their tickets, page by page."""
    before = cursors.decode(query.cursor, ids.FORM) if query.cursor is not None else None
    return Reply(service.export(request.require_user(), query.limit, before, request.now))


@route(
    bp,
    "DELETE",
    "/auth/me",
    access="user",
    errors=(NoAccount, WrongPassword, AccountLocked, TooManyAttempts, PromoterHasEvents, AccountChanging),
)
def erase_me(request: RequestContext, body: ErasureBody = _NO_PASSWORD) -> Reply[Done]:
    """Delete your account and your personal data. Your orders are kept for the books, without your name."""
    service.erase(request, request.require_user(), body.password)
    return Reply(Done("Your account has been deleted."))


# Routes for people without an account. The token of a mailed link proves that the caller owns the email address.


class DataTokenBody(Struct, forbid_unknown_fields=True):
    """`token` is the `data_token` that `POST /lost-tickets/open` returned."""

    token: MailedToken


class AddressExportBody(DataTokenBody, forbid_unknown_fields=True, kw_only=True):
    """The requested page, with at most `limit` orders and received tickets."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 100
    cursor: Cursor | None = None


@route(bp, "POST", "/lost-tickets/export", access="public", errors=(LinkExpired,))
def export_address(request: RequestContext, body: AddressExportBody) -> Reply[AddressExportView]:
    """Export the data that people without an account left under an email address, page by page.

    The token of a mailed link proves the address.
    """
    before = cursors.decode(body.cursor, ids.FORM) if body.cursor is not None else None
    return Reply(service.export_address(_address(request, body), body.limit, before, request.now))


@route(bp, "POST", "/lost-tickets/erase", access="public", errors=(LinkExpired,))
def erase_address(request: RequestContext, body: DataTokenBody) -> Reply[Done]:
    """Erase the data that people without an account left under an email address. Their tickets stay valid."""
    service.erase_address(_address(request, body))
    return Reply(Done("The data kept about this address has been deleted. The tickets stay valid."))


def _address(request: RequestContext, body: DataTokenBody) -> str:
    return mails.get_link(body.token, ("own_data",), request.now).email
