"""What an admin does to a room while it runs: another rate, some more at once, a new room. Each is audited with what it did."""

from collections.abc import Callable

from chalicelib import dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.waiting_room import admission_plan, room_cache, store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import RoomState, TooManyChanges
from chalicelib.waiting_room.room_cache import CachedRoom

_ATTEMPTS = 5


def set_rate(event_id: str, wave_size: int, wave_seconds: int, actor: str, now: int) -> RoomState:
    """Other waves from now on."""
    details = {"wave_size": wave_size, "wave_seconds": wave_seconds}
    return _change_plan(event_id, "rate", details, lambda plan: admission_plan.set_rate(plan, now, wave_size, wave_seconds), actor, now)


def let_in(event_id: str, count: int, actor: str, now: int) -> RoomState:
    """`count` more at once, beside the waves."""
    return _change_plan(event_id, "let_in", {"count": count}, lambda plan: admission_plan.let_in(plan, now, count), actor, now)


def clear(event_id: str, actor: str, now: int) -> int:
    """Start a new room with a new draw; how many stood in the old one. Its tokens say that it was cleared."""

    def change(known: CachedRoom) -> tuple[dynamo.TransactItem, dict[str, int]]:
        item = store.create_room_item(event_id, settings.current().waiting_room_counters, known.room)
        return item, {"room": known.room.number, "cleared": known.state.total}

    return _commit(event_id, "cleared", change, actor, now)[0].state.total


def _change_plan(
    event_id: str, what: str, details: dict[str, int], change: Callable[[list[Segment]], list[Segment]], actor: str, now: int
) -> RoomState:
    def item(known: CachedRoom) -> tuple[dynamo.TransactItem, dict[str, int]]:
        plan = change(known.state.segments)
        if len(plan) > room_cache.MAX_SEGMENTS:
            raise TooManyChanges(limit=room_cache.MAX_SEGMENTS)
        return room_cache.replace_plan_item(known.event, known.room, plan, now), details

    return _commit(event_id, what, item, actor, now)[1].state


def _commit(
    event_id: str, what: str, change: Callable[[CachedRoom], tuple[dynamo.TransactItem, dict[str, int]]], actor: str, now: int
) -> tuple[CachedRoom, CachedRoom]:
    """The room before and after; the change and its audit entry are one transaction."""
    for _ in range(_ATTEMPTS):
        before = room_cache.reload_room(event_id, now)
        item, details = change(before)
        try:
            dynamo.transact([item, audit.entry_item(f"event#{event_id}", f"waiting_room.{what}", actor, now, details)])
        except dynamo.TransactionCanceled:
            continue  # the room changed since it was read
        return before, room_cache.reload_room(event_id, now)
    raise dynamo.StoreUnavailable("the waiting room kept changing")
