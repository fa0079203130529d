"""All accounts, for admins: find and lock accounts, change roles, and end sessions."""

from collections.abc import Callable
from typing import ClassVar, get_args

from msgspec import Struct, structs

from chalicelib.accounts import profiles, store
from chalicelib.accounts.model import Account, email_key
from chalicelib.accounts.store import Group
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import Role
from chalicelib.foundation import parallel
from chalicelib.foundation.errors import ApiError, InvalidInput, NotFound

MAX_ATTEMPTS = 30  # a change to a promoter may collide with any change to the catalog
GROUPS: tuple[Group, ...] = get_args(Group)


class OwnAccount(ApiError):
    code: ClassVar[str] = "own_account"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You cannot do this to your own account, because the shop must not lose its last admin. Ask another admin."
    )


class UserChanging(ApiError):
    code: ClassVar[str] = "user_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing this account right now. Check the account, then try again."


class RightsChange(Struct, frozen=True):
    """A change to an account's roles or lock, or the removal of its second factor. None leaves a field unchanged.

    `reason` is for the audit log.
    """

    roles: frozenset[Role] | None = None
    locked: bool | None = None
    reason: str | None = None
    removes_second_factor: bool = False


def list_accounts(search: str, group: Group | None, limit: int, after: str | None) -> tuple[list[Account], str | None]:
    """Return up to `limit` accounts after the address `after`, sorted by address, and the cursor of the next page.

    The cursor is the address of the last account, or None on the last page. `search` is the beginning of an address, or a whole user id. If
    it is a user id, the first page also has the account with that id. Without `search` and `group`, this lists the accounts of all groups:
    admins, promoters and locked accounts. May miss writes from the last second.
    """
    beginning, after_address = email_key(search), after or ""
    lanes: list[str] = [*GROUPS] if group is None else [group]
    if search and group is None:
        lanes.append(store.lane_without_group(beginning))
    found = parallel.call_each(lambda lane: store.query_lane(lane, limit + 1, after_address, beginning), lanes)
    keys = sorted(key for lane_keys in found for key in lane_keys)
    user_ids = {user_id for _, user_id in keys[:limit]}
    if search and group is None and after is None:
        user_ids.add(search)
    accounts = sorted(store.batch_find(user_ids), key=lambda account: email_key(account.email)) if user_ids else []
    return accounts, keys[limit - 1][0] if len(keys) > limit else None


def list_admin_ids(limit: int) -> list[str]:
    """Return the user ids of at most `limit` admins who are not locked."""
    return [user_id for _, user_id in store.query_lane("admin", limit, "", "")]


def get_account(user_id: str) -> Account:
    """Return a person's account. Raises NotFound if the person has no account, like a guest."""
    account = store.find_account(user_id)
    if account is None:
        raise NotFound("There is no account with this id.", user_id=user_id)
    return account


def change_rights(
    user_id: str, change: RightsChange, actor: str, now: int, items_for: Callable[[Account, Account], list[dynamo.TransactItem]]
) -> Account:
    """Change a person's roles or lock, or remove their second factor, with an audit entry, and end all of their sessions.

    Does nothing if nothing would change. A new promoter gets a profile. Removing the role `promoter` also removes the verification.
    `items_for(before, after)` returns other features' transaction items. One transaction writes these items and the change, even if the
    account itself stays the same. Raises NotFound, InvalidInput, OwnAccount or UserChanging.
    """
    for _ in range(MAX_ATTEMPTS):
        before = get_account(user_id)
        after = _apply_change(before, change, now)
        other_items = items_for(before, after)
        if after == before and not other_items:
            return before
        if user_id == actor:
            raise OwnAccount()
        changes = {
            name: pair
            for name, pair in {
                "roles": (sorted(before.roles), sorted(after.roles)),
                "locked": (before.locked_at is not None, after.locked_at is not None),
                "second_factor": (before.has_second_factor, after.has_second_factor),
            }.items()
            if pair[0] != pair[1]
        }
        details = {} if change.reason is None else {"reason": change.reason}
        entry = audit.entry_item(f"account#{user_id}", "account.rights_changed", actor, now, details, changes=changes)
        try:
            profile_items = _profile_items(before, after, actor, now)
            dynamo.transact([store.set_rights_item(before, after), entry, *profile_items, *other_items])
        except dynamo.ConditionFailed:
            continue
        return structs.replace(after, generation=before.generation + 1)
    raise UserChanging()


def end_sessions(user_id: str, actor: str, now: int) -> None:
    """End all sessions of a person, with an audit entry. Access tokens stay valid for up to 15 minutes. Raises NotFound or UserChanging."""
    get_account(user_id)
    entry = audit.entry_item(f"account#{user_id}", "account.sessions_ended", actor, now, {})
    try:
        dynamo.transact([store.end_sessions_item(user_id), entry])
    except dynamo.ConditionFailed:  # the account has been erased in the meantime
        get_account(user_id)
        raise UserChanging() from None


def _apply_change(before: Account, change: RightsChange, now: int) -> Account:
    """Return the account after a change. Raises InvalidInput if the change makes somebody an admin."""
    roles, locked_at = before.roles, before.locked_at
    if change.roles is not None and change.roles != set(before.roles):
        if "admin" in change.roles and "admin" not in before.roles:
            raise InvalidInput("The admin role cannot be given over HTTP. Use the command `make admin`.", path="$.roles")
        roles = tuple(sorted(change.roles))
    if change.locked is not None and change.locked != (locked_at is not None):
        locked_at = now if change.locked else None
    secret, passkeys = (None, ()) if change.removes_second_factor else (before.totp_secret, before.passkeys)
    return structs.replace(before, roles=roles, locked_at=locked_at, totp_secret=secret, passkeys=passkeys)


def _profile_items(before: Account, after: Account, actor: str, now: int) -> list[dynamo.TransactItem]:
    """Return transaction items that create a new promoter's profile, unless it exists, or remove a former promoter's verification."""
    if "promoter" in before.roles and "promoter" not in after.roles:
        return profiles.unverify_items(after.user_id, actor, now)
    if "promoter" not in after.roles or "promoter" in before.roles or profiles.find_promoter(after.user_id) is not None:
        return []
    return [profiles.create_promoter_item(after, now)]
