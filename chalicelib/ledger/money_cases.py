"""Open money cases: unfinished refunds, undecided disputes, and findings that only a person can resolve.

Charges of saved cards, and saved cards that must be deleted, are also cases, but lists for people leave them out.

If a change leads to a case, one transaction writes both, so a crash never loses the case. The sweep processes refunds when they are due;
`GET /admin/reconciliation` lists every open case.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import clock

CaseKind = Literal["refund", "dispute", "finding", "charge", "card"]
UNLISTED: tuple[CaseKind, ...] = ("charge", "card")  # only the sweep needs them


class Case(Struct, frozen=True):
    """An unfinished refund, an undecided dispute, or a finding, which is a difference that only a person can resolve.

    A `charge` is a purchase whose saved card must be charged. A `card` is a saved card that the provider must delete at `next_at`; its
    `purchase_id` is the id of its owner.

    Times are epoch seconds. `since` is when the case was opened. `next_at` is when the sweep next processes the case; it is null if only a
    person or the bank can resolve the case.
    """

    purchase_id: str
    kind: CaseKind
    id: str
    since: int
    next_at: int | None
    details: dict[str, Any]

    @property
    def needs_person(self) -> bool:
        """Whether only a person can close the case: a finding, or a refund that has failed permanently. A dispute waits for the bank."""
        return self.kind != "dispute" and self.next_at is None

    def view(self) -> dict[str, Any]:
        """Return the case as JSON for admins and for the command line, with times in ISO 8601."""
        return {"order_id": self.purchase_id, "kind": self.kind, "id": self.id, "since": clock.iso(self.since), **self.details}


def open_case_item(
    purchase_id: str, kind: CaseKind, case_id: str, since: int, details: dict[str, Any], next_at: int | None = None
) -> dynamo.TransactItem:
    """Return the transaction item that opens a case, or updates the case if it is already open."""
    return dynamo.transact_put(_row(Case(purchase_id, kind, case_id, since, next_at, details)))


def close_case(case: Case) -> None:
    """Close a case, unless its `next_at` has changed since the case was read."""
    dynamo.delete_if(CaseRow(case.purchase_id, _key(case.kind, case.id)), CaseRow.next_at == case.next_at)


def close_case_item(purchase_id: str, kind: CaseKind, case_id: str) -> dynamo.TransactItem:
    """Return the transaction item that closes a case. It does nothing if the case is not open."""
    return dynamo.transact_delete(CaseRow(purchase_id, _key(kind, case_id)))


def dismiss_case_item(case: Case) -> dynamo.TransactItem:
    """Return the transaction item that closes a case at a person's request.

    It cancels the transaction if the case is already closed, or if the sweep will process the case again.
    """
    needs_person = CaseRow.purchase_id.exists() & CaseRow.next_at.does_not_exist()
    return dynamo.transact_delete(CaseRow(case.purchase_id, _key(case.kind, case.id)), needs_person)


def postpone_case(case: Case, next_at: int) -> None:
    """Make the sweep process a case at `next_at`, unless the case's `next_at` has changed since the case was read."""
    row = CaseRow(case.purchase_id, _key(case.kind, case.id))
    dynamo.update_if(row, [CaseRow.next_at.set(next_at)], CaseRow.next_at == case.next_at)


def list_due(kind: CaseKind, now: int, limit: int) -> Iterator[Case]:
    """Yield at most `limit` due cases of a kind, earliest due time first. May miss changes from the last second."""
    return map(_case, CaseRow.due_index.query(kind, CaseRow.next_at <= now, limit=limit))


def list_cases(limit: int, after: str | None) -> tuple[list[Case], str | None]:
    """Return a page of at most `limit` open cases after the position `after`, oldest first, and the next page's `after`.

    The returned position is None on the last page. A case that was opened within the last second may be missing. A case that was closed
    in the meantime is left out, so a page may be shorter than `limit`.
    """
    beyond = CaseRow.position > after if after is not None else None
    rows = list(CaseRow.open_index.query(_LISTED, beyond, limit=limit + 1))
    found = CaseRow.find_all([(row.purchase_id, row.case_key) for row in rows[:limit]])
    return [_case(row) for row in sorted(found, key=lambda row: row.position)], rows[limit - 1].position if len(rows) > limit else None


