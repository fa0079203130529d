"""Roles at events. People are invited by email address, and get the role once they have verified the address and accepted the invitation.

A promoter's own software has an API key instead. Until the key expires, it has one role at events of the promoter.

This module knows only the ids of events; `promoters` decides who may invite people to an event.
"""

import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct, structs
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.accounts import store
from chalicelib.accounts.model import Account, email_key
from chalicelib.audit import service as audit
from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import API_KEY_PREFIX, MAX_EVENTS, EventRole
from chalicelib.foundation import clock, ids, parallel, secret_settings
from chalicelib.foundation.errors import ApiError, NotFound

MAX_API_KEYS = 20  # per promoter, including expired keys
USE_RECORDED_SECONDS = 3600  # the recorded time of a key's last use may be this many seconds old
# A person can accept an invitation for this long. Then the invitation no longer counts toward the limits, and is deleted.
ACCEPTANCE_SECONDS = 30 * 86_400
MAX_UNVERIFIED_EVENTS = 20  # events of unverified promoters to which a person may be invited


class Membership(Struct, frozen=True):
    """A person's role at an event. `member_id` is derived from the address. The role is `pending` until the person accepts the invitation.

    `unverified` means that no admin had verified the event's promoter when the person was invited. Anybody can register as a promoter, so
    such roles are counted separately, and do not use up the limit of other roles.
    """

    event_id: str
    member_id: str
    email_key: str
    role: EventRole
    invited_by: str
    invited_at: int
    unverified: bool = False
    pending: bool = False

    @property
    def lapses_at(self) -> int | None:
        """When the invitation lapses, in epoch seconds. None once the person has accepted."""
        return self.invited_at + ACCEPTANCE_SECONDS if self.pending else None

    def has_lapsed(self, now: int) -> bool:
        """Return whether the invitation has lapsed because the person did not accept it in time."""
        return self.lapses_at is not None and self.lapses_at <= now


PersonRole = Literal["promoter", "coordinator", "staff", "cashier", "accountant", "admin"]


class Person(Struct, frozen=True):
    """A person who works at an event, as the event's managers see them.

    If a person has no name, `name` is the address; for admins, it is null. `role` is null for people who no longer work at the event.
    """

    name: str | None
    role: PersonRole | None


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key that gives a promoter's software a role at the events `event_ids`, or at all events of the promoter if `event_ids` is empty.

    Times are epoch seconds. `used_at` is at most USE_RECORDED_SECONDS older than the last use, and None before the first use. Only the
    SHA-256 of the key's text is stored. `created_by` is the user id of the promoter or the admin who created the key; it is None for keys
    of earlier versions.
    """

    id: str
    promoter_id: str
    name: str
    role: EventRole
    event_ids: frozenset[str]
    digest: str
    created_at: int
    expires_at: int
    used_at: int | None = None
    created_by: str | None = None

    @property
    def user_id(self) -> str:
        """The caller's id in the audit log and in logs."""
        return f"key-{self.id}"

    @property
    def admin_id(self) -> str | None:
        """The user id of the admin who created the key. None if the promoter created it, or if the creator is not recorded."""
        return None if self.created_by == self.promoter_id else self.created_by


class TooManyApiKeys(ApiError):
    code: ClassVar[str] = "too_many_api_keys"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"You already have {MAX_API_KEYS} API keys. Delete keys that you no longer need."


class TooManyEvents(ApiError):
    code: ClassVar[str] = "too_many_events"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"This person already works at {MAX_EVENTS} events. Remove them from past events first."


class MemberChanging(ApiError):
    code: ClassVar[str] = "member_changing"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "Someone else is changing this member right now. Check the list, then try again."


def member_id(email: str) -> str:
    """Return the id of a person in lists of members, which is the same at every event."""
    return sha256(email_key(email).encode()).hexdigest()[:32]


def find_membership(event_id: str, email: str) -> Membership | None:
    """Return the membership of the person with this address. Returns None if there is no such membership."""
    return _load_membership(event_id, member_id(email))


def get_membership(event_id: str, member_id: str) -> Membership:
    """Return the membership with this member id. Raises NotFound if it does not exist."""
    membership = _load_membership(event_id, member_id)
    if membership is None:
        raise NotFound("This event has no member with this id.", member_id=member_id)
    return membership


def list_members(event_id: str, limit: int, after: str | None) -> list[Membership]:
    """Return up to `limit` memberships of an event, sorted by member id, after the member id `after`. Strongly consistent."""
    follows = MembershipRow.member_id > after if after is not None else None
    return [_membership(row) for row in MembershipRow.query(event_id, follows, limit=limit)]


