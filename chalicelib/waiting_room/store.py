"""The `waiting-room` table: rooms, arrival counters and entries.

| id | content |
| --- | --- |
| `room#<event>` | the current room of an event: its key and commitment, the result of the draw, the admission plan |
| `counter#<event>#<room>#<counter>` | the number of arrivals of a counter, which closes before the opening; `late` counts later arrivals |
| `entry#<event>#<room>#<user>` | the arrival of a user, an address or a card |
| `group#<event>#<room>#<group>` | a group's arrival and its members, each of whom has the same number under their own name |
| `pass#<event>#<pass>` | the session of another shop in which a pass was used |
| `code#<event>#<address>#<user>` | the code that was mailed to an address for a user |
| `appeal#<event>#<appeal>`, `appeals#<event>` | an appeal, and the numbers of appeals (`appeals.py`) |
| `appeals-of#<user>` | the names of the rows of a user's appeals |
| `excluded#<event>#<room>#<reason>` | the number of requests to which the rule of entry gave no new place |
| `lane#<event>#<room>#<lane>` | the newest build of a lane of the list (`entries.py`); how many entries are missing because of groups |
| `page#<event>#<room>#<build>#<page>` | a page of the list of entries |
| `roots#<event>#<room>#<build>` | the roots of the pages of a build |
| `odds#<address or card>` | the ballots of a promoter that drew no tickets for an address or card; they improve its odds in the next one |

A write that loses a race against another request changes nothing and raises one of the exceptions below. The caller loads the data again
and retries.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.catalog.model import ADDRESS_RULES, PERSON_RULES, EntryRule, Event
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.struct_attribute import StructAttribute
from chalicelib.foundation import parallel
from chalicelib.foundation.memory import Memory
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.draw import Chain, beacon_randomness, commitment, parse_chain, round_of_draw, round_time
from chalicelib.waiting_room.entries import LANE_BITS, MAX_MEMBERS, MAX_WEIGHT, Entry
from chalicelib.waiting_room.model import (
    ENTRY_REASONS,
    LATE,
    Appeal,
    Arrival,
    EntryReason,
    GroupFull,
    InvitationInvalid,
    OddsKey,
)

LANES = 1 << LANE_BITS
# Before the closing of the draw: longer than a request may take, so that no group changes while the list of entries is built.
GROUP_CLOSING_SECONDS = 60
DAY_SECONDS = 86_400
LOST_SECONDS = 730 * DAY_SECONDS  # how long a lost ballot counts


class RoomConflict(Exception):
    """Another request changed the room after it was read."""


class CounterClosed(Exception):
    """The counter has closed, because the sale has opened. `room` is the number of the counter's room."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room


class EntryConflict(Exception):
    """Another request from the same user wrote the entry after it was read."""


class EntryIndex(GlobalSecondaryIndex[Any]):
    """The index that lists the entries of the draw in the order of their digests. Entries of late arrivals are not in it."""

    class Meta:
        index_name = "entry"
        projection = KeysOnlyProjection()

    lane = UnicodeAttribute(hash_key=True)
    entry = UnicodeAttribute(range_key=True)


class WaitingRoomRow(dynamo.Table):
    """A room, a counter, an entry or a part of the list of entries; each uses some of the attributes."""

    feature = "waiting-room"
    contents = "Waiting rooms, their arrival counters, and the places of users."
    personal_data = dynamo.PersonalData(
        "the places of users in line, digests of their addresses and cards, their appeals, and the ballots that they lost",
        export="only the appeals; users see their places on the page of the event",
        erasure="expires; lost ballots are deleted, and the texts of appeals and answers are emptied",
    )

    id = UnicodeAttribute(hash_key=True)
    room = NumberAttribute(null=True)
    version = NumberAttribute(null=True)
    key = UnicodeAttribute(null=True)
    commitment = UnicodeAttribute(null=True)
    counters = NumberAttribute(null=True)
    late_counters = NumberAttribute(null=True)
    n = NumberAttribute(null=True)
    offsets = StructAttribute(list[int], null=True)
    segments = StructAttribute(list[Segment], null=True)
    revision = NumberAttribute(null=True)  # for functions of earlier versions, which write revisions of another counter
    public_revision = NumberAttribute(null=True)
    sized_wave = NumberAttribute(null=True)
    opening_lease_ends_at = NumberAttribute(null=True)
    arrivals = NumberAttribute(null=True)
    closed = BooleanAttribute(null=True)
    arrival = StructAttribute(Arrival, null=True)
    lane = UnicodeAttribute(null=True)  # `<event>#<room>#<first hex digit of the digest>`
    entry = UnicodeAttribute(null=True)  # `<digest in hex>#<counter>#<number>`
    closing_seconds = NumberAttribute(null=True)
    closed_at = NumberAttribute(null=True)
    closed_counts = StructAttribute(list[int], null=True)
    root = UnicodeAttribute(null=True)
    root_at = NumberAttribute(null=True)
    builds = StructAttribute(list[str], null=True)
    chain = UnicodeAttribute(null=True)  # as `draw.parse_chain` reads it
    closes_at = NumberAttribute(null=True)
    round = NumberAttribute(null=True)
    signature = UnicodeAttribute(null=True)
    build = UnicodeAttribute(null=True)
    built_at = NumberAttribute(null=True)
    given_up = NumberAttribute(null=True)  # how many more numbers than entries there are, because of groups
    lease_ends_at = NumberAttribute(null=True)
    session = UnicodeAttribute(null=True)
    content = BinaryAttribute(legacy_encoding=False, null=True)
    rule = UnicodeAttribute(null=True)  # of entry; absent: `open`
    groups = BooleanAttribute(null=True)  # absent in rooms of earlier versions
    members = UnicodeSetAttribute(null=True)  # of a group: the names of their rows; or the names of the rows of a user's appeals
    holder_id = UnicodeAttribute(null=True)  # the id of the user whose digest is the arrival's `holder`
    code = UnicodeAttribute(null=True)  # a keyed digest
    attempts = NumberAttribute(null=True)
    series = UnicodeAttribute(null=True)
    weights = StructAttribute(list[int], null=True)  # how many entries have one number, two numbers, and so on
    lost = UnicodeSetAttribute(null=True)  # ballots, each as `<time of the draw>.<event>`
    won_at = NumberAttribute(null=True)
    appeal = StructAttribute(Appeal, null=True)
    granted = NumberAttribute(null=True)
    denied = NumberAttribute(null=True)
    ttl = NumberAttribute(null=True)
    entry_index = EntryIndex()


