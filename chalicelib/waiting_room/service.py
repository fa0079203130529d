"""The waiting room as a service: join, read a status, check the pass that a reservation needs, follow the catalog, and control the room."""

import hashlib
import hmac
import random
import secrets
from collections.abc import Callable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.audit import service as audit
from chalicelib.catalog import sale_rules
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import Catalog, Event
from chalicelib.catalog.sale_rules import EventNotOnSale, RoundPublic
from chalicelib.dynamodb import dynamo
from chalicelib.edge import rate_limits
from chalicelib.edge.languages import Language
from chalicelib.foundation import clock, effects, log
from chalicelib.foundation.errors import NotFound
from chalicelib.foundation.log import logger
from chalicelib.inventory.model import SalePaused
from chalicelib.notifications import service as notifications
from chalicelib.notifications.service import MailDraft
from chalicelib.payments import service as payments
from chalicelib.payments.model import CardCheck, CardRefused
from chalicelib.promotions import service as promotions
from chalicelib.promotions.model import PromoCode, PromoCodeInvalid
from chalicelib.waiting_room import admission_plan, appeals, draw, due_changes, entries, entry_list, room_cache, store, tokens, views
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.entries import MAX_MEMBERS, Entry, EntryProof
from chalicelib.waiting_room.model import (
    DEMO_PREFIX,
    GUEST_PREFIX,
    LATE,
    Arrival,
    CardNotNeeded,
    CodeExpired,
    CodeInvalid,
    CodeNotNeeded,
    DrawnByBallot,
    EntryReason,
    EntryRefused,
    EntryUnknown,
    GroupsClosed,
    InAnotherGroup,
    InvitationInvalid,
    JoiningStopped,
    NoOtherShop,
    NotAdmitted,
    NotInGroup,
    OddsKey,
    PassExpired,
    PlaceInUse,
    QueueStatus,
    RoomCleared,
    RoomState,
    ShopPassRefused,
    TokenExpired,
    TokenInvalid,
    TokenOfAnotherEvent,
    TokenOfAnotherUser,
    TokenUnknown,
    TooManyChanges,
    compute_queue_status,
)
from chalicelib.waiting_room.room_cache import CachedRoom, LoadedRoom
from chalicelib.waiting_room.store import Room
from chalicelib.waiting_room.views import (
    AdminRoomView,
    AppealView,
    CardFormView,
    CardProofView,
    EntryPageView,
    EntryProofView,
    GroupView,
    ProofView,
    QueueStatusView,
    ShopPassView,
    VerifierView,
)

_MAX_ATTEMPTS = 4
ENTRY_RETENTION_SECONDS = 7 * 86_400  # after the sale
CODE_SECONDS = 900
MAX_PASS_SECONDS = 2 * 86_400  # the longest turn and the longest grace time
MAX_CODE_ATTEMPTS = 5  # for each mailed code; `edge.rate_limits.MAIL` limits the codes for an address

# `move_pass(pass_id, from_user_id)` returns the transaction items that let the user who joins use another user's pass, and keep the other
# user from using it. It returns None if the other user has bought an order with the pass.
MovePass = Callable[[str, str], list[dynamo.TransactItem] | None]
# Returns the transaction items that let the user buy with a pass that they had given up.
RegainPass = Callable[[str], list[dynamo.TransactItem]]
# Returns the promo code that the user sent, or None if there is none. Raises PromoCodeInvalid if the event does not have it.
ReadCode = Callable[[], PromoCode | None]


class JoinResult(Struct, frozen=True):
    """The status of a user, including the token. `is_new` means that this call gave the user a new place."""

    view: QueueStatusView
    is_new: bool


class NumberInDraw(Struct, frozen=True):
    """A user's entry in the list of a room. With better odds, the ballot records the outcome under the `odds_key`.

    It is None without better odds, and for a place that the promoter granted.
    """

    room: int
    entry: Entry
    odds_key: OddsKey | None


class Entrant(Struct, frozen=True):
    """The person who gets a place. `key` names the user or, if each address or card gets one place, the address or card of `holder`.

    Both are names in the table; `user_id` is the id of the user who joins. A user who `needs_code` gets a new place only with an access
    code. A user who `needs_time` has asked for a longer turn. A place that the promoter granted (`is_granted`) has one number, even with
    better odds.
    """

    key: str
    holder: str | None
    user_id: str
    needs_code: bool = False
    needs_time: bool = False
    is_granted: bool = False


def join(
    event_id: str,
    user_id: str,
    check_work: Callable[[], None],
    is_pass_used: Callable[[str], bool],
    now: int,
    *,
    address_proof: str | None = None,
    card_proof: str | None = None,
    read_code: ReadCode = lambda: None,
    move_pass: MovePass = lambda _pass_id, _from: [],
    longer_turn: bool = False,
    invitation: str | None = None,
    regain_pass: RegainPass = lambda _pass_id: [],
) -> JoinResult:
    """Give the user a place in the queue.

    A user who joins again gets the same token, or a new place at the end of the line if their pass has expired or was used. `check_work`
    raises an error if the request lacks the proof of work that a new place requires. `is_pass_used(pass_id)` returns whether the user has
    bought an order with the pass; it is called only for admitted users. Raises NotFound, NoWaitingRoom and JoiningStopped.

    If the room gives one place to each address, `address_proof` or the user's account proves the address. If another user has the address's
    place, for example the same person in another browser, the place moves to this user. In the same way, `card_proof` proves the card if
    the room gives one place to each payment card. Raises EntryRefused and PlaceInUse.

    If the room asks for access codes, a new place takes a use of the code that `read_code()` returns. A user who had a place in the room
    needs no code again.

    With `longer_turn`, the user has more time to choose and to pay. This is only in the token, so that the shop keeps no list of people who
    need more time. Somebody who has a place may ask for a longer turn, or give it up, by joining again.

    With an `invitation`, the user becomes a member of the group and gives up their own place; `regain_pass(pass_id)` returns the items that
    let a user whose place in the group had moved to another browser buy with the pass again. Raises GroupsClosed, GroupFull,
    InvitationInvalid and InAnotherGroup.

    Takes one read and two writes, and one more read if an account proves the address. An access code takes one more write. A new place with
    better odds takes another half read unit. After a crash between the writes, the arrival number is taken but belongs to nobody, so one
    position in the line stays empty.
    """

    def attempt(opened_room: int) -> JoinResult:
        cached = room_cache.get_room(event_id, now)
        entrant = replace(_find_entrant(cached.room, user_id, address_proof, card_proof), needs_time=longer_turn)
        if invitation is not None:
            joined = _join_group(cached, entrant, invitation, check_work, regain_pass, now)
            if joined is not None:
                return joined
        return _join(cached, entrant, check_work, is_pass_used, move_pass, read_code, opened_room, now)

    return _retry_join(attempt, event_id, now)


