"""The waiting rooms in this instance's memory, each loaded at most once a second."""

from contextlib import suppress

from msgspec import Struct

from chalicelib import dynamo, log
from chalicelib.cache import TtlCache
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.edge.http import CacheableReply
from chalicelib.waiting_room import admission_plan, config, stock_limits, store
from chalicelib.waiting_room.due_changes import effective_plan, next_due_change
from chalicelib.waiting_room.model import NoWaitingRoom, RoomState
from chalicelib.waiting_room.store import Room

MAX_AGE_SECONDS = 1
_MAX_LOADS = 8
_MAX_ROOMS = 1000


class CachedRoom(Struct, frozen=True, eq=False):
    """A room as it was loaded, with its event, its public state, and that state as an encoded document."""

    event: Event
    room: Room
    state: RoomState
    document: CacheableReply[RoomState]


_rooms: TtlCache[CachedRoom] = TtlCache(lambda: MAX_AGE_SECONDS, max_keys=_MAX_ROOMS)  # by event id


def get_room(event_id: str, now: int) -> CachedRoom:
    """The event's room, at most a second old. Raises NotFound for an event that is not visible, NoWaitingRoom for one without a room."""
    current, event = catalog.get_visible_event(event_id)
    if not event.has_waiting_room:
        raise NoWaitingRoom(event_id=event_id)
    return _rooms.get(now, event, lambda: _load(current.revision, event, now), event_id)


def reload_room(event_id: str, now: int) -> CachedRoom:
    """Like `get_room`, but always loaded from the store: after a change, or when this instance's copy is out of date."""
    forget_room(event_id)
    return get_room(event_id, now)


def forget_room(event_id: str) -> None:
    """Drop this instance's copy of the room, after a change: the next request loads it."""
    _rooms.forget_key(event_id)


def _load(revision: int, event: Event, now: int) -> CachedRoom:
    """Load the room, after making the changes that are due: each is written, then the room is loaded again.

    `event` is as the catalog of this revision has it.
    """
    for _ in range(_MAX_LOADS):
        room, total = store.load(event.id)
        change = next_due_change(revision, event, room, total, now)
        if room is not None and change is None:
            return _build_cached_room(event, room, total, now)
        if change is not None:
            with suppress(store.RoomConflict):  # another instance was faster; what it wrote is loaded next
                change()
    raise dynamo.StoreUnavailable("the waiting room kept changing while it was loaded")


def _build_cached_room(event: Event, room: Room, total: int, now: int) -> CachedRoom:
    assert event.on_sale_at is not None  # it has a waiting room
    stopped, may_return = stock_limits.why_joining_stopped(event, now)
    state = RoomState(
        event_id=event.id,
        room=room.number,
        on_sale_at=event.on_sale_at,
        commitment=room.commitment,
        key=room.key if room.n is not None else None,  # secret until the draw
        n=room.n,
        offsets=room.offsets,
        segments=effective_plan(event, room),
        total=total,
        pass_seconds=config.pass_seconds(event),
        stopped=stopped,
        may_return=may_return,
    )
    _report_gauges(state, now)
    return CachedRoom(event, room, state, CacheableReply.encode(state, max_age=MAX_AGE_SECONDS))


def _report_gauges(state: RoomState, now: int) -> None:
    admitted = admission_plan.admitted_count(state.segments, now)
    passes = admission_plan.active_pass_count(state.segments, state.total, state.pass_seconds, now)
    log.gauge("admitted", min(state.total, admitted), event_id=state.event_id)
    log.gauge("queue_length", max(0, state.total - admitted), event_id=state.event_id)
    log.gauge("active_passes", passes, event_id=state.event_id)
