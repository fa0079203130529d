"""Open cases of money: refunds that are not finished, disputes that are not decided, and findings that only a person can resolve.

A case is opened in the transaction of the change that it follows from, so a crash never loses it. The sweep works on refunds when they
are due; `GET /admin/reconciliation` lists every open case.
"""

from typing import Any

from chalicelib.cases import store
from chalicelib.cases.model import Case, CaseKind
from chalicelib.cases.store import close_case_item, dismiss_case_item, open_case_item, postpone

__all__ = [
    "close_case_item",
    "close_finding",
    "dismiss_case_item",
    "find_manual_case",
    "list_due",
    "list_open",
    "list_page",
    "open_case_item",
    "open_finding",
    "postpone",
]


def open_finding(purchase_id: str, finding_id: str, now: int, details: dict[str, Any]) -> bool:
    """Open a finding, which admins see until a person or a later comparison closes it. False, and nothing written, if it is open."""
    return store.put_new(Case(purchase_id, "finding", finding_id, now, None, details))


def close_finding(purchase_id: str, finding_id: str) -> None:
    """Close a finding whose difference is gone; fine if it is not open."""
    store.delete(purchase_id, "finding", finding_id)


def find_manual_case(purchase_id: str, case_id: str) -> Case | None:
    """The open case with this id, if only a person can close it; else None."""
    return next((case for case in store.query_purchase(purchase_id) if case.id == case_id and case.needs_person), None)


def list_due(kind: CaseKind, now: int, limit: int) -> list[Case]:
    """At most `limit` cases of a kind whose time has come, the one that has been due for longest first."""
    return list(store.query_due(kind, now, limit))


def list_page(limit: int, after: str | None) -> tuple[list[Case], str | None]:
    """At most `limit` open cases, the oldest first, and the position to go on behind, None on the last page; two round trips.

    Of one that was opened within the last second it may not know yet.
    """
    return store.query_open(limit, after)


def list_open() -> list[Case]:
    """All open cases, oldest first. Reads the whole table: for jobs and commands, never for requests."""
    return sorted(store.scan(), key=lambda case: (case.since, case.purchase_id, case.kind, case.id))
