"""An entry of the audit log: who changed what, when, and from where."""

from typing import Any

from msgspec import Struct

# The position of an entry in a list, where the next page begins.
POSITION_FORM = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ#\w+"


class FieldChange(Struct, frozen=True):
    """The values of a field before and after a change; null for one that did not exist."""

    before: Any
    after: Any


class AuditEntry(Struct, frozen=True, kw_only=True):
    """`actor` did `action` (such as `event.paused`) to `subject` (`event#<id>`, `tier#<id>`, `order#<id>`, `catalog`).

    `at` is ISO 8601 in UTC. `event_id` is the event that the entry is found with. `request_id` is that of the request, or of the run of a
    job; null for a command. `address` is the caller's, null for jobs and commands.
    """

    id: str
    subject: str
    at: str
    action: str
    actor: str
    event_id: str | None = None
    request_id: str | None = None
    address: str | None = None
    changes: dict[str, FieldChange] = {}
    details: dict[str, Any] = {}


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries to list; null is all. `since` (included) and `until` (not included) are in epoch seconds."""

    subject: str | None = None
    event_id: str | None = None
    actor: str | None = None
    action: str | None = None
    since: int | None = None
    until: int | None = None

    def accepts(self, entry: AuditEntry) -> bool:
        """Whether an entry has the subject, event, actor and action that are asked for."""
        names = ("subject", "event_id", "actor", "action")
        return all(wanted is None or wanted == getattr(entry, name) for name in names for wanted in (getattr(self, name),))


class AuditPage(Struct, frozen=True):
    """Entries, newest first. With a `next_before` there may be more, which come before it."""

    entries: list[AuditEntry]
    next_before: str | None
