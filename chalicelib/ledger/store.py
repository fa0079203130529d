"""Table `payment-transactions`: keys and queries of the ledger. Entries are only ever added, never changed or deleted.

The hash key `lane` is `<event_id>#<n>`, and the range key `entry` is `<purchase_id>#<kind>#<reference>`. All entries of a purchase are
adjacent in one lane, so one strongly consistent query finds them. There is no index, because an index would lag behind and be a hot spot
during a sale. A DynamoDB partition accepts 1,000 write units a second, and an entry in a transaction costs two. New purchases always write
at the end of their lane, where splitting the partition would not help, so an event has several lanes.
"""

import heapq
import re
from collections.abc import Iterator
from typing import Any
from zlib import crc32

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute

# 4,000 write units, or 2,000 entries, a second for each event. Never change this number: old entries would not be found.
LANES = 4
PAGE_SIZE = 250  # of a lane, for callers that stop early

# All characters of ids sort above `#` and `$`, so keys sort by purchase id, and no id can be mistaken for the beginning of another id.
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
MAX_REFERENCE = 255  # the longest id that Stripe creates


class LedgerRow(dynamo.Table):
    feature = "payment-transactions"
    contents = "The money ledger."
    personal_data = dynamo.PersonalData("ids of orders and users", export="no", erasure="stays, with the user id")
    has_stream = True

    lane = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)
    amount_cents = NumberAttribute()
    currency = UnicodeAttribute()
    provider = UnicodeAttribute()
    at = NumberAttribute()
    details = StructAttribute(dict[str, Any])


# The condition of every write: entries are never overwritten.
ABSENT = LedgerRow.entry.does_not_exist()


def entry_key(event_id: str, purchase_id: str, kind: str, reference: str) -> tuple[str, str]:
    """Return the `lane` and `entry` of an entry. Raises ValueError for parts that could be confused with another key."""
    if not 1 <= len(reference) <= MAX_REFERENCE:
        raise ValueError(f"a reference has 1 to {MAX_REFERENCE} characters, not {len(reference)}")
    return _lane(event_id, purchase_id), f"{purchase_id}#{kind}#{reference}"


def entry_key_parts(row: LedgerRow) -> tuple[str, str, str, str]:
    """Return the event id, purchase id, kind and reference in a row's key."""
    purchase_id, kind, reference = row.entry.split("#", 2)
    return row.lane.rpartition("#")[0], purchase_id, kind, reference


def query_purchase(event_id: str, purchase_id: str) -> Iterator[LedgerRow]:
    """Return the entries of one purchase in order of the key, with a strongly consistent query."""
    return LedgerRow.query(_lane(event_id, purchase_id), LedgerRow.entry.startswith(f"{purchase_id}#"))


def query_event(event_id: str) -> Iterator[LedgerRow]:
    """Yield the entries of an event, merged from its lanes by purchase id. Reads strongly consistent pages, one per lane at a time."""
    return _merge_lanes(event_id, None)


def query_event_between(event_id: str, first_purchase_id: str, last_purchase_id: str) -> Iterator[LedgerRow]:
    """Yield entries like `query_event`, but only for purchases from the first to the last id, both included, PAGE_SIZE from each lane."""
    first, last = _checked_id(first_purchase_id), _checked_id(last_purchase_id)
    if first > last:
        return iter(())  # DynamoDB rejects a range that ends before it begins
    return _merge_lanes(event_id, LedgerRow.entry.between(f"{first}#", f"{last}$"), PAGE_SIZE)  # `$` is the character after `#`


def scan(segments: int = 1) -> Iterator[LedgerRow]:
    """Yield all entries of all events in no particular order, with a strongly consistent read of the whole table."""
    return LedgerRow.scan(segments=segments)


def _merge_lanes(event_id: str, within: Condition | None, page_size: int | None = None) -> Iterator[LedgerRow]:
    event_id = _checked_id(event_id)
    lanes = [LedgerRow.query(f"{event_id}#{number}", within, page_size=page_size) for number in range(LANES)]
    return heapq.merge(*lanes, key=lambda row: row.entry)


def _lane(event_id: str, purchase_id: str) -> str:
    return f"{_checked_id(event_id)}#{crc32(_checked_id(purchase_id).encode()) % LANES}"


def _checked_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"{text!r} cannot be a part of a key")
    return text
