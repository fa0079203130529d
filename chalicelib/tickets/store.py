"""Table `tickets` (one item per ticket), and its transaction items."""

from collections.abc import Iterable

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo
from chalicelib.tickets.model import Ticket, TicketState


class TicketRow(dynamo.Table):
    """A ticket, with the fields of `Ticket`."""

    feature = "tickets"

    class Meta:
        table_name = "tickets"

    id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute()
    qr_sig = UnicodeAttribute()
    purchase_id = UnicodeAttribute()
    owner_id = UnicodeAttribute()
    event_id = UnicodeAttribute()
    tier_id = UnicodeAttribute()
    admits = NumberAttribute()
    price_cents = NumberAttribute()
    currency = UnicodeAttribute()
    state = UnicodeAttribute()
    created_at = NumberAttribute()


def create_ticket_item(ticket: Ticket) -> dynamo.TransactItem:
    """Transaction item that writes a new ticket; canceled if it exists, because then the buyer already has its code."""
    row = TicketRow(**{name: getattr(ticket, name) for name in Ticket.__struct_fields__})
    return dynamo.put(row, "attribute_not_exists(id)")


def change_state_item(ticket_id: str, before: TicketState, after: TicketState) -> dynamo.TransactItem:
    """Transaction item that changes a ticket's state; canceled if the ticket is not in the state `before` or does not exist."""
    return dynamo.update(TicketRow(ticket_id), {"state": after}, "state = :before", before=before)


def void_item(ticket_id: str) -> dynamo.TransactItem:
    """Transaction item that makes a ticket void, whatever its state; canceled if the ticket does not exist."""
    return dynamo.update(TicketRow(ticket_id), {"state": "void"}, "attribute_exists(id)")


def find_ticket(ticket_id: str) -> Ticket | None:
    """The ticket, strongly consistent, or None."""
    row = TicketRow.find(ticket_id)
    return _ticket(row) if row else None


def load_tickets(ticket_ids: Iterable[str]) -> list[Ticket]:
    """Those of the tickets that exist, strongly consistent, in no particular order."""
    keys = [{"id": {"S": ticket_id}} for ticket_id in ticket_ids]
    items = dynamo.batch_get(TicketRow.name(), keys, consistent=True)
    return [_ticket(TicketRow.from_raw_data(item)) for item in items]


def _ticket(row: TicketRow) -> Ticket:
    return Ticket(**{name: getattr(row, name) for name in Ticket.__struct_fields__})
