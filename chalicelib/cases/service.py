"""Open matters of money: refunds that are not through, disputes that are not decided, and what only a person can put right.

A matter is opened in the transaction that makes it one, so that a crash never loses it: the sweep goes on with what is due, and
`GET /admin/reconciliation` shows the rest. The table is as long as what is open, and mostly empty.
"""

from typing import Any

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import clock, dynamo


class CaseRow(dynamo.Table):
    feature = "matters"

    class Meta:
        table_name = None

    purchase_id = UnicodeAttribute(hash_key=True)
    what = UnicodeAttribute(range_key=True)
    since = NumberAttribute()
    next_at = NumberAttribute(null=True)
    details = UnicodeAttribute()


class Case(Struct, frozen=True):
    """`what` is `refund#<id>`, `dispute#<id>` or `finding#<kind>`; at `next_at` the sweep does something about it, never if null."""

    purchase_id: str
    what: str
    since: int
    next_at: int | None
    details: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.what.partition("#")[0]

    @property
    def id(self) -> str:
        return self.what.partition("#")[2]

    def shown(self) -> dict[str, Any]:
        """For people and their programs, with times in ISO 8601."""
        return {"order_id": self.purchase_id, "kind": self.kind, "id": self.id, "since": clock.iso(self.since), **self.details}

    @property
    def needs_a_person(self) -> bool:
        """A finding, or a refund that is not tried again; a dispute is the bank's to decide."""
        return self.kind != "dispute" and self.next_at is None


def open_case_item(purchase_id: str, what: str, now: int, details: dict[str, Any], next_at: int | None = None) -> dynamo.TransactItem:
    """Transaction item that opens a matter, or brings one that is open up to date."""
    return dynamo.put(_row(purchase_id, what, now, next_at, details))


def close_case_item(purchase_id: str, what: str) -> dynamo.TransactItem:
    """Transaction item that closes a matter; fine if it is not open."""
    return dynamo.delete(CaseRow(purchase_id, what))


def record_finding(purchase_id: str, kind: str, now: int, details: dict[str, Any]) -> bool:
    """Show something to the admins until somebody, or the next look, closes it. False if it was shown already."""
    row = _row(purchase_id, f"finding#{kind}", now, None, details)
    return dynamo.put_if(row, CaseRow.purchase_id.does_not_exist()) is None


def postpone(case: Case, next_at: int) -> None:
    """Nothing was new: look again then, unless the matter has changed meanwhile."""
    dynamo.update_if(CaseRow(case.purchase_id, case.what), [CaseRow.next_at.set(next_at)], CaseRow.next_at == case.next_at)


def find_manual_case(purchase_id: str, matter_id: str) -> Case | None:
    """The matter of that id, if only a person can put it right."""
    found = (_case(row) for row in CaseRow.query(purchase_id, consistent_read=True))
    return next((one for one in found if one.id == matter_id and one.needs_a_person), None)


def dismiss_case_item(case: Case) -> dynamo.TransactItem:
    """Transaction item that closes what a person has dealt with; refused if it is gone, or the sweep is at it again."""
    still = CaseRow.purchase_id.exists() & CaseRow.next_at.does_not_exist()
    return dynamo.delete(CaseRow(case.purchase_id, case.what), still)


def close_finding(purchase_id: str, kind: str) -> None:
    """Close a finding."""
    CaseRow(purchase_id, f"finding#{kind}").delete()


def list_open() -> list[Case]:
    """All that is open, oldest first."""
    found = (_case(row) for row in CaseRow.scan(consistent_read=True))
    return sorted(found, key=lambda one: (one.since, one.purchase_id, one.what))


def _row(purchase_id: str, what: str, now: int, next_at: int | None, details: dict[str, Any]) -> CaseRow:
    return CaseRow(purchase_id, what, since=now, next_at=next_at, details=msgspec.json.encode(details).decode())


def _case(row: CaseRow) -> Case:
    next_at = int(row.next_at) if row.next_at is not None else None
    return Case(row.purchase_id, row.what, int(row.since), next_at, msgspec.json.decode(row.details))
