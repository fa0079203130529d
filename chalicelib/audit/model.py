"""An entry of the audit log: who changed what, and when."""

from typing import Any

from msgspec import Struct


class AuditEntry(Struct, frozen=True):
    """`actor` did `action` (such as `event.paused`) to `subject` (`event#<id>`, `catalog`); `at` is ISO 8601 in UTC."""

    subject: str
    at: str
    action: str
    actor: str
    details: dict[str, Any]
