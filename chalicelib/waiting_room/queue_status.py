"""Where a buyer stands in the queue: computed from the public state and the token's arrival, without a store read.

web/waiting-room.js computes the same; a test compares both.
"""

from msgspec import Struct

from chalicelib.waiting_room import admission_plan, draw
from chalicelib.waiting_room.model import Arrival, RoomState


class QueueStatus(Struct, frozen=True):
    """An arrival's place in the queue. `position` counts from 1 and never changes; `ahead` of it are not admitted yet.

    `admitted_at` (epoch seconds) may lie in the future, and is None if no planned wave reaches the position. `pass_seconds_left` is None
    before admission. `position`, `ahead` and `admitted_at` are None until the draw.
    """

    position: int | None
    ahead: int | None
    admitted_at: int | None
    pass_seconds_left: int | None
    paused: bool
    can_enter: bool
    pass_expired: bool
    eta_seconds: int | None


def compute_queue_status(state: RoomState, arrival: Arrival, now: int) -> QueueStatus:
    """The status of the arrival at `now`. Nobody has a position until the sale has opened and the state contains the draw."""
    paused = admission_plan.is_paused(state.segments, now)
    if state.n is None or state.key is None or now < state.on_sale_at:
        eta = None if paused else max(0, state.on_sale_at - now)
        return QueueStatus(None, None, None, None, paused, False, False, eta)
    position = draw.position(bytes.fromhex(state.key), state.n, tuple(state.offsets), arrival.counter, arrival.number)
    admitted_at = admission_plan.admission_time(state.segments, position, arrival.joined_at)
    if admitted_at is None or admitted_at > now:
        ahead = max(0, position - 1 - admission_plan.admitted_count(state.segments, now))
        eta = None if admitted_at is None else admitted_at - now
        return QueueStatus(position, ahead, admitted_at, None, paused, False, False, eta)
    seconds_left = state.pass_seconds - admission_plan.running_seconds(state.segments, admitted_at, now)
    pass_valid = seconds_left > 0
    return QueueStatus(position, 0, admitted_at, max(0, seconds_left), paused, pass_valid and not paused, not pass_valid, 0)