def _retry_join(attempt: Callable[[int], JoinResult], event_id: str, now: int) -> JoinResult:
    """Repeat an attempt to join. `attempt` receives the number of the room that opened during the previous attempt, or 0."""
    opened_room = 0
    for _ in range(_MAX_ATTEMPTS):
        try:
            return attempt(opened_room)
        except store.CounterClosed as closed:
            opened_room = closed.room  # join as a late arrival, even if another instance is still closing the room's other counters
            room_cache.reload_room(event_id, now)
        except store.EntryConflict:
            continue
    raise dynamo.Contention("the waiting room kept changing while a user was joining")


def queue_status(event_id: str, token: str, now: int) -> QueueStatusView:
    """Return the queue status of the token's holder. Reads nothing from the store while this instance's copy of the room is fresh.

    Raises NotFound, NoWaitingRoom, TokenUnknown and RoomCleared.
    """
    cached = room_cache.get_room(event_id, now)
    arrival = tokens.read_token(token)
    if arrival is None or arrival.event_id != event_id:
        raise TokenUnknown()
    cached = _reload_if_outdated(cached, arrival, now)
    if arrival.room != cached.state.room:
        raise RoomCleared()
    return views.status_view(cached.state, arrival, now)


def status_without_room(event_id: str) -> QueueStatusView:
    """Return the status for an event without a waiting room. Raises NotFound."""
    _, event = catalog.get_visible_event(event_id)
    return views.status_without_room_view(event)


def guest_user_id(token: str | None) -> str | None:
    """Return the user id in the token of somebody who joined in a demo stage without identifying themselves, or None for other tokens."""
    arrival = tokens.read_token(token) if token else None  # in tokens from earlier versions, the id begins with GUEST_PREFIX
    return arrival.user if arrival is not None and arrival.user.startswith((DEMO_PREFIX, GUEST_PREFIX)) else None


def require_pass(event: Event, user_id: str, token: str | None, now: int, proof: EntryProof | None = None) -> Arrival | None:
    """Check that the user may reserve now. Returns the user's arrival, or None if the event has no waiting room.

    A number in the draw admits only the entrant who has it in the list of entries. If no `proof` shows this, this function reads the
    entry's page. Raises TokenInvalid, TokenOfAnotherEvent, TokenOfAnotherUser, TokenExpired, RoomCleared, NotAdmitted, PassExpired,
    EntryUnknown and DrawnByBallot. Checks neither the remaining stock nor whether the sale is paused; the inventory does.
    """
    if not event.has_waiting_room:
        return None
    if event.has_ballot:
        raise DrawnByBallot()
    if token is None:
        raise NotAdmitted("Join the waiting room first, then send its `token` with the reservation.", position=None, eta_seconds=None)
    return _require_turn(event.id, user_id, token, now, proof)[0]


def _require_turn(event_id: str, user_id: str, token: str, now: int, proof: EntryProof | None) -> tuple[Arrival, QueueStatus]:
    """Return the user's arrival and its status if the user may buy now. Raises what `require_pass` raises."""
    cached, arrival = _find_place(event_id, user_id, token, now)
    status = compute_queue_status(cached.state, arrival, now)
    if status.pass_expired:
        raise PassExpired()
    if status.admitted_at is None or status.admitted_at > now:
        raise NotAdmitted(position=status.position, eta_seconds=status.eta_seconds)
    if not _may_hold(cached.room, arrival, user_id) or not _is_listed(cached.room, arrival, proof):
        # Delete the stored place, so that the user can join again.
        stored = replace(arrival, is_longer=False)
        store.delete_entry(stored if arrival.holder is not None else replace(stored, user=tokens.user_key(user_id)))
        raise EntryUnknown()
    return arrival, status


def issue_pass(event_id: str, user_id: str, token: str, proof: EntryProof | None, now: int) -> ShopPassView:
    """Return a pass for the shop that sells the event's tickets. Until it expires, each call returns a pass with the same id.

    Raises NotFound, NoOtherShop, SalePaused, EventNotOnSale and what `require_pass` raises.
    """
    event = _event_of_other_shop(event_id)
    arrival, status = _require_turn(event_id, user_id, token, now, proof)
    if status.paused or event.is_paused:
        raise SalePaused()
    phase = sale_rules.event_phase(event, now)
    if phase != "open":  # a cancellation does not end the turns of admitted buyers
        raise EventNotOnSale(phase, None if event.on_sale_at is None else clock.iso(event.on_sale_at))
    assert status.pass_seconds_left is not None  # because the user is admitted
    expires_at = now + status.pass_seconds_left
    return views.shop_pass_view(event, tokens.sign_pass(event, arrival, now, expires_at), expires_at)


