"""Rooms, counters and entries.

| id | what |
| --- | --- |
| `room#<event>` | the present room of an event: commitment and key, what was frozen, the segments |
| `counter#<event>#<room>#<n>` | arrivals of one shard; `closed` at the opening. `late` instead of a number: arrivals after it |
| `entry#<event>#<room>#<user>` | one user's arrival |
"""

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib import dynamo
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.draw import commitment
from chalicelib.waiting_room.model import LATE, Arrival


class WaitingRoomRow(dynamo.Table):
    feature = "waiting-room"

    class Meta:
        table_name = None

    id = UnicodeAttribute(hash_key=True)
    room = NumberAttribute(null=True)
    version = NumberAttribute(null=True)
    key = UnicodeAttribute(null=True)
    commitment = UnicodeAttribute(null=True)
    counters = NumberAttribute(null=True)
    n = NumberAttribute(null=True)
    offsets = UnicodeAttribute(null=True)
    segments = UnicodeAttribute(null=True)
    arrivals = NumberAttribute(null=True)
    closed = BooleanAttribute(null=True)
    arrival = UnicodeAttribute(null=True)
    ttl = NumberAttribute(null=True)


class Room(msgspec.Struct, frozen=True):
    """`key` (hex) is secret until `n` is frozen. `segments` is empty while nothing but the plan of the event is known."""

    event_id: str
    number: int
    version: int
    key: str
    commitment: str
    counters: int
    n: int | None
    offsets: list[int]
    segments: list[Segment]


def load(event_id: str) -> tuple[Room | None, int]:
    """The event's room and how many joined it, strongly consistent, in two round trips."""
    row = WaitingRoomRow.find(f"room#{event_id}")
    if row is None:
        return None, 0
    room = _room(event_id, row)
    keys = [{"id": {"S": _counter(room, number)}} for number in (*range(room.counters), LATE)]
    found = dynamo.batch_get(WaitingRoomRow.name(), keys, consistent=True)
    return room, sum(int(item["arrivals"]["N"]) for item in found if "arrivals" in item)


def create_room_item(event_id: str, counters: int, replacing: Room | None = None) -> dynamo.TransactItem:
    """Transaction item for a new room with a fresh key, committed to from now on."""
    key = secrets.token_bytes(32)
    row = WaitingRoomRow(
        f"room#{event_id}",
        room=1 if replacing is None else replacing.number + 1,
        version=1 if replacing is None else replacing.version + 1,
        key=key.hex(),
        commitment=commitment(key),
        counters=counters,
        segments="[]",
        offsets="[]",
    )
    # Absent, or the very room that is to be replaced: of two that create or clear at once one makes the room.
    return dynamo.put(row, WaitingRoomRow.id.does_not_exist() if replacing is None else WaitingRoomRow.version == replacing.version)


def take_arrival_number(room: Room, counter: int) -> int | None:
    """The next number of a counter, from 1; None once it is closed."""
    row = WaitingRoomRow(_counter(room, counter))
    # Open: a number given out after the counter was closed would not be among those that are drawn.
    return int(row.arrivals) if dynamo.update_if(row, [WaitingRoomRow.arrivals.add(1)], WaitingRoomRow.closed.does_not_exist()) else None


def close_counter(room: Room, counter: int) -> int:
    """Close a counter for ever; how many arrived. Safe to repeat: a closed one never counts again."""
    row = WaitingRoomRow(_counter(room, counter))
    row.update([WaitingRoomRow.closed.set(True)])
    return int(row.arrivals or 0)


def freeze_draw(room: Room, n: int, offsets: Sequence[int], segments: Sequence[Segment]) -> bool:
    """Write the draw's N once and for ever; False if the room has changed (somebody froze it, or an admin was at it)."""
    actions = [
        WaitingRoomRow.n.set(n),
        WaitingRoomRow.offsets.set(_json(offsets)),
        WaitingRoomRow.segments.set(_json(segments)),
        WaitingRoomRow.version.set(room.version + 1),
    ]
    return dynamo.update_if(
        WaitingRoomRow(f"room#{room.event_id}"), actions, (WaitingRoomRow.version == room.version) & WaitingRoomRow.n.does_not_exist()
    )


def replace_plan_item(room: Room, segments: Sequence[Segment]) -> dynamo.TransactItem:
    """Transaction item that sets the segments, if the room is as it was read."""
    actions = [WaitingRoomRow.segments.set(_json(segments)), WaitingRoomRow.version.set(room.version + 1)]
    return dynamo.update(WaitingRoomRow(f"room#{room.event_id}"), actions, WaitingRoomRow.version == room.version)


def load_entry(room: Room, user: str) -> Arrival | None:
    row = WaitingRoomRow.find(_entry(room.event_id, room.number, user))
    return _arrival(row) if row is not None else None


def put_entry(arrival: Arrival, replacing: Arrival | None, ttl: int) -> Arrival | None:
    """Make it the user's arrival; None on success, else the one that is there."""
    row = WaitingRoomRow(_entry(arrival.event_id, arrival.room, arrival.user), arrival=_json(arrival), ttl=ttl)
    # Of one user's two requests at once only one gets a place; and a missed place is given up once.
    condition = WaitingRoomRow.id.does_not_exist() if replacing is None else WaitingRoomRow.arrival == _json(replacing)
    present = dynamo.put_if(row, condition)
    return None if present is None else _arrival(WaitingRoomRow.from_raw_data(present))


def _counter(room: Room, counter: int) -> str:
    return f"counter#{room.event_id}#{room.number}#{'late' if counter == LATE else counter}"


def _entry(event_id: str, room: int, user: str) -> str:
    return f"entry#{event_id}#{room}#{user}"


def _arrival(row: WaitingRoomRow) -> Arrival:
    return msgspec.json.decode(row.arrival, type=Arrival)


def _room(event_id: str, row: WaitingRoomRow) -> Room:
    return Room(
        event_id=event_id,
        number=int(row.room),
        version=int(row.version),
        key=row.key,
        commitment=row.commitment,
        counters=int(row.counters),
        n=int(row.n) if row.n is not None else None,
        offsets=msgspec.json.decode(row.offsets, type=list[int]),
        segments=msgspec.json.decode(row.segments, type=list[Segment]),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
