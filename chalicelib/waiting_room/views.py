"""How a waiting room looks over HTTP. The status is in camelCase, as its existing clients expect; the rest in snake_case."""

from typing import Any

from chalicelib import clock
from chalicelib.catalog.model import Event
from chalicelib.waiting_room import admission_plan
from chalicelib.waiting_room.model import Arrival, RoomState
from chalicelib.waiting_room.permutation import ALGORITHM
from chalicelib.waiting_room.queue_status import compute_queue_status


def status_view(state: RoomState, arrival: Arrival, now: int) -> dict[str, Any]:
    """The status of a token's holder."""
    queue_status = compute_queue_status(state, arrival, now)
    return {
        "state": "sale_open" if now >= state.on_sale_at else "waiting",
        "onSaleAt": clock.iso(state.on_sale_at),
        "secondsUntilOnSale": max(0, state.on_sale_at - now),
        "paused": queue_status.paused,
        "position": queue_status.position,
        "ahead": queue_status.ahead,
        "total": max(state.total, queue_status.position or 0),
        "canEnter": queue_status.can_enter and state.stopped is None,
        "etaSeconds": queue_status.eta_seconds,
        "passSecondsLeft": queue_status.pass_seconds_left,
        "passExpired": queue_status.pass_expired,
        "stopped": state.stopped,
        "mayReturn": state.may_return,
    }


def status_without_room_view(event: Event) -> dict[str, Any]:
    """The status of anybody at an event without a waiting room: there is no queue, and no token is needed."""
    return {
        "token": None,
        "state": "sale_open",
        "onSaleAt": None if event.on_sale_at is None else clock.iso(event.on_sale_at),
        "secondsUntilOnSale": 0,
        "paused": event.paused,
        "position": None,
        "ahead": 0,
        "total": 0,
        "canEnter": not event.paused,
        "etaSeconds": 0,
    }


def proof_view(state: RoomState) -> dict[str, Any]:
    """Everything that is needed to recompute all positions; the key is null until the opening."""
    return {
        "event_id": state.event_id,
        "room": state.room,
        "algorithm": ALGORITHM,
        "commitment": state.commitment,
        "commitment_is": "sha256 of the key's bytes, hex",
        "on_sale_at": clock.iso(state.on_sale_at),
        "opened": state.n is not None,
        "key": state.key,
        "n": state.n,
        "offsets": state.offsets,
        "total": state.total,
    }


def admin_view(state: RoomState, now: int) -> dict[str, Any]:
    """The room as an admin sees it."""
    admitted = min(state.total, admission_plan.admitted_count(state.segments, now))
    last = state.segments[-1]
    return {
        "room": state.room,
        "opened": state.n is not None,
        "total": state.total,
        "admitted": admitted,
        "queue_length": state.total - admitted,
        "active_passes": admission_plan.active_pass_count(state.segments, state.total, state.pass_seconds, now),
        "paused": admission_plan.is_paused(state.segments, now),
        "wave_size": last.wave_size,
        "wave_seconds": last.interval,
        "pass_seconds": state.pass_seconds,
        "stopped": state.stopped,
    }
