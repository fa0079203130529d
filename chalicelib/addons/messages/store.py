"""Table `event-notices`: an item for each event that was changed lately, in one partition, so that one query finds all of them."""

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.addons.messages.model import EventNotice
from chalicelib.dynamodb import dynamo

# After its end, longer than a change can come again: the stream keeps changes for a day.
RETENTION_SECONDS = 3 * 86_400
_NOTICES = "notices"


class EventNoticeRow(dynamo.Table):
    """`content` is the notice as JSON; a write says which one it has read."""

    feature = "event-notices"
    contents = "Events that changed recently: what ticket holders know, and which mails about it are sent."
    personal_data = None

    class Meta:
        table_name = None

    pk = UnicodeAttribute(hash_key=True)
    event_id = UnicodeAttribute(range_key=True)
    content = UnicodeAttribute()
    ttl = NumberAttribute(null=True)


def find(event_id: str) -> EventNotice | None:
    """The notice of an event, strongly consistent; None if it was not changed lately."""
    row = EventNoticeRow.find(_NOTICES, event_id)
    return None if row is None else _notice(row)


def list_open() -> list[EventNotice]:
    """The notices with something to do now or later, strongly consistent."""
    notices = map(_notice, EventNoticeRow.query(_NOTICES, consistent_read=True))
    return [notice for notice in notices if not notice.is_over]


def save(before: EventNotice | None, after: EventNotice, now: int) -> bool:
    """Write a notice in place of `before`. False, and nothing written, if another one is there by now."""
    row = EventNoticeRow(_NOTICES, after.event_id, content=_text(after), ttl=now + RETENTION_SECONDS if after.is_over else None)
    if before is None:
        return dynamo.put_if(row, "attribute_not_exists(pk)") is None
    return dynamo.put_if(row, "content = :before", before=_text(before)) is None


def _text(notice: EventNotice) -> str:
    return msgspec.json.encode(notice).decode()


def _notice(row: EventNoticeRow) -> EventNotice:
    return msgspec.json.decode(row.content, type=EventNotice)
