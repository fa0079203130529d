"""Table `memberships`: who works at which event, by e-mail address. The index `by_email` finds the events of a person."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.dynamodb import dynamo
from chalicelib.edge.auth import EventRole


class EmailIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "by_email"
        projection = AllProjection()

    email_key = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)


class MembershipRow(dynamo.Table):
    """`invited_at` is epoch seconds, `invited_by` a user id."""

    feature = "memberships"
    contents = "Who works at which event."
    personal_data = dynamo.PersonalData("names, addresses and roles", export="yes", erasure="deleted")

    class Meta:
        table_name = None

    event_id = UnicodeAttribute(hash_key=True)
    member_id = UnicodeAttribute(range_key=True)
    email_key = UnicodeAttribute()
    role = UnicodeAttribute()
    invited_by = UnicodeAttribute()
    invited_at = NumberAttribute()
    email_index = EmailIndex()


class Membership(Struct, frozen=True):
    """Somebody's role at an event. `member_id` follows from the address."""

    event_id: str
    member_id: str
    email_key: str
    role: EventRole
    invited_by: str
    invited_at: int


def find(event_id: str, member_id: str) -> Membership | None:
    """The membership, strongly consistent, or None."""
    row = MembershipRow.find(event_id, member_id)
    return None if row is None else _membership(row)


def batch_find_roles(event_id: str, member_ids: Mapping[str, str]) -> dict[str, EventRole]:
    """The roles of those who have one at an event, by the keys of `member_ids`; one round trip for each 100."""
    keys = [{"event_id": {"S": event_id}, "member_id": {"S": of}} for of in set(member_ids.values())]
    rows = (MembershipRow.from_raw_data(item) for item in dynamo.batch_get(MembershipRow.name(), keys))
    roles = {row.member_id: _membership(row).role for row in rows}
    return {key: roles[of] for key, of in member_ids.items() if of in roles}


def put_item(membership: Membership, before: Membership | None) -> dynamo.TransactItem:
    """Transaction item that writes a membership; refused if it is not as it was `before`, None if there was none."""
    row = MembershipRow(**{name: getattr(membership, name) for name in Membership.__struct_fields__})
    if before is None:
        return dynamo.put(row, "attribute_not_exists(event_id)")
    return dynamo.put(row, "role = :before", before=before.role)


def delete_item(membership: Membership) -> dynamo.TransactItem:
    """Transaction item that deletes a membership; refused if it is gone or has another role."""
    key = MembershipRow(membership.event_id, membership.member_id)
    return dynamo.delete(key, "role = :role", role=membership.role)


def delete(membership: Membership) -> None:
    MembershipRow(membership.event_id, membership.member_id).delete()


def query_event(event_id: str, limit: int, after: str | None) -> list[Membership]:
    """Up to `limit` memberships of an event, by member id, those behind the member id `after`; strongly consistent."""
    beyond: Any = MembershipRow.member_id > after if after is not None else None
    return [_membership(row) for row in MembershipRow.query(event_id, beyond, limit=limit, consistent_read=True)]


def query_email(email_key: str, limit: int) -> list[Membership]:
    """Up to `limit` memberships of an address. May miss what was written within the last second."""
    return [_membership(row) for row in MembershipRow.email_index.query(email_key, limit=limit)]


def _membership(row: MembershipRow) -> Membership:
    role = msgspec.convert(row.role, EventRole)
    return Membership(row.event_id, row.member_id, row.email_key, role, row.invited_by, int(row.invited_at))
