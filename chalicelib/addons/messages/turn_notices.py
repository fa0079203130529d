"""Emails and push messages that people in a waiting room asked for: about their place after the draw, and shortly before their turn.

The waiting room stores no turns: a position, the plan and the time determine when somebody is admitted, and managers change the plan during
a sale. So each run computes how many people will be admitted soon, and reads only the places up to this position. Before the draw, nobody
has a position. The first run after the draw moves all places from the order of arrival to the order of position. A place is removed once
its email is queued. The outbox queues each email once, so runs may overlap or crash at any point.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, get_args

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.accounts import service as accounts
from chalicelib.addons.messages import store
from chalicelib.addons.messages.model import Place, PushSubscription, TurnNotAhead, TurnNotice
from chalicelib.addons.messages.store import Lane
from chalicelib.catalog import service as catalog
from chalicelib.edge.languages import Language
from chalicelib.foundation import deadline, parallel
from chalicelib.foundation.errors import InvalidInput, NotFound
from chalicelib.foundation.log import logger
from chalicelib.foundation.memory import Memory
from chalicelib.notifications import outbox
from chalicelib.notifications.delivery import Postponed
from chalicelib.notifications.model import Notification
from chalicelib.purchases import queries
from chalicelib.waiting_room import admission_plan, room_cache
from chalicelib.waiting_room import service as waiting_room
from chalicelib.waiting_room.model import Arrival, JoiningStopped, QueueStatus, RoomState, compute_queue_status, line_position

KINDS = ("place_drawn", "turn_near")

LEAD_SECONDS = 300  # how long before the turn the email is queued
RETENTION_SECONDS = 3 * 86_400  # after the sale
MIN_PLACES = 1000  # that are read per room, lane and run; more if more emails may be sent
PORTION = 500  # places that are moved at once after the draw
SECONDS_RESERVED = 30  # of each run, for sending the emails
MAX_SECONDS = 20  # of each run, so that enough time is left to queue the emails about events, and to send push messages
SECONDS_FOR_QUEUEING = 12  # of these, to queue the emails of the rooms in which people wait
SECONDS_FOR_PLACES = 4  # of these, for the emails about places
SECONDS_PER_RUN = 60
GOLDEN_RATIO = (5**0.5 - 1) / 2
STORED_SECONDS = 900  # how long this instance relies on a room that it has stored
IDLE_SECONDS = 3600  # how long a room without places is still read after the last request
MAX_TURN_SECONDS = 86_400  # how long a push service keeps a message for a browser that is offline
# These emails may use half of the rate, so that neither a large draw nor a large wave holds up the emails about orders.
SECONDS_OF_MAILS = 30

_stored_rooms: Memory[str, tuple[int, int, int]] = Memory()  # by event id: the room that this instance has stored, its `ttl`, and when

T = TypeVar("T")
LANES: tuple[Lane, ...] = get_args(Lane)


class DuePlaces(Struct, frozen=True):
    """The places of a room for which an email about a turn or about a place is due, by position, each with its lane."""

    state: RoomState
    turns: list[tuple[Lane, Place]]
    places: list[tuple[Lane, Place]]


class Turn(Struct, frozen=True):
    """The content of an email about a turn or a place."""

    notice: TurnNotice
    state: RoomState
    status: QueueStatus

    @property
    def pass_seconds(self) -> int:
        """How many seconds the pass is valid: the turn and the grace period after it."""
        return self.state.pass_seconds_of(self.notice.arrival)

    def seconds_left(self, now: int) -> int:
        """Return the seconds until the turn ends, at most MAX_TURN_SECONDS. Returns MAX_TURN_SECONDS if its beginning is not known yet."""
        if self.status.pass_seconds_left is not None:
            return self.status.pass_seconds_left
        begins_at = self.status.admitted_at
        return MAX_TURN_SECONDS if begins_at is None else min(MAX_TURN_SECONDS, begins_at + self.pass_seconds - now)


def choose_address(user_id: str, email: str | None, *, has_push: bool = False) -> tuple[str | None, str | None]:
    """Return the address for a user's emails, and the address to store, which is None if the emails go to the account's address.

    Both are None for a user who gets only push messages. Raises InvalidInput if a user without a verified address gives no address and gets
    no push messages, or if a user with a verified address gives an address.
    """
    account = accounts.find_account(user_id)
    if account is not None and account.verified_at is not None:
        if email is not None:
            raise InvalidInput("These emails go to the address of your account. Leave this field out.", path="$.email")
        return account.email, None
    if email is None and not has_push:
        raise InvalidInput("Enter the address for these emails, because your account has no confirmed address.", path="$.email")
    return email, email


def check_place(user_id: str, event_id: str, token: str, now: int) -> tuple[Arrival, QueueStatus]:
    """Return the user's arrival in `token` and its status. Raises what `request_messages` raises."""
    state, arrival = waiting_room.get_place(event_id, user_id, token, now)
    status = compute_queue_status(state, arrival, now)
    if state.stopped is not None:
        raise JoiningStopped(reason=state.stopped)
    if status.admitted_at is not None and status.admitted_at <= now:
        raise TurnNotAhead()
    return arrival, status