def use_pass(event_id: str, text: str, session: str, now: int) -> bool:
    """Return whether this is the first session in which the shop sees the pass. A repeated call for this session returns the same.

    Raises NotFound, NoOtherShop and ShopPassRefused.
    """
    event = _event_of_other_shop(event_id)
    claims = tokens.read_pass(event, text)
    if claims is None or claims.exp <= now:
        raise ShopPassRefused()
    expires_at = min(claims.exp, now + MAX_PASS_SECONDS)  # a shop that has its own secret can sign any time
    return store.use_pass(event.id, claims.jti, hashlib.sha256(session.encode()).hexdigest(), expires_at)


def verifier(event: Event) -> VerifierView:
    """Return what the event's other shop needs to check passes, even before the event is published. Raises NoOtherShop."""
    return views.verifier_view(_require_other_shop(event))


def _event_of_other_shop(event_id: str) -> Event:
    _, event = catalog.get_visible_event(event_id)
    return _require_other_shop(event)


def _require_other_shop(event: Event) -> Event:
    if event.shop_url is None:
        raise NoOtherShop()
    return event


def _is_listed(room: Room, arrival: Arrival, proof: EntryProof | None) -> bool:
    """Return whether the arrival is a late one, or in the list of entries, if the room has published the list."""
    if arrival.group is not None and not _may_be_member(room, arrival):
        return False
    if arrival.is_late or room.root is None or room.drawn_counts is None:
        return True
    entry = entry_list.entry_of(room, arrival)
    if proof is not None and entries.is_proven(entry, proof, *room.drawn_counts, room.root):
        return True
    return entry_list.has_entry(room, entry)


def _may_hold(room: Room, arrival: Arrival, user_id: str) -> bool:
    """Return whether the room could have given the user this place. Only the places of addresses and cards move to other users.

    A user who joined just as the rule of entry changed may have a place that the new rule would not give.
    """
    if room.rule == "open":
        return arrival.holder is None
    if room.rule == "access_code" and arrival.user not in (arrival.holder, tokens.appeal_key(room.event_id, user_id)):
        return False
    return arrival.holder is not None


def _may_be_member(room: Room, arrival: Arrival) -> bool:
    """Return whether the arrival may name a group. Lists from earlier versions do not show a group's members."""
    if arrival.is_late or not room.has_list:
        return False
    if room.has_groups is not None:
        return room.has_groups
    own = store.find_entry(room, arrival.user)
    return own is not None and own.group == arrival.group


def entry_proof(event_id: str, digest: str, now: int) -> EntryProofView:
    """Return an entry of the room's published list, with its proof. Raises NotFound, NoWaitingRoom and EntryUnknown."""
    room = _listed_room(event_id, now)
    found = entry_list.find_proof(room, bytes.fromhex(digest), now)
    if found is None:
        raise EntryUnknown()
    return views.entry_proof_view(room, *found)


def entry_page(event_id: str, number: int, now: int) -> EntryPageView:
    """Return a page of the room's published list. Raises NotFound, NoWaitingRoom and EntryUnknown."""
    room = _listed_room(event_id, now)
    if number >= views.page_count(room):
        raise EntryUnknown("The list of entries has fewer pages.", pages=views.page_count(room))
    return views.entry_page_view(room, number, *entry_list.load_page(room, number, now))


def _listed_room(event_id: str, now: int) -> Room:
    """Return the room. Raises EntryUnknown with the reason `unpublished` if this instance has not seen a list of the room yet."""
    room = room_cache.get_room(event_id, now).room
    if room.root is None:
        raise EntryUnknown("The list of entries of this waiting room has not been published.", reason="unpublished")
    return room


def get_place(event_id: str, user_id: str, token: str, now: int) -> tuple[RoomState, Arrival]:
    """Return the room's state and the user's arrival, which the user's token contains.

    Raises NotFound, NoWaitingRoom, TokenInvalid, TokenOfAnotherEvent, TokenOfAnotherUser, TokenExpired and RoomCleared.
    """
    cached, arrival = _find_place(event_id, user_id, token, now)
    return cached.state, arrival


def _find_place(event_id: str, user_id: str, token: str, now: int) -> tuple[CachedRoom, Arrival]:
    """Return the room and the user's arrival. Raises what `get_place` raises."""
    arrival = _read_own_token(token, event_id, user_id)
    cached = _reload_if_outdated(room_cache.get_room(event_id, now), arrival, now)
    if max(arrival.expires_at, _sale_end(cached)) <= now:  # the token of a postponed event stays valid until the new end
        raise TokenExpired()
    if arrival.room != cached.state.room:
        raise RoomCleared()
    return cached, arrival


def number_in_draw(event_id: str, user_id: str, token: str | None, now: int) -> NumberInDraw | None:
    """Return the user's entry in the list of the draw. Returns None if the draw has closed, or the user joined after it closed.

    Raises what `get_place` raises, and EntryUnknown if the user joined just as the rule of entry changed.
    """
    if room_cache.get_room(event_id, now).room.drawn_counts is not None:
        return None
    if token is None:
        raise TokenInvalid("Join the waiting room first, then send its `token` with your wishes.")
    cached, arrival = _find_place(event_id, user_id, token, now)
    if arrival.holder is None and cached.room.rule != "open":
        raise EntryUnknown()
    if arrival.is_late:
        return None
    has_odds = cached.room.has_better_odds and arrival.user != tokens.appeal_key(event_id, user_id)
    odds_key = OddsKey(arrival.user, arrival.holder) if has_odds and arrival.holder is not None else None
    return NumberInDraw(cached.room.number, entry_list.entry_of(cached.room, arrival), odds_key)


def record_loss(odds_key: OddsKey, draw: RoomState, now: int) -> None:
    """Record that a ballot drew no tickets for an entrant, who gets one more number in the promoter's next ballot. Safe to repeat.

    An event counts once, even if its room was reset after the draw.
    """
    store.record_loss(odds_key, f"{draw.on_sale_at}.{draw.event_id}", now)