_ABSENT, _IS_NOT_DRAWN = WaitingRoomRow.id.does_not_exist(), WaitingRoomRow.n.does_not_exist()
_EXISTS = WaitingRoomRow.id.exists()


class Room(msgspec.Struct, frozen=True):
    """The current room of an event. `key` (hex) is secret until the draw sets `n`.

    Until the draw, `segments` is empty and the event's configuration applies, unless an admin has changed the waves. `revision` is the
    newest public revision of the catalog that the room has followed. `sized_wave` is the second of the last wave whose size was decided
    from the stock. Until `opening_lease_ends_at`, only the instance with the lease may close the counters or make the draw. Times are epoch
    seconds; 0 means never. Rooms of earlier versions have one late counter.

    The counters close `closing_seconds` before the opening; `closed_counts` has the number of arrivals of each. Then the list of entries
    is built, and `root` is its root (hex). `builds` has the build of each lane. With `closing_seconds` 0, the counters close at the opening
    and there is no list; this is also how rooms of earlier versions behave.

    With a `chain`, the order also depends on a round of this chain, and there always is a list. `closes_at` is when the counters were due
    to close. The `round` is fixed when the list is published. `signature` (hex) is the round's verified signature, without which the room
    does not open, unless nobody takes part in the draw.

    `rule` is the rule of entry. It follows the event until somebody has joined. With `has_groups`, people may form groups, whose members
    all have entries. After the first join, a room with groups keeps them. In rooms of earlier versions, `has_groups` is None, and the list
    has groups instead of members.

    With better odds, `series` names the ballots that count for each other, and addresses and cards have the same names in all of them. A
    room's series never changes. `weights` says how many entries of the list have one number, two numbers, and so on.
    """

    event_id: str
    number: int
    version: int
    key: str
    commitment: str
    counters: int
    n: int | None
    offsets: list[int]
    segments: list[Segment]
    revision: int
    sized_wave: int = 0
    opening_lease_ends_at: int = 0
    late_counters: int = 1
    closing_seconds: int = 0
    closed_at: int = 0
    closed_counts: list[int] | None = None
    root: str | None = None
    root_at: int = 0
    builds: list[str] = []
    chain: Chain | None = None
    closes_at: int = 0
    round: int | None = None
    signature: str | None = None
    rule: EntryRule = "open"
    has_groups: bool | None = None
    series: str | None = None
    weights: list[int] = []

    @property
    def has_better_odds(self) -> bool:
        """Whether addresses or cards for which earlier ballots drew no tickets have several numbers."""
        return self.series is not None and self.rule in PERSON_RULES

    @property
    def realm(self) -> str:
        """The scope in which an address or card has the same name: the event, or all ballots of the promoter that have better odds."""
        return self.series or self.event_id

    @property
    def has_list(self) -> bool:
        """Whether the room publishes the list of its entries before the draw."""
        return self.closing_seconds > 0 or self.chain is not None

    @property
    def round_at(self) -> int | None:
        """When the round of the draw is due, or None if the room has no beacon, or its round is not fixed yet."""
        return None if self.chain is None or self.round is None else round_time(self.chain, self.round)

    @property
    def randomness(self) -> str | None:
        """The randomness (hex) of the draw's round, or None if its signature is not known."""
        return None if self.signature is None else beacon_randomness(bytes.fromhex(self.signature)).hex()

    @property
    def lacks_round(self) -> bool:
        """Whether the room cannot open before the round of its draw is known."""
        return self.chain is not None and self.signature is None and self.drawn_counts is not None and self.drawn_counts[0] > 0

    @property
    def drawn_counts(self) -> tuple[int, list[int]] | None:
        """The number of arrivals in the draw, and the offset of each counter; None while the counters count."""
        if self.n is not None:
            return self.n, self.offsets
        return None if self.closed_counts is None else (sum(self.closed_counts), offsets_of(self.closed_counts))


