"""Events, tiers, display states and the catalog that contains them. Nothing here uses the store.

The catalog is the content of the bootstrap files plus the events and tiers created through the API. Its terms:

- a version is the content of one applied bootstrap file, and has a number;
- the revision counts all changes, including pauses and changes through the API;
- the head is the item that names the served version and the current revision;
- the public revision is the last one that changed more than drafts;
- a snapshot is the catalog in an instance's memory.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import quote

from msgspec import Meta, Struct
from msgspec.structs import replace

from chalicelib.catalog.custom_options import CustomOption
from chalicelib.catalog.fields import (
    Capacity,
    Count,
    Field,
    Label,
    Line,
    Minutes,
    Names,
    PostalCode,
    Reason,
    ShopUrl,
    Text,
    Texts,
    TimeZone,
)
from chalicelib.catalog.images import StoredImage
from chalicelib.edge.languages import Language, in_language
from chalicelib.foundation import clock
from chalicelib.foundation.money import Cents, Country, DefaultTax, IncludedFee, Region, Tax, TaxAddress
from chalicelib.inventory.display import StockGroup
from chalicelib.inventory.model import NO_STOCK, UNLIMITED, Stock

EntryRule = Literal["open", "verified_address", "account", "access_code", "payment_card"]
ADDRESS_RULES: tuple[EntryRule, ...] = ("verified_address", "account")  # which give one place to each address
PERSON_RULES: tuple[EntryRule, ...] = (*ADDRESS_RULES, "payment_card")  # under which an entrant has the same name in several ballots


BallotCards = Literal["none", "optional", "required"]


class WaitingRoomConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The configuration of an event's waiting room, in the bootstrap file and the API. The stage's settings apply to null fields.

    A turn lasts `pass_seconds`. For `grace_seconds` after it, a buyer who missed the turn may still reserve. `randomness` says what decides
    the order: a key that the shop fixed in advance, or this key and a round of the public beacon drand. A waiting room keeps the choice
    with which it was created.

    With `shop_url`, another shop sells the tickets: when it is their turn, buyers get a pass for this address, a JSON Web Token signed with
    `pass_algorithm`. Such an event needs no tiers.

    `entry` is the rule for who gets a place: `open` (one for each user), `verified_address` (one for each email address, which a code by
    email or an account proves), `account` (one for each verified address of an account), `access_code` (one for each use of a promo code
    that admits to the draw), or `payment_card` (one for each payment card, which its bank confirms without a charge). Once somebody has
    joined, a waiting room keeps its rule.

    Everybody may ask for a longer turn, without a reason or proof. It lasts `longer_pass_seconds`, by default three times as long as other
    turns. With `groups`, up to six people with verified addresses may share one place.

    With `ballot`, the draw at the opening decides who may buy: nobody is let in, and the waitlist offers the tickets in the drawn order to
    people who registered their wishes before the draw. A ballot always has a waitlist, and no groups. `ballot_cards` says whether people
    can or must save a card when they register. It is charged only if they are offered tickets.

    With `better_odds`, people for whom the promoter's earlier ballots with `better_odds` drew no tickets have up to five numbers in the
    draw, and the best one counts. A waiting room keeps the choice with which it was created.
    """

    enabled: bool = True
    wave_size: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    wave_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    pass_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    grace_seconds: Annotated[int, Meta(ge=0, le=86_400)] | None = None
    follow_stock: bool = False  # limits waves to the tickets that are left and the payments that the provider accepts
    randomness: Literal["key", "key_and_beacon"] = "key"
    shop_url: ShopUrl | None = None
    pass_algorithm: Literal["EdDSA", "HS256"] = "EdDSA"  # noqa: S105
    entry: EntryRule = "open"
    longer_pass_seconds: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    groups: bool = False  # only with `verified_address` and `account`
    ballot: bool = False  # not with `shop_url`
    ballot_cards: BallotCards = "none"
    better_odds: bool = False  # only with `ballot`, and with `verified_address`, `account` or `payment_card`


class WaitlistConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The configuration of an event's waitlist, in the bootstrap file and the API.

    With `keeps_tickets`, tickets returned while people wait go only to them; without it, anybody can buy these tickets.
    """

    enabled: bool = True
    keeps_tickets: bool = True


TransferPolicy = Literal["free", "none", "resale"]


class ReturnPolicy(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What buyers may do with tickets that they cannot use, in the bootstrap file and the API.

    An order keeps the policy that applied when it was sold. With `refund`, buyers return unused tickets until `until`, or until the event
    starts if that is earlier or `until` is null. We keep `fee_cents` and `fee_percent` of each ticket's price, but never more than the
    price. With `needs_approval`, the event's managers decide on each return. With `resale`, buyers offer unused tickets for resale at the
    price that they paid, until the same time, and get this price less the fee once somebody has bought the ticket.
    """

    policy: Literal["none", "refund", "resale"]
    until: Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset or Z.")] | None = None
    fee_cents: Cents = 0
    fee_percent: Annotated[int, Meta(ge=0, le=100)] = 0
    needs_approval: bool = False

    def deadline(self, starts_at: int) -> int:
        """Return the last second in which tickets may be returned or offered for resale. `starts_at` is the event's start."""
        return starts_at if self.until is None else min(starts_at, clock.epoch_seconds(self.until))

    def fee(self, price_cents: int) -> int:
        """Return the part of one ticket's price that we keep. Fractions of a cent are rounded in the buyer's favor."""
        return min(price_cents, self.fee_cents + price_cents * self.fee_percent // 100)


Seating = Literal["wheelchair", "companion"]
MAX_COMPANIONS = 3  # companion seats for each wheelchair space in a purchase
HoldbackReason = Literal["artist", "press", "house", "accessible", "presale", "box_office", "other"]
ReleaseTo = Literal["waitlist", "draw", "public"]
MAX_HOLDBACKS = 20  # per tier
MAX_HOLDBACK_IDS = 100  # per tier, including removed holdbacks that had a stock: each stock stays, and each run of the sweep reads it

# Each resale price has a stock of its own. A code that takes an amount off a whole order creates many prices.
MAX_RESALE_PRICES, MAX_RESALE_PRICES_OF_EVENT = 60, 500
MAX_RESALE_TICKETS = 10  # per purchase: with the orders of up to ten sellers, they fit into one transaction
_RESALE = "/.resale-"  # in the ids of the stocks of tickets for resale; the id of a holdback never begins with a dot


class Holdback(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tickets of a tier that buyers cannot have until they are released, in the bootstrap file and the API.

    The tickets are released at `release_at` or, with `release_when_sold_out`, when the tickets on sale have sold out, whichever comes
    first. `release_to` says who gets the released tickets: first the people on the waitlist, in order of arrival (`waitlist`) or in an
    order drawn among the people who are waiting at the release (`draw`), or everybody at once (`public`).
    """

    id: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z",
            examples=["press"],
            description="1 to 64 letters, digits and . _ -, starting with a letter or digit; unique in its tier.",
        ),
    ]
    reason: HoldbackReason
    quantity: Capacity
    label: Label | None = None
    release_at: Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset or Z.")] | None = None
    release_when_sold_out: bool = False
    release_to: ReleaseTo = "waitlist"


class HoldbackRelease(Struct, frozen=True, omit_defaults=True):
    """The release of a holdback. `at` is in epoch seconds.

    The holdback still holds back only the `issued` complimentary tickets, which are not part of the released `quantity`. The tier's stock
    grows after the release is in the catalog; until the stock has grown, the release is not `is_complete`.
    """

    holdback_id: str
    quantity: int
    at: int
    cause: Literal["time", "sold_out"]
    to: ReleaseTo
    is_complete: bool = False
    issued: int = 0


MAX_DATES = 60  # of an event


class EventDate(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A date of an event that takes place several times, such as a concert of a tour, in the bootstrap file and the API.

    Without `ends_at`, the doors close as they do for an event without an end. Without a `venue`, the date takes place at the event's venue.
    `capacity` is the maximum number of tickets that may be valid on the date; null: only the tiers and the event limit this number.
    """

    id: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}\Z",
            examples=["friday"],
            description="1 to 32 letters, digits and . _ -, starting with a letter or digit; unique in its event.",
        ),
    ]
    starts_at: Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset or Z.")]
    ends_at: Annotated[datetime, Meta(tz=True, description="ISO 8601 with an offset or Z.")] | None = None
    name: Label | None = None
    venue: Label | None = None
    capacity: Capacity | None = None
    names: Annotated[dict[Language, Label], Meta(description="The name in other languages, by language.")] = {}

    @property
    def start(self) -> int:
        """The start in epoch seconds."""
        return clock.epoch_seconds(self.starts_at)

    @property
    def end(self) -> int | None:
        """The last second, in epoch seconds."""
        return None if self.ends_at is None else clock.epoch_seconds(self.ends_at)


class CancelledDate(Struct, frozen=True, omit_defaults=True):
    """A date of an event that was cancelled for good. Buyers read the `reason`, or one of the `reasons` in other languages."""

    id: str
    reason: str | None = None
    reasons: dict[Language, str] = {}

    @property
    def has_reasons(self) -> bool:
        return self.reason is not None or bool(self.reasons)

    def in_language(self, language: Language | None) -> "CancelledDate":
        return replace(self, reason=in_language(self.reason or "", self.reasons, language) or None)


MAX_PUBLIC_CHANGES = 30  # of an event or tier; the oldest are dropped, because every instance keeps all of them in its memory
PublicValue = bool | int | None


class PublicChange(Struct, frozen=True, array_like=True):
    """A change of a published event or tier that matters to buyers. `at` and the values of fields that end with `_at` are epoch seconds.

    The field `on_sale` says whether buyers see a tier.
    """

    at: int
    field: str
    before: PublicValue
    after: PublicValue


