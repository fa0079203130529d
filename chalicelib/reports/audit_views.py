"""The audit log over HTTP, as JSON or CSV."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from chalicelib.audit import service as audit
from chalicelib.audit.model import POSITION_FORM, AuditEntry, AuditFilter, FieldChange
from chalicelib.clock import Timestamp
from chalicelib.edge import cursors
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.http import Reply
from chalicelib.reports.csv_replies import Cell, csv_reply
from chalicelib.reports.times import Time, epoch_seconds

ShortText = Annotated[str, Meta(max_length=400)]

_COLUMNS = ("at", "action", "actor", "subject", "event_id", "address", "request_id", "changes", "details")


class EventAuditQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which entries to list, newest first: those from `from` (included) to `to` (not included)."""

    subject: ShortText | None = None
    actor: ShortText | None = None
    action: ShortText | None = None
    since: Time | None = field(default=None, name="from")
    until: Time | None = field(default=None, name="to")
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class AuditQuery(EventAuditQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    event_id: ShortText | None = None


class AuditEntryView(Struct, frozen=True, kw_only=True):
    """Who (`actor`) did what (`action`) to what (`subject`), when (`at`) and from where (`address`)."""

    id: str
    at: Timestamp
    action: str
    actor: str
    subject: str
    event_id: str | None
    address: str | None
    request_id: str | None
    changes: dict[str, FieldChange]
    details: dict[str, Any]


class AuditLogView(Struct, frozen=True):
    entries: list[AuditEntryView]
    next_cursor: str | None


def audit_reply(query: EventAuditQuery, event_id: str | None) -> Reply[AuditLogView | str]:
    """The entries that a query asks for, of one event or of all, as JSON or CSV."""
    wanted = AuditFilter(
        subject=query.subject,
        event_id=event_id,
        actor=query.actor,
        action=query.action,
        since=epoch_seconds(query.since, "from"),
        until=epoch_seconds(query.until, "to"),
    )
    page = audit.list_page(wanted, query.limit, cursors.decode(query.cursor, POSITION_FORM) if query.cursor else None)
    next_cursor = cursors.encode(page.next_before) if page.next_before else None
    if query.format == "csv":
        return csv_reply(query, _COLUMNS, map(_csv_row, page.entries), next_cursor)
    return Reply(AuditLogView([_entry_view(entry) for entry in page.entries], next_cursor))


def _entry_view(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(**{name: getattr(entry, name) for name in AuditEntryView.__struct_fields__})


def _csv_row(entry: AuditEntry) -> list[Cell]:
    row: list[Cell] = []
    for name in _COLUMNS:
        value = getattr(entry, name)
        row.append(msgspec.json.encode(value).decode() if name in ("changes", "details") else value)
    return row
