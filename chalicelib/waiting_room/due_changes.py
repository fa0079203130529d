"""The changes that a room needs as time passes: create it, run its draw, follow a pause, and keep its admission plan in bounds.

There is no scheduled job for them: each instance that loads a room makes the changes that are due. Every change ends in
one conditional write, so of all instances that try, exactly one makes it.
"""

from collections.abc import Callable

from chalicelib import log, settings
from chalicelib.catalog.model import Event
from chalicelib.waiting_room import admission_plan, config, stock_limits, store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.store import Room

MAX_SEGMENTS = 500  # enough for a change every few seconds for hours; the state document stays small enough to poll


def next_due_change(event: Event, room: Room | None, total: int, now: int) -> Callable[[], None] | None:
    """The next change that the room needs, None if it needs none. Calling it writes the change, or raises `store.RoomConflict`."""
    assert event.on_sale_at is not None  # it has a waiting room
    if room is None:
        return lambda: store.commit(store.create_room_item(event.id, settings.current().waiting_room_counters))
    if room.n is None:
        return (lambda: _run_draw(event, room)) if now >= event.on_sale_at else None
    plan = _due_plan(event, room, total, now)
    if plan is None:
        return None
    return lambda: store.commit(store.replace_plan_item(room, admission_plan.shorten(plan, now, config.pass_seconds(event))))


def effective_plan(event: Event, room: Room) -> list[Segment]:
    """The room's segments. Until the draw, the first one begins at the event's present opening, and is paused if the event is."""
    if room.n is not None:
        return room.segments
    assert event.on_sale_at is not None  # it has a waiting room
    first = room.segments[0] if room.segments else config.first_segment(event, event.on_sale_at)
    return [Segment(event.on_sale_at, first.base, first.wave_size, first.interval, first.waited, event.paused)]


def _due_plan(event: Event, room: Room, total: int, now: int) -> list[Segment] | None:
    """The plan that the room should have by now, None if it has it."""
    # The last segment, not the one that is active at `now`: this request may be a second older than the last change.
    if event.paused != room.segments[-1].paused:
        return (admission_plan.pause if event.paused else admission_plan.resume)(room.segments, now)
    capped = admission_plan.cap_unused_admissions(room.segments, now, total)
    if capped is not None or not config.follows_stock(event) or len(room.segments) >= MAX_SEGMENTS:
        return capped
    return admission_plan.follow_stock(room.segments, now, stock_limits.wave_size_for_stock(event, room, total, now))


def _run_draw(event: Event, room: Room) -> None:
    """Close all counters, then record how many arrived as N. A closed counter never counts again, so every instance finds the same N."""
    counts = [store.close_counter(room, counter) for counter in range(room.counters)]
    offsets = [sum(counts[:counter]) for counter in range(room.counters)]
    store.record_draw(room, sum(counts), offsets, effective_plan(event, room))
    log.info("waiting_room.opened", event_id=event.id, room=room.number, n=sum(counts))
