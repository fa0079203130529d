"""How accounts look to admins."""

from msgspec import Struct

from chalicelib.accounts.model import Account
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp


class AccountView(Struct, frozen=True, kw_only=True):
    """A person with an account. `locked_at` is when an admin locked it, null if it is not locked."""

    id: str
    email: str
    email_verified: bool
    roles: list[str]
    locked_at: Timestamp | None
    first_name: str | None
    last_name: str | None
    company: str | None
    created_at: Timestamp


class AccountsView(Struct, frozen=True):
    """A page of accounts, in the order of their addresses. `next_cursor` is null on the last page."""

    users: list[AccountView]
    next_cursor: str | None


def account_view(account: Account) -> AccountView:
    return AccountView(
        id=account.user_id,
        email=account.email,
        email_verified=account.verified_at is not None,
        roles=sorted(account.roles),
        locked_at=None if account.locked_at is None else clock.iso(account.locked_at),
        first_name=account.first_name,
        last_name=account.last_name,
        company=account.company,
        created_at=clock.iso(account.created_at),
    )
