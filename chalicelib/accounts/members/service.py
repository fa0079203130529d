"""Roles at events: people are invited by e-mail address, and have the role once they log in with that address, verified.

This room knows no events, only their ids: who may invite to one is decided by `promoters`.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar

from chalicelib.accounts.members import store
from chalicelib.accounts.members.store import Membership
from chalicelib.accounts.model import email_key
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import MAX_EVENTS, EventRole
from chalicelib.foundation import parallel
from chalicelib.foundation.errors import ApiError, NotFound

__all__ = ["Membership"]


class TooManyEvents(ApiError):
    code: ClassVar[str] = "too_many_events"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"This person already works at {MAX_EVENTS} events. Remove them from past events first."


class MemberChanging(ApiError):
    code: ClassVar[str] = "member_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing this member right now. Check the list, then try again."


def member_id(email: str) -> str:
    """The id of somebody in the lists of members; the same at every event."""
    return sha256(email_key(email).encode()).hexdigest()[:32]


def invite(event_id: str, email: str, role: EventRole, actor: str, now: int) -> Membership:
    """Give somebody a role at an event, or another one, audited. Raises TooManyEvents or MemberChanging."""
    before = store.find(event_id, member_id(email))
    if before is not None and before.role == role:
        return before
    if before is None and len(store.query_email(email_key(email), MAX_EVENTS)) == MAX_EVENTS:
        raise TooManyEvents()
    membership = Membership(event_id, member_id(email), email_key(email), role, actor, now)
    action, changes = "member.invited", {"role": (before.role if before else None, role)}
    entry = audit.entry_item(f"event#{event_id}", action, actor, now, {"member_id": membership.member_id}, changes=changes)
    _transact([store.put_item(membership, before), entry])
    return membership


def find(event_id: str, email: str) -> Membership | None:
    """The membership of somebody with this address, or None."""
    return store.find(event_id, member_id(email))


def get(event_id: str, of: str) -> Membership:
    """The membership with this member id; raises NotFound."""
    membership = store.find(event_id, of)
    if membership is None:
        raise NotFound("This event has no member with this id.", member_id=of)
    return membership


def remove(membership: Membership, actor: str, now: int) -> None:
    """Take somebody's role at an event away, audited. Raises MemberChanging."""
    changes = {"role": (membership.role, None)}
    subject, details = f"event#{membership.event_id}", {"member_id": membership.member_id}
    entry = audit.entry_item(subject, "member.removed", actor, now, details, changes=changes)
    _transact([store.delete_item(membership), entry])


def list_members(event_id: str, limit: int, after: str | None) -> list[Membership]:
    """Up to `limit` members of an event, those behind the member id `after`."""
    return store.query_event(event_id, limit, after)


def event_roles(email: str) -> dict[str, EventRole]:
    """Event id -> the role that somebody with this address has there."""
    return {membership.event_id: membership.role for membership in store.query_email(email_key(email), MAX_EVENTS)}


def list_memberships(email: str) -> Sequence[Membership]:
    return store.query_email(email_key(email), MAX_EVENTS)


def delete_all(memberships: Sequence[Membership]) -> None:
    """Delete the memberships of an address, because the person is erased. May be repeated."""
    parallel.call_each(store.delete, memberships)


def _transact(items: list[dynamo.TransactItem]) -> None:
    try:
        dynamo.transact(items)
    except dynamo.TransactionCanceled:
        raise MemberChanging() from None