def record_win_item(odds_key: OddsKey, now: int) -> dynamo.TransactItem:
    """Return the transaction item that sets an entrant back to one number, because a ballot drew tickets for them."""
    return store.record_win_item(odds_key, now)


def forget_losses(user_id: str) -> None:
    """Delete the ballot outcomes from which the user's better odds follow. Safe to repeat."""
    store.delete_losses(tokens.name_in_tokens(tokens.user_key(user_id)))


def find_draw(event_id: str, now: int) -> RoomState | None:
    """Return the state of the room after its draw. Returns None before the draw, and for events without a room that people can see."""
    try:
        state = room_cache.get_room(event_id, now).state
    except NotFound:
        return None
    return state if state.key is not None else None


def draw_proof(event_id: str, now: int) -> ProofView:
    """Return the proof of the draw, from which anybody can recompute every position. Raises NotFound and NoWaitingRoom."""
    cached = room_cache.get_room(event_id, now)
    return views.proof_view(cached.room, cached.state, cached.excluded, appeals.count(event_id, now))


def follow_catalog(current: Catalog, event_id: str, now: int) -> None:
    """Apply a pause or resume of the event to its room at once, instead of when cached copies of the room expire.

    If the store does not answer, this function logs a warning, and the next request that loads the room applies the change.
    """
    event = current.events[event_id]
    if not event.has_waiting_room or event.status == "draft":
        return
    try:
        due_changes.follow_catalog(current.head.public_revision, event, now)
    except dynamo.STORE_ERRORS as error:
        logger.warning("waiting_room.not_followed", event_id=event.id, error=type(error).__name__, store_code=dynamo.error_code(error))
    room_cache.forget_room(event_id)


def check_opening_change(before: Event, after: Event, now: int) -> None:
    """Raise RoundPublic if a change postpones an event after the beacon round of its draw is public, and before the draw is made."""
    if is_round_public(before, after, now):
        raise RoundPublic(event_id=before.id)


def is_round_public(before: Event, after: Event, now: int) -> bool:
    """Return whether the change postpones an event whose draw has not been made, although its beacon round is public.

    An event that loses its opening time counts as postponed, because it could get a later one. Before the counters have closed, the round
    is the one that would follow from the closing time. Reads the room if the event is postponed.
    """
    if not before.has_waiting_room or before.on_sale_at is None:
        return False
    if after.on_sale_at is not None and after.on_sale_at <= before.on_sale_at:
        return False
    room = store.find_room(before.id)
    if room is None or room.chain is None or room.n is not None:
        return False
    if room.round_at is not None:
        return now >= room.round_at
    closes_at = room.closes_at or before.on_sale_at - room.closing_seconds
    return now >= draw.round_time(room.chain, draw.first_round(room.chain, closes_at + draw.ROUND_SECONDS_AFTER_CLOSING))


def admin_overview(event: Event, now: int) -> AdminRoomView | None:
    """Return the room as an admin sees it. Returns None for a draft or an event without a room."""
    if not event.has_waiting_room or event.status == "draft":
        return None
    return views.admin_view(room_cache.get_room(event.id, now).state, now)


def _find_entrant(room: Room, user_id: str, address_proof: str | None, card_proof: str | None) -> Entrant:
    """Return who gets a place when the user joins. Raises EntryRefused, which counts in the public figures of exclusions."""
    key = tokens.user_key(user_id)
    if room.rule == "open":
        return Entrant(key, None, user_id)
    granted = None if address_proof is None else tokens.read_grant(address_proof, room.event_id, user_id)
    if granted is not None:
        return Entrant(granted, tokens.name_in_tokens(key), user_id, is_granted=True)
    if room.rule == "access_code":
        return Entrant(key, tokens.name_in_tokens(key), user_id, needs_code=True)
    if room.rule == "payment_card":
        card = None if card_proof is None else tokens.read_card(card_proof, room.realm, user_id)
        if card is None:
            raise _refuse(room, user_id, "card_required")
        return Entrant(card, tokens.name_in_tokens(key), user_id)
    address = None
    if room.rule == "verified_address" and address_proof is not None:
        address = tokens.read_address(address_proof, room.realm, user_id)
    if address is None:
        from chalicelib.accounts import service as accounts  # most rooms do not need it

        account = accounts.find_account(user_id)
        if account is not None and account.verified_at is not None and account.locked_at is None:
            address = tokens.address_key(room.realm, account.email)
    if address is None:
        raise _refuse(room, user_id, "account_required" if room.rule == "account" else "address_required")
    return Entrant(address, tokens.name_in_tokens(key), user_id)


def _take_code(room: Room, entrant: Entrant, read_code: ReadCode, now: int) -> None:
    """Take a use of the access code that the user sent. Raises EntryRefused."""
    try:
        promo_code = read_code()
    except PromoCodeInvalid:
        raise _refuse(room, entrant.user_id, "code_invalid") from None
    if promo_code is None:
        raise _refuse(room, entrant.user_id, "code_required")
    if not (promo_code.admits_to_draw and promo_code.is_usable(now)):
        raise _refuse(room, entrant.user_id, "code_invalid")
    if not promotions.take_use(promo_code, entrant.key):
        raise _refuse(room, entrant.user_id, "code_used")


def _refuse(room: Room, user_id: str, reason: EntryReason) -> EntryRefused:
    """Return the error for a user who gets no place, and count it in the public figures."""
    _count_excluded(room, reason)
    return EntryRefused(reason, tokens.sign_refusal(room.event_id, user_id, reason))


@effects.uncounted()
def _count_excluded(room: Room, reason: EntryReason) -> None:
    """Count a request in the public figures. A failure of the store does not change the reply."""
    try:
        store.count_excluded(room, reason)
    except dynamo.STORE_ERRORS as failure:
        logger.warning("waiting_room.exclusion_not_counted", event_id=room.event_id, reason=reason, error=type(failure).__name__)


