"""Joining the line, asking for one's place, and the pass that a reservation needs."""

import random
from collections.abc import Callable
from typing import Any

from chalicelib import clock, dynamo, log
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.waiting_room import admission_plan, room_cache, store, tokens
from chalicelib.waiting_room.model import (
    LATE,
    Arrival,
    JoiningStopped,
    NotAdmitted,
    PassExpired,
    RoomCleared,
    RoomState,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherEvent,
    TokenOfAnotherUser,
    TokenUnknown,
)
from chalicelib.waiting_room.permutation import ALGORITHM
from chalicelib.waiting_room.position import compute_position
from chalicelib.waiting_room.room_cache import CachedRoom

_ATTEMPTS = 4
KEPT_SECONDS = 7 * 86_400  # entries are of no use after the event


def join(event_id: str, user_id: str, check_work: Callable[[], None], now: int) -> dict[str, Any]:
    """A place in the line; the same one when asked again, unless its pass ran out: then a new one at the end.

    One read and two writes. `check_work` refuses who has not done the work that a new place costs, where it costs any. Raises
    NotFound, NoWaitingRoom, JoiningStopped. A crash, or a lost answer, may burn a number:
    nobody stands there, and those behind are one place further back than they need to be.
    """
    for _ in range(_ATTEMPTS):
        known = room_cache.get_room(event_id, now)
        user = tokens.user_digest(user_id)
        present = store.load_entry(known.room, user)
        if present is not None and not compute_position(known.state, present, now).pass_expired:
            return _join_view(known, present, now)
        if known.state.stopped is not None:
            raise JoiningStopped(reason=known.state.stopped)
        check_work()
        arrival = _take_arrival(known, user, now)
        if arrival is None:  # the sale opened since this instance looked
            room_cache.reload_room(event_id, now)
            continue
        winner = store.put_entry(arrival, present, arrival.until + KEPT_SECONDS)
        if winner is None or winner == arrival:
            log.info("waiting_room.joined", event_id=event_id, room=arrival.room, late=arrival.counter == LATE)
            log.count("waiting_room_joins")
            return _join_view(known, arrival, now)
    raise dynamo.StoreUnavailable("the waiting room kept changing")


def status(event_id: str, token: str, now: int) -> dict[str, Any]:
    """What a token's holder sees; no store read while this instance's room is fresh.

    Raises NotFound, NoWaitingRoom, TokenUnknown and RoomCleared.
    """
    known = room_cache.get_room(event_id, now)
    arrival = tokens.read_token(token)
    if arrival is None or arrival.event_id != event_id:
        raise TokenUnknown()
    known = _reload_if_behind(known, arrival, now)
    if arrival.room != known.state.room:
        raise RoomCleared()
    return status_view(known.state, arrival, now)


def guest_user_id(token: str | None) -> str | None:
    """The user that a guest's token stands for, where nobody else names one."""
    arrival = tokens.read_token(token) if token else None
    return arrival.user if arrival is not None and arrival.user.startswith(tokens.GUEST) else None


def admit(event: Event, user_id: str, token: str | None, now: int) -> str | None:
    """The id of the pass with which the user may reserve now; None for an event without a waiting room.

    Raises TokenInvalid, TokenOfAnotherEvent, TokenOfAnotherUser, TokenExpired, RoomCleared, NotAdmitted and PassExpired.
    It decides who may try; how much is left, and whether the sale is paused, is decided by the stock.
    """
    if not room_cache.has_waiting_room(event):
        return None
    if token is None:
        raise NotAdmitted("Join the waiting room first, and send its token.", position=None, etaSeconds=None)
    arrival = _check_arrival(tokens.read_token(token), event.id, user_id, now)
    known = _reload_if_behind(room_cache.get_room(event.id, now), arrival, now)
    if arrival.room != known.state.room:
        raise RoomCleared()
    stands = compute_position(known.state, arrival, now)
    if stands.pass_expired:
        raise PassExpired()
    if not stands.opened or stands.admitted_at is None or stands.admitted_at > now:
        raise NotAdmitted(position=stands.position, etaSeconds=stands.eta_seconds)
    return arrival.pass_id


