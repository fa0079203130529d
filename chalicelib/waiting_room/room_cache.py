"""The room of an event in this instance's memory: loaded once a second at most, and put right while loading.

Whoever loads a room does what is due: creates it, freezes the draw once the sale has opened, follows a pause, and lets no
admissions pile up behind an empty line. Each of these is one conditional write; of all instances that try, one does it.
"""

from collections.abc import Sequence

from msgspec import Struct

from chalicelib import dynamo, log, settings
from chalicelib.cache import TtlCache
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event, event_phase
from chalicelib.edge.http import CacheableReply
from chalicelib.inventory import service as inventory
from chalicelib.inventory.model import Stock
from chalicelib.waiting_room import admission_plan, store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import NoWaitingRoom, RoomState
from chalicelib.waiting_room.store import Room

MAX_AGE_SECONDS = 1
MAX_SEGMENTS = 500  # a room that is steered every few seconds for hours; the document stays small enough to poll
_ATTEMPTS = 8


class CachedRoom(Struct, frozen=True, eq=False):
    """A room as it was loaded, what the public sees of it, and that once encoded."""

    event: Event
    room: Room
    state: RoomState
    document: CacheableReply


_rooms: dict[str, TtlCache[CachedRoom]] = {}


def has_waiting_room(event: Event) -> bool:
    """An event with an opening has a waiting room unless it says otherwise."""
    return event.on_sale_at is not None and (event.waiting_room is None or event.waiting_room.enabled)


def get_room(event_id: str, now: int) -> CachedRoom:
    """The room, a second old at most; raises NotFound for a hidden event and NoWaitingRoom for one without."""
    _, event = catalog.get_visible_event(event_id)
    if not has_waiting_room(event):
        raise NoWaitingRoom(event_id=event_id)
    cache = _rooms.get(event_id)
    if cache is None:
        cache = _rooms.setdefault(event_id, TtlCache(lambda: MAX_AGE_SECONDS))
    return cache.get(now, event, lambda: _load(event, now))


def reload_room(event_id: str, now: int) -> CachedRoom:
    """As `known`, but loaded now: after a change, and where memory turned out to be behind."""
    cache = _rooms.get(event_id)
    if cache is not None:
        cache.invalidate()
    return get_room(event_id, now)


def invalidate() -> None:
    """Forget all rooms."""
    _rooms.clear()


def effective_plan(event: Event, room: Room) -> list[Segment]:
    """The segments; until the draw is frozen their first begins when, and paused if, the event as it is now says so."""
    if room.n is not None:
        return room.segments
    assert event.on_sale_at is not None  # it has a room
    first = room.segments[0] if room.segments else _first_segment(event, event.on_sale_at)
    return [Segment(event.on_sale_at, first.base, first.wave_size, first.interval, first.waited, event.paused)]


def _first_segment(event: Event, at: int) -> Segment:
    chosen, default = event.waiting_room, settings.current()
    size = (chosen.wave_size if chosen else None) or default.wave_size
    seconds = (chosen.wave_seconds if chosen else None) or default.wave_seconds
    return admission_plan.initial_plan(at, size, seconds)[0]


def _load(event: Event, now: int) -> CachedRoom:
    for _ in range(_ATTEMPTS):
        room, total = store.load(event.id)
        if room is None:
            _commit(store.create_room_item(event.id, settings.current().waiting_room_counters))
        elif not _apply_next_due_change(event, room, total, now):
            return _build_cached_room(event, room, total, now)
    raise dynamo.StoreUnavailable("the waiting room kept changing")


def _apply_next_due_change(event: Event, room: Room, total: int, now: int) -> bool:
    """Do the next thing that is due, if anything is; the room must be loaded again then, whoever did it."""
    assert event.on_sale_at is not None
    if room.n is None:
        if now < event.on_sale_at:
            return False
        _freeze_draw(event, room)
        return True
    if event.paused != room.segments[-1].paused:  # not as of now: this request may be a second older than the last change
        change = admission_plan.pause if event.paused else admission_plan.resume
        _commit(replace_plan_item(event, room, change(room.segments, now), now))
        return True
    plan = admission_plan.cap_unused_admissions(room.segments, now, total)
    if plan is None and event.waiting_room is not None and event.waiting_room.follow_stock and len(room.segments) < MAX_SEGMENTS:
        plan = admission_plan.follow_stock(room.segments, now, _wave_for_stock(event, room, total, now))
    if plan is not None:
        _commit(replace_plan_item(event, room, plan, now))
        return True
    return False


