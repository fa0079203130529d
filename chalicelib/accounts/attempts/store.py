"""Table `login-attempts`: how often somebody tried to log in, to an account or from an address. The ids are HMACs, so they name nobody."""

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.foundation import effects


class AttemptsRow(dynamo.Table):
    """Times are epoch seconds. `attempts` are those since the counter began; the next one is allowed at `allowed_at`."""

    feature = "login-attempts"
    contents = "Attempts to log in, by account and by address."
    personal_data = dynamo.PersonalData("hashed addresses", export="no", erasure="expires")

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    attempts = NumberAttribute()
    allowed_at = NumberAttribute()
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class Attempts(Struct, frozen=True):
    attempts: int
    allowed_at: int
    expires_at: int


@effects.uncounted()
def add_free(counter_id: str, most: int, now: int, expires_at: int) -> Attempts | None:
    """Count one of the first `most` attempts; the first of all makes a counter that lasts until `expires_at`.

    Returns None, or, and nothing counted, the counter: of its free attempts none is left, or it has expired.
    """
    initial = {"allowed_at": 0, "expires_at": expires_at, "ttl": expires_at}
    condition = "attribute_not_exists(id) OR (expires_at > :now AND attempts < :most)"
    granted, item = dynamo.update_if_returning(
        AttemptsRow(counter_id), {}, condition, initial=initial, add={"attempts": 1}, now=now, most=most
    )
    return None if granted else _attempts(AttemptsRow.from_raw_data(item))


@effects.uncounted()
def restart(counter_id: str, now: int, expires_at: int) -> Attempts | None:
    """Count the first attempt of a counter that has expired: DynamoDB's TTL may leave it for days. Returns None, or one that has not."""
    row = AttemptsRow(counter_id, attempts=1, allowed_at=0, expires_at=expires_at, ttl=expires_at)
    existing = dynamo.put_if(row, "attribute_not_exists(id) OR expires_at <= :now", now=now)
    return None if existing is None else _attempts(AttemptsRow.from_raw_data(existing))


@effects.uncounted()
def add_delayed(counter_id: str, before: int, allowed_at: int, expires_at: int) -> bool:
    """Count an attempt, and allow the next one at `allowed_at`. False, and nothing counted, if another request was counted since."""
    changes = {"allowed_at": allowed_at, "expires_at": expires_at, "ttl": expires_at}
    return dynamo.update_if(AttemptsRow(counter_id), changes, "attempts = :before", add={"attempts": 1}, before=before)


@effects.uncounted()
def withdraw(counter_id: str) -> None:
    """Take one attempt back. Its delay stays, so that guessing cannot be sped up by logging in to another account in between."""
    dynamo.update_if(AttemptsRow(counter_id), {}, "attempts > :none", add={"attempts": -1}, none=0)


@effects.uncounted()
def delete(counter_id: str) -> None:
    AttemptsRow(counter_id).delete()


def delete_item(counter_id: str) -> dynamo.TransactItem:
    """Transaction item that deletes a counter."""
    return dynamo.delete(AttemptsRow(counter_id))


def _attempts(row: AttemptsRow) -> Attempts:
    return Attempts(int(row.attempts), int(row.allowed_at), int(row.expires_at))