EventStatus = Literal["draft", "active", "past", "cancelled", "test"]
TierStatus = Literal["available", "sold-out", "coming-soon", "closed", "test"]
PublicEventStatus = Literal["scheduled", "on_sale", "sold_out", "closed", "cancelled"]
ManagedBy = Literal["bootstrap", "api"]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event. Times are epoch seconds, and `ends_at` is the last second; `date` and `end_date` are text, as in the bootstrap file.

    `starts_at` is 0 while a draft has no start. The times of an event with `dates` follow from them (`with_times_of_dates`).
    `version` counts the changes made through the API. `capacity` limits all tiers together; null means that only the tiers limit the sale.
    An event that has ever had a capacity has a pool: the stock `pool_id` with `pool_shards` shards. Every ticket of the event is also taken
    from the pool.
    """

    id: str
    name: str
    venue: str
    starts_at: int
    status: EventStatus
    date: str
    managed_by: ManagedBy
    description: Annotated[str, Field("public", "Describes the event to buyers.", Text, in_file="elsewhere")] = ""
    names: Annotated[dict[str, str], Field("managers", "The name in other languages, by language.", Names)] = {}
    descriptions: Annotated[dict[str, str], Field("managers", "The description in other languages, by language.", Texts)] = {}
    end_date: str | None = None
    ends_at: int | None = None
    on_sale_at: int | None = None
    display_order: int = 0
    timezone: Annotated[str, Field("public", "The time zone in which times are shown.", TimeZone, in_file="elsewhere")] = "UTC"
    image_url: str | None = None  # for an uploaded image, the address of its JPEG
    image: StoredImage | None = None  # uploaded
    featured: bool = False
    purchase_limit: int | None = None
    hold_seconds: int | None = None
    guests_until: int | None = None  # the deadline for naming guests; null: guests can be named while the names on tickets can be changed
    refundable_until: int | None = None  # until then, inclusive, buyers may return tickets for a refund; null: they may not
    change_note: Annotated[
        str | None,
        Field(
            "managers",
            "A note in the email about a new name, place, start or time zone. A later change of this kind without a note resets it "
            "to null.",
            Reason | None,
            in_file="no",
        ),
    ] = None
    waiting_room: Annotated[
        WaitingRoomConfig | None,
        Field(
            "managers",
            "`enabled`, `wave_size`, `wave_seconds`, `pass_seconds`, `grace_seconds`, `follow_stock`, `randomness`, `entry`, `shop_url`, "
            "`pass_algorithm`, `longer_pass_seconds`, `groups`, `ballot`, `ballot_cards` and `better_odds`; null: the stage's "
            "settings, with `open` as the `entry` rule.",
        ),
    ] = None
    waitlist: Annotated[
        WaitlistConfig | None, Field("managers", "`enabled` and `keeps_tickets`, both true by default; null: the defaults.")
    ] = None
    returns: Annotated[
        ReturnPolicy | None,
        Field(
            "public",
            "Whether buyers may return tickets that they reserve from now on: `policy` (`none`, `refund`, or `resale` for returns only "
            "through resale), and optionally `until`, `fee_cents` and `fee_percent`, which we keep from each ticket's price, "
            "and `needs_approval`; null: they may not, and pages do not mention returns.",
        ),
    ] = None
    transfers: Annotated[
        TransferPolicy,
        Field(
            "public",
            "Whether owners may transfer tickets: `free`, `none`, or `resale` if tickets change hands only through resale. Tickets that "
            "were reserved while `transfers` was `free` can still be transferred.",
        ),
    ] = "free"
    address: Annotated[str, Field("public", "The street and number of the venue.", Line)] = ""
    city: Annotated[str | None, Field("public", "The city, by which events can be filtered.", Label | None, in_file="elsewhere")] = None
    country: Annotated[
        str | None,
        Field(
            "public", "The country of the venue, which decides which default taxes apply: an ISO 3166-1 code, such as `ES`.", Country | None
        ),
    ] = None
    region: Annotated[
        str | None,
        Field("public", "The region of the country: the second part of an ISO 3166-2 code, such as `CN` for ES-CN.", Region | None),
    ] = None
    postal_code: Annotated[str | None, Field("public", "The postal code of the venue, which automatic taxes need.", PostalCode | None)] = (
        None
    )
    category: Annotated[str | None, Field("public", "The category, by which events can be filtered.", Label | None, in_file="no")] = None
    slug: str | None = None  # a readable id for URLs; events of the bootstrap file need none, because their ids are readable
    promoter_id: str | None = None  # the user id of the promoter; null for an event that only admins manage
    metadata: dict[str, Any] = {}
    capacity: Annotated[
        int | None,
        Field("public", "The number of tickets that all tiers together can sell; null: only the tiers limit the sale.", Capacity | None),
    ] = None
    doors_minutes: Annotated[
        int | None,
        Field(
            "public",
            "How many minutes before the start the doors open; null: `FAIRGATE_DOORS_OPEN_SECONDS` applies, and pages show no time.",
            Minutes | None,
        ),
    ] = None
    allows_reentry: Annotated[bool, Field("public", "The door may scan people out, and their tickets let them in again.")] = False
    dates: Annotated[
        list[EventDate],
        Field(
            "public",
            "The dates of an event that takes place several times: each entry with `id` and `starts_at`, and optionally `ends_at`, `name`, "
            "`venue` and `capacity`. The event then starts with the first and ends with the last of them.",
            Annotated[list[EventDate], Meta(max_length=MAX_DATES)],
        ),
    ] = []
    publishes_report: Annotated[bool, Field("public", "Once the sale has opened, the draw page shows the sale report.")] = False
    pool_id: str | None = None
    pool_shards: int = 0
    removed: bool = False  # no longer in the bootstrap file
    version: int = 1
    created_at: int = 0
    updated_at: int = 0
    deleted_at: int | None = None  # only drafts can be deleted
    cancellation_reason: str | None = None  # for buyers
    cancellation_reasons: dict[Language, str] = {}  # in other languages, by language
    cancelled_dates: list[CancelledDate] = []  # if all dates are cancelled, so is the event
    withdrawn_opening: int | None = None  # the last public opening of an event that became a draft again
    public_changes: list[PublicChange] = []  # since the publication, oldest first
    paused: bool = False  # stored apart from the event, so that an apply does not change it
    suspended: bool = False  # never stored: its promoter is locked or is no longer a promoter (`Catalog.stopped_promoters`)
    payments_off: bool = False  # never stored: its promoter's account may not take payments (`Catalog.accounts`)

    @property
    def is_closed(self) -> bool:
        """Whether the stock accepts no holds. In a bootstrap event, only a pause closes the stock; the sale rules check its status."""
        return self.is_paused or (self.managed_by == "api" and self.status in ("draft", "cancelled"))

    @property
    def is_paused(self) -> bool:
        """Whether nobody can reserve for now: a manager has paused the sale, or the event's promoter is locked or cannot be paid."""
        return self.paused or self.suspended or self.payments_off

    @property
    def cancelled_date_ids(self) -> set[str]:
        return {cancelled.id for cancelled in self.cancelled_dates}

    @property
    def open_dates(self) -> list[EventDate]:
        """The dates that take place, or all dates if all of them are cancelled."""
        cancelled = self.cancelled_date_ids
        return [date for date in self.dates if date.id not in cancelled] or self.dates

    def with_cancelled_date(self, cancelled: CancelledDate) -> "Event":
        """Return the event after the cancellation of a date. If no other date takes place, the event is cancelled too."""
        after = replace(self, cancelled_dates=[*self.cancelled_dates, cancelled])
        if {date.id for date in self.dates} <= after.cancelled_date_ids:
            return after.cancelled(cancelled)
        return after.with_times_of_dates()

    def cancelled(self, of: CancelledDate) -> "Event":
        """Return the event, cancelled for the reason of one of its dates."""
        return replace(self, status="cancelled", cancellation_reason=of.reason, cancellation_reasons=of.reasons)

    def with_times_of_dates(self) -> "Event":
        """Return the event with the start of its first date that takes place, and the end of the last one.

        Returns an event without dates unchanged.
        """
        if not self.dates:
            return self
        dates = self.open_dates
        starts_at, last = min(date.start for date in dates), max(date.end or date.start for date in dates)
        ends_at = last if last > starts_at else None
        period = {"date": clock.iso(starts_at), "end_date": None if ends_at is None else clock.iso(ends_at)}
        return replace(
            self, starts_at=starts_at, ends_at=ends_at, dates=sorted(self.dates, key=lambda date: (date.start, date.id)), **period
        )

    def in_language(self, language: Language | None) -> "Event":
        """Return the event with its name, its description, the names of its dates and its reasons of cancellations in a language."""
        return _in_language(self, language)

    def for_tiers(self, tiers: "Iterable[Tier | None]") -> "Event":
        """Return the event as it is for tickets of these tiers: with only the dates for which they are valid, and their times and place.

        None, a tier that the catalog has lost, counts as valid for all dates. Without tiers, all dates stay. If a new bootstrap file has
        left out all dates of the tiers, the returned event has no dates, and no door admits their tickets.
        """
        if not self.dates:
            return self
        known = list(tiers)
        if not known or not all(tier is not None and tier.date_ids for tier in known):
            return self
        named = {date_id for tier in known if tier is not None for date_id in tier.date_ids}
        return self.on_dates([date for date in self.dates if date.id in named])

    def on_dates(self, dates: "Sequence[EventDate]") -> "Event":
        """Return the event with only these dates and with their times. If there is only one date, the event also gets its place.

        If all of these dates are cancelled, the returned event is cancelled.
        """
        changes: dict[str, Any] = {"venue": dates[0].venue, "address": "", "city": None} if len(dates) == 1 and dates[0].venue else {}
        after = replace(self, dates=list(dates), **changes).with_times_of_dates()
        cancelled = {each.id: each for each in self.cancelled_dates}
        if self.status != "cancelled" and dates and all(date.id in cancelled for date in dates):
            return after.cancelled(cancelled[dates[0].id])
        return after

    def limit(self, default: int) -> int:
        """Return the number of tickets that one user may buy. Returns `default` if the event has no limit of its own."""
        return self.purchase_limit or default

    def effective_hold_seconds(self, default: int) -> int:
        """Return the number of seconds for which a reservation holds its tickets. Returns `default` if the event sets none."""
        return self.hold_seconds or default

    @property
    def last_sale_at(self) -> int:
        """The last second in which a ticket may be sold: the end of the event, or its start if it has no end."""
        return self.starts_at if self.ends_at is None else self.ends_at

    @property
    def starts(self) -> list[int]:
        """The starts of the event's dates in epoch seconds, or of the event without dates."""
        return [date.start for date in self.dates] or [self.starts_at]

    @property
    def place(self) -> str:
        """The venue, address and city on one line."""
        return ", ".join(part for part in (self.venue, self.address, self.city) if part)

    @property
    def tax_address(self) -> TaxAddress | None:
        """The address by which a payment provider finds the taxes. None if a part is missing, or if dates have venues of their own."""
        country, city, postal_code = self.country, self.city, self.postal_code
        has_other_venues = any(date.venue is not None and date.venue != self.venue for date in self.dates)
        if country is None or city is None or postal_code is None or not self.address or has_other_venues:
            return None
        if self.region is None and country in ("CA", "US"):
            return None
        return TaxAddress(self.address, city, postal_code, country, self.region)

    @property
    def announced(self) -> tuple[str, str, int, str, str]:
        """The details that ticket holders are told about when they change: name, place, start, time zone, and each date with its venue.

        A cancelled date has the start 0.
        """
        cancelled = self.cancelled_date_ids
        dates = " ".join(f"{date.id}={0 if date.id in cancelled else date.start}@{quote(date.venue or '')}" for date in self.dates)
        return self.name, self.place, self.starts_at, self.timezone, dates

    @property
    def has_waiting_room(self) -> bool:
        """Whether buyers wait in line. Every event with an opening time has a waiting room unless it is disabled."""
        return self.on_sale_at is not None and (self.waiting_room is None or self.waiting_room.enabled)

    @property
    def shop_url(self) -> str | None:
        """The address of the other shop that sells the tickets, or None if this shop sells them."""
        return self.waiting_room.shop_url if self.has_waiting_room and self.waiting_room is not None else None

    @property
    def entry_rule(self) -> EntryRule:
        """Who gets a place in the waiting room."""
        return "open" if self.waiting_room is None else self.waiting_room.entry

    @property
    def needs_address(self) -> bool:
        """Whether people need a verified address for a place in the waiting room."""
        return self.entry_rule in ADDRESS_RULES

    @property
    def allows_groups(self) -> bool:
        """Whether several people with verified addresses may share one place in the waiting room."""
        return self.waiting_room is not None and self.waiting_room.groups and self.needs_address and not self.has_ballot

    @property
    def has_ballot(self) -> bool:
        """Whether the waitlist offers the tickets in the order of the waiting room's draw, and nobody else can buy them."""
        return self.has_waiting_room and self.waiting_room is not None and self.waiting_room.ballot and self.shop_url is None

    @property
    def ballot_cards(self) -> BallotCards:
        """Whether people can or must save a card when they register for the event's ballot."""
        return self.waiting_room.ballot_cards if self.has_ballot and self.waiting_room is not None else "none"

    @property
    def wants_better_odds(self) -> bool:
        """Whether the configuration asks for better odds, even if the event does not meet their conditions."""
        return self.has_waiting_room and self.waiting_room is not None and self.waiting_room.better_odds

    @property
    def has_better_odds(self) -> bool:
        """Whether people for whom the promoter's earlier ballots drew no tickets have several numbers in the event's ballot."""
        return self.wants_better_odds and self.has_ballot and self.entry_rule in PERSON_RULES

    @property
    def has_waitlist(self) -> bool:
        """Whether people can join a waitlist for sold-out tickets, or register for a ballot."""
        return self.waitlist is None or self.waitlist.enabled or self.has_ballot

    @property
    def keeps_for_waitlist(self) -> bool:
        """Whether returned tickets are reserved for people on the waitlist."""
        return self.has_waitlist and (self.waitlist is None or self.waitlist.keeps_tickets)

    @property
    def pool_limit(self) -> int:
        """The number of tickets in the pool if nothing is held back."""
        return UNLIMITED if self.capacity is None else self.capacity

    def pool_capacity(self, held_back: int) -> int:
        """Return the number of tickets in the pool if the event's tiers hold back this many."""
        return UNLIMITED if self.capacity is None else self.capacity - held_back

    @property
    def sort_key(self) -> tuple[int, int, str]:
        """The key that sorts events by display order, then by start time."""
        return self.display_order, self.starts_at, self.id