def _join(
    cached: CachedRoom,
    entrant: Entrant,
    check_work: Callable[[], None],
    is_pass_used: Callable[[str], bool],
    move_pass: MovePass,
    read_code: ReadCode,
    opened_room: int,
    now: int,
) -> JoinResult:
    """Make one attempt to join, as a late arrival if the room has the number `opened_room`.

    Raises store.CounterClosed, and store.EntryConflict if another request from the same user was faster.
    """
    existing = store.find_entry(cached.room, entrant.key)
    # A place that was taken just before the room began to require codes does not count.
    is_admitted = existing is not None and (existing.holder is not None or not entrant.needs_code)
    if existing is None or not is_admitted:
        pass
    elif existing.holder != entrant.holder:
        moved = _move_place(cached, existing, entrant, move_pass, now)
        if moved is not None:
            return JoinResult(_join_view(cached, moved, entrant, now), is_new=False)
    elif _can_still_buy(cached.state, _with_turn(existing, entrant), is_pass_used, now):
        return JoinResult(_join_view(cached, _prolong(cached, existing, entrant), entrant, now), is_new=False)
    if cached.state.stopped is not None:
        raise JoiningStopped(reason=cached.state.stopped)
    check_work()
    if entrant.needs_code and not is_admitted:
        _take_code(cached.room, entrant, read_code, now)
    arrival = _take_arrival(cached, entrant, opened_room, now)
    _put_entry(cached, arrival, existing, entrant)
    logger.info("waiting_room.joined", event_id=cached.event.id, room=arrival.room, late=arrival.is_late)
    log.count("waiting_room_joins")
    return JoinResult(_join_view(cached, arrival, entrant, now), is_new=True)


def _move_place(cached: CachedRoom, existing: Arrival, entrant: Entrant, move_pass: MovePass, now: int) -> Arrival | None:
    """Give the place of an address or card to another user who proved it. Returns None if nobody can buy with the place any longer.

    The former holder's token keeps its valid signature, but their record then shows the pass as used. Raises store.EntryConflict if the
    place has changed, and PlaceInUse while the former holder is buying with it.
    """
    if compute_queue_status(cached.state, _with_turn(existing, entrant), now).pass_expired:
        return None
    holder_id = store.find_holder_id(existing)
    if holder_id is None:
        raise store.EntryConflict
    items = move_pass(existing.pass_id, holder_id)
    if items is None:
        return None
    moved = replace(existing, holder=entrant.holder)
    reason: EntryReason = "card_used" if cached.room.rule == "payment_card" else "address_used"
    try:
        dynamo.transact([store.change_holder_item(existing, moved, entrant.user_id), *items])
    except dynamo.ConditionFailed as cancelled:
        if cancelled.failed(0):
            raise store.EntryConflict from cancelled
        raise PlaceInUse(refusal=tokens.sign_refusal(existing.event_id, entrant.user_id, reason)) from cancelled
    _count_excluded(cached.room, reason)
    logger.info("waiting_room.place_moved", event_id=existing.event_id, room=existing.room)
    return moved


def _prolong(cached: CachedRoom, arrival: Arrival, entrant: Entrant) -> Arrival:
    """Return the arrival. If the event was postponed, save the arrival with the new end of the sale. Raises store.EntryConflict."""
    if arrival.expires_at >= _sale_end(cached):
        return arrival
    prolonged = replace(arrival, expires_at=_sale_end(cached))
    if arrival.group is not None:
        store.keep_group(arrival, prolonged.expires_at + ENTRY_RETENTION_SECONDS)
    _put_entry(cached, prolonged, arrival, entrant)
    return prolonged


def _put_entry(cached: CachedRoom, arrival: Arrival, replacing: Arrival | None, entrant: Entrant) -> None:
    holder_id = None if arrival.holder is None else entrant.user_id
    entry = _entry_in_row(cached.room, arrival)
    store.put_entry(arrival, replacing, arrival.expires_at + ENTRY_RETENTION_SECONDS, entry, holder_id=holder_id)


def _entry_in_row(room: Room, arrival: Arrival) -> Entry | None:
    """Return the list entry that the user's own row stores. In rooms from earlier versions, the group's row stores the entry."""
    is_listed = room.has_list and not arrival.is_late and (arrival.group is None or room.has_groups is not None)
    return entry_list.entry_of(room, arrival) if is_listed else None


def _sale_end(cached: CachedRoom) -> int:
    return cached.event.last_sale_at + 1


def _can_still_buy(state: RoomState, arrival: Arrival, is_pass_used: Callable[[str], bool], now: int) -> bool:
    """Return whether the holder can still buy: they are not admitted yet, or their pass has neither expired nor been used."""
    status = compute_queue_status(state, arrival, now)
    if status.admitted_at is None or status.admitted_at > now:
        return True
    return not status.pass_expired and not is_pass_used(arrival.pass_id)


def _take_arrival(cached: CachedRoom, entrant: Entrant, opened_room: int, now: int) -> Arrival:
    room = cached.room
    is_late = room.drawn_counts is not None or room.number == opened_room
    counter = _late_counter(cached) if is_late else random.randrange(room.counters)
    has_odds = room.has_better_odds and not is_late and not entrant.is_granted
    weight = store.find_weight(entrant.key, now) if has_odds else 1
    return Arrival(
        event_id=room.event_id,
        room=room.number,
        user=entrant.key,
        counter=counter,
        number=store.take_arrival_number(room, counter, weight),
        joined_at=now,
        expires_at=_sale_end(cached),
        holder=entrant.holder,
        weight=weight,
    )