def open_finding(purchase_id: str, finding_id: str, now: int, details: dict[str, Any]) -> bool:
    """Open a finding, which admins see until a person or a later comparison closes it.

    Returns False, and writes nothing, if the finding is already open.
    """
    row = _row(Case(purchase_id, "finding", finding_id, now, None, details))
    return dynamo.put_if(row, CaseRow.purchase_id.does_not_exist())


def close_finding(purchase_id: str, finding_id: str) -> None:
    """Close a finding after its difference has been resolved. Does nothing if the finding is not open."""
    CaseRow(purchase_id, _key("finding", finding_id)).delete()


def find_manual_case(purchase_id: str, case_id: str) -> Case | None:
    """Return the open case with this id. Returns None if there is no such case, or if it does not need a person."""
    return next((case for case in list_purchase_cases(purchase_id) if case.id == case_id and case.needs_person), None)


def list_purchase_cases(purchase_id: str) -> list[Case]:
    """Return the open cases of a purchase, with a strongly consistent query."""
    return [case for case in map(_case, CaseRow.query(purchase_id)) if case.kind not in UNLISTED]


def list_open_cases() -> list[Case]:
    """Return all listed cases, oldest first, with a strongly consistent read of the whole table. Requests must not call it."""
    cases = (case for case in map(_case, CaseRow.scan()) if case.kind not in UNLISTED)
    return sorted(cases, key=lambda case: (case.since, case.purchase_id, case.kind, case.id))


# The table `cases` has one item per open case; closing a case deletes its item. The index `due` has only cases with a `next_at`, sorted by
# that time, so a run of the sweep reads no other cases. The index `open` has the keys of listed cases by age, for lists of any length.

_LISTED = "open"


class DueIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "due"
        projection = AllProjection()

    due_kind = UnicodeAttribute(hash_key=True)
    next_at = NumberAttribute(range_key=True)


class OpenIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "open"
        projection = KeysOnlyProjection()

    listed_as = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class CaseRow(dynamo.Table):
    """One open case. `case_key` is `<kind>#<id>`.

    `due_kind` is the kind of a case with a `next_at`; cases without a `next_at` have no `due_kind`, so the index `due` leaves them out.
    `listed_as` is the same in all rows of listed cases, and `position` sorts the rows: `<since>#<purchase id>#<case_key>`.
    """

    feature = "cases"
    contents = "Open cases: unfinished refunds, undecided disputes, and findings."
    personal_data = dynamo.PersonalData("ids of orders and users", export="no", erasure="stays, with the user id")

    purchase_id = UnicodeAttribute(hash_key=True)
    case_key = UnicodeAttribute(range_key=True)
    since = NumberAttribute()
    next_at = NumberAttribute(null=True)
    due_kind = UnicodeAttribute(null=True)
    details = StructAttribute(dict[str, Any])
    listed_as = UnicodeAttribute(null=True)
    position = UnicodeAttribute(null=True)
    due_index = DueIndex()
    open_index = OpenIndex()


def _key(kind: CaseKind, case_id: str) -> str:
    return f"{kind}#{case_id}"


def _row(case: Case) -> CaseRow:
    key, due_kind = _key(case.kind, case.id), case.kind if case.next_at is not None else None
    row = CaseRow(case.purchase_id, key, since=case.since, next_at=case.next_at, due_kind=due_kind, details=case.details)
    if case.kind not in UNLISTED:
        row.listed_as, row.position = _LISTED, f"{case.since:011}#{case.purchase_id}#{key}"
    return row


def _case(row: CaseRow) -> Case:
    kind, _, case_id = row.case_key.partition("#")
    next_at = int(row.next_at) if row.next_at is not None else None
    return Case(row.purchase_id, msgspec.convert(kind, CaseKind), case_id, int(row.since), next_at, row.details)