def request_messages(
    user_id: str, event_id: str, token: str, email: str | None, subscription: PushSubscription | None, language: Language, now: int
) -> TurnNotice:
    """Store a request for messages about the turn of the arrival in `token`. Replaces an earlier request.

    Raises TurnNotAhead, JoiningStopped if no turn can come, and what `waiting_room.get_place` raises.
    """
    arrival, status = check_place(user_id, event_id, token, now)
    notice = TurnNotice(user_id=user_id, event_id=event_id, arrival=arrival, language=language, email=email, push=subscription)
    ttl = _ttl(arrival)
    *stored, stored_at = _stored_rooms.entries.get(event_id, (0, 0, 0))
    if stored != [arrival.room, ttl] or now >= stored_at + STORED_SECONDS:
        store.put_room(event_id, arrival.room, ttl, now)
        _stored_rooms.entries[event_id] = arrival.room, ttl, now
    store.save_turn_notice(notice, ttl)  # before the place, because a place without a notice is deleted
    # People who join or ask after the draw see their place on the page, so they need no email about it.
    key = _arrival_key(arrival) if status.position is None else _place_key(status.position, arrival)
    store.put_place(event_id, arrival.room, "before_draw" if status.position is None else "turn_mail_due", Place(key, user_id, ttl))
    return notice


def stop_messages(user_id: str, event_id: str, now: int) -> None:
    """Stop the messages to a user about a turn at the event. Safe to repeat."""
    notice = store.find_turn_notice(user_id, event_id)
    if notice is not None:
        delete_notice(notice, now)


def forget_push(notice: TurnNotice) -> None:
    """Stop the push messages of a request. The user still gets the emails."""
    store.replace_turn_notice(notice, replace(notice, push=None), _ttl(notice.arrival))


def delete_notice(notice: TurnNotice, now: int) -> None:
    """Delete a user's request, and its places in all lanes. Safe to repeat. Later runs delete any place that this call misses."""
    store.delete_turn_notice(notice.user_id, notice.event_id)
    arrival = notice.arrival
    places: list[tuple[Lane, str]] = [("before_draw", _arrival_key(arrival))]
    try:
        state = room_cache.get_room(notice.event_id, now).state
    except NotFound:
        state = None
    if state is not None and state.key is not None and state.room == arrival.room:
        key = _place_key(line_position(state, arrival.counter, arrival.number, arrival.weight), arrival)
        places += [("place_mail_due", key), ("turn_mail_due", key)]
    parallel.call_each(lambda place: store.delete_place(notice.event_id, arrival.room, *place), places)


@deadline.within(MAX_SECONDS + SECONDS_RESERVED)
def queue_mails(now: int) -> None:
    """Queue the due emails of all waiting rooms, up to half of what the outbox sends. Emails about turns come before emails about places.

    The other places stay in their lanes for the next run. An error in one room does not stop the other rooms or other emails.
    """
    max_mails = outbox.mail_rate() * SECONDS_OF_MAILS
    rooms: list[tuple[str, int, Lane]] = []
    with _log_errors():
        rooms = _find_waiting_rooms(now)
    due: list[DuePlaces] = []
    for event_id, room, lane in _rotate(rooms, now):
        if deadline.remaining() < SECONDS_RESERVED + SECONDS_FOR_PLACES:
            break
        with _log_errors(event_id):
            found = _find_due_places(event_id, room, lane, now, max(max_mails, MIN_PLACES))
            if found is not None:
                due.append(found)
                max_mails -= _queue(found.state, found.turns[:max_mails], "turn_near", now)
    for found in due:
        if deadline.remaining() < SECONDS_RESERVED:
            return
        with _log_errors(found.state.event_id):
            max_mails -= _queue(found.state, found.places[:max_mails], "place_drawn", now)


