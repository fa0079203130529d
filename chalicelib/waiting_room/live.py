"""What an admin does to a room while it runs: another rate, some more at once, a new room. Each is audited with what it did."""

from collections.abc import Callable

from chalicelib import dynamo, settings
from chalicelib.audit import service as audit
from chalicelib.waiting_room import rooms, segments, store
from chalicelib.waiting_room.model import State, TooManyChanges
from chalicelib.waiting_room.rooms import Known
from chalicelib.waiting_room.segments import Segment

_ATTEMPTS = 5


def set_rate(event_id: str, wave_size: int, wave_seconds: int, actor: str, now: int) -> State:
    """Other waves from now on."""
    facts = {"wave_size": wave_size, "wave_seconds": wave_seconds}
    return _replanned(event_id, "rate", facts, lambda plan: segments.set_rate(plan, now, wave_size, wave_seconds), actor, now)


def let_in(event_id: str, count: int, actor: str, now: int) -> State:
    """`count` more at once, beside the waves."""
    return _replanned(event_id, "let_in", {"count": count}, lambda plan: segments.let_in(plan, now, count), actor, now)


def clear(event_id: str, actor: str, now: int) -> int:
    """Start a new room with a new draw; how many stood in the old one. Its tokens say that it was cleared."""

    def change(known: Known) -> tuple[dynamo.TransactItem, dict[str, int]]:
        item = store.creation(event_id, settings.current().waiting_room_counters, known.room)
        return item, {"room": known.room.number, "cleared": known.state.total}

    return _commit(event_id, "cleared", change, actor, now)[0].state.total


def _replanned(
    event_id: str, what: str, facts: dict[str, int], change: Callable[[list[Segment]], list[Segment]], actor: str, now: int
) -> State:
    def item(known: Known) -> tuple[dynamo.TransactItem, dict[str, int]]:
        plan = change(known.state.segments)
        if len(plan) > rooms.MAX_SEGMENTS:
            raise TooManyChanges(limit=rooms.MAX_SEGMENTS)
        return rooms.replanned(known.event, known.room, plan, now), facts

    return _commit(event_id, what, item, actor, now)[1].state


def _commit(
    event_id: str, what: str, change: Callable[[Known], tuple[dynamo.TransactItem, dict[str, int]]], actor: str, now: int
) -> tuple[Known, Known]:
    """The room before and after; the change and its audit entry are one transaction."""
    for _ in range(_ATTEMPTS):
        before = rooms.current(event_id, now)
        item, facts = change(before)
        try:
            dynamo.transact([item, audit.entry(f"event#{event_id}", f"waiting_room.{what}", actor, now, facts)])
        except dynamo.TransactionRefused:
            continue  # the room changed since it was read
        return before, rooms.current(event_id, now)
    raise dynamo.StoreUnavailable("the waiting room kept changing")
