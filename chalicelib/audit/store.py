"""The table `audit`. Entries are added and never changed or deleted.

The sort key of the table and of its indexes is `<ISO time>#<ULID>`, so every list of entries is sorted by time. The entries of a list
belong to subjects, an event, an actor or, if the filter names none of these, a day.

The index `day` has LANES keys for each day, because one key of an index accepts 1,000 writes per second. The first lane has the key under
which the previous version wrote all entries of a day.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import chain
from operator import attrgetter
from typing import Any
from zlib import crc32

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.audit.model import AuditEntry, AuditFilter, FieldChange
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import clock

MAX_DAYS = 31  # how far back one page reads if the filter names no subjects, event or actor
PAGE_ROWS = 250  # rows in one response from the store
LANES = 4  # per day

_FIRST, _LAST = "0", "~"  # sort before and after every time


class EventIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "event"
        projection = AllProjection()

    event_id = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)


class ActorIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "actor"
        projection = AllProjection()

    actor = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)


class DayIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "day"
        projection = AllProjection()

    day = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)


class AuditRow(dynamo.Table):
    """One entry. `day` is the lane of the entry in the index of the same name."""

    feature = "audit"
    contents = "The audit log: who changed what, and when."
    personal_data = dynamo.PersonalData("who changed what, and from which network address", export="no", erasure="stays, with the user id")

    subject = UnicodeAttribute(hash_key=True)
    at = UnicodeAttribute(range_key=True)
    action = UnicodeAttribute()
    actor = UnicodeAttribute()
    day = UnicodeAttribute()
    event_id = UnicodeAttribute(null=True)
    request_id = UnicodeAttribute(null=True)
    address = UnicodeAttribute(null=True)
    details = StructAttribute(dict[str, Any])
    changes = StructAttribute(dict[str, FieldChange], null=True)
    event_index = EventIndex()
    actor_index = ActorIndex()
    day_index = DayIndex()


def create_entry_item(entry: AuditEntry) -> dynamo.TransactItem:
    """Return the transaction item that adds the entry."""
    row = AuditRow(
        entry.subject,
        f"{entry.at}#{entry.id}",
        action=entry.action,
        actor=entry.actor,
        day=_day_lane(entry.at[:10], crc32(entry.id.encode()) % LANES),
        event_id=entry.event_id,
        request_id=entry.request_id,
        address=entry.address,
        details=entry.details,
        changes=entry.changes or None,
    )
    # The condition ensures that no entry is overwritten. In practice it always holds, because the ULID makes every key unique.
    return dynamo.transact_put(row, AuditRow.subject.does_not_exist())


def query(wanted: AuditFilter, before: str | None) -> Iterator[tuple[AuditEntry, str]]:
    """Yield entries, newest first, each with its sort key.

    The filter's subjects select the entries. A filter without subjects selects entries by event, then by actor, and otherwise by day.
    The filter's times are applied too, but its other fields are not. If the sort key `before` is given, only entries before that key are
    yielded.
    """
    first = clock.iso(wanted.since) if wanted.since is not None else _FIRST
    last = min(clock.iso(wanted.until) if wanted.until is not None else _LAST, before or _LAST)
    if first > last:
        return
    # `last` has no ULID, so every sort key of that second is greater than `last`: this makes `until` exclusive.
    for row in _query_rows(wanted, AuditRow.at.between(first, last), first, last):
        if row.at != before:
            yield _entry(row), row.at


def _query_rows(wanted: AuditFilter, within: Condition, first: str, last: str) -> Iterator[AuditRow]:
    if wanted.subjects:
        size = PAGE_ROWS // len(wanted.subjects)
        return _merge([AuditRow.query(subject, within, scan_index_forward=False, page_size=size) for subject in wanted.subjects])
    if wanted.event_id is not None:
        return AuditRow.event_index.query(wanted.event_id, within, scan_index_forward=False, page_size=PAGE_ROWS)
    if wanted.actor is not None:
        return AuditRow.actor_index.query(wanted.actor, within, scan_index_forward=False, page_size=PAGE_ROWS)
    days = _days_back(last if last != _LAST else clock.iso(clock.now()), first)
    return chain.from_iterable(_query_day(day, within) for day in days)


def _query_day(day: str, within: Condition) -> Iterator[AuditRow]:
    lanes = [
        AuditRow.day_index.query(_day_lane(day, lane), within, scan_index_forward=False, page_size=PAGE_ROWS // LANES)
        for lane in range(LANES)
    ]
    return _merge(lanes)


def _merge(lists: Sequence[Iterator[AuditRow]]) -> Iterator[AuditRow]:
    return dynamo.merge_sorted(lists, attrgetter("at"), reverse=True)


def _day_lane(day: str, lane: int) -> str:
    return f"{day}#{lane}" if lane else day


def _days_back(newest: str, oldest: str) -> Iterator[str]:
    """Yield the days from the time `newest` back to the time `oldest`, newest first, but no more than MAX_DAYS days."""
    day = date.fromisoformat(newest[:10])
    for _ in range(MAX_DAYS):
        if day.isoformat() < oldest[:10]:
            return
        yield day.isoformat()
        day -= timedelta(days=1)


def _entry(row: AuditRow) -> AuditEntry:
    at, _, entry_id = row.at.partition("#")
    return AuditEntry(
        id=entry_id,
        subject=row.subject,
        at=at,
        action=row.action,
        actor=row.actor,
        event_id=row.event_id,
        request_id=row.request_id,
        address=row.address,
        changes=row.changes or {},
        details=row.details,
    )
