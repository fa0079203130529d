"""The tables `tickets`, `listings` (tickets for resale) and `guests` (details of the guests of seats), and their transaction items.

`dynamo.Table` replaces the `Meta` of a PynamoDB model, and the model's methods that read and write: `feature` names the table, `find`
replaces `get`, and reads are strongly consistent except from an index.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any
from zlib import crc32

import msgspec
from msgspec.structs import astuple
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import clock
from chalicelib.foundation.log import logger
from chalicelib.tickets.model import Attendee, CheckIn, Guest, GuestAnswer, GuestDetails, Serial, Ticket, TicketState, Transfer, VoidReason

# The tickets of an event are spread over this many keys of an index, because one key accepts 1,000 writes a second. Never lower the number:
# existing tickets in the higher lanes would not be found.
EVENT_LANES = 4


class CodeIndex(GlobalSecondaryIndex[Any]):
    """The index that finds a ticket by its code, if the code was typed, or scanned from a ticket that another system sold.

    Our own QR codes contain the ticket's id.
    """

    class Meta:
        index_name = "code"
        projection = KeysOnlyProjection()

    code = UnicodeAttribute(hash_key=True)


class TicketChangeIndex(GlobalSecondaryIndex[Any]):
    """The tickets of an event by the time of their last change that matters at the door, in EVENT_LANES lanes."""

    class Meta:
        index_name = "event"
        projection = KeysOnlyProjection()

    event_lane = UnicodeAttribute(hash_key=True)
    changed = UnicodeAttribute(range_key=True)


class CheckInsAttribute(StructAttribute[list[CheckIn]]):
    """Check-ins without their trailing empty fields.

    Earlier versions did not have these fields, and a condition compares the whole list with what they stored.
    """

    def to_stored(self, value: list[CheckIn]) -> list[tuple[Any, ...]]:
        # The fields that may be left out are `seat`, `override_reason` and `date`, which are the last three.
        lengths = (None if checkin.date else -1 if checkin.override_reason else -2 if checkin.seat else -3 for checkin in value)
        return [astuple(checkin)[:length] for checkin, length in zip(value, lengths, strict=True)]


class TicketRow(dynamo.Table):
    """A ticket, with the fields of `Ticket`.

    For readers of the stream, `admitted` is the number of people inside, and `checkin_version` counts the changes of `checkins`.

    `event_lane` is `<event id>#<lane>`, and `changed` is `<epoch seconds>#<ticket id>`.
    """

    feature = "tickets"
    contents = "Tickets, with the names and codes of their guests, their check-ins and their transfers."
    personal_data = dynamo.PersonalData(
        "names on tickets, including guests' names", export="yes", erasure="the names are removed permanently; the ticket stays valid"
    )
    has_stream = True

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
    void_reason = UnicodeAttribute(null=True)
    attendee = StructAttribute(Attendee, null=True)
    transfer = StructAttribute(Transfer, null=True)
    serial = StructAttribute(Serial, null=True)
    guests = StructAttribute(list[Guest], null=True)
    admitted = NumberAttribute(null=True)
    checkins = CheckInsAttribute(list[CheckIn], null=True)
    checkin_version = NumberAttribute(null=True)
    duplicates = CheckInsAttribute(list[CheckIn], null=True)
    undone = StructAttribute(list[str], null=True)
    language = UnicodeAttribute(null=True)
    erased_at = NumberAttribute(null=True)
    transfers = UnicodeAttribute(null=True)  # the event's policy when the ticket was sold
    listed_at = NumberAttribute(null=True)
    event_lane = UnicodeAttribute()
    changed = UnicodeAttribute()
    code_index = CodeIndex()
    event_index = TicketChangeIndex()


class ListingRow(dynamo.Table):
    """A ticket that is listed for resale. `position` is `<epoch seconds of listed_at>#<ticket id>`, so tickets are in listing order."""

    feature = "listings"
    contents = "The tickets for resale, in the order in which their buyers listed them, by stock."
    personal_data = None

    stock_id = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


# The attributes with a StructAttribute, and the value of each if it is missing. An empty list is never stored, because for an empty list
# `_same` expects that the attribute is missing.
_DEFAULTS = dict[str, Any](attendee=None, transfer=None, serial=None, guests=[], checkins=[], duplicates=[], undone=[])
_PLAIN_FIELDS = [name for name in Ticket.__struct_fields__ if name not in _DEFAULTS]
_EXISTS = TicketRow.id.exists()
_UNUSED = TicketRow.checkins.does_not_exist()
_VALID = TicketRow.state == "valid"
_NOT_VOID = TicketRow.state != "void"


def create_ticket_item(ticket: Ticket) -> dynamo.TransactItem:
    """Return the item that writes a new ticket.

    The transaction is cancelled if the ticket exists, because then the buyer already has its code.
    """
    # A new ticket has none of the attributes in _DEFAULTS, except perhaps an attendee.
    row = TicketRow(**{name: getattr(ticket, name) for name in _PLAIN_FIELDS}, attendee=ticket.attendee)
    row.changed = _position_now(ticket.id)
    row.event_lane = f"{ticket.event_id}#{crc32(ticket.id.encode()) % EVENT_LANES}"
    return dynamo.transact_put(row, TicketRow.id.does_not_exist())


def change_state_item(ticket_id: str, before: TicketState, after: TicketState) -> dynamo.TransactItem:
    """Return the item that changes a ticket's state. The transaction is cancelled if the ticket is not in the state `before`."""
    return _door_change_item(ticket_id, {"state": after}, TicketRow.state == before)