class Lane(msgspec.Struct, frozen=True):
    """The newest build of a lane of the list: its name, how many numbers its entries have, and when it was made.

    With better odds, `weights` says how many entries have one number, two numbers, and so on.
    """

    number: int
    build: str
    count: int
    built_at: int
    weights: list[int] = []


class Arrivals(msgspec.Struct, frozen=True):
    """The numbers of arrivals in a room: `drawn` is the number up to the opening, and `late` has the number in each late counter.

    `excluded` has, by reason, the numbers of requests to which the rule of entry gave no new place. With better odds, `drawn` counts all
    numbers of each arrival.
    """

    drawn: int = 0
    late: tuple[int, ...] = (0,)
    excluded: dict[EntryReason, int] = {}

    @property
    def total(self) -> int:
        return self.drawn + sum(self.late)

    @property
    def last_position(self) -> int:
        """The last position given out. It is higher than `total` while some late counters lag behind the others."""
        positions = [(number - 1) * len(self.late) + place for place, number in enumerate(self.late, 1) if number]
        return self.drawn + max(positions, default=0)


def find_room(event_id: str) -> Room | None:
    """Read the event's room with strong consistency. Returns None if there is no room."""
    row = WaitingRoomRow.find(f"room#{event_id}")
    return None if row is None else _room(event_id, row)


def load_room_and_arrivals(event_id: str, *, consistent_read: bool = False) -> tuple[Room | None, Arrivals]:
    """Read the event's room with strong consistency, and its arrivals, in two round trips.

    Without `consistent_read`, the arrivals may be a moment old.
    """
    room = find_room(event_id)
    if room is None:
        return None, Arrivals()
    late = [_counter_id(room, LATE - place) for place in range(room.late_counters)]
    # Skip closed counters: their numbers are in the room, and each instance would read them every second.
    closed = room.drawn_counts
    counters = [_counter_id(room, counter) for counter in range(room.counters)] if closed is None else []
    reasons = {_excluded_id(room, reason): reason for reason in ENTRY_REASONS[room.rule]}
    rows = WaitingRoomRow.find_all([*counters, *late, *reasons], consistent_read=consistent_read)
    numbers = {row.id: int(row.arrivals or 0) for row in rows}
    drawn = sum(numbers.get(counter_id, 0) for counter_id in counters) if closed is None else closed[0]
    excluded = {reason: numbers[excluded_id] for excluded_id, reason in reasons.items() if excluded_id in numbers}
    return room, Arrivals(drawn, tuple(numbers.get(counter_id, 0) for counter_id in late), excluded)


_drawn_rooms: Memory[str, Room] = Memory()  # by event id: after the draw, only a reset changes which late counters a room has


def load_room_and_late_arrivals(event_id: str) -> tuple[Room | None, Arrivals]:
    """Read the event's room and its late arrivals with strong consistency, in one round trip if this instance knows the drawn room.

    The arrivals lack the numbers of exclusions.
    """
    known = _drawn_rooms.entries.get(event_id)
    if known is not None:
        late = [_counter_id(known, LATE - place) for place in range(known.late_counters)]
        rows = {row.id: row for row in WaitingRoomRow.find_all([f"room#{event_id}", *late])}
        room = _room(event_id, rows.pop(f"room#{event_id}")) if f"room#{event_id}" in rows else None
        if room is not None and room.number == known.number:
            counts = tuple(int(rows[counter_id].arrivals) if counter_id in rows else 0 for counter_id in late)
            return room, Arrivals(room.n or 0, counts)
    room, arrivals = load_room_and_arrivals(event_id, consistent_read=True)
    if room is not None and room.n is not None:
        _drawn_rooms.entries[event_id] = room
    return room, arrivals


def create_room_item(
    event_id: str,
    counters: int,
    revision: int,
    replacing: Room | None = None,
    *,
    closing_seconds: int = 0,
    chain: Chain | None = None,
    rule: EntryRule = "open",
    has_groups: bool = False,
    series: str | None = None,
) -> dynamo.TransactItem:
    """Return a transaction item that creates a room with a new secret key and its commitment, in place of the room `replacing` if given.

    `revision` is the public revision of the catalog that the room follows. `Room` explains the fields after `replacing`.
    """
    key = secrets.token_bytes(32)
    row = WaitingRoomRow(
        f"room#{event_id}",
        room=1 if replacing is None else replacing.number + 1,
        version=1 if replacing is None else replacing.version + 1,
        key=key.hex(),
        commitment=commitment(key),
        counters=counters,
        late_counters=counters,
        segments=[],
        offsets=[],
        revision=revision,
        public_revision=revision,
        closing_seconds=closing_seconds or None,
        chain=chain.encode() if chain is not None else None,
        rule=None if rule == "open" else rule,
        series=series,
        groups=has_groups,
    )
    # Only one of two simultaneous requests to create or clear the room may succeed.
    return dynamo.transact_put(row, _ABSENT if replacing is None else _is_unchanged(replacing))