def timezone_of(event: Event | None) -> str:
    """Return the time zone of an event, or UTC for an event that the catalog no longer has."""
    return "UTC" if event is None else event.timezone


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ticket type of an event. Its stock is in the inventory under `stock_id`, with `shards` shards.

    `capacity` is null for a tier without a limit of its own; only the event's capacity, if there is one, limits its sale.
    """

    id: str
    event_id: str
    name: str
    price_cents: int
    currency: str
    capacity: int | None
    status: TierStatus
    stock_id: str
    shards: int
    managed_by: ManagedBy
    description: Annotated[str, Field("public", "Describes the tier to buyers.", Text)] = ""
    names: Annotated[dict[str, str], Field("managers", "The name in other languages, by language.", Names)] = {}
    descriptions: Annotated[dict[str, str], Field("managers", "The description in other languages, by language.", Texts)] = {}
    per_user_limit: int | None = None
    max_per_transaction: int | None = None
    admits: Annotated[int, Field("public", "How many people one ticket admits.", Annotated[int, Meta(ge=1, le=100)])] = 1
    date_ids: Annotated[
        list[str],
        Field(
            "public",
            "The ids of the event's dates for which a ticket is valid, once on each date; empty: all dates.",
            Annotated[list[str], Meta(max_length=MAX_DATES)],
        ),
    ] = []
    seating: Annotated[
        Seating | None,
        Field(
            "public",
            "`wheelchair` for wheelchair spaces, `companion` for companion seats, of which a purchase may have three for each wheelchair "
            "space in it; null: other tickets.",
        ),
    ] = None
    sale_starts_at: int | None = None
    sale_ends_at: int | None = None
    display_order: int = 0
    low_stock_at: Annotated[
        int | None,
        Field("managers", "The low-stock alarm goes off when this many tickets or fewer are left; null: no alarm.", Count | None),
    ] = None
    holdbacks: Annotated[
        list[Holdback],
        Field(
            "managers",
            "Tickets that buyers cannot have: each entry with `id`, `reason` and `quantity`, and optionally `label`, `release_at`, "
            "`release_when_sold_out` and `release_to`. A released entry holds nothing back.",
            Annotated[list[Holdback], Meta(max_length=MAX_HOLDBACKS)],
        ),
    ] = []
    releases: list[HoldbackRelease] = []  # of holdbacks; a bootstrap file has none, so the catalog keeps them apart from its versions
    issuing: list[str] = []  # ids of holdbacks, including removed ones, that got a stock of their own for complimentary tickets
    resale_prices: list[int] = []  # prices at which tickets were ever for resale; each has a stock of its own
    hidden: Annotated[bool, Field("managers", "The tier is in no list, but buyers who know its id can buy it.", in_file="elsewhere")] = (
        False
    )
    requires_code: Annotated[
        bool, Field("public", "Buyers need a promo code that opens the tier. The waitlist does not offer its tickets.")
    ] = False
    included_fee: Annotated[
        IncludedFee | None,
        Field("public", "The fee in the price: `cents` for each ticket, `percent` of its price, or both; null: pages mention no fee."),
    ] = None
    tax: Annotated[
        Tax | Literal["none"] | None,
        Field(
            "public",
            "The tax that the price includes: `percent`, and optionally `exempt_because`; `none`: documents do not mention tax; null: the "
            "default for the event's country and region, if there is one.",
        ),
    ] = None
    is_sponsorship: Annotated[bool, Field("public", "The tier is shown to buyers, and in sales reports, as a sponsorship.")] = False
    image_url: str | None = None  # for an uploaded image, the address of its JPEG
    image: StoredImage | None = None  # uploaded
    options: list[CustomOption] = []
    public_changes: list[PublicChange] = []  # while the event was published, oldest first
    stripe_price_id: str | None = None
    availability: dict[str, Any] | None = None  # as in the bootstrap file
    metadata: dict[str, Any] = {}
    removed: bool = False
    version: int = 1
    created_at: int = 0
    updated_at: int = 0

    def in_language(self, language: Language | None) -> "Tier":
        """Return the tier with its name, its description and its questions in a language."""
        return _in_language(self, language)

    def is_valid_on(self, date_id: str) -> bool:
        """Return whether the tickets are valid on a date of the event."""
        return not self.date_ids or date_id in self.date_ids

    @property
    def active_holdbacks(self) -> list[Holdback]:
        """The holdbacks that have not been released."""
        released = {release.holdback_id for release in self.releases}
        return [holdback for holdback in self.holdbacks if holdback.id not in released]

    @property
    def held_back(self) -> int:
        """The number of tickets that are held back, from the tier's stock and from the event's pool.

        A released holdback still holds back the complimentary tickets that were issued from it.
        """
        return sum(holdback.quantity for holdback in self.active_holdbacks) + sum(release.issued for release in self.releases)

    @property
    def own_tax(self) -> Tax | None:
        """The tax that the price includes, without the default for the event's place."""
        return None if self.tax == "none" else self.tax

    @property
    def included_fee_cents(self) -> int:
        """The fee that the price includes, in minor units."""
        return 0 if self.included_fee is None else self.included_fee.included_in(self.price_cents)

    @property
    def holdback_shard_counts(self) -> dict[str, int]:
        """Map the stock id of each holdback with a stock of its own to its number of shards, which is 1."""
        return {self.holdback_stock_id(holdback_id): 1 for holdback_id in self.issuing}

    def holdback_stock_id(self, holdback_id: str) -> str:
        """Return the id of the stock from which complimentary tickets of a holdback are issued."""
        return f"{self.stock_id}/{holdback_id}"

    @property
    def resale_tiers(self) -> "list[Tier]":
        """The tier at each price at which its tickets were ever for resale, cheapest first."""
        return [self.for_resale(price_cents) for price_cents in sorted(self.resale_prices)]

    def for_resale(self, price_cents: int) -> "Tier":
        """Return the tier for its tickets for resale at a price. They have their own stock, and are on sale even if the tier is not."""
        return replace(
            self,
            price_cents=price_cents,
            status=self.status if self.status == "test" else "available",
            stock_id=f"{self.stock_id}{_RESALE}{price_cents}",
            shards=1,
            capacity=MAX_RESALE_TICKETS,
            holdbacks=[],
            releases=[],
            issuing=[],
            resale_prices=[],
            sale_starts_at=None,
            sale_ends_at=None,
            stripe_price_id=None,
        )

    @property
    def is_resale(self) -> bool:
        """Whether this is a tier as `for_resale` returns it."""
        return is_resale_stock(self.stock_id)

    def holdback_capacity(self, holdback_id: str) -> int:
        """Return the number of tickets that a holdback holds back: its quantity or, after its release, the issued tickets."""
        held = {holdback.id: holdback.quantity for holdback in self.active_holdbacks}
        return held.get(holdback_id, 0) + sum(release.issued for release in self.releases if release.holdback_id == holdback_id)

    @property
    def stock_limit(self) -> int:
        """The number of tickets in the tier's stock if nothing is held back."""
        return UNLIMITED if self.capacity is None else self.capacity

    @property
    def stock_capacity(self) -> int:
        """The number of tickets in the tier's stock: its capacity without the tickets that are held back."""
        return UNLIMITED if self.capacity is None else self.capacity - self.held_back

    def limit(self, default: int) -> int:
        """Return the number of tickets of this tier that one purchase may have. Returns `default` if the tier has no limit of its own."""
        return min((limit for limit in (self.per_user_limit, self.max_per_transaction) if limit is not None), default=default)


