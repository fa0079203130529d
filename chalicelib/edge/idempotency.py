"""Idempotency-Key: for a day, a user who repeats a request with the same key gets the same reply.

`execute_once` stores the payload's hash, the reply and `resource_id`, the id of the resource that the request creates. If the first
execution dies, the next execution creates the same resource instead of a second one. AWS Powertools' idempotency was considered, but it
reads the machine's clock and does not keep a resource id for the next execution (docs/decisions/0005-idempotency.md). A checkout changes an
existing purchase, so it stores its key in the purchase (`require_key`, docs/decisions/0025-fewer-trips.md).
"""

from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, ClassVar, TypeVar, cast

import msgspec
from msgspec import Meta

from chalicelib.edge import deprecations, store
from chalicelib.edge.operation import Header
from chalicelib.edge.routes import Reply, RequestContext
from chalicelib.edge.store import IdempotencyRow
from chalicelib.foundation import clock, ids
from chalicelib.foundation.errors import ApiError, InvalidInput
from chalicelib.foundation.ids import KEPT_SECONDS, IdempotencyConflict, KeyUse

LOCK_SECONDS = 30  # longer than a request may run; after this time, a request without a reply has died
IMPLIED_SECONDS = 60  # long enough to catch a second press of a button
MAX_KEY_LENGTH = 255

T = TypeVar("T")


class IdempotencyKeyRequired(InvalidInput):
    code: ClassVar[str] = "idempotency_key_required"
    default_message: ClassVar[str] = (
        "Send an Idempotency-Key header: a new key for each new request, and the same key when you repeat a request."
    )


class RequestInFlight(ApiError):
    code: ClassVar[str] = "request_in_flight"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The first request with this Idempotency-Key is still being processed. Try again in 30 s."

    def __init__(self, retry_seconds: int) -> None:
        message = f"The first request with this Idempotency-Key is still being processed. Try again in {retry_seconds} s."
        super().__init__(message, retry_after_seconds=retry_seconds)


_DESCRIPTION = "Send a new key with each new request, and the same key when you repeat a request, so that nothing is done twice."
_ERRORS: tuple[type[ApiError], ...] = (IdempotencyConflict, RequestInFlight, InvalidInput)

# A route that calls `execute_once` or `require_key` declares one of these headers.
_KEY = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_LENGTH, pattern=r"\A[ -~]+\Z", examples=["order-4711"])]
IDEMPOTENCY_KEY = Header("Idempotency-Key", _DESCRIPTION, _KEY, errors=_ERRORS)
REQUIRED_KEY = Header("Idempotency-Key", _DESCRIPTION, _KEY, required=True, errors=(*_ERRORS, IdempotencyKeyRequired))


def execute_once(
    request: RequestContext,
    user_id: str,
    execute: Callable[[str], Reply[T]],
    *,
    find_result: Callable[[str], Reply[T] | None] | None = None,
    required: bool = False,
    is_current: Callable[[str], bool] | None = None,
) -> Reply[T]:
    """Call `execute(resource_id)` once for the request's Idempotency-Key, and send its reply again to later requests with that key.

    Without a key, `execute` is called every time, or the request is refused if a key is `required`. With `is_current`, identical requests
    without a key get the same reply for IMPLIED_SECONDS, as long as `is_current(resource_id)` is true. A refusal (an ApiError below 500) is
    not stored: the next request with the key executes again, with a new resource id. After any other error or a crash, the next request
    takes over with the same resource id: it first calls `find_result(resource_id)`, which returns the result of an earlier execution, if
    there is one.
    """
    key_use = require_key(request, user_id) if required else find_key(request, user_id)
    seconds = KEPT_SECONDS
    if key_use is not None:
        is_current = None  # clients that send a key decide which requests are new
    elif is_current is not None:
        key_use, seconds = imply_key(request, user_id), IMPLIED_SECONDS
    if key_use is None:
        return execute(ids.new_id())
    row, is_takeover = _claim(key_use, seconds)
    if is_current is not None and row.reply is not None and not is_current(row.resource_id):
        store.forget_reply(row)
        row, is_takeover = _claim(key_use, seconds)
    if row.reply is not None:
        return replayed(msgspec.json.decode(row.reply), int(row.status))
    try:
        found = find_result(row.resource_id) if is_takeover and find_result is not None else None
        reply = execute(row.resource_id) if found is None else found
    except Exception as error:
        if isinstance(error, ApiError) and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            store.delete_key(row)
        else:
            # The request may have taken effect anyway, so the next request takes over at once, with the same resource id, and looks for a
            # result.
            store.unlock_key(row)
        raise
    body, _ = deprecations.with_old_names(reply.body, type(reply.body))
    store.save_reply(row, msgspec.json.encode(body).decode(), reply.status)
    return reply


