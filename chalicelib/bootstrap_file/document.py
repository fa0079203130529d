"""The format of the bootstrap file. `schema.json` is generated from these types; docs/bootstrap.md explains them."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from chalicelib.bootstrap_file.findings import quoted
from chalicelib.catalog.custom_options import MAX_OPTIONS, AskedPer, Choices, OptionLabel, OptionLabels, OptionType, OtherChoices
from chalicelib.catalog.fields import Capacity, Count, Text, extended, file_fields
from chalicelib.catalog.model import DisplayState, Event, Tier, TierStatus, WaitingRoomConfig
from chalicelib.catalog.tier_management import DEFAULT_CURRENCY
from chalicelib.edge.openapi import portable
from chalicelib.foundation import clock
from chalicelib.foundation.money import Cents, Currency, MajorUnits
from chalicelib.inventory.model import MAX_SHARDS
from chalicelib.promotions import views
from chalicelib.promotions.model import DiscountType, PromoCode, normalize
from chalicelib.promotions.views import CodeText, NewPromoCode, PackageIds, TotalUses, TransferDays, UsesPerDonor

# Dates, as people write them in a bootstrap file.

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DAY_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?")


def timezone(name: str | None) -> tzinfo:
    """Return the timezone with this IANA name, or UTC if `name` is None. Raises ValueError if there is no such timezone."""
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown timezone {quoted(name)}; use an IANA name, such as America/Denver") from None


def epoch_seconds(text: str, zone: tzinfo, *, is_end: bool = False) -> int:
    """Convert a day or an ISO 8601 time to epoch seconds. Raises ValueError if the text is invalid.

    A day means its first second in `zone`, or its last second if `is_end`.
    """
    if not (DAY.fullmatch(text) or DAY_AND_TIME.fullmatch(text)):
        raise ValueError(f"must be a day (2026-09-01) or an ISO 8601 time (2026-09-01T19:30:00-06:00), not {quoted(text)}")
    try:
        if not DAY.fullmatch(text):
            moment = datetime.fromisoformat(text)
            return clock.epoch_seconds(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        day = date.fromisoformat(text)
        if is_end:
            return clock.epoch_seconds(datetime.combine(day + timedelta(days=1), time(), zone)) - 1
        return clock.epoch_seconds(datetime.combine(day, time(), zone))
    except OverflowError:
        raise ValueError(clock.YEAR_RULE) from None
    except ValueError as error:
        raise ValueError(f"{quoted(text)} is not a valid date: {error}") from None


MAX_PROMO_CODES = 200  # per event; an apply writes each changed code in its own transaction

Id = Annotated[
    str,
    Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="1 to 100 letters, digits and . _ -, starting with a letter or digit."),
]
OptionId = Annotated[
    str,
    Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="1 to 64 letters, digits and . _ -, starting with a letter or digit."),
]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", description="not blank")]
Day = Annotated[
    str, Meta(max_length=40, description="A day, YYYY-MM-DD, or an ISO 8601 time; in the event's timezone unless it has an offset.")
]
Order = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
StageName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,19}$", description="The stage, as in the setting `stage`.")]
PriceId = Annotated[str, Meta(min_length=1, max_length=255)]
PriceIds = Annotated[dict[StageName, PriceId], Meta(description='One for each stage: {"dev": "price_1", "prod": "price_2"}.')]
Limit = Annotated[int, Meta(ge=1, le=1000)]


class EventMetadata(Struct, frozen=True):
    """Free-form metadata: any key is kept. The keys below have a meaning."""

    description: Text | None = None
    timezone: str | None = None
    city: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    capacity: Count | None = None
    image_url: Annotated[str, Meta(max_length=2000)] | None = None
    featured: bool | None = None
    test_mode: bool | None = None


class PromoCodeEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A promo code of an event, with the same fields as in the API. An `expires_at` that is a day includes the whole day."""

    code: CodeText
    discount_type: DiscountType = "percentage"
    discount_value: MajorUnits = Decimal(0)
    starts_at: Day | None = None
    expires_at: Day | None = None
    max_total_uses: TotalUses | None = None
    max_uses_per_donor: UsesPerDonor | None = None
    package_ids: PackageIds | None = None
    opens_package_ids: PackageIds | None = None
    skips_waiting_room: bool = False
    holdback_id: Id | None = None
    bank_transfer_days: TransferDays | None = None
    admits_to_draw: bool = False
    minimum_total: MajorUnits | None = None
    is_active: bool = True


