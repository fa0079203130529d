"""Routes of privacy: what is kept about a person, and its erasure."""

from chalice.app import Blueprint
from msgspec import Struct

from chalicelib.accounts.attempts.service import TooManyAttempts
from chalicelib.accounts.model import EnteredPassword, NoAccount, WrongPassword
from chalicelib.edge.http import Done, Reply, RequestContext, route
from chalicelib.privacy import service
from chalicelib.privacy.service import PromoterHasEvents
from chalicelib.privacy.views import ExportView

bp = Blueprint(__name__)


class ErasureBody(Struct, forbid_unknown_fields=True):
    """`password`: the current one; guests have none."""

    password: EnteredPassword | None = None


_NO_PASSWORD = ErasureBody()


@route(bp, "GET", "/me/export", access="user", errors=(NoAccount,))
def export_me(request: RequestContext) -> Reply[ExportView]:
    """Get everything that is kept about you."""
    return Reply(service.export(request.require_user(), request.now))


@route(bp, "DELETE", "/auth/me", access="user", errors=(NoAccount, WrongPassword, TooManyAttempts, PromoterHasEvents))
def erase_me(request: RequestContext, body: ErasureBody = _NO_PASSWORD) -> Reply[Done]:
    """Delete your account and what is kept about you; your orders stay for the books, without your name."""
    service.erase(request, request.require_user(), body.password)
    return Reply(Done("Your account is deleted."))