def _late_counter(cached: CachedRoom) -> int:
    """Choose a late counter at random, preferring counters with fewer arrivals, because the counters take turns in the line.

    The counters were read up to a second ago. Since then, they have probably counted as many arrivals as in the second before, so each
    counter's weight is its lag plus that number. Otherwise, all instances would fill the same counters.
    """
    highest, since_read = max(cached.late_arrivals), cached.joins_per_second / len(cached.late_arrivals)
    weights = [highest - number + since_read + 1 for number in cached.late_arrivals]
    [index] = random.choices(range(len(cached.late_arrivals)), weights)
    return LATE - index


def _join_view(cached: CachedRoom, stored: Arrival, entrant: Entrant, now: int) -> QueueStatusView:
    arrival = _with_turn(stored, entrant)
    return replace(views.status_view(cached.state, arrival, now), token=tokens.sign_arrival(arrival))


def _with_turn(stored: Arrival, entrant: Entrant) -> Arrival:
    """Return the stored arrival as the token has it: with the longer turn that the user has asked for."""
    return replace(stored, is_longer=entrant.needs_time)


# Groups: up to six people with verified addresses share one number in the draw. When it is their turn, each of them may buy, up to the
# limit per person. Members can join and leave until shortly before the closing.


def show_group(event_id: str, user_id: str, token: str, now: int) -> GroupView:
    """Return the user's group with its invitation. If the user is in no group, the user's place becomes a new group's place.

    Raises NotInGroup if another browser has the user's place, GroupsClosed, and what `get_place` raises.
    """
    for _ in range(_MAX_ATTEMPTS):
        cached, shown = _find_place(event_id, user_id, token, now)
        own = _find_own(cached, shown)
        if own is None:
            raise NotInGroup()
        members = 1
        if own.group is None:
            _require_groups_open(cached, now)
            formed = replace(own, group=secrets.token_hex(16))
            entry_of_group = entry_list.entry_of(cached.room, formed) if cached.room.has_groups is None else None
            try:
                store.form_group(own, formed, formed.expires_at + ENTRY_RETENTION_SECONDS, entry_of_group)
            except store.EntryConflict:
                continue
            own = formed
            logger.info("waiting_room.group_formed", event_id=event_id, room=own.room)
        else:
            found = store.find_group(cached.room, own.group)
            members = 0 if found is None else len(found[1])
        assert own.group is not None
        return GroupView(
            token=tokens.sign_arrival(replace(own, is_longer=shown.is_longer)),
            invitation=tokens.sign_invitation(event_id, cached.room.number, own.group),
            members=members,
            max_members=MAX_MEMBERS,
        )
    raise dynamo.Contention("the place kept changing while its group was being formed")


def leave_group(event_id: str, user_id: str, token: str, now: int) -> None:
    """End the user's membership in a group. The user can then join the waiting room again, with a number of their own.

    The user's token still contains the group's number, but the list of entries no longer has the user with this number. Safe to repeat.
    Raises NotInGroup, GroupsClosed, RateLimited and what `get_place` raises.

    A user who has left can join again with another number, so each departure may leave an empty place in the line. This is why leaving has
    a rate limit.
    """
    for attempt in range(_MAX_ATTEMPTS):
        cached, shown = _find_place(event_id, user_id, token, now)
        own = _find_own(cached, shown)
        if own is None:
            return None  # the user has left already
        if own.group is None:
            raise NotInGroup()
        _require_groups_open(cached, now)
        if attempt == 0:
            rate_limits.count_effect_or_refuse(rate_limits.LEAVE_GROUP, f"{event_id} {own.user}", now)
        try:
            has_entry = _entry_in_row(cached.room, own) is not None
            return store.leave_group(own, own.expires_at + ENTRY_RETENTION_SECONDS, has_entry=has_entry)
        except store.EntryConflict:
            continue
    raise dynamo.Contention("the place kept changing while the user was leaving the group")


def _find_own(cached: CachedRoom, shown: Arrival) -> Arrival | None:
    """Return the stored place of the user with this token, or None if the place is gone. Raises NotInGroup if it has another holder."""
    own = store.find_entry(cached.room, shown.user)
    if own is not None and (shown.holder is None or own.holder != shown.holder):
        raise NotInGroup()
    return own


def _join_group(
    cached: CachedRoom, entrant: Entrant, invitation: str, check_work: Callable[[], None], regain_pass: RegainPass, now: int
) -> JoinResult | None:
    """Make one attempt to become a member of a group. Returns None if the user is a member already.

    Raises what `join` raises, and store.EntryConflict if another request from the same user was faster.
    """
    group = tokens.read_invitation(invitation, cached.event.id, cached.room.number)
    if group is None or entrant.holder is None:
        raise InvitationInvalid()
    existing = store.find_entry(cached.room, entrant.key)
    if existing is not None and existing.group == group:
        return None
    _require_groups_open(cached, now)
    if existing is not None and existing.group is not None:
        raise InAnotherGroup()
    found = store.find_group(cached.room, group)
    if found is None:
        raise InvitationInvalid()
    if existing is None:
        check_work()
    arrival = replace(found[0], user=entrant.key, group=group, holder=entrant.holder, expires_at=_sale_end(cached))
    entry, items, ttl = _entry_in_row(cached.room, arrival), regain_pass(arrival.pass_id), arrival.expires_at + ENTRY_RETENTION_SECONDS
    store.join_group(arrival, existing, ttl, entry, items, holder_id=entrant.user_id)
    logger.info("waiting_room.group_joined", event_id=cached.event.id, room=arrival.room)
    return JoinResult(_join_view(cached, arrival, entrant, now), is_new=existing is None)


def _require_groups_open(cached: CachedRoom, now: int) -> None:
    """Raise GroupsClosed unless people can form, join and leave groups."""
    until = store.groups_end(cached.event, cached.room)
    if until is None or now >= until or cached.state.stopped is not None:
        raise GroupsClosed(until=None if until is None else clock.iso(until))