def void_item(ticket_id: str, reason: VoidReason, *, only_if_unused_by: str | None = None) -> dynamo.TransactItem:
    """Return the item that makes a ticket void, whatever its state. The transaction is cancelled if the ticket does not exist.

    With a user id in `only_if_unused_by`, the transaction is also cancelled unless the ticket is valid, unused and owned by this user.
    """
    condition = _EXISTS if only_if_unused_by is None else _UNUSED & _VALID & (TicketRow.owner_id == only_if_unused_by)
    return _door_change_item(ticket_id, {"state": "void", "void_reason": reason}, condition)


def number_seats_item(ticket_id: str, serial: Serial) -> dynamo.TransactItem:
    """Return the item that numbers the seats of a ticket. The transaction is cancelled if the seats already have numbers."""
    return dynamo.transact_update(
        TicketRow(ticket_id), TicketRow.set_or_remove({"serial": serial}), _EXISTS & TicketRow.serial.does_not_exist()
    )


def change_checkins_item(before: Ticket, after: Ticket, *, is_entry: bool) -> dynamo.TransactItem:
    """Return the item that replaces the check-ins and the undone scans of a ticket.

    The transaction is cancelled if they have changed since `before` was read. For an entry, the transaction is also cancelled if the ticket
    is not valid, or if its code or guests have changed.
    """
    changes: dict[str, Any] = {"checkins": after.checkins or None, "admitted": after.inside_count or None}
    if after.undone != before.undone:
        changes["undone"] = after.undone or None
    # The check-ins must be unchanged: if several scanners write at once, one succeeds, and the others then check the changed ticket.
    condition = _same_scans(before)
    if is_entry:
        # The ticket must be valid, because a refund or a dispute may have come first. Its codes must be unchanged, because a transfer or a
        # new guest may have replaced them.
        condition &= _VALID & (TicketRow.code == before.code) & _same_guests(before)
    return _door_change_item(before.id, changes, condition, TicketRow.checkin_version.add(1))


def change_undone_item(before: Ticket, after: Ticket) -> dynamo.TransactItem:
    """Return the item that replaces the undone scans of a ticket.

    The transaction is cancelled if they or the check-ins have changed since `before` was read.
    """
    return dynamo.transact_update(TicketRow(before.id), TicketRow.set_or_remove({"undone": after.undone or None}), _same_scans(before))


def add_duplicate_item(ticket: Ticket, duplicate: CheckIn) -> dynamo.TransactItem:
    """Return the item that adds a scan to a ticket's duplicates. The transaction is cancelled if the duplicates have changed."""
    condition = _EXISTS & _same(TicketRow.duplicates, ticket.duplicates)
    return dynamo.transact_update(TicketRow(ticket.id), TicketRow.set_or_remove({"duplicates": [*ticket.duplicates, duplicate]}), condition)


