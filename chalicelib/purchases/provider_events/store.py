"""Table `provider-events`: the provider's events that were processed, kept for as long as the provider may send them again."""

from collections.abc import Iterable

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo

RETENTION_SECONDS = 30 * 86_400


class ProcessedEventRow(dynamo.Table):
    feature = "provider-events"
    contents = "Events of the payment provider that are processed."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    type = UnicodeAttribute()
    result = UnicodeAttribute()
    ttl = NumberAttribute()


def is_processed(event_id: str) -> bool:
    """Whether an event was processed, strongly consistent."""
    return ProcessedEventRow.find(event_id) is not None


def select_processed(event_ids: Iterable[str]) -> set[str]:
    """The ids, of at most 100, whose events were processed; one round trip."""
    keys = [{"id": {"S": event_id}} for event_id in event_ids]
    items = dynamo.batch_get(ProcessedEventRow.name(), keys, consistent=True)
    return {ProcessedEventRow.from_raw_data(item).id for item in items}


def record_processed(event_id: str, event_type: str, result: str, now: int) -> None:
    """Remember an event and its result for 30 days."""
    ProcessedEventRow(event_id, type=event_type, result=result, ttl=now + RETENTION_SECONDS).save()