def take_arrival_number(room: Room, counter: int, weight: int = 1) -> int:
    """Take the next `weight` numbers of a counter, and return the first of them. The first number of a counter is 1.

    Raises CounterClosed once the sale has opened.
    """
    row = WaitingRoomRow(_counter_id(room, counter))
    # A number given out after the counter was closed would not take part in the draw.
    taken, counted = dynamo.update_if_returning(row, [WaitingRoomRow.arrivals.add(weight)], WaitingRoomRow.closed.does_not_exist())
    if not taken or counted is None:
        raise CounterClosed(room.number)
    return int(counted.arrivals) - weight + 1


def close_counter(room: Room, counter: int) -> int:
    """Close a counter permanently and return its number of arrivals. Safe to repeat, because a closed counter never counts again."""
    row = dynamo.update_now_returning(WaitingRoomRow(_counter_id(room, counter)), [WaitingRoomRow.closed.set(True)])
    return int(row.arrivals or 0)


def take_opening_lease(room: Room, now: int, ends_at: int) -> bool:
    """Reserve the room's draw for this instance until `ends_at`. Returns False if another instance has the lease, or after the draw."""
    lease_ends_at = WaitingRoomRow.opening_lease_ends_at
    is_free = lease_ends_at.does_not_exist() | (lease_ends_at <= now)
    condition = (WaitingRoomRow.room == room.number) & _IS_NOT_DRAWN & is_free
    return dynamo.update_if(_key(room), [lease_ends_at.set(ends_at)], condition)


def record_closing(room: Room, counts: Sequence[int], closes_at: int, now: int) -> None:
    """Write the numbers of arrivals of the closed counters, which were due to close at `closes_at`.

    Raises RoomConflict if the room has changed since it was read.
    """
    changes: dict[str, Any] = {"closed_counts": list(counts), "closed_at": now, "opening_lease_ends_at": None, "version": room.version + 1}
    if room.chain is not None:
        changes["closes_at"] = closes_at
    if not dynamo.update_if(
        _key(room), WaitingRoomRow.set_or_remove(changes), _is_unchanged(room) & WaitingRoomRow.closed_at.does_not_exist()
    ):
        raise RoomConflict


def record_signature(room: Room, signature: bytes) -> None:
    """Write the verified signature of the room's round. Raises RoomConflict if the room was cleared, or has the signature already.

    The version stays the same, so this write does not conflict with a simultaneous change by an admin.
    """
    changes = {"signature": signature.hex(), "opening_lease_ends_at": None}
    is_missing = (WaitingRoomRow.room == room.number) & (WaitingRoomRow.round == room.round) & WaitingRoomRow.signature.does_not_exist()
    if not dynamo.update_if(_key(room), WaitingRoomRow.set_or_remove(changes), is_missing):
        raise RoomConflict


def record_draw(room: Room, n: int, offsets: Sequence[int], segments: Sequence[Segment], revision: int) -> None:
    """Write the final result of the draw. Raises RoomConflict if the room has changed since it was read."""
    changes = {
        "n": n,
        "offsets": list(offsets),
        "segments": list(segments),
        "revision": revision,
        "public_revision": revision,
        "version": room.version + 1,
    }
    if not dynamo.update_if(_key(room), WaitingRoomRow.set_or_remove(changes), _is_unchanged(room) & _IS_NOT_DRAWN):
        raise RoomConflict


def replace_plan_item(room: Room, segments: Sequence[Segment]) -> dynamo.TransactItem:
    """Return a transaction item that sets the admission plan. It fails if the room has changed since it was read."""
    actions = [WaitingRoomRow.segments.set(list(segments)), WaitingRoomRow.version.set(room.version + 1)]
    return dynamo.transact_update(_key(room), actions, _is_unchanged(room))


def save_plan(before: Room, after: Room) -> Room:
    """Write the plan, the catalog revision and the sized wave of `after`. Returns the room as stored.

    Raises RoomConflict if the room has changed since `before` was read.
    """
    changes = {
        "segments": after.segments,
        "revision": after.revision,
        "public_revision": after.revision,
        "sized_wave": after.sized_wave,
        "version": before.version + 1,
    }
    if not dynamo.update_if(_key(before), WaitingRoomRow.set_or_remove(changes), _is_unchanged(before)):
        raise RoomConflict
    return msgspec.structs.replace(after, version=before.version + 1)


