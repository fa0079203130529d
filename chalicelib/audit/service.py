"""The audit log. An entry is written in the same transaction as the change that it records, so neither exists without the other."""

from typing import Any

from chalicelib import clock, dynamo
from chalicelib.audit import store
from chalicelib.audit.model import AuditEntry
from chalicelib.audit.store import list_entries

__all__ = ["entry_item", "list_entries"]


def entry_item(subject: str, action: str, actor: str, now: int, details: dict[str, Any]) -> dynamo.TransactItem:
    """Transaction item that records a change made at `now`; `details` must be JSON-encodable and contain no secrets."""
    return store.create_entry_item(AuditEntry(subject, clock.iso(now), action, actor, details))
