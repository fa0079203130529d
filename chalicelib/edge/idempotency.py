"""Idempotency-Key: the same key gives the same answer, once for each user and address, for a day.

Powertools' idempotency was considered: it reads the machine's clock and keeps no id for a repeated execution (see
docs/decisions). What is kept: the payload's hash, the answer, and `resource_id`, the id that the execution gives to what it
creates, so that an execution that died and is taken over makes the same thing, not a second one.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, ClassVar

import msgspec
from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib import clock, dynamo, ids, settings
from chalicelib.edge.http import Reply, RequestContext
from chalicelib.errors import ApiError, InvalidInput

LOCK_SECONDS = 30  # longer than a request may run; after it, the execution is taken to be dead
MAX_KEY_LENGTH = 255


class IdempotencyKeyRequired(InvalidInput):
    code: ClassVar[str] = "idempotency_key_required"


class IdempotencyConflict(ApiError):
    code: ClassVar[str] = "idempotency_key_reused"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This Idempotency-Key was used with another request."


class RequestInFlight(ApiError):
    code: ClassVar[str] = "request_in_flight"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The first request with this Idempotency-Key is still running."


class IdempotencyRow(dynamo.Table):
    """One use of a key. `answer` is absent while the first execution runs, until `locked_until`."""

    feature = "idempotency"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    payload = UnicodeAttribute()
    resource_id = UnicodeAttribute()
    locked_until = NumberAttribute(null=True)
    status = NumberAttribute(null=True)
    answer = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()
    ttl = NumberAttribute()


def execute_once(request: RequestContext, user_id: str, execute: Callable[[str], Reply], *, required: bool = False) -> Reply:
    """Run `execute(resource_id)` once for the request's Idempotency-Key and repeat its answer afterwards.

    Without a key it just runs, or is refused when a key is `required`. Refusals are not remembered: they raise through.
    """
    key = request.header("idempotency-key")
    if key is None or key == "":
        if required:
            raise IdempotencyKeyRequired(
                "Send an Idempotency-Key header: fresh for a new request, the same for a repeated one.", path="Idempotency-Key"
            )
        return execute(ids.new_id())
    if len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInput(f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} printable ASCII characters.", path="Idempotency-Key")
    record = _claim(request, user_id, key)
    if record.answer is not None:
        return _replay(record)
    try:
        answer = execute(record.resource_id)
    except ApiError:
        _forget(record)
        raise
    except Exception:
        # It may have been done all the same: the next try takes over at once, under the same resource id, and finds out.
        _unlock(record)
        raise
    _remember(record, answer)
    return answer


def _claim(request: RequestContext, user_id: str, key: str) -> IdempotencyRow:
    now = clock.now()
    address = "\n".join(
        (
            user_id,
            request.chalice_request.method,
            request.chalice_request.path,
            str(sorted((request.chalice_request.uri_params or {}).items())),
            key,
        )
    )
    record = IdempotencyRow(
        sha256(address.encode()).hexdigest(),
        payload=sha256(request.read_body()).hexdigest(),
        resource_id=ids.new_id(),
        locked_until=now + LOCK_SECONDS,
        expires_at=now + settings.current().idempotency_seconds,
        ttl=now + settings.current().idempotency_seconds,
    )
    # Put if absent, or if what is there is over: DynamoDB's TTL may leave it for days.
    absent = IdempotencyRow.id.does_not_exist() | (IdempotencyRow.expires_at <= now)
    present = dynamo.put_if(record, absent)
    if present is None:
        return record
    known = IdempotencyRow.from_raw_data(present)
    if known.resource_id == record.resource_id:  # our own write, repeated by botocore after a lost answer
        return record
    if known.payload != record.payload:
        raise IdempotencyConflict()
    if known.answer is not None:
        return known
    if known.locked_until > now:
        raise RequestInFlight(retryAfterSeconds=known.locked_until - now)
    # The first execution died. Take over under its resource id; whoever reads the old lock too loses this swap.
    if not dynamo.update_if(
        known, [IdempotencyRow.locked_until.set(record.locked_until)], IdempotencyRow.locked_until == known.locked_until
    ):
        raise RequestInFlight(retryAfterSeconds=LOCK_SECONDS)
    return known


def _replay(record: IdempotencyRow) -> Reply:
    body: Any = msgspec.json.decode(record.answer)
    if isinstance(body, dict):
        body["message"] = "The answer to the first request with this key (idempotent)."
    return Reply(body, 200 if record.status == 201 else int(record.status), {"Idempotency-Replayed": "true"})


def _remember(record: IdempotencyRow, answer: Reply) -> None:
    actions = [
        IdempotencyRow.answer.set(msgspec.json.encode(answer.body).decode()),
        IdempotencyRow.status.set(answer.status),
        IdempotencyRow.locked_until.remove(),
    ]
    dynamo.update_if(record, actions, IdempotencyRow.locked_until == record.locked_until)


def _forget(record: IdempotencyRow) -> None:
    """Let the key be tried again as if it had never been used."""
    try:
        record.delete(IdempotencyRow.locked_until == record.locked_until)
    except dynamo.STORE_ERRORS:
        return  # the lock ends by itself


def _unlock(record: IdempotencyRow) -> None:
    try:
        dynamo.update_if(record, [IdempotencyRow.locked_until.set(0)], IdempotencyRow.locked_until == record.locked_until)
    except dynamo.STORE_ERRORS:
        return  # the lock ends by itself
