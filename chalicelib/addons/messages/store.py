"""Table `event-notices`: an item for each recently changed event. All items are in one partition, so one query finds them."""

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.addons.messages.model import EventNotice
from chalicelib.dynamodb import dynamo

# A notice outlives repeated deliveries of its change, because the stream keeps changes for only a day.
RETENTION_SECONDS = 3 * 86_400
_NOTICES = "notices"


class EventNoticeRow(dynamo.Table):
    """`content` is the notice as JSON. A write succeeds only if the stored notice is still the notice that was read."""

    feature = "event-notices"
    contents = "Events that changed recently: what ticket holders know, and which emails about the change have been sent."
    personal_data = None

    class Meta:
        table_name = None

    pk = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    content = UnicodeAttribute()
    ttl = NumberAttribute(null=True)


def find_notice(event_id: str) -> EventNotice | None:
    """Find the notice of an event with a strongly consistent read. Returns None if the event has not changed recently."""
    row = EventNoticeRow.find(_NOTICES, event_id)
    return None if row is None else _notice(row)


def list_open_notices() -> list[EventNotice]:
    """List the notices with emails to queue now or later. The read is strongly consistent."""
    notices = map(_notice, EventNoticeRow.query(_NOTICES, consistent_read=True))
    return [notice for notice in notices if not notice.has_ended]


def save_notice(before: EventNotice | None, after: EventNotice, now: int) -> bool:
    """Write a notice in place of `before`. Returns False and writes nothing if `before` is no longer stored."""
    row = EventNoticeRow(_NOTICES, after.event_id, content=_text(after), ttl=now + RETENTION_SECONDS if after.has_ended else None)
    if before is None:
        return dynamo.put_if(row, "attribute_not_exists(pk)") is None
    return dynamo.put_if(row, "content = :before", before=_text(before)) is None


def _text(notice: EventNotice) -> str:
    return msgspec.json.encode(notice).decode()


def _notice(row: EventNoticeRow) -> EventNotice:
    return msgspec.json.decode(row.content, type=EventNotice)
