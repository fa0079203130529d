"""Request bodies that create and change events and tiers, and the conversion of these bodies to values of the model."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from math import floor
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from chalicelib.catalog.fields import COUNTRIES, Capacity, Line, Name, Text, extended, form_fields
from chalicelib.catalog.model import (
    MAX_DATES,
    Event,
    EventDate,
    Holdback,
    ReturnPolicy,
    Tier,
    TransferPolicy,
    WaitingRoomConfig,
    WaitlistConfig,
)
from chalicelib.foundation import clock
from chalicelib.foundation.errors import InvalidInput
from chalicelib.foundation.ids import Id
from chalicelib.foundation.money import Cents, Currency, DefaultTax, IncludedFee, Tax
from chalicelib.inventory.model import finite

MAX_METADATA_BYTES = 8 * 1024
# JSON that is nested almost too deeply for Python can be read here, but not where the call stack is deeper or more JSON surrounds it.
# Every instance reads every event, so one such event would make all of them fail.
MAX_METADATA_DEPTH = 20
MAX_HOLD_SECONDS = 3600
MAX_RULE_DAYS = 3 * 366
MIN_CONTRAST = 4.5  # of text and its background: WCAG 2.2, success criterion 1.4.3
# --sunk in web/src/styles/tokens.css, on which text is hardest to read.
PAGE_COLORS = {"light": "#ebe5d6", "dark": "#292d34"}
_RULE_PARTS = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"}

ImageUrl = Annotated[
    str,
    Meta(
        max_length=2000,
        pattern=r"^(https?://|/media/)[^\s]+$",
        examples=["https://example.org/harbor-nights.jpg"],
        description="An address without spaces that begins with https:// or http://, or the unchanged address of an uploaded image.",
    ),
]
Color = Annotated[str, Meta(pattern=r"\A#[0-9a-f]{6}\Z", examples=["#17643f"], description="A color: # and six hexadecimal digits.")]
Moment = Annotated[datetime, Meta(tz=True, examples=["2026-09-01T19:00:00Z"], description="ISO 8601 with an offset or Z.")]
Position = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
PurchaseLimit = Annotated[int, Meta(ge=1, le=1000)]
OrderLimit = Annotated[int, Meta(ge=1, le=50)]
HoldSeconds = Annotated[int, Meta(ge=30, le=MAX_HOLD_SECONDS, description="Seconds for which a reservation holds its tickets.")]
Metadata = Annotated[dict[str, Any], Meta(description=f"Free-form JSON, 8 KB at most, nested at most {MAX_METADATA_DEPTH} levels deep.")]
UserId = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}\Z",
        examples=["ada"],
        description="1 to 64 letters, digits or . _ @ + -, starting with a letter or digit.",
    ),
]
Version = Annotated[int, Meta(ge=1, description="The version that you are changing. A change to any other version is refused.")]

# Fields of a tier that have a different name in the model.
_STORED_NAMES = {"position": "display_order", "max_per_order": "max_per_transaction", "on_sale": "status"}
# A body that replaces all fields takes the values of omitted fields from these entries, except for the fields in _STAYS.
_BARE_EVENT = Event(id="", name="", venue="", starts_at=0, status="draft", date="", managed_by="api")
_BARE_TIER = Tier(
    id="", event_id="", name="", price_cents=0, currency="", capacity=None, status="available", stock_id="", shards=0, managed_by="api"
)
_STAYS = {"version", "currency", "promoter_id"}


class NewEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """A new event, as admins send it. `scheduled` and `on_sale` both publish the event; its actual status depends on `on_sale_at`."""

    name: Name
    venue: Name
    starts_at: Moment
    on_sale_at: Moment | None = None
    description: Text = ""
    status: Literal["draft", "scheduled", "on_sale"] = "draft"
    waiting_room: WaitingRoomConfig | None = None
    waitlist: WaitlistConfig | None = None
    capacity: Capacity | None = None
    purchase_limit: PurchaseLimit | None = None

    def fields(self) -> "EventFields":
        return EventFields(**{name: value for name, value in asdict(self).items() if name != "status"})


@extended(form_fields(Event))
class EventChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of an event. Omitted fields stay unchanged.

    `capacity` limits all tiers together; with null, only the capacities of the tiers apply. Only a draft can get its first capacity.
    `starts_at` and `ends_at` of an event with `dates` follow from them.
    """

    name: Name | UnsetType = UNSET
    venue: Line | UnsetType = UNSET
    starts_at: Moment | UnsetType | None = UNSET
    ends_at: Moment | UnsetType | None = UNSET
    dates: Annotated[list[EventDate], Meta(max_length=MAX_DATES)] | UnsetType = UNSET
    on_sale_at: Moment | UnsetType | None = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    purchase_limit: PurchaseLimit | UnsetType | None = UNSET
    hold_seconds: HoldSeconds | UnsetType | None = UNSET
    guests_until: Moment | UnsetType | None = UNSET
    refundable_until: Moment | UnsetType | None = UNSET
    metadata: Metadata | UnsetType = UNSET
    promoter_id: UserId | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Return the given fields as values of the model. Raises InvalidInput."""
        values = _given(self)
        for name in ("starts_at", "ends_at", "on_sale_at", "guests_until", "refundable_until"):
            if name in values:
                values[name] = epoch_seconds(name, values[name])
        if "starts_at" in values:
            values["starts_at"] = values["starts_at"] or 0
        if "timezone" in values:
            check_timezone(values["timezone"])
        return values


class DateRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Dates that repeat: an RFC 5545 rule, such as `FREQ=WEEKLY;BYDAY=FR,SA;COUNT=10`, and the first date.

    The rule needs a COUNT or an UNTIL, repeats daily or less often, and covers at most three years. The dates have the same time of day in
    the event's time zone, even when the clocks change, and each lasts for `duration_minutes`. With `tiers_of`, the id of a date, each new
    date also gets copies of the tiers that are only for that date.
    """

    rule: Annotated[str, Meta(max_length=200, examples=["FREQ=WEEKLY;BYDAY=FR,SA;COUNT=10"])]
    starts_at: Moment
    duration_minutes: Annotated[int, Meta(ge=1, le=14 * 1440)] | None = None
    tiers_of: str | None = None
    version: Version | UnsetType = UNSET


class StateChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The version that may be published or made a draft again. Omit it to accept any version."""

    version: Version | UnsetType = UNSET


class EventFields(EventChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All fields of an event. Omitted fields get their defaults, except the promoter, who stays the same."""

    name: Name

    def values(self) -> dict[str, Any]:
        return {**_default_values(_BARE_EVENT, self), **super().values()}


@extended(form_fields(Tier))
class TierChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of a tier. Omitted fields stay unchanged.

    If `per_user_limit` and `max_per_order` are both null, the limit in the stage's settings applies. If `capacity` is null, only the
    capacity of the event, if it has one, limits the tier.
    """

    name: Name | UnsetType = UNSET
    price_cents: Cents | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    capacity: Capacity | UnsetType | None = UNSET
    position: Position | UnsetType = UNSET
    sale_starts_at: Moment | UnsetType | None = UNSET
    sale_ends_at: Moment | UnsetType | None = UNSET
    per_user_limit: OrderLimit | UnsetType | None = UNSET
    max_per_order: OrderLimit | UnsetType | None = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    on_sale: bool | UnsetType = UNSET
    metadata: Metadata | UnsetType = UNSET
    version: Version | UnsetType = UNSET

    def values(self) -> dict[str, Any]:
        """Return the given fields as values of the model. Raises InvalidInput."""
        values = _given(self)
        for name in ("sale_starts_at", "sale_ends_at"):
            if name in values:
                values[name] = epoch_seconds(name, values[name])
        values = {_STORED_NAMES.get(name, name): value for name, value in values.items()}
        if "status" in values:
            values["status"] = "available" if values["status"] else "closed"
        return values


class TierFields(TierChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All fields of a tier. Omitted fields get their defaults, except the currency, which stays unchanged."""

    name: Name
    price_cents: Cents
    capacity: Capacity | None

    def values(self) -> dict[str, Any]:
        return {**_default_values(_BARE_TIER, self), **super().values()}