def list_memberships(email: str) -> Sequence[Membership]:
    """Return all memberships of the person with this address, sorted by event id. May miss writes from the last second.

    Simultaneous invitations can give a person a few more than MAX_EVENTS and MAX_UNVERIFIED_EVENTS together.
    """
    return [_membership(row) for row in MembershipRow.email_index.query(email_key(email))]


def event_roles(email: str) -> dict[str, EventRole]:
    """Return up to MAX_EVENTS roles that the person with this address has accepted, by event id.

    The oldest roles come first, but roles at events of unverified promoters come last.
    """
    accepted = [membership for membership in list_memberships(email) if not membership.pending]
    oldest = sorted(accepted, key=attrgetter("unverified", "invited_at"))[:MAX_EVENTS]
    return {membership.event_id: membership.role for membership in oldest}


def invite(event_id: str, email: str, role: EventRole, actor: str, now: int, *, unverified: bool = False) -> Membership:
    """Invite a person to take a role at an event, or change the person's role, with an audit entry.

    A lapsed invitation is renewed. Raises TooManyEvents or MemberChanging.
    """
    before = _load_membership(event_id, member_id(email))
    is_new = before is None or before.has_lapsed(now)
    if before is not None and before.role == role and not is_new:
        return before
    if is_new:
        held = [membership for membership in list_memberships(email) if not membership.has_lapsed(now)]
        count = sum(membership.unverified == unverified for membership in held)
        if unverified and count >= MAX_UNVERIFIED_EVENTS:
            raise TooManyEvents(f"This person already works at {MAX_UNVERIFIED_EVENTS} events whose promoters the shop has not verified.")
        if count >= MAX_EVENTS:
            raise TooManyEvents()
    # A changed role keeps the time of the first invitation. Otherwise, strangers' invitations could push it out of `event_roles`.
    invited_at = now if before is None or is_new else before.invited_at
    pending = before is None or before.pending
    membership = Membership(event_id, member_id(email), email_key(email), role, actor, invited_at, unverified, pending)
    action, changes = "member.invited", {"role": (before.role if before else None, role)}
    entry = audit.entry_item(f"event#{event_id}", action, actor, now, _audit_details(membership), changes=changes)
    _transact([_put_item(membership, before), entry])
    return membership


def accept(membership: Membership, actor: str, now: int) -> Membership:
    """Accept an invitation, with an audit entry. Does nothing if it was already accepted. Raises MemberChanging."""
    if not membership.pending:
        return membership
    row = MembershipRow(membership.event_id, membership.member_id)
    is_same = (MembershipRow.role == membership.role) & MembershipRow.pending.exists()
    changes = {"pending": (True, False)}
    entry = audit.entry_item(f"event#{membership.event_id}", "member.accepted", actor, now, _audit_details(membership), changes=changes)
    _transact([dynamo.transact_update(row, [MembershipRow.pending.remove(), MembershipRow.ttl.remove()], is_same), entry])
    return structs.replace(membership, pending=False)


def remove(membership: Membership, actor: str, now: int) -> None:
    """Remove a person's role at an event, with an audit entry. Raises MemberChanging."""
    changes = {"role": (membership.role, None)}
    entry = audit.entry_item(f"event#{membership.event_id}", "member.removed", actor, now, _audit_details(membership), changes=changes)
    _transact([_delete_item(membership), entry])


def delete_memberships(memberships: Sequence[Membership]) -> None:
    """Delete the memberships of a person whose data is being erased. Safe to repeat."""
    parallel.call_each(lambda membership: MembershipRow(membership.event_id, membership.member_id).delete(), memberships)


_API_KEY = re.compile(
    rf"{API_KEY_PREFIX}(?P<promoter_id>[A-Za-z0-9][A-Za-z0-9._@+-]{{0,63}})_(?P<id>[0-9A-HJKMNP-TV-Z]{{26}})_[A-Za-z0-9-]{{43}}"
)


def create_api_key(
    promoter_id: str, name: str, role: EventRole, event_ids: frozenset[str], expires_at: int, actor: str, now: int
) -> tuple[ApiKey, str]:
    """Create an API key of a promoter, with an audit entry. Returns the key and its text."""
    key_id = ids.new_id()
    text = f"{API_KEY_PREFIX}{promoter_id}_{key_id}_{secrets.token_urlsafe(32).replace('_', '-')}"
    digest = digest_of(text)
    fields: dict[str, Any] = {"role": role, "digest": digest, "created_at": now, "expires_at": expires_at, "created_by": actor}
    key = ApiKey(id=key_id, promoter_id=promoter_id, name=name, event_ids=event_ids, **fields)
    row = ApiKeyRow(_owner(promoter_id), key_id, label=name, event_ids=set(event_ids) or None, **fields)
    _transact([dynamo.transact_put(row), _api_key_entry(key, "api_key.created", actor, now)])
    return key, text