def change_attendee_item(ticket: Ticket, attendee: Attendee | None) -> dynamo.TransactItem:
    """Return the item that changes the attendee of a ticket.

    The transaction is cancelled if the ticket has a new owner or is void, or if the owner's data has been erased.
    """
    condition = (TicketRow.owner_id == ticket.owner_id) & _NOT_VOID & TicketRow.erased_at.does_not_exist()
    return _door_change_item(ticket.id, {"attendee": attendee}, condition)


def erase_names(ticket: Ticket, guests: Sequence[Guest]) -> bool:
    """Remove the name from a ticket for good and replace its guests. Returns False and writes nothing if the owner or guests changed."""
    changes = {"attendee": None, "guests": guests or None, "erased_at": clock.now()}
    condition = (TicketRow.owner_id == ticket.owner_id) & _same_guests(ticket)
    return dynamo.update_if(TicketRow(ticket.id), _door_change_actions(ticket.id, changes), condition)


def change_guests_item(ticket: Ticket, guests: Sequence[Guest]) -> dynamo.TransactItem:
    """Return the item that replaces the guests of a ticket.

    The transaction is cancelled if the ticket is void, or if its owner, guests or check-ins have changed since `ticket` was read, so that a
    guest who has entered keeps the seat.
    """
    condition = (TicketRow.owner_id == ticket.owner_id) & _NOT_VOID & _same_guests(ticket) & _same_checkins(ticket)
    return _door_change_item(ticket.id, {"guests": guests or None}, condition)


def erase_guest_item(ticket: Ticket, guests_after: Sequence[Guest]) -> dynamo.TransactItem:
    """Return the item that erases a guest of a ticket in any state, by replacing the ticket's guests.

    The transaction is cancelled if the ticket's guests or check-ins have changed.
    """
    condition = _same_guests(ticket) & _same_checkins(ticket)
    return _door_change_item(ticket.id, {"guests": guests_after or None}, condition)


def open_transfer(ticket: Ticket, transfer: Transfer) -> bool:
    """Open a transfer of a ticket to another person. Returns False and writes nothing unless it is `_still_transferable`."""
    return dynamo.update_if(TicketRow(ticket.id), TicketRow.set_or_remove({"transfer": transfer}), _still_transferable(ticket))


def remove_transfer(ticket: Ticket) -> bool:
    """Withdraw the transfer of a ticket in any state. Returns False and writes nothing if the transfer or owner has changed."""
    condition = (TicketRow.owner_id == ticket.owner_id) & (TicketRow.transfer == ticket.transfer)
    return dynamo.update_if(TicketRow(ticket.id), [TicketRow.transfer.remove()], condition)


def transfer_item(before: Ticket, after: Ticket) -> dynamo.TransactItem:
    """Return the item that gives a ticket to a new owner, with a new code.

    The transaction is cancelled unless the ticket is `_still_transferable` and has the same guests.
    """
    changes = {
        "owner_id": after.owner_id,
        "code": after.code,
        "qr_sig": after.qr_sig,
        "attendee": after.attendee,
        "transfer": after.transfer,
        "guests": after.guests or None,
        "language": after.language,
        "erased_at": after.erased_at,
    }
    condition = _still_transferable(before) & _same_guests(before)
    return _door_change_item(before.id, changes, condition)


def list_for_resale_items(ticket: Ticket, stock_id: str, now: int) -> list[dynamo.TransactItem]:
    """Return the items that list a ticket for resale from a stock. They also end an open transfer of the ticket.

    The transaction is cancelled unless the ticket is `_still_transferable`.
    """
    actions = TicketRow.set_or_remove({"listed_at": now, "transfer": None})
    return [
        dynamo.transact_update(TicketRow(ticket.id), actions, _still_transferable(ticket)),
        dynamo.transact_put(_listing_row(ticket.id, stock_id, now)),
    ]


def unlist_items(ticket: Ticket, stock_id: str) -> list[dynamo.TransactItem]:
    """Return the items that remove a ticket in any state from resale. The transaction is cancelled if its listing has changed."""
    assert ticket.listed_at is not None
    condition = TicketRow.listed_at == ticket.listed_at
    return [
        dynamo.transact_update(TicketRow(ticket.id), [TicketRow.listed_at.remove()], condition),
        dynamo.transact_delete(_listing_row(ticket.id, stock_id, ticket.listed_at)),
    ]


