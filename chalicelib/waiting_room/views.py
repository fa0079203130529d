"""Waiting rooms as the API shows them."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from chalicelib.catalog.model import Event
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.waiting_room import admission_plan
from chalicelib.waiting_room.draw import ALGORITHM
from chalicelib.waiting_room.model import Arrival, RoomState, compute_queue_status


class QueueStatusView(Struct, frozen=True, kw_only=True):
    """A place in the queue. Without a queue, `position` is null, and `ahead` and `eta_seconds` are 0.

    `token` represents the place. If the request contained the token, the reply does not repeat it. Without a queue, `token` is null, and
    the five fields after `eta_seconds` are missing. `turn_seconds_left` is 0 after a missed turn; while `can_enter` is true, the user may
    still reserve for `pass_seconds_left`.
    """

    token: str | UnsetType | None = UNSET
    state: Literal["waiting", "sale_open"]
    on_sale_at: Timestamp | None
    seconds_until_on_sale: int
    paused: bool
    position: int | None
    ahead: int | None
    total: int
    can_enter: bool
    eta_seconds: int | None
    pass_seconds_left: int | UnsetType | None = UNSET
    turn_seconds_left: int | UnsetType | None = UNSET
    pass_expired: bool | UnsetType = UNSET
    stopped: str | UnsetType | None = UNSET
    may_return: int | UnsetType | None = UNSET


class JoinView(QueueStatusView, frozen=True, kw_only=True):
    """The place of the user who joined, or, without a waiting room, the status that applies to every user."""

    user_id: str


class ProofView(Struct, frozen=True, kw_only=True):
    """The data for recomputing all positions. `key` and `n` are null until the opening."""

    event_id: str
    room: int
    algorithm: str
    commitment: str
    commitment_is: str
    on_sale_at: Timestamp
    opened: bool
    key: str | None
    n: int | None
    offsets: list[int]
    late_counters: int
    total: int


class AdminRoomView(Struct, frozen=True, kw_only=True):
    """A waiting room as an admin sees it: its waves, and how many users have joined, been admitted and are still waiting.

    A turn lasts `pass_seconds`; a pass is also valid for the `grace_seconds` after it.
    """

    room: int
    opened: bool
    total: int
    admitted: int
    queue_length: int
    active_passes: int
    paused: bool
    wave_size: int
    wave_seconds: int
    pass_seconds: int
    grace_seconds: int
    stopped: str | None


def status_view(state: RoomState, arrival: Arrival, now: int) -> QueueStatusView:
    """Return the status of a token's holder."""
    queue_status = compute_queue_status(state, arrival, now)
    return QueueStatusView(
        state="sale_open" if now >= state.on_sale_at else "waiting",
        on_sale_at=clock.iso(state.on_sale_at),
        seconds_until_on_sale=max(0, state.on_sale_at - now),
        paused=queue_status.paused,
        position=queue_status.position,
        ahead=queue_status.ahead,
        total=max(state.total, queue_status.position or 0),
        can_enter=queue_status.can_enter and state.stopped is None,
        eta_seconds=queue_status.eta_seconds,
        pass_seconds_left=queue_status.pass_seconds_left,
        turn_seconds_left=queue_status.turn_seconds_left,
        pass_expired=queue_status.pass_expired,
        stopped=state.stopped,
        may_return=state.may_return,
    )


def status_without_room_view(event: Event) -> QueueStatusView:
    """Return the status of any user at an event without a waiting room: there is no queue, and no token is needed."""
    return QueueStatusView(
        token=None,
        state="sale_open",
        on_sale_at=None if event.on_sale_at is None else clock.iso(event.on_sale_at),
        seconds_until_on_sale=0,
        paused=event.is_paused,
        position=None,
        ahead=0,
        total=0,
        can_enter=not event.is_paused,
        eta_seconds=0,
    )


def proof_view(state: RoomState) -> ProofView:
    """Return the data for recomputing all positions. The key is null until the opening."""
    return ProofView(
        event_id=state.event_id,
        room=state.room,
        algorithm=ALGORITHM,
        commitment=state.commitment,
        commitment_is="sha256 of the key's bytes, hex",
        on_sale_at=clock.iso(state.on_sale_at),
        opened=state.n is not None,
        key=state.key,
        n=state.n,
        offsets=state.offsets,
        late_counters=state.late_counters,
        total=state.total,
    )


def admin_view(state: RoomState, now: int) -> AdminRoomView:
    """Return the room as an admin sees it."""
    admitted = min(state.total, admission_plan.admitted_count(state.segments, now))
    last = state.segments[-1]
    return AdminRoomView(
        room=state.room,
        opened=state.n is not None,
        total=state.total,
        admitted=admitted,
        queue_length=state.total - admitted,
        active_passes=admission_plan.active_pass_count(state.segments, state.total, state.pass_seconds, now),
        paused=state.is_paused(now),
        wave_size=last.wave_size,
        wave_seconds=last.interval,
        pass_seconds=state.pass_seconds - state.grace_seconds,
        grace_seconds=state.grace_seconds,
        stopped=state.stopped,
    )
