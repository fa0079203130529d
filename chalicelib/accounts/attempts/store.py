"""Table `login-attempts`: how often somebody tried to log in, to an account or from an address. The ids are HMACs, so they name nobody."""

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import dynamo, effects


class AttemptsRow(dynamo.Table):
    """Times are epoch seconds. `attempts` are those since the counter began; the next one is allowed at `allowed_at`."""

    feature = "login-attempts"

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


@effects.uncounted()
def start(counter_id: str, now: int, expires_at: int) -> Attempts | None:
    """Count the first attempt. Returns None, or what an earlier one has begun and has not expired."""
    row = AttemptsRow(counter_id, attempts=1, allowed_at=0, expires_at=expires_at, ttl=expires_at)
    # Expired rows are overwritten, because DynamoDB's TTL may leave them for days.
    existing = dynamo.put_if(row, "attribute_not_exists(id) OR expires_at <= :now", now=now)
    return None if existing is None else _attempts(AttemptsRow.from_raw_data(existing))


@effects.uncounted()
def add_free(counter_id: str, most: int) -> bool:
    """Count one of the first `most` attempts. False, and nothing counted, if they are used up."""
    return dynamo.update_if(AttemptsRow(counter_id), {}, "attempts < :most", add={"attempts": 1}, most=most)


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


def _attempts(row: AttemptsRow) -> Attempts:
    return Attempts(int(row.attempts), int(row.allowed_at))