def set_rule(room: Room, rule: EntryRule, has_groups: bool | None) -> Room:
    """Set who gets a place, and whether people may form groups. Returns the room as stored.

    Raises RoomConflict if the room has changed since it was read.
    """
    changes = {"rule": None if rule == "open" else rule, "groups": has_groups, "version": room.version + 1}
    if not dynamo.update_if(_key(room), WaitingRoomRow.set_or_remove(changes), _is_unchanged(room)):
        raise RoomConflict
    return msgspec.structs.replace(room, rule=rule, has_groups=has_groups, version=room.version + 1)


def commit(*items: dynamo.TransactItem) -> None:
    """Write a change to a room and its accompanying items in one transaction. Raises RoomConflict if the transaction is cancelled."""
    try:
        dynamo.transact(items)
    except dynamo.ConditionFailed as error:
        raise RoomConflict from error


def find_entry(room: Room, user: str) -> Arrival | None:
    """Read the user's arrival with strong consistency. Returns None if the user has not joined the room."""
    row = WaitingRoomRow.find(_entry_id(room.event_id, room.number, user))
    return row.arrival if row is not None else None


def entry_row(arrival: Arrival, ttl: int, entry: Entry | None = None) -> WaitingRoomRow:
    """Return the row of an arrival. `entry` is the arrival's entry in the list of the room."""
    row = WaitingRoomRow(_entry_id(arrival.event_id, arrival.room, arrival.user), arrival=arrival, ttl=ttl)
    return row if entry is None else _with_entry(row, arrival, entry)


def _with_entry(row: WaitingRoomRow, arrival: Arrival, entry: Entry) -> WaitingRoomRow:
    row.lane = _lane_key(arrival.event_id, arrival.room, entry.digest[0] >> 4)
    row.entry = "#".join([entry.digest.hex(), *map(str, entry[1:] if entry.weight > 1 else entry[1:3])])
    return row


def put_entry(arrival: Arrival, replacing: Arrival | None, ttl: int, entry: Entry | None = None, *, holder_id: str | None = None) -> None:
    """Write the user's arrival, in place of the arrival `replacing` if given. Raises EntryConflict if another request was faster.

    `entry` is the arrival's entry in the list of the room. `holder_id` is the id of the arrival's holder, if it has one.
    """
    row = entry_row(arrival, ttl, entry)
    row.holder_id = holder_id
    # Only one of two simultaneous requests of a user may get a position, and only one may replace an expired position.
    _, stored = dynamo.put_if_returning(row, _is_place(replacing))
    # If the stored arrival is the same, this write has succeeded, even if only its retry was refused because its response was lost.
    if stored is None or stored.arrival != arrival:
        raise EntryConflict


def _is_place(replacing: Arrival | None) -> Condition:
    """Return the condition that a user still has the place `replacing`, or has no place if `replacing` is None."""
    return _ABSENT if replacing is None else WaitingRoomRow.arrival == replacing


def find_holder_id(arrival: Arrival) -> str | None:
    """Return the id of the user who holds the stored place of an address. Returns None if the place is gone."""
    row = WaitingRoomRow.find(_entry_id(arrival.event_id, arrival.room, arrival.user))
    return row.holder_id if row is not None and row.arrival == arrival else None


def change_holder_item(before: Arrival, after: Arrival, holder_id: str) -> dynamo.TransactItem:
    """Return a transaction item that gives the place of an address to another user. It fails if the place has changed since it was read."""
    row = WaitingRoomRow(_entry_id(before.event_id, before.room, before.user))
    changes = WaitingRoomRow.set_or_remove({"arrival": after, "holder_id": holder_id})
    return dynamo.transact_update(row, changes, WaitingRoomRow.arrival == before)


# Groups. Each member's row has the number of the group and is in the list of entries, so everything else works as for people without a
# group. In rooms of earlier versions, the list has the number once, in the row of the group, and the functions below get its `entry`.


def groups_end(event: Event, room: Room) -> int | None:
    """Return until when people can form, join and leave groups in the room. Returns None if the room has no groups, or has closed."""
    has_groups = event.waiting_room is not None and event.waiting_room.groups and not event.has_ballot and room.rule in ADDRESS_RULES
    # Without a list, a member could still use the number that they had before.
    if not (has_groups and room.has_list) or room.has_groups is False or room.drawn_counts is not None or event.on_sale_at is None:
        return None
    return event.on_sale_at - room.closing_seconds - GROUP_CLOSING_SECONDS


def form_group(before: Arrival, after: Arrival, ttl: int, entry_of_group: Entry | None = None) -> None:
    """Turn a user's place into the place of the new group `after.group`, whose first member is the user. Raises EntryConflict."""
    assert after.group is not None
    group = WaitingRoomRow(_group_id(after, after.group), arrival=_arrival_of_group(after, after.group), members={before.user}, ttl=ttl)
    own = WaitingRoomRow(_entry_id(before.event_id, before.room, before.user))
    changes: dict[str, Any] = {"arrival": after}
    if entry_of_group is not None:
        group, changes = _with_entry(group, after, entry_of_group), changes | {"lane": None, "entry": None}
    is_unchanged = WaitingRoomRow.arrival == before
    try:
        dynamo.transact(
            [dynamo.transact_put(group, _ABSENT), dynamo.transact_update(own, WaitingRoomRow.set_or_remove(changes), is_unchanged)]
        )
    except dynamo.ConditionFailed as cancelled:
        raise EntryConflict from cancelled


