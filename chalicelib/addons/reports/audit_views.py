"""The audit log over HTTP, as JSON or CSV, and the entries that record who reads lists of people."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from chalicelib.accounts.members import Person, PersonRole, find_people
from chalicelib.audit import service as audit
from chalicelib.audit.model import POSITION_FORM, AuditEntry, AuditFilter, AuditPage, FieldChange
from chalicelib.catalog.model import Event
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.edge.csv_replies import Cell, Time, csv_reply, epoch_seconds
from chalicelib.edge.cursors import Cursor
from chalicelib.edge.routes import Reply
from chalicelib.foundation import effects
from chalicelib.foundation.clock import Timestamp

ShortText = Annotated[str, Meta(max_length=400)]
PEOPLE_READ = "event.people_read"  # an action in the audit log

# Add new columns at the end: programs may read the file by column position.
_COLUMNS = ("at", "action", "actor", "subject", "event_id", "address", "request_id", "changes", "details")
_EVENT_COLUMNS = (*_COLUMNS, "actor_name", "actor_role")
# Only people who work at an event take these actions, so its promoter may see their names.
_AT_THE_DOOR = (
    "ticket.checked_in",
    "ticket.checked_out",
    "ticket.check_in_undone",
    "ticket.check_out_undone",
    "ticket.duplicate_scanned",
)


class PromoterAuditQuery(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which entries to list, newest first, from `from` (inclusive) to `to` (exclusive)."""

    actor: ShortText | None = None
    action: ShortText | None = None
    since: Time | None = field(default=None, name="from")
    until: Time | None = field(default=None, name="to")
    format: Literal["json", "csv"] = "json"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    cursor: Cursor | None = None


class EventAuditQuery(PromoterAuditQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    subject: ShortText | None = None


class AuditQuery(EventAuditQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    event_id: ShortText | None = None


class AuditEntryView(Struct, frozen=True, kw_only=True):
    """An audited action: `actor` performed `action` on `subject` at `at`. Only admins see `address`, the actor's network address."""

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


class EventAuditEntryView(AuditEntryView, frozen=True, kw_only=True):
    """An entry with its actor's name and the actor's role at the event.

    `actor_name` is null for buyers, admins and programs. `actor_role` is also null for people who scanned tickets but no longer work at the
    event.
    """

    actor_name: str | None
    actor_role: PersonRole | None


class AuditLogView(Struct, frozen=True):
    entries: list[AuditEntryView]
    next_cursor: str | None


class EventAuditLogView(Struct, frozen=True):
    entries: list[EventAuditEntryView]
    next_cursor: str | None


def event_audit_reply(query: EventAuditQuery, event: Event, *, shows_addresses: bool) -> Reply[EventAuditLogView | str]:
    """Return an event's audit entries as JSON or CSV, with the names of the people who work at the event.

    Entries about the reading of names and addresses are listed only if the query asks for this action. Otherwise, they would bury the
    entries about changes.
    """
    hidden = None if query.action else PEOPLE_READ
    page, next_cursor = _read_page(query, _subjects(query), event.id, hidden)
    page = page if shows_addresses else page.without_addresses()
    former = {entry.actor for entry in page.entries if entry.action in _AT_THE_DOOR}
    people = find_people(event.id, event.promoter_id, (entry.actor for entry in page.entries), former)
    if query.format == "csv":
        return csv_reply(query, _EVENT_COLUMNS, ([*_csv_row(entry), *_person_cells(entry, people)] for entry in page.entries), next_cursor)
    return Reply(EventAuditLogView([_event_entry_view(entry, people) for entry in page.entries], next_cursor))


def promoter_audit_reply(query: PromoterAuditQuery, promoter_id: str, *, by_admin: bool) -> Reply[AuditLogView | str]:
    """Return the audit entries of a promoter's account, profile, brand, money and API keys, as JSON or CSV.

    Only admins see network addresses, and the reasons that admins have given.
    """
    page, next_cursor = _read_page(query, (f"account#{promoter_id}", f"promoter#{promoter_id}"))
    return _reply(query, page if by_admin else page.without_notes(), next_cursor)


def audit_reply(query: AuditQuery) -> Reply[AuditLogView | str]:
    """Return the audit entries of one event, or all audit entries, as JSON or CSV."""
    return _reply(query, *_read_page(query, _subjects(query), query.event_id))


def _reply(query: PromoterAuditQuery, page: AuditPage, next_cursor: str | None) -> Reply[AuditLogView | str]:
    if query.format == "csv":
        return csv_reply(query, _COLUMNS, map(_csv_row, page.entries), next_cursor)
    return Reply(AuditLogView([AuditEntryView(**_fields(entry)) for entry in page.entries], next_cursor))


def _subjects(query: EventAuditQuery) -> tuple[str, ...]:
    return () if query.subject is None else (query.subject,)


def _read_page(
    query: PromoterAuditQuery, subjects: tuple[str, ...], event_id: str | None = None, hidden: str | None = None
) -> tuple[AuditPage, str | None]:
    wanted = AuditFilter(
        subjects=subjects,
        event_id=event_id,
        actor=query.actor,
        action=query.action,
        hidden=hidden,
        since=epoch_seconds(query.since, "from"),
        until=epoch_seconds(query.until, "to"),
    )
    page = audit.search_entries(wanted, query.limit, cursors.decode(query.cursor, POSITION_FORM) if query.cursor else None)
    return page, cursors.encode(page.next_before) if page.next_before else None


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in AuditEntryView.__struct_fields__}


def _event_entry_view(entry: AuditEntry, people: Mapping[str, Person]) -> EventAuditEntryView:
    name, role = _person_cells(entry, people)
    return EventAuditEntryView(**_fields(entry), actor_name=name, actor_role=role)


def _person_cells(entry: AuditEntry, people: Mapping[str, Person]) -> tuple[str | None, PersonRole | None]:
    person = people.get(entry.actor)
    return (person.name, person.role) if person is not None else (None, None)


def _csv_row(entry: AuditEntry) -> list[Cell]:
    row: list[Cell] = []
    for name in _COLUMNS:
        value = getattr(entry, name)
        row.append(msgspec.json.encode(value).decode() if name in ("changes", "details") else value)
    return row


def record_reading(event_id: str, reader: str, now: int, listed: str, count: int, form: str = "json") -> None:
    """Record in the audit log that `reader` gets a list with the names and addresses of `count` people. Does nothing for an empty list.

    Call this before the reply, because the list must not be sent if the entry cannot be written.
    """
    if count:
        details = {"listed": listed, "count": count, "format": form}
        with effects.uncounted():
            dynamo.transact([audit.entry_item(f"event#{event_id}", PEOPLE_READ, reader, now, details)])
