"""The public state of a waiting room, a buyer's arrival and queue status, the errors that callers see, and the room's configuration."""

from typing import ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from chalicelib.catalog.model import EntryRule, Event
from chalicelib.foundation import settings
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.waiting_room import admission_plan, draw
from chalicelib.waiting_room.admission_plan import Segment
from chalicelib.waiting_room.entries import MAX_MEMBERS

LATE = -1  # the first counter of arrivals after the opening; the others are -2, -3, ...
GUEST_PREFIX = "guest-"  # the ids of users without an account begin with this
DEMO_PREFIX = "demo-guest-"  # the ids of people who join in a demo stage without identifying themselves; only their tokens have these ids


# Why the rule of entry gives a user no new place. In this order: the user has no account with a verified address; the user has not verified
# an address; the address already has a place, which the user gets instead; the user has sent no access code; the code is wrong, expired or
# revoked; the code has no uses left; no bank has confirmed a card for the user; the card already has a place, which the user gets instead.
EntryReason = Literal[
    "account_required", "address_required", "address_used", "code_required", "code_invalid", "code_used", "card_required", "card_used"
]
ENTRY_REASONS: dict[EntryRule, tuple[EntryReason, ...]] = {
    "open": (),
    "verified_address": ("address_required", "address_used"),
    "account": ("account_required", "address_used"),
    "access_code": ("code_required", "code_invalid", "code_used"),
    "payment_card": ("card_required", "card_used"),
}
_ENTRY_REFUSALS: dict[EntryReason, str] = {
    "account_required": "To join, sign in to an account with a verified email address.",
    "address_required": "To join, verify your email address first: request a code, then send it with the address.",
    "address_used": "Your email address already has a place.",
    "code_required": "To join, enter the access code that the promoter gave you.",
    "code_invalid": "This access code is not valid for this waiting room. Check the code.",
    "code_used": "This access code has no uses left. Ask the promoter for another code.",
    "card_required": "To join, save a payment card first. It is not charged.",
    "card_used": "Your payment card already has a place.",
}


class BeaconState(Struct, frozen=True):
    """The round of the public beacon from which the order follows, besides the key.

    `chain` is the hash (hex) of the beacon's chain. `round` is null until the list of entries is published, and `round_at` is the time of
    the round. `randomness` (hex) is null until the round is public and verified.
    """

    chain: str
    round: int | None
    round_at: int | None
    randomness: str | None


class TicketsLeft(Struct, frozen=True, kw_only=True):
    """The tickets of one tier: how many can be bought now (null: no limit), and how many are sold or on hold for buyers."""

    available: int | None
    taken: int


class RoomState(Struct, frozen=True, kw_only=True):
    """The public state of a room, the same for everybody. A buyer's status is computed from this state and the buyer's token.

    Times are epoch seconds. `n`, the number of arrivals in the draw, is null until the draw closes, at `closes_at`. `root` (hex), the root
    of the list of entries, is null until the list has been made. `key` (hex) is null until the opening. Rooms without a list close at the
    opening, and have neither `closes_at` nor `root`. `offsets[i]` is the number of arrivals counted by the counters before counter i.
    `late_counters` is the number of counters of arrivals after the opening. `total` is the number of users who have joined. `stopped` is
    the reason why joining has stopped; it is null while users can join. A pass is valid for `pass_seconds`, or `longer_pass_seconds` for
    users who asked for a longer turn. Both end with the grace period of `grace_seconds` for users who missed their turn. `may_return` is
    the number of tickets on hold if no other tickets are left; otherwise it is null. `beacon` is missing if the order follows from the key
    alone. `tickets` has the figures of each visible tier while the sale is open. `entry` is the rule for who gets a place; it is missing if
    the rule is `open`. Until `groups_until`, users can form, join and leave groups; it is missing if the room has no groups. With
    `better_odds`, users have up to five numbers each, and `n` and `total` count all of them; it is missing in other rooms.
    """

    event_id: str
    room: int
    on_sale_at: int
    closes_at: int | None = None
    commitment: str
    root: str | None = None
    key: str | None
    n: int | None
    offsets: list[int]
    late_counters: int
    segments: list[Segment]
    total: int
    pass_seconds: int
    grace_seconds: int
    stopped: str | None
    may_return: int | None
    beacon: BeaconState | UnsetType = UNSET
    tickets: dict[str, TicketsLeft] | None = None
    entry: EntryRule | UnsetType = UNSET
    longer_pass_seconds: int = 0
    groups_until: int | UnsetType = UNSET
    better_odds: bool | UnsetType = UNSET

    @property
    def seed(self) -> bytes:
        """The key of the permutation. The state must contain the draw."""
        assert self.key is not None
        key, randomness = bytes.fromhex(self.key), self.beacon.randomness if isinstance(self.beacon, BeaconState) else None
        return key if randomness is None else draw.seed(key, bytes.fromhex(randomness))

    def is_paused(self, now: int) -> bool:
        """Return whether admission is paused at `now`, or, before the opening, whether the room will open paused."""
        return admission_plan.is_paused(self.segments, max(now, self.on_sale_at))

    def pass_seconds_of(self, arrival: "Arrival") -> int:
        """Return how long the arrival's pass is valid."""
        return max(self.pass_seconds, self.longer_pass_seconds) if arrival.is_longer else self.pass_seconds


