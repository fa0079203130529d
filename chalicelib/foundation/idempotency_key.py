"""The use of an Idempotency-Key, stored with the resource that the request created or changed, to recognize repeated requests."""

from typing import ClassVar

from msgspec import Struct

from chalicelib.foundation.errors import ApiError

KEPT_SECONDS = 86_400  # how long a use of a key is remembered


class IdempotencyConflict(ApiError):
    code: ClassVar[str] = "idempotency_key_reused"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "This Idempotency-Key was already used with a different request body. Send a new request with a new key."
    )


class KeyUse(Struct, frozen=True, array_like=True):
    """A request with a key. `key` is a digest of the key, the user, the method and the URL; `payload` is a digest of the body."""

    key: str
    payload: str

    def repeats(self, first: "KeyUse | None", first_at: int, now: int) -> bool:
        """Return whether this is the same request as `first`, which was stored at `first_at`. Times are epoch seconds.

        A use is forgotten after KEPT_SECONDS. Raises IdempotencyConflict if only the key is the same.
        """
        if first is None or first.key != self.key or first_at + KEPT_SECONDS <= now:
            return False
        if first.payload != self.payload:
            raise IdempotencyConflict()
        return True
