"""The waitlist of a sold-out event: entries in order of arrival, and the offers made to them.

An offer is a purchase in state `held`, so its tickets are held in shards like the tickets of any other purchase.
"""

from bisect import bisect_right
from hashlib import sha256
from typing import ClassVar, Literal, Self

from msgspec import Struct

from chalicelib.catalog.model import Event, Tier
from chalicelib.edge.languages import Language
from chalicelib.foundation.errors import ApiError, NotFound
from chalicelib.payments.model import SavedCard
from chalicelib.waiting_room.entries import Entry as ListedEntry
from chalicelib.waiting_room.model import OddsKey, RoomState, line_position

# `accepted`: the offer was paid. `declined`: the person declined the offer. `expired`: the offer was not paid in time. `left`: the person
# left before getting an offer.
EntryState = Literal["waiting", "offered", "accepted", "declined", "expired", "left"]
EntryStatus = EntryState | Literal["closed"]  # `closed`: the event has ended or was cancelled, or its waitlist was closed
ENDED_STATES: tuple[EntryState, ...] = ("accepted", "declined", "expired", "left")

MAX_TIERS = 10  # per entry
NOTIFIED_ALL = "~"  # sorts after all entry ids
CANCELLATION = "cancelled"  # the subject of the emails about a cancelled event; other emails are about the draw of a room
MAX_GROUPS = 8  # groups that a census counts separately; a group is all entries for the same set of tiers
SEGMENT_SHARE = 10  # a segment of a census is at most a tenth of the people before it, so the first twenty people are counted exactly
OFFER_SHARE = 4  # an offer lasts at most a quarter of the time until the last sale, unless a quarter is less than the shortest offer
KEPT_SECONDS = 90 * 86_400  # an entry is deleted this long after the last sale
LAST_DAY_SECONDS = 86_400  # from this long before the last sale, tickets are no longer kept back for large parties


class DrawNumber(Struct, frozen=True, array_like=True):
    """A person's entry in the draw list of a ballot. `digest` is hex. `number` is the first of the person's `weight` numbers."""

    room: int
    digest: str
    counter: int
    number: int
    weight: int = 1

    @classmethod
    def of_listed(cls, room: int, entry: ListedEntry) -> Self:
        """Return the number of an entry in the list of a room."""
        return cls(room=room, digest=entry.digest.hex(), counter=entry.counter, number=entry.number, weight=entry.weight)

    def position(self, draw: RoomState | None) -> int | None:
        """Return the position that the draw gave this number, from 1. Returns None before the draw, or if the draw is of another room."""
        return line_position(draw, self.counter, self.number, self.weight) if draw is not None and draw.room == self.room else None


class Entry(Struct, frozen=True, kw_only=True):
    """A person who is waiting for `quantity` tickets of one tier, at `max_price_cents` each or less.

    `tier_ids` are in order of preference. `id` is `<event id>.<ULID>`, and ULIDs sort by the time of joining. Times are epoch seconds.
    `purchase_id` and `offered_until` belong to the offer. `people_to` and `tickets_to` are the numbers of people who had joined the line
    when this entry was made, and of the tickets that they asked for, both including this entry; entries of earlier versions have neither.
    `parts` is the number of parts that the line had when the entry was made. In a ballot, people who registered before the draw have a
    `draw_number`. If the ballot has better odds, they also have an `odds_key`, under which the outcome is recorded. A waiting or offered
    entry may have a `card`, and `card_changes` counts how often the card was written.
    """

    id: str
    user_id: str
    event_id: str
    tier_ids: list[str]
    quantity: int
    joined_at: int
    ttl: int
    max_price_cents: int | None = None
    language: Language | None = None  # for emails about an offer: the person's language when they joined
    people_to: int | None = None
    tickets_to: int | None = None
    parts: int = 2
    draw_number: DrawNumber | None = None
    odds_key: OddsKey | None = None
    card: SavedCard | None = None
    card_changes: int = 0
    state: EntryState = "waiting"
    purchase_id: str | None = None
    offered_until: int | None = None
    ended_at: int | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED_STATES

    @property
    def has_card(self) -> bool:
        """Whether a bank has confirmed the card, so that it can be charged."""
        return self.card is not None and self.card.method_id is not None

    def accepts(self, tier: Tier) -> bool:
        """Return whether the entry is for this tier, and the tier's current price is at most `max_price_cents`."""
        return tier.id in self.tier_ids and (self.max_price_cents is None or tier.price_cents <= self.max_price_cents)

    def can_fit(self, tier: Tier) -> bool:
        """Return whether the tier has enough tickets for the entry, counting sold tickets too."""
        return self.quantity <= tier.stock_limit