class Arrival(
    Struct,
    frozen=True,
    omit_defaults=True,
    rename={
        "event_id": "e",
        "room": "r",
        "user": "u",
        "counter": "s",
        "number": "c",
        "joined_at": "t",
        "expires_at": "x",
        "holder": "h",
        "is_longer": "l",
        "group": "g",
        "weight": "w",
    },
):
    """A user's arrival: the content of the user's token. `number` counts from 1 within `counter`; times are epoch seconds.

    `user` is a digest of the user's id, so that a token in a screenshot or a log does not identify anybody. If the room gives one place to
    each address or card, `user` is a digest of the address or card, and `holder` is the digest of the id of the user who may use the place.
    If places need an access code, `holder` is the same as `user`.

    `is_longer` says that the user has asked for a longer turn. Only tokens contain it, so that the table does not show who asked. The
    members of a `group` have the same number, and the list of entries has each member with this number. In a ballot with better odds, the
    arrival has `weight` numbers, of which `number` is the first.
    """

    event_id: str
    room: int
    user: str
    counter: int
    number: int
    joined_at: int
    expires_at: int
    holder: str | None = None
    is_longer: bool = False
    group: str | None = None
    weight: int = 1

    @property
    def owner(self) -> str:
        """The owner of the number: the group or, without a group, the user. Lists of earlier versions have the number under this name."""
        return self.group or self.user

    @property
    def is_late(self) -> bool:
        """Whether the user joined after the opening."""
        return self.counter < 0

    @property
    def pass_id(self) -> str:
        """The id of this arrival's pass. Purchases are recorded under this id, because a pass is valid for one purchase."""
        return f"{self.room}.{self.counter}.{self.number}"


class OddsKey(Struct, frozen=True, array_like=True):
    """The key under which a ballot with better odds records an outcome: the address or card, and the user who takes part with it.

    Both are digests.
    """

    entrant: str
    user: str


AppealStatus = Literal["open", "granted", "denied"]


