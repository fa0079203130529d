"""Unique ids, generated without coordination between instances, the form of all ids that callers send, and uses of idempotency keys."""

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct
from ulid import ULID

from chalicelib.foundation import clock
from chalicelib.foundation.errors import ApiError

# The form of all ids that callers send: ids of events and tiers (bootstrap files allow up to 100 characters), our own ids (ULIDs; ticket
# ids add a number), and ids of findings, which consist of a kind and one of Stripe's ids (at most 255 characters).
FORM = r"[A-Za-z0-9][A-Za-z0-9._-]{0,299}"
_PATTERN = re.compile(FORM)
_NEW_ID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")

Id = Annotated[
    str,
    Meta(
        pattern=rf"^{FORM}\Z",
        examples=["01JZQ4T8M3V6W9X2Y5A7B0C1D2"],
        description="An id: letters, digits, dots, underscores and hyphens, beginning with a letter or digit.",
    ),
]


def is_id(text: str) -> bool:
    """Return whether the text has the form of an id. Text without this form cannot be the id of anything."""
    return _PATTERN.fullmatch(text) is not None


def find_id(metadata: Mapping[str, Any], name: str) -> str | None:
    """Return one of our ids in the metadata of a provider's object, or None if it cannot be an id. People may write anything there."""
    text = metadata.get(name)
    return text if isinstance(text, str) and is_id(text) else None


def new_id() -> str:
    """Return a new ULID (26 characters, https://github.com/ulid/spec). ULIDs sort by creation time, to the millisecond."""
    return str(ULID.from_timestamp(clock.precise_now()))


def is_new_id(text: str) -> bool:
    """Return whether the text has the form of the ids that `new_id` returns."""
    return _NEW_ID.fullmatch(text) is not None


def second_of(created_id: str) -> int:
    """Return the epoch second in which `new_id` returned this id."""
    return int(ULID.from_str(created_id).timestamp)


def lowest_id(second: int) -> str:
    """Return the lowest id that `new_id` can return in this epoch second. It is greater than all earlier ids."""
    return str(ULID.from_bytes((second * 1000).to_bytes(6, "big") + bytes(10)))


def nonce() -> str:
    """Return 8 random hex characters, which distinguish the hold ids of two attempts for the same purchase."""
    return secrets.token_hex(4)


# The use of an Idempotency-Key, stored with the resource that the request created or changed, to recognize repeated requests.

KEPT_SECONDS = 86_400  # how long a use of a key is remembered


class IdempotencyConflict(ApiError):
    code: ClassVar[str] = "idempotency_key_reused"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "This Idempotency-Key was already used with a different request body. Send a new request with a new key."
    )


class KeyUse(Struct, frozen=True, array_like=True):
    """A request with a key, as SHA-256 digests in hex: of the key, the user, the method and the URL; and of the body."""

    key_digest: str
    body_digest: str

    def repeats(self, first: "KeyUse | None", first_at: int, now: int) -> bool:
        """Return whether this is the same request as `first`, which was stored at `first_at`. Times are epoch seconds.

        A use is forgotten after KEPT_SECONDS. Raises IdempotencyConflict if only the key is the same.
        """
        if first is None or first.key_digest != self.key_digest or first_at + KEPT_SECONDS <= now:
            return False
        if first.body_digest != self.body_digest:
            raise IdempotencyConflict()
        return True