def find_group(room: Room, group: str) -> tuple[Arrival, frozenset[str]] | None:
    """Return the arrival of a group and the names of its members' rows. Returns None if there is no such group, or it is empty."""
    row = WaitingRoomRow.find(f"group#{room.event_id}#{room.number}#{group}")
    return None if row is None or not row.members else (row.arrival, frozenset(row.members))


def join_group(
    arrival: Arrival, replacing: Arrival | None, ttl: int, entry: Entry | None, items: Sequence[dynamo.TransactItem], *, holder_id: str
) -> None:
    """Make the user a member of `arrival.group`, in place of their own arrival `replacing` if given, and write `items`.

    Raises GroupFull, InvitationInvalid if nobody is left in the group, and EntryConflict if another request was faster.
    """
    assert arrival.group is not None
    row, members = entry_row(arrival, ttl, entry), WaitingRoomRow.members
    row.holder_id = holder_id
    may_join = members.contains(arrival.user) | (size(members) < MAX_MEMBERS)  # false without any members
    group = dynamo.transact_update(WaitingRoomRow(_group_id(arrival, arrival.group)), [members.add({arrival.user})], may_join)
    own = dynamo.transact_put(row, _is_place(replacing))
    # Joining adds an entry without a number of its own, or, without an entry, gives up the number of `replacing`.
    missing = (0 if replacing is None else 1) - (0 if entry is None else 1)
    try:
        dynamo.transact([own, group, *_count_missing_items(arrival, missing, ttl), *items])
    except dynamo.ConditionFailed as cancelled:
        if cancelled.failed(1):
            stored = cancelled.row(1, WaitingRoomRow)
            raise (GroupFull() if stored is not None and stored.members else InvitationInvalid()) from cancelled
        raise EntryConflict from cancelled


def leave_group(arrival: Arrival, ttl: int, *, has_entry: bool) -> None:
    """End the membership of a user, who then has no place. Raises EntryConflict if another request was faster.

    The number of an empty group admits nobody.
    """
    assert arrival.group is not None
    own = dynamo.transact_delete(WaitingRoomRow(_entry_id(arrival.event_id, arrival.room, arrival.user)), WaitingRoomRow.arrival == arrival)
    group = dynamo.transact_update(
        WaitingRoomRow(_group_id(arrival, arrival.group)), [WaitingRoomRow.members.delete({arrival.user})], _EXISTS
    )
    try:
        dynamo.transact([own, group, *_count_missing_items(arrival, int(has_entry), ttl)])
    except dynamo.ConditionFailed as cancelled:
        raise EntryConflict from cancelled


def _count_missing_items(arrival: Arrival, count: int, ttl: int) -> list[dynamo.TransactItem]:
    """Return the items that make the list of entries expect `count` fewer entries."""
    if count == 0:
        return []
    lane = WaitingRoomRow(f"lane#{arrival.event_id}#{arrival.room}#{arrival.user[-1]}")  # any lane would do; this spreads the writes
    return [dynamo.transact_update(lane, [WaitingRoomRow.given_up.add(count), *WaitingRoomRow.set_or_remove({"ttl": ttl})])]


def keep_group(arrival: Arrival, ttl: int) -> None:
    """Keep the row of a member's group until `ttl`, because the sale was postponed."""
    assert arrival.group is not None
    dynamo.update_if(WaitingRoomRow(_group_id(arrival, arrival.group)), WaitingRoomRow.set_or_remove({"ttl": ttl}), _EXISTS)


def _arrival_of_group(arrival: Arrival, group: str) -> Arrival:
    return msgspec.structs.replace(arrival, user=group, holder=None, group=None)


def _group_id(arrival: Arrival, group: str) -> str:
    return f"group#{arrival.event_id}#{arrival.room}#{group}"


# Mailed codes, which prove an address, and the numbers of requests to which the rule of entry gave no new place.


def put_code(event_id: str, address: str, user: str, code: str, expires_at: int) -> None:
    """Store the digest of a code, in place of an earlier code for this address and user."""
    WaitingRoomRow(_code_id(event_id, address, user), code=code, attempts=0, ttl=expires_at).save()


def try_code(event_id: str, address: str, user: str, max_attempts: int, now: int) -> str | None:
    """Count an attempt to enter a code, and return the digest of the code. Returns None if the code has expired or has no attempts left."""
    row = WaitingRoomRow(_code_id(event_id, address, user))
    may_try = (WaitingRoomRow.ttl > now) & (WaitingRoomRow.attempts < max_attempts)
    is_counted, stored = dynamo.update_if_returning(row, [WaitingRoomRow.attempts.add(1)], may_try)
    return stored.code if is_counted and stored is not None else None


