"""Table `payment-transactions`, the ledger's keys and queries. An entry is put where there is none; nothing here changes or deletes one.

Hash key `lane` = `<event_id>#<n>`, range key `entry` = `<purchase_id>#<kind>#<reference>`. All entries of a purchase are in one lane, next
to each other, so one strongly consistent query finds them; there is no index, which would be late, and hot during a sale. A DynamoDB
partition takes 1,000 write units a second, an entry in a transaction costs two, and new purchases always write at the end of their lane,
where splitting it would not help: so an event has several.
"""

import heapq
import re
from collections.abc import Iterator
from zlib import crc32

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition

from chalicelib import dynamo

# 4,000 write units: 2,000 entries a second for each event. It cannot change: old entries would be looked for in the wrong lane.
LANES = 4

# Characters of ids all sort above `#` and `$`: keys sort as their purchases do, and no id can be taken for the beginning of another.
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
MAX_REFERENCE = 255  # Stripe's ids are not longer


class EntryRow(dynamo.Table):
    feature = "payment-transactions"

    class Meta:
        table_name = None

    lane = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)
    amount_cents = NumberAttribute()
    currency = UnicodeAttribute()
    provider = UnicodeAttribute()
    at = NumberAttribute()
    facts = UnicodeAttribute()


def key(event_id: str, purchase_id: str, kind: str, reference: str) -> tuple[str, str]:
    """`lane` and `entry`. Raises ValueError for what could be confused with another key."""
    if not 1 <= len(reference) <= MAX_REFERENCE:
        raise ValueError(f"a reference has 1 to {MAX_REFERENCE} characters, not {len(reference)}")
    return _lane(event_id, purchase_id), f"{purchase_id}#{kind}#{reference}"


def parts(row: EntryRow) -> tuple[str, str, str, str]:
    """What `key` was made of."""
    purchase_id, kind, reference = row.entry.split("#", 2)
    return row.lane.rpartition("#")[0], purchase_id, kind, reference


def creation(row: EntryRow) -> dynamo.TransactItem:
    return dynamo.put(row, _ABSENT)


def create(row: EntryRow) -> bool:
    """Put one entry by itself; False if there was one, which stays."""
    return dynamo.insert(row, _ABSENT) is None


def of_purchase(event_id: str, purchase_id: str) -> Iterator[EntryRow]:
    """Strongly consistent, in order of the key."""
    return EntryRow.query(_lane(event_id, purchase_id), EntryRow.entry.startswith(f"{purchase_id}#"), consistent_read=True)


def of_event(event_id: str) -> Iterator[EntryRow]:
    """All lanes, merged in order of the purchase id; strongly consistent page by page, and one page of each lane in memory."""
    return _merged(event_id, None)


def of_event_between(event_id: str, first_purchase_id: str, last_purchase_id: str) -> Iterator[EntryRow]:
    """As `of_event`, of the purchases from the first to the last, both included."""
    first, last = _checked(first_purchase_id), _checked(last_purchase_id)
    if first > last:
        return iter(())  # nothing is between them; DynamoDB would refuse to say so
    return _merged(event_id, EntryRow.entry.between(f"{first}#", f"{last}$"))  # `$` comes next after `#`


# Absent: what is in the ledger stays as it was written, whoever comes again.
_ABSENT: Condition = EntryRow.entry.does_not_exist()


def _merged(event_id: str, within: Condition | None) -> Iterator[EntryRow]:
    event_id = _checked(event_id)
    lanes = [EntryRow.query(f"{event_id}#{number}", within, consistent_read=True) for number in range(LANES)]
    return heapq.merge(*lanes, key=lambda row: row.entry)


def _lane(event_id: str, purchase_id: str) -> str:
    return f"{_checked(event_id)}#{crc32(_checked(purchase_id).encode()) % LANES}"


def _checked(one: str) -> str:
    if not _ID.fullmatch(one):
        raise ValueError(f"{one!r} cannot be a part of a key")
    return one
