"""Table `event-notices`: recently changed events, announcements, and people in waiting rooms who asked for messages about their turn.

| pk | event_id | content |
| --- | --- | --- |
| `notices` | an event | the notice about the event's changes |
| `open` | an event | when the open notice of the event is next due |
| `user#<user>` | an event | the user's request for messages: a turn notice |
| `rooms` | an event | the number of the newest room in which users have asked for messages, and about when they last asked |
| `<lane>#<event>#<room>` | a place | the user with this place. The items of a lane are in the order of their places |
| `announcements#<event>` | an announcement | the announcement |
| `announcing` | the time when it is due, an event and an announcement | the event. The row is deleted once all emails are queued |
| `pushes` | a time and a notification | the notification to be sent as a push message at this time or later |

Notices can be large, and notices that have ended are kept, so the small rows in `open` are used to find open notices. A turn notice decides
whether somebody gets emails. The items in the lanes only help to find the turn notice in time, and are deleted if there is no turn notice.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.addons.messages.model import Announcement, EventNotice, Place, TurnNotice
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation.log import logger
from chalicelib.notifications.model import Notification

# A notice outlives repeated deliveries of its change, because the stream keeps changes for only a day.
RETENTION_SECONDS = 3 * 86_400
ANNOUNCEMENT_SECONDS = 90 * 86_400  # how long an announcement is kept after it is due: as long as its emails are listed
_NOTICES, _OPEN, _ROOMS, _PUSHES, _ANNOUNCING = "notices", "open", "rooms", "pushes", "announcing"

# `before_draw` is in the order of arrival. The other lanes are in the order of position, and are named after the email that is due next.
Lane = Literal["before_draw", "place_mail_due", "turn_mail_due"]


class EventNoticeRow(dynamo.Table):
    """A row of any kind. The models below have the `content` of each kind."""

    feature = "event-notices"
    contents = "Recently changed events and what their ticket holders know, announcements, and who wants messages about a turn."
    personal_data = dynamo.PersonalData(
        "who wants messages about a turn, the address of a guest, and the push subscription of a browser", export="yes", erasure="deleted"
    )

    pk = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    ttl = NumberAttribute(null=True)


class NoticeRow(EventNoticeRow):
    """The notice of an event. A write fails if the notice has changed since it was read."""

    content = StructAttribute(EventNotice)


class _AnnouncementAttribute(StructAttribute[Announcement]):
    """An announcement. Empty translations are not stored, as in earlier releases, because conditions compare the whole value."""

    def to_stored(self, value: Announcement) -> Any:
        texts = {"subjects": value.subjects, "texts": value.texts}
        return {name: stored for name, stored in msgspec.structs.asdict(value).items() if texts.get(name, True)}


class AnnouncementRow(EventNoticeRow):
    content = _AnnouncementAttribute(Announcement)


class TurnNoticeRow(EventNoticeRow):
    content = StructAttribute(TurnNotice)


class PushRow(EventNoticeRow):
    content = StructAttribute(Notification)


class RoomRow(EventNoticeRow):
    """A row of a room, of a lane, or of an open notice. Its `content` is the number of the room, a user's id, or an epoch second."""

    content = UnicodeAttribute()
    asked_at = NumberAttribute(null=True)


class ListedRoom(NamedTuple):
    """A waiting room in which users have asked for messages. `asked_at` is None if an earlier version wrote the row."""

    event_id: str
    number: int
    asked_at: int | None


_ABSENT = EventNoticeRow.pk.does_not_exist()


def find_notice(event_id: str) -> EventNotice | None:
    """Find the notice of an event with a strongly consistent read. Returns None if the event has not changed recently."""
    row = NoticeRow.find(_NOTICES, event_id)
    return None if row is None else row.content


def list_open_notices(until: int) -> list[str]:
    """List the events with notices that have emails to queue at `until` or earlier. The read is strongly consistent."""
    return [row.event_id for row in RoomRow.query(_OPEN) if int(row.content) <= until]


