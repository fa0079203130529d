"""The table `audit`. Entries are only ever added, never changed or deleted."""

import msgspec
from pynamodb.attributes import UnicodeAttribute

from chalicelib import dynamo, ids
from chalicelib.audit.model import AuditEntry


class AuditRow(dynamo.Table):
    """One entry. Its sort key `at` is `<ISO time>#<ULID>`, so that the entries of a subject sort by time; `details` is JSON."""

    feature = "audit"

    class Meta:
        table_name = None

    subject = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)
    action = UnicodeAttribute()
    actor = UnicodeAttribute()
    details = UnicodeAttribute()


def create_entry_item(entry: AuditEntry) -> dynamo.TransactItem:
    """Transaction item that adds the entry."""
    details = msgspec.json.encode(entry.details).decode()
    row = AuditRow(entry.subject, f"{entry.at}#{ids.new_id()}", action=entry.action, actor=entry.actor, details=details)
    # No entry is ever overwritten. The ULID makes every key new, so in practice the condition always holds.
    return dynamo.put(row, "attribute_not_exists(subject)")


def list_entries(subject: str, limit: int = 100) -> list[AuditEntry]:
    """The latest `limit` entries about `subject`, newest first; strongly consistent."""
    rows = AuditRow.query(subject, scan_index_forward=False, limit=limit, consistent_read=True)
    return [_entry(row) for row in rows]


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(row.subject, row.at.partition("#")[0], row.action, row.actor, msgspec.json.decode(row.details))
