"""Open matters of money: refunds that are not through, disputes that are not decided, and what only a person can put right.

A matter is opened in the transaction that makes it one, so that a crash never loses it: the sweep goes on with what is due, and
`GET /admin/reconciliation` shows the rest. The table is as long as what is open, and mostly empty.
"""

from typing import Any

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import clock, dynamo


class MatterRow(dynamo.Table):
    feature = "matters"

    class Meta:
        table_name = None

    purchase_id = UnicodeAttribute(hash_key=True)
    what = UnicodeAttribute(range_key=True)
    since = NumberAttribute()
    next_at = NumberAttribute(null=True)
    facts = UnicodeAttribute()


class Matter(Struct, frozen=True):
    """`what` is `refund#<id>`, `dispute#<id>` or `finding#<kind>`; at `next_at` the sweep does something about it, never if null."""

    purchase_id: str
    what: str
    since: int
    next_at: int | None
    facts: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.what.partition("#")[0]

    @property
    def id(self) -> str:
        return self.what.partition("#")[2]

    def shown(self) -> dict[str, Any]:
        """For people and their programs, with times in ISO 8601."""
        return {"order_id": self.purchase_id, "kind": self.kind, "id": self.id, "since": clock.iso(self.since), **self.facts}

    @property
    def needs_a_person(self) -> bool:
        """A finding, or a refund that is not tried again; a dispute is the bank's to decide."""
        return self.kind != "dispute" and self.next_at is None


def opening(purchase_id: str, what: str, now: int, facts: dict[str, Any], next_at: int | None = None) -> dynamo.TransactItem:
    """Transaction item that opens a matter, or brings one that is open up to date."""
    return dynamo.put(_row(purchase_id, what, now, next_at, facts))


def closing(purchase_id: str, what: str) -> dynamo.TransactItem:
    """Transaction item that closes a matter; fine if it is not open."""
    return dynamo.delete(MatterRow(purchase_id, what))


def note(purchase_id: str, kind: str, now: int, facts: dict[str, Any]) -> bool:
    """Show something to the admins until somebody, or the next look, closes it. False if it was shown already."""
    row = _row(purchase_id, f"finding#{kind}", now, None, facts)
    return dynamo.insert(row, MatterRow.purchase_id.does_not_exist()) is None


def postpone(matter: Matter, next_at: int) -> None:
    """Nothing was new: look again then, unless the matter has changed meanwhile."""
    dynamo.swap(MatterRow(matter.purchase_id, matter.what), [MatterRow.next_at.set(next_at)], MatterRow.next_at == matter.next_at)


def for_a_person(purchase_id: str, matter_id: str) -> Matter | None:
    """The matter of that id, if only a person can put it right."""
    found = (_matter(row) for row in MatterRow.query(purchase_id, consistent_read=True))
    return next((one for one in found if one.id == matter_id and one.needs_a_person), None)


def dismissal(matter: Matter) -> dynamo.TransactItem:
    """Transaction item that closes what a person has dealt with; refused if it is gone, or the sweep is at it again."""
    still = MatterRow.purchase_id.exists() & MatterRow.next_at.does_not_exist()
    return dynamo.delete(MatterRow(matter.purchase_id, matter.what), still)


def forget(purchase_id: str, kind: str) -> None:
    """Close a finding."""
    MatterRow(purchase_id, f"finding#{kind}").delete()


def every() -> list[Matter]:
    """All that is open, oldest first."""
    found = (_matter(row) for row in MatterRow.scan(consistent_read=True))
    return sorted(found, key=lambda one: (one.since, one.purchase_id, one.what))


def _row(purchase_id: str, what: str, now: int, next_at: int | None, facts: dict[str, Any]) -> MatterRow:
    return MatterRow(purchase_id, what, since=now, next_at=next_at, facts=msgspec.json.encode(facts).decode())


def _matter(row: MatterRow) -> Matter:
    next_at = int(row.next_at) if row.next_at is not None else None
    return Matter(row.purchase_id, row.what, int(row.since), next_at, msgspec.json.decode(row.facts))
