"""Find orders by number or id, ticket code, or email address, and an event's orders also by the buyer's id or by names.

The index has the order's number, the buyer's email addresses, and the names of the buyer, the attendees and the guests. It is built from
the purchase, its tickets, its checkout and the buyer's account, which are all read again after each relevant change. The terms of an order
are stored beside the index and compared on each write. So if two runs overlap, the run that read older terms writes nothing. If the buyer
was erased, the index has only the order's number, and the names on tickets that now belong to other people.

People type names and addresses, so the index limits their length and number. If the store still refuses the terms of an order, the order
is logged and left out, because it must not hold up the reports of other orders.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Annotated

from msgspec import Meta

from chalicelib.accounts import directory
from chalicelib.accounts.model import Account, email_key
from chalicelib.addons.reports import store
from chalicelib.addons.reports.store import Terms
from chalicelib.catalog import service as catalog
from chalicelib.catalog.search import split_words
from chalicelib.changes.model import BuyerErased, Change, OrderMoved, OrderPaid, OrderResent, TicketNamesChanged
from chalicelib.dynamodb import dynamo
from chalicelib.edge import cursors
from chalicelib.foundation import log, parallel
from chalicelib.foundation.log import logger
from chalicelib.purchases import queries
from chalicelib.purchases.model import CheckoutDetails, Purchase
from chalicelib.tickets.model import Ticket, normalize_code, number_prefix, order_key, parse_order_key, ticket_id
from chalicelib.tickets.store import find_ticket_id, load_tickets

CHUNK = 16  # orders that are read at once
MAX_NAMES = 100  # per order; the index ignores further names of an order with very many guests
MAX_NAME_BYTES = 100_000  # per order, with each name counted once for each of its words; the index ignores further names
MAX_WORDS = 10  # words of a name in the index, and of a search
MAX_WORD_LENGTH = 50
MAX_ADDRESS_BYTES = 600  # a longer address is indexed by its hash, so that keys and cursors stay within their limits
MAX_FAILED_READ = 1000

Order = tuple[str, str]  # the ids of the event and the purchase

MAX_EVENTS = 100  # events with the same initials whose orders are searched for a number
_INITIALS = re.compile(r"([A-Z0-9]{1,4})[- ][A-Z0-9]{4}[- ]?[A-Z0-9]{4}")
_NUMBER = re.compile(r"([0-9A-HJKMNP-TV-Z]{26})(-[1-9][0-9]?)?")
_LAST = "\U0010ffff"  # sorts after all texts with the same prefix

_CursorKey = tuple[Annotated[str, Meta(min_length=1, max_length=1000)]]


def changed_orders(changes: Iterable[Change]) -> list[Order]:
    """Return the orders whose search terms may have changed because of these changes."""
    found: dict[Order, None] = {}
    for change in changes:
        match change:
            case OrderPaid() | OrderMoved() | OrderResent() | BuyerErased():
                found[change.purchase.event_id, change.purchase.id] = None
            case TicketNamesChanged():
                found[change.ticket.event_id, change.ticket.purchase_id] = None
    return list(found)


def update_terms(generation: int, orders: Sequence[Order], retry: Callable[[Callable[[], None]], None]) -> int:
    """Update the search terms of orders in a generation. `retry` repeats a chunk after a conflict with another run.

    Returns the number of orders that could not be indexed. They keep their earlier terms until their next change or a rebuild.
    """
    return sum(_try_chunk(generation, orders[start : start + CHUNK], retry) for start in range(0, len(orders), CHUNK))


def _try_chunk(generation: int, orders: Sequence[Order], retry: Callable[[Callable[[], None]], None]) -> int:
    """Update the search terms of these orders together or, if that fails, one by one. Returns the number of orders that failed."""
    try:
        retry(partial(_update_chunk, generation, orders))
    except Exception as error:
        if isinstance(error, dynamo.STORE_ERRORS) and not dynamo.is_invalid_data(error):
            raise  # the store has failed, which is not the fault of an order
        if len(orders) > 1:
            return sum(_try_chunk(generation, [order], retry) for order in orders)
        [(event_id, order_id)] = orders
        logger.exception("project_reports.order_not_indexed", event_id=event_id, order_id=order_id)
        log.count("orders_not_indexed")
        return 1
    return 0


def _update_chunk(generation: int, orders: Sequence[Order]) -> None:
    # Read the old terms first, so that `change_indexes` raises CountConflict if another run has changed them since.
    before = _load_index(generation, orders)
    purchases = [purchase for purchase in queries.load_many(order_id for _, order_id in orders).values() if purchase and purchase.was_order]
    terms = _terms(purchases)
    changed = [order for order in orders if before.get(order[1], {}) != terms.get(order[1], {})]
    store.change_indexes(
        generation, [(event_id, order_id, before.get(order_id, {}), terms.get(order_id, {})) for event_id, order_id in changed]
    )


def _load_index(generation: int, orders: Sequence[Order]) -> dict[str, Terms]:
    found: dict[str, Terms] = {}
    for event_id in dict.fromkeys(event_id for event_id, _ in orders):
        found |= store.load_index(generation, event_id, [order_id for order_event_id, order_id in orders if order_event_id == event_id])
    return found


def _terms(purchases: Sequence[Purchase]) -> dict[str, Terms]:
    """Return the search terms of these orders."""
    from chalicelib.accounts import service as accounts

    known = [purchase for purchase in purchases if not purchase.is_erased]
    users = {purchase.user_id for purchase in known}
    (details, buyers), issued = parallel.both(
        lambda: parallel.both(lambda: queries.load_many_details(known), lambda: accounts.find_accounts(users)),
        lambda: load_tickets(ticket_id(purchase.id, number) for purchase in purchases for number in range(1, purchase.quantity + 1)),
    )
    by_user = {account.user_id: account for account in buyers}
    return {
        purchase.id: order_terms(
            purchase.id,
            by_user.get(purchase.user_id) if not purchase.is_erased else None,
            details.get(purchase.id),
            sorted((ticket for ticket in issued if ticket.purchase_id == purchase.id), key=lambda ticket: ticket.number),
        )
        for purchase in purchases
    }


def order_terms(order_id: str, buyer: Account | None, details: CheckoutDetails | None, issued: Sequence[Ticket]) -> Terms:
    """Return the search terms of an order. `buyer` is None if the buyer has no account; `details` is None if the order has no details."""
    names = [buyer.name] if buyer is not None and buyer.name else []
    for ticket in issued:
        names += [ticket.attendee.name] if ticket.attendee is not None else []
        names += [guest.name for guest in ticket.guests if guest.name is not None]
    terms: Terms = {}
    size = 0
    folded = dict.fromkeys(name for text in names if (name := " ".join(name_words(text)[:MAX_WORDS])))
    for name in islice(folded, MAX_NAMES):
        words = set(name.split())
        size += len(words) * len(name.encode())
        if size > MAX_NAME_BYTES:
            break
        for word in sorted(words):
            terms.setdefault(f"name#{word}", []).append(name)
    addresses = [buyer.email if buyer is not None else None, details.email if details is not None else None]
    terms |= {_address_term(address): [] for address in addresses if address is not None}
    return terms | {f"number#{order_key(order_id)}": []}


def _address_term(address: str) -> str:
    """Return the term of an address. If the address is too long, the term contains a hash of it."""
    key = email_key(address)
    return f"email#{key}" if len(key.encode()) <= MAX_ADDRESS_BYTES else f"email#sha256-{sha256(key.encode()).hexdigest()}"


def name_words(text: str) -> list[str]:
    """Return the words of a name for comparison, without accents and in one case."""
    return [word[:MAX_WORD_LENGTH] for word in split_words(text)]


# Find orders by these terms.


def find_order_ids(event_id: str, text: str, limit: int, cursor: str | None) -> tuple[list[str], str | None]:
    """Return the ids of at most `limit` purchases that match the text, and the cursor for the next page.

    Numbers, codes, ids and addresses must match completely. A name matches if each word of the text is the beginning of a word in the name.
    Accents and case do not matter. A result may belong to another event. Takes three round trips, and one more for each later page of
    names. Orders and names from the last few seconds may be missing. Raises InvalidInput for a cursor that is not valid.
    """
    after = None if cursor is None else cursors.decode_key(cursor, _CursorKey)[0]
    number = _NUMBER.fullmatch(text.strip().upper())
    if number is not None:
        return [number[1]], None
    if "@" in text:
        return _find_by_address(event_id, text.strip(), limit, after)
    if after is not None:
        return _find_by_name(event_id, text, limit, after)
    (numbered, exact), (named, next_cursor) = parallel.both(
        lambda: parallel.both(lambda: _find_by_number(event_id, text), lambda: _find_exact(event_id, text.strip())),
        lambda: _find_by_name(event_id, text, limit, None),
    )
    return list(dict.fromkeys([*numbered, *exact, *named])), next_cursor


def find_in_all_events(text: str, limit: int) -> list[str]:
    """Return the ids of at most `limit` purchases of any events that match the text, newest first.

    The text is a complete order or ticket id, order number with its initials, ticket code, or email address. An address may belong to a
    buyer, with or without an account, or to somebody who received a ticket.
    """
    number = _NUMBER.fullmatch(text.strip().upper())
    if number is not None:
        return [number[1]]
    found = _find_all_by_address(text.strip(), limit) if "@" in text else _find_all_by_number(text) + _find_by_code(text.strip())
    return sorted(list(dict.fromkeys(found))[:limit], reverse=True)


def _find_all_by_address(address: str, limit: int) -> list[str]:
    (own, _), known = parallel.both(
        lambda: directory.list_accounts(address, None, 1, None), lambda: queries.list_order_ids_of_address(address, limit)
    )
    for account in own:
        if email_key(account.email) == email_key(address):
            orders, _ = queries.list_own_orders(account.user_id, limit, None)
            return [*(order.id for order in orders), *known]
    return known


def _find_all_by_number(text: str) -> list[str]:
    initials = _INITIALS.fullmatch(text.strip().upper())
    if initials is None:
        return []
    events = [event.id for event in catalog.snapshot().events.values() if number_prefix(event.slug or event.id) == initials[1]]
    found = parallel.call_each(lambda event_id: _find_by_number(event_id, text), events[:MAX_EVENTS])
    return [order_id for ids in found for order_id in ids]


def _find_by_number(event_id: str, text: str) -> list[str]:
    """Return the orders with this number, of which there may by chance be several. Also searches the newest failed payments.

    Failed payments have no search terms.
    """
    key = parse_order_key(text)
    if key is None:
        return []
    term, generation = f"number#{key}#", store.load_generations().current
    entries, _ = store.query_index(generation, event_id, term, term + _LAST, None)
    failed = islice(store.query_orders(generation, event_id, None, "failed"), MAX_FAILED_READ) if not entries else ()
    return [found.removeprefix(term) for found, _ in entries] or [row.order_id for row in failed if order_key(row.order_id) == key]


def _find_exact(event_id: str, text: str) -> list[str]:
    """Return the order of the ticket with this code, and the orders of the buyer with this id."""
    if not text or " " in text:
        return []
    code_order_ids, buyer_order_ids = parallel.both(lambda: _find_by_code(text), lambda: queries.list_event_order_ids(text, event_id))
    return [*code_order_ids, *sorted(buyer_order_ids, reverse=True)]


def _find_by_code(code: str) -> list[str]:
    found_ticket_id = find_ticket_id(normalize_code(code)) if code else None
    return [found_ticket_id.rpartition("-")[0]] if found_ticket_id is not None else []


def _read_index(generation: int, event_id: str, prefix: str, after: str | None) -> tuple[list[tuple[str, list[str]]], bool]:
    """Read the terms that begin with `prefix`, like `store.query_index`. Raises InvalidInput if `after` is from another search."""
    if after is not None and not after.startswith(prefix):
        raise cursors.not_a_cursor()
    return store.query_index(generation, event_id, prefix, prefix + _LAST, after)


def _find_by_address(event_id: str, address: str, limit: int, after: str | None) -> tuple[list[str], str | None]:
    term = f"{_address_term(address)}#"
    entries, is_cut = _read_index(store.load_generations().current, event_id, term, after)
    # An address may contain `#`, so a longer address may begin with the whole term.
    found = [(key, key.removeprefix(term)) for key, _ in entries if "#" not in key.removeprefix(term)]
    return _page(found, limit, entries[-1][0] if is_cut else None)


def _find_by_name(event_id: str, text: str, limit: int, after: str | None) -> tuple[list[str], str | None]:
    words = sorted(set(name_words(text)[:MAX_WORDS]), key=len, reverse=True)
    if not words:
        return [], None
    first = f"name#{words[0]}"  # the longest word, because it matches the fewest names
    generation = store.load_generations().current
    entries, is_cut = _read_index(generation, event_id, first, after)
    found: dict[str, str] = {}  # order id -> its first key on this page; an order has a key for each word that begins with `words[0]`
    for key, names in entries:
        word, order_id = _word_and_order(key)
        if order_id not in found and word in _matching_words(words, names):
            found[order_id] = key
    matches = [(key, order_id) for order_id, key in found.items()]
    if after is not None:
        matches = list(islice(_not_on_earlier_pages(generation, event_id, words, matches), limit + 1))
    return _page(matches, limit, entries[-1][0] if is_cut else None)


def _word_and_order(key: str) -> tuple[str, str]:
    word, order_id = key.removeprefix("name#").rsplit("#", 1)
    return word, order_id


def _not_on_earlier_pages(generation: int, event_id: str, words: list[str], matches: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the matches. Leaves out orders that an earlier page has listed under another matching word."""
    for start in range(0, len(matches), dynamo.MAX_BATCH_GET):
        chunk = matches[start : start + dynamo.MAX_BATCH_GET]
        known = store.load_index(generation, event_id, [order_id for _, order_id in chunk])
        for key, order_id in chunk:
            word, _ = _word_and_order(key)
            names = {name for names in known.get(order_id, {}).values() for name in names}
            if min(_matching_words(words, names), default=word) >= word:
                yield key, order_id


def _matching_words(words: list[str], names: Iterable[str]) -> set[str]:
    """Return the words that begin with `words[0]`, from the names that match all words."""
    split = [name.split() for name in names]
    fitting = [name for name in split if all(any(known.startswith(word) for known in name) for word in words)]
    return {known for name in fitting for known in name if known.startswith(words[0])}


def _page(found: list[tuple[str, str]], limit: int, read_to: str | None) -> tuple[list[str], str | None]:
    """Return the order ids of the first `limit` entries and a cursor. `read_to` is the last key read, or None if no entries follow."""
    position = found[limit - 1][0] if len(found) > limit else read_to
    return [order_id for _, order_id in found[:limit]], cursors.encode_key((position,)) if position is not None else None
