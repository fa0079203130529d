"""Cursors: opaque texts that say where the next page of a list begins."""

import binascii
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from chalicelib.foundation import memory
from chalicelib.foundation.errors import InvalidInput

Cursor = Annotated[str, Meta(min_length=1, max_length=1000, description="Where the page begins: the cursor from the previous page.")]

# The maximum JSON of a page's entries. Lambda returns at most 6 MB, and Base64 makes a zipped reply a third larger.
MAX_PAGE_BYTES = 900_000

T = TypeVar("T")
Key = TypeVar("Key", bound=tuple[Any, ...])


def encode(position: str) -> str:
    """Return the cursor for a position in a list."""
    return urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode(cursor: str, form: str) -> str:
    """Return the position in a cursor. Raises InvalidInput if the text is not a cursor or the position does not match `form`, a regex."""
    try:
        position = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        position = ""
    if not re.fullmatch(form, position):
        raise not_a_cursor()
    return position


def take_page(entries: Iterable[tuple[Key, T]], key_type: Any, limit: int, cursor: str | None) -> tuple[list[T], str | None]:
    """Return up to `limit` entries after the cursor, and the cursor of the next page. Returns None as the cursor if there is no next page.

    `entries` are (sort key, entry) pairs in memory, sorted by key. A cursor contains the sort key, not the index in the list, so that no
    entry is skipped or repeated when the list changes. `key_type` is the type of the keys. Raises InvalidInput if the cursor is invalid.
    """
    after: Key | None = decode_key(cursor, key_type) if cursor is not None else None
    found = list(islice((entry for entry in entries if after is None or entry[0] > after), limit + 1))
    next_cursor = encode_key(found[limit - 1][0]) if len(found) > limit else None
    return [item for _, item in found[:limit]], next_cursor


def fit_page(entries: Iterable[tuple[Key, T]], next_cursor: str | None) -> tuple[list[T], str | None]:
    """Return as many entries of a page as fit into MAX_PAGE_BYTES, but at least one, and the cursor of the next page.

    `entries` are (sort key, view) pairs, and `next_cursor` is the cursor after all of them.
    """
    fitting: list[T] = []
    size, last = 0, None
    for key, view in entries:
        size += len(msgspec.json.encode(view)) + 1
        if last is not None and size > MAX_PAGE_BYTES:
            return fitting, encode_key(last)
        fitting.append(view)
        last = key
    return fitting, next_cursor


def fit(views: Iterable[T]) -> list[T]:
    """Return as many views of a page as fit into MAX_PAGE_BYTES, but at least one; for pages whose cursor does not come from a sort key."""
    return fit_page((((), view) for view in views), None)[0]


def encode_key(key: tuple[Any, ...]) -> str:
    """Return the cursor for a sort key, which consists of numbers and texts."""
    return encode(msgspec.json.encode(key).decode())


def decode_key(cursor: str, key_type: Any) -> Any:
    """Return the sort key in a cursor. Raises InvalidInput if the text is not a cursor with a key of this type."""
    try:
        return memory.decoder(key_type).decode(decode(cursor, r"\[.*\]"))
    except msgspec.DecodeError:
        raise not_a_cursor() from None


def link_headers(query: msgspec.Struct, next_cursor: str | None) -> dict[str, str]:
    """Return the `Link` header for the next page (RFC 8288), for lists whose body cannot contain a cursor.

    Returns no header on the last page. `query` contains the query parameters of this page.
    """
    if next_cursor is None:
        return {}
    given = {name: value for name, value in msgspec.to_builtins(query).items() if value is not None}
    return {"Link": f'<?{urlencode({**given, "cursor": next_cursor})}>; rel="next"'}


def not_a_cursor() -> InvalidInput:
    """Return the error for a cursor that does not come from a page of the list."""
    return InvalidInput("This cursor does not belong to this list. Send the `next_cursor` of the previous page.", path="cursor")
