"""Open cases of money: refunds that are not finished, disputes that are not decided, and findings that only a person can resolve.

A case is opened in the transaction of the change that makes it one, so a crash never loses it. The sweep goes on with refunds that are
due; `GET /admin/reconciliation` shows the rest.
"""

from typing import Any

from chalicelib.cases import store
from chalicelib.cases.model import Case
from chalicelib.cases.store import close_case_item, dismiss_case_item, open_case_item, postpone

__all__ = [
    "close_case_item",
    "close_finding",
    "dismiss_case_item",
    "find_manual_case",
    "list_open",
    "open_case_item",
    "postpone",
    "record_finding",
]


def record_finding(purchase_id: str, finding_id: str, now: int, details: dict[str, Any]) -> bool:
    """Show a difference to the admins until somebody, or the next comparison, closes it. False if it is shown already."""
    return store.put_new(Case(purchase_id, "finding", finding_id, now, None, details))


def close_finding(purchase_id: str, finding_id: str) -> None:
    """Close a finding that does not hold any more."""
    store.delete(purchase_id, "finding", finding_id)


def find_manual_case(purchase_id: str, case_id: str) -> Case | None:
    """The case of that id, if only a person can close it."""
    return next((case for case in store.query_purchase(purchase_id) if case.id == case_id and case.needs_person), None)


def list_open() -> list[Case]:
    """All open cases, oldest first."""
    return sorted(store.scan(), key=lambda case: (case.since, case.purchase_id, case.kind, case.id))