T = TypeVar("T")
Described = TypeVar("Described", Event, Tier)


def _in_language(entry: Described, language: Language | None) -> Described:
    """Return an event or tier with its texts in a language. Returns the same object if it has no texts in the language."""
    name, description = in_language(entry.name, entry.names, language), in_language(entry.description, entry.descriptions, language)
    changes: dict[str, Any] = {"name": name, "description": description}
    if isinstance(entry, Tier):
        changes["options"] = [option.in_language(language) for option in entry.options]
    else:
        if any(date.names for date in entry.dates):
            changes["dates"] = [replace(date, name=in_language(date.name or "", date.names, language) or None) for date in entry.dates]
        reason = in_language(entry.cancellation_reason or "", entry.cancellation_reasons, language) or None
        changes |= {"cancellation_reason": reason, "cancelled_dates": [each.in_language(language) for each in entry.cancelled_dates]}
    return replace(entry, **changes) if any(getattr(entry, field) != text for field, text in changes.items()) else entry


def _tiers_in_language(tiers: tuple[Tier, ...], language: Language) -> tuple[Tier, ...]:
    return tuple(tier.in_language(language) for tier in tiers)


class DisplayState(Struct, frozen=True, forbid_unknown_fields=True):
    """The meaning of a tier status for buyers: whether tiers with this status can be bought and are listed, and which message they show."""

    purchasable: bool
    display: bool
    message: str | None = None


