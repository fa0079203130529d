"""Table `promoters`: what promoters show of themselves. The index `by_state` lists them, verified ones apart from the others."""

from typing import Any, Literal

import msgspec
from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.dynamodb import dynamo

State = Literal["verified", "unverified"]


class StateIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "by_state"
        projection = AllProjection()

    state = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class PromoterRow(dynamo.Table):
    """A promoter, with the fields of `Promoter`; its `name` is `shown_name` here, because tables have a name too."""

    feature = "promoters"
    contents = "The profiles of promoters."
    personal_data = dynamo.PersonalData("names and addresses", export="yes", erasure="deleted")

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    shown_name = UnicodeAttribute()
    company = UnicodeAttribute(null=True)
    description = UnicodeAttribute()
    website = UnicodeAttribute(null=True)
    email = UnicodeAttribute(null=True)
    state = UnicodeAttribute()
    created_at = NumberAttribute()
    updated_at = NumberAttribute()
    version = NumberAttribute()
    state_index = StateIndex()


class Promoter(Struct, frozen=True, kw_only=True):
    """Who sells events. `id` is the user id of their account. `version` counts the changes.

    `email` is for the public, and need not be that of the account.
    """

    id: str
    name: str
    company: str | None = None
    description: str = ""
    website: str | None = None
    email: str | None = None
    state: State = "unverified"
    created_at: int
    updated_at: int
    version: int = 1


def find(promoter_id: str) -> Promoter | None:
    """The promoter, strongly consistent, or None."""
    row = PromoterRow.find(promoter_id)
    return None if row is None else _promoter(row)


def put_item(promoter: Promoter) -> dynamo.TransactItem:
    """Transaction item that writes a promoter; refused unless the one that is stored has the version before, or there is none yet."""
    fields = {name: getattr(promoter, name) for name in Promoter.__struct_fields__ if name != "name"}
    row = PromoterRow(**fields, shown_name=promoter.name)
    if promoter.version == 1:
        return dynamo.put(row, "attribute_not_exists(id)")
    return dynamo.put(row, "version = :before", before=promoter.version - 1)


def delete_item(promoter_id: str) -> dynamo.TransactItem:
    """Transaction item that deletes a promoter; fine if there is none."""
    return dynamo.delete(PromoterRow(promoter_id))


def query(state: State, limit: int, after: str | None) -> list[Promoter]:
    """Up to `limit` promoters in this state, by id, those behind the id `after`. May miss what was written within the last second."""
    beyond: Any = PromoterRow.id > after if after is not None else None
    return [_promoter(row) for row in PromoterRow.state_index.query(state, beyond, limit=limit)]


def _promoter(row: PromoterRow) -> Promoter:
    return Promoter(
        id=row.id,
        name=row.shown_name,
        company=row.company,
        description=row.description,
        website=row.website,
        email=row.email,
        state=msgspec.convert(row.state, State),
        created_at=int(row.created_at),
        updated_at=int(row.updated_at),
        version=int(row.version),
    )
