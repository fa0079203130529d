"""Cursors of lists: where the next page begins, as a text that callers pass on and do not read."""

import binascii
import re
from base64 import b64decode, urlsafe_b64encode
from typing import Annotated

from msgspec import Meta

from chalicelib.errors import InvalidInput

Cursor = Annotated[str, Meta(min_length=1, max_length=1000, description="The `next_cursor` of the page before.")]


def encode(position: str) -> str:
    """The cursor of a position within a list."""
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode(cursor: str, form: str) -> str:
    """The position that a cursor was made of. Raises InvalidInput for other texts, and if the position has not this form (a regex)."""
    try:
        position = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        position = ""
    if not re.fullmatch(form, position):
        raise InvalidInput("This is not a cursor of this list. Send the `next_cursor` of the page before.", path="cursor")
    return position
