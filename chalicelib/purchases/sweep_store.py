"""Table `sweep`: the progress of the sweep, and an index by time of the events that the sweep must look at.

The index has the ids of events for each minute. `follow_changes` adds an event whose purchases or settings have changed to the next minute.
The sweep adds an event with holds to the minute in which its earliest hold expires. A run therefore reads only events that may need work,
and its cost does not grow with the number of events on sale. No buyer waits for the index, because only followers and jobs write it.

The index is a hint. If a mark is late or lost, the sweep finds the holds later, because it also reads all shards, slice by slice.
"""

from collections.abc import Iterable
from zlib import crc32

from msgspec import Struct
from pynamodb.attributes import ListAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute

from chalicelib.dynamodb import dynamo
from chalicelib.foundation.memory import Memory

_ID = "cursor"
MINUTE = 60
# Items of each minute. The ids of 20,000 events would not fit into one item, which has 400 KB at most.
LANES = 8
# A follower writes a mark at least this many seconds before its minute begins, so that the run of this minute finds the mark.
SECONDS_TO_WRITE = 10
LOW_TIERS_PER_ITEM = 2000  # ids of at most 100 characters; the ids of all low tiers of a large shop would not fit into one item
SETTLED_SECONDS = 600  # the first marks may be missing, because the previous version ran beside this version
KEPT_SECONDS = 3 * 86_400  # then DynamoDB deletes the marks of a minute
MAX_MINUTES_BY_KEY = 60  # after a longer pause, reading the whole table takes fewer calls, and their number does not grow with the pause

Mark = tuple[int, str]  # a minute, counted from the epoch, and the id of an event that is due in it


class SweepState(Struct, frozen=True):
    """State that the next run needs.

    `shard_id` is where the next run continues to read all shards; None means the start. `low_tiers` are the tiers that had few tickets when
    a run last checked them. Runs have processed all marks up to the minute `due_minute` and, in this minute, up to the event id
    `due_event`; a `due_minute` of None means that there is no index yet. `indexed_since` is when the index began, in epoch seconds.
    `postponed` are the events that the next run processes last, one by one, in this order.
    """

    shard_id: str | None = None
    low_tiers: frozenset[str] = frozenset()
    due_minute: int | None = None
    due_event: str | None = None
    indexed_since: int | None = None
    postponed: tuple[str, ...] = ()


class SweepRow(dynamo.Table):
    feature = "sweep"
    contents = "The progress of the sweep, and the events that the sweep must look at in each minute."
    personal_data = None

    id = UnicodeAttribute(hash_key=True)
    shard_id = UnicodeAttribute(null=True)
    low_tiers = UnicodeSetAttribute(null=True)
    low_tiers_items = NumberAttribute(null=True)  # the number of further items with low tiers
    due_minute = NumberAttribute(null=True)
    due_event = UnicodeAttribute(null=True)
    indexed_since = NumberAttribute(null=True)
    postponed: ListAttribute[str] = ListAttribute(null=True)
    event_ids = UnicodeSetAttribute(null=True)
    ttl = NumberAttribute(null=True)


def load_state() -> SweepState:
    row = SweepRow.find(_ID)
    if row is None:
        return SweepState()
    rows = [row, *SweepRow.find_all(map(_low_tiers_id, range(int(row.low_tiers_items or 0))))]
    low_tiers = frozenset(tier_id for each in rows for tier_id in each.low_tiers or ())
    due_minute, since = (None if value is None else int(value) for value in (row.due_minute, row.indexed_since))
    return SweepState(row.shard_id, low_tiers, due_minute, row.due_event, since, tuple(row.postponed or ()))


def save_state(state: SweepState) -> None:
    """Save the state for the next run. Concurrent runs may save in any order: shards are then read twice, or a tier is reported twice."""
    tier_ids = sorted(state.low_tiers)
    first, *more = [tier_ids[start : start + LOW_TIERS_PER_ITEM] for start in range(0, len(tier_ids), LOW_TIERS_PER_ITEM)] or [[]]
    items = [SweepRow(_low_tiers_id(number), low_tiers=set(part)) for number, part in enumerate(more)]
    dynamo.batch_put(items)
    row = SweepRow(_ID, shard_id=state.shard_id, low_tiers=set(first) or None, low_tiers_items=len(items) or None)
    row.due_minute, row.due_event, row.indexed_since = state.due_minute, state.due_event, state.indexed_since
    row.postponed = [*state.postponed] or None
    row.save()


_marked: Memory[int, set[str]] = Memory()  # the events that this instance has marked, for the latest minute only


def mark_changed(event_ids: Iterable[str], now: int) -> None:
    """Make the sweep look at events in the first minute that begins more than SECONDS_TO_WRITE from now.

    An instance marks an event only once for each minute.
    """
    minute = (now + MINUTE + SECONDS_TO_WRITE) // MINUTE
    marked_ids = _marked.entries.get(minute, set())
    if new := set(event_ids) - marked_ids:
        mark_due(new, minute)
        _marked.entries = {minute: marked_ids | new}


def mark_due(event_ids: Iterable[str], minute: int) -> None:
    """Make the sweep look at events in a minute, counted from the epoch."""
    by_lane: dict[int, set[str]] = {}
    for event_id in event_ids:
        by_lane.setdefault(crc32(event_id.encode()) % LANES, set()).add(event_id)
    for lane, lane_event_ids in sorted(by_lane.items()):
        actions = [SweepRow.ttl.set(minute * MINUTE + KEPT_SECONDS), SweepRow.event_ids.add(lane_event_ids)]
        dynamo.update_now(SweepRow(_minute_id(minute, lane)), actions)


def load_due(after: Mark, last: int) -> list[Mark]:
    """Return the marks that follow `after`, up to the minute `last`, in order. The reads are strongly consistent."""
    minutes = range(after[0], last + 1)
    if len(minutes) > MAX_MINUTES_BY_KEY:
        rows = [row for row in SweepRow.scan() if row.event_ids is not None]
    else:
        rows = SweepRow.find_all(_minute_id(minute, lane) for minute in minutes for lane in range(LANES))
    marks = ((int(row.id.partition("#")[0]), event_id) for row in rows for event_id in row.event_ids or ())
    return sorted(mark for mark in marks if mark > after and mark[0] <= last)


def load_changed(since: int, now: int) -> set[str] | None:
    """Return the events that the index has for the time from `since` to `now` (epoch seconds), or None if the index begins later.

    If the stream of changes is not late, the result includes all events with a purchase that was made in this time.
    """
    indexed_since = load_state().indexed_since
    if indexed_since is None or since < max(indexed_since, now - KEPT_SECONDS) + SETTLED_SECONDS:
        return None
    return {event_id for _, event_id in load_due((since // MINUTE, ""), now // MINUTE + 2)}


def _low_tiers_id(number: int) -> str:
    return f"{_ID}#{number}"


def _minute_id(minute: int, lane: int) -> str:
    return f"{minute}#{lane}"