def replace_plan_item(event: Event, room: Room, plan: Sequence[Segment], now: int) -> dynamo.TransactItem:
    """Transaction item that makes this the room's plan, if the room is as it was read."""
    return store.replace_plan_item(room, admission_plan.shorten(plan, now, pass_seconds(event)))


def _wave_for_stock(event: Event, room: Room, total: int, now: int) -> int:
    """How many more can be let in so that each could still buy what one person may buy, and the provider takes the payments.

    Whoever is inside counts as not having bought yet: their pass says only how long they may. So the estimate errs towards
    fewer. While nobody is inside and anything is left, one comes in.
    """
    first = _first_segment(event, now)
    limit = event.limit(settings.current().event_purchase_limit)
    stock = _stock(event, now)
    inside = active_passes(room.segments, total, pass_seconds(event), now)
    payments_a_second = max(1, settings.current().stripe_call_rate // settings.STRIPE_CALLS_PER_PAYMENT)
    could_buy = -(-stock.available // limit) - inside
    return max(0, min(first.wave_size, could_buy, payments_a_second * first.interval))


def active_passes(plan: Sequence[Segment], total: int, seconds: int, now: int) -> int:
    """How many were admitted within the last `seconds`: those whose pass may be alive."""
    return min(total, admission_plan.admitted_count(plan, now)) - min(total, admission_plan.admitted_count(plan, now - seconds))


def pass_seconds(event: Event) -> int:
    return (event.waiting_room.pass_seconds if event.waiting_room else None) or settings.current().pass_seconds


def _freeze_draw(event: Event, room: Room) -> None:
    """Close the counters, add up, write N by condition. A closed counter never counts again, so all who try find one N."""
    counts = [store.close_counter(room, number) for number in range(room.counters)]
    offsets = [sum(counts[:number]) for number in range(room.counters)]
    if store.freeze_draw(room, sum(counts), offsets, effective_plan(event, room)):
        log.info("waiting_room.opened", event_id=event.id, room=room.number, n=sum(counts))


def _commit(change: dynamo.TransactItem) -> None:
    try:
        dynamo.transact([change])
    except dynamo.TransactionCanceled:
        return  # somebody else was first; the room is loaded again


def _build_cached_room(event: Event, room: Room, total: int, now: int) -> CachedRoom:
    assert event.on_sale_at is not None
    stopped, may_return = _why_joining_stopped(event, now)
    opened = room.n is not None
    state = RoomState(
        event_id=event.id,
        room=room.number,
        on_sale_at=event.on_sale_at,
        commitment=room.commitment,
        key=room.key if opened else None,
        n=room.n,
        offsets=room.offsets,
        segments=effective_plan(event, room),
        total=total,
        pass_seconds=pass_seconds(event),
        stopped=stopped,
        may_return=may_return,
    )
    admitted = admission_plan.admitted_count(state.segments, now)
    log.gauge("admitted", min(total, admitted), event_id=event.id)
    log.gauge("queue_length", max(0, total - admitted), event_id=event.id)
    log.gauge("active_passes", active_passes(state.segments, total, state.pass_seconds, now), event_id=event.id)
    return CachedRoom(event, room, state, CacheableReply.encode(state, max_age=MAX_AGE_SECONDS))


def _why_joining_stopped(event: Event, now: int) -> tuple[str | None, int | None]:
    """Why nobody can join any more, and, while nothing is left but on hold, how many tickets may come back."""
    phase = event_phase(event, now)
    if phase in ("closed", "cancelled"):
        return phase, None
    if phase == "scheduled":
        return None, None
    stock = _stock(event, now)
    if stock.capacity == 0 or stock.available > 0:
        return None, None
    return (None, stock.held) if stock.held else ("sold_out", None)


def _stock(event: Event, now: int) -> Stock:
    """What the event's tiers add up to, a second old at most."""
    return Stock.total_of(inventory.cached_stock(catalog.snapshot().shard_counts([event.id]), now).values())