def find_turn(notification: Notification, now: int) -> Turn | None:
    """Return the content of a due email. Returns None if the email has become pointless.

    The email is pointless if the user no longer wants it, has used or missed the turn, or has another place. It is also pointless if the
    room was cleared, or if the sale has ended or was cancelled. Raises Postponed while the room is paused or sold out, and if a change to
    the waves or to the opening has moved the turn.
    """
    notice = store.find_turn_notice(notification.user_id, notification.event_id)
    if notice is None or notice.arrival.pass_id != notification.facts["pass_id"]:
        return None
    try:
        state = room_cache.get_room(notice.event_id, now).state
    except NotFound:
        return None
    is_sold_out = state.stopped == "sold_out"  # tickets may come back, and the line then continues
    if state.room != notice.arrival.room or (state.stopped is not None and not is_sold_out):
        return None
    status = compute_queue_status(state, notice.arrival, now)
    if status.pass_expired:
        return None
    if status.paused or is_sold_out:
        raise Postponed(now + 60)
    if status.position is None:  # a manager has moved the opening to a later time since the draw
        raise Postponed(max(now + 60, state.on_sale_at))
    is_due = status.admitted_at is not None and status.admitted_at <= now + LEAD_SECONDS
    if notification.kind == "place_drawn":
        return None if is_due else Turn(notice, state, status)  # the email about the turn says more
    if status.admitted_at is None or status.admitted_at > now + 2 * LEAD_SECONDS:
        raise Postponed(now + 60 if status.admitted_at is None else status.admitted_at - LEAD_SECONDS)
    if status.admitted_at <= now and queries.is_pass_used(notice.user_id, notice.event_id, notice.arrival.pass_id):
        return None
    return Turn(notice, state, status)


def find_address(notification: Notification) -> str | None:
    """Return the address for an email about a turn. Returns None if the user no longer has an address."""
    notice = store.find_turn_notice(notification.user_id, notification.event_id)
    if notice is None or notice.email is not None:
        return notice.email if notice is not None else None
    account = accounts.find_account(notification.user_id)
    return account.email if account is not None and account.verified_at is not None else None


@contextmanager
def _log_errors(event_id: str | None = None) -> Iterator[None]:
    """Log an error instead of raising it. Ignores NotFound, which means that the event is hidden or no longer has a waiting room."""
    try:
        yield
    except NotFound:
        pass
    except Exception:
        logger.exception("turn_notice.failed", event_id=event_id)