def list_api_keys(promoter_id: str) -> list[ApiKey]:
    """Return the API keys of a promoter, oldest first, including expired keys. Strongly consistent."""
    return [_api_key(row) for row in ApiKeyRow.query(_owner(promoter_id), consistent_read=True)]


def delete_api_key(promoter_id: str, key_id: str, actor: str, now: int) -> None:
    """Delete an API key, with an audit entry. Raises NotFound or MemberChanging."""
    row = ApiKeyRow.find(_owner(promoter_id), key_id)
    if row is None:
        raise NotFound("There is no API key with this id.", key_id=key_id)
    key = _api_key(row)
    _transact([dynamo.transact_delete(ApiKeyRow(row.event_id, key_id)), _api_key_entry(key, "api_key.deleted", actor, now)])


def delete_api_keys(promoter_id: str) -> None:
    """Delete all API keys of a person whose data is being erased. Safe to repeat."""
    parallel.call_each(lambda key: ApiKeyRow(_owner(promoter_id), key.id).delete(), list_api_keys(promoter_id))


def parse_api_key(text: str) -> tuple[str, str] | None:
    """Return the promoter's id and the key's id in the text of a key. Returns None if the text does not have the form of a key."""
    found = _API_KEY.fullmatch(text)
    return None if found is None else (found["promoter_id"], found["id"])


def find_api_key(promoter_id: str, key_id: str) -> ApiKey | None:
    """Return the API key, which may have expired. Returns None if it does not exist. The read is strongly consistent."""
    row = ApiKeyRow.find(_owner(promoter_id), key_id)
    return None if row is None else _api_key(row)


def is_text_of(key: ApiKey, text: str) -> bool:
    """Return whether a text is the text of the key, in constant time."""
    return hmac.compare_digest(key.digest, digest_of(text))


def digest_of(text: str) -> str:
    """Return the digest of an API key's text. The store has only this digest."""
    return sha256(text.encode()).hexdigest()


def record_use(key: ApiKey, now: int) -> None:
    """Store the time of a key's use. Does nothing if the stored time is recent, or the key was deleted."""
    if key.used_at is None or key.used_at <= now - USE_RECORDED_SECONDS:
        dynamo.update_if(ApiKeyRow(_owner(key.promoter_id), key.id), [ApiKeyRow.used_at.set(now)], ApiKeyRow.digest == key.digest)


def find_people(event_id: str, promoter_id: str | None, user_ids: Iterable[str], former_ids: Collection[str] = ()) -> dict[str, Person]:
    """Return the given users who work at the event or are admins, by user id. Makes two round trips per 100 users.

    `former_ids` are users who are known to have worked at the event; they are returned even if they no longer work there.
    """
    found = {account.user_id: account for account in store.batch_find(set(user_ids))}
    roles = _load_roles(event_id, {user_id: member_id(account.email) for user_id, account in found.items()})
    people: dict[str, Person] = {}
    for user_id, account in found.items():
        role: PersonRole | None = "promoter" if user_id == promoter_id else roles.get(user_id)
        if role is not None:
            people[user_id] = Person(_name(account), role)
        elif "admin" in account.roles:
            people[user_id] = Person(None, "admin")
        elif user_id in former_ids:
            people[user_id] = Person(_name(account), None)
    return people


def _audit_details(membership: Membership) -> dict[str, str]:
    """Return a keyed digest of the person, because the audit log outlives the membership. A plain digest of an address could be guessed."""
    mac = hmac.digest(secret_settings.derived_key("members in the audit log"), membership.member_id.encode(), "sha256")
    return {"member": mac.hex()[:32]}


def _owner(promoter_id: str) -> str:
    return f"promoter#{promoter_id}"


def _api_key_entry(key: ApiKey, action: str, actor: str, now: int) -> dynamo.TransactItem:
    """Return an audit entry without the key's name, because the name may name a person and the entry is never erased."""
    details = {"key": key.id, "role": key.role, "events": sorted(key.event_ids), "expires_at": clock.iso(key.expires_at)}
    return audit.entry_item(f"account#{key.promoter_id}", action, actor, now, details)


