"""The waiting rooms in this instance's memory. The instance loads each room at most once a second, and then makes the due changes."""

from msgspec import UNSET, Struct, UnsetType

from chalicelib.catalog import sale_rules
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.dynamodb import dynamo
from chalicelib.dynamodb.cache import TtlCache
from chalicelib.edge.routes import CacheableReply
from chalicelib.foundation import log
from chalicelib.waiting_room import admission_plan, entry_list, store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.due_changes import effective_plan, next_due_change, tickets_left, why_joining_stopped
from chalicelib.waiting_room.model import BeaconState, EntryReason, NoWaitingRoom, RoomState
from chalicelib.waiting_room.store import Arrivals, Room, groups_end

MAX_AGE_SECONDS = 1
_MAX_CHANGES = 8
_MAX_ROOMS = 1000


class LoadedRoom(Struct, frozen=True, eq=False):
    """A room as loaded, with its event."""

    event: Event
    room: Room
    arrivals: Arrivals

    @property
    def total(self) -> int:
        """The number of users who have joined."""
        return self.arrivals.total

    @property
    def plan(self) -> list[Segment]:
        """The admission plan in effect."""
        return effective_plan(self.event, self.room)


class CachedRoom(Struct, frozen=True, eq=False):
    """A room as loaded, with its event, its public state, and the encoded state document.

    `loaded_at` is in epoch seconds. `joins_per_second` is the average since this instance's previous load of the room, or 0 after the first
    load.
    """

    event: Event
    room: Room
    late_arrivals: tuple[int, ...]
    excluded: dict[EntryReason, int]
    loaded_at: int
    joins_per_second: float
    state: RoomState
    document: CacheableReply[RoomState]


_rooms: TtlCache[CachedRoom] = TtlCache(lambda: MAX_AGE_SECONDS, max_keys=_MAX_ROOMS)  # by event id


def get_room(event_id: str, now: int) -> CachedRoom:
    """Return the event's room, at most a second old. Raises NotFound if the event is not visible, and NoWaitingRoom if it has no room."""
    current, event = _get_event(event_id)
    before = _rooms.peek(event_id)
    return _rooms.get(now, event, lambda: _build_cached_room(_load(current.head.public_revision, event, now), before, now), event_id)


def reload_room(event_id: str, now: int) -> CachedRoom:
    """Load the event's room from the store after a change, or when this instance's copy is out of date. Raises what `get_room` raises."""
    forget_room(event_id)
    return get_room(event_id, now)


def load_room(event_id: str, now: int) -> LoadedRoom:
    """Load the event's current room from the store, for a change. Raises what `get_room` raises."""
    current, event = _get_event(event_id)
    return _load(current.head.public_revision, event, now)


def forget_room(event_id: str) -> None:
    """Drop this instance's copy of a changed room; the next request loads the room from the store."""
    _rooms.forget_key(event_id)


def _get_event(event_id: str) -> tuple[Catalog, Event]:
    """Return the current catalog and the event. Raises NotFound and NoWaitingRoom."""
    current, event = catalog.get_visible_event(event_id)
    if not event.has_waiting_room:
        raise NoWaitingRoom(event_id=event_id)
    return current, event


def _load(revision: int, event: Event, now: int) -> LoadedRoom:
    """Load the room and make the changes that are due. `event` comes from the catalog of this `revision`."""
    room: Room | None = None
    for _ in range(_MAX_CHANGES):
        if room is None:
            room, arrivals = store.load_room_and_arrivals(event.id)
        change = next_due_change(revision, event, room, arrivals.last_position, now)
        if room is not None and change is None:
            built = entry_list.build(event, room, now)
            if built is room:
                return LoadedRoom(event, room, arrivals)
            room = built  # which may open now
            continue
        try:
            room = change() if change is not None else None
        except store.RoomConflict:  # another instance was faster: load what it wrote
            room = None
    raise dynamo.Contention("the waiting room kept changing while it was being loaded")


def _build_cached_room(loaded: LoadedRoom, before: CachedRoom | None, now: int) -> CachedRoom:
    event, room = loaded.event, loaded.room
    assert event.on_sale_at is not None  # because it has a waiting room
    counted = room.drawn_counts
    stopped, may_return = why_joining_stopped(event, now)
    state = RoomState(
        event_id=event.id,
        room=room.number,
        on_sale_at=event.on_sale_at,
        commitment=room.commitment,
        closes_at=(room.closes_at or event.on_sale_at - room.closing_seconds) if room.has_list else None,
        root=room.root,
        key=room.key if room.n is not None else None,  # secret until the draw
        n=counted[0] if counted is not None else None,
        offsets=counted[1] if counted is not None else [],
        late_counters=room.late_counters,
        segments=loaded.plan,
        total=loaded.total,
        pass_seconds=sale_rules.pass_seconds(event),
        grace_seconds=sale_rules.grace_seconds(event),
        stopped=stopped,
        may_return=may_return,
        beacon=_beacon_state(room),
        tickets=tickets_left(event, now),
        entry=UNSET if room.rule == "open" else room.rule,
        longer_pass_seconds=sale_rules.longer_pass_seconds(event),
        groups_until=groups_end(event, room) or UNSET,
        better_odds=True if room.has_better_odds else UNSET,
    )
    _report_gauges(state, now)
    joins_per_second = max(0, state.total - before.state.total) / max(1, now - before.loaded_at) if before is not None else 0.0
    document = CacheableReply.encode(state, max_age=MAX_AGE_SECONDS)
    return CachedRoom(event, room, loaded.arrivals.late, loaded.arrivals.excluded, now, joins_per_second, state, document)


def _beacon_state(room: Room) -> BeaconState | UnsetType:
    if room.chain is None:
        return UNSET
    return BeaconState(room.chain.hash, room.round, room.round_at, room.randomness)


def _report_gauges(state: RoomState, now: int) -> None:
    admitted = 0 if state.key is None else admission_plan.admitted_count(state.segments, now)
    passes = admission_plan.active_pass_count(state.segments, state.total, state.pass_seconds, now)
    log.gauge("admitted", min(state.total, admitted), event_id=state.event_id)
    log.gauge("queue_length", max(0, state.total - admitted), event_id=state.event_id)
    log.gauge("active_passes", passes, event_id=state.event_id)
