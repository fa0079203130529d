"""Joining the line, asking for one's place, and the pass that a reservation needs."""

import random
from collections.abc import Callable
from typing import Any

from chalicelib import clock, dynamo, log
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Event
from chalicelib.waiting_room import rooms, segments, store, tokens
from chalicelib.waiting_room.model import (
    LATE,
    Arrival,
    JoiningStopped,
    NotAdmitted,
    PassExpired,
    RoomCleared,
    State,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherEvent,
    TokenOfAnotherUser,
    TokenUnknown,
)
from chalicelib.waiting_room.permutation import ALGORITHM
from chalicelib.waiting_room.place import place
from chalicelib.waiting_room.rooms import Known

_ATTEMPTS = 4
KEPT_SECONDS = 7 * 86_400  # entries are of no use after the event


def join(event_id: str, user_id: str, check_work: Callable[[], None], now: int) -> dict[str, Any]:
    """A place in the line; the same one when asked again, unless its pass ran out: then a new one at the end.

    One read and two writes. `check_work` refuses who has not done the work that a new place costs, where it costs any. Raises
    NotFound, NoWaitingRoom, JoiningStopped. A crash, or a lost answer, may burn a number:
    nobody stands there, and those behind are one place further back than they need to be.
    """
    for _ in range(_ATTEMPTS):
        known = rooms.known(event_id, now)
        user = tokens.holder(user_id)
        present = store.entry(known.room, user)
        if present is not None and not place(known.state, present, now).pass_expired:
            return _joined(known, present, now)
        if known.state.stopped is not None:
            raise JoiningStopped(reason=known.state.stopped)
        check_work()
        arrival = _arrive(known, user, now)
        if arrival is None:  # the sale opened since this instance looked
            rooms.current(event_id, now)
            continue
        winner = store.put_entry(arrival, present, arrival.until + KEPT_SECONDS)
        if winner is None or winner == arrival:
            log.info("waiting_room.joined", event_id=event_id, room=arrival.room, late=arrival.counter == LATE)
            log.count("waiting_room_joins")
            return _joined(known, arrival, now)
    raise dynamo.StoreUnavailable("the waiting room kept changing")


def status(event_id: str, token: str, now: int) -> dict[str, Any]:
    """What a token's holder sees; no store read while this instance's room is fresh.

    Raises NotFound, NoWaitingRoom, TokenUnknown and RoomCleared.
    """
    known = rooms.known(event_id, now)
    arrival = tokens.read(token)
    if arrival is None or arrival.event_id != event_id:
        raise TokenUnknown()
    known = _not_older(known, arrival, now)
    if arrival.room != known.state.room:
        raise RoomCleared()
    return shown(known.state, arrival, now)


def guest(token: str | None) -> str | None:
    """The user that a guest's token stands for, where nobody else names one."""
    arrival = tokens.read(token) if token else None
    return arrival.user if arrival is not None and arrival.user.startswith(tokens.GUEST) else None


def admit(event: Event, user_id: str, token: str | None, now: int) -> str | None:
    """The id of the pass with which the user may reserve now; None for an event without a waiting room.

    Raises TokenInvalid, TokenOfAnotherEvent, TokenOfAnotherUser, TokenExpired, RoomCleared, NotAdmitted and PassExpired.
    It decides who may try; how much is left, and whether the sale is paused, is decided by the stock.
    """
    if not rooms.has_room(event):
        return None
    if token is None:
        raise NotAdmitted("Join the waiting room first, and send its token.", position=None, etaSeconds=None)
    arrival = _checked(tokens.read(token), event.id, user_id, now)
    known = _not_older(rooms.known(event.id, now), arrival, now)
    if arrival.room != known.state.room:
        raise RoomCleared()
    stands = place(known.state, arrival, now)
    if stands.pass_expired:
        raise PassExpired()
    if not stands.opened or stands.admitted_at is None or stands.admitted_at > now:
        raise NotAdmitted(position=stands.position, etaSeconds=stands.eta_seconds)
    return arrival.pass_id


def shown(state: State, arrival: Arrival, now: int) -> dict[str, Any]:
    """The status answer; camelCase by its fixed shape."""
    stands = place(state, arrival, now)
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


def open_to_all(event_id: str) -> dict[str, Any]:
    """The answer to a join or a status of an event without a waiting room: there is no line, and no token is needed."""
    _, event = catalog.visible(event_id)
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
    state = rooms.known(event_id, now).state
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


def follow(event: Event, now: int) -> None:
    """Let the room stop or go on with its event in this second; otherwise it does when the next instance loads it."""
    if rooms.has_room(event) and event.status != "draft":
        rooms.current(event.id, now)


def overview(event: Event, now: int) -> dict[str, Any] | None:
    """The room as an admin sees it; None for an event without one."""
    if not rooms.has_room(event) or event.status == "draft":
        return None
    state = rooms.known(event.id, now).state
    admitted = min(state.total, segments.admitted(state.segments, now))
    latest = state.segments[-1]
    return {
        "room": state.room,
        "opened": state.n is not None,
        "total": state.total,
        "admitted": admitted,
        "queue_length": state.total - admitted,
        "active_passes": rooms.active_passes(state.segments, state.total, state.pass_seconds, now),
        "paused": segments.is_paused(state.segments, now),
        "wave_size": latest.wave_size,
        "wave_seconds": latest.interval,
        "pass_seconds": state.pass_seconds,
        "stopped": state.stopped,
    }


def _arrive(known: Known, user: str, now: int) -> Arrival | None:
    room = known.room
    counter = random.randrange(room.counters) if room.n is None else LATE
    number = store.arrive(room, counter)
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


def _joined(known: Known, arrival: Arrival, now: int) -> dict[str, Any]:
    return {"token": tokens.sign(arrival), **shown(known.state, arrival, now)}


def _checked(arrival: Arrival | None, event_id: str, user_id: str, now: int) -> Arrival:
    if arrival is None:
        raise TokenInvalid()
    if arrival.event_id != event_id:
        raise TokenOfAnotherEvent()
    if arrival.user != tokens.holder(user_id):
        raise TokenOfAnotherUser()
    if arrival.until <= now:
        raise TokenExpired()
    return arrival


def _not_older(known: Known, arrival: Arrival, now: int) -> Known:
    """A room that is newer than this instance knows, or whose draw it has not seen: look again."""
    behind = arrival.room > known.state.room or (arrival.counter == LATE and known.state.n is None)
    return rooms.current(arrival.event_id, now) if behind else known