DEFAULT_STATES: dict[str, DisplayState] = {
    "available": DisplayState(True, True),
    "sold-out": DisplayState(False, True, "Sold out"),
    "coming-soon": DisplayState(False, True, "On sale soon"),
    "closed": DisplayState(False, False, "Sales have ended"),
    "test": DisplayState(True, False, "Test ticket, not for production"),
}


class RegionClaim(Struct, frozen=True):
    """What a region of a stage with a standby says about itself: it may sell until `until` (epoch seconds), in its `term`.

    The region with the highest term is the active one. `is_alone` means that an operator has made sure that no other region runs, so this
    region continues even if nobody answers. `sold_until` is when the region last sold, once it has stopped.
    """

    region: str
    term: int
    until: int
    is_alone: bool = False
    sold_until: int = 0


class CatalogHead(Struct, frozen=True):
    """The served version and the current revision. Version 0 means that no file has been applied yet. `applied_at` is in epoch seconds.

    `public_revision` is the last revision that changed more than drafts. Each revision after `logged_since` has its entries in the log of
    changes. The stored snapshot, if there is one (`snapshot` is its number), has the entries of `snapshot_revision` in `snapshot_parts`
    parts. A snapshot that is not complete was written by an earlier version of Fairgate, and has only the events and tiers. The served
    version, if it is large, has a copy in `copied_parts` parts. The snapshot, and every catalog with the same number of `invalidations`,
    has the entries as they were at the last invalidation or later.
    """

    version: int = 0
    revision: int = 0
    checksum: str = ""
    applied_at: int = 0
    applied_by: str = ""
    public_revision: int = 0
    logged_since: int = 0
    snapshot: int = 0
    snapshot_revision: int = 0
    snapshot_parts: int = 0
    is_snapshot_complete: bool = False
    copied_parts: int = 0
    invalidations: int = 0
    claims: tuple[RegionClaim, ...] = ()  # only in stages with a standby

    def next(self, *, changes_only_drafts: bool = False) -> Self:
        """Return the head of the next revision."""
        revision = self.revision + 1
        return replace(self, revision=revision, public_revision=self.public_revision if changes_only_drafts else revision)


NO_HEAD = CatalogHead()


class PromoterStop(Struct, frozen=True):
    """A change that suspends all events of a promoter, or ends the suspension."""

    promoter_id: str
    is_stopped: bool


PaymentAccountState = Literal["pending", "active", "restricted", "removed"]


class PromoterAccount(Struct, frozen=True, omit_defaults=True):
    """A promoter's account at the payment provider.

    While it is `pending`, because the promoter has not finished setting it up, and after an admin has `removed` it, buyers pay to the
    operator's account. While it is `restricted`, the promoter's events are paused. `former_ids` are accounts that were removed earlier.
    """

    promoter_id: str
    id: str
    state: PaymentAccountState = "pending"
    former_ids: list[str] = []

    @property
    def all_ids(self) -> list[str]:
        """The ids of all accounts that may have payments of the promoter's events."""
        return [self.id, *self.former_ids]


class Brand(Struct, frozen=True, omit_defaults=True):
    """How a promoter's pages look: the color of buttons and links, as `#rrggbb`, on light and on dark pages, and the logo."""

    color: str | None = None
    dark_color: str | None = None
    logo: StoredImage | None = None


NO_BRAND = Brand()


class PromoterChoices(Struct, frozen=True):  # `taxes` is always stored: the previous release cannot read the row without it
    """What a promoter has chosen for all of their events: the default taxes, for ticket types without a tax of their own, and the brand.

    With `automatic_tax`, the payment provider calculates the taxes of the payments that it takes.
    """

    promoter_id: str
    taxes: list[DefaultTax] = []
    brand: Brand = NO_BRAND
    automatic_tax: bool = False


CatalogEntry = Event | Tier | PromoterStop | PromoterAccount | PromoterChoices


class VersionContent(Struct, frozen=True):
    """The stored content of a version."""

    events: list[Event]
    tiers: list[Tier]
    states: dict[str, DisplayState]


