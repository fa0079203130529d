"""Unique ids, generated without coordination between instances, and the form of all ids that callers send."""

import re
import secrets
from typing import Annotated

from msgspec import Meta
from ulid import ULID

from chalicelib.foundation import clock

# The form of all ids that callers send: ids of events and tiers (bootstrap files allow up to 100 characters), our own ids (ULIDs; ticket
# ids add a number), and ids of findings, which consist of a kind and one of Stripe's ids (at most 255 characters).
FORM = r"[A-Za-z0-9][A-Za-z0-9._-]{0,299}"
_PATTERN = re.compile(FORM)

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


def new_id() -> str:
    """Return a new ULID (26 characters, https://github.com/ulid/spec). ULIDs sort by creation time, to the millisecond."""
    return str(ULID.from_timestamp(clock.precise_now()))


def second_of(created_id: str) -> int:
    """Return the epoch second in which `new_id` returned this id."""
    return int(ULID.from_str(created_id).timestamp)


def lowest_id(second: int) -> str:
    """Return the lowest id that `new_id` can return in this epoch second. It is greater than all earlier ids."""
    return str(ULID.from_bytes((second * 1000).to_bytes(6, "big") + bytes(10)))


def nonce() -> str:
    """Return 8 random hex characters, which distinguish the hold ids of two attempts for the same purchase."""
    return secrets.token_hex(4)