def _rotate(items: Sequence[T], now: int) -> list[T]:
    """Return the items, beginning with a different item in each run.

    The multiples of the golden ratio spread the beginnings evenly. So even if each run has time or emails for only a few of the items, each
    item soon gets its turn.
    """
    first = int(now // SECONDS_PER_RUN * GOLDEN_RATIO % 1 * len(items))
    return [*items[first:], *items[:first]]


def _find_waiting_rooms(now: int) -> list[tuple[str, int, Lane]]:
    """Return the events on sale for which people wait for an email, by id, with the number of the room and the first lane with places.

    If time runs out, leaves out the other rooms.
    """

    def find_lane(room: store.ListedRoom) -> Lane | None:
        if deadline.remaining() >= SECONDS_RESERVED + SECONDS_FOR_QUEUEING:
            with _log_errors(room.event_id):
                return _find_lane(room, now)
        return None

    rooms = _rotate(store.list_rooms(), now)
    lanes = parallel.call_each(find_lane, rooms)
    return sorted((room.event_id, room.number, lane) for room, lane in zip(rooms, lanes, strict=True) if lane is not None)


def _find_lane(room: store.ListedRoom, now: int) -> Lane | None:
    """Return the first lane with places of a room on sale. Takes a room without places off the list some time after the last request."""
    _, event = catalog.get_visible_event(room.event_id)
    if event.on_sale_at is None or not event.on_sale_at <= now <= event.last_sale_at:
        return None
    # Runs move places to later lanes, and write a place before they delete it from its earlier lane. So this order misses no place.
    for lane in LANES:
        if store.list_places(room.event_id, room.number, lane, 1):
            return lane
    if room.asked_at is not None and now > room.asked_at + IDLE_SECONDS:
        store.delete_room(room)
    return None


def _find_due_places(event_id: str, room: int, lane: Lane, now: int, limit: int) -> DuePlaces | None:
    """Find the places of a room for which an email is due, up to `limit` in each lane.

    First moves all places to their positions if the draw is new. `lane` is the first lane with places. Returns None while no email is due.
    Raises NotFound.
    """
    state = room_cache.get_room(event_id, now).state  # also runs the draw if it is due
    if state.room != room or state.key is None or state.stopped is not None or admission_plan.is_paused(state.segments, now):
        return None
    if lane == "before_draw":
        _move_to_positions(state)
    drawn = store.list_places(event_id, room, "place_mail_due", limit) if lane != "turn_mail_due" else []
    until = _position_key(admission_plan.admitted_count(state.segments, now + LEAD_SECONDS)) + "~"  # after all members of a group
    turns: list[tuple[Lane, Place]] = [("place_mail_due", place) for place in drawn if place.key <= until]
    turns += [("turn_mail_due", place) for place in store.list_places(event_id, room, "turn_mail_due", limit, until)]
    turns.sort(key=lambda turn: turn[1].key)
    return DuePlaces(state, turns, [("place_mail_due", place) for place in drawn if place.key > until])


def _move_to_positions(state: RoomState) -> None:
    """Move the places in the order of arrival to their positions in the draw. The next run continues if time runs out."""

    def move(place: Place) -> None:
        counter, numbers, *member = place.key.split(".")
        number, _, weight = numbers.partition("+")
        key = ".".join([_position_key(line_position(state, int(counter), int(number), int(weight or 1))), *member])
        store.put_place(state.event_id, state.room, "place_mail_due", Place(key, place.user_id, place.ttl))
        store.delete_place(state.event_id, state.room, "before_draw", place.key)

    while deadline.remaining() > SECONDS_RESERVED:
        before_draw = store.list_places(state.event_id, state.room, "before_draw", PORTION)
        if not before_draw:
            return
        parallel.call_each(move, before_draw)


def _queue(state: RoomState, places: Sequence[tuple[Lane, Place]], kind: str, now: int) -> int:
    """Queue an email to each user who still has one of these places, and take the places out of their lanes.

    When time runs out, the remaining places stay in their lanes for the next run. Returns the number of emails.
    """
    notices = store.find_turn_notices((place.user_id for _, place in places), state.event_id) if places else {}

    def queue(lane: Lane, place: Place) -> bool:
        if deadline.remaining() < SECONDS_RESERVED:
            return False
        notice, is_queued = notices.get(place.user_id), False
        if notice is not None and _is_current_place(state, notice.arrival, place):
            notification = _notification(kind, notice, now)
            is_queued = outbox.queue_notification(notification)
            if is_queued and notice.push is not None:
                store.put_push(notification)  # after the email, which is queued only once
            if kind == "place_drawn":
                store.put_place(state.event_id, state.room, "turn_mail_due", place)
        store.delete_place(state.event_id, state.room, lane, place.key)
        if notice is None and store.find_turn_notice(place.user_id, state.event_id) is not None:
            store.put_place(state.event_id, state.room, lane, place)  # the user has asked again in the meantime
        return is_queued

    return parallel.call_each(lambda item: queue(*item), places).count(True)


def _is_current_place(state: RoomState, arrival: Arrival, place: Place) -> bool:
    position = line_position(state, arrival.counter, arrival.number, arrival.weight) if arrival.room == state.room else None
    return position is not None and _place_key(position, arrival) == place.key


def _notification(kind: str, notice: TurnNotice, now: int) -> Notification:
    """Return the notification of a kind about a place. Its id names the place instead of the user, because ids appear in logs."""
    arrival = notice.arrival
    return outbox.new_notification(
        kind,
        notice.event_id,
        arrival.pass_id.replace(".", "_") + _member_key(arrival).replace(".", "_"),
        user_id=notice.user_id,
        event_id=notice.event_id,
        now=now,
        language=notice.language,
        facts={"pass_id": arrival.pass_id},
        is_urgent=kind == "turn_near",
    )


def _ttl(arrival: Arrival) -> int:
    return arrival.expires_at + RETENTION_SECONDS


def _arrival_key(arrival: Arrival) -> str:
    weight = "" if arrival.weight == 1 else f"+{arrival.weight}"
    return f"{arrival.counter}.{arrival.number:012}{weight}{_member_key(arrival)}"


def _place_key(position: int, arrival: Arrival) -> str:
    return _position_key(position) + _member_key(arrival)


def _member_key(arrival: Arrival) -> str:
    """Return the suffix that distinguishes the members of a group, who share one number."""
    return "" if arrival.group is None else f".{arrival.user}"


def _position_key(position: int) -> str:
    return f"{position:012}"