class _Translated(Mapping[str, T]):
    """Entries of a catalog that are translated when they are read, so that a change to one does not translate all others again."""

    def __init__(self, entries: Mapping[str, T], translate: Callable[[T], T]) -> None:
        self._entries, self._translate = entries, translate

    def __getitem__(self, key: str) -> T:
        return self._translate(self._entries[key])

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class Catalog(Struct, frozen=True, eq=False):
    """All events and tiers at one revision, and the promoters' payment accounts and choices by promoter id.

    The events of `stopped_promoters` are suspended. The events of promoters with a restricted account are paused.

    Catalogs are compared by identity, so that caches of computed values can quickly tell whether the catalog has changed.
    """

    head: CatalogHead
    events: Mapping[str, Event]
    tiers: Mapping[str, Tier]
    states: dict[str, DisplayState]
    tiers_by_event: Mapping[str, tuple[Tier, ...]]
    slugs: dict[str, str]
    stopped_promoters: frozenset[str] = frozenset()
    accounts: dict[str, PromoterAccount] = {}
    choices: dict[str, PromoterChoices] = {}

    @classmethod
    def build(
        cls,
        events: Iterable[Event],
        tiers: Iterable[Tier],
        states: Mapping[str, DisplayState] | None = None,
        *,
        head: CatalogHead = NO_HEAD,
        stopped_promoters: frozenset[str] = frozenset(),
        accounts: Mapping[str, PromoterAccount] | None = None,
        choices: Mapping[str, PromoterChoices] | None = None,
    ) -> Self:
        """Index events and tiers; `states` replace the default display states with the same name."""
        tiers_by_id = {tier.id: tier for tier in tiers}
        tiers_by_event: dict[str, list[Tier]] = {}
        for tier in tiers_by_id.values():
            tiers_by_event.setdefault(tier.event_id, []).append(tier)
        by_promoter = dict(accounts or {})
        events_by_id = {event.id: _with_suspension(event, stopped_promoters, by_promoter) for event in events}
        return cls(
            head=head,
            events=events_by_id,
            tiers=tiers_by_id,
            states={**DEFAULT_STATES, **(states or {})},
            tiers_by_event={event_id: _by_price(event_tiers) for event_id, event_tiers in tiers_by_event.items()},
            slugs={event.slug: event.id for event in events_by_id.values() if event.slug and event.deleted_at is None},
            stopped_promoters=stopped_promoters,
            accounts=by_promoter,
            choices=dict(choices or {}),
        )

    @property
    def version(self) -> int:
        return self.head.version

    @property
    def revision(self) -> int:
        return self.head.revision

    def in_language(self, language: Language) -> Self:
        """Return the catalog with the texts of its events and tiers in a language. Each is translated when it is read."""
        events = _Translated(self.events, partial(Event.in_language, language=language))
        tiers = _Translated(self.tiers, partial(Tier.in_language, language=language))
        by_event = _Translated(self.tiers_by_event, partial(_tiers_in_language, language=language))
        return replace(self, events=events, tiers=tiers, tiers_by_event=by_event)

    def with_changes(self, entries: Sequence[CatalogEntry], head: CatalogHead | None = None) -> Self:
        """Return the catalog of `head` after adding these entries in order, each in place of any entry with the same id.

        A stopped promoter's events are suspended. The events of a promoter with a restricted account are paused. Without `head`, the result
        is the catalog of the next revision.
        """
        events, tiers, tiers_by_event, slugs = {**self.events}, {**self.tiers}, {**self.tiers_by_event}, {**self.slugs}
        stopped, accounts, choices = self.stopped_promoters, self.accounts, self.choices
        for entry in entries:
            if isinstance(entry, PromoterChoices):
                choices = {**choices, entry.promoter_id: entry}
                continue
            if isinstance(entry, PromoterStop | PromoterAccount):
                if isinstance(entry, PromoterAccount):
                    accounts = {**accounts, entry.promoter_id: entry}
                else:
                    stopped = stopped | {entry.promoter_id} if entry.is_stopped else stopped - {entry.promoter_id}
                own = [event for event in events.values() if event.promoter_id == entry.promoter_id]
                events.update({event.id: _with_suspension(event, stopped, accounts) for event in own})
                continue
            if isinstance(entry, Tier):
                tiers[entry.id] = entry
                others = [tier for tier in tiers_by_event.get(entry.event_id, ()) if tier.id != entry.id]
                tiers_by_event[entry.event_id] = _by_price([*others, entry])
                continue
            before, events[entry.id] = events.get(entry.id), _with_suspension(entry, stopped, accounts)
            if before is not None and before.slug and slugs.get(before.slug) == entry.id:
                del slugs[before.slug]
            if entry.slug and entry.deleted_at is None:
                slugs[entry.slug] = entry.id
        if head is None:
            head = self.head.next(changes_only_drafts=all(_is_of_drafts(entry, self.events, events) for entry in entries))
        changed = {"events": events, "tiers": tiers, "tiers_by_event": tiers_by_event, "slugs": slugs}
        return replace(self, head=head, stopped_promoters=stopped, accounts=accounts, choices=choices, **changed)

    def choices_of(self, promoter_id: str | None) -> PromoterChoices:
        """Return what a promoter has chosen. Without a promoter, nothing is chosen."""
        return self.choices.get(promoter_id or "") or PromoterChoices(promoter_id or "")

    def event_account(self, event_id: str) -> PromoterAccount | None:
        """Return the payment account of the event's promoter, in any state. Returns None if there is no promoter or no account."""
        event = self.events.get(event_id)
        return self.accounts.get(event.promoter_id) if event is not None and event.promoter_id is not None else None

    def charged_account_id(self, event_id: str) -> str | None:
        """Return the id of the promoter's account on which payments for the event are opened. None means the operator's account."""
        account = self.event_account(event_id)
        return account.id if account is not None and account.state in ("active", "restricted") else None

    def account_ids(self) -> list[str]:
        """Return the ids of all accounts that promoters have or had."""
        return [account_id for account in self.accounts.values() for account_id in account.all_ids]

    def find_event(self, event_id: str) -> Event | None:
        """Return the event, which may be a draft. Returns None if the event is unknown or deleted."""
        event = self.events.get(event_id)
        return None if event is None or event.deleted_at is not None else event

    def event_for(self, event_id: str, tier_ids: Iterable[str]) -> Event | None:
        """Return an event as it is for tickets of these tiers (`Event.for_tiers`). Returns None for an unknown event."""
        event = self.events.get(event_id)
        return None if event is None else self.narrow(event, tier_ids)

    def narrow(self, event: Event, tier_ids: Iterable[str]) -> Event:
        """Return an event, which may be newer than this catalog, as it is for tickets of these tiers (`Event.for_tiers`)."""
        return event.for_tiers(map(self.tiers.get, tier_ids))

    def is_cancelled(self, event: Event, tier_ids: Iterable[str]) -> bool:
        """Return whether the event, or each date for which tickets of one of these tiers are valid, is cancelled."""
        return event.status == "cancelled" or any(self.narrow(event, [tier_id]).status == "cancelled" for tier_id in tier_ids)

    def event_tiers(self, event_id: str) -> tuple[Tier, ...]:
        """Return all tiers of an event, cheapest first, including tiers that buyers do not see."""
        return self.tiers_by_event.get(event_id, ())

    def listed_tiers(self, event_id: str) -> tuple[Tier, ...]:
        """Return the tiers of an event, cheapest first, without tiers deleted through the API."""
        return tuple(tier for tier in self.event_tiers(event_id) if not (tier.removed and tier.managed_by == "api"))

    def visible_tiers(self, event: Event) -> tuple[Tier, ...]:
        """Return the tiers that buyers see: tiers that are not hidden and whose status is displayed, and the test tiers of a test event."""
        return tuple(
            tier
            for tier in self.event_tiers(event.id)
            if not (tier.removed or tier.hidden) and (self.states[tier.status].display or event.status == tier.status == "test")
        )

    def shard_counts(self, event_ids: Iterable[str]) -> dict[str, int]:
        """Map the stock id of each tier and pool of these events to its number of shards, for `inventory.availability.read_stock`.

        The stocks of tickets for resale are included. Tiers deleted through the API are left out: their stock is empty and stays empty.
        """
        counts = {}
        for event_id in event_ids:
            for tier in self.listed_tiers(event_id):
                counts[tier.stock_id] = tier.shards
                if tier.resale_prices:
                    counts.update({resale.stock_id: resale.shards for resale in tier.resale_tiers})
            event = self.events.get(event_id)
            if event is not None and event.pool_id is not None:
                counts[event.pool_id] = event.pool_shards
        return counts

    def holdback_shard_counts(self, event_ids: Iterable[str]) -> dict[str, int]:
        """Map the stock id of each holdback of these events that has a stock of its own to its number of shards."""
        tiers = (tier for event_id in event_ids for tier in self.listed_tiers(event_id))
        return {stock_id: count for tier in tiers for stock_id, count in tier.holdback_shard_counts.items()}

    def all_shard_counts(self, event_ids: Collection[str]) -> dict[str, int]:
        """Map the id of each stock of these events to its number of shards, including the stocks of holdbacks."""
        return self.shard_counts(event_ids) | self.holdback_shard_counts(event_ids)

    def pool_capacity(self, event: Event) -> int:
        """Return the number of tickets in the event's pool: the event's capacity without the tickets that its tiers hold back."""
        return event.pool_capacity(sum(tier.held_back for tier in self.event_tiers(event.id) if not tier.removed))

    def tier_shard_counts(self, tier: Tier) -> dict[str, int]:
        """Map the ids of the stocks from which a tier is sold (its own stock and the event's pool) to their numbers of shards.

        The seats of tickets for resale are sold already, so the pool does not count them again.
        """
        event = self.events.get(tier.event_id)
        pool = {} if event is None or event.pool_id is None or tier.is_resale else {event.pool_id: event.pool_shards}
        return {tier.stock_id: tier.shards, **pool}

    def tier_stock(self, tier: Tier, stocks: Mapping[str, Stock]) -> Stock:
        """Return the stock of a tier. It has at most as many available tickets as the event's pool has left."""
        stock = stocks.get(tier.stock_id, NO_STOCK)
        event = self.events.get(tier.event_id)
        if event is None or event.pool_id is None:
            return stock
        return replace(stock, available=min(stock.available, stocks.get(event.pool_id, NO_STOCK).available))

    def event_stock(self, event: Event, stocks: Mapping[str, Stock], tiers: Iterable[Tier] | None = None) -> Stock:
        """Return the total stock of `tiers`, by default all tiers of the event. The pool limits the capacity and the available tickets."""
        counted = self.event_tiers(event.id) if tiers is None else tiers
        total = Stock.total_of(stocks[tier.stock_id] for tier in counted if tier.stock_id in stocks)
        if event.pool_id is None:
            return total
        pool = stocks.get(event.pool_id, NO_STOCK)
        return replace(total, capacity=min(total.capacity, pool.capacity), available=min(total.available, pool.available))

    def stock_group(self, event_id: str) -> StockGroup:
        """Return the group of an event's stocks, which are displayed together."""
        return StockGroup(event_id, self.shard_counts([event_id]))