def require_key(request: RequestContext, user_id: str) -> KeyUse:
    """Return the use of the request's Idempotency-Key. Raises IdempotencyKeyRequired without a key, or InvalidInput for a malformed key."""
    key_use = find_key(request, user_id)
    if key_use is None:
        raise IdempotencyKeyRequired(IdempotencyKeyRequired.default_message, path="Idempotency-Key")
    return key_use


def replayed(body: T, status: int) -> Reply[T]:
    """Return the reply to a repeated request: the first reply's `body`, with 200 instead of 201 because nothing was created this time.

    If the body is a dict, or a struct with the field `message`, its `message` says that nothing was done again.
    """
    message = "This is the reply to the first request with this Idempotency-Key. Nothing was done again (idempotent)."
    if isinstance(body, dict):
        body = cast(T, {**body, "message": message})
    elif isinstance(body, msgspec.Struct) and "message" in body.__struct_fields__:
        body = msgspec.structs.replace(body, message=message)
    return Reply(body, 200 if status == 201 else status, {"Idempotency-Replayed": "true"})


def find_key(request: RequestContext, user_id: str) -> KeyUse | None:
    """Return the use of the key in the request's header, and advise repeating. Returns None without a key.

    Raises InvalidInput for a malformed key.
    """
    key = request.header("idempotency-key")
    if key is None or key == "":
        return None
    if len(key) > MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInput(f"The Idempotency-Key must have 1 to {MAX_KEY_LENGTH} printable ASCII characters.", path="Idempotency-Key")
    request.mark_repeatable()
    return _use(request, user_id, key)


def imply_key(request: RequestContext, user_id: str) -> KeyUse:
    """Return the use of a key that is the same only for identical requests of the user."""
    return _use(request, user_id, f"\n{_digest(request.read_body())}")  # nobody can send this as a key


def _use(request: RequestContext, user_id: str, key: str) -> KeyUse:
    chalice_request = request.chalice_request
    uri_params = str(sorted((chalice_request.uri_params or {}).items()))
    scope = (user_id, chalice_request.method, chalice_request.path, uri_params, key)
    return KeyUse(_digest("\n".join(scope).encode()), _digest(request.read_body()))


def _digest(raw: bytes) -> str:
    return sha256(raw).hexdigest()[:32]


def _claim(key_use: KeyUse, seconds: int) -> tuple[IdempotencyRow, bool]:
    """Claim the key for this request, for this many seconds. Returns the key's row, and whether an earlier request with the key exists.

    If the earlier request has finished, the row contains its reply. Raises IdempotencyConflict or RequestInFlight.
    """
    now = clock.now()
    new = IdempotencyRow(
        key_use.key_digest,
        payload=key_use.body_digest,
        resource_id=ids.new_id(),
        locked_until=now + LOCK_SECONDS,
        expires_at=now + seconds,
        ttl=now + seconds,
    )
    existing = store.claim_key(new, now)
    if existing.resource_id == new.resource_id:  # even if botocore has repeated the write because its response was lost
        return new, False
    if existing.payload != new.payload:
        raise IdempotencyConflict()
    if existing.reply is not None:
        return existing, True
    if existing.locked_until > now:
        raise RequestInFlight(existing.locked_until - now)
    if not store.take_over_key(existing, new.locked_until):
        raise RequestInFlight(LOCK_SECONDS)
    return existing, True
