"""Tables `tickets` (one item per ticket) and `wallets` (one item per owner and purchase), and their transaction items.

A wallet item lists the tickets of a purchase that its owner has. All of an owner's items are read with one strongly consistent
query, which an index on the tickets would not allow (docs/decisions/0004-wallets.md).
"""

from collections.abc import Iterable, Iterator

from pynamodb.attributes import NumberAttribute, NumberSetAttribute, UnicodeAttribute

from chalicelib import dynamo
from chalicelib.tickets.model import Ticket, TicketState, ticket_id


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


class WalletRow(dynamo.Table):
    """The numbers (from 1) of the tickets of a purchase that belong to an owner."""

    feature = "wallets"

    class Meta:
        table_name = "wallets"

    owner_id = UnicodeAttribute(hash_key=True)
    purchase_id = UnicodeAttribute(range_key=True)
    event_id = UnicodeAttribute()
    numbers = NumberSetAttribute()


def create_ticket_item(ticket: Ticket) -> dynamo.TransactItem:
    """Transaction item that writes a new ticket; canceled if it exists, because then the buyer already has its code."""
    row = TicketRow(**{name: getattr(ticket, name) for name in Ticket.__struct_fields__})
    return dynamo.put(row, "attribute_not_exists(id)")


def create_wallet_item(owner_id: str, purchase_id: str, event_id: str, count: int) -> dynamo.TransactItem:
    """Transaction item that makes the tickets 1 to `count` of the purchase the owner's."""
    row = WalletRow(owner_id, purchase_id, event_id=event_id, numbers=set(range(1, count + 1)))
    return dynamo.put(row, "attribute_not_exists(purchase_id)")


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


def list_owned_ids(owner_id: str) -> Iterator[str]:
    """The ids of all tickets that an owner has or had, void ones too; strongly consistent."""
    for row in WalletRow.query(owner_id, consistent_read=True):
        for number in row.numbers:
            yield ticket_id(row.purchase_id, int(number))


def _ticket(row: TicketRow) -> Ticket:
    return Ticket(**{name: getattr(row, name) for name in Ticket.__struct_fields__})