def void_resold_items(ticket: Ticket, stock_id: str) -> list[dynamo.TransactItem]:
    """Return the items that make a listed ticket void, because somebody else has bought its place from the stock for resale.

    The transaction is cancelled unless the ticket is still for resale, valid and unused, and belongs to the same owner. The door writes
    only the ticket, so this condition decides whether the sale or a scan at the door comes first.
    """
    assert ticket.listed_at is not None
    condition = _UNUSED & _VALID & (TicketRow.owner_id == ticket.owner_id) & (TicketRow.listed_at == ticket.listed_at)
    return [
        _door_change_item(ticket.id, {"state": "void", "void_reason": "refunded", "listed_at": None}, condition),
        dynamo.transact_delete(_listing_row(ticket.id, stock_id, ticket.listed_at)),
    ]


def query_listed_tickets(stock_id: str, after: str | None, limit: int) -> tuple[list[Ticket], str | None]:
    """Return up to `limit` tickets that are listed for resale from a stock and follow the position `after`, in listing order.

    Also returns the position from which to continue, which is None after a page with fewer than `limit` listings. The reads are strongly
    consistent.
    """
    range_condition = None if after is None else ListingRow.position > after
    positions = [row.position for row in ListingRow.query(stock_id, range_condition, limit=limit)]
    listed = _load_listed_tickets(positions)
    found = {_listing_position(ticket.id, ticket.listed_at): ticket for ticket in listed if ticket.listed_at is not None}
    return [found[position] for position in positions if position in found], positions[-1] if len(positions) == limit else None


def scan_listings() -> Iterator[tuple[str, str]]:
    """Iterate over the stock id and the position of all tickets for resale. Reads the whole table, so only tests may call it."""
    return ((row.stock_id, row.position) for row in ListingRow.scan())


def _load_listed_tickets(positions: Iterable[str]) -> list[Ticket]:
    return load_tickets(position.partition("#")[2] for position in positions)


def _listing_row(ticket_id: str, stock_id: str, listed_at: int) -> ListingRow:
    return ListingRow(stock_id, _listing_position(ticket_id, listed_at))


def _listing_position(ticket_id: str, listed_at: int) -> str:
    return f"{position_at(listed_at)}#{ticket_id}"


def change_account_item(ticket: Ticket, owner_id: str) -> dynamo.TransactItem:
    """Return the item that moves a ticket to another account of the same person, with the same code, names and transfer.

    The transaction is cancelled if the ticket has changed owners since it was read.
    """
    return dynamo.transact_update(TicketRow(ticket.id), [TicketRow.owner_id.set(owner_id)], TicketRow.owner_id == ticket.owner_id)


def _same_scans(ticket: Ticket) -> Condition:
    """Return the condition that neither the check-ins nor the undone scans have changed."""
    condition: Condition = _same_checkins(ticket) & _same(TicketRow.undone, ticket.undone)
    return condition


def _same_checkins(ticket: Ticket) -> Condition:
    return _same(TicketRow.checkins, ticket.checkins)


def _same_guests(ticket: Ticket) -> Condition:
    return _same(TicketRow.guests, ticket.guests)


def _still_transferable(ticket: Ticket) -> Condition:
    """Return the condition that a ticket is valid, unused and not for resale, and still has the same owner and transfer.

    A scan, a refund or a dispute may have come first, and the transfer may have been accepted or withdrawn. A ticket for resale gets a new
    owner only through its sale.
    """
    is_unchanged = (TicketRow.owner_id == ticket.owner_id) & _same(TicketRow.transfer, ticket.transfer)
    condition: Condition = _UNUSED & _VALID & TicketRow.listed_at.does_not_exist() & is_unchanged
    return condition


def _same(attribute: StructAttribute[Any], value: Any) -> Condition:
    """Return the condition that the attribute has this value. An empty value means that the item does not have the attribute."""
    condition: Condition = attribute == value if value else attribute.does_not_exist()
    return condition


def find_ticket(ticket_id: str) -> Ticket | None:
    """Find a ticket with a strongly consistent read. Returns None if it does not exist."""
    row = TicketRow.find(ticket_id)
    return _ticket(row) if row else None


def find_ticket_id(code: str) -> str | None:
    """Return the id of the ticket with this code, or None. May miss a ticket that was issued or transferred within the last second."""
    return next((str(row.id) for row in TicketRow.code_index.query(code, limit=1)), None)


