"""Privacy routes: export and erasure of a person's data."""

from typing import Annotated

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.accounts.login_attempts import TooManyAttempts
from chalicelib.accounts.model import AccountChanging, EnteredPassword, NoAccount, WrongPassword
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Done, Reply, RequestContext, route
from chalicelib.foundation import ids
from chalicelib.privacy import service
from chalicelib.privacy.service import PromoterHasEvents
from chalicelib.privacy.views import ExportView

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


@route(bp, "DELETE", "/auth/me", access="user", errors=(NoAccount, WrongPassword, TooManyAttempts, PromoterHasEvents, AccountChanging))
def erase_me(request: RequestContext, body: ErasureBody = _NO_PASSWORD) -> Reply[Done]:
    """Delete your account and your personal data. Your orders are kept for the books, without your name."""
    service.erase(request, request.require_user(), body.password)
    return Reply(Done("Your account has been deleted."))
