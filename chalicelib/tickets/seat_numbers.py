"""Number the seats of tickets from the stream of changes: 1, 2, 3, ... for each event, roughly in the order of sale.

People read the numbers aloud or tick them off on paper. Seats are numbered a second or two after the sale, so that no buyer waits for the
counter that all buyers of an event share. A run first takes the numbers that it needs from the counter and then writes them into the
tickets, so that runs for different shards of the stream do not wait for each other. No number is used twice, even if a change is delivered
twice. If a run crashes between the two steps, its numbers stay unused.
"""

from collections.abc import Sequence

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.tickets.model import Serial, Ticket, number_prefix
from chalicelib.tickets.store import load_tickets, number_seats_item

CHUNK = dynamo.MAX_TRANSACT_ITEMS  # tickets per transaction
MAX_ATTEMPTS = 5
NO_PREFIX = "T"  # for an event whose name has no Latin letters


def number_tickets(issued: Sequence[Ticket]) -> None:
    """Number the seats of tickets that have no numbers yet. Safe to repeat."""
    by_event: dict[str, dict[str, None]] = {}
    for ticket in issued:
        if ticket.serial is None:
            by_event.setdefault(ticket.event_id, {})[ticket.id] = None
    for event_id, ticket_ids in by_event.items():
        for start in range(0, len(ticket_ids), CHUNK):
            _number_chunk(event_id, list(ticket_ids)[start : start + CHUNK])


def _number_chunk(event_id: str, ticket_ids: Sequence[str]) -> None:
    """Number these tickets, in this order, except tickets that already have numbers. Takes three round trips."""
    unnumbered = _load_unnumbered(ticket_ids)
    serials: dict[str, Serial] = {}
    for _ in range(MAX_ATTEMPTS):
        if not unnumbered:
            return
        serials = serials or _take_serials(event_id, unnumbered)
        try:
            dynamo.transact([number_seats_item(ticket.id, serials[ticket.id]) for ticket in unnumbered])
        except dynamo.ConditionFailed:  # another run that got the same changes has numbered some of the tickets
            unnumbered = _load_unnumbered(ticket_ids)
            continue
        return
    raise dynamo.Contention("the tickets kept changing")


def _load_unnumbered(ticket_ids: Sequence[str]) -> list[Ticket]:
    """Load the tickets that still have no numbers, in this order. Another run may have numbered some of them."""
    found = {ticket.id: ticket for ticket in load_tickets(ticket_ids)}
    return [found[ticket_id] for ticket_id in ticket_ids if ticket_id in found and found[ticket_id].serial is None]


def _prefix(event_id: str) -> str:
    event = catalog.find_event(event_id)
    return number_prefix(event.name if event else "") or NO_PREFIX


# The table `ticket-numbers`: the last number and the prefix of each event.


class CounterRow(dynamo.Table):
    """The counter of an event. `id` is the event's id."""

    feature = "ticket-numbers"
    contents = "The last seat number of each event."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    prefix = UnicodeAttribute()
    last = NumberAttribute()


def _take_serials(event_id: str, tickets: Sequence[Ticket]) -> dict[str, Serial]:
    """Take the next numbers of the event for the seats of these tickets. Returns the serials by ticket id."""
    # The first numbers of an event decide its prefix, because the event's name may change.
    seats = sum(ticket.admits for ticket in tickets)
    actions = [CounterRow.prefix.set(CounterRow.prefix | _prefix(event_id)), CounterRow.last.add(seats)]
    counter = dynamo.update_now_returning(CounterRow(event_id), actions)
    prefix, first = counter.prefix, int(counter.last) - seats + 1
    serials = {}
    for ticket in tickets:
        serials[ticket.id] = Serial(prefix, first)
        first += ticket.admits
    return serials