def count_excluded(room: Room, reason: EntryReason) -> None:
    """Count a request to which the rule of entry gave no new place."""
    dynamo.update_now(WaitingRoomRow(_excluded_id(room, reason)), [WaitingRoomRow.arrivals.add(1)])


# The list of entries. A build of a lane never changes; the room names the builds that its root covers.


def load_lanes(room: Room) -> tuple[dict[int, Lane], int]:
    """Return the newest build of each built lane, by lane number, and how many fewer entries than numbers there are because of groups.

    With better odds, a build without weights does not count: an earlier version made it, so it has to be made again.
    """
    rows = list(WaitingRoomRow.find_all((_lane_id(room, number) for number in range(LANES)), consistent_read=False))
    built = [row for row in rows if row.build is not None and (row.weights or not room.has_better_odds)]
    lanes = (Lane(int(row.id[-1], 16), row.build, int(row.arrivals), int(row.built_at), row.weights or []) for row in built)
    return {lane.number: lane for lane in lanes}, sum(int(row.given_up or 0) for row in rows)


def take_lane(room: Room, number: int, now: int, ends_at: int) -> bool:
    """Reserve the building of a lane for this instance until `ends_at`. Returns False if another instance has reserved it."""
    lease = WaitingRoomRow.lease_ends_at
    is_free = lease.does_not_exist() | (lease <= now)
    return dynamo.update_if(WaitingRoomRow(_lane_id(room, number)), [lease.set(ends_at)], is_free)


def list_entries(room: Room, lane: int) -> Iterator[Entry]:
    """Yield the entries of a lane in their order. May miss entries that were written a moment ago."""
    for row in WaitingRoomRow.entry_index.query(_lane_key(room.event_id, room.number, lane)):
        digest, *numbers = row.entry.split("#")
        yield Entry(bytes.fromhex(digest), *map(int, numbers))


def save_lane(room: Room, lane: Lane, pages: dict[int, bytes], roots: bytes, lease_ends_at: int, ttl: int) -> bool:
    """Write the pages of a lane by their numbers, their roots, and then the lane. Returns False if the reservation has been lost."""
    rows = [WaitingRoomRow(_page_id(room, lane.build, number), content=page, ttl=ttl) for number, page in pages.items()]
    parallel.call_each(WaitingRoomRow.save, [*rows, WaitingRoomRow(_roots_id(room, lane.build), content=roots, ttl=ttl)])
    changes = {"build": lane.build, "arrivals": lane.count, "built_at": lane.built_at, "lease_ends_at": None, "ttl": ttl}
    if lane.weights:
        changes["weights"] = lane.weights
    is_own = WaitingRoomRow.lease_ends_at == lease_ends_at
    return dynamo.update_if(WaitingRoomRow(_lane_id(room, lane.number)), WaitingRoomRow.set_or_remove(changes), is_own)


def load_roots(room: Room, builds: Sequence[str]) -> bytes:
    """Return the roots of all pages of these builds, in the order of the pages."""
    rows = {row.id: row.content for row in WaitingRoomRow.find_all(_roots_id(room, build) for build in builds)}
    return b"".join(rows[_roots_id(room, build)] for build in builds)