def list_unlisted_notices() -> list[str]:
    """List the events with open notices that `list_open_notices` does not know, because the previous version wrote them.

    Reads all notices, including ended notices. A notice that cannot be decoded is skipped.
    """
    known, found = {row.event_id for row in RoomRow.query(_OPEN)}, []
    for row in NoticeRow.query(_NOTICES):
        try:
            if not row.content.has_ended and row.event_id not in known:
                found.append(row.event_id)
        except msgspec.MsgspecError:
            logger.exception("event_notice.unreadable", event_id=row.event_id)
    return found


def save_notice(before: EventNotice | None, after: EventNotice, now: int) -> bool:
    """Write a notice in place of `before`. Returns False and writes nothing if `before` is no longer stored."""
    row = NoticeRow(_NOTICES, after.event_id, content=after, ttl=now + RETENTION_SECONDS if after.has_ended else None)
    is_open = RoomRow(_OPEN, after.event_id, content=str(after.next_at))
    listing = dynamo.transact_delete(is_open) if after.has_ended else dynamo.transact_put(is_open)
    try:
        dynamo.transact([dynamo.transact_put(row, _ABSENT if before is None else NoticeRow.content == before), listing])
    except dynamo.ConditionFailed:
        return False
    return True


def find_announcement(event_id: str, announcement_id: str) -> Announcement | None:
    """Find an announcement with a strongly consistent read."""
    row = AnnouncementRow.find(f"announcements#{event_id}", announcement_id)
    return None if row is None else row.content


def list_announcements(event_id: str, limit: int) -> list[Announcement]:
    """List the newest announcements of an event, newest first."""
    found = [row.content for row in AnnouncementRow.query(f"announcements#{event_id}")]
    return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)[:limit]


def announcement_items(before: Announcement | None, after: Announcement) -> list[dynamo.TransactItem]:
    """Return the transaction items that write an announcement in place of `before`. They fail if `before` is no longer stored."""
    row = _announcement_row(after)
    items = [dynamo.transact_put(row, _ABSENT if before is None else AnnouncementRow.content == before)]
    if before is None or before.due_at != after.due_at:
        items.append(dynamo.transact_put(RoomRow(_ANNOUNCING, _due_key(after), content=after.event_id)))
        if before is not None:
            items.append(dynamo.transact_delete(EventNoticeRow(_ANNOUNCING, _due_key(before))))
    return items


def save_announcement(before: Announcement, after: Announcement) -> bool:
    """Write an announcement in place of `before`. Returns False and writes nothing if `before` is no longer stored."""
    return dynamo.put_if(_announcement_row(after), AnnouncementRow.content == before)


def list_due_announcements(now: int) -> list[tuple[str, str, str]]:
    """List the due announcements whose emails are not all queued: their keys, events and ids. The read is strongly consistent."""
    rows = RoomRow.query(_ANNOUNCING, EventNoticeRow.event_id < f"{now + 1:011}")
    return [(row.event_id, row.content, row.event_id.rpartition("#")[2]) for row in rows]


def close_announcement(key: str) -> None:
    """Delete the row that lists an announcement as due. `key` is from `list_due_announcements`."""
    EventNoticeRow(_ANNOUNCING, key).delete()


def find_turn_notice(user_id: str, event_id: str) -> TurnNotice | None:
    """Find a user's turn notice for an event with a strongly consistent read."""
    row = TurnNoticeRow.find(_user_key(user_id), event_id)
    return None if row is None else row.content


def find_turn_notices(user_ids: Iterable[str], event_id: str) -> dict[str, TurnNotice]:
    """Find these users' turn notices for an event, by user id, with strongly consistent reads."""
    rows = TurnNoticeRow.find_all((_user_key(user_id), event_id) for user_id in dict.fromkeys(user_ids))
    return {row.content.user_id: row.content for row in rows}


def list_turn_notices(user_id: str) -> list[TurnNotice]:
    """List a user's turn notices for all events. The read is strongly consistent."""
    return [row.content for row in TurnNoticeRow.query(_user_key(user_id))]


def save_turn_notice(notice: TurnNotice, ttl: int) -> None:
    _turn_notice_row(notice, ttl).save()


def replace_turn_notice(before: TurnNotice, after: TurnNotice, ttl: int) -> None:
    """Write a turn notice in place of `before`, unless the user has changed it in the meantime."""
    dynamo.put_if(_turn_notice_row(after, ttl), TurnNoticeRow.content == before)


