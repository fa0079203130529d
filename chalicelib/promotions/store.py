"""Table `promotions`: the promo codes of an event, in alphabetical order."""

from collections.abc import Iterator

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.promotions.model import PromoCode


class PromoCodeRow(dynamo.Table):
    """`content` is the whole code as JSON; `version` is apart from it for conditions."""

    feature = "promotions"
    contents = "Promo codes."
    personal_data = None

    class Meta:
        table_name = None

    event_id = UnicodeAttribute(hash_key=True)
    code = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    content = UnicodeAttribute()


def find(event_id: str, code: str) -> PromoCode | None:
    """The code, strongly consistent, or None."""
    row = PromoCodeRow.find(event_id, code)
    return None if row is None else _promo_code(row)


def list_codes(event_id: str, limit: int | None = None, after: str | None = None) -> list[PromoCode]:
    """The codes of an event, at most `limit` behind the code `after`, in alphabetical order; strongly consistent."""
    condition = PromoCodeRow.code > after if after is not None else None
    return [_promo_code(row) for row in PromoCodeRow.query(event_id, condition, consistent_read=True, limit=limit)]


def scan_codes() -> Iterator[PromoCode]:
    """The codes of all events. Reads the whole table: for commands and checks, never for requests."""
    return (_promo_code(row) for row in PromoCodeRow.scan(consistent_read=True))


def create_item(promo_code: PromoCode) -> dynamo.TransactItem:
    """Transaction item that writes a new code; refused if the event has it."""
    return dynamo.put(_row(promo_code), "attribute_not_exists(event_id)")


def replace_item(before: PromoCode, after: PromoCode) -> dynamo.TransactItem:
    """Transaction item that writes a code; refused if it has changed since it was read."""
    return dynamo.put(_row(after), "version = :before", before=before.version)


def delete_item(promo_code: PromoCode) -> dynamo.TransactItem:
    """Transaction item that deletes a code; refused if it has changed since it was read."""
    return dynamo.delete(PromoCodeRow(promo_code.event_id, promo_code.code), "version = :before", before=promo_code.version)


def _row(promo_code: PromoCode) -> PromoCodeRow:
    content = msgspec.json.encode(promo_code).decode()
    return PromoCodeRow(promo_code.event_id, promo_code.code, version=promo_code.version, content=content)


def _promo_code(row: PromoCodeRow) -> PromoCode:
    return msgspec.json.decode(row.content, type=PromoCode)
