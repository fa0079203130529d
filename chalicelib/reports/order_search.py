"""Find the orders of an event by what people know of them: a number, a ticket's code, the buyer's id or e-mail address, or a name."""

import re
from typing import Annotated

from msgspec import Meta

from chalicelib.accounts.model import email_key
from chalicelib.edge import cursors
from chalicelib.foundation import parallel
from chalicelib.purchases.record import queries
from chalicelib.reports import store
from chalicelib.reports.buyer_index import name_words
from chalicelib.tickets import service as tickets
from chalicelib.tickets.model import read_code

MAX_WORDS = 10
_NUMBER = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})(-[1-9][0-9]?)?")
_LAST = "\U0010ffff"  # behind all texts that begin alike

_CursorKey = tuple[Annotated[str, Meta(min_length=1, max_length=1000)]]


def find_order_ids(event_id: str, text: str, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
    """The ids of at most `limit` purchases that fit the text, which may be of other events, and the cursor of the next page.

    A number, code, id or address fits whole; of a name each word of the text begins a word. Accents and case do not count. Three round
    trips. What was bought or named within the last seconds may be missing. Raises InvalidInput for a cursor that is none.
    """
    after = None if cursor is None else cursors.decode_key(cursor, _CursorKey)[0]
    number = _NUMBER.fullmatch(text.strip().upper())
    if number is not None:
        return [number[1]], None
    if "@" in text:
        return _find_by_address(event_id, text.strip(), limit, after)
    if after is not None:
        return _find_by_name(event_id, text, limit, after)
    exact, (named, next_cursor) = parallel.both(
        lambda: _find_exact(event_id, text.strip()), lambda: _find_by_name(event_id, text, limit, None)
    )
    return list(dict.fromkeys([*exact, *named])), next_cursor


def _find_exact(event_id: str, text: str) -> list[str]:
    """The order of the ticket that has this code, and those of the buyer whose id this is; few texts are either."""
    if not text or " " in text:
        return []
    of_code, of_buyer = parallel.both(
        lambda: tickets.find_id_of_code(read_code(text)), lambda: queries.list_event_order_ids(text, event_id)
    )
    return [*([of_code.rpartition("-")[0]] if of_code is not None else []), *sorted(of_buyer, reverse=True)]


def _find_by_address(event_id: str, address: str, limit: int, after: str | None) -> tuple[list[str], str | None]:
    term = f"email#{email_key(address)}#"
    entries, is_cut = store.query_index(store.load_generations().current, event_id, term, term + _LAST, after)
    # An address may have `#` in it, so that another one begins with all of this one.
    found = [(key, key.removeprefix(term)) for key, _ in entries if "#" not in key.removeprefix(term)]
    return _page(found, limit, entries[-1][0] if is_cut else None)


def _find_by_name(event_id: str, text: str, limit: int, after: str | None) -> tuple[list[str], str | None]:
    words = sorted(set(name_words(text)[:MAX_WORDS]), key=len, reverse=True)
    if not words:
        return [], None
    first = f"name#{words[0]}"  # the longest word: the fewest names begin so
    entries, is_cut = store.query_index(store.load_generations().current, event_id, first, first + _LAST, after)
    found = []
    for key, names in entries:
        word, order_id = key.removeprefix("name#").rsplit("#", 1)
        if word == _indexed_word(words, names):
            found.append((key, order_id))
    return _page(found, limit, entries[-1][0] if is_cut else None)


def _indexed_word(words: list[str], names: list[str]) -> str | None:
    """The word of the index by which an order of these names counts, so that it counts once; None if none of the names fits all words."""
    fitting = [name.split() for name in names]
    fitting = [name for name in fitting if all(any(known.startswith(word) for known in name) for word in words)]
    return min((known for name in fitting for known in name if known.startswith(words[0])), default=None)


def _page(found: list[tuple[str, str]], limit: int, read_to: str | None) -> tuple[list[str], str | None]:
    """The order ids of the first `limit` entries, each (key, order id). `read_to`: the last key that was read, if there are more."""
    position = found[limit - 1][0] if len(found) > limit else read_to
    return [order_id for _, order_id in found[:limit]], cursors.encode_key((position,)) if position is not None else None
