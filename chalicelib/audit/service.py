"""The audit log. Each entry is written in the same transaction as the change that it records, so neither exists without the other."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from chalicelib.audit import store
from chalicelib.audit.model import AuditEntry, AuditFilter, AuditPage, FieldChange
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import clock, ids, log

UNKNOWN = "unknown"  # replaces an empty actor, because an index key cannot be an empty string
# DynamoDB refuses items of more than 400 KB, and the change with them. The values of a larger change are cut.
MAX_CHANGES_BYTES, MAX_VALUE_BYTES = 300_000, 4_000
MAX_ROWS_READ = 1000  # for one page, even if the filter accepts only a few of these rows


def entry_item(
    subject: str,
    action: str,
    actor: str,
    now: int,
    details: Mapping[str, Any],
    *,
    event_id: str | None = None,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
) -> dynamo.TransactItem:
    """Return the transaction item that records a change made at `now`.

    The entry also contains the id of the request or of the job run, and the address of a request's caller. `event_id` is the event under
    which the entry is listed; by default, it is the event of a subject `event#<id>`. `changes` maps each field to (old value, new value).
    Details and values must be JSON-encodable and contain no secrets. A large change keeps only the beginnings of long texts, such as
    descriptions in several languages.
    """
    kind, _, subject_id = subject.partition("#")
    entry = AuditEntry(
        id=ids.new_id(),
        subject=subject,
        at=clock.iso(now),
        action=action,
        actor=actor or UNKNOWN,
        event_id=subject_id if kind == "event" and event_id is None else event_id,
        request_id=log.request_id() or None,
        address=log.caller_address(),
        changes=_fitting({name: FieldChange(before, after) for name, (before, after) in (changes or {}).items()}),
        details=dict(details),
    )
    return store.create_entry_item(entry)


def _fitting(changes: dict[str, FieldChange]) -> dict[str, FieldChange]:
    if len(msgspec.json.encode(changes)) <= MAX_CHANGES_BYTES:
        return changes
    return {name: FieldChange(_beginning(change.before), _beginning(change.after)) for name, change in changes.items()}


def _beginning(value: Any) -> Any:
    """Return a value, or, if it is long, the beginning of its text."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return value if len(text.encode()) <= MAX_VALUE_BYTES else f"{text.encode()[:MAX_VALUE_BYTES].decode(errors='ignore')}…"


def list_entries(subject: str, limit: int = 100) -> list[AuditEntry]:
    """Return the latest `limit` entries about `subject`, newest first. The read is strongly consistent."""
    return search_entries(AuditFilter(subjects=(subject,)), limit).entries


def search_entries(wanted: AuditFilter, limit: int, before: str | None = None) -> AuditPage:
    """Return up to `limit` entries that the filter accepts, newest first. `before` is the `next_before` of the previous page.

    A page ends early after MAX_ROWS_READ rows or MAX_PAGE_BYTES, and its `next_before` says where to continue. The list is strongly
    consistent only if the filter names subjects.
    """
    from chalicelib.edge.cursors import MAX_PAGE_BYTES

    found: list[tuple[AuditEntry, str]] = []
    size = 0
    for read, (entry, position) in enumerate(store.query(wanted, before), start=1):
        if wanted.accepts(entry):
            size += len(msgspec.json.encode(entry))
            if len(found) == limit or (found and size > MAX_PAGE_BYTES):
                return _page(found, found[-1][1])
            found.append((entry, position))
        if read == MAX_ROWS_READ:
            return _page(found, position)
    return _page(found, None)


def _page(found: Iterable[tuple[AuditEntry, str]], next_before: str | None) -> AuditPage:
    return AuditPage([entry for entry, _ in found], next_before)
