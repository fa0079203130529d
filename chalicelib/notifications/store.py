"""The tables `email-notifications` and `suppressed-addresses`. DynamoDB deletes notifications that are older than RETENTION_SECONDS.

The index `due` holds only queued notifications, by time. It has LANES lanes for emails to many people, and as many for the others, because
one partition of an index accepts 1,000 writes per second. The index `by_event` has as many lanes for the notifications of each event. The
index `problem` holds only notifications that did not arrive. The indexes hold only keys and times.

The index `event` is for the notifications that the previous version queued. It holds every notification with a `position`, which the index
`problem` needs too. Newer notifications have a position only if they did not arrive; this position contains `~`, so that lists of an
event's notifications can skip them.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter, itemgetter
from typing import Any
from zlib import crc32

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import parallel
from chalicelib.foundation.log import logger
from chalicelib.notifications.model import BULK_KINDS, PROBLEMS, Fact, Notification, NotificationStatus

LANES = 4  # of the index `due`, and of each event
BULK = "bulk-"  # the beginning of the lanes in the index `due` for notifications of BULK_KINDS
MAX_WAIT_SECONDS = 3 * 3600  # the longest wait before a retry
RETENTION_SECONDS = 90 * 86_400

_PLAIN = ("kind", "subject_id", "user_id", "event_id", "created_at", "due_at", "language", "status", "next_at", "attempts", "changed_at")
_OPTIONAL = ("provider_id", "failure")


class NotificationDueIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "due"
        projection = IncludeProjection(["due_at"])

    due_lane = UnicodeAttribute(hash_key=True)
    next_at = NumberAttribute(range_key=True)


class NotificationProblemIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "problem"
        projection = KeysOnlyProjection()

    problem = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class NotificationEventIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "event"
        projection = KeysOnlyProjection()

    event_id = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class NotificationLaneIndex(GlobalSecondaryIndex[Any]):
    class Meta:
        index_name = "by_event"
        projection = KeysOnlyProjection()

    event_lane = UnicodeAttribute(hash_key=True)
    event_position = UnicodeAttribute(range_key=True)


class NotificationRow(dynamo.Table):
    """A notification. Only queued rows have `due_lane`; only rows with a problem have `problem`.

    `event_position` is `<created_at>#<id>`, like the `position` of rows of the previous version. In newer rows, `position` is
    `<time of the problem>~<id>`.
    """

    feature = "email-notifications"
    contents = "Emails about changes, each with its status."
    personal_data = dynamo.PersonalData("which emails a user gets, and about what", export="no", erasure="expires")

    id = UnicodeAttribute(hash_key=True)
    kind = UnicodeAttribute()
    subject_id = UnicodeAttribute()
    user_id = UnicodeAttribute()
    event_id = UnicodeAttribute()
    created_at = NumberAttribute()
    due_at = NumberAttribute()
    position = UnicodeAttribute(null=True)
    event_lane = UnicodeAttribute(null=True)
    event_position = UnicodeAttribute(null=True)
    language = UnicodeAttribute(null=True)
    facts = StructAttribute(dict[str, Fact], null=True)
    status = UnicodeAttribute()
    next_at = NumberAttribute(null=True)
    due_lane = UnicodeAttribute(null=True)
    problem = UnicodeAttribute(null=True)
    attempts = NumberAttribute()
    changed_at = NumberAttribute()
    provider_id = UnicodeAttribute(null=True)
    failure = UnicodeAttribute(null=True)
    ttl = NumberAttribute()
    due_index = NotificationDueIndex()
    problem_index = NotificationProblemIndex()
    event_index = NotificationEventIndex()
    lane_index = NotificationLaneIndex()


class SuppressedAddressRow(dynamo.Table):
    """A suppressed address. `id` is the keyed hash of the address, `reason` is `bounced` or `complained`, and `at` is in epoch seconds."""

    feature = "suppressed-addresses"
    contents = "Addresses to which no email is sent."
    personal_data = dynamo.PersonalData("keyed hash of an address", export="no", erasure="stays, so that the address gets no emails")

    id = UnicodeAttribute(hash_key=True)
    reason = UnicodeAttribute()
    at = NumberAttribute()


class Due(msgspec.Struct, frozen=True):
    """A queued notification as the index `due` holds it. Times are epoch seconds."""

    id: str
    next_at: int
    due_at: int


def put_new(notification: Notification) -> bool:
    """Queue a notification. Returns False and writes nothing if a notification with this id already exists, in any status."""
    return dynamo.put_if(_row(notification), NotificationRow.id.does_not_exist())


def put_new_item(notification: Notification) -> dynamo.TransactItem:
    """Return a transaction item that queues a notification. It is refused if a notification with this id already exists."""
    return dynamo.transact_put(_row(notification), NotificationRow.id.does_not_exist())


def find_notification(notification_id: str) -> Notification | None:
    """Return the notification. Returns None if it does not exist."""
    row = NotificationRow.find(notification_id)
    return _notification(row) if row else None


def load_notifications(ids: Iterable[str]) -> list[Notification]:
    """Load the notifications that exist for these ids, in no particular order. The read is strongly consistent.

    A notification that cannot be decoded is skipped, because it must not stop the others. It stays queued, so that the version that wrote
    it can send it.
    """
    found = []
    for row in NotificationRow.find_all(ids):
        try:
            found.append(_notification(row))
        except (msgspec.MsgspecError, ValueError):
            logger.exception("notification.not_readable", notification_id=row.id)
    return found


def query_queued(until: int, limit: int) -> list[Due]:
    """List the notifications to be sent at `until` (epoch seconds) or earlier, at most `limit` from each lane, earliest first.

    Notifications of BULK_KINDS come after all others.

    The result may miss notifications written within the last second, because the index lags.
    """
    condition: Any = NotificationRow.next_at <= until
    lanes = [f"{prefix}{number}" for prefix in ("", BULK) for number in range(LANES)]
    rows_of_lanes = parallel.call_each(lambda lane: list(NotificationRow.due_index.query(lane, condition, limit=limit)), lanes)
    found = [
        (lane.startswith(BULK), Due(row.id, int(row.next_at), int(row.due_at)))
        for lane, rows in zip(lanes, rows_of_lanes, strict=True)
        for row in rows
    ]
    return [due for _, due in sorted(found, key=lambda each: (each[0], each[1].next_at))]


def list_event_notifications(event_id: str, limit: int, after: str | None) -> tuple[list[Notification], str | None]:
    """List at most `limit` notifications about an event, newest first, after the position `after`.

    Returns the notifications and the position of the next page. The position is None on the last page.
    """
    beyond: Any = NotificationRow.event_position < after if after is not None else None
    lanes = [
        NotificationRow.lane_index.query(f"{event_id}#{lane}", beyond, page_size=limit + 1, scan_index_forward=False)
        for lane in range(LANES)
    ]
    older = (
        (position, key) for position, key in _query_positions(NotificationRow.event_index, event_id, limit, after) if "~" not in position
    )
    found = [*(map(attrgetter("event_position", "id"), lane) for lane in lanes), older]
    return _load_page(dynamo.merge_sorted(found, itemgetter(0), reverse=True), limit)


def list_problem_notifications(problem: str, limit: int, after: str | None) -> tuple[list[Notification], str | None]:
    """List at most `limit` notifications with this problem, from all events, latest problem first, after the position `after`.

    Returns the notifications and the position of the next page, like `list_event_notifications`.
    """
    return _load_page(_query_positions(NotificationRow.problem_index, problem, limit, after), limit)


def claim(before: Notification, until: int, now: int) -> Notification | None:
    """Claim a notification until `until` (epoch seconds) and count an attempt. Returns None if it has changed since it was read."""
    after = replace(before, next_at=until, attempts=before.attempts + 1, changed_at=now)
    changes = [NotificationRow.next_at.set(until), NotificationRow.attempts.set(after.attempts), NotificationRow.changed_at.set(now)]
    is_unchanged = _has("queued", before.attempts) & (NotificationRow.next_at == before.next_at)
    return after if dynamo.update_if(NotificationRow(before.id), changes, is_unchanged) else None


def end_attempt(claimed: Notification, after: Notification) -> bool:
    """Write the outcome of an attempt.

    Returns False and writes nothing if, in the meantime, another run has claimed the notification or a report from the provider has changed
    its status.
    """
    changes = _changes(after) + _problem_position(after.id, after.status, after.changed_at)
    return dynamo.update_if(NotificationRow(after.id), changes, _has(claimed.status, claimed.attempts))


def requeue_item(before: Notification, now: int) -> dynamo.TransactItem:
    """Return a transaction item that queues a notification again. It is refused if the status or attempts have changed since the read."""
    after = replace(before, status="queued", attempts=0, due_at=now, next_at=now, changed_at=now, failure=None)
    return dynamo.transact_update(NotificationRow(before.id), _changes(after), _has(before.status, before.attempts))


def change_status(notification_id: str, status: NotificationStatus, earlier: Iterable[NotificationStatus], now: int) -> bool:
    """Change the status of a notification. Returns False if it does not exist, or if its status is not one of `earlier`."""
    problem = status if status in PROBLEMS else None
    changes = NotificationRow.set_or_remove({"status": status, "changed_at": now, "next_at": None, "due_lane": None, "problem": problem})
    changes += _problem_position(notification_id, status, now)
    return dynamo.update_if(NotificationRow(notification_id), changes, NotificationRow.status.is_in(*earlier))


def put_suppressed(digest: str, reason: str, at: int) -> None:
    SuppressedAddressRow(digest, reason=reason, at=at).save()


def is_suppressed(digest: str) -> bool:
    """Return whether the address with this hash is suppressed. The read is strongly consistent."""
    return SuppressedAddressRow.find(digest) is not None


def delete_suppressed_item(digest: str) -> dynamo.TransactItem:
    """Return a transaction item that releases the address with this hash. It is refused if the address was not suppressed."""
    return dynamo.transact_delete(SuppressedAddressRow(digest), SuppressedAddressRow.id.exists())


def _has(status: NotificationStatus, attempts: int) -> Condition:
    """Return the condition that neither the status nor the attempts have changed since they were read."""
    condition: Condition = (NotificationRow.status == status) & (NotificationRow.attempts == attempts)
    return condition


def _problem_position(notification_id: str, status: NotificationStatus, now: int) -> list[Action]:
    """Return the action that gives a notification with a problem a position, unless it already has one."""
    position = NotificationRow.position
    return [position.set(position | f"{now:011}~{notification_id}")] if status in PROBLEMS else []


def _changes(after: Notification) -> list[Action]:
    values = {name: getattr(after, name) for name in ("status", "due_at", "next_at", "attempts", "changed_at", *_OPTIONAL)}
    problem = after.status if after.status in PROBLEMS else None
    return NotificationRow.set_or_remove({**values, "due_lane": _due_lane(after), "problem": problem})


def _query_positions(index: Any, key: str, limit: int, after: str | None) -> Iterator[tuple[str, str]]:
    """Iterate over the positions and ids in an index whose range key is `position`, last position first."""
    beyond: Any = NotificationRow.position < after if after is not None else None
    return map(attrgetter("position", "id"), index.query(key, beyond, page_size=limit + 1, scan_index_forward=False))


def _load_page(positions: Iterator[tuple[str, str]], limit: int) -> tuple[list[Notification], str | None]:
    """Load the first `limit` of these notifications. Returns them and the position of the next page."""
    rows = list(islice(positions, limit + 1))
    found = {notification.id: notification for notification in load_notifications(key for _, key in rows[:limit])}
    return [found[key] for _, key in rows[:limit] if key in found], rows[limit - 1][0] if len(rows) > limit else None


def _row(notification: Notification) -> NotificationRow:
    row = NotificationRow(notification.id, **{name: getattr(notification, name) for name in (*_PLAIN, *_OPTIONAL)})
    row.facts = notification.facts or None
    row.event_lane, row.event_position = (
        f"{notification.event_id}#{_lane(notification)}",
        f"{notification.created_at:011}#{notification.id}",
    )
    row.due_lane = _due_lane(notification)
    row.ttl = notification.created_at + RETENTION_SECONDS
    return row


def _notification(row: NotificationRow) -> Notification:
    values = {name: getattr(row, name) for name in (*_PLAIN, *_OPTIONAL)}
    for name in ("created_at", "due_at", "next_at", "attempts", "changed_at"):
        values[name] = int(values[name]) if values[name] is not None else None
    return Notification(id=row.id, facts=row.facts or {}, **values)


def _lane(notification: Notification) -> int:
    return crc32(notification.id.encode()) % LANES


def _due_lane(notification: Notification) -> str | None:
    if notification.status != "queued":
        return None
    return f"{BULK if notification.kind in BULK_KINDS else ''}{_lane(notification)}"