def _read_own_token(token: str, event_id: str, user_id: str) -> Arrival:
    arrival = tokens.read_token(token)
    if arrival is None:
        raise TokenInvalid()
    if arrival.event_id != event_id:
        raise TokenOfAnotherEvent()
    if not tokens.belongs_to(arrival, user_id):
        raise TokenOfAnotherUser()
    return arrival


def _reload_if_outdated(cached: CachedRoom, arrival: Arrival, now: int) -> CachedRoom:
    """Return the room, reloaded if the token was issued in a later room, or after an opening that this instance has not seen."""
    is_outdated = arrival.room > cached.state.room or (arrival.is_late and cached.state.n is None)
    return room_cache.reload_room(arrival.event_id, now) if is_outdated else cached


# Codes of six digits, which prove an address without a password. Neither the address nor the code is stored, only keyed digests.


def mail_code(event_id: str, user_id: str, email: str, language: Language, now: int) -> None:
    """Email a code that proves the address for this user and event. The code replaces any earlier code, unless limits withhold the email.

    Raises NotFound, NoWaitingRoom, JoiningStopped, and CodeNotNeeded if the rule of entry does not ask for codes.
    """
    cached = _get_joinable_room(event_id, now)
    if cached.room.rule != "verified_address":
        raise CodeNotNeeded(entry=cached.room.rule)
    code = f"{secrets.randbelow(1_000_000):06}"
    address = tokens.address_key(cached.room.realm, email)
    digest = tokens.code_digest(event_id, address, user_id, code)
    values = {"code": code, "event": {"name": _name_for_strangers(cached.event)}}
    draft = MailDraft("entry_code", email, language, values)

    def put_code() -> None:
        store.put_code(event_id, address, tokens.user_key(user_id), digest, now + CODE_SECONDS)

    notifications.send_requested(draft, now, rate_limits.REQUESTED_CODES, prepare=put_code)


def _get_joinable_room(event_id: str, now: int) -> CachedRoom:
    """Return the room. Raises NotFound, NoWaitingRoom and JoiningStopped."""
    cached = room_cache.get_room(event_id, now)
    if cached.state.stopped is not None:
        raise JoiningStopped(reason=cached.state.stopped)
    return cached


def _name_for_strangers(event: Event) -> str:
    """Return the event's name, or "" if no admin has verified its promoter. Otherwise, promoters could email any text to anyone."""
    from chalicelib.accounts import profiles  # most rooms do not need it

    return event.name if event.promoter_id is None or profiles.is_verified(event.promoter_id) else ""


def prove_address(event_id: str, user_id: str, email: str, code: str, now: int) -> str:
    """Return the proof of the address for the user who sends the code from the last email. Raises CodeInvalid and CodeExpired."""
    realm = room_cache.get_room(event_id, now).room.realm
    address = tokens.address_key(realm, email)
    digest = store.try_code(event_id, address, tokens.user_key(user_id), MAX_CODE_ATTEMPTS, now)
    if digest is None:
        raise CodeExpired()
    if not hmac.compare_digest(digest, tokens.code_digest(event_id, address, user_id, code)):
        raise CodeInvalid()
    return tokens.sign_address(realm, address, user_id)


# Payment cards. The provider lets the card's bank confirm it, without a charge. The shop keeps neither the card nor its fingerprint, only a
# keyed digest. The fingerprint is specific to the account that takes the event's payments.


def show_card_form(event_id: str, now: int) -> CardFormView:
    """Return what a page needs to take a card. Raises what `_card_account` raises, and PaymentsUnavailable."""
    account, provider = _card_account(event_id, now), payments.card_checker()
    return CardFormView(provider, payments.browser_key(provider) if payments.is_external(provider) else None, account)


def check_card(event_id: str, user_id: str, card: str, now: int) -> CardProofView:
    """Have the bank confirm the card for this user and event. The caller must first count each call as an attempt to use a card.

    Raises what `_card_account` and `payments.check_card` raise, CardRefused, and RateLimited if banks have declined too many cards.
    """
    account = _card_account(event_id, now)
    rate_limits.check_guesses(rate_limits.DECLINED_CARD, event_id, now)
    return _prove_card(event_id, user_id, payments.check_card(card, tokens.card_owner(event_id, user_id), account), now)


def finish_card_check(event_id: str, user_id: str, check_id: str, now: int) -> CardProofView:
    """Return the proof of a card once its owner has answered the bank. Raises what `check_card` raises."""
    return _prove_card(event_id, user_id, payments.find_card_check(check_id, _card_account(event_id, now)), now)


def _card_account(event_id: str, now: int) -> str | None:
    """Return the account that takes the event's payments, or None for the operator's account.

    Raises NotFound, NoWaitingRoom, JoiningStopped, and CardNotNeeded if the rule of entry does not ask for cards.
    """
    cached = _get_joinable_room(event_id, now)
    if cached.room.rule != "payment_card":
        raise CardNotNeeded(entry=cached.room.rule)
    return catalog.snapshot().charged_account_id(event_id)


def _prove_card(event_id: str, user_id: str, check: CardCheck | None, now: int) -> CardProofView:
    if check is None or check.status == "declined" or check.owner != tokens.card_owner(event_id, user_id):
        rate_limits.count_guess(rate_limits.DECLINED_CARD, event_id, now)
        raise CardRefused(reason="declined")
    if check.status == "requires_action":
        return CardProofView(None, check.id, check.client_secret)
    if check.is_wallet or check.fingerprint is None:
        raise CardRefused(reason="wallet")
    realm = room_cache.get_room(event_id, now).room.realm
    return CardProofView(tokens.sign_card(realm, tokens.card_key(realm, check.fingerprint), user_id))


# Appeals against a refusal. The promoter answers them. A granted appeal gives its writer a place at once, so that it is in the draw.