def load_tickets(ticket_ids: Iterable[str]) -> list[Ticket]:
    """Load tickets in no particular order. The reads are strongly consistent. Missing tickets are left out."""
    return [_ticket(row) for row in TicketRow.find_all(ticket_ids)]


def load_readable_tickets(ticket_ids: Iterable[str]) -> list[Ticket]:
    """Load tickets like `load_tickets`. Logs and leaves out tickets that this release cannot decode, because a newer release wrote them."""
    return list(_readable_tickets(TicketRow.find_all(ticket_ids)))


def query_changed_tickets(event_id: str, after: str, limit: int, before: str | None = None) -> tuple[list[Ticket], str | None]:
    """Return at most `limit` tickets of an event that follow the position `after`, the least recently changed first.

    With `before`, returns only tickets whose last change is before this position. Also returns the position from which to continue, or
    None after the last ticket. A position is `<epoch seconds as in position_at>#<ticket id>`.

    The tickets are read with strong consistency: a ticket that has just changed again is returned in its current state, and returned again
    later. May miss changes from the last second. Leaves out tickets that this release cannot decode (`load_readable_tickets`).
    """
    lanes = [TicketRow.event_index.query(f"{event_id}#{lane}", TicketRow.changed > after, limit=limit + 1) for lane in range(EVENT_LANES)]
    rows = list(islice(dynamo.merge_sorted(lanes, attrgetter("changed")), limit + 1))
    if before is not None:
        rows = [row for row in rows if row.changed < before]
    found = {ticket.id: ticket for ticket in load_readable_tickets(row.id for row in rows[:limit])}
    tickets = [found[row.id] for row in rows[:limit] if row.id in found]
    return tickets, rows[limit - 1].changed if len(rows) > limit else None


def _readable_tickets(rows: Iterable[TicketRow]) -> Iterator[Ticket]:
    for row in rows:
        try:
            yield _ticket(row)
        except msgspec.DecodeError:
            logger.exception("ticket.not_readable", ticket_id=row.id)


