"""Table `waitlist`: entries by user, waiting entries by event and order of arrival, open offers by event, and the lines of all events.

Related items are written in one transaction: an entry has a place in its line exactly while it is waiting, and is among the open offers
exactly while it has an open offer.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from zlib import crc32

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute

from chalicelib.addons.waitlist.model import BallotOffer, Census, Draw, Entry, EntryState, Line, Place, entry_event_id
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import memory, parallel
from chalicelib.foundation.memory import Memory
from chalicelib.payments.model import SavedCard
from chalicelib.waiting_room.draw import MAX_N

PARTS = 4  # per line; each part accepts 500 joins a second
FORMER_PARTS = 2  # entries from releases up to 0.2.0 are in the first two parts
CENSUS_SECONDS = 10  # how long an instance uses its copy of a census, which the allocator writes once a minute
FIRST_PAGE, PAGE_GROWTH, LAST_PAGE = 16, 4, 1024  # how many places of one part a query reads; 1024 places take half a megabyte
LEASE_SECONDS = 30
_LINES = "lines"


class WaitlistRow(dynamo.Table):
    """A row. Its `pk` identifies its kind.

    In a `user#<user id>` row, `sk` is the event id and `content` is the entry. In a `waiting#<event id>#<part>` or `offers#<event id>` row,
    `sk` is the entry's id and `content` is the entry. In the next three kinds of rows, `sk` is the event id: a `lines` row is an event's
    line, an `arrivals#<event id>#<part>` row counts the `people` who have ever joined and their `tickets`, and a `census#<event id>` row
    has the census as compressed JSON in its `body`. A `drawn#<event id>` row has an offer of the event's ballot, and its `sk` has the
    number of the room and the position that the draw gave the person. The other attributes are the fields of `Place` and `Line`.
    """

    feature = "waitlist"
    contents = "Entries of the waitlist by user, and waiting entries and offers by event."
    personal_data = dynamo.PersonalData(
        "what somebody is waiting for, and the provider's ids of a saved card", export="yes", erasure="deleted"
    )

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    content = StructAttribute(Entry, null=True)
    entry_id = UnicodeAttribute(null=True)
    state = UnicodeAttribute(null=True)
    card_changes = NumberAttribute(null=True)
    passed_at = NumberAttribute(null=True)
    ballot_offer = StructAttribute(BallotOffer, null=True)
    told_to = UnicodeAttribute(null=True)
    checked_to = UnicodeAttribute(null=True)
    stock_ids = UnicodeSetAttribute(null=True)
    draws = StructAttribute(dict[str, Draw], null=True)
    namings = NumberAttribute(null=True)
    leased_by = UnicodeAttribute(null=True)
    leased_until = NumberAttribute(null=True)
    last_run_at = NumberAttribute(null=True)
    accepted = NumberAttribute(null=True)
    declined = NumberAttribute(null=True)
    expired = NumberAttribute(null=True)
    people = NumberAttribute(null=True)
    tickets = NumberAttribute(null=True)
    body = BinaryAttribute(legacy_encoding=False, null=True)
    ttl = NumberAttribute(null=True)


_OUTCOME_COUNTS: dict[EntryState, NumberAttribute] = {
    "accepted": WaitlistRow.accepted,
    "declined": WaitlistRow.declined,
    "expired": WaitlistRow.expired,
}
_EXISTS, _ABSENT = WaitlistRow.pk.exists(), WaitlistRow.pk.does_not_exist()
_censuses: Memory[str, tuple[int, Census | None]] = Memory(
    max_entries=1000
)  # by event id, each with the time at which this instance read it


def find_entry(user_id: str, event_id: str) -> Entry | None:
    """Find the user's latest entry for an event, even an ended entry. The read is strongly consistent."""
    row = WaitlistRow.find(_user_key(user_id), event_id)
    return None if row is None else row.content


def find_entry_and_line(user_id: str, event_id: str) -> tuple[Entry | None, Line | None]:
    """Find the user's latest entry and the line of the event, if any, with one strongly consistent read."""
    rows = {row.pk: row for row in WaitlistRow.find_all([(_user_key(user_id), event_id), (_LINES, event_id)])}
    entry, line = rows.get(_user_key(user_id)), rows.get(_LINES)
    return entry.content if entry is not None else None, _line(line) if line is not None else None


def find_waiting(entry_id: str) -> Place | None:
    """Find the place of a waiting entry with a strongly consistent read. Returns None if the entry no longer waits or does not exist."""
    keys = {(_part_key(entry_id, parts), entry_id) for parts in (PARTS, FORMER_PARTS)}
    found = WaitlistRow.find_all(keys)
    return _place(found[0]) if found else None


