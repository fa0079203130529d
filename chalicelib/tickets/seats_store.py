"""Table `guests`: the details of the guests of seats, one item per guest. The tickets decide which items are valid."""

from collections.abc import Iterable
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.json_attribute import JsonAttribute
from chalicelib.tickets.model import GuestAnswer, GuestDetails

_PLAIN = [name for name in GuestDetails.__struct_fields__ if name not in ("answers", "option_answers")]


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
        "names, addresses and answers of guests", export="yes", erasure="the names are removed; the ticket stays valid"
    )

    id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute()
    secret = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    answers = JsonAttribute(dict[str, str], null=True)
    option_answers = JsonAttribute(list[GuestAnswer], null=True)
    invited_at = NumberAttribute(null=True)
    ttl = NumberAttribute()
    code_index = GuestCodeIndex()


_PERSONAL = (GuestRow.secret, GuestRow.email, GuestRow.answers, GuestRow.option_answers, GuestRow.invited_at)


def put_details_item(details: GuestDetails, ttl: int) -> dynamo.TransactItem:
    """Return the transaction item that writes the details of a guest, replacing the details of an earlier guest of the seat."""
    row = GuestRow(**{name: getattr(details, name) for name in _PLAIN}, ttl=ttl)
    row.answers, row.option_answers = details.answers or None, details.option_answers or None
    return dynamo.put(row)


def delete_details_item(seat_id: str) -> dynamo.TransactItem:
    """Return the transaction item that deletes the details of a seat's guest, if there are any."""
    return dynamo.delete(GuestRow(seat_id))


def erase_details_item(seat_id: str, code: str) -> dynamo.TransactItem:
    """Return the item that erases a guest's details except the code. The transaction is cancelled if the seat has a new guest."""
    return dynamo.update(GuestRow(seat_id), [attribute.remove() for attribute in _PERSONAL], GuestRow.code == code)


def erase_details(seat_id: str, code: str) -> None:
    """Erase a guest's details except the code, unless the seat has a new guest."""
    dynamo.update_if(GuestRow(seat_id), [attribute.remove() for attribute in _PERSONAL], GuestRow.code == code)


def delete_details(seat_id: str, code: str) -> None:
    """Delete the details of the guest with this code, unless the seat has a new guest."""
    dynamo.delete_if(GuestRow(seat_id), GuestRow.id.does_not_exist() | (GuestRow.code == code))


def set_invited(details: GuestDetails, at: int) -> bool:
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
    plain = {name: getattr(row, name) for name in _PLAIN}
    return GuestDetails(**plain, answers=row.answers or {}, option_answers=row.option_answers or [])