class Appeal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user's text to the promoter after the waiting room refused the user for this `reason`, and the answer.

    Times are epoch seconds.
    """

    id: str
    reason: EntryReason
    text: str
    status: AppealStatus = "open"
    created_at: int
    answer: str = ""
    answered_at: int | None = None


class AppealCounts(Struct, frozen=True):
    """How many people have appealed against a refusal, and how many appeals were granted and denied."""

    made: int
    granted: int
    denied: int


class TokenUnknown(NotFound):
    code: ClassVar[str] = "token_unknown"
    default_message: ClassVar[str] = "This is not a token of this waiting room. Join the waiting room to get one."


class TokenInvalid(ApiError):
    code: ClassVar[str] = "token_invalid"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This is not a valid waiting room token. Join the waiting room again."


class TokenOfAnotherEvent(ApiError):
    code: ClassVar[str] = "token_of_another_event"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This token belongs to another event. Join the waiting room of this event."


class TokenOfAnotherUser(ApiError):
    code: ClassVar[str] = "token_of_another_user"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This token belongs to another user, and places cannot be passed on. Join the waiting room yourself."


class TokenExpired(ApiError):
    code: ClassVar[str] = "token_expired"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This token has expired because the sale it was issued for has ended."


class RoomCleared(ApiError):
    code: ClassVar[str] = "waiting_room_cleared"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "The waiting room was reset, so your earlier place no longer counts. Join again to get a new one."


class NotAdmitted(ApiError):
    code: ClassVar[str] = "not_admitted"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "It is not your turn yet. Keep your token and wait until your position is admitted."


class PassExpired(ApiError):
    code: ClassVar[str] = "pass_expired"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Your time to buy has run out. Join the waiting room again to get a new place at the end of the line."


class EntryUnknown(NotFound):
    code: ClassVar[str] = "entry_unknown"
    default_message: ClassVar[str] = (
        "The published list of entries does not have this entry. Join the waiting room again to get a new place."
    )


class JoiningStopped(ApiError):
    code: ClassVar[str] = "waiting_room_stopped"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "You can no longer join this waiting room: the sale has ended, the event was cancelled or all tickets are sold."
    )


class EntryRefused(ApiError):
    """The rule of entry gives the user no place. `reason` names what is missing; the public figures of exclusions use the same names.

    A user who disagrees may send `refusal` with an appeal.
    """

    code: ClassVar[str] = "entry_refused"
    status: ClassVar[int] = 403

    def __init__(self, reason: EntryReason, refusal: str) -> None:
        super().__init__(_ENTRY_REFUSALS[reason], reason=reason, refusal=refusal)


class CodeInvalid(ApiError):
    code: ClassVar[str] = "code_invalid"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This is not the code in our last email. Check the six digits."


class CodeExpired(ApiError):
    code: ClassVar[str] = "code_expired"
    status: ClassVar[int] = 410
    default_message: ClassVar[str] = "This code has expired, or there were too many wrong tries. Request a new code."


class CodeNotNeeded(ApiError):
    """Nobody needs a code to join this waiting room. `entry` is its rule for who gets a place."""

    code: ClassVar[str] = "code_not_needed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This waiting room does not ask for a code. Join it directly."


class CardNotNeeded(CodeNotNeeded):
    """Nobody needs a payment card to join this waiting room. `entry` is its rule for who gets a place."""

    code: ClassVar[str] = "card_not_needed"
    default_message: ClassVar[str] = "This waiting room does not ask for a payment card. Join it directly."


class PlaceInUse(ApiError):
    """Another user is buying with the place of the address or card. Somebody who shares it may send `refusal` with an appeal."""

    code: ClassVar[str] = "place_in_use"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Somebody with your email address or card is buying tickets with your place right now. "
        "Finish or release that reservation in the other browser, or wait until it has expired."
    )


class GroupsClosed(ApiError):
    """Groups can no longer change, or the waiting room has none. `until` is the time until which they could change, or null."""

    code: ClassVar[str] = "groups_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You can no longer form, join or leave a group in this waiting room, or it has no groups."


class GroupFull(ApiError):
    code: ClassVar[str] = "group_full"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = f"This group has {MAX_MEMBERS} members, and a group cannot have more."


class InvitationInvalid(NotFound):
    code: ClassVar[str] = "invitation_invalid"
    default_message: ClassVar[str] = "This invitation is not valid for this waiting room, or nobody is left in the group."


class InAnotherGroup(ApiError):
    code: ClassVar[str] = "in_another_group"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You are in another group of this waiting room. Leave it first, then accept this invitation."


class NotInGroup(ApiError):
    code: ClassVar[str] = "not_in_group"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You are not in a group of this waiting room, or another browser has your place."


class RefusalUnknown(ApiError):
    code: ClassVar[str] = "refusal_unknown"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "You can appeal once this waiting room has refused you. Try to join first."


class AppealExists(ApiError):
    code: ClassVar[str] = "appeal_exists"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You have already written to the promoter about this event. You can appeal only once."


class TooManyAppeals(ApiError):
    code: ClassVar[str] = "too_many_appeals"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event has received the maximum number of appeals and accepts no more."


class AppealAnswered(ApiError):
    code: ClassVar[str] = "appeal_answered"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This appeal already has a different answer."


class NoWaitingRoom(NotFound):
    code: ClassVar[str] = "no_waiting_room"
    default_message: ClassVar[str] = "This event has no waiting room. Reserve tickets directly."


class NoOtherShop(NotFound):
    code: ClassVar[str] = "no_other_shop"
    default_message: ClassVar[str] = "The tickets of this event are sold here, so it has no passes for another shop."


class ShopPassRefused(ApiError):
    code: ClassVar[str] = "shop_pass_refused"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "This is not a valid pass for this event's shop, or it has expired."


class DrawnByBallot(ApiError):
    """The tickets go to people in the order of the draw, so nobody is let in."""

    code: ClassVar[str] = "drawn_by_ballot"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The tickets of this event are given out by a ballot, so its waiting room lets nobody in."


class TooManyChanges(ApiError):
    code: ClassVar[str] = "too_many_changes"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The waves of this waiting room have changed too often in a short time. Try again in a few minutes."


TOKEN_ERRORS: tuple[type[ApiError], ...] = (
    TokenInvalid,
    TokenOfAnotherEvent,
    TokenOfAnotherUser,
    TokenExpired,
    RoomCleared,
    NotAdmitted,
    PassExpired,
    EntryUnknown,
    DrawnByBallot,
)


# A buyer's queue status, computed from the room's public state and the buyer's arrival. `web/waiting-room.js` does the same computation.


class QueueStatus(Struct, frozen=True):
    """An arrival's place in the queue. `position` counts from 1 and never changes.

    `ahead` is the number of people before this position who are not admitted yet. `admitted_at` (epoch seconds) may be in the future; it is
    None if no planned wave reaches the position. `pass_seconds_left` and `turn_seconds_left` are None before admission;
    `turn_seconds_left` is 0 after a missed turn, while the pass is still valid. `position`, `ahead` and `admitted_at` are None until the
    draw.
    """

    position: int | None
    ahead: int | None
    admitted_at: int | None
    pass_seconds_left: int | None
    turn_seconds_left: int | None
    paused: bool
    can_enter: bool
    pass_expired: bool
    eta_seconds: int | None


def line_position(state: RoomState, counter: int, number: int, weight: int = 1) -> int:
    """Return the position, from 1, of arrival `number` of a counter. The state must contain the draw."""
    assert state.n is not None
    return draw.position(state.seed, state.n, tuple(state.offsets), counter, number, state.late_counters, weight)


def compute_queue_status(state: RoomState, arrival: Arrival, now: int) -> QueueStatus:
    """Compute the status of the arrival at `now`. Nobody has a position until the sale has opened and the state contains the draw."""
    paused = state.is_paused(now)
    if state.n is None or state.key is None or now < state.on_sale_at:
        eta = None if paused else max(0, state.on_sale_at - now)
        return QueueStatus(None, None, None, None, None, paused, False, False, eta)
    position = line_position(state, arrival.counter, arrival.number, arrival.weight)
    admitted_at = admission_plan.admission_time(state.segments, position, arrival.joined_at)
    if admitted_at is None or admitted_at > now:
        ahead = max(0, position - 1 - admission_plan.admitted_count(state.segments, now))
        eta = None if admitted_at is None else admitted_at - now
        return QueueStatus(position, ahead, admitted_at, None, None, paused, False, False, eta)
    seconds_left = state.pass_seconds_of(arrival) - admission_plan.running_seconds(state.segments, admitted_at, now)
    is_pass_valid = seconds_left > 0
    pass_left, turn_left = max(0, seconds_left), max(0, seconds_left - state.grace_seconds)
    return QueueStatus(position, 0, admitted_at, pass_left, turn_left, paused, is_pass_valid and not paused, not is_pass_valid, 0)


# The configuration: the event's own values, or else the stage's settings.


def first_segment(event: Event, opens_at: int) -> Segment:
    """Return the first segment of the plan, with the configured waves. A ballot lets nobody in."""
    configured, default = event.waiting_room, settings.current()
    wave_size = 0 if event.has_ballot else (configured.wave_size if configured else None) or default.wave_size
    wave_seconds = (configured.wave_seconds if configured else None) or default.wave_seconds
    return admission_plan.initial_plan(opens_at, wave_size, wave_seconds)[0]


def has_beacon(event: Event) -> bool:
    """Return whether the draw of a new room follows from the key and a round of the public beacon."""
    return event.waiting_room is not None and event.waiting_room.randomness == "key_and_beacon"


def series_of(event: Event) -> str | None:
    """Return the name of the ballots that count for each other, or None if the event's ballot does not give losers better odds."""
    return f"ballots of {event.promoter_id or 'the operator'}" if event.has_better_odds else None


def follows_stock(event: Event) -> bool:
    """Return whether the size of the waves follows the number of tickets left, which is unknown if another shop sells them."""
    return event.waiting_room is not None and event.waiting_room.follow_stock and event.shop_url is None and not event.has_ballot