def _is_of_drafts(entry: CatalogEntry, *states: Mapping[str, Event]) -> bool:
    """Return whether an entry belongs to an event that is a draft in each of `states`: the events by id before and after a change."""
    if isinstance(entry, PromoterStop | PromoterAccount | PromoterChoices):
        return False  # it also affects the promoter's rights and webhooks, the account that buyers pay, the taxes, or the brand
    event_id = entry.id if isinstance(entry, Event) else entry.event_id
    return all(events[event_id].status == "draft" for events in states if event_id in events)


def _with_suspension(event: Event, stopped_promoters: frozenset[str], accounts: Mapping[str, PromoterAccount]) -> Event:
    suspended = event.promoter_id in stopped_promoters
    account = accounts.get(event.promoter_id) if event.promoter_id is not None else None
    payments_off = account is not None and account.state == "restricted"
    if (event.suspended, event.payments_off) == (suspended, payments_off):
        return event
    return replace(event, suspended=suspended, payments_off=payments_off)


def _by_price(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    return tuple(sorted(tiers, key=lambda tier: (tier.price_cents, tier.display_order, tier.id)))


def is_resale_stock(stock_id: str) -> bool:
    """Return whether a stock contains tickets for resale."""
    return _RESALE in stock_id


def is_split_off(stock_id: str) -> bool:
    """Return whether a stock was split off from its tier's stock, for a holdback or for resale. An event's pool does not count it."""
    return "/" in stock_id


def in_display_order(tiers: Iterable[Tier]) -> list[Tier]:
    """Return tiers in the promoter's order."""
    return sorted(tiers, key=lambda tier: (tier.display_order, tier.id))
