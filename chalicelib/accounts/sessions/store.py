"""Table `sessions`: one item for each login, which all refresh tokens that descend from it share. Tokens are stored as hashes.

The index `user` has the keys of a user's sessions. Nothing in it ever changes, so it is written when a session begins and when it ends.
"""

from typing import Any

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.dynamodb import dynamo


class UserIndex(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "user"
        projection = KeysOnlyProjection()

    user_id = UnicodeAttribute(hash_key=True)
    position = UnicodeAttribute(range_key=True)


class SessionRow(dynamo.Table):
    """`previous_hash` is that of the token before the last, absent before the first rotation; `position` is `<begun_at>#<id>`."""

    feature = "sessions"
    contents = "Sessions, with the hashes of their refresh tokens."
    personal_data = dynamo.PersonalData(
        "the network address and browser of the last use", export="no, `GET /auth/sessions` shows it", erasure="deleted"
    )

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    generation = NumberAttribute()
    token_hash = UnicodeAttribute()
    previous_hash = UnicodeAttribute(null=True)
    begun_at = NumberAttribute()
    rotated_at = NumberAttribute()
    expires_at = NumberAttribute()
    address = UnicodeAttribute(null=True)
    user_agent = UnicodeAttribute(null=True)
    position = UnicodeAttribute()
    ttl = NumberAttribute()
    user_index = UserIndex()


class Device(Struct, frozen=True):
    """Where a request came from, as far as it says: the network address, and the header User-Agent."""

    address: str | None
    user_agent: str | None


class Session(Struct, frozen=True, kw_only=True):
    """A login. `generation` is that of the account when it began: the session is over when the account has another one.

    Times are epoch seconds; `rotated_at` is when the token was used last, or the login, and `device` what used it.
    """

    id: str
    user_id: str
    generation: int
    token_hash: str
    previous_hash: str | None
    begun_at: int
    rotated_at: int
    expires_at: int
    device: Device


def create(session: Session) -> None:
    dynamo.put_item(**create_item(session)["Put"])


def create_item(session: Session) -> dynamo.TransactItem:
    """Transaction item that begins a session."""
    fields = {name: getattr(session, name) for name in Session.__struct_fields__ if name != "device"}
    row = SessionRow(**fields, address=session.device.address, user_agent=session.device.user_agent, ttl=session.expires_at)
    row.position = f"{session.begun_at:011}#{session.id}"
    return dynamo.put(row, "attribute_not_exists(id)")


def find(session_id: str) -> Session | None:
    """The session, strongly consistent, or None; it may have expired."""
    row = SessionRow.find(session_id)
    return None if row is None else _session(row)


def query_user(user_id: str, limit: int, before: str | None) -> tuple[list[Session], str | None]:
    """At most `limit` sessions of a user, the newest first, those behind the position `before`; and where to go on, None on the last page.

    May miss one that began within the last second; one that has ended is left out, one that has expired may be there.
    """
    beyond: Any = SessionRow.position < before if before is not None else None
    rows = list(SessionRow.user_index.query(user_id, beyond, scan_index_forward=False, limit=limit + 1))
    items = dynamo.batch_get(SessionRow.name(), [{"id": {"S": row.id}} for row in rows[:limit]], consistent=True)
    found = sorted(map(SessionRow.from_raw_data, items), key=lambda row: row.position, reverse=True)
    return [_session(row) for row in found], rows[limit - 1].position if len(rows) > limit else None


def rotate(session: Session, token_hash: str, device: Device, now: int, expires_at: int) -> bool:
    """Replace the token. False, and nothing changed, if the session is over, or another request has replaced it since it was read."""
    changes = {
        "address": device.address,
        "user_agent": device.user_agent,
        "token_hash": token_hash,
        "previous_hash": session.token_hash,
        "rotated_at": now,
        "expires_at": expires_at,
        "ttl": expires_at,
    }
    return dynamo.update_if(SessionRow(session.id), changes, "token_hash = :before", before=session.token_hash)


def set_generation_item(session: Session, generation: int) -> dynamo.TransactItem:
    """Transaction item that gives a session another generation; refused if it is over or has another one than `session`."""
    return dynamo.update(SessionRow(session.id), {"generation": generation}, "generation = :before", before=session.generation)


def delete(session_id: str) -> None:
    """End a session; fine if it is over."""
    SessionRow(session_id).delete()


def _session(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        generation=int(row.generation),
        token_hash=row.token_hash,
        previous_hash=row.previous_hash,
        begun_at=int(row.begun_at),
        rotated_at=int(row.rotated_at),
        expires_at=int(row.expires_at),
        device=Device(row.address, row.user_agent),
    )