def appeal(event_id: str, user_id: str, refusal: str, text: str, now: int) -> AppealView:
    """Write to the promoter about a refusal. Raises JoiningStopped and what `appeals.write` raises."""
    cached = _get_joinable_room(event_id, now)
    return views.appeal_view(appeals.write(event_id, user_id, refusal, text, _sale_end(cached) + ENTRY_RETENTION_SECONDS, now))


def own_appeal(event_id: str, user_id: str) -> AppealView:
    """Return the user's appeal and, if it was granted, the proof that the user needs to join. Raises NotFound."""
    found = appeals.find_own(event_id, user_id)
    if found is None:
        raise NotFound("You have not appealed at this event.", event_id=event_id)
    return views.appeal_view(found, tokens.sign_grant(event_id, user_id) if found.status == "granted" else None)


def answer_appeal(event_id: str, appeal_id: str, status: Literal["granted", "denied"], text: str, actor: str, now: int) -> AppealView:
    """Answer an appeal. A granted appeal gives its writer a place: in the draw, or after it if the draw has closed.

    If a crash prevented this, a repeated call gives the writer the place. Raises NotFound, AppealAnswered and JoiningStopped.
    """
    found = appeals.find(event_id, appeal_id)
    if found is None:
        raise NotFound("This event has no such appeal.", event_id=event_id, appeal_id=appeal_id)
    stopped = room_cache.get_room(event_id, now).state.stopped
    if status == "granted" and stopped is not None:
        raise JoiningStopped(reason=stopped)
    answered, user_id = appeals.answer(event_id, found[0], status, text, actor, now), found[1]
    if status == "granted":
        entrant = Entrant(appeal_id, tokens.name_in_tokens(tokens.user_key(user_id)), user_id, is_granted=True)

        def attempt(opened_room: int) -> JoinResult:
            cached = room_cache.get_room(event_id, now)
            return _join(cached, entrant, lambda: None, lambda _: False, lambda *_: None, lambda: None, opened_room, now)

        _retry_join(attempt, event_id, now)
    return views.appeal_view(answered)


# Controls for a running waiting room: set the rate, let buyers in, clear the room. Every action is audited.

_MAX_CONTROL_ATTEMPTS = 5

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
        item = due_changes.create_room_item(before.event, revision, now, before.room)
        return item, {"room": before.room.number, "cleared": before.total}, before

    return _commit_control(event_id, "waiting_room.cleared", replace_room, actor, now).total


def _change_plan(
    event_id: str, action: str, details: dict[str, int], change: Callable[[list[Segment], int], list[Segment]], actor: str, now: int
) -> LoadedRoom:
    """Apply `change`, a function of the plan and the second in which the change takes effect. Raises DrawnByBallot and TooManyChanges."""

    def replace_plan(before: LoadedRoom) -> tuple[dynamo.TransactItem, dict[str, int], LoadedRoom]:
        room, event, plan = before.room, before.event, before.plan
        if event.has_ballot:
            raise DrawnByBallot()
        assert event.on_sale_at is not None  # it has a waiting room
        # The draw, not the clock, decides whether the change counts as before or after the opening: clocks differ, and a draw takes time.
        at = min(now, event.on_sale_at - 1) if room.n is None else max(now, plan[0].since)
        changed = admission_plan.shorten(change(plan, at), at, sale_rules.longer_pass_seconds(event))
        if len(changed) > max(len(plan), admission_plan.MAX_SEGMENTS_AFTER_ADMIN_CHANGE):
            raise TooManyChanges(limit=admission_plan.MAX_SEGMENTS_AFTER_ADMIN_CHANGE)
        return store.replace_plan_item(room, changed), details, replace(before, room=replace(room, segments=changed))

    return _commit_control(event_id, action, replace_plan, actor, now)


def _commit_control(event_id: str, action: str, change: Change, actor: str, now: int) -> LoadedRoom:
    """Write the change and its audit entry in one transaction. Returns the room that `change` returned, without another read.

    Retries after a lost race. Raises Contention if all attempts lose.
    """
    for _ in range(_MAX_CONTROL_ATTEMPTS):
        item, details, after = change(room_cache.load_room(event_id, now))
        try:
            store.commit(item, audit.entry_item(f"event#{event_id}", action, actor, now, details))
        except store.RoomConflict:
            continue
        room_cache.forget_room(event_id)
        return after
    raise dynamo.Contention("the waiting room kept changing while an admin changed it")


# The catalog reads an event's line for the stock ledger, and to find out whether the line is empty, so that prices may rise again. The
# catalog cannot import this feature, so this module passes the reader to the catalog.


def read_line(event: Event, now: int) -> sale_rules.Line:
    """Return whether the sale has opened and everybody who joined has had their turn, and the time of the draw. Changes nothing.

    Admission is not enough: everybody's turn must have ended, because a manager can let everybody in at once. Any turn may be a longer one,
    and a pause stops its clock. A room that was cleared never counts as empty, because the people who were in it may come back.
    """
    room, arrivals = store.load_room_and_late_arrivals(event.id)
    if room is None:
        return sale_rules.Line(is_empty=True, opened_at=None)  # nobody has joined
    if room.n is None:
        return sale_rules.Line(is_empty=False, opened_at=None)
    last, began_at = arrivals.last_position, room.segments[0].since
    is_empty = room.number == 1 and (last == 0 or _has_had_turn(room.segments, last, sale_rules.longer_pass_seconds(event), now))
    admitted = admission_plan.admitted_count(room.segments, now)
    return sale_rules.Line(is_empty, room.closed_at or began_at, room.number, arrivals.late, began_at, admitted, last)


def _has_had_turn(segments: list[Segment], position: int, pass_seconds: int, now: int) -> bool:
    """Return whether the turn of a position has ended, and with it the turns of all positions before it."""
    admitted_at = admission_plan.admission_time(segments, position, joined_at=0)
    return admitted_at is not None and admission_plan.running_seconds(segments, admitted_at, now) >= pass_seconds


sale_rules.set_line_reader(read_line)
