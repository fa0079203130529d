"""Tables `tickets` (one item per ticket) and `wallets` (one item per owner and purchase), and their transaction items.

A wallet item lists which tickets of a purchase its owner has. It is read by its full key or as one owner's partition, both
strongly consistent, which an index on the tickets would not be (docs/decisions/0004-wallets.md).
"""

from collections.abc import Iterable, Iterator

from pynamodb.attributes import NumberAttribute, NumberSetAttribute, UnicodeAttribute

from chalicelib import dynamo
from chalicelib.tickets.model import Ticket, TicketState, ticket_id


class TicketRow(dynamo.Table):
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
    feature = "wallets"

    class Meta:
        table_name = "wallets"

    owner_id = UnicodeAttribute(hash_key=True)
    purchase_id = UnicodeAttribute(range_key=True)
    event_id = UnicodeAttribute()
    numbers = NumberSetAttribute()


def create_ticket_item(ticket: Ticket) -> dynamo.TransactItem:
    """Refused where the ticket exists: another execution issued it, and its code is the one that the buyer has."""
    row = TicketRow(**{name: getattr(ticket, name) for name in Ticket.__struct_fields__})
    return dynamo.put(row, TicketRow.id.does_not_exist())


def create_wallet_item(owner_id: str, purchase_id: str, event_id: str, count: int) -> dynamo.TransactItem:
    """All tickets of the purchase, 1 to `count`, are the owner's."""
    row = WalletRow(owner_id, purchase_id, event_id=event_id, numbers=set(range(1, count + 1)))
    return dynamo.put(row, WalletRow.purchase_id.does_not_exist())


def change_state_item(one: str, before: TicketState, after: TicketState) -> dynamo.TransactItem:
    """Refused where the ticket is not `before`, or is not at all."""
    return dynamo.update(TicketRow(one), [TicketRow.state.set(after)], TicketRow.state == before)


def void_item(one: str) -> dynamo.TransactItem:
    """Refused only where there is no such ticket: a void one is voided again without harm."""
    return dynamo.update(TicketRow(one), [TicketRow.state.set("void")], TicketRow.id.exists())


def find_ticket(one: str) -> Ticket | None:
    row = TicketRow.find(one)
    return _ticket(row) if row else None


def load_tickets(ids: Iterable[str]) -> list[Ticket]:
    """The tickets that exist, strongly consistent, in no particular order."""
    keys = [{"id": {"S": one}} for one in ids]
    found = dynamo.batch_get(TicketRow.name(), keys, consistent=True)
    return [_ticket(TicketRow.from_raw_data(item)) for item in found]


def list_owned_ids(owner_id: str) -> Iterator[str]:
    for row in WalletRow.query(owner_id, consistent_read=True):
        for number in row.numbers:
            yield ticket_id(row.purchase_id, int(number))


def _ticket(row: TicketRow) -> Ticket:
    return Ticket(**{name: getattr(row, name) for name in Ticket.__struct_fields__})