def delete_turn_notice(user_id: str, event_id: str) -> None:
    EventNoticeRow(_user_key(user_id), event_id).delete()


def put_room(event_id: str, room: int, ttl: int, now: int) -> None:
    """Record that users of this room of the event ask for messages now. Does nothing if a newer room is recorded.

    Never shortens the time for which the room is kept, because a user's place may be from before the event was postponed.
    """
    row = RoomRow(_ROOMS, event_id, content=f"{room:012}", ttl=ttl, asked_at=now)
    is_same = RoomRow.content == row.content
    is_written, stored = dynamo.put_if_returning(row, _ABSENT | (RoomRow.content < row.content) | (is_same & (RoomRow.ttl <= ttl)))
    if not is_written and stored is not None:
        row.ttl = stored.ttl
        dynamo.put_if(row, is_same & (RoomRow.ttl == stored.ttl))


def list_rooms() -> list[ListedRoom]:
    """List the waiting rooms with users who have asked for messages. The read is strongly consistent."""
    rows = RoomRow.query(_ROOMS)
    return [ListedRoom(row.event_id, int(row.content), None if row.asked_at is None else int(row.asked_at)) for row in rows]


def delete_room(room: ListedRoom) -> None:
    """Remove a room from the list, unless users have asked for messages since it was listed."""
    dynamo.delete_if(RoomRow(_ROOMS, room.event_id), (RoomRow.content == f"{room.number:012}") & (RoomRow.asked_at == room.asked_at))


def put_place(event_id: str, room: int, lane: Lane, place: Place) -> None:
    RoomRow(_lane_key(event_id, room, lane), place.key, content=place.user_id, ttl=place.ttl).save()


def list_places(event_id: str, room: int, lane: Lane, limit: int, until: str | None = None) -> list[Place]:
    """List the first places of a lane, up to the key `until` if given, with a strongly consistent read. Reads no other items."""
    condition = EventNoticeRow.event_id <= until if until is not None else None
    rows = RoomRow.query(_lane_key(event_id, room, lane), condition, limit=limit)
    return [Place(row.event_id, row.content, int(row.ttl)) for row in rows]


def delete_place(event_id: str, room: int, lane: Lane, key: str) -> None:
    EventNoticeRow(_lane_key(event_id, room, lane), key).delete()


def put_push(notification: Notification) -> None:
    """Queue a notification to be sent as a push message at its `next_at`."""
    ttl = notification.created_at + RETENTION_SECONDS
    PushRow(_PUSHES, f"{notification.next_at:011}#{notification.id}", content=notification, ttl=ttl).save()


def list_due_pushes(now: int, limit: int) -> list[tuple[str, Notification]]:
    """List the first notifications that are due as push messages, with their keys. The read is strongly consistent."""
    due = []
    for row in PushRow.query(_PUSHES, EventNoticeRow.event_id < f"{now + 1:011}", limit=limit):
        try:
            due.append((row.event_id, row.content))
        except msgspec.DecodeError:  # another version wrote this message, which must not hold up other messages
            logger.exception("push.not_read", key=row.event_id)
            take_push(row.event_id)
    return due


def take_push(key: str) -> bool:
    """Take a notification out of the queue of push messages. Returns False if another run has taken it."""
    return dynamo.delete_if(EventNoticeRow(_PUSHES, key), EventNoticeRow.pk.exists())


def _user_key(user_id: str) -> str:
    return f"user#{user_id}"


def _lane_key(event_id: str, room: int, lane: Lane) -> str:
    return f"{lane}#{event_id}#{room}"


def _turn_notice_row(notice: TurnNotice, ttl: int) -> TurnNoticeRow:
    return TurnNoticeRow(_user_key(notice.user_id), notice.event_id, content=notice, ttl=ttl)


def _due_key(announcement: Announcement) -> str:
    return f"{announcement.due_at:011}#{announcement.event_id}#{announcement.id}"


def _announcement_row(announcement: Announcement) -> AnnouncementRow:
    key, ttl = f"announcements#{announcement.event_id}", announcement.due_at + ANNOUNCEMENT_SECONDS
    return AnnouncementRow(key, announcement.id, content=announcement, ttl=ttl)