class NewTier(Struct, frozen=True, forbid_unknown_fields=True):
    """A new tier, as admins send it."""

    event_id: Id
    name: Name
    price_cents: Cents
    capacity: Capacity | None
    per_user_limit: OrderLimit | None = None
    description: Text = ""
    currency: Currency | None = None
    admits: Annotated[int, Meta(ge=1, le=100)] = 1
    display_order: Position = 0

    def fields(self) -> TierFields:
        values = {name: value for name, value in asdict(self).items() if name not in ("event_id", "currency", "display_order")}
        return TierFields(**values, currency=self.currency or UNSET, position=self.display_order)


def _late_shift(year: int) -> timedelta:
    """Return the time from `year` to the latest year whose calendar matches that of `year` for as long as a rule may last."""

    def first_weekdays(first: int) -> list[int]:
        return [datetime(first + later, 1, 1).weekday() for later in range(MAX_RULE_DAYS // 365 + 3)]

    latest = 9999 - MAX_RULE_DAYS // 365 - 2
    last = next((later for later in range(latest, year, -1) if first_weekdays(later) == first_weekdays(year)), year)
    return datetime(last, 1, 1) - datetime(year, 1, 1)


def expand_rule(wanted: DateRule, known: Sequence[EventDate], timezone: str) -> tuple[list[EventDate], list[EventDate]]:
    """Return the known dates with the missing dates of a rule, and all dates of the rule. Raises InvalidInput.

    A date of the rule that starts at the same time as a known date is not missing. The frequency, the end and the number of dates are
    bounded before the rule is expanded.
    """
    from dateutil import rrule, tz  # type: ignore[import-untyped]  # comes with botocore

    first = clock.local(epoch_seconds("starts_at", wanted.starts_at) or 0, timezone)
    zone, start = first.tzinfo, first.replace(tzinfo=None)
    parts = _rule_parts(wanted.rule)
    try:
        until = start + timedelta(days=MAX_RULE_DAYS)
        if "UNTIL" in parts:
            until = min(until, _rule_end(parts["UNTIL"], zone))
        count = int(parts.get("COUNT", MAX_DATES + 1))
        text = ";".join(f"{name}={value}" for name, value in parts.items() if name not in ("COUNT", "UNTIL"))
        # If no other day matches, dateutil searches up to the year 9999, which takes seconds. So the rule is first moved close to it.
        shift = _late_shift(start.year)
        moments = islice(rrule.rrulestr(text, dtstart=start + shift).replace(until=until + shift), min(count, MAX_DATES + 1))
        starts = [int(tz.resolve_imaginary((moment - shift).replace(tzinfo=zone)).timestamp()) for moment in moments]
    except (ValueError, OverflowError, KeyError, IndexError, TypeError) as error:
        raise _bad_rule(f"The rule cannot be read: {error}.") from None
    if not starts:
        raise _bad_rule("The rule has no date within three years.")
    known_starts, ids = {date.start for date in known}, {date.id for date in known}
    dates = list(known)
    for at in starts:
        if at in known_starts:
            continue
        local = clock.local(at, timezone)
        date_id = next(name for name in (f"{local:%Y-%m-%d}", f"{local:%Y-%m-%d-%H%M}", f"{local:%Y-%m-%d}-{at}") if name not in ids)
        ids.add(date_id)
        ends_at = None if wanted.duration_minutes is None else datetime.fromtimestamp(at + 60 * wanted.duration_minutes, UTC)
        dates.append(EventDate(date_id, datetime.fromtimestamp(at, UTC), ends_at))
    if len(dates) > MAX_DATES:
        raise _bad_rule(f"An event has at most {MAX_DATES} dates. Use a smaller COUNT or an earlier UNTIL.")
    return dates, [date for date in dates if date.start in starts]


def _rule_end(text: str, zone: tzinfo | None) -> datetime:
    """Return the last moment of a rule in the event's time zone, from a day, a local time, or a time in UTC. Raises ValueError."""
    if len(text) == 8:
        return datetime.strptime(text, "%Y%m%d") + timedelta(days=1, seconds=-1)
    end = datetime.strptime(text.rstrip("Z"), "%Y%m%dT%H%M%S")
    return end.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) if text.endswith("Z") else end


def _rule_parts(text: str) -> dict[str, str]:
    """Return the parts of a rule by name. Raises InvalidInput for a rule without an end, or one that repeats more often than daily."""
    found = [pair.partition("=") for pair in text.removeprefix("RRULE:").split(";")]
    parts = {name: value for name, _, value in found}
    if (
        len(parts) < len(found)
        or not parts.keys() <= _RULE_PARTS
        or not all(re.fullmatch(r"[A-Z0-9,+-]{1,100}", part[2]) for part in found)
    ):
        raise _bad_rule(f"A rule can have these parts, each at most once: {', '.join(sorted(_RULE_PARTS))}.")
    if parts.get("FREQ") not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise _bad_rule("FREQ is DAILY, WEEKLY, MONTHLY or YEARLY.")
    if not all(re.fullmatch(r"[1-9][0-9]{0,2}", parts[name]) for name in ("COUNT", "INTERVAL") if name in parts):
        raise _bad_rule("COUNT and INTERVAL are numbers from 1 to 999.")
    if ("COUNT" in parts) == ("UNTIL" in parts):
        raise _bad_rule("A rule needs either a COUNT or an UNTIL.")
    return parts


def _bad_rule(message: str) -> InvalidInput:
    return InvalidInput(message, path="$.rule", rule="invalid_rule")


def check_event(event: Event) -> None:
    """Raise InvalidInput if the times of an event are out of order. Times that a draft lacks are not checked."""
    if event.starts_at and event.on_sale_at is not None and event.on_sale_at >= event.starts_at:
        raise InvalidInput(
            "The sale must open before the event starts. Choose an earlier `on_sale_at`.", path="$.on_sale_at", rule="opens_after_start"
        )
    if event.ends_at is not None and event.ends_at <= event.starts_at:
        raise InvalidInput("The event must end after it starts. Choose a later `ends_at`.", path="$.ends_at", rule="ends_before_start")
    check_returns(event.returns, event.transfers)
    check_place(event.country, event.region)
    if event.refundable_until is not None and event.refundable_until > max(event.starts):
        raise InvalidInput(
            "Returns must end before the event starts. Choose an earlier `refundable_until`.",
            path="$.refundable_until",
            rule="refundable_after_start",
        )


def check_dates(dates: Sequence[EventDate]) -> None:
    """Raise InvalidInput if two dates of an event have the same id, or if a time is out of range or a date ends before it starts."""
    seen = set()
    for number, date in enumerate(dates):
        path = f"dates[{number}]"
        if date.id in seen:
            raise InvalidInput("Each date needs an id of its own.", path=f"$.{path}.id", rule="date_repeated")
        seen.add(date.id)
        starts_at, ends_at = epoch_seconds(f"{path}.starts_at", date.starts_at), epoch_seconds(f"{path}.ends_at", date.ends_at)
        if starts_at is not None and ends_at is not None and ends_at <= starts_at:
            message = "A date must end after it starts. Choose a later `ends_at`."
            raise InvalidInput(message, path=f"$.{path}.ends_at", rule="ends_before_start")


def check_date_ids(date_ids: Sequence[str], dates: Sequence[EventDate]) -> None:
    """Raise InvalidInput if a tier names a date that its event does not have."""
    known = {date.id for date in dates}
    for number, date_id in enumerate(date_ids):
        if date_id not in known:
            message = f"The event has no date `{date_id}`. Use the id of one of its dates."
            raise InvalidInput(message, path=f"$.date_ids[{number}]", rule="unknown_date")


def check_date_capacity(date: EventDate, tier_limits: Iterable[int], event_limit: int, path: str) -> None:
    """Raise InvalidInput for `path` if the tickets that are valid on a date could exceed its capacity.

    `tier_limits` are the numbers of tickets that the tiers for the date can sell, and `event_limit` is the number that all tiers can sell.
    """
    tickets = min(event_limit, sum(tier_limits))
    if date.capacity is None or tickets <= date.capacity:
        return
    known = finite(tickets)
    number = f"up to {tickets} tickets" if known is not None else "any number of tickets"
    message = f"Ticket types sell {number} for the date `{date.id}`, which has a capacity of {date.capacity}. Lower their capacities first."
    raise InvalidInput(message, path=path, rule="above_date_capacity", date_id=date.id, capacity=date.capacity, tickets=known)


def check_returns(returns: ReturnPolicy | None, transfers: TransferPolicy) -> None:
    """Raise InvalidInput if the deadline for returns is out of range, or if the rules for returns and transfers contradict each other."""
    if returns is not None:
        epoch_seconds("returns.until", returns.until)
    has_resale = returns is not None and returns.policy == "resale"
    if returns is not None and has_resale and returns.needs_approval:
        raise InvalidInput(
            "Nobody approves a resale. Set `needs_approval` to false.", path="$.returns.needs_approval", rule="resale_needs_approval"
        )
    if transfers == "resale" and not has_resale:
        raise InvalidInput(
            "Tickets can change hands only through resale if `returns` has the policy `resale`.",
            path="$.transfers",
            rule="transfers_need_resale",
        )


def check_tier(tier: Tier) -> None:
    """Raise InvalidInput if the sale of a tier would end before it begins, or if its holdbacks contradict each other or its capacity."""
    check_holdbacks(tier.holdbacks)
    check_tax(tier.own_tax)
    check_included_fee(tier.included_fee, tier.price_cents)
    if tier.capacity is not None and tier.held_back > tier.capacity:
        message = f"The holdbacks have {tier.held_back} tickets, more than the capacity of {tier.capacity}. Choose smaller quantities."
        raise InvalidInput(message, path="$.holdbacks", rule="above_capacity", maximum=tier.capacity)
    if tier.sale_starts_at is not None and tier.sale_ends_at is not None and tier.sale_ends_at <= tier.sale_starts_at:
        raise InvalidInput(
            "The sale must end after it starts. Choose a later `sale_ends_at`.", path="$.sale_ends_at", rule="sale_ends_before_start"
        )


def check_holdbacks(holdbacks: Sequence[Holdback]) -> None:
    """Raise InvalidInput if two holdbacks have the same id, or if a time is out of range."""
    seen = set()
    for number, holdback in enumerate(holdbacks):
        if holdback.id in seen:
            raise InvalidInput("Each holdback needs an id of its own.", path=f"$.holdbacks[{number}].id", rule="id_repeated")
        seen.add(holdback.id)
        epoch_seconds(f"holdbacks[{number}].release_at", holdback.release_at)


def check_tax(tax: Tax | None, path: str = "$.tax") -> None:
    """Raise InvalidInput if a tax has both a rate and an exemption."""
    if tax is not None and tax.exempt_because is not None and tax.percent != "0":
        raise InvalidInput(
            "An exempt price includes no tax. Set `percent` to 0, or leave out `exempt_because`.",
            path=f"{path}.exempt_because",
            rule="exempt_with_rate",
        )


def check_included_fee(fee: IncludedFee | None, price_cents: int) -> None:
    """Raise InvalidInput if the fee that a price includes is higher than the price."""
    if fee is not None and fee.total(price_cents) > price_cents:
        raise InvalidInput(
            "The price includes the fee, so the fee cannot be higher. Choose a smaller `included_fee`, or a higher price.",
            path="$.included_fee.cents",
            rule="fee_above_price",
        )


def check_place(country: str | None, region: str | None, path: str = "$") -> None:
    """Raise InvalidInput if there is no such country, or if a region has no country."""
    if country is not None and country not in COUNTRIES:
        raise InvalidInput(
            f"There is no country with the code `{country}`. Use an ISO 3166-1 code, such as GB for the United Kingdom.",
            path=f"{path}.country",
            rule="unknown_country",
        )
    if region is not None and country is None:
        raise InvalidInput("A region needs its country. Set `country` too.", path=f"{path}.country", rule="region_without_country")


def check_brand_colors(color: str | None, dark_color: str | None) -> None:
    """Raise InvalidInput unless both colors can be read on the pages, or neither is chosen."""
    if (color is None) != (dark_color is None):
        missing = "color" if color is None else "dark_color"
        raise InvalidInput("Choose a color for light pages and one for dark pages, or neither.", path=f"$.{missing}", rule="missing")
    for name, chosen, pages, change in (("color", color, "light", "darker"), ("dark_color", dark_color, "dark", "lighter")):
        contrast = MIN_CONTRAST if chosen is None else _contrast(chosen, PAGE_COLORS[pages])
        if contrast < MIN_CONTRAST:
            message = f"Text in this color has a contrast of {floor(contrast * 10) / 10}:1 on {pages} pages, and needs {MIN_CONTRAST}:1."
            raise InvalidInput(f"{message} Choose a {change} color.", path=f"$.{name}", rule="low_contrast")


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, 1 to 21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    """Return the relative luminance of a color `#rrggbb`, 0 to 1 (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance)."""
    channels = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def check_default_taxes(taxes: Sequence[DefaultTax]) -> None:
    """Raise InvalidInput if two default taxes are for the same place, or if one has an unknown country, or a rate and an exemption."""
    places = [(default.country, default.region) for default in taxes]
    for number, default in enumerate(taxes):
        check_place(default.country, default.region, f"$.default_taxes[{number}]")
        check_tax(default.tax, f"$.default_taxes[{number}].tax")
        if places[number] in places[:number]:
            message = "There can be one default tax for each country, and one for each region. Leave out the others."
            raise InvalidInput(message, path=f"$.default_taxes[{number}].country", rule="place_repeated")


def image_after(before: Event | Tier | None, values: dict[str, Any]) -> dict[str, None]:
    """Return the change that these values make to the uploaded image. Any new `image_url`, including null, removes the image.

    Raises InvalidInput for the address of any other uploaded image.
    """
    url = values.get("image_url", UNSET)
    if url is UNSET or url == (before.image_url if before is not None else None):
        return {}
    if url is not None and url.startswith("/media/"):
        message = "This is not the uploaded picture. Upload a picture, or send an address that begins with https://."
        raise InvalidInput(message, path="$.image_url")
    return {"image": None}


def epoch_seconds(field: str, moment: datetime | None) -> int | None:
    """Convert a time from a body to epoch seconds. Raises InvalidInput if the year is out of range."""
    if moment is None:
        return None
    try:
        return clock.epoch_seconds(moment)
    except ValueError as error:
        raise InvalidInput(f"In `{field}`, {error}.", path=f"$.{field}", rule="not_a_time") from None


def check_timezone(name: str) -> None:
    """Raise InvalidInput for a name that is not in the IANA database."""
    if name == "UTC":
        return
    # dateutil comes with botocore and includes the database. Python's zoneinfo needs the system's database, which Lambda may lack.
    from dateutil.zoneinfo import get_zonefile_instance  # type: ignore[import-untyped]

    if get_zonefile_instance().get(name) is None:
        raise InvalidInput(
            f"There is no time zone `{name}`. Use an IANA name, such as America/Denver.", path="$.timezone", rule="unknown_timezone"
        )


def given_fields(changes: Struct) -> dict[str, Any]:
    """Return the given fields of a body, except the expected version."""
    return {name: value for name, value in asdict(changes).items() if value is not UNSET and name != "version"}


def _default_values(bare: Event | Tier, fields: Struct) -> dict[str, Any]:
    """Return the default values of a body's fields, by their names in the model."""
    names = (_STORED_NAMES.get(name, name) for name in fields.__struct_fields__ if name not in _STAYS)
    return {name: getattr(bare, name) for name in names}


def _given(changes: EventChanges | TierChanges) -> dict[str, Any]:
    """Return the given fields, except the version. Lines of text are stripped.

    Raises InvalidInput for metadata that is nested too deeply or is too large.
    """
    values = given_fields(changes)
    if _is_deeper(values.get("metadata"), MAX_METADATA_DEPTH):
        raise InvalidInput(f"The metadata can be nested at most {MAX_METADATA_DEPTH} levels deep.", path="$.metadata")
    lines: dict[str, Any] = {name: value.strip() for name, value in values.items() if isinstance(value, str) and name != "description"}
    if "names" in values:
        lines["names"] = {language: name.strip() for language, name in values["names"].items()}
    if len(msgspec.json.encode(values.get("metadata"))) > MAX_METADATA_BYTES:
        raise InvalidInput(
            f"The metadata can be at most {MAX_METADATA_BYTES // 1024} KB of JSON.",
            path="$.metadata",
            rule="metadata_too_large",
            limit=MAX_METADATA_BYTES // 1024,
        )
    return values | lines


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether JSON is nested deeper than this many levels of objects and lists."""
    if not isinstance(value, dict | list):
        return False
    return levels == 0 or any(_is_deeper(child, levels - 1) for child in (value.values() if isinstance(value, dict) else value))
