"""Table `sessions`: one item for each login, which all refresh tokens that descend from it share. Tokens are stored as hashes."""

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo


class SessionRow(dynamo.Table):
    """`previous_hash` is that of the token before the last, absent before the first rotation; `rotated_at` is epoch seconds."""

    feature = "sessions"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    user_id = UnicodeAttribute()
    generation = NumberAttribute()
    token_hash = UnicodeAttribute()
    previous_hash = UnicodeAttribute(null=True)
    rotated_at = NumberAttribute()
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class Session(Struct, frozen=True):
    """A login. `generation` is that of the account when it began: the session is over when the account has another one."""

    id: str
    user_id: str
    generation: int
    token_hash: str
    previous_hash: str | None
    rotated_at: int
    expires_at: int


def create(session: Session) -> None:
    fields = {name: getattr(session, name) for name in Session.__struct_fields__}
    dynamo.put_item(**dynamo.put(SessionRow(**fields, ttl=session.expires_at), "attribute_not_exists(id)")["Put"])


def find(session_id: str) -> Session | None:
    """The session, strongly consistent, or None; it may have expired."""
    row = SessionRow.find(session_id)
    if row is None:
        return None
    numbers = {name: int(getattr(row, name)) for name in ("generation", "rotated_at", "expires_at")}
    return Session(
        row.id, row.user_id, numbers["generation"], row.token_hash, row.previous_hash, numbers["rotated_at"], numbers["expires_at"]
    )


def rotate(session: Session, token_hash: str, now: int, expires_at: int) -> bool:
    """Replace the token. False, and nothing changed, if the session is over, or another request has replaced it since it was read."""
    changes = {
        "token_hash": token_hash,
        "previous_hash": session.token_hash,
        "rotated_at": now,
        "expires_at": expires_at,
        "ttl": expires_at,
    }
    return dynamo.update_if(SessionRow(session.id), changes, "token_hash = :before", before=session.token_hash)


def delete(session_id: str) -> None:
    """End a session; fine if it is over."""
    SessionRow(session_id).delete()
