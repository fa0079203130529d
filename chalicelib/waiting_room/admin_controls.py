"""Admin controls for a running waiting room: set the rate, let buyers in, clear the room. Every action is audited."""

from collections.abc import Callable

from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import service as catalog
from chalicelib.dynamodb import dynamo
from chalicelib.foundation import settings
from chalicelib.waiting_room import admission_plan, model, room_cache, store
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.model import TooManyChanges
from chalicelib.waiting_room.room_cache import LoadedRoom

_MAX_ATTEMPTS = 5

# A function that receives the room before a change and returns the transaction item, the audit details and the room after the change.
Change = Callable[[LoadedRoom], tuple[dynamo.TransactItem, dict[str, int], LoadedRoom]]


def set_rate(event_id: str, wave_size: int, wave_seconds: int, actor: str, now: int) -> LoadedRoom:
    """Admit `wave_size` buyers every `wave_seconds` from now on. Returns the room after the change. Raises TooManyChanges."""
    details = {"wave_size": wave_size, "wave_seconds": wave_seconds}
    return _change_plan(
        event_id, "waiting_room.rate", details, lambda plan, at: admission_plan.set_rate(plan, at, wave_size, wave_seconds), actor, now
    )


def let_buyers_in(event_id: str, count: int, actor: str, now: int) -> LoadedRoom:
    """Admit `count` more buyers at once, in addition to the waves. Returns the room after the change. Raises TooManyChanges."""
    return _change_plan(
        event_id, "waiting_room.let_in", {"count": count}, lambda plan, at: admission_plan.let_in(plan, at, count), actor, now
    )


def clear_room(event_id: str, actor: str, now: int) -> int:
    """Replace the room with a new room and a new draw, which invalidates all tokens. Returns how many buyers had joined the old room."""

    def replace_room(before: LoadedRoom) -> tuple[dynamo.TransactItem, dict[str, int], LoadedRoom]:
        revision = catalog.refresh_snapshot().head.public_revision
        item = store.create_room_item(event_id, settings.current().waiting_room_counters, revision, before.room)
        return item, {"room": before.room.number, "cleared": before.total}, before

    return _commit(event_id, "waiting_room.cleared", replace_room, actor, now).total


def _change_plan(
    event_id: str, action: str, details: dict[str, int], change: Callable[[list[Segment], int], list[Segment]], actor: str, now: int
) -> LoadedRoom:
    """Apply `change`, a function of the plan and the second in which the change takes effect. Raises TooManyChanges."""

    def replace_plan(before: LoadedRoom) -> tuple[dynamo.TransactItem, dict[str, int], LoadedRoom]:
        room, event, plan = before.room, before.event, before.plan
        assert event.on_sale_at is not None  # it has a waiting room
        # The draw, not the clock, decides whether the change counts as before or after the opening: clocks differ, and a draw takes time.
        at = min(now, event.on_sale_at - 1) if room.n is None else max(now, plan[0].since)
        changed = admission_plan.shorten(change(plan, at), at, model.pass_seconds(event))
        if len(changed) > max(len(plan), admission_plan.MAX_SEGMENTS_AFTER_ADMIN_CHANGE):
            raise TooManyChanges(limit=admission_plan.MAX_SEGMENTS_AFTER_ADMIN_CHANGE)
        return store.replace_plan_item(room, changed), details, replace(before, room=replace(room, segments=changed))

    return _commit(event_id, action, replace_plan, actor, now)


def _commit(event_id: str, action: str, change: Change, actor: str, now: int) -> LoadedRoom:
    """Write the change and its audit entry in one transaction. Returns the room that `change` returned, without another read.

    Retries after a lost race. Raises StoreUnavailable if all attempts lose.
    """
    for _ in range(_MAX_ATTEMPTS):
        item, details, after = change(room_cache.load_room(event_id, now))
        try:
            store.commit(item, audit.entry_item(f"event#{event_id}", action, actor, now, details))
        except store.RoomConflict:
            continue
        room_cache.forget_room(event_id)
        return after
    raise dynamo.StoreUnavailable("the waiting room kept changing while an admin changed it")
