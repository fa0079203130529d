"""Where an arrival stands: computed from the public document and the token, with no look at the store.

Pure: web/waiting-room.js computes the same, and a test holds the two together.
"""

from functools import lru_cache

from msgspec import Struct

from chalicelib.waiting_room import admission_plan, draw
from chalicelib.waiting_room.model import Arrival, RoomState


class Position(Struct, frozen=True):
    """`position` counts from 1 and never changes; `ahead` of it are not admitted yet. Seconds and epoch seconds.

    `admitted_at` may lie in the future, and is None while no planned wave gets there. `pass_left` is None before admission.
    """

    opened: bool
    position: int | None
    ahead: int | None
    admitted_at: int | None
    pass_left: int | None
    paused: bool
    can_enter: bool
    pass_expired: bool
    eta_seconds: int | None


def compute_position(state: RoomState, arrival: Arrival, now: int) -> Position:
    """The arrival's place at `now`. Before the opening is known nobody has one."""
    paused = admission_plan.is_paused(state.segments, now)
    position = position_of(state, arrival)
    if position is None or now < state.on_sale_at:
        until = max(0, state.on_sale_at - now)
        return Position(False, None, None, None, None, paused, False, False, None if paused else until)
    moment = admission_plan.admitted_at(state.segments, position, arrival.joined_at)
    if moment is None or moment > now:
        ahead = max(0, position - 1 - admission_plan.admitted_count(state.segments, now))
        return Position(True, position, ahead, moment, None, paused, False, False, None if moment is None else moment - now)
    left = state.pass_seconds - admission_plan.running_seconds(state.segments, moment, now)
    alive = left > 0
    return Position(True, position, 0, moment, max(0, left), paused, alive and not paused, not alive, 0)


def position_of(state: RoomState, arrival: Arrival) -> int | None:
    """From 1; None until the draw. Arrivals after the opening stand behind all that were drawn, in order."""
    if state.n is None or state.key is None:
        return None
    return _position(state.key, state.n, tuple(state.offsets), arrival.counter, arrival.number)


@lru_cache(maxsize=65_536)
def _position(key: str, n: int, offsets: tuple[int, ...], counter: int, number: int) -> int:
    return draw.position(bytes.fromhex(key), n, offsets, counter, number)
