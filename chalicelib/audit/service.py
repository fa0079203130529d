"""Who changed what. An entry is written in the same transaction as the change, so neither is ever there without the other."""

from typing import Any

import msgspec
from pynamodb.expressions.condition import Condition

from chalicelib import clock, dynamo, ids
from chalicelib.audit.model import AuditEntry, AuditRow


def entry_item(subject: str, action: str, actor: str, now: int, details: dict[str, Any]) -> dynamo.TransactItem:
    """A transaction item for `dynamo.transact`; `facts` are JSON-encodable and hold no secrets."""
    text = msgspec.json.encode(details).decode()
    record = AuditRow(subject, f"{clock.iso(now)}#{ids.new_id()}", action=action, actor=actor, details=text)
    # Absent: the record only grows. The ULID makes a clash impossible in practice, so this never refuses an honest entry.
    absent: Condition = AuditRow.subject.does_not_exist()
    return dynamo.put(record, absent)


def list_entries(subject: str, limit: int = 100) -> list[AuditEntry]:
    """The latest `limit` entries about `subject`, newest first; strongly consistent."""
    found = AuditRow.query(subject, scan_index_forward=False, limit=limit, consistent_read=True)
    return [AuditEntry(one.subject, one.at.partition("#")[0], one.action, one.actor, msgspec.json.decode(one.details)) for one in found]
