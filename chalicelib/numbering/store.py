"""Table `ticket-numbers`: the last number of each event, and what all numbers of the event begin with."""

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo


class NumberCounter(Struct, frozen=True):
    """The numbers of an event so far: 1 to `last`."""

    event_id: str
    prefix: str
    last: int


class CounterRow(dynamo.Table):
    """The counter of an event; `id` is the event's."""

    feature = "ticket-numbers"
    contents = "The last seat number of each event."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    prefix = UnicodeAttribute()
    last = NumberAttribute()


def find(event_id: str) -> NumberCounter | None:
    """The counter of an event, strongly consistent, or None if none of its tickets has a number."""
    row = CounterRow.find(event_id)
    return NumberCounter(row.id, row.prefix, int(row.last)) if row else None


def count_item(before: NumberCounter, last: int) -> dynamo.TransactItem:
    """Transaction item that raises the counter of an event to `last`; canceled if it is not as it was read."""
    row = CounterRow(before.event_id, prefix=before.prefix, last=last)
    if before.last == 0:
        return dynamo.put(row, "attribute_not_exists(id)")
    return dynamo.put(row, "last = :before", before=before.last)