def find_page(room: Room, number: int, pages_per_lane: int) -> bytes:
    """Return a page of the published list. A page without entries is not stored."""
    page_id = _page_id(room, room.builds[number // pages_per_lane], number)
    # The first read may miss a page that was written a moment ago, which must not cost anybody a number.
    row = WaitingRoomRow.find(page_id, consistent_read=False) or WaitingRoomRow.find(page_id)
    return b"" if row is None else bytes(row.content)


def record_root(room: Room, root: str, builds: Sequence[str], weights: Sequence[int], now: int) -> None:
    """Publish the list of entries, and fix the round of the draw. Raises RoomConflict if the room has changed since it was read."""
    changes: dict[str, Any] = {"root": root, "builds": list(builds), "root_at": now, "version": room.version + 1}
    if weights:
        changes["weights"] = list(weights)
    if room.chain is not None:
        changes["round"] = round_of_draw(room.chain, room.closes_at, now)
    if not dynamo.update_if(_key(room), WaitingRoomRow.set_or_remove(changes), _is_unchanged(room) & WaitingRoomRow.root.does_not_exist()):
        raise RoomConflict


def use_pass(event_id: str, pass_id: str, session: str, expires_at: int) -> bool:
    """Record the session in which a pass of an event is used. Returns False if the pass was used in another session.

    The key begins with the event, because a shop that shares a secret with us can sign a pass with the id of another event's pass.
    """
    row = WaitingRoomRow(f"pass#{event_id}#{pass_id}")
    is_own = _ABSENT | (WaitingRoomRow.session == session)
    return dynamo.update_if(row, WaitingRoomRow.set_or_remove({"session": session, "ttl": expires_at + DAY_SECONDS}), is_own)


# Lost ballots, from which better odds follow. The row of an address or card is in the index under the user who took part with it last, so
# that an erasure finds it.


def find_weight(key: str, now: int) -> int:
    """Return how many numbers an address or card has in a ballot with better odds.

    The result is one plus the number of lost ballots since the last one that drew tickets for it, at most MAX_WEIGHT. Ballots count for
    LOST_SECONDS. Costs half a read unit, because the read may be a moment old.
    """
    row = WaitingRoomRow.find(f"odds#{key}", consistent_read=False)
    ballots = {ballot.partition(".")[2] for ballot in (row.lost or () if row is not None else ()) if _drawn_at(ballot) > now - LOST_SECONDS}
    return min(MAX_WEIGHT, 1 + len(ballots))


def record_loss(key: OddsKey, ballot: str, now: int) -> None:
    """Record a ballot, given as in the attribute `lost`, that drew no tickets for an address or card. Safe to repeat.

    Does nothing if a ballot has drawn tickets for it since then, or at the same time.
    """
    has_not_won = WaitingRoomRow.won_at.does_not_exist() | (WaitingRoomRow.won_at < _drawn_at(ballot))
    dynamo.update_if(WaitingRoomRow(f"odds#{key.entrant}"), [WaitingRoomRow.lost.add({ballot}), *_odds_owner(key, now)], has_not_won)


def record_win_item(key: OddsKey, now: int) -> dynamo.TransactItem:
    """Return the transaction item that sets an address or card back to one number."""
    changes = [WaitingRoomRow.won_at.set(now), WaitingRoomRow.lost.remove(), *_odds_owner(key, now)]
    return dynamo.transact_update(WaitingRoomRow(f"odds#{key.entrant}"), changes)


def delete_losses(user: str) -> None:
    """Delete the outcomes of ballots in which a user, given by a digest, took part."""
    found = WaitingRoomRow.entry_index.query(f"odds#{user}")
    parallel.call_each(lambda row: WaitingRoomRow(row.id).delete(), list(found))


def _odds_owner(key: OddsKey, now: int) -> list[Action]:
    return WaitingRoomRow.set_or_remove({"lane": f"odds#{key.user}", "entry": key.entrant, "ttl": now + LOST_SECONDS})


def _drawn_at(ballot: str) -> int:
    return int(ballot.partition(".")[0])


def delete_entry(arrival: Arrival) -> None:
    """Delete the user's arrival unless it has changed."""
    row = WaitingRoomRow(_entry_id(arrival.event_id, arrival.room, arrival.user))
    dynamo.delete_if(row, WaitingRoomRow.arrival == arrival)


def _key(room: Room) -> WaitingRoomRow:
    return WaitingRoomRow(f"room#{room.event_id}")


def _is_unchanged(room: Room) -> Condition:
    return WaitingRoomRow.version == room.version


def _counter_id(room: Room, counter: int) -> str:
    return f"counter#{room.event_id}#{room.number}#{'late' if counter == LATE else counter}"  # the next late counters are -2, -3, ...


def _entry_id(event_id: str, room: int, user: str) -> str:
    return f"entry#{event_id}#{room}#{user}"


def _code_id(event_id: str, address: str, user: str) -> str:
    return f"code#{event_id}#{address}#{user}"


def _excluded_id(room: Room, reason: EntryReason) -> str:
    return f"excluded#{room.event_id}#{room.number}#{reason}"


def _lane_key(event_id: str, room: int, lane: int) -> str:
    return f"{event_id}#{room}#{lane:x}"


def _lane_id(room: Room, number: int) -> str:
    return f"lane#{room.event_id}#{room.number}#{number:x}"


def _page_id(room: Room, build: str, number: int) -> str:
    return f"page#{room.event_id}#{room.number}#{build}#{number}"


def _roots_id(room: Room, build: str) -> str:
    return f"roots#{room.event_id}#{room.number}#{build}"


def offsets_of(counts: Sequence[int]) -> list[int]:
    """Return, for each counter, the number of arrivals in the counters before it."""
    return [sum(counts[:counter]) for counter in range(len(counts))]


def _room(event_id: str, row: WaitingRoomRow) -> Room:
    return Room(
        event_id=event_id,
        number=int(row.room),
        version=int(row.version),
        key=row.key,
        commitment=row.commitment,
        counters=int(row.counters),
        n=int(row.n) if row.n is not None else None,
        offsets=row.offsets,
        segments=row.segments,
        revision=int(row.public_revision or 0),
        sized_wave=int(row.sized_wave or 0),
        opening_lease_ends_at=int(row.opening_lease_ends_at or 0),
        late_counters=int(row.late_counters or 1),
        closing_seconds=int(row.closing_seconds or 0),
        closed_at=int(row.closed_at or 0),
        closed_counts=row.closed_counts,
        root=row.root,
        root_at=int(row.root_at or 0),
        builds=row.builds or [],
        chain=parse_chain(row.chain) if row.chain is not None else None,
        closes_at=int(row.closes_at or 0),
        round=int(row.round) if row.round is not None else None,
        signature=row.signature,
        rule=msgspec.convert(row.rule or "open", EntryRule),
        series=row.series,
        weights=row.weights or [],
        has_groups=row.groups,
    )