class Place(Struct, frozen=True):
    """The place of an entry in its line. `passed_at` is when the entry was first passed over because too few tickets were free for it."""

    entry: Entry
    passed_at: int | None = None


class Position(Struct, frozen=True):
    """The number of people ahead who wait for at least one of the same tiers, and the number of tickets that they wait for."""

    people_before: int = 0
    tickets_before: int = 0


class Segment(Struct, array_like=True):
    """Consecutive places of a line: the id of the first entry, and (people, tickets) by group of the census."""

    first_id: str
    counts: dict[int, tuple[int, int]]

    @property
    def people(self) -> int:
        return sum(people for people, _ in self.counts.values())


class Census(Struct, kw_only=True):
    """The allocator's count of the people in a line, by segment and group. A census hardly grows with the length of the line.

    `full_at` is when the whole line was last counted (epoch seconds), or 0 before the first count. Later counts only add the entries after
    `counted_to`, the id of the last counted entry. `people_to` and `tickets_to` are the highest such numbers of the counted entries (see
    `Entry`). `groups` has the first MAX_GROUPS sets of tiers; entries for other sets are counted together, as if their sets had tiers in
    common with every other set. `tiers` has (people, tickets) by tier id. `offered` is the number of open offers. In a ballot,
    `left_over` has the number and the price of the free tickets, by key of the supply, for which everybody up to the entry `considered_to`
    was considered. `has_considered_all` says that a full count is due and has begun: everybody was considered, but not counted yet.
    """

    full_at: int
    counted_to: str = ""
    people_to: int = 0
    tickets_to: int = 0
    people: int = 0
    groups: list[list[str]] = []
    segments: list[Segment] = []
    tiers: dict[str, tuple[int, int]] = {}
    offered: int = 0
    left_over: dict[str, tuple[int, int]] = {}
    considered_to: str = ""
    has_considered_all: bool = False

    def add(self, entry: Entry) -> None:
        """Count the next entry of the line."""
        tier_ids = sorted(entry.tier_ids)
        if tier_ids not in self.groups and len(self.groups) < MAX_GROUPS:
            self.groups.append(tier_ids)
        group = self.groups.index(tier_ids) if tier_ids in self.groups else MAX_GROUPS
        last = self.segments[-1].people if self.segments else 0
        if not self.segments or last >= max(1, (self.people - last) // SEGMENT_SHARE):
            self.segments.append(Segment(entry.id, {}))
        counts = self.segments[-1].counts
        counts[group] = _increase(counts.get(group), entry.quantity)
        for tier_id in tier_ids:
            self.tiers[tier_id] = _increase(self.tiers.get(tier_id), entry.quantity)
        self.people += 1
        self.counted_to = entry.id
        self.people_to = max(self.people_to, entry.people_to or 0)
        self.tickets_to = max(self.tickets_to, entry.tickets_to or 0)

    def position(self, entry: Entry) -> Position | None:
        """Return the position of a waiting entry, or None if it is not known yet. The real position may be closer to the front."""
        last = bisect_right(self.segments, entry.id, key=lambda segment: segment.first_id)
        groups = [number for number, tier_ids in enumerate(self.groups) if not set(tier_ids).isdisjoint(entry.tier_ids)]
        counts = [segment.counts[group] for segment in self.segments[:last] for group in (*groups, MAX_GROUPS) if group in segment.counts]
        people, tickets = (sum(count[index] for count in counts) for index in (0, 1))
        if entry.id <= self.counted_to:
            return Position(max(0, people - 1), max(0, tickets - entry.quantity))
        if entry.people_to is None or entry.tickets_to is None:
            return None
        return Position(
            people + max(0, entry.people_to - 1 - self.people_to), tickets + max(0, entry.tickets_to - entry.quantity - self.tickets_to)
        )


class Draw(Struct, frozen=True):
    """The draw of a stock's released tickets among the people who waited at the release: the entries up to `last_id`.

    Nobody can know the `seed` before the release. Afterwards, the seed gives each entry a rank that anybody can check. `begun_at` is in
    epoch seconds.
    """

    seed: str
    last_id: str
    begun_at: int = 0

    def rank(self, entry: Entry) -> str:
        """Return the rank of an entry: the SHA-256 of the seed, a space and the entry's id. The lowest rank comes first."""
        return sha256(f"{self.seed} {entry.id}".encode()).hexdigest()


class BallotOffer(Struct, frozen=True, kw_only=True):
    """An offer to the person with this `position`, from 1, in the draw of a ballot. It is public, and does not identify the person."""

    position: int
    draw_number: DrawNumber
    tier_id: str
    quantity: int
    offered_at: int


class Line(Struct, frozen=True, kw_only=True):
    """The line of an event: the state that all its entries share.

    `stock_ids` are the stocks of tiers that sold out while people waited for them: tickets returned to these stocks are for the line.
    `draws` has a draw for each stock whose free tickets are drawn now, instead of going to the first in the line. `namings` counts how
    often stocks or draws were added. Until `leased_until` (epoch seconds), only the allocator `leased_by` makes offers. `last_run_at` is
    when a scheduled run last took the lease or failed, in epoch seconds. `told_to` is the last entry whose owner was emailed and what
    about: `<id of the entry>#<room>` if the draw of a room gave the owner no tickets, or `<id of the entry>#cancelled` if the event was
    cancelled. It is None before the first email. Read it with `notified_up_to`. If there are too many open offers for one run, `checked_to`
    is the entry of the last offer that was checked. `accepted`, `declined` and `expired` count entries whose offers have ended.
    """

    event_id: str
    stock_ids: frozenset[str] = frozenset()
    draws: dict[str, Draw] = {}
    namings: int = 0
    leased_by: str | None = None
    leased_until: int = 0
    last_run_at: int = 0
    told_to: str | None = None
    checked_to: str | None = None
    accepted: int = 0
    declined: int = 0
    expired: int = 0

    def notified_up_to(self, subject: int | str) -> str | None:
        """Return the id of the last entry whose owner was emailed about this subject: the room of a draw, or CANCELLATION.

        Returns None before the first email, and NOTIFIED_ALL after the last.
        """
        entry_id, separator, last_subject = (self.told_to or "").rpartition("#")
        if not separator and subject != CANCELLATION:  # written by the previous version, which writes "" after the last email
            return NOTIFIED_ALL if self.told_to == "" else self.told_to
        return entry_id if last_subject == str(subject) else None

    @property
    def conversion(self) -> float | None:
        """The share of ended offers that were paid, or None if no offer has ended yet."""
        ended = self.accepted + self.declined + self.expired
        return round(self.accepted / ended, 4) if ended else None


def _increase(count: tuple[int, int] | None, quantity: int) -> tuple[int, int]:
    people, tickets = count or (0, 0)
    return people + 1, tickets + quantity


def entry_event_id(entry_id: str) -> str:
    """Return the event id in an entry id. Returns an empty string if the entry id contains no event id."""
    return entry_id.rpartition(".")[0]


def offer_ends_at(event: Event, tier: Tier, seconds: int, shortest: int, now: int) -> int:
    """Return when an offer made at `now` expires, in epoch seconds: after `seconds`, or sooner if the last sale is close.

    An offer lasts for at least `shortest` seconds, but never beyond the last sale of the tier.
    """
    last_sale_at = event.last_sale_at if tier.sale_ends_at is None else min(event.last_sale_at, tier.sale_ends_at)
    left = last_sale_at - now
    return now + min(seconds, max(shortest, left // OFFER_SHARE), left)


class EntryNotFound(NotFound):
    code: ClassVar[str] = "waitlist_entry_not_found"
    default_message: ClassVar[str] = "There is no waitlist entry with this id."


class EntryNotWaiting(ApiError):
    code: ClassVar[str] = "waitlist_entry_not_waiting"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This entry is no longer waiting: it has received an offer, or its owner has left the waitlist."


class EntryBusy(ApiError):
    code: ClassVar[str] = "waitlist_entry_busy"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This entry has just changed. Try again."


class CardNotWanted(ApiError):
    code: ClassVar[str] = "card_not_wanted"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "You cannot save a card for this entry: the event takes no cards, or the entry is no longer waiting."


class AmountChanged(ApiError):
    """The caller accepted an amount other than the highest current price of the entry's tickets, which is `max_cents` in `currency`."""

    code: ClassVar[str] = "amount_changed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "The highest amount that the card may be charged has changed. Check the new amount, then accept it."


class TicketsAvailable(ApiError):
    code: ClassVar[str] = "tickets_available"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = (
        "Tickets are available now, so you can buy them without waiting. The waitlist is for tickets that are sold out or not on sale yet."
    )


class AccountRequired(ApiError):
    """The caller is a guest. Guests have no email address for an offer, and their session may end before an offer is made."""

    code: ClassVar[str] = "account_required"
    status: ClassVar[int] = 403
    default_message: ClassVar[str] = "Sign in or register to join the waitlist. Guests cannot join it."


class WaitlistClosed(ApiError):
    code: ClassVar[str] = "waitlist_closed"
    status: ClassVar[int] = 409
    default_message: ClassVar[str] = "This event has no waitlist."