def _name(account: Account) -> str:
    return account.name or account.email


def _transact(items: list[dynamo.TransactItem]) -> None:
    try:
        dynamo.transact(items)
    except dynamo.ConditionFailed:
        raise MemberChanging() from None


# The table `memberships`: who works at which event, by email address, and each promoter's API keys, under `promoter#<promoter id>` instead
# of an event. The index `by_email` finds a person's events.


class EmailIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_email"
        projection = AllProjection()

    email_key = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)


class MembershipRow(dynamo.Table):
    """`invited_at` is in epoch seconds, and `invited_by` is a user id. `unverified` is absent in rows of earlier versions.

    `pending` is absent once the person has accepted, and in rows of earlier versions, which did not ask people to accept. DynamoDB deletes
    invitations that have lapsed.
    """

    feature = "memberships"
    contents = "Who works at which event."
    personal_data = dynamo.PersonalData("names, addresses and roles", export="yes", erasure="deleted")

    event_id = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(range_key=True)
    email_key = UnicodeAttribute()
    role = UnicodeAttribute()
    invited_by = UnicodeAttribute()
    invited_at = NumberAttribute()
    unverified = BooleanAttribute(null=True)
    pending = BooleanAttribute(null=True)
    ttl = NumberAttribute(null=True)
    email_index = EmailIndex()


class ApiKeyRow(dynamo.Table):
    """An API key, with the fields of `ApiKey`. `event_id` is `promoter#<promoter id>`, and `member_id` is the key's id."""

    feature = "memberships"

    event_id = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(range_key=True)
    label = UnicodeAttribute()
    role = UnicodeAttribute()
    event_ids = UnicodeSetAttribute(null=True)  # absent for all events of the promoter
    digest = UnicodeAttribute()
    created_at = NumberAttribute()
    expires_at = NumberAttribute()
    used_at = NumberAttribute(null=True)
    created_by = UnicodeAttribute(null=True)


def _api_key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.member_id,
        promoter_id=row.event_id.partition("#")[2],
        name=row.label,
        role=msgspec.convert(row.role, EventRole),
        event_ids=frozenset(row.event_ids or ()),
        digest=row.digest,
        created_at=int(row.created_at),
        expires_at=int(row.expires_at),
        used_at=None if row.used_at is None else int(row.used_at),
        created_by=row.created_by,
    )


def _load_membership(event_id: str, member_id: str) -> Membership | None:
    """Return the membership. Returns None if it does not exist. The read is strongly consistent."""
    row = MembershipRow.find(event_id, member_id)
    return None if row is None else _membership(row)


def _load_roles(event_id: str, member_ids: Mapping[str, str]) -> dict[str, EventRole]:
    """Map each key to the member's role at the event, and leave out people who have no role or have not accepted it.

    `member_ids` maps keys to member ids. Each round trip reads up to 100 members.
    """
    rows = MembershipRow.find_all([(event_id, member_id) for member_id in set(member_ids.values())], consistent_read=False)
    roles = {row.member_id: _membership(row).role for row in rows if not row.pending}
    return {key: roles[member_id] for key, member_id in member_ids.items() if member_id in roles}


def _put_item(membership: Membership, before: Membership | None) -> dynamo.TransactItem:
    """Return a transaction item that writes a membership.

    The transaction fails if the stored membership has a role other than that of `before`, or was accepted in the meantime. For a new
    membership, `before` is None, and the transaction fails if the membership exists.
    """
    fields = {name: getattr(membership, name) for name in Membership.__struct_fields__}
    row = MembershipRow(**fields | {"pending": membership.pending or None, "ttl": membership.lapses_at})
    if before is None:
        return dynamo.transact_put(row, MembershipRow.event_id.does_not_exist())
    is_pending_unchanged = MembershipRow.pending.exists() if before.pending else MembershipRow.pending.does_not_exist()
    return dynamo.transact_put(row, (MembershipRow.role == before.role) & is_pending_unchanged)


def _delete_item(membership: Membership) -> dynamo.TransactItem:
    """Return a transaction item that deletes a membership. The transaction fails if the membership is gone or has another role."""
    return dynamo.transact_delete(MembershipRow(membership.event_id, membership.member_id), MembershipRow.role == membership.role)


def _membership(row: MembershipRow) -> Membership:
    role = msgspec.convert(row.role, EventRole)
    is_unverified, is_pending = bool(row.unverified), bool(row.pending)
    return Membership(row.event_id, row.member_id, row.email_key, role, row.invited_by, int(row.invited_at), is_unverified, is_pending)
