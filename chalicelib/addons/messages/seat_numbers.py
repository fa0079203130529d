"""Give the seats of tickets numbers that people can read, from the stream of changes."""

import re
import unicodedata
from collections.abc import Sequence

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import permissions
from chalicelib.changes.model import Change, TicketIssued
from chalicelib.dynamodb import dynamo
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import Serial, Ticket

# Table `ticket-numbers`: the last number of each event, and what all numbers of the event begin with.


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


# Number the seats of tickets: 1, 2, 3, ... for each event, in about the order in which they were sold.
#
# The numbers are for people, who read them aloud or tick them off on paper. They are given a second or two after the sale, by the stream of
# changes, so that no buyer waits for a counter that all buyers of an event share. The counter and the tickets are written in one
# transaction: so no number is missing and none is there twice, also if a change comes again.

CHUNK = 50  # tickets of one transaction, each an item beside the counter: small, because only one of two at once succeeds
MAX_ATTEMPTS = 5
PREFIX_LENGTH = 4
NO_PREFIX = "T"  # of an event whose name has no Latin letters


def follow(changes: Sequence[Change]) -> None:
    """Number the seats of the tickets that were issued."""
    number_tickets([change.ticket for change in changes if isinstance(change, TicketIssued)])


def number_tickets(issued: Sequence[Ticket]) -> None:
    """Number the seats of new tickets, unless they have numbers. May be repeated."""
    by_event: dict[str, list[Ticket]] = {}
    for ticket in issued:
        by_event.setdefault(ticket.event_id, []).append(ticket)
    for event_id, of_event in by_event.items():
        for start in range(0, len(of_event), CHUNK):
            _number_chunk(event_id, of_event[start : start + CHUNK])


def _number_chunk(event_id: str, chunk: Sequence[Ticket]) -> None:
    for _ in range(MAX_ATTEMPTS):
        unnumbered = [ticket for ticket in chunk if ticket.serial is None]
        if not unnumbered:
            return
        counter = find(event_id) or NumberCounter(event_id, _prefix(event_id), 0)
        items, last = [], counter.last
        for ticket in unnumbered:
            items.append(tickets.number_item(ticket.id, Serial(counter.prefix, last + 1)))
            last += ticket.admits
        try:
            dynamo.transact([count_item(counter, last), *items])
        except dynamo.TransactionCanceled:
            found = {ticket.id: ticket for ticket in tickets.load_tickets(ticket.id for ticket in chunk)}
            chunk = [found[ticket.id] for ticket in chunk if ticket.id in found]
            continue
        return
    raise dynamo.StoreUnavailable("the counter of the event kept changing")


def _prefix(event_id: str) -> str:
    """What the numbers of an event begin with: the first letters of the words of its name, of a single word its first three."""
    event = permissions.find_event(event_id)
    plain = unicodedata.normalize("NFKD", event.name if event else "").encode("ascii", "ignore").decode().upper()
    words = re.findall(r"[A-Z0-9]+", plain)
    initials = "".join(word[0] for word in words) if len(words) > 1 else "".join(words)[:3]
    return initials[:PREFIX_LENGTH] or NO_PREFIX