@extended(file_fields(Event))
class EventEntry(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    name: Name
    date: Day
    venue: Name
    status: Literal["active", "past", "cancelled", "test"] = "active"
    end_date: Day | None = None
    display_order: Order = 0
    metadata: EventMetadata = EventMetadata()
    on_sale_at: Day | None = None
    purchase_limit: Limit | None = None
    guests_until: Day | None = None
    capacity: Capacity | None = None
    waiting_room: WaitingRoomConfig | None = None
    promo_codes: Annotated[list[PromoCodeEntry], Meta(max_length=MAX_PROMO_CODES)] = []


class SaleWindow(Struct, frozen=True, forbid_unknown_fields=True):
    start_date: Day | None = None
    end_date: Day | None = None
    max_per_transaction: Limit | None = None


class OptionEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A question for the buyers of a ticket type."""

    id: OptionId
    label: OptionLabel
    option_type: OptionType
    is_required: bool = True
    labels: OptionLabels = {}
    choices: Choices = []
    other_choices: OtherChoices = {}
    display_order: Order = 0
    per: AskedPer = "purchase"


@extended(file_fields(Tier))
class TicketEntry(Struct, frozen=True, forbid_unknown_fields=True):
    id: Id
    event_id: str
    name: Name
    price_cents: Cents
    currency: Currency = "USD"
    status: TierStatus = "available"
    max_quantity: Capacity | None = None
    stripe_price_id: PriceId | PriceIds | None = None
    sold_count: Count = 0
    display_order: Order = 0
    metadata: dict[str, Any] = {}
    availability: SaleWindow | None = None
    per_user_limit: Limit | None = None
    image_url: Annotated[str, Meta(max_length=2000)] | None = None
    options: Annotated[list[OptionEntry], Meta(max_length=MAX_OPTIONS)] = []
    shards: Annotated[int, Meta(ge=1, le=MAX_SHARDS)] | None = None


def ticket_capacity(ticket: TicketEntry, event: EventEntry) -> int:
    """Return the number of tickets of a ticket type: its `max_quantity`, or else its event's `metadata.capacity`.

    Returns 0 if neither is set. In that case, only the event's `capacity` limits the ticket type. If the event has no `capacity` either,
    the number is unknown.
    """
    return ticket.max_quantity or event.metadata.capacity or 0


def price_id(ticket: TicketEntry, stage: str) -> str | None:
    """Return the id of a ticket type's Stripe price in a stage. Returns None if the ticket type has none."""
    if isinstance(ticket.stripe_price_id, dict):
        return ticket.stripe_price_id.get(stage)
    return ticket.stripe_price_id


class BootstrapDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole bootstrap file, or several files merged into one."""

    version: Annotated[str, Meta(min_length=1, max_length=50)]
    events: dict[str, EventEntry]
    ticket_types: dict[str, TicketEntry]
    generated: Day | None = None
    environment: Annotated[str, Meta(max_length=50)] | None = None
    ticket_states: dict[TierStatus, DisplayState] = {}
    # Files use both spellings. Neither has an effect: an apply always closes entries that are no longer in the file.
    clear_existing: bool = False
    clear_existing_in_camel_case: bool = msgspec.field(default=False, name="clearExisting")


def json_schema() -> bytes:
    """Return the JSON Schema of the format, which is the content of `schema.json`."""
    content = {"$schema": "https://json-schema.org/draft/2020-12/schema", **portable(msgspec.json.schema(BootstrapDocument))}
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


# Conversion of promo codes to their stored form.


def to_promo_codes(events: Mapping[str, EventEntry], tickets: Mapping[str, TicketEntry]) -> list[PromoCode]:
    """Return the promo codes of all events. Their `stock_id` and `shards` are not set yet."""
    codes = []
    for event in events.values():
        zone = timezone(event.metadata.timezone)
        codes += [to_promo_code(code, event.id, tickets.values(), zone) for code in event.promo_codes]
    return codes


def to_promo_code(entry: PromoCodeEntry, event_id: str, tickets: Iterable[TicketEntry], zone: tzinfo) -> PromoCode:
    """Convert a promo code by the rules of the API. Its dates must be valid; `zone` is their timezone. Raises InvalidInput."""
    currency = next((ticket.currency for ticket in tickets if ticket.event_id == event_id), DEFAULT_CURRENCY)
    fields = {name: value for name, value in asdict(entry).items() if name not in ("starts_at", "expires_at")}
    promo_code = PromoCode(
        event_id=event_id,
        currency=currency,
        stock_id="",
        shards=0,
        managed_by="bootstrap",
        created_at=0,
        updated_at=0,
        code=normalize(entry.code),
        starts_at=None if entry.starts_at is None else epoch_seconds(entry.starts_at, zone),
        expires_at=None if entry.expires_at is None else epoch_seconds(entry.expires_at, zone, is_end=True),
        **NewPromoCode(**fields).values(entry.discount_type, currency),
    )
    views.check_terms(promo_code)
    return promo_code
