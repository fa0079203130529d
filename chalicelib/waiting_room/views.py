"""Waiting rooms as the API shows them."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.catalog.model import EntryRule, Event
from chalicelib.foundation import clock
from chalicelib.foundation.clock import Timestamp
from chalicelib.waiting_room import admission_plan, draw, entries, tokens
from chalicelib.waiting_room.entries import Entry, EntryProof
from chalicelib.waiting_room.model import (
    Appeal,
    AppealCounts,
    AppealStatus,
    Arrival,
    BeaconState,
    EntryReason,
    RoomState,
    compute_queue_status,
)
from chalicelib.waiting_room.store import Room

PARAMETER = "fairgate_pass"  # the examples of verifiers use this name
KEYS_PATH = "/.well-known/jwks.json"


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


class ShopPassView(Struct, frozen=True, kw_only=True):
    """A pass for the shop that sells the tickets. Send the buyer to `url`, which has the pass as the parameter `fairgate_pass`."""

    shop_pass: str
    url: str
    expires_at: Timestamp


class VerifierView(Struct, frozen=True, kw_only=True):
    """What the shop's server needs to check passes.

    With `algorithm` EdDSA, the keys are at `keys_path` of this API, and `secret` is null. With HS256, the ASCII bytes of `secret` are the
    key.
    """

    issuer: str
    audience: str
    event: str
    algorithm: Literal["EdDSA", "HS256"]
    keys_path: str
    secret: str | None


class ProofView(Struct, frozen=True, kw_only=True):
    """The data for recomputing all positions.

    `n` is null until the draw closes, and `key` is null until the opening. `entries` is the list of entries; it is null until the list is
    published, and in rooms whose draw closes at the opening. `beacon` is missing if the order follows from the key alone.

    `entry` is the rule for who gets a place. `excluded` has, by reason, the number of requests to which the rule gave no new place: with
    `address_used` and `card_used`, the address or card already had a place; all other requests were refused. `appeals` has the numbers of
    appeals.
    """

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
    closes_at: Timestamp | None
    entry: EntryRule
    excluded: dict[EntryReason, int]
    appeals: AppealCounts
    entries: "EntryListView | None"
    beacon: "BeaconView | UnsetType" = UNSET


class BeaconView(Struct, frozen=True, kw_only=True):
    """The round of the public beacon drand from which the order follows, besides the key.

    `chain` is the hash of the beacon's chain, `public_key` verifies the `signature` of the round by the `scheme`, and `randomness` is the
    SHA-256 of the signature; all are hex. Round 1 was at `genesis` (epoch seconds), and a round follows every `period` seconds. `round` is
    the first one that is 70 seconds after `closes_at` or later, and 40 seconds after the publication of the list of entries or later; it is
    null until the list is published. `signature` and `randomness` are null until the round is public and verified. `seed_is` says what
    replaces the key in the computation of the positions.
    """

    chain: str
    scheme: str
    public_key: str
    genesis: int
    period: int
    round: int | None
    round_at: Timestamp | None
    signature: str | None
    randomness: str | None
    seed_is: str


WaitingRoomToken = Annotated[str, Meta(max_length=2048)]


class TokenBody(Struct, forbid_unknown_fields=True):
    """The token that you got by joining the waiting room."""

    token: WaitingRoomToken


class GroupView(Struct, frozen=True, kw_only=True):
    """A group that shares one place. `token` replaces your token.

    Anybody who has the `invitation` can join the group until the state's `groups_until`, up to `max_members` people.
    """

    token: str
    invitation: str
    members: int
    max_members: int


class CardFormView(Struct, frozen=True):
    """What a page needs to take a card: the `provider`, the key for its form, and the promoter's `account` there if it takes the payments.

    The provider `simulated` has no form: any text is a card, and the bank declines the card `declined`.
    """

    provider: str
    publishable_key: str | None
    account: str | None


class CardProofView(Struct, frozen=True):
    """The proof that a bank has confirmed your card. Send it when you join the waiting room of this event.

    If the bank needs your confirmation, the proof is null: let the provider's form handle the `client_secret`, then send the `check_id`.
    """

    card_proof: str | None
    check_id: str | None = None
    client_secret: str | None = None


class AppealView(Struct, frozen=True, kw_only=True):
    """An appeal against a refusal, as its writer and the event's managers see it.

    The writer of a granted appeal has a place. Joining with the `address_proof` returns its token; managers do not get the proof.
    """

    id: str
    reason: EntryReason
    text: str
    status: AppealStatus
    created_at: Timestamp
    answer: str
    answered_at: Timestamp | None
    address_proof: str | None = None


class AppealsView(Struct, frozen=True):
    """A page of an event's appeals with this status, oldest first. `next_cursor` is null on the last page."""

    appeals: list[AppealView]
    next_cursor: str | None


def appeal_view(appeal: Appeal, address_proof: str | None = None) -> AppealView:
    """Return an appeal, with the proof that its writer needs to join, if it was granted."""
    return AppealView(
        id=appeal.id,
        reason=appeal.reason,
        text=appeal.text,
        status=appeal.status,
        created_at=clock.iso(appeal.created_at),
        answer=appeal.answer,
        answered_at=None if appeal.answered_at is None else clock.iso(appeal.answered_at),
        address_proof=address_proof,
    )


class EntryListView(Struct, frozen=True, kw_only=True):
    """The published list of entries: its root (hex), the number of its pages, and when it was published.

    With better odds, `by_weight` has the numbers of entries with one number, two numbers, and so on; otherwise, it is missing.
    """

    root: str
    pages: int
    published_at: Timestamp
    by_weight: list[int] | UnsetType = UNSET


