"""Routes of the accounts of all people, for admins."""

from typing import Annotated, Literal

from chalice.app import Blueprint
from msgspec import Meta, Struct

from chalicelib.accounts.directory import service
from chalicelib.accounts.directory.service import OwnAccount, RightsChange, UserChanging
from chalicelib.accounts.directory.views import AccountsView, AccountView, account_view
from chalicelib.edge import cursors
from chalicelib.edge.auth import Role
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.http import Done, Reply, RequestContext, route

bp = Blueprint(__name__)


class UsersQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Whose accounts to list, by address.

    `search` is the beginning of an e-mail address, or a whole user id. `group`: admins, promoters who are no admins, or accounts that are
    locked, in no other group. Without both, the accounts of all three groups.
    """

    search: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=254,
                pattern=r"\A[!-~]+\Z",
                examples=["ada@"],
                description="The beginning of an email address, or a user id.",
            ),
        ]
        | None
    ) = None
    group: service.Group | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 50
    cursor: Cursor | None = None


class UserChanges(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What somebody is to be allowed. What is left out, or null, stays as it is.

    `roles` are all roles that they keep or get; everybody has `user`, and `admin` can only be kept or taken away.
    `reason` is for the audit log.
    """

    roles: Annotated[list[Literal["user", "promoter", "admin"]], Meta(min_length=1, max_length=3)] | None = None
    locked: bool | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=500)] | None = None


@route(bp, "GET", "/admin/users", access="admin")
def list_users(_: RequestContext, query: UsersQuery) -> Reply[AccountsView]:
    """List accounts."""
    after = None if query.cursor is None else cursors.decode_key(query.cursor, tuple[str])[0]
    found, last = service.list_page(query.search or "", query.group, query.limit, after)
    return Reply(AccountsView([account_view(account) for account in found], cursors.encode_key((last,)) if last else None))


@route(bp, "GET", "/admin/users/{user_id}", access="admin")
def show_user(_: RequestContext, user_id: str) -> Reply[AccountView]:
    """Show an account."""
    return Reply(account_view(service.get(user_id)))


@route(bp, "PATCH", "/admin/users/{user_id}", access="admin", errors=(OwnAccount, UserChanging))
def change_user(request: RequestContext, user_id: str, body: UserChanges) -> Reply[AccountView]:
    """Change the roles of an account, or lock or unlock it; a change ends all of its sessions."""
    roles: frozenset[Role] | None = None if body.roles is None else frozenset(["user", *body.roles])
    change = RightsChange(roles, body.locked, body.reason)
    return Reply(account_view(service.change_rights(user_id, change, request.require_user().user_id, request.now)))


@route(bp, "DELETE", "/admin/users/{user_id}/sessions", access="admin", errors=(UserChanging,))
def end_user_sessions(request: RequestContext, user_id: str) -> Reply[Done]:
    """End all sessions of an account; its access tokens last up to 15 minutes longer."""
    service.end_sessions(user_id, request.require_user().user_id, request.now)
    return Reply(Done("This person has been signed out everywhere."))