def iterate_ticket_ids(event_id: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield the id and the position of each ticket of an event that follows the position `after`, the least recently changed first.

    May miss changes from the last second.
    """
    lanes = [TicketRow.event_index.query(f"{event_id}#{lane}", TicketRow.changed > after) for lane in range(EVENT_LANES)]
    return ((row.id, row.changed) for row in dynamo.merge_sorted(lanes, attrgetter("changed")))


def position_at(at: int) -> str:
    """Return the position that sorts before every change made in the second `at` (epoch seconds) or later."""
    return f"{at:011}"


def scan_tickets(segments: int = 1) -> Iterator[Ticket]:
    """Iterate over all tickets, and read `segments` pages at once.

    Reads the whole table: only for rebuilding derived data, never in requests.
    """
    return map(_ticket, TicketRow.scan(segments=segments))


def current_ticket(cancelled: dynamo.ConditionFailed) -> Ticket:
    """Return the ticket in the table after a cancelled transaction. The transaction's first item must change the ticket."""
    row = cancelled.row(0, TicketRow)
    assert row is not None  # tickets are never deleted
    return _ticket(row)


def decode_ticket(item: dict[str, Any]) -> Ticket:
    """Decode a ticket from an item in wire format."""
    return _ticket(TicketRow.from_raw_data(item))


def _door_change_item(ticket_id: str, values: dict[str, Any], condition: Condition, *more: Action) -> dynamo.TransactItem:
    """Return the item of a change that devices at the door must see: it gives attributes these values and makes `more` changes.

    Use `dynamo.transact_update` for a change that need not be in the next manifest.
    """
    return dynamo.transact_update(TicketRow(ticket_id), [*_door_change_actions(ticket_id, values), *more], condition)


def _door_change_actions(ticket_id: str, values: dict[str, Any]) -> list[Action]:
    """Return the actions that give attributes these values and put the ticket into the next manifest of the devices at the door."""
    return TicketRow.set_or_remove({**values, "changed": _position_now(ticket_id)})


def _position_now(ticket_id: str) -> str:
    return f"{position_at(clock.now())}#{ticket_id}"


def _ticket(row: TicketRow) -> Ticket:
    found = row.attribute_values  # faster than getattr, which goes through PynamoDB's descriptors
    values: dict[str, Any] = {name: found.get(name) for name in _PLAIN_FIELDS}
    for name, default in _DEFAULTS.items():
        values[name] = getattr(row, name) if name in found else default  # decoded here; may raise DecodeError
    return Ticket(**values)


# The details of the guests of seats, one item per guest. An item is valid only while the seat's guest in the ticket has the item's code;
# other items are left over.


class GuestCodeIndex(GlobalSecondaryIndex[Any]):
    """The index that finds a guest by a code that was typed by hand. Scanned text contains the seat's id."""

    class Meta:
        index_name = "code"
        projection = KeysOnlyProjection()

    code = UnicodeAttribute(hash_key=True)


class GuestRow(dynamo.Table):
    """The details of a guest. `id` is the seat's id."""

    feature = "guests"
    contents = "Details of the guests of seats."
    personal_data = dynamo.PersonalData(
        "email addresses and answers of guests", export="yes", erasure="everything except the code is deleted; the ticket stays valid"
    )

    id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute()
    secret = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    answers = StructAttribute(dict[str, str], null=True)
    option_answers = StructAttribute(list[GuestAnswer], null=True)
    invited_at = NumberAttribute(null=True)
    ttl = NumberAttribute()
    code_index = GuestCodeIndex()


_PLAIN_DETAIL_FIELDS = [name for name in GuestDetails.__struct_fields__ if name not in ("answers", "option_answers")]
_PERSONAL_ATTRIBUTES = (GuestRow.secret, GuestRow.email, GuestRow.answers, GuestRow.option_answers, GuestRow.invited_at)


def put_details_item(details: GuestDetails, ttl: int) -> dynamo.TransactItem:
    """Return the transaction item that writes the details of a guest, replacing the details of an earlier guest of the seat."""
    row = GuestRow(**{name: getattr(details, name) for name in _PLAIN_DETAIL_FIELDS}, ttl=ttl)
    row.answers, row.option_answers = details.answers or None, details.option_answers or None
    return dynamo.transact_put(row)


def delete_details_item(seat_id: str) -> dynamo.TransactItem:
    """Return the transaction item that deletes the details of a seat's guest, if there are any."""
    return dynamo.transact_delete(GuestRow(seat_id))


def erase_details_item(seat_id: str, code: str) -> dynamo.TransactItem:
    """Return the item that erases a guest's details except the code. The transaction is cancelled if the seat has a new guest."""
    return dynamo.transact_update(GuestRow(seat_id), [attribute.remove() for attribute in _PERSONAL_ATTRIBUTES], GuestRow.code == code)


def erase_details(seat_id: str, code: str) -> None:
    """Erase a guest's details except the code, unless the seat has a new guest."""
    dynamo.update_if(GuestRow(seat_id), [attribute.remove() for attribute in _PERSONAL_ATTRIBUTES], GuestRow.code == code)


def delete_details(seat_id: str, code: str) -> None:
    """Delete the details of the guest with this code, unless the seat has a new guest."""
    dynamo.delete_if(GuestRow(seat_id), GuestRow.id.does_not_exist() | (GuestRow.code == code))


def record_invitation(details: GuestDetails, at: int) -> bool:
    """Record when a guest was invited (epoch seconds). Returns False if the seat has a new guest."""
    return dynamo.update_if(GuestRow(details.id), [GuestRow.invited_at.set(at)], GuestRow.code == details.code)


def find_details(seat_id: str) -> GuestDetails | None:
    """Find the details of a seat's guest with a strongly consistent read. Returns None if there are no details."""
    row = GuestRow.find(seat_id)
    return _details(row) if row else None


def load_details(seat_ids: Iterable[str]) -> dict[str, GuestDetails]:
    """Load guest details by seat id. The reads are strongly consistent. Seats without details are left out."""
    return {row.id: _details(row) for row in GuestRow.find_all(seat_ids)}


def find_seat_id(code: str) -> str | None:
    """Return the id of the seat whose guest has this code, or None. May miss a guest who was named within the last second."""
    return next((str(row.id) for row in GuestRow.code_index.query(code, limit=1)), None)


def _details(row: GuestRow) -> GuestDetails:
    plain = {name: getattr(row, name) for name in _PLAIN_DETAIL_FIELDS}
    return GuestDetails(**plain, answers=row.answers or {}, option_answers=row.option_answers or [])