class EntryProofView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry, and the proof that the list with this `root` has it.

    `digest` is the SHA-256 of the room's commitment (32 bytes) and the user `u` in the entrant's token. `index` is the entry's place in its
    page, from 0. `path` has the sibling hashes on the path from the entry to the root, from the bottom. Hashes are hex. With better odds,
    `number` is the first of `weight` numbers; `weight` is missing if it is 1.
    """

    event_id: str
    room: int
    root: str
    digest: str
    counter: int
    number: int
    index: int
    page_size: int
    path: list[str]
    weight: int = 1


class ListedEntryView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the list. `EntryProofView` explains its `digest` and `weight`."""

    digest: str
    counter: int
    number: int
    weight: int = 1


class EntryPageView(Struct, frozen=True, kw_only=True):
    """A page of the list. `path` has the sibling hashes (hex) on the path from the page to the root, from the bottom."""

    event_id: str
    room: int
    root: str
    page: int
    pages: int
    entries: list[ListedEntryView]
    path: list[str]


class AdminRoomView(Struct, frozen=True, kw_only=True):
    """A waiting room as an admin sees it: its waves, and how many users have joined, been admitted and are still waiting.

    A turn lasts `pass_seconds`; a pass is also valid for the `grace_seconds` after it. `randomness` says what decides the order in this
    room, and `entry` is the rule for who gets a place in it.
    """

    room: int
    randomness: Literal["key", "key_and_beacon"]
    entry: EntryRule
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


def proof_view(room: Room, state: RoomState, excluded: dict[EntryReason, int], appeals: AppealCounts) -> ProofView:
    """Return the data for recomputing all positions. The key is null until the opening."""
    listed = None
    if room.root is not None:
        by_weight = room.weights or UNSET
        listed = EntryListView(root=room.root, pages=page_count(room), published_at=clock.iso(room.root_at), by_weight=by_weight)
    return ProofView(
        event_id=state.event_id,
        room=state.room,
        algorithm=draw.algorithm(
            has_beacon=room.chain is not None,
            has_groups=bool(room.has_groups) and room.has_list,
            has_weights=room.has_better_odds,
        ),
        commitment=state.commitment,
        commitment_is="sha256 of the key's bytes, hex",
        on_sale_at=clock.iso(state.on_sale_at),
        opened=state.key is not None,
        key=state.key,
        n=state.n,
        offsets=state.offsets,
        late_counters=state.late_counters,
        total=state.total,
        closes_at=None if state.closes_at is None else clock.iso(state.closes_at),
        entry=room.rule,
        excluded=excluded,
        appeals=appeals,
        entries=listed,
        beacon=_beacon_view(room),
    )


def _beacon_view(room: Room) -> BeaconView | UnsetType:
    chain = room.chain
    if chain is None:
        return UNSET
    return BeaconView(
        chain=chain.hash,
        scheme=draw.BEACON_SCHEME,
        public_key=chain.public_key,
        genesis=chain.genesis,
        period=chain.period,
        round=room.round,
        round_at=None if room.round_at is None else clock.iso(room.round_at),
        signature=room.signature,
        randomness=room.randomness,
        seed_is=f"sha256 of {draw.SEED_DOMAIN.decode()!r} (ASCII), the key's bytes and the randomness's bytes",
    )


def page_count(room: Room) -> int:
    """Return the number of pages of the room's list."""
    assert room.drawn_counts is not None
    return 1 << entries.page_bits(room.drawn_counts[0])


def entry_proof_view(room: Room, entry: Entry, proof: EntryProof) -> EntryProofView:
    """Return an entry with its proof."""
    assert room.root is not None
    return EntryProofView(
        event_id=room.event_id,
        room=room.number,
        root=room.root,
        digest=entry.digest.hex(),
        counter=entry.counter,
        number=entry.number,
        index=proof.place,
        page_size=proof.page_size,
        weight=entry.weight,
        path=[sibling.hex() for sibling in proof.path],
    )


def entry_page_view(room: Room, page: int, listed: list[Entry], path: list[bytes]) -> EntryPageView:
    """Return a page of the list with its proof."""
    assert room.root is not None
    return EntryPageView(
        event_id=room.event_id,
        room=room.number,
        root=room.root,
        page=page,
        pages=page_count(room),
        entries=[
            ListedEntryView(digest=entry.digest.hex(), counter=entry.counter, number=entry.number, weight=entry.weight) for entry in listed
        ],
        path=[sibling.hex() for sibling in path],
    )


def admin_view(state: RoomState, now: int) -> AdminRoomView:
    """Return the room as an admin sees it."""
    admitted = 0 if state.key is None else min(state.total, admission_plan.admitted_count(state.segments, now))
    last = state.segments[-1]
    return AdminRoomView(
        room=state.room,
        randomness="key_and_beacon" if isinstance(state.beacon, BeaconState) else "key",
        entry=state.entry or "open",
        opened=state.key is not None,
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


def shop_pass_view(event: Event, shop_pass: str, expires_at: int) -> ShopPassView:
    """Return a pass with the address at which the event's shop receives it."""
    assert event.shop_url is not None
    url = f"{event.shop_url}{'&' if '?' in event.shop_url else '?'}{PARAMETER}={shop_pass}"
    return ShopPassView(shop_pass=shop_pass, url=url, expires_at=clock.iso(expires_at))


def verifier_view(event: Event) -> VerifierView:
    """Return what the shop that sells the event's tickets needs to check passes."""
    algorithm = tokens.algorithm(event)
    return VerifierView(
        issuer=tokens.issuer(),
        audience=tokens.audience(event),
        event=event.id,
        algorithm=algorithm,
        keys_path=KEYS_PATH,
        secret=tokens.shared_key(event) if algorithm == "HS256" else None,
    )
