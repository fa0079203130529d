"""Number the seats of tickets from the stream of changes: 1, 2, 3, ... for each event, roughly in the order of sale.

People read the numbers aloud or tick them off on paper. Seats are numbered a second or two after the sale, so that no buyer waits for a
counter that all buyers of an event share. One transaction writes the counter and the tickets, so no number is missing or used twice, even
if a change is delivered twice.
"""

from collections.abc import Sequence

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import permissions
from chalicelib.dynamodb import dynamo
from chalicelib.tickets.model import Serial, Ticket, number_prefix
from chalicelib.tickets.store import load_tickets, number_seats_item

# Tickets per transaction. Each ticket and the counter take one item. The number is low, because only one of two concurrent transactions
# succeeds.
CHUNK = 50
MAX_ATTEMPTS = 5
NO_PREFIX = "T"  # for an event whose name has no Latin letters


class NumberCounter(Struct, frozen=True):
    """The seat numbers of an event that are taken: 1 to `last`."""

    event_id: str
    prefix: str
    last: int


def number_tickets(issued: Sequence[Ticket]) -> None:
    """Number the seats of tickets that have no numbers yet. Safe to repeat."""
    by_event: dict[str, list[Ticket]] = {}
    for ticket in issued:
        by_event.setdefault(ticket.event_id, []).append(ticket)
    for event_id, event_tickets in by_event.items():
        for start in range(0, len(event_tickets), CHUNK):
            _number_chunk(event_id, event_tickets[start : start + CHUNK])


def _number_chunk(event_id: str, chunk: Sequence[Ticket]) -> None:
    for _ in range(MAX_ATTEMPTS):
        unnumbered = [ticket for ticket in chunk if ticket.serial is None]
        if not unnumbered:
            return
        counter = find_counter(event_id) or NumberCounter(event_id, _prefix(event_id), 0)
        items, last = [], counter.last
        for ticket in unnumbered:
            items.append(number_seats_item(ticket.id, Serial(counter.prefix, last + 1)))
            last += ticket.admits
        try:
            dynamo.transact([counter_item(counter, last), *items])
        except dynamo.TransactionCanceled:
            found = {ticket.id: ticket for ticket in load_tickets(ticket.id for ticket in chunk)}
            chunk = [found[ticket.id] for ticket in chunk if ticket.id in found]
            continue
        return
    raise dynamo.StoreUnavailable("the counter of the event kept changing")


def _prefix(event_id: str) -> str:
    event = permissions.find_event(event_id)
    return number_prefix(event.name if event else "") or NO_PREFIX


# The table `ticket-numbers`: the last number and the prefix of each event.


class CounterRow(dynamo.Table):
    """The counter of an event. `id` is the event's id."""

    feature = "ticket-numbers"
    contents = "The last seat number of each event."
    personal_data = None

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    prefix = UnicodeAttribute()
    last = NumberAttribute()


def find_counter(event_id: str) -> NumberCounter | None:
    """Find the counter of an event with a strongly consistent read. Returns None if no ticket of the event has a number."""
    row = CounterRow.find(event_id)
    return NumberCounter(row.id, row.prefix, int(row.last)) if row else None


def counter_item(before: NumberCounter, last: int) -> dynamo.TransactItem:
    """Return the item that raises a counter to `last`. The transaction fails if the counter has changed since it was read."""
    row = CounterRow(before.event_id, prefix=before.prefix, last=last)
    if before.last == 0:
        return dynamo.put(row, "attribute_not_exists(id)")
    return dynamo.put(row, "last = :before", before=before.last)