def status_view(state: RoomState, arrival: Arrival, now: int) -> dict[str, Any]:
    """The status answer; camelCase by its fixed shape."""
    stands = compute_position(state, arrival, now)
    return {
        "state": "sale_open" if now >= state.on_sale_at else "waiting",
        "onSaleAt": clock.iso(state.on_sale_at),
        "secondsUntilOnSale": max(0, state.on_sale_at - now),
        "paused": stands.paused,
        "position": stands.position,
        "ahead": stands.ahead,
        "total": max(state.total, stands.position or 0),
        "canEnter": stands.can_enter and state.stopped is None,
        "etaSeconds": stands.eta_seconds,
        "passSecondsLeft": stands.pass_left,
        "passExpired": stands.pass_expired,
        "stopped": state.stopped,
        "mayReturn": state.may_return,
    }


def status_without_room(event_id: str) -> dict[str, Any]:
    """The answer to a join or a status of an event without a waiting room: there is no line, and no token is needed."""
    _, event = catalog.get_visible_event(event_id)
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


def proof(event_id: str, now: int) -> dict[str, Any]:
    """What anybody needs to recompute every position; the key only after the opening."""
    state = room_cache.get_room(event_id, now).state
    return {
        "event_id": event_id,
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


def reload(event: Event, now: int) -> None:
    """Let the room stop or go on with its event in this second; otherwise it does when the next instance loads it."""
    if room_cache.has_waiting_room(event) and event.status != "draft":
        room_cache.reload_room(event.id, now)


def admin_overview(event: Event, now: int) -> dict[str, Any] | None:
    """The room as an admin sees it; None for an event without one."""
    if not room_cache.has_waiting_room(event) or event.status == "draft":
        return None
    state = room_cache.get_room(event.id, now).state
    admitted = min(state.total, admission_plan.admitted_count(state.segments, now))
    latest = state.segments[-1]
    return {
        "room": state.room,
        "opened": state.n is not None,
        "total": state.total,
        "admitted": admitted,
        "queue_length": state.total - admitted,
        "active_passes": room_cache.active_passes(state.segments, state.total, state.pass_seconds, now),
        "paused": admission_plan.is_paused(state.segments, now),
        "wave_size": latest.wave_size,
        "wave_seconds": latest.interval,
        "pass_seconds": state.pass_seconds,
        "stopped": state.stopped,
    }


def _take_arrival(known: CachedRoom, user: str, now: int) -> Arrival | None:
    room = known.room
    counter = random.randrange(room.counters) if room.n is None else LATE
    number = store.take_arrival_number(room, counter)
    if number is None:
        return None
    return Arrival(
        event_id=room.event_id,
        room=room.number,
        user=user,
        counter=counter,
        number=number,
        joined_at=now,
        until=known.event.last_sale_at + 1,
    )


def _join_view(known: CachedRoom, arrival: Arrival, now: int) -> dict[str, Any]:
    return {"token": tokens.sign_arrival(arrival), **status_view(known.state, arrival, now)}


def _check_arrival(arrival: Arrival | None, event_id: str, user_id: str, now: int) -> Arrival:
    if arrival is None:
        raise TokenInvalid()
    if arrival.event_id != event_id:
        raise TokenOfAnotherEvent()
    if arrival.user != tokens.user_digest(user_id):
        raise TokenOfAnotherUser()
    if arrival.until <= now:
        raise TokenExpired()
    return arrival


def _reload_if_behind(known: CachedRoom, arrival: Arrival, now: int) -> CachedRoom:
    """A room that is newer than this instance knows, or whose draw it has not seen: look again."""
    behind = arrival.room > known.state.room or (arrival.counter == LATE and known.state.n is None)
    return room_cache.reload_room(arrival.event_id, now) if behind else known
