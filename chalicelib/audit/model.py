"""Entries of the audit log (who changed what, when, and from where), and the filter and the pages for lists of entries."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

# An entry's sort key, `<ISO time>#<ULID>`. A cursor must have this form.
POSITION_FORM = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ#\w+"


class FieldChange(Struct, frozen=True):
    """The values of a field before and after a change. A value is null if the field did not exist."""

    before: Any
    after: Any


class AuditEntry(Struct, frozen=True, kw_only=True):
    """`actor` did `action` (such as `event.paused`) to `subject` (such as `event#<id>`, `order#<id>` or `catalog`).

    `at` is ISO 8601 in UTC. `event_id` is the event under which the entry is listed. `request_id` is the id of the request or of the job
    run; it is null for a command. `address` is the caller's network address; it is null for jobs and commands.
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
    """Which entries to list. A null field or empty `subjects` do not filter. `since` (inclusive) and `until` (exclusive) are epoch seconds.

    Entries with the action `hidden` are left out.
    """

    subjects: tuple[str, ...] = ()
    event_id: str | None = None
    actor: str | None = None
    action: str | None = None
    hidden: str | None = None
    since: int | None = None
    until: int | None = None

    def accepts(self, entry: AuditEntry) -> bool:
        """Return whether an entry matches the filter's subjects, event, actor and actions. Times are not compared."""
        if entry.action == self.hidden or (self.subjects and entry.subject not in self.subjects):
            return False
        names = ("event_id", "actor", "action")
        return all(wanted is None or wanted == getattr(entry, name) for name in names for wanted in (getattr(self, name),))


class AuditPage(Struct, frozen=True):
    """Entries, newest first. `next_before` is the position where the next page begins; it is null on the last page."""

    entries: list[AuditEntry]
    next_before: str | None

    def without_addresses(self) -> "AuditPage":
        """Return the page without network addresses, for readers who may not see them."""
        return AuditPage([replace(entry, address=None) for entry in self.entries], self.next_before)

    def without_notes(self) -> "AuditPage":
        """Return the page without network addresses and without the reasons of admins, which are for admins only."""
        entries = [
            replace(entry, details={name: value for name, value in entry.details.items() if name != "reason"}) for entry in self.entries
        ]
        return AuditPage(entries, self.next_before).without_addresses()
