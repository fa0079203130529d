"""One entry of the record of changes. Entries are only ever added."""

from typing import Any

from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute

from chalicelib import dynamo


class AuditRow(dynamo.Table):
    """`subject` is what was changed (`event#<id>`, `catalog`), `at` is `<ISO time>#<ULID>`, so that entries sort by time."""

    feature = "audit"

    class Meta:
        table_name = None

    subject = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)
    action = UnicodeAttribute()
    actor = UnicodeAttribute()
    details = UnicodeAttribute()


class AuditEntry(Struct, frozen=True):
    """Who (`actor`) did what (`action`, e.g. `event.paused`) to `subject`; `at` is ISO 8601 in UTC."""

    subject: str
    at: str
    action: str
    actor: str
    details: dict[str, Any]