def list_user_entries(user_id: str) -> list[Entry]:
    """List the latest entry of a user for each event. The read is strongly consistent."""
    return [row.content for row in WaitlistRow.query(_user_key(user_id))]


def read_pages(event_id: str, after: str | None = None, size: int = FIRST_PAGE) -> Iterator[list[Place]]:
    """Iterate over an event's places in order of arrival, page by page, from the beginning or from the entry that follows `after`.

    A page takes one strongly consistent query for each part, and the queries run in parallel. The queries of the first page read up to
    `size` places each. Later pages are larger, so that both the first places and the whole line take few round trips.
    """
    unread: dict[int, list[Place]] = {part: [] for part in range(PARTS)}  # by part with more places: places read but not yet returned
    rest = list[Place]()  # places not yet returned from parts that were read to their end
    position = dict.fromkeys(unread, after)

    def read(part: int) -> list[Place]:
        condition = None if position[part] is None else WaitlistRow.sk > position[part]
        return [_place(row) for row in WaitlistRow.query(f"waiting#{event_id}#{part}", condition, limit=size)]

    while unread:
        parts = [part for part, places in unread.items() if len(places) <= size // 2]
        for part, places in zip(parts, parallel.call_each(read, parts), strict=True):
            unread[part] += places
            if len(places) < size:
                rest += unread.pop(part)
            else:
                position[part] = places[-1].entry.id
        rest.sort(key=_arrival)
        # Each part in `unread` may have more places after the last place read, so the order is final only up to the earliest last place.
        until = min((places[-1].entry.id for places in unread.values()), default=None)
        page = list[Place]()
        for places in (rest, *unread.values()):
            count = len(places) if until is None else bisect_right(places, until, key=_arrival)
            page += places[:count]
            del places[:count]
        yield sorted(page, key=_arrival)
        size = min(size * PAGE_GROWTH, LAST_PAGE)


def list_places(event_id: str) -> list[Place]:
    """List all places of an event in order of arrival. For checks and tests, never for requests."""
    return [place for page in read_pages(event_id) for place in page]


def list_offered(event_id: str, after: str | None = None, limit: int | None = None) -> list[Entry]:
    """List the entries whose offer has no recorded outcome yet, in order of arrival. The read is strongly consistent.

    Lists up to `limit` entries that follow the entry `after`.
    """
    condition = None if after is None else WaitlistRow.sk > after
    return [row.content for row in WaitlistRow.query(f"offers#{event_id}", condition, limit=limit)]


def list_lines() -> list[Line]:
    """List the lines of all events, even if nobody waits any more. The line whose last run was longest ago comes first."""
    return sorted((_line(row) for row in WaitlistRow.query(_LINES)), key=lambda line: line.last_run_at)


def find_line(event_id: str) -> Line | None:
    """Return the line of an event with a strongly consistent read. Returns None if the event has no line."""
    row = WaitlistRow.find(_LINES, event_id)
    return None if row is None else _line(row)


def find_lines(event_ids: Iterable[str]) -> list[Line]:
    """Return the lines of these events, with strongly consistent reads of up to 100 lines. Events without a line are left out."""
    found = WaitlistRow.find_all((_LINES, event_id) for event_id in event_ids)
    return sorted(map(_line, found), key=lambda line: line.event_id)


def reopen_lines(events: Mapping[str, int]) -> None:
    """Reopen lines that were deleted while people were still waiting. `events` has the `ttl` of the new lines by event id.

    Reopens only lines that have a census, because a census outlives its line. Takes one round trip per 100 events, and one for each line.
    """
    for row in WaitlistRow.find_all([(f"census#{event_id}", event_id) for event_id in events], consistent_read=False):
        open_line(row.sk, events[row.sk])


def scan_entries() -> Iterator[Entry]:
    """Iterate over the entries of all users. Reads the whole table: for checks, never for requests."""
    return (row.content for row in WaitlistRow.scan() if row.pk.startswith("user#"))


def open_line(event_id: str, ttl: int) -> None:
    """Create the line of an event if the event has no line, with an empty census until `ttl`. Allocators run only for events with a line.

    A line of an earlier version gets no empty census, because people would see a position that ignores the people ahead of them.
    """
    if dynamo.put_if(WaitlistRow(_LINES, event_id), _ABSENT):
        dynamo.put_if(_census_row(event_id, Census(full_at=0), ttl), _ABSENT)


def delete_line(line: Line) -> None:
    """Delete the line of an event that has ended."""
    WaitlistRow(_LINES, line.event_id).delete()


def add_stocks(event_id: str, stock_ids: Iterable[str]) -> None:
    """Record stocks whose returned tickets are for the line."""
    dynamo.update_if(WaitlistRow(_LINES, event_id), [WaitlistRow.stock_ids.add(set(stock_ids)), WaitlistRow.namings.add(1)], _EXISTS)


def remove_stocks(line: Line, stock_ids: Iterable[str]) -> bool:
    """Remove stocks from a line. Returns False and writes nothing if stocks were added since the line was read."""
    return dynamo.update_if(
        WaitlistRow(_LINES, line.event_id), [WaitlistRow.stock_ids.delete(set(stock_ids))], _has_same_stocks_and_draws(line)
    )


def set_draws(line: Line, draws: Mapping[str, Draw], items: Iterable[dynamo.TransactItem] = ()) -> bool:
    """Replace the draws of a line, and write the `items`. Returns False and writes nothing if stocks or draws were added meanwhile."""
    changes = [WaitlistRow.draws.set(dict(draws)), WaitlistRow.namings.add(1)]
    try:
        dynamo.transact([dynamo.transact_update(WaitlistRow(_LINES, line.event_id), changes, _has_same_stocks_and_draws(line)), *items])
    except dynamo.ConditionFailed:
        return False
    return True


def save_run(event_id: str, now: int) -> None:
    """Record that a scheduled run has tried the line of an event."""
    dynamo.update_if(WaitlistRow(_LINES, event_id), [WaitlistRow.last_run_at.set(now)], _EXISTS)


def take_lease(event_id: str, allocator: str, now: int, *, is_following: bool = False) -> bool:
    """Let only this allocator make offers for LEASE_SECONDS. Returns False if another allocator holds the lease.

    A run that follows a change does not count the line, so it does not delay the line's next scheduled run.
    """
    is_free = _EXISTS & (WaitlistRow.leased_by.does_not_exist() | (WaitlistRow.leased_until <= now))
    changes = [WaitlistRow.leased_by.set(allocator), WaitlistRow.leased_until.set(now + LEASE_SECONDS)]
    if not is_following:
        changes.append(WaitlistRow.last_run_at.set(now))
    return dynamo.update_if(WaitlistRow(_LINES, event_id), changes, is_free)


def extend_lease(event_id: str, allocator: str, now: int) -> bool:
    """Extend the lease of this allocator to LEASE_SECONDS from `now`. Returns False if the allocator no longer holds the lease."""
    changes = [WaitlistRow.leased_until.set(now + LEASE_SECONDS)]
    return dynamo.update_if(WaitlistRow(_LINES, event_id), changes, WaitlistRow.leased_by == allocator)


def end_lease(event_id: str, allocator: str) -> None:
    """End the lease of this allocator. Does nothing if another allocator holds the lease."""
    changes = [WaitlistRow.leased_by.remove(), WaitlistRow.leased_until.remove()]
    dynamo.update_if(WaitlistRow(_LINES, event_id), changes, WaitlistRow.leased_by == allocator)


def count_arrival(entry: Entry) -> Entry:
    """Count a new entry among the people who have ever joined its line. Returns the entry with its numbers."""
    part = crc32(entry.id.encode()) % PARTS
    row = WaitlistRow(f"arrivals#{entry.event_id}#{part}", entry.event_id)
    dynamo.update_now(row, [WaitlistRow.ttl.set(entry.ttl), WaitlistRow.people.add(1), WaitlistRow.tickets.add(entry.quantity)])
    people, tickets = read_arrivals(entry.event_id)
    return replace(entry, people_to=people, tickets_to=tickets, parts=PARTS)


def read_arrivals(event_id: str) -> tuple[int, int]:
    """Return how many people have ever joined the line of an event, and for how many tickets. The read is strongly consistent."""
    rows = WaitlistRow.find_all((f"arrivals#{event_id}#{part}", event_id) for part in range(PARTS))
    return sum(int(row.people) for row in rows), sum(int(row.tickets) for row in rows)


def find_census(event_id: str) -> Census | None:
    """Return the last census of a line with a strongly consistent read, ignoring this instance's copy."""
    return _find_census(event_id, consistent_read=True)


def cached_census(event_id: str, now: int) -> Census | None:
    """Return this instance's copy of the last census of a line. Reads the store about once every CENSUS_SECONDS."""
    read_at, census = _censuses.entries.get(event_id, (-CENSUS_SECONDS, None))
    if not read_at <= now < read_at + CENSUS_SECONDS:
        census = _find_census(event_id, consistent_read=False)
        _remember_census(event_id, census, now)
    return census


def save_census(event_id: str, census: Census, now: int, ttl: int) -> None:
    """Replace the census of a line."""
    _census_row(event_id, census, ttl).save()
    _remember_census(event_id, census, now)


def create_entry(entry: Entry, before: Entry | None) -> bool:
    """Write a new entry and its place, replacing the user's ended entry. Returns False if the user has joined in the meantime."""
    condition = _ABSENT if before is None else WaitlistRow.entry_id == before.id
    try:
        dynamo.transact([dynamo.transact_put(_entry_row(entry), condition), dynamo.transact_put(_place_row(entry))])
    except dynamo.ConditionFailed:
        return False
    return True


def prolong_entry(entry: Entry, ttl: int) -> None:
    """Keep a waiting entry and its place until `ttl`. Does nothing if the entry no longer waits."""
    after = replace(entry, ttl=ttl)
    changes = [WaitlistRow.content.set(after), WaitlistRow.ttl.set(ttl)]
    with suppress(dynamo.ConditionFailed):
        dynamo.transact([_change_item(entry, after), dynamo.transact_update(_place_key_row(entry), changes, _EXISTS)])


def prolong_arrivals(event_id: str, ttl: int) -> None:
    """Keep the counts of people who have ever joined the line of an event, and of their tickets, until `ttl`."""
    for part in range(PARTS):
        dynamo.update_if(WaitlistRow(f"arrivals#{event_id}#{part}", event_id), [WaitlistRow.ttl.set(ttl)], _EXISTS)


def save_card(entry: Entry, card: SavedCard, item: dynamo.TransactItem) -> Entry | None:
    """Write the card of a waiting entry, together with `item`. Returns None if the entry has changed."""
    after = replace(entry, card=card, card_changes=entry.card_changes + 1)
    try:
        dynamo.transact(
            [_change_item(entry, after), dynamo.transact_update(_place_key_row(entry), [WaitlistRow.content.set(after)], _EXISTS), item]
        )
    except dynamo.ConditionFailed:
        return None
    return after


def end_waiting(entry: Entry, now: int, items: Iterable[dynamo.TransactItem]) -> Entry | None:
    """End a waiting entry, remove its card, and write `items`. Returns None if the entry no longer waits, or has a new card."""
    after = replace(entry, state="left", ended_at=now, card=None)
    try:
        dynamo.transact([_change_item(entry, after), dynamo.transact_delete(_place_key_row(entry)), *items])
    except dynamo.ConditionFailed:
        return None
    return after


def offer_items(entry: Entry, purchase_id: str, until: int, allocator: str | None) -> list[dynamo.TransactItem]:
    """Return the items that mark a waiting entry as offered. The transaction fails if the entry no longer waits.

    If `allocator` is given, the transaction also fails unless this allocator holds the lease.
    """
    after = replace(entry, state="offered", purchase_id=purchase_id, offered_until=until)
    items = [
        _change_item(entry, after),
        dynamo.transact_delete(_place_key_row(entry)),
        dynamo.transact_put(_offer_row(after)),
    ]
    if allocator is not None:
        line = WaitlistRow(_LINES, entry.event_id)
        items.append(dynamo.transact_update(line, [WaitlistRow.leased_by.set(allocator)], WaitlistRow.leased_by == allocator))
    return items


def ballot_offer_item(event_id: str, offer: BallotOffer, ttl: int) -> dynamo.TransactItem:
    """Return the item that publishes an offer of a ballot. The transaction fails if the position already had an offer."""
    return dynamo.transact_put(
        WaitlistRow(f"drawn#{event_id}", _ballot_key(offer.draw_number.room, offer.position), ballot_offer=offer, ttl=ttl), _ABSENT
    )


def list_ballot_offers(event_id: str, room: int, after: int = 0, limit: int | None = None) -> list[BallotOffer]:
    """List the offers of a room's draw to positions after `after`, in the drawn order."""
    condition = WaitlistRow.sk.between(_ballot_key(room, after + 1), _ballot_key(room, MAX_N))
    return [row.ballot_offer for row in WaitlistRow.query(f"drawn#{event_id}", condition, limit=limit)]


def save_notified_to(event_id: str, entry_id: str, subject: int | str) -> None:
    """Record that people up to this entry have been emailed about this subject: the room of a draw, or CANCELLATION."""
    dynamo.update_if(WaitlistRow(_LINES, event_id), [WaitlistRow.told_to.set(f"{entry_id}#{subject}")], _EXISTS)


def save_checked_to(event_id: str, checked_to: str | None) -> None:
    """Record up to which entry the open offers have been checked. With None, the next check begins at the first offer."""
    dynamo.update_if(WaitlistRow(_LINES, event_id), WaitlistRow.set_or_remove({"checked_to": checked_to}), _EXISTS)


def end_offer(before: Entry, after: Entry, items: Iterable[dynamo.TransactItem]) -> None:
    """Record the outcome of an offer and write `items`. Does nothing if the outcome is already recorded.

    If the user's data was erased, only deletes the offer.
    """
    offer = _offer_row(before)
    counted = dynamo.transact_update(WaitlistRow(_LINES, before.event_id), [_OUTCOME_COUNTS[after.state].add(1)])
    try:
        dynamo.transact([dynamo.transact_delete(offer, _EXISTS), _change_item(before, after), counted, *items])
    except dynamo.ConditionFailed as cancelled:
        if not cancelled.failed(0):
            offer.delete()


def note_passed(entry: Entry, now: int) -> None:
    """Record when a waiting entry was first passed over."""
    dynamo.update_if(_place_key_row(entry), [WaitlistRow.passed_at.set(WaitlistRow.passed_at | now)], _EXISTS)


def delete_entries(entries: Iterable[tuple[Entry, list[dynamo.TransactItem]]]) -> None:
    """Delete entries and their places, after writing the items of each entry.

    An open offer remains as a reservation, and its row in this table is deleted when the offer ends.
    """
    for entry, items in entries:
        if items:
            dynamo.transact(items)
        _place_key_row(entry).delete()
        WaitlistRow(_user_key(entry.user_id), entry.event_id).delete()


def _has_same_stocks_and_draws(line: Line) -> Any:
    """Return the condition that no stock or draw has been added to a line since it was read."""
    return WaitlistRow.namings == line.namings if line.namings else _EXISTS & WaitlistRow.namings.does_not_exist()


def _ballot_key(room: int, position: int) -> str:
    return f"{room}.{position:013}"


def _change_item(before: Entry, after: Entry) -> dynamo.TransactItem:
    """Return the item that writes an entry. The transaction fails if the entry's state or card has changed since it was read."""
    card_changes = WaitlistRow.card_changes
    has_card = card_changes == before.card_changes if before.card_changes else card_changes.does_not_exist()
    return dynamo.transact_put(_entry_row(after), (WaitlistRow.entry_id == before.id) & (WaitlistRow.state == before.state) & has_card)


def _entry_row(entry: Entry) -> WaitlistRow:
    row = WaitlistRow(_user_key(entry.user_id), entry.event_id, content=entry, entry_id=entry.id, state=entry.state, ttl=entry.ttl)
    row.card_changes = entry.card_changes or None
    return row


def _place_row(entry: Entry) -> WaitlistRow:
    row = _place_key_row(entry)
    row.content, row.ttl = entry, entry.ttl
    return row


def _offer_row(entry: Entry) -> WaitlistRow:
    return WaitlistRow(f"offers#{entry.event_id}", entry.id, content=entry, ttl=entry.ttl)


def _census_row(event_id: str, census: Census, ttl: int) -> WaitlistRow:
    return WaitlistRow(f"census#{event_id}", event_id, body=zlib.compress(msgspec.json.encode(census)), ttl=ttl)


def _find_census(event_id: str, *, consistent_read: bool) -> Census | None:
    row = WaitlistRow.find(f"census#{event_id}", event_id, consistent_read=consistent_read)
    return None if row is None else memory.decoder(Census).decode(zlib.decompress(row.body))


def _remember_census(event_id: str, census: Census | None, now: int) -> None:
    _censuses.entries[event_id] = (now, census)


def _user_key(user_id: str) -> str:
    return f"user#{user_id}"


def _place_key_row(entry: Entry) -> WaitlistRow:
    """Return a row that has only the key of an entry's place in its line."""
    return WaitlistRow(_part_key(entry.id, entry.parts), entry.id)


def _part_key(entry_id: str, parts: int) -> str:
    return f"waiting#{entry_event_id(entry_id)}#{crc32(entry_id.encode()) % parts}"


def _arrival(place: Place) -> str:
    return place.entry.id


def _place(row: WaitlistRow) -> Place:
    return Place(row.content, None if row.passed_at is None else int(row.passed_at))


def _line(row: WaitlistRow) -> Line:
    return Line(
        event_id=row.sk,
        stock_ids=frozenset(row.stock_ids or ()),
        draws=row.draws or {},
        namings=int(row.namings or 0),
        leased_by=row.leased_by,
        leased_until=int(row.leased_until or 0),
        last_run_at=int(row.last_run_at or 0),
        told_to=row.told_to,
        checked_to=row.checked_to,
        accepted=int(row.accepted or 0),
        declined=int(row.declined or 0),
        expired=int(row.expired or 0),
    )
