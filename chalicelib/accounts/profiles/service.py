"""The profiles of promoters. A promoter's account is made with one; only admins say that it is verified."""

from collections.abc import Callable
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.accounts.model import Account
from chalicelib.accounts.profiles import store
from chalicelib.accounts.profiles.store import Promoter, State
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.foundation.errors import ApiError, NotFound

__all__ = ["Promoter", "State"]

MAX_ATTEMPTS = 5
# What admins have looked at when they verify a promoter.
_VERIFIED_FIELDS = ("name", "company", "website")


class PromoterChanging(ApiError):
    code: ClassVar[str] = "promoter_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing this promoter right now. Try again."


class PromoterChange(Struct, frozen=True):
    """What a profile is to say. `verified`: None leaves it as it is."""

    name: str
    company: str | None
    description: str
    website: str | None
    email: str | None
    verified: bool | None


def new_profile_item(account: Account, now: int) -> dynamo.TransactItem:
    """Transaction item that creates the profile of somebody who becomes a promoter; refused if they have one."""
    name = account.company or " ".join(filter(None, (account.first_name, account.last_name))) or account.email.partition("@")[0]
    return store.put_item(Promoter(id=account.user_id, name=name, company=account.company, created_at=now, updated_at=now))


def find(promoter_id: str) -> Promoter | None:
    return store.find(promoter_id)


def list_promoters(state: State, limit: int, after: str | None) -> list[Promoter]:
    """Up to `limit` promoters in this state, by id, those behind the id `after`."""
    return store.query(state, limit, after)


def save(
    promoter_id: str, change: PromoterChange, actor: str, now: int, *, by_admin: bool, check: Callable[[Promoter], None] = lambda _: None
) -> Promoter:
    """Write a profile, audited, and create it if there is none and an admin does it.

    `check` raises for a present profile that is not the one which the caller has seen. A promoter who changes what was verified is
    unverified again. Raises NotFound or PromoterChanging.
    """
    for _ in range(MAX_ATTEMPTS):
        before = store.find(promoter_id)
        if before is None and not by_admin:
            raise NotFound("There is no promoter with this id.", promoter_id=promoter_id)
        if before is not None:
            check(before)
        after = _changed(promoter_id, before, change, now, by_admin=by_admin)
        changes = _differences(before, after)
        if before is not None and not changes:
            return before
        action = "promoter.changed" if before else "promoter.created"
        entry = audit.entry_item(f"promoter#{promoter_id}", action, actor, now, {}, changes=changes)
        try:
            dynamo.transact([store.put_item(after), entry])
            return after
        except dynamo.TransactionCanceled:
            continue
    raise PromoterChanging()


def unverify_items(promoter_id: str, actor: str, now: int) -> list[dynamo.TransactItem]:
    """Transaction items that take the verification of a promoter away, audited; none if there is none. Refused if the profile changes."""
    before = store.find(promoter_id)
    if before is None or before.state != "verified":
        return []
    after = replace(before, state="unverified", updated_at=now, version=before.version + 1)
    changes = _differences(before, after)
    return [store.put_item(after), audit.entry_item(f"promoter#{promoter_id}", "promoter.changed", actor, now, {}, changes=changes)]


def delete_item(promoter_id: str) -> dynamo.TransactItem:
    return store.delete_item(promoter_id)


def _changed(promoter_id: str, before: Promoter | None, change: PromoterChange, now: int, *, by_admin: bool) -> Promoter:
    fields = {name: value for name, value in asdict(change).items() if name != "verified"}
    if before is None:
        after = Promoter(id=promoter_id, **fields, created_at=now, updated_at=now)
    else:
        after = replace(before, **fields, updated_at=now, version=before.version + 1)
    if by_admin and change.verified is not None:
        return replace(after, state="verified" if change.verified else "unverified")
    if not by_admin and before is not None and any(getattr(before, name) != getattr(after, name) for name in _VERIFIED_FIELDS):
        return replace(after, state="unverified")
    return after


def _differences(before: Promoter | None, after: Promoter) -> dict[str, tuple[str | None, str | None]]:
    names = ("name", "company", "description", "website", "email", "state")
    pairs = {name: (getattr(before, name, None), getattr(after, name)) for name in names}
    return {name: (old, new) for name, (old, new) in pairs.items() if old != new}
