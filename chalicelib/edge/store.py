"""The tables of the edge: uses of Idempotency-Keys, counters of rate limits, and the last runs of jobs.

`foundation.effects` does not count these writes, because the caller did not request them.

| table | id | content |
| --- | --- | --- |
| `idempotency` | hash of user, method, path and key | the first reply, or the lock of a request that is still running |
| `rate-limits` | HMAC of the limit and the user or address | the counter of a limit |
| `job-runs` | name of the job | its last run; `migrations` is the progress of `infra/migrations.py` |
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import effects
from chalicelib.foundation.gcra import Charge
from chalicelib.foundation.log import logger


class IdempotencyRow(dynamo.Table):
    """One use of an Idempotency-Key. `reply` (JSON) and `status` are absent until a request succeeds.

    `locked_until` is absent after that.
    """

    feature = "idempotency"
    contents = "Replies to Idempotency-Keys. The purchases keep the keys of checkouts."
    personal_data = dynamo.PersonalData("hashed ids of users, and replies", export="no", erasure="expires")

    id = UnicodeAttribute(hash_key=True)
    payload = UnicodeAttribute()
    resource_id = UnicodeAttribute()
    locked_until = NumberAttribute(null=True)
    status = NumberAttribute(null=True)
    reply = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


class RateLimitRow(dynamo.Table):
    """How much of a limit a user or an address has used: `tat` (theoretical arrival time), in milliseconds since the epoch."""

    feature = "rate-limits"
    contents = "How much of their rate limits users and addresses have used."
    personal_data = dynamo.PersonalData("keyed hashes of ids and addresses", export="no", erasure="expires")

    id = UnicodeAttribute(hash_key=True)
    tat = NumberAttribute()
    ttl = NumberAttribute()


class JobRunRow(dynamo.Table):
    """The last run of a scheduled job. `error` is absent after a success; `report` and `succeeded_at` belong to the last success."""

    feature = "job-runs"
    contents = "The last run of each scheduled job with its last report, and the progress of migrations."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    began_at = NumberAttribute()
    milliseconds = NumberAttribute()
    error = UnicodeAttribute(null=True)
    succeeded_at = NumberAttribute(null=True)
    report = StructAttribute(dict[str, Any], null=True)


class CountResult(Struct, frozen=True):
    """Whether a request was counted, and the counter's `tat` afterwards (0 if there is no counter)."""

    granted: bool
    tat: int


@effects.uncounted()
def claim_key(row: IdempotencyRow, now: int) -> IdempotencyRow:
    """Write the first use of a key, unless an earlier use has not expired. Returns the stored use: `row`, or the earlier use."""
    # Expired rows are overwritten, because DynamoDB's TTL may leave them for days.
    _, stored = dynamo.put_if_returning(row, IdempotencyRow.id.does_not_exist() | (IdempotencyRow.expires_at <= now))
    assert stored is not None  # the condition accepts a missing use
    return stored


@effects.uncounted()
def take_over_key(row: IdempotencyRow, locked_until: int) -> bool:
    """Lock a use whose request died. Returns False if another request took it over first."""
    if not dynamo.update_if(row, [IdempotencyRow.locked_until.set(locked_until)], _same_lock(row)):
        return False
    row.locked_until = locked_until
    return True


@effects.uncounted()
def save_reply(row: IdempotencyRow, reply: str, status: int) -> None:
    """Keep the reply for repeated requests, unless another request has taken the key over.

    A store error is ignored, because the request has succeeded: once the lock expires, the next request with the key finds the result.
    """
    actions = [IdempotencyRow.reply.set(reply), IdempotencyRow.status.set(status), IdempotencyRow.locked_until.remove()]
    try:
        dynamo.update_if(row, actions, _same_lock(row))
    except dynamo.STORE_ERRORS as error:
        logger.warning("idempotency.reply_not_kept", error=type(error).__name__, store_code=dynamo.error_code(error))


@effects.uncounted()
def delete_key(row: IdempotencyRow) -> None:
    """Make the key unused again. A store error is ignored, because the lock expires anyway."""
    try:
        dynamo.delete_if(row, _same_lock(row))
    except dynamo.STORE_ERRORS:
        return


@effects.uncounted()
def forget_reply(row: IdempotencyRow) -> None:
    """Make the key of a finished request unused again, unless another request has claimed it in the meantime."""
    dynamo.delete_if(row, IdempotencyRow.resource_id == row.resource_id)


@effects.uncounted()
def unlock_key(row: IdempotencyRow) -> None:
    """Let the next request take the key over at once. A store error is ignored, because the lock expires anyway."""
    try:
        dynamo.update_if(row, [IdempotencyRow.locked_until.set(0)], _same_lock(row))
    except dynamo.STORE_ERRORS:
        return


def _same_lock(row: IdempotencyRow) -> Condition:
    """Return the condition that no other request has taken the key over."""
    return IdempotencyRow.locked_until == row.locked_until


@effects.uncounted()
def advance_counter(counter_id: str, expected_tat: int, charge: Charge, ttl: int) -> CountResult:
    """Count a charge if the limit has room for it. `ttl` is epoch seconds.

    If the limit has no room, or if `expected_tat` was wrong, nothing is counted, and the result has the counter's actual `tat`.
    """
    action, condition = charge.update(RateLimitRow.tat, expected_tat)
    granted, row = dynamo.update_if_returning(RateLimitRow(counter_id), [action, RateLimitRow.ttl.set(ttl)], condition)
    return CountResult(granted, int(row.tat) if row is not None else 0)


@effects.uncounted()
def reduce_counter(counter_id: str, interval: int) -> None:
    """Reduce the `tat` of a counter by this many milliseconds. Does nothing if there is no such counter."""
    dynamo.update_if(RateLimitRow(counter_id), [RateLimitRow.tat.add(-interval)], RateLimitRow.tat.exists())


@effects.uncounted()
def save_run(name: str, values: dict[str, Any], began_at: int) -> bool:
    """Save a job's last run; attributes that `values` does not name stay. Returns False, without writing, if a later run is stored."""
    no_later = JobRunRow.began_at.does_not_exist() | (JobRunRow.began_at <= began_at)
    return dynamo.update_if(JobRunRow(name), JobRunRow.set_or_remove(values), no_later)


def load_runs(names: Sequence[str]) -> list[JobRunRow]:
    """Return the last runs of these jobs, without jobs that never ran."""
    return JobRunRow.find_all(names, consistent_read=False)
